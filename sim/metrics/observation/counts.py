"""Counts of a replication by hour: one pass over the tickets, one over the legs of their work.

``counted`` is a table of what (HUMAN to BOT) by category and measured hour; each is counted in the hour in which it
happened, a share's parts in the hour in which the ticket was opened.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats, Ints
from sim.core.clock import HOUR_MS, MINUTE_MS
from sim.core.jit import compiled, inlined
from sim.demand import CANDIDATE, ROOT
from sim.engine.outcome import LEFT
from sim.numerics.time_grid import whole

Marks = NDArray[np.int16]
Group = NDArray[np.int16]

HUMAN, FIRST_CONTACT, ESCALATED, DUE, IN_TIME, COMPLAINT, UNLIMITED, REGULATOR, BOT = range(9)
WHAT = 9


class Tickets(NamedTuple):
    """The columns of tickets that are counted."""

    category: Ints
    kind: Ints
    target_ms: Ints
    legs_from: Ints
    opened_ms: Ints
    first_start_ms: Ints
    first_end_ms: Ints
    complaint_ms: Ints
    unlimited_ms: Ints
    regulator_ms: Ints


class Tally(NamedTuple):
    """What has been counted of [from, to), and by row for whom (bit 1 << what)."""

    counted: Ints
    marks: Marks
    from_ms: int
    to_ms: int


@compiled
def count_tickets(tickets: Tickets, categories: int, from_ms: int, to_ms: int) -> tuple[Ints, Marks, Ints]:
    """Return what is counted by category and hour, what of it by row, and the root tickets opened by the minute.

    The bot's tickets are not among them (``count_bot``).
    """
    rows = len(tickets.opened_ms)
    counted = np.zeros((WHAT, categories, (to_ms - from_ms) // HOUR_MS), np.int64)
    tally = Tally(counted, np.zeros(rows, np.int16), from_ms, to_ms)
    opened_by_minute = np.zeros(to_ms // MINUTE_MS, np.int64)
    for row in range(rows):
        category, opened = tickets.category[row], tickets.opened_ms[row]
        note(tally, COMPLAINT, row, category, tickets.complaint_ms[row])
        note(tally, UNLIMITED, row, category, tickets.unlimited_ms[row])
        note(tally, REGULATOR, row, category, tickets.regulator_ms[row])
        if tickets.kind[row] != ROOT and tickets.kind[row] != CANDIDATE:
            continue
        several = tickets.legs_from[row + 1] - tickets.legs_from[row] > 1
        note(tally, ESCALATED if several else FIRST_CONTACT, row, category, tickets.first_end_ms[row])
        if opened < to_ms:
            opened_by_minute[whole(opened, MINUTE_MS)] += 1
        if not note(tally, HUMAN, row, category, opened):
            continue
        # Of what is due later, those answered in time would be known and those not would not: it does not count.
        if tickets.target_ms[row] < to_ms - opened:
            note(tally, DUE, row, category, opened)
            if tickets.first_start_ms[row] <= opened + tickets.target_ms[row]:
                note(tally, IN_TIME, row, category, opened)
    return counted, tally.marks, opened_by_minute


@inlined
def note(tally: Tally, what: int, row: int, category: int, at_ms: int) -> bool:
    """Count and mark what happened at a time, if that lies in the measured period; return whether it does."""
    measured = tally.from_ms <= at_ms < tally.to_ms
    if measured:
        tally.counted[what, category, whole(at_ms - tally.from_ms, HOUR_MS)] += 1
        tally.marks[row] |= 1 << what
    return measured


@compiled
def count_bot(opened_ms: Ints, by_hour: Ints, by_minute: Ints, from_ms: int, to_ms: int) -> None:
    """Add the tickets of one category that the bot ended to the counts by the measured hour and by the minute."""
    for opened in opened_ms:
        if opened < to_ms:
            by_minute[whole(opened, MINUTE_MS)] += 1
            if opened >= from_ms:
                by_hour[whole(opened - from_ms, HOUR_MS)] += 1


@compiled
def by_hour(counts: Ints) -> tuple[Ints, Ints]:
    """Return the sum, and the largest, of counts by the minute, for each whole hour."""
    total, busiest = np.zeros(len(counts) // 60, np.int64), np.zeros(len(counts) // 60, np.int64)
    for hour in range(len(total)):
        so_far, most = 0, 0
        for minute in range(hour * 60, hour * 60 + 60):
            so_far += counts[minute]
            most = max(most, counts[minute])
        total[hour], busiest[hour] = so_far, most
    return total, busiest


class Legs(NamedTuple):
    """The columns of legs, and of their tickets, that say whose they are and how much work."""

    legs_from: Ints
    handle_ms: Ints
    entered_ms: Ints
    end_ms: Ints
    queue: Ints
    team: Ints
    closed_ms: Ints
    outcome: Ints


@compiled
def count_legs(legs: Legs, home_team: Ints, per_work: Floats, from_ms: int, to_ms: int) -> tuple[Group, Ints, Floats]:
    """Return by leg the team that it counts for and when it ended, by its work or by the customer's leaving; and by
    team the agents that the work needs which arrived in each measured hour (``per_work``, by team and queue, a ms).

    A leg counts for the team that works on it, else for the home of its queue.
    """
    home, left_ms = np.empty(len(legs.team), np.int16), legs.end_ms.copy()
    needed = np.zeros((len(per_work), (to_ms - from_ms) // HOUR_MS))
    for row in range(len(legs.outcome)):
        if legs.outcome[row] >= LEFT:
            for leg in range(legs.legs_from[row], legs.legs_from[row + 1]):
                left_ms[leg] = legs.closed_ms[row]
    for leg in range(len(home)):
        entered, team, queue = legs.entered_ms[leg], legs.team[leg], legs.queue[leg]
        mine = team if team >= 0 else home_team[queue]
        home[leg] = mine
        if from_ms <= entered < to_ms:
            needed[mine, whole(entered - from_ms, HOUR_MS)] += legs.handle_ms[leg] * per_work[mine, queue]
    return home, left_ms, needed
