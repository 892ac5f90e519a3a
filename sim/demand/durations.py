"""Durations from uniforms: each law of a scenario as the inverse of its distribution function.

One uniform a draw, so a draw keeps its rank when a law's parameters change. Times are rounded to whole
milliseconds, which also absorbs the last bit in which machines' logarithms differ. Compiled code reads a law as a row
of a table; a new one is a kind, its row in ``LawTable`` and its line in ``quantile``.
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
from sim.scenario.schema.durations import Deterministic, Empirical, Exponential, Gamma, Law, Lognormal, Mixture

NO_LAW = -1
ROW = np.dtype(
    [("kind", "i8"), ("scale", "f8"), ("shape", "f8"), ("points", "i8"), ("size", "i8"), ("parts", "i8")], align=True
)
"""One law: its scale in ms, its shape; of an empirical law or a mixture the first of its ``size`` points (quantiles,
or the shares where its parts begin, with 1 behind them) and the row of a mixture's first part."""

_EXPONENTIAL, _LOGNORMAL, _GAMMA, _DETERMINISTIC, _EMPIRICAL, _MIXTURE = range(6)
_Z90 = 1.2815515655446004
_LONGEST_MS = 2.0**62

_gammaincinv = scipy_special("gammaincinv", 2)


class Laws(NamedTuple):
    """A table of laws for compiled code: a ``ROW`` each, and the points of those that have some."""

    rows: NDArray[np.void]
    points: Floats


class LawTable:
    """Laws on their way into a table: ``add`` says in which row a law will stand."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []
        self._points: list[float] = []

    def add(self, law: Law | None) -> int:
        """Return the row of a law, NO_LAW for none."""
        if law is None:
            return NO_LAW
        row = self._row(law)
        self._rows.append(row)
        return len(self._rows) - 1

    def exponential(self, mean_ms: float) -> int:
        """Return the row of the exponential law of this mean."""
        self._rows.append((_EXPONENTIAL, mean_ms, 0.0, 0, 0, 0))
        return len(self._rows) - 1

    def table(self) -> Laws:
        """Return the table as it stands."""
        return Laws(np.array(self._rows, dtype=ROW), np.array(self._points, dtype=np.float64))

    @singledispatchmethod
    def _row(self, law: object) -> tuple[float, ...]:
        raise TypeError(f"no quantile is written for the law {type(law).__name__}; add one to sim/demand/durations.py")

    @_row.register
    def _(self, law: Exponential) -> tuple[float, ...]:
        return (_EXPONENTIAL, law.mean, 0.0, 0, 0, 0)

    @_row.register
    def _(self, law: Lognormal) -> tuple[float, ...]:
        return _lognormal_row(law.mean, sigma_of(law))

    @_row.register
    def _(self, law: Gamma) -> tuple[float, ...]:
        shape = law.cv**-2
        return (_GAMMA, law.mean / shape, shape, 0, 0, 0)

    @_row.register
    def _(self, law: Deterministic) -> tuple[float, ...]:
        return (_DETERMINISTIC, law.value, 0.0, 0, 0, 0)

    @_row.register
    def _(self, law: Empirical) -> tuple[float, ...]:
        return (_EMPIRICAL, 0.0, 0.0, self._more(law.quantiles), len(law.quantiles), 0)

    @_row.register
    def _(self, law: Mixture) -> tuple[float, ...]:
        first = len(self._rows)
        for one in law.parts:
            self.add(one.of)
        weights = np.array([one.weight for one in law.parts])
        edges = [0.0, *np.cumsum(weights / weights.sum())[:-1].tolist(), 1.0]
        return (_MIXTURE, 0.0, 0.0, self._more(edges), len(law.parts), first)

    def _more(self, points: list[float] | list[int]) -> int:
        self._points += points
        return len(self._points) - len(points)


def sigma_of(law: Lognormal) -> float:
    """Return the standard deviation of the logarithm: ln(1 + cv^2) ^ 1/2, or from mean and 90 % quantile.

    With p90 = mean exp(z s - s^2 / 2), z the normal 90 % quantile, s is the smaller root.
    """
    if law.cv is not None:
        return math.sqrt(math.log1p(law.cv**2))
    assert law.p90 is not None
    return _Z90 - math.sqrt(_Z90**2 - 2 * math.log(law.p90 / law.mean))


def mean_ms(law: Law) -> float:
    """Return the mean of a law in milliseconds (before rounding)."""
    if isinstance(law, Deterministic):
        return float(law.value)
    if isinstance(law, Empirical):
        q = np.asarray(law.quantiles, dtype=np.float64)
        return float((q[:-1] + q[1:]).mean() / 2)
    if isinstance(law, Mixture):
        total = sum(one.weight for one in law.parts)
        return sum(one.weight * mean_ms(one.of) for one in law.parts) / total
    return float(law.mean)


def draw_ms(law: Law, u: Floats, *, least_ms: int = 1) -> NDArray[np.int64]:
    """Return whole milliseconds, one for each uniform in (0, 1), of at least ``least_ms`` (a pause may be 0)."""
    return np.maximum(np.rint(quantiles(law, u)), least_ms).astype(np.int64)


def quantiles(law: Law, u: Floats) -> Floats:
    """Return the law's quantiles in milliseconds, not rounded, at most 2^62."""
    table = LawTable()
    row = table.add(law)
    return _quantiles(table.table(), row, np.ascontiguousarray(u, dtype=np.float64))


