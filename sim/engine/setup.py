"""Values that every engine computes before the first event: queue assignments, patience, and due complaints."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.core.arrays import Ints
from sim.core.clock import NEVER
from sim.core.jit import compiled
from sim.demand import CANDIDATE, ROOT, TASK, Demand
from sim.engine.outcome import after
from sim.staffing.desk import Desk
from sim.staffing.skills import LEAVE, WORK_UNITS


@dataclass(frozen=True)
class Clocks:
    """By row, when its complaint is due: an element each, ms, NEVER for those that never complain.

    ``unanswered_ms`` counts from opening and ``unsolved_ms`` from the end of the first handling; an answer within
    ``silence_ms`` of opening prevents the first and is needed for the second.
    """

    silence_ms: Ints
    unanswered_ms: Ints
    unsolved_ms: Ints


def roots(demand: Demand) -> Ints:
    """Return the rows that open at their drawn time, in order of time."""
    return np.flatnonzero((demand.stream < 0) & (demand.parent < 0))


def candidates(demand: Demand, stream: int) -> Ints:
    """Return the rows that a feedback level may admit, in order of time."""
    return np.flatnonzero(demand.stream == stream)


LONGEST_WORK_MS = 2**62 // WORK_UNITS
"""More work than this, of 146 years, is as much: so it fits into 64 bits."""

NO_TICKET, OPEN_TICKET, SENT_TICKET = range(3)
"""What the endpoints see of a row: nothing of a task, views of whatever is open, and the sending of a first contact."""


def ticket_kinds(demand: Demand) -> Ints:
    """Return by row what the endpoints see of it."""
    sent = (demand.kind == ROOT) | (demand.kind == CANDIDATE)
    return np.where(demand.kind == TASK, NO_TICKET, np.where(sent, SENT_TICKET, OPEN_TICKET))


def takers(desk: Desk) -> list[list[tuple[int, int, int]]]:
    """Return by queue the (rank, preference, team) of those who take from it, the best first."""
    teams = range(len(desk.teams))
    return [
        sorted((desk.ranks[t][q], desk.prefers[q][t], t) for t in teams if desk.ranks[t][q] >= 0)
        for q in range(len(desk.queues))
    ]


def takes(desk: Desk) -> list[list[tuple[int, int]]]:
    """Return by team the (rank, queue) of what it takes, the preferred first."""
    return [sorted((rank, queue) for queue, rank in enumerate(ranks) if rank >= 0) for ranks in desk.ranks]


def leaving_ms(demand: Demand, desk: Desk) -> Ints:
    """Return how long after opening who waits in the first queue leaves for good; NEVER where it does not say so."""
    leaves = np.array(desk.patience_to)[demand.leg_queue[demand.legs_from[:-1]]] == LEAVE
    return np.where(leaves, demand.patience_ms, NEVER)


def clocks(demand: Demand, leaving: Ints, *, horizon_ms: int, at_opening: bool) -> Clocks:
    """Return when complaints of unanswered and of unsolved tickets are due."""
    columns = demand.target_ms, leaving, demand.complaint_after_ms, demand.legs_from
    return Clocks(*_clocks(*columns, horizon_ms, at_opening))


@compiled
def _clocks(
    target_ms: Ints, leaving: Ints, complaint_after_ms: Ints, legs_from: Ints, horizon_ms: int, at_opening: bool
) -> tuple[Ints, Ints, Ints]:
    rows = len(target_ms)
    silence, unanswered, unsolved = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64)
    for i in range(rows):
        delay = complaint_after_ms[i] if complaint_after_ms[i] < horizon_ms else NEVER
        silence[i] = 0 if at_opening else min(target_ms[i], leaving[i])
        unanswered[i] = after(silence[i], delay)
        unsolved[i] = delay if legs_from[i + 1] - legs_from[i] > 1 and not at_opening else NEVER
    return silence, unanswered, unsolved
