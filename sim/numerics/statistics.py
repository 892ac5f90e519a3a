"""Statistics of replications: pure functions on arrays.

A half-width is half the length of a two-sided confidence interval of a mean, in the unit of the samples. It is
None where it does not exist: one replication says nothing about its own error. Few samples of a skewed metric often
lack its tail, so Student's half-width is widened by their skewness; ``python -m tests.bench intervals`` shows how often
the intervals hold the truth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.core.arrays import Floats


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The mean of a minus b, the half-width of its confidence interval, and the degrees of freedom behind it."""

    mean: float
    half_width: float | None
    degrees_of_freedom: float

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0, so that the sign of the difference is known."""
        return self.half_width is not None and abs(self.mean) > self.half_width


@lru_cache(maxsize=1024)
def t_critical(degrees_of_freedom: float, confidence: float = 0.95) -> float:
    """Return Student's t for a two-sided interval: P(|T| <= t) = confidence.

    By the incomplete beta function, I_x(df/2, 1/2) = P(|T| > t) with x = df / (df + t^2) (Abramowitz and Stegun
    26.7.1); fractional degrees of freedom are allowed. Raises ValueError outside df > 0, 0 < confidence < 1.
    """
    from scipy.special import betaincinv

    if not degrees_of_freedom > 0:
        raise ValueError(f"degrees_of_freedom: got {degrees_of_freedom}; must be above 0")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence: got {confidence}; must be above 0 and below 1")
    x = float(betaincinv(degrees_of_freedom / 2, 0.5, 1 - confidence))
    return math.sqrt(degrees_of_freedom * (1 - x) / x)


def half_width(samples: ArrayLike, confidence: float = 0.95) -> float | None:
    """Return t s / sqrt(n) (1 + 3 G^2 / n), the half-width of the mean of independent samples; None below two samples.

    G is their skewness. Source: Law, Simulation Modeling and Analysis, ch. 9 (one sample a replication); the second
    factor, see ``_widened``. Raises ValueError for a sample that is not finite: what is undefined in some replications
    has no mean over all.
    """
    x = _finite(samples, "samples")
    if len(x) < 2:
        return None
    plain = t_critical(len(x) - 1, confidence) * float(x.std(ddof=1)) / math.sqrt(len(x))
    return _widened(plain, float(x.var(ddof=1)) / len(x), _third_cumulant(x) / len(x) ** 2)


def _widened(half_width: float, variance: float, third: float) -> float:
    """Return Student's half-width of a mean with that variance and third cumulant, widened by 3 third^2 / variance^3.

    Skewness g of n samples takes from the coverage of Student's interval, to the first order, what a factor of
    1 + (z^4 + 2 z^2 - 3) g^2 / (18 n) gives back, 1 + 1.08 g^2 / n at 95 % (Hall 1992, The Bootstrap and Edgeworth
    Expansion, ch. 2.5). The skewness of few samples falls short of the true one most where the interval is too short,
    so 1.08 is too little: with 3 intervals of 5 to 30 normal, exponential and moderately lognormal samples hold the
    mean in 92 to 98 %.
    """
    return half_width * (1 + 3 * third**2 / variance**3) if variance**3 > 0 else half_width


def _third_cumulant(x: Floats) -> float:
    """Return the unbiased estimate of the third cumulant; 0 below three samples, which have no skewness."""
    n = len(x)
    return float(((x - x.mean()) ** 3).sum()) * n / ((n - 1) * (n - 2)) if n > 2 else 0.0


def paired_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Difference:
    """Return the mean of a[i] - b[i] with its paired-t half-width, df = n - 1.

    For plans that met the same customers (common random numbers). Source: Law, ch. 10. Raises ValueError when the
    lengths differ, when there is no sample, or when one is not finite.
    """
    x, y = _finite(a, "a"), _finite(b, "b")
    if len(x) != len(y) or len(x) == 0:
        raise ValueError(f"a, b: got {len(x)} and {len(y)} samples; must be as many, and at least 1")
    difference = x - y
    return Difference(
        mean=float(difference.mean()),
        half_width=half_width(difference, confidence),
        degrees_of_freedom=len(difference) - 1,
    )


def welch_difference(a: ArrayLike, b: ArrayLike, confidence: float = 0.95) -> Difference:
    """Return the difference of the means of two independent sets of samples, with Welch's half-width and df.

    For plans that met different customers; variances and numbers of samples may differ. Source: Welch 1938; Law,
    ch. 10. It is widened by what the two skewnesses leave of each other. The half-width is None when either set has
    fewer than two samples. Raises ValueError when either has none or one is not finite.
    """
    x, y = _finite(a, "a"), _finite(b, "b")
    if len(x) == 0 or len(y) == 0:
        raise ValueError(f"a, b: got {len(x)} and {len(y)} samples; must be at least 1 each")
    mean = float(x.mean() - y.mean())
    if len(x) < 2 or len(y) < 2:
        return Difference(mean=mean, half_width=None, degrees_of_freedom=0.0)
    va, vb = float(x.var(ddof=1)) / len(x), float(y.var(ddof=1)) / len(y)
    if va + vb == 0:
        return Difference(mean=mean, half_width=0.0, degrees_of_freedom=len(x) + len(y) - 2)
    share = va / (va + vb)
    df = 1 / (share**2 / (len(x) - 1) + (1 - share) ** 2 / (len(y) - 1))
    third = _third_cumulant(x) / len(x) ** 2 - _third_cumulant(y) / len(y) ** 2
    width = _widened(t_critical(df, confidence) * math.sqrt(va + vb), va + vb, third)
    return Difference(mean=mean, half_width=width, degrees_of_freedom=df)


def quantile(samples: ArrayLike, p: float) -> float | None:
    """Return the p-quantile: with x[0] <= ... <= x[n-1], linear between the two neighbours of x[(n - 1) p].

    Definition 7 of Hyndman and Fan 1996, as in numpy, pandas and polars' "linear". For replications, not for
    censored times (``survival``). None without samples; ValueError when one is not finite or p is outside [0, 1].
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p: got {p}; must be in [0, 1]")
    return quantile_of_sorted(np.sort(_finite(samples, "samples")), p)


