"""The complaints about the tickets of a run, had none of them waited for an agent.

That is what no staffing removes where no feedback level listens to what staffing changes. Where rumour does, better
staffing also opens fewer tickets, which this leaves out: the levels are those of the run.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.core.arrays import Ints
from sim.core.clock import NEVER
from sim.core.jit import compiled
from sim.demand import REOPEN, Demand
from sim.engine.outcome import DeskOutcome, after, clock_start
from sim.engine.setup import LONGEST_WORK_MS
from sim.staffing.desk import Desk
from sim.staffing.skills import WORK_UNITS


class _Tickets(NamedTuple):
    """The columns of tickets, and of their legs, that an unhindered ticket depends on."""

    kind: Ints
    parent: Ints
    reopen: Ints
    after_ms: Ints
    target_ms: Ints
    complaint_after_ms: Ints
    legs_from: Ints
    leg_queue: Ints
    leg_handle_ms: Ints
    leg_pause_ms: Ints
    opened_ms: Ints


def unlimited_complaints_ms(
    demand: Demand, outcome: DeskOutcome, desk: Desk, *, at_opening: bool, horizon_ms: int
) -> Ints:
    """Return when each ticket's customer would complain if no ticket ever waited for an agent; NEVER if not.

    The tickets are those that were opened (candidates as the feedback levels admitted them). Handling, pauses and
    reopenings stay; each agent holds one ticket. A reopened ticket opens when its parent, unhindered, would have
    been resolved and its delay has passed, after a closure where that falls into one; questions (chases) are not asked.
    """
    tickets = _Tickets(
        demand.kind,
        demand.parent,
        demand.reopen,
        demand.after_ms,
        demand.target_ms,
        demand.complaint_after_ms,
        demand.legs_from,
        demand.leg_queue,
        demand.leg_handle_ms,
        demand.leg_pause_ms,
        outcome.opened_ms,
    )
    return _complaints(tickets, fastest(desk), demand.closed_ms, at_opening, horizon_ms)


def fastest(desk: Desk) -> Ints:
    """Return by queue the speed of an agent who holds one ticket: the highest of the teams that take it."""
    teams, queues = range(len(desk.teams)), range(len(desk.queues))
    return np.array([max(desk.speeds[t][0] for t in teams if desk.ranks[t][q] >= 0) for q in queues])


@compiled
def _complaints(tickets: _Tickets, speeds: Ints, closures_ms: Ints, at_opening: bool, horizon_ms: int) -> Ints:
    """Return the complaints, row by row: children have larger rows than their parents."""
    rows = len(tickets.opened_ms)
    complaint_ms, closed_ms = np.full(rows, NEVER, np.int64), np.full(rows, NEVER, np.int64)
    for i in range(rows):
        opened, parent = tickets.opened_ms[i], tickets.parent[i]
        if parent >= 0:
            opened = after(closed_ms[parent], tickets.after_ms[i]) if tickets.kind[i] == REOPEN else NEVER
            for closure in range(len(closures_ms)):
                if closures_ms[closure, 0] <= opened < closures_ms[closure, 1]:
                    opened = closures_ms[closure, 1]
        latest = after(opened, tickets.complaint_after_ms[i])  # no clock starts before the opening
        if opened == NEVER or (latest >= horizon_ms and tickets.reopen[i] < 0):
            continue
        first, last = tickets.legs_from[i], tickets.legs_from[i + 1] - 1
        closed, first_end = opened, opened
        for leg in range(first, last + 1):
            work = min(tickets.leg_handle_ms[leg], LONGEST_WORK_MS) * WORK_UNITS
            closed += -(-work // speeds[tickets.leg_queue[leg]])
            if leg == first:
                first_end = closed
            closed += tickets.leg_pause_ms[leg]
        closed_ms[i] = closed
        start = opened
        if not at_opening:
            start = clock_start(opened, opened, first_end, NEVER, tickets.target_ms[i], last > first)
        at = after(start, tickets.complaint_after_ms[i])
        if at < closed and at < horizon_ms:
            complaint_ms[i] = at
    return complaint_ms
