"""The numbers of a run: one function each, and the ``METRICS`` table that names them.

A metric function takes the ``Facts`` of one replication and returns a value by entity: ``""`` for the whole, and the
names of teams, categories or endpoints where it makes sense. ``None`` is a value that does not exist, such as the
quantile of a wait that most customers have not yet ended. Shares name their denominator in the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.clock import DAY_MS, HOUR_MS, MINUTE_MS, NEVER
from sim.demand import ceilings
from sim.facts import Facts, Mask, Stay
from sim.levels import LEVEL_COLUMN, N_LATE, RUMOUR
from sim.outcome import LEFT
from sim.statistics import kaplan_meier_quantile

Values = dict[str, float | None]
_CALM = 1.25
_READS = ("withdrawal_status", "ticket_view", "login")


@dataclass(frozen=True)
class Metric:
    """A number of a run: its unit, which way is better (-1 less, 1 more, 0 neither), its meaning, and its function."""

    name: str
    unit: str
    better: int
    meaning: str
    of: Callable[[Facts], Values]


def by_category(facts: Facts, rows: Mask) -> dict[str, int]:
    """Return how many of the marked rows each category has, and all together under ``""``."""
    counts = np.bincount(facts.demand.category[rows], minlength=len(facts.demand.categories))
    return {"": int(counts.sum())} | dict(zip(facts.demand.categories, counts.tolist(), strict=True))


def _per_day(facts: Facts, counts: dict[str, int]) -> Values:
    return {name: count / facts.days for name, count in counts.items()}


def _bot(facts: Facts) -> dict[str, int]:
    counts = {
        n: int(facts.measured(t).sum()) for n, t in zip(facts.demand.categories, facts.bot_opened_ms, strict=True)
    }
    return {"": sum(counts.values())} | counts


def _new(facts: Facts) -> Values:
    human = by_category(facts, facts.human)
    return _per_day(facts, {name: human[name] + bot for name, bot in _bot(facts).items()})


def _share(facts: Facts, part: Mask, whole: Mask) -> Values:
    """Return part / whole by category; None where there is no whole."""
    of = by_category(facts, whole)
    return {name: count / of[name] if of[name] else None for name, count in by_category(facts, part & whole).items()}


# --- backlog ----------------------------------------------------------------------------------------------------


def _stays(facts: Facts) -> dict[str, Stay]:
    return {"": facts.backlog} | {name: facts.team_backlog(team) for team, name in enumerate(facts.desk.teams)}


def _backlog_peak(facts: Facts) -> Values:
    return {name: stay.peak(facts.from_ms, facts.to_ms)[0] for name, stay in _stays(facts).items()}


def _backlog_end(facts: Facts) -> Values:
    last = np.array([facts.to_ms - 1])
    return {name: int(stay.at(last)[0]) for name, stay in _stays(facts).items()}


def _backlog_mean(facts: Facts) -> Values:
    span = facts.to_ms - facts.from_ms
    return {name: stay.held_ms(facts.from_ms, facts.to_ms) / span for name, stay in _stays(facts).items()}


def _backlog_age_p90(facts: Facts) -> Values:
    """Return the age in hours that 90 % of the tickets open at the end do not exceed; None without any."""
    out: Values = {}
    for name, stay in _stays(facts).items():
        still = (stay.begin_ms < facts.to_ms) & (stay.end_ms >= facts.to_ms)
        ages = (facts.to_ms - stay.begin_ms[still]) / HOUR_MS
        out[name] = float(np.quantile(ages, 0.9)) if len(ages) else None
    return out


def _drain_days(facts: Facts) -> Values:
    """Return the days from the backlog's peak until it is calm again: within 1.25 x the warm-up's highest level.

    The first half of the warm-up, in which the desk fills, does not count. 0 when the backlog stayed calm; None
    without two days of warm-up, or when the horizon comes first.
    """
    if facts.from_ms < 2 * DAY_MS:
        return {"": None}
    highest, _ = facts.backlog.peak(facts.from_ms // 2, facts.from_ms)
    calm = _CALM * highest
    peak, at = facts.backlog.peak(facts.from_ms, facts.to_ms)
    if peak <= calm:
        return {"": 0.0}
    times = np.arange(at, facts.to_ms, MINUTE_MS)
    calm_again = np.flatnonzero(facts.backlog.at(times) <= calm)
    return {"": float(times[calm_again[0]] - at) / DAY_MS if len(calm_again) else None}


# --- waits ------------------------------------------------------------------------------------------------------


def _kaplan_meier(facts: Facts, end_ms: NDArray[np.int64], p: float, unit_ms: int) -> Values:
    """Return the p-quantile of the time from opening to ``end_ms``; who is not there yet is censored."""
    outcome = facts.outcome
    gone = np.where(outcome.outcome == LEFT, outcome.closed_ms, facts.to_ms)
    seen = np.minimum(end_ms, gone)
    waited, observed = seen - outcome.opened_ms, end_ms < np.minimum(gone, NEVER)
    out: Values = {}
    for name, rows in _groups(facts).items():
        quantile = kaplan_meier_quantile(waited[rows], observed[rows], p) if rows.any() else None
        out[name] = None if quantile is None else quantile / unit_ms
    return out


def _groups(facts: Facts) -> dict[str, Mask]:
    names = facts.demand.categories
    return {"": facts.human} | {n: facts.human & (facts.demand.category == i) for i, n in enumerate(names)}


def _first_response(p: float) -> Callable[[Facts], Values]:
    return lambda facts: _kaplan_meier(facts, facts.outcome.first_start_ms, p, MINUTE_MS)


def _resolution(p: float) -> Callable[[Facts], Values]:
    return lambda facts: _kaplan_meier(facts, facts.outcome.resolved_ms, p, HOUR_MS)


def _within_target(facts: Facts) -> Values:
    opened, target = facts.outcome.opened_ms, facts.demand.target_ms
    due = np.where(facts.human & (target < NEVER), opened, 0) + np.where(target < NEVER, target, 0)
    answered = facts.outcome.first_start_ms <= due
    decided = facts.human & (target < NEVER) & (answered | (due < facts.to_ms))
    return _share(facts, answered, decided)


def _occupancy(facts: Facts) -> Values:
    busy: dict[str, float] = {}
    there: dict[str, float] = {}
    for team, (times, slots) in enumerate(facts.desk.slots()):
        name = facts.desk.teams[team]
        busy[name] = facts.team_busy(team).held_ms(facts.from_ms, facts.to_ms)
        there[name] = float((_spans(facts, times) * slots).sum())
    busy[""], there[""] = sum(busy.values()), sum(there.values())
    return {name: busy[name] / there[name] if there[name] else None for name in there}


def _spans(facts: Facts, times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how long each step of a step function lasts within the measured period, ms."""
    ends = np.append(times[1:], facts.to_ms)
    return np.maximum(np.minimum(ends, facts.to_ms) - np.maximum(times, facts.from_ms), 0)


