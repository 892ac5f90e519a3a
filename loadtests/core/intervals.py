"""Intervals of shares and quantiles, and how many requests a decision needs.

Shares: Clopper and Pearson 1934, "The use of confidence or fiducial limits illustrated in the case of the binomial",
Biometrika 26. Quantiles: the order statistics whose ranks the binomial distribution gives (David and Nagaraja, "Order
Statistics", section 7.1). Requests that queue behind each other are no independent draws. How many independent ones
they are worth, their effective number, comes from batch means: the variance between tenths of the run against that of
independent draws, corrected for its few degrees of freedom as in Korn and Graubard 1998, "Confidence intervals for
proportions with small expected number of positive counts estimated from survey data", Survey Methodology 24.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, floor

import numpy as np
from scipy.special import bdtr, betaincinv, ndtri, stdtrit

CONFIDENCE = 0.90
"""Of an interval. A bound alone holds at 95 %: without an error in 299 requests, the share of errors is below 1 %."""
BATCHES = 10
MOST_NEEDED = 1_000_000
"""Where a decision needs more requests than this, it hangs on the true value being the limit itself."""


def share_interval(k: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the limits of a share of which ``k`` of ``n`` were seen; 0 and 1 of nothing."""
    tail = (1 - confidence) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return low, high


def quantile(ordered: np.ndarray, q: float) -> float | None:
    """Return the q-quantile of sorted values, the order statistic of rank ceil(n q); None of nothing."""
    return float(ordered[max(ceil(len(ordered) * q) - 1, 0)]) if len(ordered) else None


def quantile_interval(
    ordered: np.ndarray, q: float, *, effective: float | None = None, confidence: float = CONFIDENCE
) -> tuple[float | None, float | None]:
    """Return the order statistics that enclose the q-quantile of sorted values.

    Ranks l < u with P(l <= Binomial(n, q) < u) >= confidence, each tail at most half of the rest, for the ``effective``
    number of values, then scaled to all of them. A side for which there are too few values is None.
    """
    n, tail = len(ordered), (1 - confidence) / 2
    m = n if effective is None else min(floor(effective), n)
    if m < 1:
        return None, None
    below = bdtr(np.arange(m + 1), m, q)
    low = int(np.searchsorted(below, tail, side="right"))
    high = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    low_rank, high_rank = floor(low * n / m), ceil(high * n / m)
    return (
        float(ordered[low_rank - 1]) if low_rank >= 1 else None,
        float(ordered[high_rank - 1]) if high <= m else None,
    )


def effective_number(marks: np.ndarray, batches: int = BATCHES) -> float:
    """Return how many independent draws a sequence of marks (0 or 1), in the order of their time, is worth.

    At most their number; that number where all are equal or too few to see a dependence.
    """
    n, share = len(marks), float(np.mean(marks)) if len(marks) else 0.0
    size = n // batches
    if size < 2 or share in (0.0, 1.0):
        return float(n)
    means = marks[: size * batches].reshape(batches, size).mean(axis=1)
    inflation = float(np.var(means, ddof=1)) * size / (share * (1 - share))
    if inflation <= 1:
        return float(n)
    few = (float(ndtri(0.95)) / float(stdtrit(batches - 1, 0.95))) ** 2
    return n / inflation * few


def needed_more(share: float, limit: float, n: int, weight: float = 1.0) -> int | None:
    """Return how many more requests decide whether a share is within its limit, if it stays as it is.

    ``weight``: the effective number of one request. None where more than MOST_NEEDED would be needed.
    """

    def decides(more: int) -> bool:
        all_of = (n + more) * weight
        low, high = share_interval(share * all_of, all_of)
        return high <= limit or low > limit

    return _least(decides)


def _least(decides: Callable[[int], bool]) -> int | None:
    most = 1
    while not decides(most):
        most *= 2
        if most > MOST_NEEDED:
            return None
    least = most // 2
    while most - least > 1:
        middle = (least + most) // 2
        least, most = (least, middle) if decides(middle) else (middle, most)
    return most
