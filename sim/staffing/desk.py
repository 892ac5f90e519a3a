"""Agents over time: a scenario's people as the plain tables that an engine reads, beside its teams' skills."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.core.arrays import Ints, Mask
from sim.core.lazy import lazy_property
from sim.numerics.streams import Streams
from sim.staffing.people import Called
from sim.staffing.roster import Roster
from sim.staffing.skills import ON_DUTY, Skills


@dataclass(frozen=True)
class Desk(Skills):
    """The desk as an engine sees it: what the teams can do, and who is there when.

    ``agent_team`` is by agent his team. ``changes`` holds rows (time_ms, agent, duty, productivity), in order of time
    and agent: from then on he is AWAY, ON_DUTY or IN_BREAK, and works this many millionths as fast as a trained one;
    before his first he is away. ``scheduled`` holds rows (time_ms, team, agents paid), in order of time and team, but
    for the agents of ``surges``, whose cost is their own. ``lost`` is by team how many of the agents planned for are
    not there at the end, since they quit.
    """

    agent_team: Ints
    changes: Ints
    scheduled: Ints
    horizon_ms: int
    surges: tuple[Called, ...] = ()
    lost: tuple[float, ...] = ()

    @lazy_property
    def by_agent(self) -> tuple[Ints, Ints]:
        """The rows of ``changes`` in order of agent and time, and where each agent's begin (and the last one's end)."""
        rows = self.changes[np.lexsort((np.arange(len(self.changes)), self.changes[:, 0], self.changes[:, 1]))]
        return rows, np.searchsorted(rows[:, 1], np.arange(len(self.agent_team) + 1))

    def duty_ms(self, from_ms: int, to_ms: int) -> list[int]:
        """Return by team the time that its agents are on duty within [from, to)."""
        rows, _ = self.by_agent
        last = np.append(rows[1:, 1] != rows[:-1, 1], True) if len(rows) else np.zeros(0, dtype=bool)
        until = np.minimum(np.where(last, to_ms, np.append(rows[1:, 0], to_ms)[: len(rows)]), to_ms)
        there = np.maximum(until - np.maximum(rows[:, 0], from_ms), 0) * (rows[:, 2] == ON_DUTY)
        total = np.zeros(len(self.teams), dtype=np.int64)
        np.add.at(total, self.agent_team[rows[:, 1]], there)
        return total.tolist()

    def on_duty(self) -> list[tuple[Ints, Ints]]:
        """Return for each team the step function of its agents on duty: (times in ms, agents from then on)."""
        rows, _ = self.by_agent
        there = (rows[:, 2] == ON_DUTY).astype(np.int64)
        same = np.append(False, rows[1:, 1] == rows[:-1, 1])[: len(rows)]
        change = there - np.where(same, np.append(0, there[:-1])[: len(rows)], 0)
        return [_sum(rows[mine, 0], change[mine]) for mine in self._of_teams(rows)]

    def _of_teams(self, rows: Ints) -> list[Mask]:
        team = self.agent_team[rows[:, 1]]
        return [team == number for number in range(len(self.teams))]


def _sum(times_ms: Ints, changes: Ints) -> tuple[Ints, Ints]:
    """Return the step function that is 0 at first and changes at these times: (times, from 0 on; values)."""
    times, at = np.unique(np.append(0, times_ms), return_inverse=True)
    steps = np.zeros(len(times), dtype=np.int64)
    np.add.at(steps, at[1:], changes)
    return times, np.cumsum(steps)


def desk_of(roster: Roster, skills: Skills, surges: tuple[Called, ...] = (), streams: Streams | None = None) -> Desk:
    """Return the desk of one replication: who is absent and who has quit in it; without ``streams`` nobody."""
    paid, worked = roster.there(streams)
    return Desk(
        **vars(skills),
        agent_team=roster.agent_team,
        changes=roster.changes(worked),
        scheduled=roster.steps(paid),
        horizon_ms=roster.horizon_ms,
        surges=surges,
        lost=roster.lost(streams),
    )
