"""Metrics of the backlog: how much is open, whose turn it is, how old it is, and how long it takes to drain.

The backlog is what waits for agents, what they have in hand, what is with customers and what is with others: at every
time it is the sum of these. Of a team it is what waits for the team or is in its hands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from sim.core.at_least import AtLeast
from sim.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from sim.metrics.metric import Metric, Values
from sim.metrics.observation.replication import Observation
from sim.numerics.intervals import Intervals, Span, within
from sim.numerics.statistics import quantile_of_sorted

_CALM = 1.25
Spans = Callable[[Observation], dict[str, Span]]


def _open(observed: Observation) -> dict[str, Span]:
    return observed.spans


def _waiting(observed: Observation) -> dict[str, Span]:
    stocks = observed.stocks
    return {"": stocks.waiting} | dict(zip(observed.desk.teams, stocks.waiting_by_team, strict=True))


def _peak(spans: Spans) -> Callable[[Observation], Values]:
    return lambda observed: {name: span.peak for name, span in spans(observed).items()}


def _end(spans: Spans) -> Callable[[Observation], Values]:
    return lambda observed: {name: int(span.hourly[-1]) for name, span in spans(observed).items()}


def _mean(spans: Spans) -> Callable[[Observation], Values]:
    return lambda observed: {name: _average(span.held_ms, observed) for name, span in spans(observed).items()}


def _average(held_ms: int, observed: Observation) -> float:
    return held_ms / (observed.to_ms - observed.from_ms)


def _in_hand_mean(observed: Observation) -> Values:
    """Return what a team's backlog is beyond what waits; of the desk, the sum over its teams."""
    waiting, teams = _waiting(observed), observed.desk.teams
    held = {name: observed.spans[name].held_ms - waiting[name].held_ms for name in teams}
    return {name: _average(ms, observed) for name, ms in {"": sum(held.values()), **held}.items()}


def _age_p90(observed: Observation) -> Values:
    """Return the age in hours that 90 % of the tickets open at the end do not exceed; None without any."""
    return {name: quantile_of_sorted(span.ages_ms / HOUR_MS, 0.9) for name, span in observed.spans.items()}


def _oldest_age_end(observed: Observation) -> Values:
    """Return the age in hours of the oldest ticket that waits at the end; None where none does."""
    ages = observed.stocks.oldest.end_ms.tolist()
    found = {"": max(ages)} | dict(zip(observed.desk.teams, ages, strict=True))
    return {name: age / HOUR_MS if age >= 0 else None for name, age in found.items()}


def _oldest_age_peak(observed: Observation) -> Values:
    """Return the highest age in hours of a ticket that waits; None where none ever does.

    It is at least that where the ticket still waits at the end.
    """
    oldest = observed.stocks.oldest
    peaks = list(zip(oldest.peak_ms.tolist(), oldest.growing.tolist(), strict=True))
    out: Values = {}
    for name, (age, growing) in {"": max(peaks), **dict(zip(observed.desk.teams, peaks, strict=True))}.items():
        out[name] = None if age < 0 else AtLeast(age / HOUR_MS) if growing else age / HOUR_MS
    return out


def _drain_days(observed: Observation) -> Values:
    """Return the days from the backlog's peak until it is calm again: within 1.25 x the warm-up's highest level.

    The first half of the warm-up, in which the desk fills, does not count. 0 when the backlog stayed calm; at least
    the time from the peak to the horizon when that comes first; None without two days of warm-up.
    """
    if observed.from_ms < 2 * DAY_MS:
        return dict.fromkeys(observed.spans)
    settled = observed.from_ms // 2, observed.from_ms
    highest, _ = observed.backlog.peak(*settled)
    found: Values = {"": _drained(observed, lambda: observed.backlog, observed.spans[""], highest)}
    worked, teams = observed.worked, observed.desk.teams
    before = within(observed.outcome.leg_entered_ms, worked.left_ms, worked.home, len(teams), *settled)
    for number, name in enumerate(teams):
        mine = partial(observed.team_backlog, number)
        found[name] = _drained(observed, mine, observed.spans[name], before[number].peak)
    return found


def _drained(observed: Observation, backlog: Callable[[], Intervals], span: Span, highest: int) -> float:
    if span.peak <= _CALM * highest:
        return 0.0
    minutes = -(-(observed.to_ms - span.peak_ms) // MINUTE_MS)
    calm_again = np.flatnonzero(backlog().by_minute(span.peak_ms, minutes) <= _CALM * highest)
    if not len(calm_again):
        return AtLeast((observed.to_ms - span.peak_ms) / DAY_MS)
    return int(calm_again[0]) * MINUTE_MS / DAY_MS


METRICS: tuple[Metric, ...] = (
    Metric("backlog_waiting_peak", "tickets", -1, "most tickets that waited for agents at once", _peak(_waiting),
        parts="team"),
    Metric("backlog_waiting_mean", "tickets", -1, "tickets that wait for agents, averaged over time",
        _mean(_waiting), parts="team"),
    Metric("backlog_waiting_end", "tickets", -1, "tickets that wait for agents at the end", _end(_waiting),
        parts="team"),
    Metric("backlog_in_hand_mean", "tickets", 0, "tickets in agents' hands, averaged over time", _in_hand_mean,
        parts="team"),
    Metric("backlog_with_customer_mean", "tickets", 0, "tickets that wait for proof, averaged over time",
        lambda observed: {"": _average(observed.stocks.with_customer.held_ms, observed)}),
    Metric("backlog_with_others_mean", "tickets", 0, "tickets that a third party, a chain or the law holds, averaged",
        lambda observed: {"": _average(observed.stocks.with_others.held_ms, observed)}),
    Metric("backlog_peak", "tickets", -1, "most tickets open at once (by team: waiting or in hand)", _peak(_open),
        parts="team"),
    Metric("backlog_end", "tickets", -1, "tickets open at the end (censored in every wait)", _end(_open),
        parts="team"),
    Metric("backlog_mean", "tickets", -1, "tickets open, averaged over time: the sum of the four", _mean(_open),
        parts="team"),
    Metric("backlog_age_p90", "h", -1, "90 % quantile of the age of the tickets open at the end", _age_p90,
        parts="team"),
    Metric("oldest_age_peak", "h", -1, "highest age, since it was opened, of a ticket that waits", _oldest_age_peak,
        parts="team"),
    Metric("oldest_age_end", "h", -1, "age of the oldest ticket that waits at the end", _oldest_age_end,
        parts="team"),
    Metric(
        "drain_days", "days", -1, "from the backlog's peak until it is within 1.25 x the warm-up's highest",
        _drain_days, parts="team", none="the backlog stays calm",
    ),
)  # fmt: skip
