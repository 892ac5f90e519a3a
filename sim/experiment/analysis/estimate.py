"""Estimates over replications: quantiles, mean with its half-width, and their outcomes where these are of kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from sim.core.arrays import Floats, Mask
from sim.core.at_least import AtLeast, is_censored
from sim.experiment.analysis.frames import FIGURES, estimates_frame
from sim.experiment.analysis.html import estimates_table, table
from sim.experiment.analysis.outcomes import Outcome, common_cut, outcomes_of
from sim.experiment.analysis.words import TYPICAL, amount, error_text
from sim.metrics.registry import metric_of
from sim.numerics.outcomes import median_ranks
from sim.numerics.statistics import half_width, quantile
from sim.scenario.faults import closest
from sim.scenario.schema.expectation import QUANTILE_SIGN, QUANTILES

_BEYOND = 1e300
"""Stands for what lies beyond the horizon, where only the order counts."""


@dataclass(frozen=True)
class Estimate:
    """A metric over replications: its quantiles, its mean with the 95 % half-width, and its separate outcomes.

    ``p05``, ``p50`` and ``p95`` are of the replications: what the futures are like. ``p50_low`` and ``p50_high`` are
    the 95 % interval of that median, and ``half_width`` belongs to the mean: errors of the simulation, which more
    replications make smaller. ``replications`` counts those that have a value; ``undefined`` those that have none (such
    as a share of nothing), which the figures leave out. All figures are None without a value. ``censored`` counts,
    among the former, those of which only a lower bound is known (such as a quantile of waits beyond the horizon):
    figures that rest on these are ``AtLeast``, and the mean then has no half-width. ``outcomes`` are the kinds of
    replications, where they are of several.
    """

    unit: str
    mean: float | None
    half_width: float | None
    p05: float | None
    p50: float | None
    p95: float | None
    replications: int
    undefined: int
    censored: int = 0
    p50_low: float | None = None
    p50_high: float | None = None
    outcomes: tuple[Outcome, ...] = ()

    def __str__(self) -> str:
        """Return the median with the 5 and 95 % quantiles, or the outcomes, each number with its own digits."""
        lacking = f" (no value in {self.undefined} of {self.total} replications)"
        return f"{amount(self)}{lacking}" if self.undefined and self.replications else amount(self)

    def _repr_html_(self) -> str:
        """Return the estimate as a table, for notebooks."""
        return table((*TYPICAL, "replications"), [(str(self), error_text(self), str(self.replications))])

    @property
    def total(self) -> int:
        """Return the number of replications, with and without a value."""
        return self.replications + self.undefined

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``metrics.json``; ``outcomes`` only where there are several.

        With censored values, ``censored`` counts them, a figure that rests on them is null, and ``at_least`` has its
        lower bound.
        """
        entry = asdict(self) | {"outcomes": [one.as_json() for one in self.outcomes]}
        bounds = {name: float(entry[name]) for name in FIGURES if is_censored(entry[name])}
        entry |= dict.fromkeys(bounds)
        entry["at_least"] = bounds
        usual = {"censored": 0, "at_least": {}, "outcomes": [], "p50_low": None, "p50_high": None}
        return {name: value for name, value in entry.items() if name not in usual or value != usual[name]}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Estimate:
        """Return the estimate of an entry of ``metrics.json``. Raises TypeError for one that is none."""
        rest = {name: value for name, value in entry.items() if name != "at_least"}
        rest["outcomes"] = tuple(Outcome.from_json(one) for one in entry.get("outcomes", ()))
        return cls(**rest | {name: AtLeast(bound) for name, bound in entry.get("at_least", {}).items()})


class Estimates(dict[str, Estimate]):
    """Estimates by the names that ``[expect]`` has too: ``backlog_peak``, and ``backlog_peak.compliance`` for a part.

    A name that is not there raises a KeyError that says which is near. ``second_kind`` are the numbers of the
    replications of the second kind, in a run that has two kinds of future.
    """

    second_kind: tuple[int, ...] = ()

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


def estimate(name: str, values: list[float | None], cut: Mask | None = None, *, alone: bool = True) -> Estimate:
    """Return the estimate of one metric from its value in each replication.

    ``cut`` says which replications are of the second kind, in a run that has two (``outcomes.common_cut``); ``alone``
    is whether the metric is the only one that is asked for, and may have two clusters of its own.
    """
    held = [value for value in values if value is not None]
    known = np.array(held, dtype=np.float64)
    metric, missing = metric_of(name), len(values) - len(known)
    if not len(known):
        return Estimate(metric.unit, None, None, None, None, None, 0, missing)
    beyond = np.array([is_censored(value) for value in held])
    p05, p50, p95 = (_quantile(known, beyond, p) for p in (0.05, 0.5, 0.95))
    mean, error = float(known.mean()), half_width(known)
    if beyond.any():
        mean, error = AtLeast(mean), None
    low, high = _interval_of_median(known, beyond)
    kinds = outcomes_of(held, none_is_apart=bool(metric.none), cut=cut, alone=alone)
    return Estimate(
        metric.unit, mean, error, p05, p50, p95, len(known), missing, int(beyond.sum()), low, high, kinds
    )  # fmt: skip


def _interval_of_median(bounds: Floats, beyond: Mask) -> tuple[float | None, float | None]:
    """Return the 95 % interval of the median, whatever the distribution; None below 6 replications."""
    ranks = median_ranks(len(bounds))
    if ranks is None:
        return None, None
    low, high = (_quantile(bounds, beyond, rank / (len(bounds) - 1)) for rank in ranks)
    return low, high


def _quantile(bounds: Floats, beyond: Mask, p: float) -> float:
    """Return the p-quantile of values of which some lie anywhere beyond their bounds; at least so much if it moves."""
    least = float(np.quantile(bounds, p))
    return AtLeast(least) if quantile(np.where(beyond, _BEYOND, bounds), p) != quantile(bounds, p) else least


def estimates(replications: list[dict[str, float | None]], numbers: Sequence[int] = ()) -> Estimates:
    """Return every metric's estimate, in the order of ``METRICS``; ``numbers`` are those of the replications."""
    columns = {name: [values[name] for values in replications] for name in replications[0]}
    cut = common_cut(values for name, values in columns.items() if "." not in name)
    found = Estimates({name: estimate(name, values, cut, alone=False) for name, values in columns.items()})
    if cut is not None:
        every = numbers or range(len(cut))
        found.second_kind = tuple(number for number, second in zip(every, cut, strict=True) if second)
    return found
