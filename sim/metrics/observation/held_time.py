"""The time that agents hold tickets, by team and queue: on duty, in breaks, and when they are away; and overtime.

Overtime is an agent's whole time with a ticket in hand while he is away, however many he holds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sim.core.arrays import Ints
from sim.core.clock import DAY_MS
from sim.core.jit import compiled
from sim.staffing.skills import AWAY


class Held(NamedTuple):
    """The columns of legs that say who held them, of which queue, and when; ``agent`` is -1 where nobody did."""

    start_ms: Ints
    end_ms: Ints
    queue: Ints
    agent: Ints


class Duty(NamedTuple):
    """When agents change: those of agent a stand from first[a] to first[a + 1]; before his first he is away."""

    team: Ints
    first: Ints
    at_ms: Ints
    duty: Ints


def held_time(held: Held, duty: Duty, shape: tuple[int, int], from_ms: int, to_ms: int) -> tuple[Ints, Ints]:
    """Return the ms that tickets are held within [from, to), by duty, team and queue, and by team the overtime in ms.

    ``shape`` is the number of teams and of queues.
    """
    teams, queues = shape
    by_duty, agent, begin, end = _held(held, duty, teams, queues, from_ms, to_ms)
    order = np.lexsort((begin, agent))
    return by_duty, _union(agent[order], begin[order], end[order], duty.team, teams)


@compiled
def _held(held: Held, duty: Duty, teams: int, queues: int, from_ms: int, to_ms: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Return the time held by duty, team and queue, and (agent, begin, end) of each piece held while away."""
    by_duty = np.zeros((3, teams, queues), np.int64)
    latest = _by_day(duty, to_ms)
    room, n = 16, 0
    pieces = np.empty((3, room), np.int64)
    for leg in range(len(held.agent)):
        agent = held.agent[leg]
        at, end = max(held.start_ms[leg], from_ms), min(held.end_ms[leg], to_ms)
        if agent < 0 or at >= end:
            continue
        first, last = duty.first[agent], duty.first[agent + 1]
        step = latest[agent, at // DAY_MS]
        while step + 1 < last and duty.at_ms[step + 1] <= at:
            step += 1
        while at < end:
            is_now = duty.duty[step] if step >= first else AWAY
            until = min(duty.at_ms[step + 1], end) if step + 1 < last else end
            by_duty[is_now, duty.team[agent], held.queue[leg]] += until - at
            if is_now == AWAY:
                if n == room:
                    room *= 2
                    larger = np.empty((3, room), np.int64)
                    larger[:, :n] = pieces
                    pieces = larger
                pieces[0, n], pieces[1, n], pieces[2, n] = agent, at, until
                n += 1
            at, step = until, step + 1
    return by_duty, pieces[0, :n], pieces[1, :n], pieces[2, :n]


@compiled
def _by_day(duty: Duty, to_ms: int) -> Ints:
    """Return by agent and day the last change before the day, or the number before his first one."""
    agents, days = len(duty.team), to_ms // DAY_MS + 1
    latest = np.empty((agents, days), np.int64)
    for agent in range(agents):
        step, last = duty.first[agent] - 1, duty.first[agent + 1]
        for day in range(days):
            while step + 1 < last and duty.at_ms[step + 1] < day * DAY_MS:
                step += 1
            latest[agent, day] = step
    return latest


@compiled
def _union(agent: Ints, begin: Ints, end: Ints, team: Ints, teams: int) -> Ints:
    """Return by team the time that pieces cover, those of one agent together; they stand by agent and beginning."""
    covered = np.zeros(teams, np.int64)
    reached = 0
    for i in range(len(agent)):
        if i == 0 or agent[i] != agent[i - 1]:
            reached = begin[i]
        covered[team[agent[i]]] += max(end[i] - max(begin[i], reached), 0)
        reached = max(reached, end[i])
    return covered
