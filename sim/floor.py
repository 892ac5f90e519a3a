"""The complaints that no staffing removes: the same draws, met by unlimited agents."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.clock import NEVER
from sim.demand import REOPEN, Demand
from sim.outcome import Outcome, clock_start_ms, later
from sim.staffing import Desk

Ints = NDArray[np.int64]


def floor_complaints_ms(demand: Demand, outcome: Outcome, desk: Desk, *, at_opening: bool, horizon_ms: int) -> Ints:
    """Return when each ticket's customer would complain if no ticket ever waited for an agent; NEVER if not.

    The tickets are those that were opened (candidates as the live levels admitted them). Handling, pauses and
    reopenings stay; each agent holds one ticket. A reopened ticket opens when its parent, unhindered, would have
    been resolved and its delay has passed.
    """
    opened, closed, first_end = unhindered(demand, outcome, desk)
    start = clock_start_ms(
        demand,
        opened_ms=opened,
        first_start_ms=opened,
        first_end_ms=first_end,
        left_ms=np.full(demand.rows, NEVER),
        at_opening=at_opening,
    )
    at = later(start, demand.complaint_after_ms)
    return np.where((at < closed) & (at < horizon_ms), at, NEVER)


def unhindered(demand: Demand, outcome: Outcome, desk: Desk) -> tuple[Ints, Ints, Ints]:
    """Return when each ticket opens, is closed and has its first handling ended with unlimited agents.

    Questions (chases) and tickets that were never opened stay at NEVER, but for reopened ones, which follow their
    parents here.
    """
    stretch = np.array([_least_stretch(desk, queue) for queue in range(len(desk.queues))])
    handle = np.maximum(demand.leg_handle_ms * stretch[demand.leg_queue] // 1000, 1)
    cum = np.concatenate([[0], np.cumsum(handle + demand.leg_pause_ms)])
    span = cum[demand.legs_from[1:]] - cum[demand.legs_from[:-1]]
    first = handle[demand.legs_from[:-1]]
    opened = np.where(demand.parent < 0, outcome.opened_ms, NEVER)
    closed = later(opened, span)
    reopened = np.flatnonzero(demand.kind == REOPEN)
    # Children have larger rows than their parents, generation by generation.
    while len(reopened):
        ready = closed[demand.parent[reopened]] < NEVER
        now = reopened[ready]
        opened[now] = closed[demand.parent[now]] + demand.after_ms[now]
        closed[now] = opened[now] + span[now]
        if not ready.any():
            break
        reopened = reopened[~ready]
    return opened, closed, later(opened, first)


def _least_stretch(desk: Desk, queue: int) -> int:
    """Return the stretch, per mille, of an agent who holds this one ticket: the least over the teams that take it."""
    return min(desk.stretch_permille[t][0] for t in range(len(desk.teams)) if desk.ranks[t][queue] >= 0)
