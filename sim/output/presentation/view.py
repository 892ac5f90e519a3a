"""A run prepared for the figures: the hourly series by entity and name, arranged for display. No matplotlib here."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np

from sim.experiment.analysis.estimate import Estimate
from sim.experiment.analysis.words import futures, tell, two_kinds, typical
from sim.experiment.hourly_table import Floats, Hourly
from sim.scenario.labels import label_of
from sim.scenario.schema.scenario import Scenario

_FINE = 360
"""Most points of a line: a picture that is 2,000 pixels wide shows no more, and its SVG stays small."""
_HELD = 2
"""Series held at once: a panel compares two."""
_WITHIN = re.compile(r"(?<=\d) (?=to \d)|(?<=\d to) (?=\d)")
_STEPS_H = (1, 2, 3, 4, 6, 8, 12, 24, 48, 72, 168, 336)


@dataclass(frozen=True)
class Band:
    """A series over replications: the middle, and the 5 and 95 % quantiles (None with one replication).

    In a run of two kinds these are of the second, and ``first`` is the band of the first.
    """

    middle: Floats
    low: Floats | None
    high: Floats | None
    first: Band | None = None

    @property
    def top(self) -> float:
        """The highest value that is drawn; 0 where none is known."""
        own = [each for each in (self.middle, self.high) if each is not None and np.isfinite(each).any()]
        return max([0.0, *(float(np.nanmax(each)) for each in own), *([self.first.top] if self.first else [])])


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
        self.second = np.isin(hourly.numbers, list(getattr(metrics, "second_kind", ())))
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

    def label(self, kind: str, name: str) -> str:
        """Return what people call a team, queue, category or shock."""
        return label_of(self.scenario, kind, name)

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
                found.append(Phase(self.label("shock", name), begin, min(end, self.end), fading, shock.price_change))
        return sorted(found, key=lambda phase: phase.start)

    @property
    def middle(self) -> str:
        """Return what stands for all replications: their mean, or their median where the scenario says so."""
        return "median" if self.scenario.summary == "quantiles" else "mean"

    def centre(self, values: Floats) -> Floats:
        """Return that middle over the first axis; in a run of two kinds that of the second."""
        values = values[self.second] if self.second.any() else values
        return np.asarray(np.median(values, axis=0) if self.middle == "median" else values.mean(axis=0))

    def band(self, values: Floats, middle: str = "") -> Band:
        """Return that middle with its band, at each time; in a run of two kinds of both."""
        middle = middle or self.middle
        if not self.second.any():
            return band(values, middle)
        return replace(band(values[self.second], middle), first=band(values[~self.second], middle))

    @property
    def many(self) -> str:
        """Return what replications are to a reader: days, weeks, months, or runs of another length."""
        names = {1: "days", 7: "weeks"} | dict.fromkeys((28, 29, 30, 31), "months")
        return names.get(self.scenario.days, "runs")

    def told(self, name: str) -> str:
        """Return a metric in a sentence, "typically 210, in 9 of 10 months 140 to 330"; "none" without a value."""
        one = self.metrics.get(name)
        return "none" if one is None else futures(one, self.many)

    def typically(self, name: str) -> str:
        """Return the median of a metric where there is room for one number only; "none" without a value."""
        one = self.metrics.get(name)
        if one is not None and one.outcomes and one.p50 is not None and not two_kinds(one):
            return tell(one.unit, [one.p50])[0]
        return "none" if one is None else typical(one)

    def known(self, name: str) -> Estimate | None:
        """Return the estimate of a metric that has a value other than 0 in some replication; None without one."""
        one = self.metrics.get(name)
        return one if one is not None and one.mean else None

    def drawn_text(self, step_h: int, middle: str = "") -> str:
        """Return what a point of a line is, in words."""
        middle = middle or self.middle
        span = f"a point for each {span_text(step_h)}"
        if self.replications == 1:
            return f"One replication, so there is no band; {span}."
        of = "each kind of future" if self.second.any() else "the replications"
        return f"Lines: {middle} of {of}, {span}."


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


def day_text(when: datetime) -> str:
    """Return ``9 January``."""
    return f"{when.day} {when:%B}"


def span_text(hours: int) -> str:
    """Return what one point stands for, in words."""
    if hours % 24 == 0:
        return "day" if hours == 24 else "week" if hours == 168 else f"{hours // 24} days"
    return "hour" if hours == 1 else f"{hours} hours"


def wrapped(text: str, width: int) -> str:
    """Return the text in lines of at most ``width`` letters, never broken within ``12 to 13`` or ``5 %``."""
    joined = _WITHIN.sub("\xa0", text.replace(" %", "\xa0%"))
    return "\n".join(textwrap.wrap(joined, width)).replace("\xa0", " ")


def shortened(text: str, width: int, lines: int) -> str:
    """Return the text in at most ``lines`` lines; text that does not fit ends in an ellipsis."""
    found = wrapped(text, width).splitlines()
    if len(found) <= lines:
        return "\n".join(found)
    return "\n".join([*found[: lines - 1], f"{found[lines - 1][: width - 2].rstrip()} …"])
