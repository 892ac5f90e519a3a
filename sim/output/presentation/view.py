"""A run prepared for the figures: the hourly series by entity and name, arranged for display. No matplotlib here."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np

from sim.core.at_least import is_censored
from sim.core.digits import quantiles_text, significant
from sim.experiment.analysis.estimate import Estimate
from sim.experiment.hourly_table import Floats, Hourly
from sim.numerics.statistics import half_width
from sim.scenario.schema.scenario import Scenario

_FINE = 360
"""Most points of a line: a picture that is 2,000 pixels wide shows no more, and its SVG stays small."""
_HELD = 2
"""Series held at once: a panel compares two."""
_WAIT_UNITS = (("days", 1440), ("h", 60), ("min", 1))
_STEPS_H = (1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 168, 336)


@dataclass(frozen=True)
class Band:
    """A series over replications: the middle, and the 5 and 95 % quantiles (None with one replication)."""

    middle: Floats
    low: Floats | None
    high: Floats | None


@dataclass(frozen=True)
class Phase:
    """A shock of the scenario in calendar time: full strength from ``start`` to ``end``, then halving."""

    name: str
    start: datetime
    end: datetime
    half_life: timedelta
    price_change: float


class View:
    """The series, metrics and scenario of a run, and how to look things up in them.

    Only the series looked at last are held: all of them together may be larger than the memory.
    """

    def __init__(self, hourly: Hourly, metrics: Mapping[str, Estimate], scenario: Scenario) -> None:
        self.metrics, self.scenario, self.keys = metrics, scenario, hourly.keys
        self.replications, self.start, self.hours = len(hourly.numbers), hourly.start, hourly.hours
        self._read = lru_cache(_HELD)(hourly.matrix)

    def get(self, entity: str, name: str) -> Floats | None:
        """Return a series as replications x hours, NaN where it has no value; None when the run has no such series."""
        return self._read(entity, name) if (entity, name) in self.keys else None

    def of(self, entity: str, name: str) -> Floats:
        """Return a series that the run has. Raises KeyError when it has not."""
        return self._read(entity, name)

    def entities(self, kind: str, name: str) -> list[str]:
        """Return the entities of a kind, such as ``team``, that have a series, without the kind."""
        return [e.split(":", 1)[1] for e, n in self.keys if e.startswith(f"{kind}:") and n == name]

    @property
    def end(self) -> datetime:
        """Return the end of the run."""
        return self.start + timedelta(hours=self.hours)

    @property
    def step_h(self) -> int:
        """Return the hours that one point of a line stands for, so that a line has at most some 360 points."""
        return next((h for h in _STEPS_H if self.hours / h <= _FINE), 168 * math.ceil(self.hours / 168 / _FINE))

    def phases(self) -> list[Phase]:
        """Return the shocks that begin within the run, the earliest first."""
        found = []
        for name, shock in self.scenario.shocks.items():
            begin = self.start + timedelta(milliseconds=shock.at)
            end = begin + timedelta(milliseconds=shock.length)
            if begin < self.end:
                fading = timedelta(milliseconds=shock.half_life)
                found.append(Phase(name, begin, min(end, self.end), fading, shock.price_change))
        return sorted(found, key=lambda phase: phase.start)

    @property
    def middle(self) -> str:
        """Return what stands for all replications: their mean, or their median where the scenario says so."""
        return "median" if self.scenario.summary == "quantiles" else "mean"

    def centre(self, values: Floats) -> Floats:
        """Return that middle over the first axis."""
        return np.asarray(np.median(values, axis=0) if self.middle == "median" else values.mean(axis=0))

    def spread_text(self, samples: Floats) -> str:
        """Return the replications as text: mean with its half-width, or median with the 5 and 95 % quantiles."""
        known = samples[np.isfinite(samples)]
        if not len(known):
            return "none"
        if self.middle == "median":
            return quantiles_text(*(float(q) for q in np.quantile(known, (0.05, 0.5, 0.95))))
        return figure_text(float(known.mean()), half_width(known))

    def share_text(self, samples: Floats) -> str:
        """Return a share by replication as such a text, in per cent."""
        return f"{self.spread_text(100 * samples)} %"

    def drawn_text(self, step_h: int, middle: str = "") -> str:
        """Return what a point of a line is, in words."""
        middle = middle or self.middle
        span = f"a point for each {span_text(step_h)}"
        if self.replications == 1:
            return f"One replication, so there is no band; {span}."
        return f"Lines: {middle} of the replications, {span}."


def coarse(values: Floats, step_h: int, how: str = "mean") -> Floats:
    """Return replications x spans: mean, median, max or sum of each span's known values, NaN where none is known."""
    if step_h == 1:
        return values
    spans = math.ceil(values.shape[1] / step_h)
    if lacking := spans * step_h - values.shape[1]:
        values = np.pad(values, ((0, 0), (0, lacking)), constant_values=np.nan)
    cube = values.reshape(values.shape[0], spans, step_h)
    known = ~np.isnan(cube)
    count = known.sum(axis=2)
    if how == "median":
        out = np.nanmedian(np.where((count > 0)[:, :, None], cube, 0.0), axis=2)
    elif how == "max":
        out = np.where(known, cube, -np.inf).max(axis=2)
    else:
        out = np.where(known, cube, 0.0).sum(axis=2)
        out = out / np.maximum(count, 1) if how == "mean" else out
    return np.where(count > 0, out, np.nan)


