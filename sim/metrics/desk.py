"""Metrics of the desk: one function each, and the ``METRICS`` table that names them.

A metric function takes an ``Observation`` of one replication and returns a value by entity: ``""`` for the whole, and
the names of teams, categories or endpoints where it makes sense. ``None`` is a value that does not exist, such as the
share of nothing; ``AtLeast`` is one beyond the horizon, such as the quantile of a wait that most customers have not yet
ended. Shares name their denominator in the table, and leave out what had no time to be decided. What is counted
already lies in its ``totals`` (``observation.counts``); the rest follows from its ``demand`` and ``outcome``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from math import isnan

import numpy as np

from sim.core.at_least import AtLeast
from sim.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from sim.core.tables import ENDPOINTS
from sim.demand import ceilings
from sim.feedback import ADMISSION_COLUMNS
from sim.feedback.columns import N_LATE, RUMOUR
from sim.feedback.declaration import PENDING_COLUMNS
from sim.metrics import (
    public as public_metrics,
)
from sim.metrics.metric import Metric, Values
from sim.metrics.observation.counts import (
    BOT,
    COMPLAINT,
    DUE,
    ESCALATED,
    FIRST_CONTACT,
    HUMAN,
    IN_TIME,
    REGULATOR,
    UNLIMITED,
)
from sim.metrics.observation.replication import Observation
from sim.metrics.observation.waits import SHARES
from sim.metrics.policy import surge_cost
from sim.numerics.survival import NOT_REACHED
from sim.staffing.skills import ENDLESS, IN_BREAK, ON_DUTY

_READS = ("withdrawal_status", "ticket_view", "login")


def by_category(observed: Observation, what: int) -> dict[str, int]:
    """Return how many of something (``observation.counts``) there were by category, and all together under ``""``."""
    counts = observed.totals[what].tolist()
    return {"": sum(counts)} | dict(zip(observed.demand.categories, counts, strict=True))


def _per_day(what: int) -> Callable[[Observation], Values]:
    return lambda observed: {name: count / observed.days for name, count in by_category(observed, what).items()}


def _new(observed: Observation) -> Values:
    human, bot = by_category(observed, HUMAN), by_category(observed, BOT)
    return {name: (human[name] + bot[name]) / observed.days for name in human}


def _share(part: int, whole: int) -> Callable[[Observation], Values]:
    """Return part / whole by category; None where there is no whole."""

    def share(observed: Observation) -> Values:
        parts = by_category(observed, part)
        return {name: parts[name] / of if of else None for name, of in by_category(observed, whole).items()}

    return share


# --- waits ------------------------------------------------------------------------------------------------------


def _wait(which: str, p: float, unit_ms: int) -> Callable[[Observation], Values]:
    """Return the p-quantile of a wait by Kaplan and Meier; None where nobody waited.

    Where the estimate does not reach it, it is at least the longest wait that is known of.
    """

    def value(reached_ms: int, longest_ms: int) -> float | None:
        if reached_ms != NOT_REACHED:
            return reached_ms / unit_ms
        return None if longest_ms == NOT_REACHED else AtLeast(longest_ms / unit_ms)

    def wait(observed: Observation) -> Values:
        reached = getattr(observed.waits, f"{which}_ms")[:, SHARES.index(p)].tolist()
        longest = getattr(observed.waits, f"longest_{which}_ms").tolist()
        *parts, whole = map(value, reached, longest)
        return {"": whole} | dict(zip(observed.demand.categories, parts, strict=True))

    return wait


def _first_response(p: float) -> Callable[[Observation], Values]:
    return _wait("response", p, MINUTE_MS)


def _resolution(p: float) -> Callable[[Observation], Values]:
    return _wait("resolution", p, HOUR_MS)


def _tired(which: str) -> Callable[[Observation], Values]:
    """Return a share of those who tire of waiting, within the longest time known of; None where nobody waited."""

    def share(observed: Observation) -> Values:
        *parts, whole = getattr(observed.waits, which).tolist()
        found = {"": whole} | dict(zip(observed.demand.categories, parts, strict=True))
        return {name: None if isnan(value) else value for name, value in found.items()}

    return share


def _turned_away(observed: Observation) -> Values:
    """Return who was turned away, by queue with a number of places; None where no queue has one."""
    places = zip(observed.desk.queues, observed.desk.places, strict=True)
    finite = {number: name for number, (name, places) in enumerate(places) if places != ENDLESS}
    if not finite:
        return {"": None}
    counts = np.bincount(observed.turned_away_from, minlength=len(observed.desk.queues)) / observed.days
    out: Values = {"": float(counts.sum())}
    return out | {name: float(counts[number]) for number, name in finite.items()}


def _occupancy(observed: Observation) -> Values:
    """Return the time on duty with tickets in hand, each for as much as it fills a hand, over the time on duty."""
    held, _ = observed.held
    busy = (held[ON_DUTY] / np.array(observed.desk.concurrency)).sum(axis=1).tolist()
    there = observed.measurement.duty_ms
    both = {"": (sum(busy), sum(there))} | dict(zip(observed.desk.teams, zip(busy, there, strict=True), strict=True))
    return {name: mine / duty_ms if duty_ms else None for name, (mine, duty_ms) in both.items()}


def _overtime(observed: Observation) -> Values:
    _, overtime_ms = observed.held
    return _by_team(observed, (overtime_ms / HOUR_MS / observed.days).tolist())


def _in_breaks(observed: Observation) -> Values:
    held, _ = observed.held
    busy = (held[IN_BREAK] / np.array(observed.desk.concurrency)).sum(axis=1)
    return _by_team(observed, (busy / HOUR_MS / observed.days).tolist())


def _cost(observed: Observation) -> Values:
    _, overtime_ms = observed.held
    paid_ms = [own + more for own, more in zip(observed.measurement.scheduled_ms, overtime_ms.tolist(), strict=True)]
    rates = zip(paid_ms, observed.desk.cost_per_hour, surge_cost(observed), strict=True)
    return _by_team(observed, [(ms / HOUR_MS * per_hour + called) / observed.days for ms, per_hour, called in rates])


def _by_team(observed: Observation, values: list[float]) -> Values:
    out: Values = {"": sum(values)}
    return out | dict(zip(observed.desk.teams, values, strict=True))


# --- the public -------------------------------------------------------------------------------------------------


def _direct(observed: Observation) -> float:
    return int(observed.totals[COMPLAINT].sum()) / observed.days


def _background(observed: Observation) -> float:
    return public_metrics.background(observed) / observed.days


def _complaints(observed: Observation) -> Values:
    return {"": public_metrics.complaints(observed) / observed.days}


def _without_waits(observed: Observation) -> Values:
    without = _per_day(UNLIMITED)(observed)
    return without | {"": (without[""] or 0.0) + _background(observed)}


def _reducible(observed: Observation) -> Values:
    return {"": _direct(observed) + _background(observed) - (_without_waits(observed)[""] or 0.0)}


def _peak_day(observed: Observation) -> Values:
    posts = observed.demand.inputs.posts_ms
    days = (posts[observed.measured(posts)] - observed.from_ms) // DAY_MS
    direct = observed.counted.by_hour[COMPLAINT].sum(axis=0).reshape(-1, 24).sum(axis=1)
    return {"": int((direct + np.bincount(days, minlength=len(direct))).max())}


def _regulator(observed: Observation) -> Values:
    """Return the complaints over the measured days from the first on which a ticket can be old enough.

    None without a regulator, and in a run that ends before.
    """
    rule, counts = observed.model.scenario.regulator, by_category(observed, REGULATOR)
    possible_ms = observed.to_ms - max(observed.from_ms, rule.after) if rule else 0
    return {name: count / possible_ms * DAY_MS if possible_ms > 0 else None for name, count in counts.items()}


def _unharmed(denominator: Callable[[Observation], float | None]) -> Callable[[Observation], Values]:
    def share(observed: Observation) -> Values:
        whole = denominator(observed)
        return {"": 1 - _direct(observed) / whole if whole else None}

    return share


def _registered(observed: Observation) -> float | None:
    people = observed.model.scenario.population
    return float(people.registered) if people else None


def _active(observed: Observation) -> float | None:
    people = observed.model.scenario.population
    return people.registered * people.mau_share if people else None


# --- endpoints and feedback -------------------------------------------------------------------------------------


def _peak_per_s(*endpoints: str) -> Callable[[Observation], Values]:
    def peak(observed: Observation) -> Values:
        together = reduce(np.add, [observed.measured_requests[name] for name in endpoints])
        return {"": int(together.max()) / 60}

    return peak


def _endpoint_peaks(observed: Observation) -> Values:
    """Return the busiest minute of all endpoints together, and of each that customers may ask."""
    own = {name: int(observed.measured_requests[name].max()) / 60 for name in observed.endpoints}
    return _peak_per_s(*ENDPOINTS)(observed) | own


def _state_peak(table: str, column: int) -> Callable[[Observation], Values]:
    def peak(observed: Observation) -> Values:
        values = getattr(observed.outcome, table)
        return {"": float(values[column, observed.from_ms // MINUTE_MS :].max()) if values.size else None}

    return peak


def _refused(observed: Observation) -> Values:
    """Return the tickets that no candidates were left for: those of shares above what was drawn, and those still asked
    for at the end, where single events ask."""
    per_minute = {stream: ceiling / 60 for stream, _, ceiling in ceilings(observed.model.scenario)}
    floats = observed.outcome.feedback_floats[:, observed.from_ms // MINUTE_MS :]
    held = observed.demand.held_shares or (1.0,) * len(ADMISSION_COLUMNS)
    excess = {stream: np.maximum(floats[ADMISSION_COLUMNS[stream]] - held[stream], 0.0).sum() for stream in per_minute}
    for stream in per_minute.keys() & PENDING_COLUMNS.keys():
        excess[stream] += floats[PENDING_COLUMNS[stream], -1:].sum()
    return {"": float(sum(excess[stream] * per_minute[stream] for stream in per_minute))}


METRICS: tuple[Metric, ...] = (
    Metric("tickets_new_per_day", "tickets/day", 0, "root tickets opened", _new, parts="category"),
    Metric("tickets_bot_per_day", "tickets/day", 1, "of them ended by the bot", _per_day(BOT), parts="category"),
    Metric(
        "tickets_human_per_day", "tickets/day", -1, "of them handled by people",
        _per_day(HUMAN), parts="category",
    ),
    Metric(
        "tickets_first_contact_per_day", "tickets/day", 1, "human-handled tickets solved at first contact",
        _per_day(FIRST_CONTACT), parts="category",
    ),
    Metric(
        "tickets_escalated_per_day", "tickets/day", -1, "human-handled tickets not solved at first contact",
        _per_day(ESCALATED), parts="category",
    ),
    Metric("first_response_p50", "min", -1, "median time to first response (Kaplan-Meier)", _first_response(0.5),
        parts="category"),
    Metric("first_response_p90", "min", -1, "90 % quantile of the same", _first_response(0.9), parts="category"),
    Metric("resolution_p50", "h", -1, "median time to resolution (Kaplan-Meier)", _resolution(0.5), parts="category"),
    Metric("resolution_p90", "h", -1, "90 % quantile of the same", _resolution(0.9), parts="category"),
    Metric(
        "within_target_share", "of human-handled tickets with a target", 1,
        "answered in time, of those due before the end", _share(IN_TIME, DUE),
        parts="category",
    ),
    Metric(
        "abandoned_share", "of human-handled tickets", -1,
        "customers who left, or left the chat for the inbox (Aalen-Johansen)",
        _tired("abandoned_share"), parts="category",
    ),
    Metric(
        "turned_away_per_day", "tickets/day", -1, "that found no place to wait for a first answer",
        _turned_away, parts="queue",
    ),
    Metric(
        "recontact_share", "of human-handled tickets", -1,
        "customers who asked again while they waited (Aalen-Johansen)",
        _tired("recontact_share"), parts="category",
    ),
    Metric("occupancy", "of the agents' time on duty", 0, "spent on tickets, each by its part of a full hand",
        _occupancy, parts="team"),
    Metric("overtime_per_day", "h/day", -1, "agents still at work when their turn is over", _overtime, parts="team"),
    Metric("work_in_breaks_per_day", "h/day", -1, "full hands of work that outlasts the beginning of a break",
        _in_breaks, parts="team"),
    Metric("complaints_direct_per_day", "complaints/day", -1, "public complaints about a ticket", _per_day(COMPLAINT),
        parts="category"),
    Metric(
        "complaints_background_per_day", "complaints/day", -1,
        "public complaints that name no ticket (what campaigns post is no complaint)",
        lambda f: {"": _background(f)},
    ),
    Metric("complaints_per_day", "complaints/day", -1, "public complaints: direct and background", _complaints),
    Metric(
        "complaints_without_waits_per_day", "complaints/day", -1,
        "as many tickets, and rumour as it was, but nobody waits for an agent; with background (by category: without)",
        _without_waits, parts="category",
    ),
    Metric(
        "complaints_reducible_per_day", "complaints/day", -1, "direct and background, less those without waits",
        _reducible,
    ),
    Metric("complaints_peak_day", "complaints", -1, "direct and background, on the worst day", _peak_day),
    Metric(
        "complaints_regulator_per_day", "complaints/day", -1,
        "complaints to a regulator, over the days by which a ticket of the run can be old enough for one",
        _regulator, parts="category",
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
        "unharmed_share_of_tickets", "of the days' root tickets", 1,
        "less the direct public complaints of the same days, whenever their tickets were opened",
        _unharmed(lambda f: _new(f)[""]),
    ),
    Metric("withdrawals_peak_per_s", "requests/s", 0, "busiest minute", _peak_per_s("withdrawal")),
    Metric("tickets_peak_per_s", "requests/s", 0, "busiest minute", _peak_per_s("ticket")),
    Metric(
        "reads_peak_per_s", "requests/s", 0, "busiest minute of status polls, ticket views and logins",
        _peak_per_s(*_READS),
    ),
    Metric(
        "requests_peak_per_s", "requests/s", 0, "busiest minute of all endpoints, and of each",
        _endpoint_peaks, parts="endpoint",
    ),
    Metric(
        "withdrawals_late_peak", "withdrawals", -1, "most withdrawals late at once",
        _state_peak("feedback_ints", N_LATE),
    ),
    Metric("rumour_peak", "complaints", -1, "highest rumour level", _state_peak("feedback_floats", RUMOUR)),
    Metric(
        "candidates_refused", "tickets", -1, "tickets that a feedback level above its ceiling could not provide",
        _refused,
    ),
    Metric("agent_cost_per_day", "US dollars/day", -1, "scheduled hours times cost", _cost, parts="team"),
)  # fmt: skip
