"""The search for the capacity: rates that double until a step fails, then halve the gap, and what the steps prove."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from loadtests.capacity.step import LoadStep

FACTOR = 2.0
LEAST_PER_S = 0.1
MOST_STEPS = 20
FELL_SHORT = "the generator fell short"


class Stop(Exception):  # noqa: N818 - it ends a search in good order, as StopIteration does
    """No further step may be sent, and why."""


@dataclass(frozen=True)
class Found:
    """The steps of a search in their order, and why it ended."""

    steps: tuple[LoadStep, ...]
    ended: str


@dataclass(frozen=True)
class Capacity:
    """The highest rate that was held, and its interval; ``high`` is None where nothing higher was seen to fail."""

    value: float
    low: float
    high: float | None


def search(
    measure: Callable[[float], LoadStep], *, start_per_s: float, most_per_s: float, resolution: float, least_held: int
) -> Found:
    """Return the steps of a search: x 2 until one is not held, then the geometric mean of the rates around the edge.

    It ends when those are within ``resolution`` (0.1: 10 %) of each other and ``least_held`` rates were held (further
    ones fill the widest gap below the edge), at ``most_per_s``, when no rate is held, or when ``measure`` raises Stop.
    A step that proves nothing because the generator fell short is measured once more. Then it bounds the search as one
    that was not held does; if it is the final bound, the result says so.
    """
    steps: list[LoadStep] = []
    held: list[float] = []
    failed: float | None = None
    flaws: dict[float, str] = {}
    rate = min(start_per_s, most_per_s)
    while len(steps) < MOST_STEPS:
        try:
            step = measure(rate)
            steps.append(step)
            if step.flaws:  # the generator may only have been held up
                step = measure(rate)
                steps.append(step)
        except Stop as stop:
            return Found(tuple(steps), str(stop))
        if step.passed:
            held.append(rate)
        else:
            failed = rate if failed is None else min(failed, rate)
        if step.flaws:
            flaws[rate] = f"{FELL_SHORT} at {rate:.4g}/s: {'; '.join(step.flaws)}"
        if not held and not step.flaws and not step.throughput_per_s:
            return Found(tuple(steps), f"nothing was acknowledged at {rate:.4g}/s: a lower rate would not change that")
        held = [one for one in held if failed is None or one < failed]
        following = _next(held, failed, rate, most_per_s)
        if isinstance(following, str):
            return Found(tuple(steps), flaws.get(failed or 0.0, following))
        if failed is not None and held and failed / max(held) <= 1 + resolution:
            if len(held) >= least_held or failed in flaws:
                return Found(tuple(steps), flaws.get(failed, f"the edge is known within {resolution:.0%}"))
            following = _widest_gap(held, max(held))
        rate = following
    return Found(tuple(steps), f"{MOST_STEPS} steps were measured")


def _next(held: Sequence[float], failed: float | None, rate: float, most_per_s: float) -> float | str:
    """Return the next rate, or why there is none."""
    if failed is None and rate >= most_per_s:
        return f"the highest rate allowed, {most_per_s:g}/s, was held"
    if failed is None:
        return min(rate * FACTOR, most_per_s)
    if not held:
        lower = failed / FACTOR
        return lower if lower >= LEAST_PER_S else f"every rate down to {failed:g}/s failed"
    return sqrt(max(held) * failed)


def _widest_gap(held: Sequence[float], edge: float) -> float:
    """Return the rate in the middle of the widest gap, by ratio, between rates that were held."""
    rates = sorted({edge / FACTOR**3, *held})
    _, low, high = max((high / low, low, high) for low, high in pairwise(rates))
    return sqrt(low * high)


def capacity_of(steps: Sequence[LoadStep]) -> Capacity:
    """Return the capacity that the steps prove, with its interval.

    ``high``: the lowest rate that failed at 95 % confidence. ``value``: the highest rate below it that passed. ``low``:
    the highest rate that passed at 95 % confidence, up to the value and below every rate that failed. 95 % confidence:
    for every p99 in its order-statistic interval. Rates are those that were in fact offered.
    """
    judged = [step for step in steps if not step.flaws]
    sure = [step.offered_per_s for step in judged if step.surely_failed]
    high = min(sure, default=None)
    passed = [s.offered_per_s for s in judged if s.passed and (high is None or s.offered_per_s < high)]
    value = max(passed, default=0.0)
    first_failed = min((s.offered_per_s for s in judged if not s.passed), default=float("inf"))
    below = min(value, first_failed)
    low = max((s.offered_per_s for s in judged if s.surely_passed and s.offered_per_s <= below), default=0.0)
    return Capacity(value, low, high)
