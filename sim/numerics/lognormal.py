"""Amounts of withdrawals: lognormal, heavy-tailed, in whole cents.

They are drawn by the hundred a minute, so most come from a table of quantiles joined by straight lines, which makes
the mean 1e-6 too large; both ends of the distribution are drawn exactly.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from sim.core.jit import compiled, inlined
from sim.numerics.normal import normal_quantile

STEPS = 4096


class Amounts(NamedTuple):
    """A distribution of amounts in cents: quantiles at i / STEPS (the last left out), ln of the median, and sigma."""

    quantiles: NDArray[np.float64]
    mu: float
    sigma: float


def amounts_of(*, mean_usd: float, cv: float) -> Amounts:
    """Return the lognormal distribution of a mean in US dollars and a coefficient of variation."""
    sigma = math.sqrt(math.log1p(cv**2))
    mu = math.log(mean_usd * 100) - sigma**2 / 2
    ln = mu + sigma * ndtri(np.arange(STEPS) / STEPS)
    return Amounts(np.array([math.exp(one) for one in ln]), mu, sigma)


def exceeding(limit_usd: float, *, mean: float, cv: float) -> tuple[float, float]:
    """Return the shares, of all withdrawals and of all their money, in those above a limit, both US dollars.

    For a lognormal amount of parameters m, s they are Phi((m - ln x) / s) and Phi((m - ln x) / s + s).
    """
    if limit_usd == 0:
        return 1.0, 1.0
    sigma = math.sqrt(math.log1p(cv**2))
    z = (math.log(mean) - sigma**2 / 2 - math.log(limit_usd)) / sigma
    return float(ndtr(z)), float(ndtr(z + sigma))


@inlined
def amount(amounts, u):  # type: ignore[no-untyped-def]
    """Return the amount, in whole cents and at least 1, at the probability u in (0, 1)."""
    at = u * STEPS
    step = int(at)
    if 0 < step < STEPS - 1:
        cents = amounts.quantiles[step] + (amounts.quantiles[step + 1] - amounts.quantiles[step]) * (at - step)
    else:
        cents = math.exp(amounts.mu + amounts.sigma * normal_quantile(u))
    return max(int(cents + 0.5), 1)


@compiled
def amounts_at(amounts: Amounts, u: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the amounts, in cents, at probabilities in (0, 1)."""
    out = np.empty(len(u), np.int64)
    for i in range(len(u)):
        out[i] = amount(amounts, u[i])
    return out
