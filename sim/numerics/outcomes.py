"""Replications that end in one of two ways: clusters of a metric's values, and the probability of an outcome."""

from __future__ import annotations

import math

import numpy as np

from sim.core.arrays import Floats

LEAST_REPLICATIONS = 10
LEAST_CLUSTER = 3
_LEFT_WITHIN = 0.1
_STEPS, _APART = 3, 30


def two_clusters(samples: Floats) -> float | None:
    """Return the value between two separate clusters of the samples; None where they are one, or cannot be told.

    The rule: among the ways to cut the samples, in order, into two parts of 3 or more and of a tenth of them or more,
    take that with the least sum of squares about the parts' means. It is two clusters if that sum is at most a tenth of
    the sum about the common mean (a normal distribution cut in two keeps 36 %, a uniform one 25 %), and the gap between
    the parts is 1 + 30 / n times as wide as the wider part, n samples being given, and wider than 3 of the smallest
    steps between different values, so that neighbouring counts are no clusters. Of samples with one peak, however long
    its tail, that takes some 2 in 1,000 for two with 10 samples, and fewer with more (tests/numerics/test_outcomes.py).
    With fewer than 10 there is no telling.
    """
    x = np.sort(samples)
    n = len(x)
    least = max(LEAST_CLUSTER, math.ceil(n / 10))
    if n < max(LEAST_REPLICATIONS, 2 * least) or x[0] == x[-1]:
        return None
    cuts = np.arange(least, n - least + 1)
    sums, squares = np.append(0.0, np.cumsum(x - x.mean())), np.append(0.0, np.cumsum((x - x.mean()) ** 2))
    between = sums[cuts] ** 2 / cuts + (sums[-1] - sums[cuts]) ** 2 / (n - cuts)
    cut = int(cuts[np.argmax(between)])
    if squares[-1] - between.max() > _LEFT_WITHIN * squares[-1]:
        return None
    low, high = float(x[cut - 1]), float(x[cut])
    steps = np.diff(x)
    smallest = float(steps[steps > 1e-9 * (x[-1] - x[0])].min())
    wider = max(low - float(x[0]), float(x[-1]) - high)
    if high - low <= max((1 + _APART / n) * wider, _STEPS * smallest):
        return None
    return (low + high) / 2


def probability_interval(happened: int, of: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of a probability by how often something happened.

    Source: Clopper and Pearson 1934, by quantiles of the beta distribution. Raises ValueError for no trial, or for more
    that happened than there were.
    """
    from scipy.special import betaincinv

    if not 0 <= happened <= of or of < 1:
        raise ValueError(
            f"happened: got {happened} of {of}; must be at most as many as there were, and those 1 or more"
        )
    tail = (1 - confidence) / 2
    low = float(betaincinv(happened, of - happened + 1, tail)) if happened else 0.0
    high = float(betaincinv(happened + 1, of - happened, 1 - tail)) if happened < of else 1.0
    return low, high


def median_ranks(n: int, confidence: float = 0.95) -> tuple[int, int] | None:
    """Return the ranks, from 0, between whose samples the median lies with that confidence; None for too few samples.

    Whatever the distribution: the number of samples below the median is binomial, with a half. Source: Conover,
    Practical Nonparametric Statistics, section 3.2.
    """
    below, rank = 0.0, -1
    for k in range(n // 2):
        below += math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))
        if below > (1 - confidence) / 2:
            break
        rank = k
    return None if rank < 0 else (rank, n - 1 - rank)
