"""A scenario's expectations of its own outcome: ``"low..high"``, ``"> x"`` or ``"< x"``, metric by metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf

from sim.core.at_least import is_censored
from sim.experiment.analysis.estimate import Estimate, value_of
from sim.scenario.schema.expectation import QUANTILE_SIGN, bounds


@dataclass(frozen=True)
class Expectation:
    """One expectation, and whether the mean over replications (or the quantile that its name ends in) met it."""

    metric: str
    limit: str
    measured: Estimate
    passed: bool


def judge(expect: Mapping[str, str], metrics: Mapping[str, Estimate]) -> list[Expectation]:
    """Return each expectation judged by the mean, or by a quantile: ``backlog_peak:p95``.

    What has no value has not passed. What is only known to be at least something meets no upper bound, and a lower
    one if that is above it.
    """
    judged = []
    for name, limit in expect.items():
        measured = metrics[name.partition(QUANTILE_SIGN)[0]]
        judged.append(Expectation(name, limit, measured, _met(value_of(metrics, name), limit)))
    return judged


def _met(value: float | None, limit: str) -> bool:
    low, high = bounds(limit)
    if value is None:
        return False
    return low <= value and (high == inf if is_censored(value) else value <= high)