def _cost(facts: Facts) -> Values:
    out: Values = {}
    table = facts.desk.scheduled
    for team, name in enumerate(facts.desk.teams):
        mine = table[table[:, 1] == team]
        hours = float((_spans(facts, mine[:, 0]) * mine[:, 2]).sum()) / HOUR_MS
        out[name] = hours * facts.desk.cost_per_hour[team] / facts.days
    return {"": sum(v or 0.0 for v in out.values())} | out


# --- the public -------------------------------------------------------------------------------------------------


def _direct(facts: Facts) -> Values:
    return _per_day(facts, by_category(facts, facts.measured(facts.complaint_ms)))


def _posts(facts: Facts) -> float:
    return int(facts.measured(facts.demand.flow.posts_ms).sum()) / facts.days


def _total(facts: Facts) -> float:
    return (_direct(facts)[""] or 0.0) + _posts(facts)


def _floor(facts: Facts) -> Values:
    direct = _per_day(facts, by_category(facts, facts.measured(facts.floor_ms)))
    return direct | {"": (direct[""] or 0.0) + _posts(facts)}


def _reducible(facts: Facts) -> Values:
    return {"": _total(facts) - (_floor(facts)[""] or 0.0)}


def _peak_day(facts: Facts) -> Values:
    all_ms = np.concatenate([facts.complaint_ms, facts.demand.flow.posts_ms])
    days = (all_ms[facts.measured(all_ms)] - facts.from_ms) // DAY_MS
    return {"": int(np.bincount(days, minlength=1).max())}


