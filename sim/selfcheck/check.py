"""The definition of a check, its run, and the criterion for passing it.

The rule: an estimate from 20 replications or more lies within 4 standard errors of the exact answer, and that
standard error is below 2 % of the answer, or else the check could not have failed and is vacuous.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sim.experiment.replication import observe
from sim.metrics.observation.replication import Observation
from sim.model.model import build
from sim.scenario.loading.load import from_resolved

Z_LIMIT = 4.0
RELATIVE_SE_LIMIT = 0.02
REPLICATIONS_LEAST = 20
_SEED_BYTES = 6


@dataclass(frozen=True)
class Compared:
    """One number with an exact answer: its name with its unit, the answer, and how a replication estimates it.

    ``oracle`` says where the test suite's table of answers has the same number, as "id:key" (empty if nowhere). The
    answer is the ``least`` that may come out where theory gives a bound.
    """

    name: str
    expected: float
    measure: Callable[[Any], float]
    oracle: str = ""
    least: bool = False


@dataclass(frozen=True)
class Check:
    """A textbook system written as a scenario (TOML), what is known of it, and who found it.

    ``replicate`` takes the scenario's place where one part of the model runs alone: it makes, of seed and number, one
    replication of whatever the quantities measure.
    """

    name: str
    quantities: tuple[Compared, ...]
    source: str
    scenario: str = ""
    replications: int = 25
    replicate: Callable[[int, int], Any] | None = None


@dataclass(frozen=True)
class Result:
    """One quantity of one check as the simulation estimated it, over independent replications."""

    name: str
    quantity: str
    expected: float
    estimate: float
    standard_error: float
    replications: int
    source: str
    least: bool = False

    @property
    def z(self) -> float:
        """How many standard errors the estimate lies above the answer."""
        apart = self.estimate - self.expected
        if self.standard_error > 0:
            return apart / self.standard_error
        return 0.0 if apart == 0 else math.copysign(math.inf, apart)

    @property
    def relative_se(self) -> float:
        """The standard error as a share of the answer."""
        return self.standard_error / abs(self.expected) if self.expected else math.inf

    @property
    def vacuous(self) -> bool:
        """Whether the run was too short for a verdict: few replications, or an error of 2 % of the answer or more."""
        return self.replications < REPLICATIONS_LEAST or not self.relative_se < RELATIVE_SE_LIMIT

    @property
    def passed(self) -> bool:
        """Whether the answer came out, in a run that could have missed it."""
        return (self.z > -Z_LIMIT if self.least else abs(self.z) < Z_LIMIT) and not self.vacuous


def run_check(check: Check, *, seed: int = 1) -> tuple[Result, ...]:
    """Return every quantity of a check, estimated by the same demand and engine as any scenario's.

    Each check has a seed of its own, so that what chance does to one it does to no other.
    """
    replicate, own_seed = check.replicate or _scenario(check), seed_of(check.name, seed)
    samples: list[list[float]] = [[] for _ in check.quantities]
    for replication in range(check.replications):
        made = replicate(own_seed, replication)
        for values, quantity in zip(samples, check.quantities, strict=True):
            values.append(float(quantity.measure(made)))
    return tuple(result(check, q, values) for q, values in zip(check.quantities, samples, strict=True))


def seed_of(name: str, seed: int) -> int:
    """Return the seed of the check of that name, in a selfcheck from ``seed``."""
    return seed ^ int.from_bytes(blake2b(name.encode(), digest_size=_SEED_BYTES).digest())


def _scenario(check: Check) -> Callable[[int, int], Observation]:
    model = build(from_resolved(tomllib.loads(check.scenario), file=check.name))
    return lambda seed, replication: observe(model, seed=seed, replication=replication)


def result(check: Check, quantity: Compared, samples: ArrayLike) -> Result:
    """Return the estimate of one quantity from its value in each of two or more replications."""
    x = np.asarray(samples, dtype=np.float64)
    return Result(
        name=check.name,
        quantity=quantity.name,
        expected=quantity.expected,
        estimate=float(x.mean()),
        standard_error=float(x.std(ddof=1)) / math.sqrt(len(x)),
        replications=len(x),
        source=check.source,
        least=quantity.least,
    )
