"""What a scenario expects of its own outcome: ``"low..high"``, ``"> x"`` or ``"< x"``, metric by metric."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nextafter

from sim.estimate import Estimate

_NUMBER = r"\s*(-?[0-9][0-9_]*(?:\.[0-9]+)?)\s*"
_RANGE, _ABOVE, _BELOW = (
    re.compile(form) for form in (rf"{_NUMBER}\.\.{_NUMBER}", rf"\s*>{_NUMBER}", rf"\s*<{_NUMBER}")
)
QUANTILE_SIGN, QUANTILES = ":", ("p05", "p50", "p95")
RULE = 'must be "low..high", "> x" or "< x"'


@dataclass(frozen=True)
class Expectation:
    """One expectation, and whether the mean over replications (or the quantile that its name ends in) met it."""

    metric: str
    limit: str
    measured: Estimate
    passed: bool


def bounds(text: str) -> tuple[float, float]:
    """Return the lowest and highest value that an expectation allows. Raises ValueError, with the rule, otherwise."""
    if match := _RANGE.fullmatch(text):
        low, high = float(match[1]), float(match[2])
        if low <= high:
            return low, high
    if match := _ABOVE.fullmatch(text):
        return nextafter(float(match[1]), inf), inf
    if match := _BELOW.fullmatch(text):
        return -inf, nextafter(float(match[1]), -inf)
    raise ValueError(RULE)


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
