"""Durations from uniforms: each distribution of a scenario as the inverse of its distribution function.

One uniform a draw, so a draw keeps its rank when a distribution's parameters change. Times are rounded to whole
milliseconds, which also absorbs the last bit in which machines' logarithms differ. Compiled code reads
a distribution as a row of a table; a new one is a kind, its row in ``DistributionTable`` and its line in ``quantile``.
"""

from __future__ import annotations

import math
from functools import singledispatchmethod
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats
from sim.core.jit import compiled, inlined, scipy_special
from sim.numerics.normal import normal_quantile
from sim.scenario.schema.durations import Deterministic, Distribution, Empirical, Exponential, Gamma, Lognormal, Mixture

NO_DISTRIBUTION = -1
ROW = np.dtype(
    [("kind", "i8"), ("scale", "f8"), ("shape", "f8"), ("points", "i8"), ("size", "i8"), ("parts", "i8")], align=True
)
"""One distribution: its scale in ms, its shape; of an empirical one or a mixture the first of its ``size`` points
(quantiles, or the shares where its parts begin, with 1 behind them) and the row of a mixture's first part."""

_EXPONENTIAL, _LOGNORMAL, _GAMMA, _DETERMINISTIC, _EMPIRICAL, _MIXTURE = range(6)
_Z90 = 1.2815515655446004
_LONGEST_MS = 2.0**62

_gammaincinv = scipy_special("gammaincinv", 2)


class Distributions(NamedTuple):
    """A table of distributions for compiled code: a ``ROW`` each, and the points of those that have some."""

    rows: NDArray[np.void]
    points: Floats


class DistributionTable:
    """Distributions on their way into a table: ``add`` says in which row a distribution will stand."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []
        self._points: list[float] = []

    def add(self, distribution: Distribution | None) -> int:
        """Return the row of a distribution, NO_DISTRIBUTION for none."""
        if distribution is None:
            return NO_DISTRIBUTION
        row = self._row(distribution)
        self._rows.append(row)
        return len(self._rows) - 1

    def exponential(self, mean_ms: float) -> int:
        """Return the row of the exponential distribution of this mean."""
        self._rows.append((_EXPONENTIAL, mean_ms, 0.0, 0, 0, 0))
        return len(self._rows) - 1

    def table(self) -> Distributions:
        """Return the table as it stands."""
        return Distributions(np.array(self._rows, dtype=ROW), np.array(self._points, dtype=np.float64))

    @singledispatchmethod
    def _row(self, distribution: object) -> tuple[float, ...]:
        raise TypeError(f"no quantile is written for {type(distribution).__name__}; add one to sim/demand/durations.py")

    @_row.register
    def _(self, distribution: Exponential) -> tuple[float, ...]:
        return (_EXPONENTIAL, distribution.mean, 0.0, 0, 0, 0)

    @_row.register
    def _(self, distribution: Lognormal) -> tuple[float, ...]:
        return _lognormal_row(distribution.mean, sigma_of(distribution))

    @_row.register
    def _(self, distribution: Gamma) -> tuple[float, ...]:
        shape = distribution.cv**-2
        return (_GAMMA, distribution.mean / shape, shape, 0, 0, 0)

    @_row.register
    def _(self, distribution: Deterministic) -> tuple[float, ...]:
        return (_DETERMINISTIC, distribution.value, 0.0, 0, 0, 0)

    @_row.register
    def _(self, distribution: Empirical) -> tuple[float, ...]:
        return (_EMPIRICAL, 0.0, 0.0, self._more(distribution.quantiles), len(distribution.quantiles), 0)

    @_row.register
    def _(self, distribution: Mixture) -> tuple[float, ...]:
        first = len(self._rows)
        for one in distribution.parts:
            self.add(one.of)
        weights = np.array([one.weight for one in distribution.parts])
        edges = [0.0, *np.cumsum(weights / weights.sum())[:-1].tolist(), 1.0]
        return (_MIXTURE, 0.0, 0.0, self._more(edges), len(distribution.parts), first)

    def _more(self, points: list[float] | list[int]) -> int:
        self._points += points
        return len(self._points) - len(points)


def sigma_of(distribution: Lognormal) -> float:
    """Return the standard deviation of the logarithm: ln(1 + cv^2) ^ 1/2, or from mean and 90 % quantile.

    With p90 = mean exp(z s - s^2 / 2), z the normal 90 % quantile, s is the smaller root.
    """
    if distribution.cv is not None:
        return math.sqrt(math.log1p(distribution.cv**2))
    assert distribution.p90 is not None
    return _Z90 - math.sqrt(_Z90**2 - 2 * math.log(distribution.p90 / distribution.mean))


def mean_ms(distribution: Distribution) -> float:
    """Return the mean of a distribution in milliseconds (before rounding)."""
    if isinstance(distribution, Deterministic):
        return float(distribution.value)
    if isinstance(distribution, Empirical):
        q = np.asarray(distribution.quantiles, dtype=np.float64)
        return float((q[:-1] + q[1:]).mean() / 2)
    if isinstance(distribution, Mixture):
        total = sum(one.weight for one in distribution.parts)
        return sum(one.weight * mean_ms(one.of) for one in distribution.parts) / total
    return float(distribution.mean)


def draw_ms(distribution: Distribution, u: Floats, *, least_ms: int = 1) -> NDArray[np.int64]:
    """Return whole milliseconds, one for each uniform in (0, 1), of at least ``least_ms`` (a pause may be 0)."""
    return np.maximum(np.rint(quantiles(distribution, u)), least_ms).astype(np.int64)


def quantiles(distribution: Distribution, u: Floats) -> Floats:
    """Return the distribution's quantiles in milliseconds, not rounded, at most 2^62."""
    table = DistributionTable()
    row = table.add(distribution)
    return _quantiles(table.table(), row, np.ascontiguousarray(u, dtype=np.float64))