def quantile_of_sorted(x: NDArray[Any], p: float) -> float | None:
    """Return the p-quantile, as ``quantile`` defines it, of samples that are in order."""
    if len(x) == 0:
        return None
    at = (len(x) - 1) * p
    below = min(int(at), len(x) - 1)
    a, b, t = float(x[below]), float(x[min(below + 1, len(x) - 1)]), at - below
    return a + (b - a) * t if t < 0.5 else b - (b - a) * (1 - t)


def relative_precision(mean: float, half_width: float | None) -> float:
    """Return half_width / |mean|: infinite when it is unknown, 0 when there is no error at all."""
    if half_width is None:
        return math.inf
    if half_width == 0:
        return 0.0
    return half_width / abs(mean) if mean != 0 else math.inf


def precise_enough(samples: ArrayLike, relative_error: float, confidence: float = 0.95) -> bool:
    """Return whether replication may stop: half-width / |mean| <= g / (1 + g), g the wanted relative error.

    g / (1 + g) and not g, because the error is relative to the true mean and the estimate stands in for it. Start
    with enough samples; the coverage of a rule that looks again and again is slightly low. Source: Law,
    ch. 9 (adjusted relative error); Chow and Robbins 1965.
    """
    x = _finite(samples, "samples")
    if len(x) < 2:
        return False
    return relative_precision(float(x.mean()), half_width(x, confidence)) <= adjusted(relative_error)


def adjusted(relative_error: float) -> float:
    """Return g / (1 + g), the largest half-width / |mean| with which the estimate is off by g of the true mean at most.

    Raises ValueError for a g that is not above 0.
    """
    if not 0 < relative_error < math.inf:
        raise ValueError(f"relative_error: got {relative_error}; must be a number above 0")
    return relative_error / (1 + relative_error)


def _finite(samples: ArrayLike, name: str) -> Floats:
    """Return the samples as one row of floats. Raises ValueError for any other shape or a value not finite."""
    x = np.asarray(samples, dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"{name}: got {x.ndim} dimensions; must be one row of numbers")
    bad = x[~np.isfinite(x)]
    if bad.size:
        raise ValueError(f"{name}: got {bad[0]}; must be finite numbers")
    return x
