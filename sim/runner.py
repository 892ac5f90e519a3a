"""``run``: a scenario to a ``Run``, the face of the model in Python and the heart of ``withstand run``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from sim.arrivals import p95_replication
from sim.estimate import Estimate, estimates
from sim.expect import Expectation, judge
from sim.facts import Facts
from sim.replicate import Replication, facts_of, replicate
from sim.scenario.intake import sha256
from sim.scenario.model import Scenario
from sim.series import frame
from sim.world import World, build

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENGINES = ("simpy",)


@dataclass(frozen=True)
class Run:
    """All replications of one scenario: ``metrics`` by name, ``series`` as a table, ``plot()`` and ``save()``."""

    scenario: Scenario
    name: str
    seed: int
    engine: str
    world: World
    replications: tuple[Replication, ...]
    started: datetime

    @cached_property
    def metrics(self) -> dict[str, Estimate]:
        """The estimate of every metric: ``backlog_peak``, and ``backlog_peak.compliance`` for its parts."""
        return estimates([one.metrics for one in self.replications])

    @cached_property
    def series(self) -> pl.DataFrame:
        """The hourly series of all replications, long (``sim.tables.SERIES``)."""
        return frame(self.scenario, [(one.number, one.series) for one in self.replications])

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
        return facts_of(self.world, seed=self.seed, replication=self.replications[index].number)

    def peak_facts(self) -> Facts:
        """Return, simulated again, the replication at the 95 % quantile of the peak request rate."""
        return self.facts(p95_replication([one.metrics["requests_peak_per_s"] for one in self.replications]))

    def plot(self) -> Figure:
        """Return the one-page overview as a matplotlib figure."""
        from sim.plots import overview

        return overview(self.series, self.metrics, self.scenario)

    def save(self, folder: str | Path) -> Path:
        """Write the run folder (it must be absent or empty) and return its path."""
        from sim.folder import write_run

        return write_run(self, Path(folder))


def run(
    scenario: Scenario,
    *,
    replications: int = 20,
    seed: int = 1,
    engine: str = "auto",
    jobs: int = 1,
    name: str | None = None,
    tick: Callable[[], None] = lambda: None,
) -> Run:
    """Return a scenario simulated ``replications`` times from ``seed``; the same arguments give the same bits.

    ``tick`` is called after each replication. ``jobs`` above 1 starts that many processes. Raises ValueError for
    counts that make no sense and for an unknown engine, ScenarioFaults for candles that do not serve.
    """
    if replications < 1 or seed < 0 or jobs < 1:
        got = f"replications={replications}, seed={seed}, jobs={jobs}"
        raise ValueError(f"run: got {got}; must be 1 or more replications and jobs, and a seed of 0 or more")
    if engine not in ("auto", *ENGINES):
        raise ValueError(f"engine: got {engine!r}; must be auto or {', '.join(ENGINES)}")
    started = datetime.now(UTC)
    world = build(scenario)
    done = replicate(world, replications=replications, seed=seed, jobs=jobs, tick=tick)
    return Run(scenario, name or "scenario", seed, ENGINES[0], world, tuple(done), started)