def _lognormal_row(mean: float, sigma: float) -> tuple[float, ...]:
    return (_LOGNORMAL, mean * math.exp(-(sigma**2) / 2), sigma, 0, 0, 0)


@compiled
def _quantiles(distributions: Distributions, distribution: int, u: Floats) -> Floats:
    out = np.empty(len(u))
    for i in range(len(u)):
        out[i] = quantile(distributions, distribution, u[i])
    return out


@inlined
def drawn_ms(distributions: Distributions, distribution: int, u: float) -> int:
    """Return whole milliseconds of the distribution in row ``distribution``, 0 or more."""
    return int(np.rint(quantile(distributions, distribution, u)))


@inlined
def quantile(distributions: Distributions, distribution: int, u: float) -> float:
    """Return the quantile in ms, at most 2^62, of the distribution in row ``distribution``, for u in (0, 1).

    A uniform that is drawn has 53 bits, so 1 - u is exact, and so is its logarithm.
    """
    if distributions.rows[distribution].kind == _MIXTURE:
        distribution, u = _of_mixture(distributions, distribution, u)
    one = distributions.rows[distribution]
    if one.kind == _EXPONENTIAL:
        value = -one.scale * math.log(1.0 - u)
    elif one.kind == _LOGNORMAL:
        value = one.scale * math.exp(one.shape * normal_quantile(u))
    elif one.kind == _GAMMA:
        value = one.scale * _gammaincinv(one.shape, u, 0)
    elif one.kind == _DETERMINISTIC:
        value = one.scale
    else:
        value = _between(distributions.points, one.points, one.size, u)
    return min(value, _LONGEST_MS)


@inlined
def _between(points: Floats, first: int, size: int, u: float) -> float:
    """Return the quantile between evenly spaced ones, from that of 0 to that of 1."""
    place = u * (size - 1)
    i = min(int(place), size - 2)
    low = points[first + i]
    return low + (points[first + i + 1] - low) * (place - i)


@inlined
def _of_mixture(distributions: Distributions, distribution: int, u: float) -> tuple[int, float]:
    """Return which part a uniform chooses, and its place within the part's share, which is the part's own uniform."""
    one = distributions.rows[distribution]
    i = 0
    while i + 1 < one.size and u >= distributions.points[one.points + i + 1]:
        i += 1
    low, high = distributions.points[one.points + i], distributions.points[one.points + i + 1]
    return one.parts + i, min(max((u - low) / (high - low), 2.0**-54), 1 - 2.0**-53)
