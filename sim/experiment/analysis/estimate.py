"""Estimates over replications: mean, half-width, quantiles, with the digits that their error leaves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sim.core.digits import quantiles_text, significant
from sim.metrics.registry import metric_of
from sim.numerics.statistics import half_width


@dataclass(frozen=True)
class Estimate:
    """A metric over replications: mean with its 95 % half-width, and quantiles of the replications.

    ``summary`` is "mean", or "quantiles" for outcomes that a mean does not describe, such as those with two peaks.
    ``replications`` counts those that have a value; ``undefined`` those that have none (such as a quantile of waits
    that was not reached before the horizon), which the figures leave out. All figures are None without a value.
    """

    unit: str
    mean: float | None
    half_width: float | None
    p05: float | None
    p50: float | None
    p95: float | None
    replications: int
    undefined: int
    summary: str = "mean"

    def __str__(self) -> str:
        """Return the mean with its half-width (or the quantiles), at the digits that these leave, and the unit."""
        if self.mean is None:
            return "no value"
        if self.summary == "quantiles":
            text = f"{quantiles_text(self.p05, self.p50, self.p95)} {self.unit}"
        else:
            text = f"{significant(self.mean, self.half_width, plus_minus=True)} {self.unit}"
        return text if not self.undefined else f"{text} (no value in {self.undefined} of {self.total} replications)"

    @property
    def total(self) -> int:
        """Return the number of replications, with and without a value."""
        return self.replications + self.undefined

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``metrics.json``; ``summary`` only where it is not the mean."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("summary", "mean")}


def estimate(name: str, values: list[float | None], summary: str = "mean") -> Estimate:
    """Return the estimate of one metric from its value in each replication."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    unit, missing = metric_of(name).unit, len(values) - len(known)
    if not len(known):
        return Estimate(unit, None, None, None, None, None, 0, missing, summary)
    p05, p50, p95 = (float(q) for q in np.quantile(known, (0.05, 0.5, 0.95)))
    return Estimate(unit, float(known.mean()), half_width(known), p05, p50, p95, len(known), missing, summary)


def estimates(replications: list[dict[str, float | None]], summary: str = "mean") -> dict[str, Estimate]:
    """Return every metric's estimate, in the order of ``METRICS``."""
    return {name: estimate(name, [values[name] for values in replications], summary) for name in replications[0]}
