"""A pipeline of withdrawals: a line paid by the batch, amounts above a limit, attempts that are made again."""

from __future__ import annotations

import math
from typing import NamedTuple

from scipy.special import gammainc, ndtr

from sim.theory.support_desk import lognormal_parameters


def left_after_batch(*, arrivals: float, places: int) -> float:
    """Return the mean number that a batch leaves in line, when Poisson ``arrivals`` come between two batches.

    The line is Q' = max(Q + A - places, 0), so E Q = sum over n of E max(S_n - n places, 0) / n, S_n the arrivals of n
    intervals. Source: Spitzer 1956, Trans. AMS 82:323-339; with one place it is the mean queue of M/D/1. Raises
    ValueError for a line that grows for ever.
    """
    if not 0 <= arrivals < places:
        raise ValueError(f"arrivals: got {arrivals}; must be below the places of a batch, {places}")
    total, n = 0.0, 0
    while True:
        n += 1
        mean, room = n * arrivals, n * places
        # P(N >= k) of a Poisson N is the regularised incomplete gamma function, and E max(N - k, 0) follows from two.
        excess = mean * gammainc(room, mean) - room * gammainc(room + 1, mean)
        total += float(excess) / n
        if excess < 1e-14:
            return total


class Above(NamedTuple):
    """What lies above an amount: the share of the withdrawals, and that of their money."""

    share: float
    money: float


def above(amount: float, *, mean: float, cv: float) -> Above:
    """Return what of lognormal amounts lies above one: 1 - Phi(z) of them, with 1 - Phi(z - sigma) of the money."""
    mu, sigma = lognormal_parameters(mean=mean, cv=cv)
    z = (math.log(amount) - mu) / sigma
    return Above(float(ndtr(-z)), float(ndtr(sigma - z)))


class Retried(NamedTuple):
    """Of requests that fail with one probability each time: attempts, and the share that is given up."""

    attempts: float
    given_up: float


def retried(*, failure: float, again: float) -> Retried:
    """Return the mean attempts of a request, and the probability that it ends in a failure.

    A failed one is made again with a probability, so the attempts are geometric: 1 / (1 - failure x again).
    """
    attempts = 1 / (1 - failure * again)
    return Retried(attempts, attempts * failure * (1 - again))
