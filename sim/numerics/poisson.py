"""Poisson counts by inversion, exact and fast, one at a time in compiled code."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim.core.jit import compiled, inlined, scipy_special
from sim.numerics.normal import normal_quantile

_SUMMED_BELOW = 8.0
_SUM_MARGIN = 1e-13
_FAR = 9.0
_EXPANDED_ABOVE = 1e5
_GOOD, _NO_MEAN, _NO_UNIFORM = range(3)

_gammainc = scipy_special("gammainc", 2)
_gammaincc = scipy_special("gammaincc", 2)


def poisson_count(mean: ArrayLike, u: ArrayLike) -> NDArray[np.int64]:
    """Return Poisson counts by inversion: the smallest k >= 0 with P(N <= k) >= u, for u in [0, 1).

        P(N <= k) = Q(k + 1, m)      m  mean, arrivals;  Q  regularised upper incomplete gamma function

    ``mean`` and ``u`` broadcast. For a fixed u the count grows with the mean, so that a busier plan never has
    fewer arrivals. The upper half is compared by its tail, 1 - u, which a float64 holds exactly; k can only be
    wrong where u lies within the rounding of Q of a step, or, above a mean of 1e5, within 1e-7 of the smaller tail.
    Raises ValueError for a mean that is not in [0, 1e12] or a u that is not in [0, 1).
    """
    m, v = np.broadcast_arrays(np.asarray(mean, dtype=np.float64), np.asarray(u, dtype=np.float64))
    out = np.empty(m.size, dtype=np.int64)
    fault = _counts(np.ascontiguousarray(m).ravel(), np.ascontiguousarray(v).ravel(), out)
    if fault == _NO_MEAN:
        raise ValueError("mean: must be a number of arrivals in [0, 1e12]")
    if fault == _NO_UNIFORM:
        raise ValueError("u: must be in [0, 1)")
    return out.reshape(m.shape)[()]


@compiled
def _counts(mean: NDArray[np.float64], u: NDArray[np.float64], out: NDArray[np.int64]) -> int:
    """Write one count for each mean and uniform, all of them valid, or return what is at fault."""
    for i in range(len(out)):
        if not 0.0 <= mean[i] <= 1e12:
            return _NO_MEAN
        if not 0.0 <= u[i] < 1.0:
            return _NO_UNIFORM
        out[i] = count(mean[i], u[i])
    return _GOOD


@inlined
def count(mean: float, u: float) -> int:
    """Return ``poisson_count`` of one valid mean and uniform.

    Below a mean of 8 the terms are added up. From there on the solution x of Q(x, m) = u comes from its expansion in
    powers of m^-1/2, and the count is the whole number below x (Giles 2016, Algorithm 955, ACM Transactions on
    Mathematical Software 42). Where rounding or what the expansion leaves out could move the count, Q itself decides,
    up to a mean of 1e5: above it scipy's Q is cut off in the upper tail, and worse than the expansion.
    """
    if mean < _SUMMED_BELOW:
        k, sure = _summed(mean, u)
    else:
        k, sure = _expanded(mean, u)
    return k if sure else _walked(k, mean, u)


@inlined
def _summed(mean: float, u: float) -> tuple[int, bool]:
    """Return the count by adding terms, and whether u is further from a step than their rounding.

    Less than 100 terms of relative error 2^-52 or so each, with a sum below 1: 1e-13 is generous.
    """
    term = math.exp(-mean)
    total, k = term, 0
    while total < u - _SUM_MARGIN:
        k += 1
        term *= mean / k
        total += term
    return k, total > u + _SUM_MARGIN


@inlined
def _expanded(mean: float, u: float) -> tuple[int, bool]:
    """Return the count by expansion, and whether x is further from a step than its error."""
    w = normal_quantile(u) if u > 0.0 else -_FAR
    if abs(w) < _FAR and w * w < mean:
        x, margin = expansion(mean, w)
        k = int(x)
        return k, margin < x - k < 1.0 - margin or mean > _EXPANDED_ABOVE
    w = max(w, -40.0)
    return int(max(mean + w * math.sqrt(mean) + (w * w - 1.0) / 6, 0.0)), False


@inlined
def expansion(mean: float, w: float) -> tuple[float, float]:
    """Return the solution x of Q(x, mean) = P(Z <= w), Z normal, and a bound on its error.

    For w^2 below the mean, and |w| below 9, what the expansion leaves out is less than (0.02 + 0.0033 |w|^5) /
    mean^1.5, as a test finds on a grid; the bound is twice that, and what rounding may add to x.
    """
    root, square = math.sqrt(mean), w * w
    x = mean + w * root + (1 / 3 + square / 6) - w * (1 / 36 + square / 72) / root
    x += (-8 / 405 + square * (7 / 810 + square / 270)) / mean
    return x, (0.04 + 0.0066 * abs(w) ** 5) / (mean * root) + 1e-15 * mean


@compiled
def _walked(k: int, mean: float, u: float) -> int:
    """Return the count from a good guess, by Q at each step."""
    while not _reached(k, mean, u):
        k += 1
    while k > 0 and _reached(k - 1, mean, u):
        k -= 1
    return k


@inlined
def _reached(k: int, mean: float, u: float) -> bool:
    """Return whether P(N <= k) >= u, by the smaller of the two tails."""
    if u > 0.5:
        return _gammainc(k + 1.0, mean, 0) <= 1.0 - u
    return _gammaincc(k + 1.0, mean, 0) >= u
