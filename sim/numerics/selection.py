"""Selection of the best of several systems: the sequential procedure of Kim and Nelson.

Source: Kim and Nelson 2001, A fully sequential procedure for indifference-zone selection in simulation, ACM TOMACS
11(3):251-273, with c = 1. Samples of one system are independent and normal; those of one number may depend on each
other (common random numbers), which saves samples and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Sample = Callable[[int, int], float]
"""The value of a system (from 0) in a replication (from 0); more is better."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The system that was selected, and how many samples each was given before it dropped out."""

    best: int
    samples: tuple[int, ...]


def spread_factor(*, systems: int, first: int, confidence: float) -> float:
    """Return h^2 = 2 eta (n0 - 1), eta = ((2 alpha / (k - 1))^(-2 / (n0 - 1)) - 1) / 2, alpha = 1 - confidence."""
    alpha = 1.0 - confidence
    return ((2.0 * alpha / (systems - 1)) ** (-2.0 / (first - 1)) - 1.0) * (first - 1)


def select(
    sample: Sample, systems: int, *, indifference: float, confidence: float = 0.95, first: int = 10
) -> Selection:
    """Return the system with the largest mean, with at least that probability if the next is ``indifference`` below.

    If others are closer, one that is within ``indifference`` of the best is selected with that probability. After
    ``first`` samples of each (n0), with S^2 the variance of the difference of two of them, a system drops out after r
    samples once its sum lies below another's by more than max(0, h^2 S^2 / (2 d) - d r / 2).

    Raises ValueError for fewer than two systems or first samples, an ``indifference`` d that is not above 0, and a
    confidence that is not above 1 / systems (a guess) and below 1.
    """
    _must_make_sense(systems, indifference=indifference, confidence=confidence, first=first)
    values = [[sample(system, number) for number in range(first)] for system in range(systems)]
    scale = spread_factor(systems=systems, first=first, confidence=confidence) / (2.0 * indifference)
    start = [[scale * _variance(one, other) for other in values] for one in values]
    sums, samples, left, r = [sum(one) for one in values], [first] * systems, list(range(systems)), first
    while True:
        slack = indifference * r / 2.0
        stays = [all(sums[i] >= sums[j] - max(start[i][j] - slack, 0.0) for j in left) for i in left]
        closed = all(start[i][j] <= slack for i in left for j in left)
        left = [i for i, stay in zip(left, stays, strict=True) if stay]
        if len(left) == 1 or closed:  # what is left once the region is closed is alike to the last digit
            return Selection(best=left[0], samples=tuple(samples))
        for i in left:
            sums[i] += sample(i, r)
            samples[i] += 1
        r += 1


def _variance(one: list[float], other: list[float]) -> float:
    """Return the sample variance of the differences of two rows."""
    apart = [a - b for a, b in zip(one, other, strict=True)]
    mean = sum(apart) / len(apart)
    return sum((x - mean) ** 2 for x in apart) / (len(apart) - 1)


def _must_make_sense(systems: int, *, indifference: float, confidence: float, first: int) -> None:
    if min(systems, first) < 2:
        raise ValueError(f"systems, first: got {systems}, {first}; must be 2 or more each")
    if not indifference > 0:
        raise ValueError(f"indifference: got {indifference}; must be above 0, in the unit of the samples")
    if not 1 / systems < confidence < 1:
        raise ValueError(f"confidence: got {confidence}; must be above {1 / systems:.3g}, a guess, and below 1")
