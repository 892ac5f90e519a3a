"""What the living market costs: the full baseline against its desk alone, as ratios in one run.

    python -m tests.bench living

The desk alone is the baseline without withdrawals, rumour, copies, trust and the run: no level lives, and no clock
ticks by the minute. The models take turns, and CPU time is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import median

from sim.core.memory import share_memory
from sim.model.model import build
from sim.scenario import Scenario, load
from tests.bench.bench_engine import STAGES, Contender, Turn, ours
from tests.bench.timing import compiled_first, turns

LIVING = ("withdrawals", "rumour", "copies", "listening", "trust", "run", "gateway")
TURNS = 7
MOST = 2.0
"""So many times the desk's time may the whole take."""


def main(count: int = TURNS) -> None:
    """Print the table of ratios."""
    compiled_first()
    share_memory()  # as the command does
    print(f"The baseline, 35 days of 10,000 tickets: CPU ms of a replication, median of {count} turns")
    done = [
        {name: replace(one, outcome=None) for name, one in turn.items()} for turn in turns(models(), count, seed=100)
    ]
    print("\n".join(table(done)))


def desk_alone(scenario: Scenario) -> Scenario:
    """Return a scenario without its living market."""
    return scenario.model_copy(update=dict.fromkeys(LIVING))


def models(sets: Sequence[str] = ()) -> dict[str, Contender]:
    """Return the baseline and its desk alone in both engines."""
    whole = load("baseline", sets=sets)
    worlds = {"desk alone": build(desk_alone(whole)), "baseline": build(whole)}
    engines = {"SimPy": ("simpy", 1), "compiled": ("fast", 10)}  # one after the other, as in a run
    return {f"{e}, {name}": ours(model, *how) for e, how in engines.items() for name, model in worlds.items()}


def table(done: Sequence[dict[str, Turn]]) -> list[str]:
    """Return a row for each engine and part of a replication: both medians, their ratio, and the goal."""
    lines = [f"{'':34} {'desk':>8} {'baseline':>9}  {'ratio':>6}  goal"]
    for engine in ("SimPy", "compiled"):
        for label, stations in (("draw, engine, metrics", STAGES[:3]), ("engine alone", STAGES[1:2])):
            desk, whole = (
                median(sum(turn[f"{engine}, {name}"].cpu_s[stage] for stage in stations) for turn in done)
                for name in ("desk alone", "baseline")
            )
            goal = f"at most {MOST:g}: {'yes' if whole <= MOST * desk else 'NO'}" if len(stations) > 1 else ""
            line = f"{engine + ': ' + label:34} {1000 * desk:8,.1f} {1000 * whole:9,.1f}  {whole / desk:6.2f}  {goal}"
            lines.append(line.rstrip())
    return lines
