"""The pipeline's closed forms against slower ways to the same answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gammaln

from sim import theory


@pytest.mark.parametrize(("arrivals", "places"), [(0.75, 1), (5.0, 6), (50.0, 55)])
def test_what_a_batch_leaves_is_the_stationary_chain(arrivals: float, places: int) -> None:
    """The chain of the line itself, Q' = max(Q + A - places, 0), until nothing changes."""
    room = 40 * places + 400
    poisson = np.exp(-arrivals + np.arange(room) * math.log(arrivals) - gammaln(np.arange(1, room + 1)))
    line = np.zeros(room)
    line[0] = 1.0
    for _ in range(20_000):
        after = np.convolve(line, poisson)[: room + places]
        new = np.concatenate([[after[: places + 1].sum()], after[places + 1 :]])[:room]
        new = np.pad(new, (0, room - len(new)))
        if np.abs(new - line).sum() < 1e-13:
            break
        line = new
    expected = float(line @ np.arange(room))
    assert theory.left_after_batch(arrivals=arrivals, places=places) == pytest.approx(expected, rel=1e-6)


def test_what_one_place_leaves_is_the_queue_of_md1() -> None:
    for load in (0.1, 0.5, 0.9):
        queue = theory.mg1(arrival_rate=load, mean_service=1.0, cv=0.0).mean_in_queue
        assert theory.left_after_batch(arrivals=load, places=1) == pytest.approx(queue, rel=1e-9)
    with pytest.raises(ValueError, match="arrivals: got 2; must be below the places of a batch, 2"):
        theory.left_after_batch(arrivals=2, places=2)


def test_amounts_above_a_limit_by_quadrature() -> None:
    mean, cv, limit = 1500.0, 1.0, 4000.0
    mu, sigma = theory.lognormal_parameters(mean=mean, cv=cv)

    def density(z: float) -> float:
        return math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    start = (math.log(limit) - mu) / sigma
    share, _ = quad(density, start, 40)
    money, _ = quad(lambda z: density(z) * math.exp(mu + sigma * z), start, 40)
    assert theory.above(limit, mean=mean, cv=cv) == pytest.approx((share, money / mean), rel=1e-8)


def test_attempts_are_a_geometric_series() -> None:
    """0.3 fail, 0.6 of these ask again: 1 + 0.18 + 0.0324 + ... attempts, 0.12 of each given up."""
    found = theory.retried(failure=0.3, again=0.6)
    assert found.attempts == pytest.approx(sum(0.18**n for n in range(60)))
    assert found.given_up == pytest.approx(0.12 * found.attempts)
    assert theory.retried(failure=0.3, again=1.0).given_up == 0
