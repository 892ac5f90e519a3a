"""Estimates over replications: mean, half-width, quantiles, with the digits that their error leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from sim.core.arrays import Floats, Mask
from sim.core.at_least import AtLeast, is_censored
from sim.core.digits import quantiles_text, significant
from sim.experiment.analysis.frames import FIGURES, estimates_frame
from sim.experiment.analysis.html import estimates_table, table
from sim.metrics.registry import metric_of
from sim.numerics.statistics import half_width, quantile
from sim.scenario.faults import closest
from sim.scenario.schema.expectation import QUANTILE_SIGN, QUANTILES

_BEYOND = 1e300
"""Stands for what lies beyond the horizon, where only the order counts."""


@dataclass(frozen=True)
class Estimate:
    """A metric over replications: mean with its 95 % half-width, and quantiles of the replications.

    ``summary`` is "mean", or "quantiles" for outcomes that a mean does not describe, such as those with two peaks.
    ``replications`` counts those that have a value; ``undefined`` those that have none (such as a share of nothing),
    which the figures leave out. All figures are None without a value. ``censored`` counts, among the former, those of
    which only a lower bound is known (such as a quantile of waits beyond the horizon): figures that rest on these are
    ``AtLeast``, and the mean then has no half-width.
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
    censored: int = 0

    def __str__(self) -> str:
        """Return the mean with its half-width (or the quantiles), at the digits that these leave, and the unit."""
        if self.mean is None:
            return "no value"
        if self.summary == "quantiles":
            text = f"{quantiles_text(self.p05, self.p50, self.p95)} {self.unit}"
        else:
            text = f"{significant(self.mean, self.half_width, plus_minus=True)} {self.unit}"
        lacking = [f"beyond the horizon in {self.censored}"] if self.censored else []
        lacking += [f"no value in {self.undefined}"] if self.undefined else []
        return f"{text} ({', '.join(lacking)} of {self.total} replications)" if lacking else text

    def _repr_html_(self) -> str:
        """Return the estimate as a table, for notebooks."""
        shown = (str(self), quantiles_text(self.p05, self.p50, self.p95), str(self.replications))
        return table(("estimate", "median (5 to 95 % of replications)", "replications"), [shown])

    @property
    def total(self) -> int:
        """Return the number of replications, with and without a value."""
        return self.replications + self.undefined

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``metrics.json``; ``summary`` only where it is not the mean.

        With censored values, ``censored`` counts them, a figure that rests on them is null, and ``at_least`` has its
        lower bound.
        """
        entry = asdict(self)
        bounds = {name: float(entry[name]) for name in FIGURES if is_censored(entry[name])}
        entry |= dict.fromkeys(bounds)
        entry["at_least"] = bounds
        usual = {"summary": "mean", "censored": 0, "at_least": {}}
        return {name: value for name, value in entry.items() if name not in usual or value != usual[name]}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Estimate:
        """Return the estimate of an entry of ``metrics.json``. Raises TypeError for one that is none."""
        rest = {name: value for name, value in entry.items() if name != "at_least"}
        return cls(**rest | {name: AtLeast(bound) for name, bound in entry.get("at_least", {}).items()})


class Estimates(dict[str, Estimate]):
    """Estimates by the names that ``[expect]`` has too: ``backlog_peak``, and ``backlog_peak.compliance`` for a part.

    A name that is not there raises a KeyError that says which is near.
    """

    def __missing__(self, name: object) -> Estimate:
        near = closest(name, self)
        hint = f"; did you mean {near}?" if near else ""
        if QUANTILE_SIGN in str(name):
            hint = f"; value({name!r}) reads a quantile"
        raise KeyError(f"{name}: no metric of this run{hint}")

    def __repr__(self) -> str:
        """Return one line: how many there are."""
        return f"<{len(self)} estimates, such as {next(iter(self), 'none')}>"

    def _repr_html_(self) -> str:
        """Return all of them as a table, for notebooks."""
        return estimates_table(self)

    def frame(self) -> pl.DataFrame:
        """Return them as a table with the columns ``sim.experiment.analysis.frames.ESTIMATES``."""
        return estimates_frame(self)

    def value(self, name: str) -> float | None:
        """Return what an expectation of that name is judged by; ``value_of`` says what."""
        return value_of(self, name)


def value_of(metrics: Mapping[str, Estimate], name: str) -> float | None:
    """Return the mean of a metric, or the quantile that its name ends in: ``backlog_peak.compliance:p95``.

    None without a value; ``AtLeast`` where only a lower bound is known. Raises KeyError for a name of neither form.
    """
    metric, sign, quantile = name.partition(QUANTILE_SIGN)
    if sign and quantile not in QUANTILES:
        raise KeyError(f"{name}: must end with {f', {QUANTILE_SIGN}'.join(('', *QUANTILES))[2:]}, or without")
    value: float | None = getattr(metrics[metric], quantile or "mean")
    return value


def estimate(name: str, values: list[float | None], summary: str = "mean") -> Estimate:
    """Return the estimate of one metric from its value in each replication."""
    known = np.array([value for value in values if value is not None], dtype=np.float64)
    unit, missing = metric_of(name).unit, len(values) - len(known)
    if not len(known):
        return Estimate(unit, None, None, None, None, None, 0, missing, summary)
    beyond = np.array([is_censored(value) for value in values if value is not None])
    p05, p50, p95 = (_quantile(known, beyond, p) for p in (0.05, 0.5, 0.95))
    mean, error = float(known.mean()), half_width(known)
    if beyond.any():
        mean, error = AtLeast(mean), None
    return Estimate(unit, mean, error, p05, p50, p95, len(known), missing, summary, int(beyond.sum()))


def _quantile(bounds: Floats, beyond: Mask, p: float) -> float:
    """Return the p-quantile of values of which some lie anywhere beyond their bounds; at least so much if it moves."""
    least = float(np.quantile(bounds, p))
    return AtLeast(least) if quantile(np.where(beyond, _BEYOND, bounds), p) != quantile(bounds, p) else least


def estimates(replications: list[dict[str, float | None]], summary: str = "mean") -> Estimates:
    """Return every metric's estimate, in the order of ``METRICS``."""
    names = replications[0]
    return Estimates({name: estimate(name, [values[name] for values in replications], summary) for name in names})
