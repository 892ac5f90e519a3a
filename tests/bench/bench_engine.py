"""The engines against plain SimPy on the bench desk: whole replications as ratios in one run.

    python -m tests.bench engine

The models take turns, and CPU time is compared. The tickets handled must be equal in law: the means over the turns
differ by less than 4 standard errors. The compiled engine must return the SimPy engine's tables on every turn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from pathlib import Path
from statistics import mean, median, stdev

import numpy as np

from sim.core.profiling import StageTimer
from sim.engine.outcome import LEFT, DeskOutcome
from sim.experiment.replication import observe
from sim.metrics.hourly import hourly
from sim.metrics.registry import measure
from sim.model.model import Model, build
from sim.scenario import load
from tests.bench.rivals.plain_desk import REDUCED, WHOLE, Setting
from tests.bench.rivals.plain_desk import run as plain_run
from tests.bench.timing import compiled_first, finished, turns

HERE = Path(__file__).parent
DAYS, TURNS, COMPILED_EACH = 30, 7, 5
STAGES = ("draw", "engine", "metrics", "series")
Handled = tuple[int, int, int]


@dataclass(frozen=True)
class Turn:
    """A model's turn: CPU seconds of a replication by station, what it handled, and what became of the tickets."""

    cpu_s: dict[str, float]
    handled: Handled
    outcome: DeskOutcome | None = None


Contender = Callable[[int], Turn]


@dataclass(frozen=True)
class Row:
    """A row of the table: the stations of a model, against another model's whole turn."""

    label: str
    model: str
    stations: tuple[str, ...] = ("all",)
    base: str = "plain"
    goal: str = ""


ROWS = (
    Row("plain SimPy: a process for each ticket", "plain"),
    Row("plain SimPy, reduced to Ciw's part", "plain, reduced", base="plain, reduced"),
    Row("Ciw on that part, against the row above", "Ciw", base="plain, reduced"),
    Row("SimPy engine: draw, engine", "SimPy", STAGES[:2], goal="8"),
    Row("  and metrics", "SimPy", STAGES[:3]),
    Row("  live levels: draw, engine", "SimPy, levels", STAGES[:2], goal="6"),
    Row("  and metrics", "SimPy, levels", STAGES[:3]),
    Row("compiled engine: engine alone", "compiled", STAGES[1:2]),
    Row("  whole replication: draw, engine, metrics", "compiled", STAGES[:3], goal="100, aim 250"),
    Row("  and hourly series", "compiled", STAGES),
    Row("  live levels: engine alone", "compiled, levels", STAGES[1:2]),
    Row("  live levels: draw, engine, metrics", "compiled, levels", STAGES[:3]),
    Row("  and hourly series", "compiled, levels", STAGES),
)


def main(count: int = TURNS, days: int = DAYS) -> None:
    """Print the table of ratios, where the time goes, and that the models are equal."""
    compiled_first()
    done = []
    for turn in turns(models(days), count, seed=100):
        for kind in ("", ", levels"):
            must_be_twins(turn[f"SimPy{kind}"].outcome, turn[f"compiled{kind}"].outcome)
        done.append({name: replace(one, outcome=None) for name, one in turn.items()})
    print(f"The bench desk, {days} days of 10,000 tickets: CPU ms of a replication, median of {count} turns,")
    print("and how many times as fast as plain SimPy (least and greatest of single turns)")
    print("\n".join(table(done)))
    if "Ciw" not in done[0]:
        print("Ciw is not installed; `make bench` installs it")
    print("Ciw's part: no shifts and no bot's tickets (rivals/ciw_desk.py says why); the rest is the same desk")
    print("where the time goes, ms:", *places(done), sep="\n  ")
    print("handled, equal in law:")
    print("\n".join(equal_in_law("plain", "SimPy", done)))
    if "Ciw" in done[0]:
        print("\n".join(equal_in_law("plain, reduced", "Ciw", done)))
    print(f"compiled = SimPy engine, bit for bit, in each of the {count} turns, without and with live levels")
    print(f"peak memory of a 28-day baseline replication: {peak_mb():.0f} MB (goal: under 300)")


def models(days: int) -> dict[str, Contender]:
    """Return the models by name; Ciw's only where Ciw is installed."""
    plainly: dict[str, Contender] = {"plain": plain(days, WHOLE), "plain, reduced": plain(days, REDUCED)}
    if find_spec("ciw"):
        plainly["Ciw"] = ciw(days)
    for kind, file in (("", "desk.toml"), (", levels", "desk_levels.toml")):
        model = build(load(HERE / file, sets=[f"days={days}"]))
        plainly[f"SimPy{kind}"] = ours(model, "simpy")
        plainly[f"compiled{kind}"] = ours(model, "fast", COMPILED_EACH)
    return plainly