def band(values: Floats, middle: str = "mean") -> Band:
    """Return the mean (or median) and the 5 and 95 % quantiles over replications, at each time.

    NaN where half of the replications or more have no value; elsewhere over those that have one.
    """
    known = ~np.isnan(values)
    enough = 2 * known.sum(axis=0) > len(values)
    filled = np.where(enough, values, 0.0)
    if middle == "mean":
        centre = np.nansum(filled, axis=0) / np.maximum(known.sum(axis=0), 1)
    else:
        centre = np.nanmedian(filled, axis=0)
    centre = np.where(enough, centre, np.nan)
    if len(values) == 1:
        return Band(centre, None, None)
    # Both give the same; the one that has not to look for gaps does so in a tenth of the time.
    low, high = (np.nanquantile if np.isnan(filled).any() else np.quantile)(filled, (0.05, 0.95), axis=0)
    return Band(centre, np.where(enough, low, np.nan), np.where(enough, high, np.nan))


def figure_text(mean: float | None, error: float | None) -> str:
    """Return ``12,000 ± 3,000``: the digits that the error leaves; without an error three digits."""
    if mean is None:
        return "none"
    if is_censored(mean):
        return significant(mean, None)
    if error is not None and error <= 1e-9 * abs(mean):
        error = 0.0
    if error == 0 or (error is None and mean == round(mean) and abs(mean) < 1000):
        return _exact(mean)
    return significant(mean, error, plus_minus=error is not None)


def estimate_text(estimate: Estimate | None) -> str:
    """Return an estimate's mean with its half-width (``> 12,000`` beyond the horizon), or its quantiles, no unit."""
    if estimate is None or estimate.mean is None:
        return "none"
    if estimate.summary == "quantiles":
        return quantiles_text(estimate.p05, estimate.p50, estimate.p95)
    return figure_text(estimate.mean, estimate.half_width)


def quantile_text(value: float | None, error: float | None) -> str:
    """Return a quantile with the digits that the mean's error leaves."""
    if value is None:
        return "–"
    if is_censored(value):
        return significant(value, None)
    if error is not None and error <= 1e-9 * abs(value):
        error = 0.0
    return _exact(value) if error == 0 else significant(value, error)


def _exact(value: float) -> str:
    """Return a value without error: whole, or with at least three digits."""
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 100 else significant(value, None)


def day_text(when: datetime) -> str:
    """Return ``9 January``."""
    return f"{when.day} {when:%B}"


def humane(estimate: Estimate) -> str:
    """Return an estimate for people, with its unit where it is not plain: minutes become h or days, shares per cent."""
    mean, unit = estimate.mean, estimate.unit
    if mean is None:
        return "none"
    if unit in {"min", "h"}:
        minutes = mean * (60 if unit == "h" else 1)
        name, size = ("days", 1440) if minutes >= 2 * 1440 else ("h", 60) if minutes >= 120 else ("min", 1)
        return f"{_scaled_text(estimate, (60 if unit == 'h' else 1) / size)} {name}"
    if unit.startswith("of "):
        return f"{_scaled_text(estimate, 100.0)} %"
    return estimate_text(estimate)


def _scaled_text(estimate: Estimate, scale: float) -> str:
    """Return an estimate as text, in a unit ``scale`` times as small."""
    figures = (estimate.mean, estimate.half_width, estimate.p05, estimate.p50, estimate.p95)
    mean, error, p05, p50, p95 = (None if figure is None else figure * scale for figure in figures)
    return estimate_text(replace(estimate, mean=mean, half_width=error, p05=p05, p50=p50, p95=p95))


def percent(share: float) -> str:
    """Return a share in whole per cent."""
    return f"{100 * share:,.0f} %" if math.isfinite(share) else "without limit"


def wait_text(minutes: float) -> str:
    """Return a wait for people: ``5.6 days``, or that it lies beyond the end where it is infinite."""
    if math.isinf(minutes):
        return "beyond the end"
    name, size = next(
        (each for each in _WAIT_UNITS if minutes >= each[1] * (2 if each[0] == "days" else 1)), ("s", 1 / 60)
    )
    value = minutes / size
    return f"{value:,.0f} {name}" if value >= 10 else f"{value:.2g} {name}"


def span_text(hours: int) -> str:
    """Return what one point stands for, in words."""
    if hours % 24 == 0:
        return "day" if hours == 24 else "week" if hours == 168 else f"{hours // 24} days"
    return "hour" if hours == 1 else f"{hours} hours"


def wrapped(text: str, width: int) -> str:
    """Return the text in lines of at most ``width`` letters, never broken within ``12 ± 3`` or ``5 %``."""
    joined = text.replace(" ± ", "\xa0±\xa0").replace(" %", "\xa0%")
    return "\n".join(textwrap.wrap(joined, width)).replace("\xa0", " ")


def shortened(text: str, width: int, lines: int) -> str:
    """Return the text in at most ``lines`` lines; text that does not fit ends in an ellipsis."""
    found = wrapped(text, width).splitlines()
    if len(found) <= lines:
        return "\n".join(found)
    return "\n".join([*found[: lines - 1], f"{found[lines - 1][: width - 2].rstrip()} …"])
