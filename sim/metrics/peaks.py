"""Metrics of the busiest hours and days, which headlines and pictures tell: tickets, waits, work, money."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sim.core.arrays import Floats
from sim.core.at_least import AtLeast
from sim.core.clock import HOUR_MS, MINUTE_MS
from sim.feedback.columns import ERROR_SHARE, PAID_C, TIGHTNESS
from sim.metrics.metric import Metric, Values
from sim.metrics.observation.counts import BOT, HUMAN
from sim.metrics.observation.replication import Observation
from sim.metrics.observation.waits import SHARES, UNANSWERED
from sim.numerics.survival import NOT_REACHED


def _tickets(observed: Observation) -> Values:
    counted = observed.counted.by_hour
    return {"": int((counted[HUMAN] + counted[BOT]).sum(axis=0).max())}


# --- waits, by the queue in which a ticket starts -----------------------------------------------------------------


class _Medians(NamedTuple):
    """The median wait of each hour in which anybody asked (infinite beyond the end), and what is left of the run then.

    Both in minutes, the latter from the end of the hour.
    """

    wait_min: Floats
    left_min: Floats


def _medians(observed: Observation) -> dict[str, _Medians]:
    """Return the median waits by starting queue."""
    found = {}
    for number in observed.measurement.first_queues:
        waits_ms = observed.waits.by_hour_ms[number, :, SHARES.index(0.5)]
        asked = waits_ms != NOT_REACHED
        wait_min = np.where(waits_ms == UNANSWERED, np.inf, waits_ms / MINUTE_MS)
        left_min = 60.0 * np.arange(len(waits_ms) - 1, -1, -1)
        found[observed.desk.queues[number]] = _Medians(wait_min[asked], left_min[asked])
    return found


def _over_target(observed: Observation) -> Values:
    """Return the share of hours over the target; a wait beyond the end is once the target has passed before that."""
    found: Values = {}
    for name, (wait_min, left_min) in _medians(observed).items():
        target_min = observed.measurement.series.get((f"queue:{name}", "target_min"))
        if target_min is None:
            found[name] = None
            continue
        known = np.isfinite(wait_min) | (left_min >= target_min[0])
        found[name] = float((wait_min[known] > target_min[0]).mean()) if known.any() else None
    return _with_worst(found)


def _longest_median(observed: Observation) -> Values:
    return _with_worst({name: _longest(*each) for name, each in _medians(observed).items()})


def _longest(wait_min: Floats, left_min: Floats) -> float | None:
    """Return the longest wait; at least what was left of the run, where that is longer than any which ended."""
    if not len(wait_min):
        return None
    ended, beyond = wait_min[np.isfinite(wait_min)], left_min[np.isinf(wait_min)]
    longest = float(ended.max(initial=0.0))
    if beyond.max(initial=0.0) > longest:
        return AtLeast(float(beyond.max()))
    return longest if len(ended) else None


def _with_worst(found: Values) -> Values:
    """Return values with the highest of them for the whole."""
    return {"": max((value for value in found.values() if value is not None), default=None)} | found


# --- work against agents on duty, by team -------------------------------------------------------------------------


def _work(observed: Observation) -> tuple[Floats, Floats]:
    """Return by team and measured hour the agents that the arriving work needs, and the agents on duty."""
    first = observed.from_ms // HOUR_MS
    return observed.worked.agents_needed, observed.desk.duty_ms_by_hour[:, first:] / HOUR_MS


def _load(observed: Observation) -> Values:
    needed, there = (each.sum(axis=1) for each in _work(observed))
    whole = _ratio(float(needed.sum()), float(there.sum()))
    return {"": whole} | dict(zip(observed.desk.teams, map(_ratio, needed.tolist(), there.tolist()), strict=True))


def _ratio(needed: float, there: float) -> float | None:
    return needed / there if there else None


def _worst_day(observed: Observation) -> Values:
    """Return the load of each team's worst day; None where on some day there is work and nobody on duty."""
    needed, there = (each.reshape(len(each), -1, 24).sum(axis=2) for each in _work(observed))
    found: Values = {}
    for name, work, agents in zip(observed.desk.teams, needed, there, strict=True):
        alone = bool(((agents == 0) & (work > 0)).any())
        found[name] = None if alone else float((work / np.where(agents > 0, agents, 1.0)).max())
    return _with_worst(found)


# --- money ----------------------------------------------------------------------------------------------------------


def _paid_out(observed: Observation) -> Values:
    if observed.model.scenario.withdrawals is None or not observed.outcome.feedback_rails.size:
        return {"": None}
    paid, first = observed.outcome.feedback_rails[:, PAID_C].sum(axis=0), observed.from_ms // MINUTE_MS
    ends = paid[first + 59 :: 60]
    return {"": float(np.diff(ends, prepend=paid[first - 1] if first else 0).max()) / 100}


def _highest_hour(column: int, there: Callable[[Observation], object]) -> Callable[[Observation], Values]:
    """Return the metric of a feedback level's highest hourly mean; None where the scenario does not have it."""

    def highest(observed: Observation) -> Values:
        levels = observed.outcome.feedback_floats
        if not there(observed) or not levels.size:
            return {"": None}
        return {"": float(levels[column, observed.from_ms // MINUTE_MS :].reshape(-1, 60).mean(axis=1).max())}

    return highest


def _limits(observed: Observation) -> object:
    money = observed.model.scenario.withdrawals
    return money and money.limits


METRICS: tuple[Metric, ...] = (
    Metric("tickets_peak_hour", "tickets/h", 0, "most root tickets opened in an hour", _tickets),
    Metric(
        "wait_over_target_share", "of the hours in which it is known", -1,
        "the median wait for the first response is over its target (whole: the worst queue)", _over_target,
        parts="starting queue",
    ),
    Metric(
        "wait_median_peak", "min", -1,
        "longest median wait of an hour's tickets, where it is known (whole: the worst queue)", _longest_median,
        parts="starting queue",
    ),
    Metric(
        "load_share", "of the agents on duty", 0, "are kept busy by the work that arrives", _load, parts="team",
    ),
    Metric(
        "load_peak_day", "of the agents on duty", -1,
        "are kept busy by the work that arrives on the worst day (whole: the worst team)", _worst_day, parts="team",
    ),
    Metric("outflow_usd_peak_hour", "US dollars/h", 0, "most money paid out in an hour", _paid_out),
    Metric(
        "gateway_error_peak_hour", "of the requests to withdraw", -1, "fail at the gateway in its worst hour",
        _highest_hour(ERROR_SHARE, lambda observed: observed.model.scenario.gateway),
    ),
    Metric(
        "tightness_peak_hour", "of the accounts", 0, "are under tightened limits in the hour with the most of them",
        _highest_hour(TIGHTNESS, _limits),
    ),
)  # fmt: skip
