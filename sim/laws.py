"""Durations from uniforms: each law of a scenario as the inverse of its distribution function.

One uniform a draw, so a draw keeps its rank when a law's parameters change. Times are rounded to whole
milliseconds, which also absorbs the last bit in which machines' logarithms differ.
"""

from __future__ import annotations

from functools import singledispatch

import numpy as np
from numpy.typing import NDArray

from sim.scenario.model import Deterministic, Empirical, Exponential, Gamma, Law, Lognormal, Mixture

Uniforms = NDArray[np.float64]
_Z90 = 1.2815515655446004


def draw_ms(law: Law, u: Uniforms, *, least_ms: int = 1) -> NDArray[np.int64]:
    """Return whole milliseconds, one for each uniform in (0, 1), of at least ``least_ms`` (a pause may be 0)."""
    return np.maximum(np.rint(_quantile(law, u)), least_ms).astype(np.int64)


def sigma_of(law: Lognormal) -> float:
    """Return the standard deviation of the logarithm: ln(1 + cv^2) ^ 1/2, or from mean and 90 % quantile.

    With p90 = mean exp(z s - s^2 / 2), z the normal 90 % quantile, s is the smaller root.
    """
    if law.cv is not None:
        return float(np.sqrt(np.log1p(law.cv**2)))
    assert law.p90 is not None
    return float(_Z90 - np.sqrt(_Z90**2 - 2 * np.log(law.p90 / law.mean)))


@singledispatch
def _quantile(law: object, u: Uniforms) -> Uniforms:
    raise TypeError(f"no quantile is written for the law {type(law).__name__}; add one to sim/laws.py")


@_quantile.register
def _(law: Exponential, u: Uniforms) -> Uniforms:
    return -law.mean * np.log1p(-u)


@_quantile.register
def _(law: Lognormal, u: Uniforms) -> Uniforms:
    return lognormal(law.mean, sigma_of(law), u)


def lognormal(mean: float, sigma: float, u: Uniforms) -> Uniforms:
    """Return quantiles of the lognormal law with this mean, whose logarithm has standard deviation ``sigma``."""
    from scipy.special import ndtri

    return mean * np.exp(sigma * ndtri(u) - sigma**2 / 2)


@_quantile.register
def _(law: Gamma, u: Uniforms) -> Uniforms:
    from scipy.special import gammaincinv

    shape = law.cv**-2
    return law.mean / shape * gammaincinv(shape, u)


@_quantile.register
def _(law: Deterministic, u: Uniforms) -> Uniforms:
    return np.full(u.shape, float(law.value))


@_quantile.register
def _(law: Empirical, u: Uniforms) -> Uniforms:
    return np.interp(u, np.linspace(0, 1, len(law.quantiles)), np.asarray(law.quantiles, dtype=np.float64))


@_quantile.register
def _(law: Mixture, u: Uniforms) -> Uniforms:
    # The uniform chooses the part, and its position within the part's share is the part's own uniform.
    weights = np.array([part.weight for part in law.parts])
    edges = np.concatenate([[0.0], np.cumsum(weights / weights.sum())])
    which = np.clip(np.searchsorted(edges, u, side="right") - 1, 0, len(weights) - 1)
    within = np.clip((u - edges[which]) / (edges[which + 1] - edges[which]), 2.0**-54, 1 - 2.0**-53)
    out = np.empty(u.shape)
    for i, part in enumerate(law.parts):
        here = which == i
        out[here] = _quantile(part.of, within[here])
    return out


def mean_ms(law: Law) -> float:
    """Return the mean of a law in milliseconds (before rounding)."""
    if isinstance(law, Deterministic):
        return float(law.value)
    if isinstance(law, Empirical):
        q = np.asarray(law.quantiles, dtype=np.float64)
        return float((q[:-1] + q[1:]).mean() / 2)
    if isinstance(law, Mixture):
        total = sum(part.weight for part in law.parts)
        return sum(part.weight * mean_ms(part.of) for part in law.parts) / total
    return float(law.mean)
