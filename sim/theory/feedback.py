"""Crowds and money: self-exciting posts, a run on the bank, a wallet's ruin, confirmations on a chain."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.special import gammaincc, lambertw


class Hawkes(NamedTuple):
    """A self-exciting process in its steady state, and the clusters it consists of."""

    branching: float
    mean_rate: float
    fano: float
    cluster_mean: float
    cluster_variance: float


def hawkes(*, mu: float, alpha: float, beta: float) -> Hawkes:
    """Return what is known of events that come at mu + the sum over the past of alpha e^(-beta age).

    Rates per unit of time; ``fano`` is variance over mean of the count in a long time. Sources: Hawkes 1971; Hawkes
    and Oakes 1974. Raises ValueError unless alpha < beta.
    """
    n = alpha / beta
    if not 0 <= n < 1:
        raise ValueError(f"alpha / beta: got {n}; must be at least 0 and below 1")
    return Hawkes(n, mu / (1 - n), (1 - n) ** -2, 1 / (1 - n), n / (1 - n) ** 3)


def hawkes_shock(*, events: float, alpha: float, beta: float, time: float) -> tuple[float, float]:
    """Return the total events caused by a shock of ``events``, itself included, and its offspring by a time."""
    n = alpha / beta
    total = events / (1 - n)
    return total, (total - events) * -math.expm1((alpha - beta) * time)


def final_size(contacts: float) -> float:
    """Return the share z = 1 - e^(-R0 z) that a large epidemic reaches. Source: Kermack and McKendrick 1927.

    Raises ValueError unless R0 > 1.
    """
    if contacts <= 1:
        raise ValueError(f"contacts: got {contacts}; must be above 1")
    return 1 + float(lambertw(-contacts * math.exp(-contacts)).real) / contacts


class Ruin(NamedTuple):
    """A reserve with a premium and exponential claims: the probability that it is ever short, and Lundberg's R."""

    probability: float
    adjustment: float


def ruin(*, reserve: float, claim_rate: float, claim_mean: float, premium: float) -> Ruin:
    """Return the ruin of a compound Poisson reserve; premium and claims per unit of time.

    Source: Cramer 1930; Asmussen and Albrecher 2010, ch. IV. Raises ValueError unless the premium exceeds the claims.
    """
    loading = premium / (claim_rate * claim_mean) - 1
    if loading <= 0:
        raise ValueError(f"premium: got {premium}; must exceed the claims, {claim_rate * claim_mean}")
    adjustment = loading / ((1 + loading) * claim_mean)
    return Ruin(math.exp(-adjustment * reserve) / (1 + loading), adjustment)


def unconfirmed(*, blocks: int, block_time: float, after: float) -> float:
    """Return the probability that ``blocks`` Poisson blocks take longer than a time. Source: Nakamoto 2008."""
    return float(gammaincc(blocks, after / block_time))
