"""The engine against plain SimPy on the bench desk: whole replications, drawing included, as ratios in one run.

    python -m tests.bench engine

The models take turns, and CPU time is compared, so that other work on the machine weighs on all of them alike. The
number of tickets handled must be equal in law: the means over the replications differ by less than 4 standard errors.
"""

from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median, stdev

from sim.engine import simulate
from sim.outcome import LEFT
from sim.scenario import load
from sim.world import World, build
from tests.bench.plain_desk import run as plain_run

HERE = Path(__file__).parent
DAYS, REPEATS = 30, 7
GOALS = {"no live level": 8, "the baseline's live levels": 6}
Handled = tuple[int, int, int]


def plain(seed: int) -> Handled:
    """Return the tickets handled by the front line, by the second pool, and lost, in the plain model."""
    result = plain_run(DAYS, seed)
    return result.handled_front, result.handled_second, result.left


def ours(world: World) -> Callable[[int], Handled]:
    """Return a function that does the same with the engine, one replication for each seed."""

    def once(seed: int) -> Handled:
        demand = world.demand(seed=seed, replication=0)
        outcome = simulate(demand, world.desk, world.rules)
        done = outcome.leg_team[outcome.leg_end_ms < world.desk.horizon_ms]
        return int((done == 0).sum()), int((done == 1).sum()), int((outcome.outcome == LEFT).sum())

    return once


def cpu_seconds(work: Callable[[int], Handled], seed: int) -> tuple[float, Handled]:
    """Return the CPU seconds of one replication, and what it handled."""
    gc.collect()
    begin = time.process_time()
    handled = work(seed)
    return time.process_time() - begin, handled


def peak_mb(scenario: str) -> float:
    """Return the peak memory of a process that runs one whole replication, metrics and series included, in MB."""
    code = (
        "from sim.scenario import load; from sim.world import build; from sim.replicate import replicate;"
        f"replicate(build(load({scenario!r})), replications=1, seed=1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=HERE.parent.parent)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def equal_in_law(a: list[Handled], b: list[Handled]) -> list[str]:
    """Return a line for each count: both means and the z of their difference; raises where |z| is 4 or more."""
    lines = []
    for name, x, y in zip(("front", "second pool", "left"), zip(*a, strict=True), zip(*b, strict=True), strict=True):
        error = ((stdev(x) ** 2 + stdev(y) ** 2) / len(x)) ** 0.5
        z = (mean(x) - mean(y)) / error
        lines.append(f"  {name}: plain {mean(x):,.0f}, engine {mean(y):,.0f}, z {z:+.1f}")
        assert abs(z) < 4, f"{name}: the two models are not the same desk: {lines[-1]}"
    return lines


def main() -> None:
    """Print the table of ratios."""
    runs: dict[str, Callable[[int], Handled]] = {
        "plain SimPy": plain,
        "no live level": ours(build(load(HERE / "desk.toml"))),
        "the baseline's live levels": ours(build(load(HERE / "desk_levels.toml"))),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    handled: dict[str, list[Handled]] = {name: [] for name in runs}
    for repeat in range(-1, REPEATS):
        for name, work in runs.items():
            used, counts = cpu_seconds(work, 100 + repeat)
            if repeat < 0:  # the first turn imports and warms up; it does not count
                continue
            seconds[name].append(used)
            handled[name].append(counts)
    print(f"bench desk, {DAYS} days of 10,000 tickets, CPU seconds of a replication (median of {REPEATS})")
    base = median(seconds["plain SimPy"])
    for name, used in seconds.items():
        pairs = [p / u for p, u in zip(seconds["plain SimPy"], used, strict=True)]
        goal = f", goal {GOALS[name]}" if name in GOALS else ""
        ratio = f"{base / median(used):5.1f} x (single turns {min(pairs):.1f} to {max(pairs):.1f}{goal})"
        print(f"  {name:28} {median(used):6.3f} s  {ratio}")
    print("handled, equal in law (no live level):")
    print("\n".join(equal_in_law(handled["plain SimPy"], handled["no live level"])))
    print(f"peak memory of a 28-day baseline replication: {peak_mb('baseline'):.0f} MB (goal: under 300)")


if __name__ == "__main__":
    main()
