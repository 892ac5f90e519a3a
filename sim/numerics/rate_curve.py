"""Arrival-rate curves: how many requests to expect by when, and when the n-th is due.

A curve is a rate that is constant between edges. The model and the load test use this one module, so that
what is predicted and what is sent come from the same mathematics.

    rate r(t)                      cumulative R(t)
    per hour                       arrivals
      |      ______                  |            ____ R(end) = total
      |     |      |                 |          _/
      |_____|      |                 |       __/
      |            |______           |  ____/
      +-----------------------> t    +-----------------------> t
      e0    e1     e2     e3         e0    e1     e2    e3

    R(t) = integral from e0 to t of r(s) ds                 expected arrivals in [e0, t)
         = C[i] + (t - e[i]) * r[i] / H                     for e[i] <= t < e[i+1]
    R^-1(x) = e[i] + (x - C[i]) * H / r[i]                  for C[i] < x <= C[i+1]

    t, e[i]  milliseconds since the scenario's start
    r[i]     arrivals per hour on [e[i], e[i+1])
    C[i]     arrivals expected before e[i];  C[0] = 0
    H        3,600,000 milliseconds per hour

Arrivals of a Poisson process with rate r(t) are R^-1 of the arrivals of a unit-rate process: inversion, which
keeps common random numbers aligned where thinning does not (Cinlar 1975, Introduction to Stochastic
Processes, ch. 4.7). Of evenly paced arrivals number n, from 0, is due at R^-1(n + 1/2); vegeta's lib/pacer.go
solves the same integral for linear and sine rates.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.core.arrays import Floats, Ints
from sim.core.clock import HOUR_MS


@dataclass(frozen=True, eq=False)
class Curve:
    """A piecewise constant arrival rate, 0 outside its edges.

    ``edges_ms``: n + 1 whole milliseconds since the start, 0 or more, strictly increasing.
    ``rate_per_hour``: n rates, one for each piece [edges_ms[i], edges_ms[i + 1]), finite, 0 or more.
    Both are copied and made read-only. Raises ValueError, every fault in its message, when they are not so.
    """

    edges_ms: Ints
    rate_per_hour: Floats
    cum: Floats = field(init=False, repr=False)
    """Expected arrivals before each edge; n + 1 of them, from 0 to ``total``."""

    def __post_init__(self) -> None:
        edges, rates = np.asarray(self.edges_ms), np.asarray(self.rate_per_hour)
        faults = _faults(edges, rates)
        if faults:
            raise ValueError("; ".join(faults))
        edges, rates = edges.astype(np.int64), rates.astype(np.float64)
        with np.errstate(over="ignore"):
            cum = np.concatenate(([0.0], np.cumsum(np.diff(edges) * rates / HOUR_MS)))
        if not np.isfinite(cum[-1]):
            raise ValueError("rate_per_hour: the total is infinite; rates and span must give a finite total")
        for name, value in (("edges_ms", edges), ("rate_per_hour", rates), ("cum", cum)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def total(self) -> float:
        """Expected arrivals over the whole curve."""
        return float(self.cum[-1])

    def cumulative(self, t_ms: ArrayLike) -> Floats:
        """Return R(t): the arrivals expected in [first edge, t). 0 before the curve, ``total`` after it."""
        edges = self.edges_ms
        t = np.clip(np.asarray(t_ms, dtype=np.float64), edges[0], edges[-1])
        i = np.minimum(np.searchsorted(edges, t, side="right") - 1, len(self.rate_per_hour) - 1)
        value = self.cum[i] + (t - edges[i]) * self.rate_per_hour[i] / HOUR_MS
        # Rounding may lift the last instant of a piece above the next piece's start: R must not decrease.
        return np.minimum(value, self.cum[i + 1])

    def inverse(self, count: ArrayLike) -> Floats:
        """Return R^-1(x) in ms: the smallest t with R(t) >= x, so the start of a flat stretch, never its end.

        The first edge for x <= 0, infinity for x above ``total``. ``cumulative(inverse(x))`` is x to 1e-9
        relative, or as near as the resolution of a float64 time allows.
        """
        x = np.asarray(count, dtype=np.float64)
        if np.isnan(x).any():
            raise ValueError("count: got nan; must be a number of arrivals")
        # C[i] < x <= C[i + 1], so piece i has a rate above 0.
        i = np.clip(np.searchsorted(self.cum, x, side="left") - 1, 0, len(self.rate_per_hour) - 1)
        beyond = x > self.cum[-1]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            t = self.edges_ms[i] + (x - self.cum[i]) * HOUR_MS / self.rate_per_hour[i]
        t = np.where(x <= 0.0, self.edges_ms[0], np.minimum(t, self.edges_ms[i + 1]))
        return np.where(beyond, np.inf, t)[()]

    def rate_at(self, t_ms: ArrayLike) -> Floats:
        """Return r(t) per hour; the piece that starts at t decides, and outside the edges the rate is 0."""
        t = np.asarray(t_ms)
        i = np.searchsorted(self.edges_ms, t, side="right") - 1
        inside = (i >= 0) & (t < self.edges_ms[-1])
        return np.where(inside, self.rate_per_hour[np.clip(i, 0, len(self.rate_per_hour) - 1)], 0.0)[()]

    def mean_between(self, a_ms: ArrayLike, b_ms: ArrayLike) -> Floats:
        """Return the arrivals expected in [a, b): the mean of a Poisson count there. Negative when b < a."""
        return self.cumulative(b_ms) - self.cumulative(a_ms)

    def expected(self, step_ms: int) -> Floats:
        """Return the arrivals expected in each step from time 0 to the last edge, each from its own pieces alone.

        The curve must begin at 0. Unlike differences of ``cumulative``, no step feels what lies before it.
        """
        if not (self.edges_ms % step_ms).any():
            return np.repeat(step_ms * self.rate_per_hour / HOUR_MS, np.diff(self.edges_ms) // step_ms)
        marks = np.arange(0, self.edges_ms[-1] + step_ms, step_ms)
        between = self.edges_ms[self.edges_ms % step_ms != 0]
        edges = np.sort(np.concatenate([marks, between]), kind="stable")
        parts = np.diff(edges) * self.rate_at(edges[:-1]) / HOUR_MS
        return np.add.reduceat(parts, np.searchsorted(edges, marks[:-1]))

    def scaled(self, factor: float) -> Curve:
        """Return the curve with every rate multiplied by ``factor`` (finite, 0 or more; else ValueError)."""
        if not (np.isfinite(factor) and factor >= 0):
            raise ValueError(f"factor: got {factor}; must be a finite number, 0 or more")
        return Curve(self.edges_ms, self.rate_per_hour * factor)

    def times(self, other: Curve) -> Curve:
        """Return the product with another step function, whose values are read as plain factors.

        The result spans this curve. Raises ValueError when ``other`` does not cover it: a missing factor is
        not 0.
        """
        first, last = self.edges_ms[0], self.edges_ms[-1]
        if other.edges_ms[0] > first or other.edges_ms[-1] < last:
            span = f"{other.edges_ms[0]} to {other.edges_ms[-1]} ms"
            raise ValueError(f"other: got edges from {span}; must cover {first} to {last} ms")
        inner = other.edges_ms[(other.edges_ms > first) & (other.edges_ms < last)]
        edges = np.union1d(self.edges_ms, inner)
        return Curve(edges, self.rate_at(edges[:-1]) * other.rate_at(edges[:-1]))


def _faults(edges: NDArray[Any], rates: NDArray[Any]) -> list[str]:
    """Return every reason why these cannot be a curve's edges and rates."""
    if edges.ndim != 1 or len(edges) < 2 or edges.dtype.kind not in "iu":
        return [f"edges_ms: got {edges.dtype} {edges.shape}; must be 2 or more whole milliseconds in a row"]
    if rates.shape != (len(edges) - 1,) or rates.dtype.kind not in "iuf":
        return [f"rate_per_hour: got {rates.dtype} {rates.shape}; must be {len(edges) - 1} numbers in a row"]
    faults = []
    if edges[0] < 0:
        faults.append(f"edges_ms: got {edges[0]} first; must be 0 ms or more")
    if not (edges[1:] > edges[:-1]).all():
        faults.append("edges_ms: got edges out of order; must strictly increase")
    bad = rates[~(np.isfinite(rates) & (rates >= 0))]
    if bad.size:
        faults.append(f"rate_per_hour: got {bad[0]}; must be a finite rate per hour, 0 or more")
    return faults


def paced(curve: Curve) -> Ints:
    """Return the due times, in whole ms rounded down, of evenly paced arrivals: R^-1(i + 1/2), i = 0, 1, ...

    There are as many as the total rounded to the nearest whole number, halves down: one that falls on the last
    edge is no longer due.
    """
    middle = np.arange(int(np.ceil(curve.total))) + 0.5
    due = np.floor(curve.inverse(middle[middle < curve.total])).astype(np.int64)
    return np.minimum(due, curve.edges_ms[-1] - 1)
