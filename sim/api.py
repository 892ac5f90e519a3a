"""``run``: a scenario to a ``Run``, the face of the model in Python and the heart of ``withstand run``."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from sim.core.profiling import Profile
from sim.experiment.analysis.estimate import Estimate, estimates
from sim.experiment.analysis.expectations import Expectation, judge
from sim.experiment.analysis.precision import Goal, Precision, at_most
from sim.experiment.checkpoint import Ledger
from sim.experiment.hourly_table import Hourly, frame, of_kept
from sim.experiment.replications import AUTO, ENGINES, Plan, Replication, cores, facts_of, replicate
from sim.experiment.request_trace import p95_replication
from sim.experiment.store import Kept
from sim.metrics.observation.replication import Facts
from sim.model.model import World, build
from sim.scenario.loading.load import sha256
from sim.scenario.schema.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Work:
    """How a run is carried out and watched; nothing here changes a number.

    ``begin`` is called with how many replications were finished before and the most that there will be, ``tick`` after
    each new one, from another thread. Without a ``ledger`` what is finished lies in a temporary folder, which goes
    with the ``Run``.
    """

    ledger: Ledger | None = None
    begin: Callable[[int, int], None] = lambda finished, most: None
    tick: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Run:
    """All replications of one scenario: ``metrics`` by name, ``series`` as a table, ``plot()`` and ``save()``."""

    scenario: Scenario
    name: str
    seed: int
    engine: str
    world: World
    kept: Kept
    replications: tuple[Replication, ...]
    started: datetime
    precision: Precision | None = None
    profile: Profile = field(default_factory=Profile)

    @cached_property
    def metrics(self) -> dict[str, Estimate]:
        """The estimate of every metric: ``backlog_peak``, and ``backlog_peak.compliance`` for its parts."""
        return estimates([one.metrics for one in self.replications], self.scenario.summary)

    @cached_property
    def hourly(self) -> Hourly:
        """The hourly series of all replications, read one by one from where they are kept."""
        return of_kept(self.kept, [one.number for one in self.replications], self.scenario)

    @cached_property
    def series(self) -> pl.DataFrame:
        """The hourly series of all replications, long (``tables.SERIES``): large, where ``hourly`` reads one."""
        return frame(self.hourly)

    @cached_property
    def sha256(self) -> str:
        """The hash of the resolved scenario."""
        return sha256(self.scenario)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know about the inputs, such as missing candles."""
        return self.world.market.notes

    def samples(self, name: str) -> dict[int, float | None]:
        """Return a metric by replication."""
        return {one.number: one.metrics[name] for one in self.replications}

    def expectations(self) -> list[Expectation]:
        """Return what the scenario expects, judged by the metrics."""
        return judge(self.scenario.expect, self.metrics)

    def facts(self, index: int) -> Facts:
        """Return one of the replications, simulated again."""
        number = self.replications[index].number
        return facts_of(self.world, seed=self.seed, replication=number, engine=self.engine)

    def peak_facts(self) -> Facts:
        """Return, simulated again, the replication at the 95 % quantile of the peak request rate."""
        return self.facts(p95_replication([one.metrics["requests_peak_per_s"] for one in self.replications]))

    def plot(self) -> Figure:
        """Return the one-page overview as a matplotlib figure."""
        from sim.output.plots import overview

        return overview(self.hourly, self.metrics, self.scenario)

    def save(self, folder: str | Path) -> Path:
        """Write the run folder (it must be absent or empty) and return its path."""
        from sim.output.run_folder import write_run

        return write_run(self, Path(folder))


def run(
    scenario: Scenario,
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

    With a ``precision`` (0.02 for 2 %) it ends with the first 10 or more replications in which the 95 % half-width of
    the scenario's ``primary`` metric is at most that share of its mean; ``replications`` (1,000) are then the most.
    ``jobs`` are threads, one for each core unless given; with the engine ``simpy`` they are processes and 1 unless
    given (from a script of your own, start them under ``if __name__ == "__main__"``).

    Raises ValueError for counts that make no sense and for an unknown engine, ScenarioFaults for candles that do not
    serve and where the system refuses to write.
    """
    _must_make_sense(replications, seed, jobs, precision)
    if engine not in ("auto", *ENGINES):
        raise ValueError(f"engine: got {engine!r}; must be auto or {', '.join(ENGINES)}")
    plan = Plan(build(scenario), seed, AUTO if engine == "auto" else engine)
    most = at_most(replications, precision)
    workers = min(jobs or (1 if plan.engine == "simpy" else cores()), most)
    goal = Goal(most, metric=scenario.primary, wanted=precision)
    started, ledger, profile = datetime.now(UTC), work.ledger or Ledger(), Profile(f"{workers} {plan.workers(workers)}")
    kept = ledger.open()
    try:
        work.begin(ledger.finished(most), most)
        with profile.timed("simulate"):
            done = replicate(plan, ledger, goal, jobs=workers, profile=profile, tick=work.tick)
    except BaseException:
        if work.ledger is None:
            ledger.settle()
        raise
    made = Run(
        scenario=scenario,
        name=name or "scenario",
        seed=seed,
        engine=plan.engine,
        world=plan.world,
        kept=kept,
        replications=done,
        started=started,
        precision=goal.outcome(),
        profile=profile,
    )
    if work.ledger is None:
        weakref.finalize(made, ledger.settle)
    return made


def _must_make_sense(replications: int | None, seed: int, jobs: int | None, precision: float | None) -> None:
    if seed < 0 or any(count is not None and count < 1 for count in (replications, jobs)):
        got = f"replications={replications}, seed={seed}, jobs={jobs}"
        raise ValueError(f"run: got {got}; must be 1 or more replications and jobs, and a seed of 0 or more")
    if precision is not None and not 0 < precision < 1:
        raise ValueError(f"precision: got {precision}; must be above 0 and below 1, such as 0.02 for 2 %")