def plain(days: int, setting: Setting) -> Contender:
    """Return the plain SimPy model."""

    def lazy_property(seed: int) -> Turn:
        timer = StageTimer()
        result = plain_run(days, seed, setting)
        timer.mark("all")
        return Turn(timer.cpu_s, (result.handled_front, result.handled_second, result.left))

    return lazy_property


def ciw(days: int) -> Contender:
    """Return the Ciw model."""
    from tests.bench.rivals.ciw_desk import run

    def lazy_property(seed: int) -> Turn:
        timer = StageTimer()
        handled = run(days, seed)
        timer.mark("all")
        return Turn(timer.cpu_s, handled)

    return lazy_property


def ours(model: Model, engine: str, each: int = 1) -> Contender:
    """Return one of our engines; a turn is the mean of ``each`` replications, handled are the tickets of the first."""

    def lazy_property(seed: int) -> Turn:
        cpu_s, first = dict.fromkeys(STAGES, 0.0), None
        for replication in range(each):
            timer = StageTimer()
            observed = observe(model, seed=seed, replication=replication, engine=engine, timer=timer)
            measure(observed)
            timer.mark("metrics")
            hourly(observed)
            timer.mark("series")
            cpu_s = {stage: cpu_s[stage] + timer.cpu_s[stage] / each for stage in STAGES}
            first = (
                first or observed.outcome
            )  # no other is kept: whoever keeps them all works in fresh memory each time
        assert first is not None
        return Turn(cpu_s, _handled(first, model.desk.horizon_ms), first)

    return lazy_property


def _handled(outcome: DeskOutcome, horizon_ms: int) -> Handled:
    done = outcome.leg_team[outcome.leg_end_ms < horizon_ms]
    return int((done == 0).sum()), int((done == 1).sum()), int((outcome.outcome == LEFT).sum())


def table(done: Sequence[dict[str, Turn]]) -> list[str]:
    """Return the rows of the models that took part: CPU ms, ratio, its range over single turns, and the goal."""
    lines = [f"{'':42} {'CPU ms':>9}  {'ratio':>7}  {'single turns':>15}  goal"]
    for row in ROWS:
        if row.model not in done[0]:
            continue
        used = [sum(turn[row.model].cpu_s[stage] for stage in row.stations) for turn in done]
        base = [turn[row.base].cpu_s["all"] for turn in done]
        each = [b / u for b, u in zip(base, used, strict=True)]
        ratio = median(base) / median(used)
        spread = f"{_short(min(each))} to {_short(max(each))}"
        line = f"{row.label:42} {1000 * median(used):9,.1f}  {_short(ratio):>7}  {spread:>15}  {row.goal}"
        lines.append(line.rstrip())
    return lines


def _short(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 1 else f"{ratio:.2f}"


def places(done: Sequence[dict[str, Turn]]) -> list[str]:
    """Return a line for each of our models: CPU ms by station."""
    ours = [name for name in done[0] if name.startswith(("SimPy", "compiled"))]
    lines = [f"{'':18}" + "".join(f"{stage:>10}" for stage in STAGES)]
    for name in ours:
        each = (1000 * median(turn[name].cpu_s[stage] for turn in done) for stage in STAGES)
        lines.append(f"{name:18}" + "".join(f"{used:10.1f}" for used in each))
    return lines


def equal_in_law(one: str, other: str, done: Sequence[dict[str, Turn]]) -> list[str]:
    """Return a line for each count: both means and the z of their difference; raises ValueError where |z| >= 4."""
    lines = []
    pairs = [zip(*(turn[name].handled for turn in done), strict=True) for name in (one, other)]
    for count, x, y in zip(("front", "second pool", "left"), *pairs, strict=True):
        error = ((stdev(x) ** 2 + stdev(y) ** 2) / len(x)) ** 0.5
        z = (mean(y) - mean(x)) / error
        lines.append(f"  {count}: {one} {mean(x):,.0f}, {other} {mean(y):,.0f}, z {z:+.1f}")
        if abs(z) >= 4:
            raise ValueError(f"not the same desk: {lines[-1].strip()}")
    return lines


def must_be_twins(one: DeskOutcome | None, other: DeskOutcome | None) -> None:
    """Raise ValueError unless two outcomes are the same tables, bit for bit."""
    for field in fields(DeskOutcome):
        x, y = (np.asarray(getattr(outcome, field.name)) for outcome in (one, other))
        if x.dtype != y.dtype or x.shape != y.shape or x.tobytes() != y.tobytes():
            raise ValueError(f"the compiled engine and the SimPy engine differ in {field.name}")


def peak_mb(scenario: str = "baseline") -> float:
    """Return the peak memory of a process that runs one whole replication, metrics and series included, in MB."""
    code = (
        "from sim.scenario import load; from sim.model.model import build;"
        "from sim.experiment.replication import ReplicationPlan, finish;"
        f"finish(ReplicationPlan(build(load({scenario!r})), 1), 0)"
    )
    return finished([sys.executable, "-c", code]).peak_mb