def _lognormal_row(mean: float, sigma: float) -> tuple[float, ...]:
    return (_LOGNORMAL, mean * math.exp(-(sigma**2) / 2), sigma, 0, 0, 0)


@compiled
def _quantiles(laws: Laws, law: int, u: Floats) -> Floats:
    out = np.empty(len(u))
    for i in range(len(u)):
        out[i] = quantile(laws, law, u[i])
    return out


@inlined
def drawn_ms(laws: Laws, law: int, u: float) -> int:
    """Return whole milliseconds of the law in row ``law``, 0 or more."""
    return int(np.rint(quantile(laws, law, u)))


@inlined
def quantile(laws: Laws, law: int, u: float) -> float:
    """Return the quantile in ms, at most 2^62, of the law in row ``law``, for u in (0, 1).

    A uniform that is drawn has 53 bits, so 1 - u is exact, and so is its logarithm.
    """
    if laws.rows[law].kind == _MIXTURE:
        law, u = _of_mixture(laws, law, u)
    one = laws.rows[law]
    if one.kind == _EXPONENTIAL:
        value = -one.scale * math.log(1.0 - u)
    elif one.kind == _LOGNORMAL:
        value = one.scale * math.exp(one.shape * normal_quantile(u))
    elif one.kind == _GAMMA:
        value = one.scale * _gammaincinv(one.shape, u, 0)
    elif one.kind == _DETERMINISTIC:
        value = one.scale
    else:
        value = _between(laws.points, one.points, one.size, u)
    return min(value, _LONGEST_MS)


@inlined
def _between(points: Floats, first: int, size: int, u: float) -> float:
    """Return the quantile between evenly spaced ones, from that of 0 to that of 1."""
    place = u * (size - 1)
    i = min(int(place), size - 2)
    low = points[first + i]
    return low + (points[first + i + 1] - low) * (place - i)


@inlined
def _of_mixture(laws: Laws, law: int, u: float) -> tuple[int, float]:
    """Return which part a uniform chooses, and its place within the part's share, which is the part's own uniform."""
    one = laws.rows[law]
    i = 0
    while i + 1 < one.size and u >= laws.points[one.points + i + 1]:
        i += 1
    low, high = laws.points[one.points + i], laws.points[one.points + i + 1]
    return one.parts + i, min(max((u - low) / (high - low), 2.0**-54), 1 - 2.0**-53)
