"""Arrival-rate curves: how many requests to expect, and when.

A curve is a rate that is constant between edges.

    rate r(t)
    per hour
      |      ______
      |     |      |
      |_____|      |
      |            |______
      +-----------------------> t
      e0    e1     e2     e3

    expected arrivals in [a, b) = integral from a to b of r(s) ds / H

    t, e[i]  milliseconds since the scenario's start
    r[i]     arrivals per hour on [e[i], e[i+1])
    H        3,600,000 milliseconds per hour
"""

from __future__ import annotations

from dataclasses import dataclass
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

    def __post_init__(self) -> None:
        edges, rates = np.asarray(self.edges_ms), np.asarray(self.rate_per_hour)
        faults = _faults(edges, rates)
        if faults:
            raise ValueError("; ".join(faults))
        edges, rates = edges.astype(np.int64), rates.astype(np.float64)
        with np.errstate(over="ignore"):
            total = np.sum(np.diff(edges) * rates / HOUR_MS)
        if not np.isfinite(total):
            raise ValueError("rate_per_hour: the total is infinite; rates and span must give a finite total")
        for name, value in (("edges_ms", edges), ("rate_per_hour", rates)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    def rate_at(self, t_ms: ArrayLike) -> Floats:
        """Return r(t) per hour; the piece that starts at t decides, and outside the edges the rate is 0."""
        t = np.asarray(t_ms)
        i = np.searchsorted(self.edges_ms, t, side="right") - 1
        inside = (i >= 0) & (t < self.edges_ms[-1])
        return np.where(inside, self.rate_per_hour[np.clip(i, 0, len(self.rate_per_hour) - 1)], 0.0)[()]

    def expected(self, step_ms: int) -> Floats:
        """Return the arrivals expected in each step from time 0 to the last edge, each from its own pieces alone.

        The curve must begin at 0. Unlike differences of a running total, no step feels what lies before it.
        """
        if not (self.edges_ms % step_ms).any():
            return np.repeat(step_ms * self.rate_per_hour / HOUR_MS, np.diff(self.edges_ms) // step_ms)
        marks = np.arange(0, self.edges_ms[-1] + step_ms, step_ms)
        between = self.edges_ms[self.edges_ms % step_ms != 0]
        edges = np.sort(np.concatenate([marks, between]), kind="stable")
        parts = np.diff(edges) * self.rate_at(edges[:-1]) / HOUR_MS
        return np.add.reduceat(parts, np.searchsorted(edges, marks[:-1]))

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
