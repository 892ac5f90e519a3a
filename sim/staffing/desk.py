"""Agents over time: a scenario's people as the plain tables that an engine reads, beside its teams' skills."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.core.arrays import Ints
from sim.core.clock import HOUR_MS
from sim.core.jit import compiled
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
        few = len(self.agent_team) < 1 << 15  # then the sort goes by digits
        rows = self.changes[np.argsort(self.changes[:, 1].astype(np.int16 if few else np.int64), kind="stable")]
        return rows, np.searchsorted(rows[:, 1], np.arange(len(self.agent_team) + 1))

    @lazy_property
    def duty_ms_by_hour(self) -> Ints:
        """By team and hour of the run, the last one whole, the time that its agents are on duty, ms."""
        rows, _ = self.by_agent
        return _duty_by_hour(rows, self.agent_team, len(self.teams), self.horizon_ms)

    def duty_ms(self, from_ms: int, to_ms: int) -> list[int]:
        """Return by team the time that its agents are on duty within [from, to), two whole hours of the run."""
        return self.duty_ms_by_hour[:, from_ms // HOUR_MS : to_ms // HOUR_MS].sum(axis=1).tolist()


@compiled
def _duty_by_hour(rows: Ints, agent_team: Ints, teams: int, horizon_ms: int) -> Ints:
    by_hour = np.zeros((teams, -(-horizon_ms // HOUR_MS)), np.int64)
    for i in range(len(rows)):
        if rows[i, 2] != ON_DUTY:
            continue
        last = i + 1 == len(rows) or rows[i + 1, 1] != rows[i, 1]
        at, end = rows[i, 0], horizon_ms if last else min(rows[i + 1, 0], horizon_ms)
        while at < end:
            until = min((at // HOUR_MS + 1) * HOUR_MS, end)
            by_hour[agent_team[rows[i, 1]], at // HOUR_MS] += until - at
            at = until
    return by_hour


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
