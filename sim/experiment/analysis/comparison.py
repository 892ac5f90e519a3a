"""Two runs compared: paired differences where they met the same customers, Welch's otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from sim.core.at_least import is_censored
from sim.core.digits import significant
from sim.experiment.analysis.estimate import Estimate
from sim.experiment.analysis.frames import differences_frame
from sim.experiment.analysis.headline import HEADLINE
from sim.experiment.analysis.html import table
from sim.experiment.analysis.words import mean_text, two_kinds, typical
from sim.metrics.registry import metric_of
from sim.numerics.statistics import Difference, paired_difference, welch_difference
from sim.scenario.faults import ScenarioFaults

HEAD = ("metric", "mean of base", "mean of other", "difference ± 95 % half-width", "")
_MOST_NAMED = 6
"""What stands above the texts of ``Comparison.row``."""


class Samples(Protocol):
    """A run as far as a comparison needs it: a ``Run`` or a ``SavedRun``."""

    @property
    def seed(self) -> int:
        """The seed."""

    @property
    def days(self) -> int:
        """The days that are measured."""

    @property
    def customers(self) -> Mapping[str, str]:
        """A hash of what was drawn of the customers, by stream."""

    @property
    def metrics(self) -> Mapping[str, Estimate]:
        """The estimates."""

    def samples(self, name: str) -> dict[int, float | None]:
        """A metric by replication."""


@dataclass(frozen=True, repr=False)
class Comparison:
    """The differences of a run to a base, metric by metric (other less base), and how they were made.

    ``differences`` has the metrics of which both runs have two or more values; ``left_out`` counts, by metric, the
    values that found no partner, or did not exist. A metric with values of which only a lower bound is known, since
    they lie beyond the horizon, has no difference: ``censored`` counts these.
    """

    base: Mapping[str, Estimate]
    other: Mapping[str, Estimate]
    how: str
    differences: dict[str, Difference]
    left_out: dict[str, int]
    censored: dict[str, int]

    def __repr__(self) -> str:
        """Return one line: how many differences there are, and how they were made."""
        clear = sum(one.clear for one in self.differences.values())
        return f"<Comparison of {len(self.names())} metrics, {clear} clearly different; {self.how}>"

    def _repr_html_(self) -> str:
        """Return the differences of the headline metrics as a table, for notebooks; ``frame`` has all."""
        rows = [self.row(name) for name in self.names() if name in HEADLINE]
        return table(HEAD, rows, caption=f"other less base: {self.how}")

    def names(self) -> list[str]:
        """Return the metrics that have a row: with a difference, or with values beyond the horizon."""
        return [name for name in self.base if name in self.differences or name in self.censored]

    def frame(self) -> pl.DataFrame:
        """Return all differences as a table with the columns ``sim.experiment.analysis.frames.DIFFERENCES``."""
        return differences_frame(self)

    def row(self, name: str) -> tuple[str, str, str, str, str]:
        """Return a metric as text: name, base, other, difference with its half-width and unit, verdict."""
        metric = metric_of(name)
        base, other = self.base[name], self.other[name]
        both = tuple(typical(one) if two_kinds(one) else mean_text(one, unit=False) for one in (base, other))
        if name in self.censored:
            return (
                name,
                both[0],
                both[1],
                f"? {metric.unit}",
                f"not known: {self.censored[name]} values lie beyond the horizon",
            )
        one = self.differences[name]
        shown = significant(one.mean, one.half_width, plus_minus=True)
        sign = "+" if one.mean > 0 else ""
        verdict = "the same in every pair" if one.half_width == 0 and one.mean == 0 else "no clear difference"
        if one.clear:
            verdict = {0: "different", 1: "better", -1: "worse"}[metric.better * (1 if one.mean > 0 else -1)]
        if self.left_out[name]:
            verdict += f" ({self.left_out[name]} values left out)"
        return name, both[0], both[1], f"{sign}{shown} {metric.unit}", verdict


def compare(base: Samples, other: Samples) -> Comparison:
    """Return ``other`` less ``base``, metric by metric, with 95 % half-widths.

    Paired by replication when both ran from one seed and some of their customers are the same; otherwise Welch's.
    Raises ScenarioFaults for runs of different lengths, since peaks, and averages of a shock, depend on it.
    """
    if base.days != other.days:
        rule = f"must be the base's {base.days}: peaks, and averages of what comes and goes, depend on the length"
        raise ScenarioFaults([f"compare: days: got {other.days}; {rule}"])
    same, apart = shared(base.customers, other.customers)
    paired = base.seed == other.seed and bool(same)
    differences: dict[str, Difference] = {}
    left_out: dict[str, int] = {}
    censored: dict[str, int] = {}
    for name in base.metrics:
        if name not in other.metrics:
            continue
        if beyond := sum(is_censored(v) for run in (base, other) for v in run.samples(name).values()):
            censored[name] = beyond
            continue
        a, b = _known(base.samples(name)), _known(other.samples(name))
        if paired:
            both = [number for number in a if number in b]
            a, b = {n: a[n] for n in both}, {n: b[n] for n in both}
        left = len(base.samples(name)) + len(other.samples(name)) - len(a) - len(b)
        x, y = list(a.values()), list(b.values())
        if min(len(x), len(y)) >= 2:
            differences[name] = paired_difference(y, x) if paired else welch_difference(y, x)
            left_out[name] = left
    how = "paired, the same customers met both"
    if not paired:
        how = f"not paired ({'other seeds' if base.seed != other.seed else 'no customers in common'}), Welch"
    elif apart:
        how = f"paired by replication; the same in both: {_listed(same)}; not the same: {_listed(apart)}"
    return Comparison(base.metrics, other.metrics, how + _kinds(base, other), differences, left_out, censored)


def _kinds(base: Samples, other: Samples) -> str:
    """Return how often the second kind of future came in each run, where one of them has two; "" where none has.

    The difference of two means is then that of how often, and of what it is like, in one.
    """
    counts = [len(getattr(run.metrics, "second_kind", ())) for run in (base, other)]
    if not any(counts):
        return ""
    return f"; two kinds of future, of which the second came {counts[0]} times in the base and {counts[1]} in the other"


def shared(base: Mapping[str, str], other: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the streams in which two runs drew the same customers, and those in which they did not."""
    names = list(dict.fromkeys([*base, *other]))
    same = [name for name in names if base.get(name) == other.get(name)]
    return same, [name for name in names if name not in same]


def _listed(streams: list[str]) -> str:
    """Return the names of streams, and of many the first and the number."""
    shown = streams if len(streams) <= _MOST_NAMED else streams[: _MOST_NAMED - 1]
    more = len(streams) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more else [])])


def _known(samples: dict[int, float | None]) -> dict[int, float]:
    """Return the replications that have a value."""
    return {number: value for number, value in samples.items() if value is not None}
