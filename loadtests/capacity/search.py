"""The search for the capacity: rates that double until one is not held, then many steps about the edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log, sqrt

from loadtests.capacity.edge import edge_of
from loadtests.capacity.step import LoadStep

FACTOR = 2.0
LEAST_PER_S = 0.1
MOST_STEPS = 40
STAIRS = 10
"""How many steps are measured about the edge."""
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
    """The rate up to which the objective is kept, with its 90 % interval; ``high`` is None where it is not bounded."""

    value: float
    low: float
    high: float | None


@dataclass
class Search:
    """One search. ``measure`` returns the step at a rate, or raises Stop when no further one may be sent.

    ``resolution``: a step about the edge lies this far (0.1: 10 %) from the one before. ``least_held``: so many rates
    that are held are measured; those that are lacking fill the widest gap below the edge.
    """

    measure: Callable[[float], LoadStep]
    start_per_s: float
    most_per_s: float
    resolution: float
    least_held: int
    steps: list[LoadStep] = field(default_factory=list)
    _held: list[float] = field(default_factory=list)
    _flaws: dict[float, str] = field(default_factory=dict)

    def run(self) -> Found:
        """Return the steps, and why there are no more."""
        try:
            ended = self._search()
        except Stop as stop:
            ended = str(stop)
        return Found(tuple(self.steps), ended)

    def _search(self) -> str:
        rate = min(self.start_per_s, self.most_per_s)
        while self._holds(rate):
            if rate >= self.most_per_s:
                return f"the highest rate allowed, {self.most_per_s:g}/s, was held"
            rate = min(rate * FACTOR, self.most_per_s)
        failed = rate
        while not (held := [one for one in self._held if one < failed]):
            last = self.steps[-1]
            if not last.flaws and not last.throughput_per_s:
                return f"nothing was acknowledged at {failed:.4g}/s: a lower rate would not change that"
            if failed / FACTOR < LEAST_PER_S:
                return self._flaws.get(failed, f"every rate down to {failed:g}/s failed")
            if not self._holds(failed / FACTOR):
                failed /= FACTOR
        low = max(held)
        while failed / low > 1 + 2 * self.resolution and len(self.steps) < MOST_STEPS:
            middle = sqrt(low * failed)
            low, failed = (middle, failed) if self._step(middle).passed else (low, middle)
        if failed in self._flaws:
            return self._flaws[failed]
        self._stairs(low)
        return self._fill()

    def _step(self, rate: float) -> LoadStep:
        """Return the step at a rate; one that proves nothing, for the generator may only have been held up, again."""
        step = self.measure(rate)
        self.steps.append(step)
        if step.flaws:
            step = self.measure(rate)
            self.steps.append(step)
        if step.flaws:
            self._flaws[rate] = f"{FELL_SHORT} at {rate:.4g}/s: {'; '.join(step.flaws)}"
        elif step.passed:
            self._held.append(rate)
        return step

    def _holds(self, rate: float) -> bool:
        """Return whether a rate is held; one that failed closely is measured again, and the most of three decide."""
        first = self._step(rate)
        if first.passed or first.flaws or first.hopeless:
            return first.passed
        return self._step(rate).passed and self._step(rate).passed

    def _stairs(self, rate: float) -> None:
        """Measure about the edge: a stair up after each step that was held, and down after each that was not."""
        for _ in range(STAIRS):
            step = self._step(min(rate, self.most_per_s))
            rate = rate * (1 + self.resolution) if step.passed else rate / (1 + self.resolution)

    def _fill(self) -> str:
        while len(held := sorted(set(self._held))) < self.least_held and held and len(self.steps) < MOST_STEPS:
            rates = sorted({held[-1] / FACTOR**3, *held})
            _, low, high = max((high / low, low, high) for low, high in pairwise(rates))
            if not self._step(sqrt(low * high)).passed:
                break
        return f"{len(self.steps)} steps were measured; about the edge they lie {self.resolution:.0%} apart"


def settles_in_s(rate_per_s: float, p99_ms: float) -> float:
    """Return how long a queue takes to settle that only just keeps a p99 at a rate: the relaxation time of M/M/1.

    It is 1 / (sqrt(mu) - sqrt(lambda))^2, about 4 mu / (mu - lambda)^2 near the limit (Abate and Whitt 1987, "Transient
    behavior of the M/M/1 queue: starting at the origin", Queueing Systems 2), where p99 = ln(100) / (mu - lambda).
    """
    spare_per_s = log(100) / (p99_ms / 1000)
    return 4 * (rate_per_s + spare_per_s) / spare_per_s**2


def capacity_of(steps: Sequence[LoadStep]) -> Capacity:
    """Return the capacity that the steps show together, with its 90 % interval.

    Each condition, the p99, the errors, the rate limits, has its edge; the lowest decides.
    """
    judged = [step for step in steps if not step.flaws]
    if not judged:
        return Capacity(0.0, 0.0, None)
    edges = [edge_of([step.share_of(name) for step in judged]) for name in judged[0].conditions]
    highest = max((step.asked_per_s for step in judged if step.passed), default=0.0)
    low = min(edge.low for edge in edges)
    high = min((edge.high for edge in edges if edge.high is not None), default=None)
    value = min((edge.rate_per_s for edge in edges if edge.rate_per_s is not None and edge.high), default=highest)
    if not highest:  # where no step passed, no rate is known to be held
        return Capacity(0.0, 0.0, high)
    return Capacity(max(value, low), low, high)
