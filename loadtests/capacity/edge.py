"""Where the edge lies: the rate at which a share of bad requests crosses its objective, from all steps together.

A single step cannot tell: requests that queue behind each other go bad together, and one step sees few of those times.
So the steps near the edge are put together, and their own scatter says how far one step can be trusted. The share of
bad requests is taken to rise as a power of the rate there, as in a queue near its limit. It is fitted by
quasi-likelihood (Wedderburn 1974, "Quasi-likelihood functions, generalized linear models and the Gauss-Newton method",
Biometrika 61): counts with the variance of Poisson numbers times a dispersion that Pearson's statistic estimates. The
interval holds the rates whose best curve fits hardly worse, by the F distribution (profile likelihood). Where the steps
show a cliff, it is the gap between what was kept and what was not. ``python -m tests.bench coverage`` shows how often
it covers the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import fdtri

from loadtests.core.intervals import share_interval

_LEVEL = 0.975
"""The level of the F distribution: with as few and as scattered steps as a search makes, the interval covers 90 %.

Of 300 to 900 searches each it held the truth in 89 to 90 % for four queues, and in 85 % where the steps were too short.
"""
BELOW, ABOVE = 0.6, 1.3
"""Steps within these multiples of the edge count: further up a step is all bad, further down all good."""
_LEAST_NEAR, _LEAST_OF_A_CLIFF = 4, 3
_FAR = 1000.0
_POWERS = np.geomspace(0.1, 300.0, 40)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Share:
    """What one step saw of one condition: its rate, how many of its n requests were bad, and the share allowed."""

    rate_per_s: float
    bad: int
    n: int
    limit: float


@dataclass(frozen=True)
class Edge:
    """The best rate at which a condition breaks, and its interval; a side that the steps do not bound is None."""

    rate_per_s: float | None
    low: float
    high: float | None


def edge_of(shares: Sequence[Share]) -> Edge:
    """Return the edge of one condition, from its share in each step."""
    low = _surely_kept(shares)
    if all(share.bad <= share.limit * share.n for share in shares):
        return Edge(None, low, None)
    if cliff := _cliff(shares):
        return cliff
    x = np.log([share.rate_per_s for share in shares])
    bad, allowed = (np.array(v, dtype=float) for v in zip(*((s.bad, s.limit * s.n) for s in shares), strict=True))
    grid = np.concatenate(
        [
            np.linspace(x.min() - np.log(_FAR), x.min() - 0.4, 25),
            np.linspace(x.min() - 0.39, x.max() + 0.39, 300),
            np.linspace(x.max() + 0.4, x.max() + np.log(_FAR), 25),
        ]
    )
    near = np.ones(len(x), dtype=bool)
    for _ in range(3):
        deviance, _ = _profile(grid, x[near], bad[near], allowed[near])
        near = _near(x, float(grid[np.argmin(deviance)]))
    deviance, fitted = _profile(grid, x[near], bad[near], allowed[near])
    best = int(np.argmin(deviance))
    kept = grid[deviance - deviance[best] <= _threshold(bad[near], fitted[best])]
    open_below, open_above = kept[0] <= grid[0], kept[-1] >= grid[-1]
    return Edge(
        rate_per_s=float(np.exp(grid[best])),
        low=0.0 if open_below else float(np.exp(kept[0])),
        high=None if open_above else float(np.exp(kept[-1])),
    )


def _cliff(shares: Sequence[Share]) -> Edge | None:
    """Return the edge that lies between the rates that were kept and those that were not, where no step contradicts.

    A service may fall off a cliff anywhere between, whatever a curve says. None where steps contradict, or where fewer
    than three on either side are near.
    """
    good = [s.rate_per_s for s in shares if s.bad <= s.limit * s.n]
    broken = [s.rate_per_s for s in shares if s.bad > s.limit * s.n]
    if not good or max(good) >= min(broken):
        return None
    near = (sum(r >= max(good) * BELOW for r in good), sum(r <= min(broken) * ABOVE for r in broken))
    return Edge(max(good), max(good), min(broken)) if min(near) >= _LEAST_OF_A_CLIFF else None


def _surely_kept(shares: Sequence[Share]) -> float:
    """Return the highest rate whose own step excludes a share above the limit, below every step that exceeded it."""
    first = min((s.rate_per_s for s in shares if s.bad > s.limit * s.n), default=np.inf)
    kept = (s.rate_per_s for s in shares if s.rate_per_s < first and share_interval(s.bad, s.n)[1] <= s.limit)
    return max(kept, default=0.0)


def _near(x: Floats, at: float) -> NDArray[np.bool_]:
    near = (x >= at + np.log(BELOW)) & (x <= at + np.log(ABOVE))
    if near.sum() >= min(_LEAST_NEAR, len(x)):
        return near
    closest = np.argsort(np.abs(x - at), kind="stable")[:_LEAST_NEAR]
    return np.isin(np.arange(len(x)), closest)


def _profile(grid: Floats, x: Floats, bad: Floats, allowed: Floats) -> tuple[Floats, Floats]:
    """Return, for each edge of the grid, the deviance of the best curve through it, and its expected counts."""
    rise = np.exp(np.minimum(_POWERS[None, :, None] * (x[None, None, :] - grid[:, None, None]), 50.0))
    limit_count = np.maximum(allowed, 1e-9)
    expected = np.maximum(np.minimum(limit_count * rise, np.maximum(bad, 100 * limit_count)), 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.where(bad > 0, bad * np.log(bad / expected), 0.0)
    deviance = 2 * (log_ratio - (bad - expected)).sum(axis=2)
    steepest = deviance.argmin(axis=1)
    return deviance.min(axis=1), expected[np.arange(len(grid)), steepest]


def _threshold(bad: Floats, fitted: Floats) -> float:
    """Return how much worse than the best curve another may fit: the dispersion, at least 1, times F."""
    free = max(len(bad) - 2, 1)
    dispersion = max(float(((bad - fitted) ** 2 / fitted).sum()) / free, 1.0)
    return dispersion * float(fdtri(1, free, _LEVEL))
