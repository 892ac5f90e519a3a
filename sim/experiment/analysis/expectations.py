"""A scenario's expectations of its own outcome: ``"low..high"``, ``"> x"`` or ``"< x"``, metric by metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sim.experiment.analysis.estimate import Estimate
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

    What has no value has not passed.
    """
    judged = []
    for name, limit in expect.items():
        low, high = bounds(limit)
        metric, _, quantile = name.partition(QUANTILE_SIGN)
        value = getattr(metrics[metric], quantile or "mean")
        judged.append(Expectation(name, limit, metrics[metric], value is not None and low <= value <= high))
    return judged
