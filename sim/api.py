"""``run``: a scenario to a ``Run``, the face of the model in Python and the heart of ``withstand run``."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

from sim.core.profiling import CpuProfile
from sim.experiment.analysis.precision import Goal, at_most
from sim.experiment.checkpoint import Checkpoint
from sim.experiment.replication import AUTO, ENGINES, ReplicationPlan
from sim.experiment.replications import cores, replicate
from sim.experiment.results import RunResult
from sim.model.model import build
from sim.scenario.loading.files import Source
from sim.scenario.loading.load import load
from sim.scenario.schema.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Work:
    """How a run is carried out and watched; nothing here changes a number.

    ``begin`` is called with how many replications were finished before and the most that there will be, ``tick`` after
    each new one, from another thread. Without a ``checkpoint`` what is finished lies in a temporary folder, which goes
    with the ``Run``.
    """

    checkpoint: Checkpoint | None = None
    begin: Callable[[int, int], None] = lambda finished, most: None
    tick: Callable[[], None] = lambda: None


@dataclass(frozen=True, repr=False)
class Run(RunResult):
    """All replications of one scenario: ``metrics`` by name, ``series``, ``frame()``, ``plot()`` and ``save()``."""

    def plot(self) -> Figure:
        """Return the one-page overview as a matplotlib figure."""
        from sim.output.plots import overview

        return overview(self.hourly, self.metrics, self.scenario)

    def save(self, folder: str | Path) -> Path:
        """Write the run folder (it must be absent or empty) and return its path."""
        from sim.output.run_folder import write_run

        return write_run(self, Path(folder))


def run(
    scenario: Scenario | Source,
    *,
    replications: int | None = None,
    seed: int = 1,
    engine: str = "auto",
    jobs: int | None = None,
    precision: float | None = None,
    name: str | None = None,
    work: Work = Work(),
) -> Run:
    """Return a scenario simulated ``replications`` times (20) from ``seed``; the same arguments give the same bits.

    A scenario is one that was loaded, or what ``load`` takes: a name of the catalogue, a path, a dict. ``name`` is what
    the run is called: that name, or the file's.

    With a ``precision`` (0.02 for 2 %) it ends with the first 30 or more replications in which the scenario's
    ``primary`` metric is off its true mean by at most that share, at 95 % (a half-width of at most g / (1 + g) of the
    estimate); ``replications`` (1,000) are then the most.
    ``jobs`` are threads, one for each core unless given; with the engine ``simpy`` they are processes and 1 unless
    given (from a script of your own, start them under ``if __name__ == "__main__"``).

    Raises ValueError for counts that make no sense and for an unknown engine, ScenarioFaults for a scenario or candles
    that do not serve and where the system refuses to write.
    """
    _must_make_sense(replications, seed, jobs, precision)
    if engine not in ("auto", *ENGINES):
        raise ValueError(f"engine: got {engine!r}; must be auto or {', '.join(ENGINES)}")
    scenario, name = (scenario, name) if isinstance(scenario, Scenario) else _loaded(scenario, name)
    plan = ReplicationPlan(build(scenario), seed, AUTO if engine == "auto" else engine)
    most = at_most(replications, precision)
    workers = min(jobs or (1 if plan.engine == "simpy" else cores()), most)
    goal = Goal(most, metric=scenario.primary, wanted=precision)
    started = datetime.now(UTC)
    checkpoint = work.checkpoint or Checkpoint()
    profile = CpuProfile(f"{workers} {plan.workers(workers)}")
    store = checkpoint.open()
    try:
        work.begin(checkpoint.finished(most), most)
        with profile.timed("simulate"):
            done = replicate(plan, checkpoint, goal, jobs=workers, profile=profile, tick=work.tick)
    except BaseException:
        if work.checkpoint is None:
            checkpoint.discard()
        raise
    made = Run(
        scenario=scenario,
        name=name or "scenario",
        seed=seed,
        engine=plan.engine,
        model=plan.model,
        store=store,
        replications=done,
        started=started,
        precision=goal.outcome(),
        profile=profile,
    )
    if work.checkpoint is None:
        weakref.finalize(made, checkpoint.discard)
    return made


def _loaded(source: Source, name: str | None) -> tuple[Scenario, str | None]:
    """Return the scenario of a source, and what its run is called unless it has a name."""
    return load(source), name or (Path(source).stem if isinstance(source, str | Path) else None)


def _is_whole(number: object) -> bool:
    return isinstance(number, Integral) and not isinstance(number, bool)


def _must_make_sense(replications: int | None, seed: int, jobs: int | None, precision: float | None) -> None:
    counts = [count for count in (replications, jobs) if count is not None]
    if not all(_is_whole(one) for one in (seed, *counts)) or seed < 0 or min(counts, default=1) < 1:
        got = f"replications={replications}, seed={seed}, jobs={jobs}"
        raise ValueError(f"run: got {got}; must be whole: 1 or more replications and jobs, and a seed of 0 or more")
    if precision is not None and not 0 < precision < 1:
        raise ValueError(f"precision: got {precision}; must be above 0 and below 1, such as 0.02 for 2 %")