def _unharmed(denominator: Callable[[Facts], float | None]) -> Callable[[Facts], Values]:
    def share(facts: Facts) -> Values:
        whole = denominator(facts)
        return {"": 1 - (_direct(facts)[""] or 0.0) / whole if whole else None}

    return share


def _registered(facts: Facts) -> float | None:
    people = facts.world.scenario.population
    return float(people.registered) if people else None


def _active(facts: Facts) -> float | None:
    people = facts.world.scenario.population
    return people.registered * people.mau_share if people else None


# --- endpoints and levels ---------------------------------------------------------------------------------------


def _peak_per_s(*endpoints: str) -> Callable[[Facts], Values]:
    return lambda facts: {"": int(np.sum([facts.measured_requests[name] for name in endpoints], axis=0).max()) / 60}


def _level_peak(table: str, column: int) -> Callable[[Facts], Values]:
    def peak(facts: Facts) -> Values:
        values = getattr(facts.outcome, table)
        return {"": float(values[column, facts.from_ms // MINUTE_MS :].max()) if values.size else None}

    return peak


def _refused(facts: Facts) -> Values:
    """Return the tickets that levels above 1 asked for and the streams' ceilings did not hold."""
    per_minute = {stream: ceiling / 60 for stream, _, ceiling in ceilings(facts.world.scenario)}
    floats = facts.outcome.level_floats[:, facts.from_ms // MINUTE_MS :]
    excess = {stream: np.maximum(floats[LEVEL_COLUMN[stream]] - 1.0, 0.0).sum() for stream in per_minute}
    return {"": float(sum(excess[stream] * per_minute[stream] for stream in per_minute))}


METRICS: tuple[Metric, ...] = (
    Metric("tickets_new_per_day", "tickets/day", 0, "root tickets opened", _new),
    Metric("tickets_bot_per_day", "tickets/day", 1, "of them ended by the bot", lambda f: _per_day(f, _bot(f))),
    Metric(
        "tickets_human_per_day", "tickets/day", -1, "of them handled by people",
        lambda f: _per_day(f, by_category(f, f.human)),
    ),
    Metric(
        "tickets_first_contact_per_day", "tickets/day", 1, "human-handled tickets solved at first contact",
        lambda f: _per_day(f, by_category(f, f.first_contact)),
    ),
    Metric(
        "tickets_escalated_per_day", "tickets/day", -1, "human-handled tickets not solved at first contact",
        lambda f: _per_day(f, by_category(f, f.escalated)),
    ),
    Metric("backlog_peak", "tickets", -1, "most tickets open at once (by team: waiting or in hand)", _backlog_peak),
    Metric("backlog_end", "tickets", -1, "tickets open at the end (censored in every wait)", _backlog_end),
    Metric("backlog_mean", "tickets", -1, "tickets open, averaged over time", _backlog_mean),
    Metric("backlog_age_p90", "h", -1, "90 % quantile of the age of the tickets open at the end", _backlog_age_p90),
    Metric(
        "drain_days", "days", -1, "from the backlog's peak until it is within 1.25 x the warm-up's highest",
        _drain_days,
    ),
    Metric("first_response_p50", "min", -1, "median time to first response (Kaplan-Meier)", _first_response(0.5)),
    Metric("first_response_p90", "min", -1, "90 % quantile of the same", _first_response(0.9)),
    Metric("resolution_p50", "h", -1, "median time to resolution (Kaplan-Meier)", _resolution(0.5)),
    Metric("resolution_p90", "h", -1, "90 % quantile of the same", _resolution(0.9)),
    Metric("within_target_share", "of human-handled tickets with a target", 1, "answered in time", _within_target),
    Metric(
        "abandoned_share", "of human-handled tickets", -1, "customers who left, or left the chat for the inbox",
        lambda f: _share(f, f.abandoned, f.human),
    ),
    Metric(
        "recontact_share", "of human-handled tickets", -1, "customers who asked again while they waited",
        lambda f: _share(f, f.asked_again, f.human),
    ),
    Metric("occupancy", "of the time of agents' slots on duty", 0, "time spent on tickets", _occupancy),
    Metric("complaints_direct_per_day", "complaints/day", -1, "public complaints about a ticket", _direct),
    Metric(
        "complaints_background_per_day", "posts/day", -1, "public posts that name no ticket",
        lambda f: {"": _posts(f)},
    ),
    Metric(
        "complaints_floor_per_day", "complaints/day", -1,
        "what unlimited agents would leave, background included (by category: without it)", _floor,
    ),
    Metric("complaints_reducible_per_day", "complaints/day", -1, "direct and background, less the floor", _reducible),
    Metric("complaints_peak_day", "complaints", -1, "direct and background, on the worst day", _peak_day),
    Metric(
        "complaints_regulator_per_day", "complaints/day", -1, "complaints to a regulator",
        lambda f: _per_day(f, by_category(f, f.measured(f.regulator_ms))),
    ),
    Metric(
        "unharmed_share_of_registered", "of registered users", 1, "no direct public complaint on a day",
        _unharmed(_registered),
    ),
    Metric(
        "unharmed_share_of_active", "of monthly active users", 1, "no direct public complaint on a day",
        _unharmed(_active),
    ),
    Metric(
        "unharmed_share_of_tickets", "of the day's root tickets", 1, "no direct public complaint",
        _unharmed(lambda f: _new(f)[""]),
    ),
    Metric("withdrawals_peak_per_s", "requests/s", 0, "busiest minute", _peak_per_s("withdrawal")),
    Metric("tickets_peak_per_s", "requests/s", 0, "busiest minute", _peak_per_s("ticket")),
    Metric(
        "reads_peak_per_s", "requests/s", 0, "busiest minute of status polls, ticket views and logins",
        _peak_per_s(*_READS),
    ),
    Metric(
        "requests_peak_per_s", "requests/s", 0, "busiest minute of all endpoints",
        _peak_per_s("withdrawal", "ticket", *_READS),
    ),
    Metric(
        "withdrawals_late_peak", "withdrawals", -1, "most withdrawals late at once",
        _level_peak("level_ints", N_LATE),
    ),
    Metric("rumour_peak", "complaints", -1, "highest rumour level", _level_peak("level_floats", RUMOUR)),
    Metric(
        "candidates_refused", "tickets", -1, "tickets that a live level above its ceiling could not provide",
        _refused,
    ),
    Metric("agent_cost_per_day", "US dollars/day", -1, "scheduled hours times cost", _cost),
)  # fmt: skip


def measure(facts: Facts) -> dict[str, float | None]:
    """Return every metric of one replication: ``name`` for the whole, ``name.entity`` for its parts."""
    out: dict[str, float | None] = {}
    for metric in METRICS:
        for entity, value in metric.of(facts).items():
            out[f"{metric.name}.{entity}" if entity else metric.name] = value
    return out


def metric_of(name: str) -> Metric:
    """Return the metric that a name such as ``backlog_peak.compliance`` belongs to; KeyError when there is none."""
    head = name.split(".", 1)[0]
    for metric in METRICS:
        if metric.name == head:
            return metric
    raise KeyError(name)
