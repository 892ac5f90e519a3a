"""The results of a run: the replications of one scenario, and the values derived from all of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import polars as pl

from sim.core.digits import two_digits
from sim.core.profiling import CpuProfile
from sim.experiment.analysis.estimate import Estimates, estimates
from sim.experiment.analysis.expectations import Expectation, judge
from sim.experiment.analysis.precision import Precision
from sim.experiment.analysis.shown import Shown, caption_of
from sim.experiment.customers import customers_of
from sim.experiment.hourly_table import Hourly, frame, hourly_of
from sim.experiment.replication import observe
from sim.experiment.replications import Replication
from sim.experiment.request_trace import p95_replication
from sim.experiment.store import ReplicationStore
from sim.feedback.columns import MOST_COPIES
from sim.metrics.observation.replication import Observation
from sim.model.model import Model
from sim.scenario.loading.load import sha256
from sim.scenario.schema.scenario import Scenario

_BOUNDS = {
    "candidates_refused": (
        "in {share} the customers of a stream would have opened more tickets than its ceiling_per_hour lets the model "
        "draw (up to {most} tickets are missing): raise the ceiling; late withdrawals and rumour "
        "need none"
    ),
    "cascades_cut": (
        f"in {{share}} posts were copied {MOST_COPIES:,} times, the most that the model lets come, and were not copied "
        "from then on: lower copies.per_post, or raise copies.mark_tail"
    ),
    "wallet_stuck_hours": (
        "in {share} the first in line asked for more than was left of its asset's money (for up to {most} h), and "
        "nobody behind it was paid: give the wallets more, or limit single withdrawals"
    ),
}
"""By metric, what to say where it is above 0 in some replications."""


@dataclass(frozen=True, repr=False)
class RunResult(Shown):
    """All replications of one scenario: their metrics, series and expectations, and each of them again at will."""

    scenario: Scenario
    name: str
    seed: int
    engine: str
    model: Model
    store: ReplicationStore
    replications: tuple[Replication, ...]
    started: datetime
    precision: Precision | None = None
    profile: CpuProfile = field(default_factory=CpuProfile)

    def caption(self) -> str:
        """Return the run's name, its replications, seed and days."""
        return caption_of(self.name, replications=len(self.replications), seed=self.seed, days=self.scenario.days)

    @cached_property
    def metrics(self) -> Estimates:
        """The estimate of every metric: ``backlog_peak``, and ``backlog_peak.compliance`` for its parts."""
        return estimates([one.metrics for one in self.replications], [one.number for one in self.replications])

    @cached_property
    def hourly(self) -> Hourly:
        """The hourly series of all replications, read one by one from where they are kept."""
        return hourly_of(self.store, [one.number for one in self.replications], self.scenario)

    @cached_property
    def series(self) -> pl.DataFrame:
        """The hourly series of all replications, long (``tables.SERIES``): large, where ``hourly`` reads one."""
        return frame(self.hourly)

    @cached_property
    def sha256(self) -> str:
        """The hash of the resolved scenario."""
        return sha256(self.scenario)

    @cached_property
    def customers(self) -> dict[str, str]:
        """A hash of what was drawn of the customers, by stream: those of two runs are the same where it is."""
        return customers_of(self.model, seed=self.seed, replication=self.replications[0].number)

    @property
    def days(self) -> int:
        """The days that are measured."""
        return self.scenario.days

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader must know: faults of the inputs, such as missing candles, and bounds that the run met."""
        return (*self.model.market.notes, *self._bounds_met())

    def _bounds_met(self) -> Iterator[str]:
        """Yield a sentence for each bound of the model that some replications met, with their number."""
        for name, sentence in _BOUNDS.items():
            met = [value for one in self.replications if (value := one.metrics[name])]
            if met:
                share = f"{len(met)} of {len(self.replications)} replications"
                yield sentence.format(share=share, most=two_digits(max(met)))

    def samples(self, name: str) -> dict[int, float | None]:
        """Return a metric by replication."""
        return {one.number: one.metrics[name] for one in self.replications}

    def expectations(self) -> list[Expectation]:
        """Return what the scenario expects, judged by the metrics."""
        return judge(self.scenario.expect, self)

    def observed(self, index: int) -> Observation:
        """Return one of the replications, simulated again."""
        number = self.replications[index].number
        return observe(self.model, seed=self.seed, replication=number, engine=self.engine)

    def peak_observation(self) -> Observation:
        """Return, simulated again, the replication at the 95 % quantile of the peak request rate."""
        return self.observed(p95_replication([one.metrics["requests_peak_per_s"] for one in self.replications]))
