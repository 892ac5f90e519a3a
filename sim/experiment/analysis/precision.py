"""The number of replications: as requested, or the fewest that make one metric precise enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sim.core.at_least import is_censored
from sim.numerics.statistics import adjusted, half_width, precise_enough, relative_precision

LEAST = 30
"""Replications before the first look: with fewer, a deviation may be small by chance (Law, ch. 9), and the interval
of a skewed metric holds its mean too seldom: with a lognormal distribution of cv 0.53, in 92 % at 10 replications, and
in 93 % at 30, where it should in 95 %."""
USUAL, MOST = 20, 1000
"""Default number of replications, and the maximum when a precision is asked for."""

Metrics = Mapping[str, float | None]


@dataclass(frozen=True)
class Precision:
    """The wanted and the reached precision: 95 % half-width / abs(mean) of a metric, None where that does not exist."""

    metric: str
    wanted: float
    reached: float | None
    replications: int

    @property
    def met(self) -> bool:
        """Whether the metric is as precise as was wanted, in relation to its true mean (``adjusted``)."""
        return self.reached is not None and self.reached <= adjusted(self.wanted)

    def as_json(self) -> dict[str, Any]:
        """Return the entry of ``run.json``."""
        return asdict(self)


def at_most(replications: int | None, wanted: float | None) -> int:
    """Return the maximum number of replications for the requested number (or none) and precision."""
    return replications or (USUAL if wanted is None else MOST)


def relative_half_width(values: list[float | None]) -> float | None:
    """Return 95 % half-width / abs(mean); None below 2 replications, for a mean of 0, and with a value not known."""
    if not _all_known(values) or len(values) < 2:
        return None
    samples = np.array(values, dtype=np.float64)
    mean = float(samples.mean())
    return relative_precision(mean, half_width(samples)) if mean else None


def _all_known(values: list[float | None]) -> bool:
    return all(value is not None and not is_censored(value) for value in values)


class Goal:
    """When to stop: after ``most`` replications, or with the first n >= LEAST in which a metric is precise enough.

    Replications are judged in the order of their numbers, in whatever order they finish: the n is the same for any
    number of workers.
    """

    def __init__(self, most: int, *, metric: str, wanted: float | None) -> None:
        self.most, self.metric, self.wanted = most, metric, wanted
        self.values: list[float | None] = []

    def reached(self, finished: Mapping[int, Metrics]) -> bool:
        """Return whether enough is finished; looks on from where it looked last."""
        while len(self.values) < self.most and not self._precise():
            if len(self.values) not in finished:
                return False
            self.values.append(finished[len(self.values)][self.metric])
        return True

    @property
    def count(self) -> int:
        """The number of replications that count, once the goal has been reached."""
        return len(self.values)

    def outcome(self) -> Precision | None:
        """Return the precision that came out; None when none was wanted."""
        if self.wanted is None:
            return None
        return Precision(self.metric, self.wanted, relative_half_width(self.values), len(self.values))

    def _precise(self) -> bool:
        if self.wanted is None or len(self.values) < LEAST:
            return False
        samples = self.values if _all_known(self.values) and any(self.values) else []
        return precise_enough(np.array(samples, dtype=np.float64), self.wanted)
