"""A scenario's expectations of its own outcome: ``"low..high"``, ``"> x"`` or ``"< x"``, metric by metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Protocol

from sim.core.at_least import is_censored
from sim.core.digits import range_text, two_digits
from sim.experiment.analysis.estimate import Estimate, value_of
from sim.experiment.analysis.words import mean_text, tell, unit_text
from sim.numerics.outcomes import probability_interval
from sim.scenario.schema.expectation import QUANTILE_SIGN, bounds, is_outcome, outcome_of


class Judged(Protocol):
    """A run as far as its expectations need it: a ``Run`` or a ``SavedRun``."""

    @property
    def metrics(self) -> Mapping[str, Estimate]:
        """The estimates."""

    def samples(self, name: str) -> Mapping[int, float | None]:
        """A metric by replication."""


@dataclass(frozen=True)
class Expectation:
    """One expectation: what it is of, the bounds, what came out (None without a value), and whether that met them.

    ``measured`` says it in words: a mean with its half-width, a quantile, or a probability with its exact interval.
    """

    metric: str
    limit: str
    value: float | None
    measured: str
    passed: bool


def expected_text(metric: str, limit: str) -> str:
    """Return what is expected in words: "backlog_peak < 100", "probability of ran_share > 0.1: 0.2..0.8"."""
    return f"probability of {metric}: {limit}" if is_outcome(metric) else f"{metric} {limit}"


def judge(expect: Mapping[str, str], run: Judged) -> list[Expectation]:
    """Return each expectation judged by the mean over replications, by a quantile, or by an outcome's frequency.

    A quantile is named as in ``backlog_peak:p95``, an outcome as in ``ran_share > 0.1``. What has no value has not
    passed. What is only known to be at least something meets no upper bound, and a lower one if that is above it.
    """
    judged = []
    for name, limit in expect.items():
        if is_outcome(name):
            value, measured = frequency(name, run.samples(outcome_of(name)[0]).values())
        else:
            value, measured = _figure(name, run.metrics)
        judged.append(Expectation(name, limit, value, measured, _met(value, limit)))
    return judged


def _figure(name: str, metrics: Mapping[str, Estimate]) -> tuple[float | None, str]:
    metric, sign, quantile = name.partition(QUANTILE_SIGN)
    one, value = metrics[metric], value_of(metrics, name)
    if not sign or value is None:
        return value, f"mean {mean_text(one)}"
    return value, f"{quantile} {tell(one.unit, [value])[0]}{unit_text(one.unit)}"


def frequency(name: str, samples: Iterable[float | None]) -> tuple[float | None, str]:
    """Return in what share of the replications with a value an outcome came, and that in words, with its interval.

    A value beyond the horizon is above a bound that its own lower bound exceeds; else it is not known, and left out.
    """
    _, low, high = outcome_of(name)
    values = [value for value in samples if value is not None]
    known = [value for value in values if not is_censored(value) or (value >= low if high == inf else value > high)]
    if not known:
        return None, "no value in any replication"
    came = sum(_within(value, low, high) for value in known)
    share, (least, most) = came / len(known), probability_interval(came, len(known))
    return share, f"{two_digits(share)} ({range_text(least, most)}), in {came} of {len(known)} replications"


def _met(value: float | None, limit: str) -> bool:
    return value is not None and _within(value, *bounds(limit))


def _within(value: float, low: float, high: float) -> bool:
    return low <= value and (high == inf if is_censored(value) else value <= high)
