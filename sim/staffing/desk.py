"""Agents over time: a scenario's shifts as the plain tables that an engine reads, beside its teams' skills."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.core.arrays import Ints
from sim.core.clock import DAY_MS
from sim.scenario.schema.scenario import Scenario
from sim.staffing.roster import NO_EXTRA, Called, Extra, agents_of, heads_at
from sim.staffing.skills import Skills, skills_of


@dataclass(frozen=True)
class Desk(Skills):
    """The desk as an engine sees it: what the teams can do, and who is there when.

    ``shifts`` holds rows (time_ms, team, agents on duty), in order of time and team, the first at time 0;
    ``scheduled`` likewise who is paid, but for the agents of ``surges``, whose cost is their own. ``lost`` is by team
    how many of the agents planned for are not there at the end, since they quit.
    """

    shifts: Ints
    scheduled: Ints
    horizon_ms: int
    surges: tuple[Called, ...] = ()
    lost: tuple[float, ...] = ()

    def slots(self) -> list[tuple[Ints, Ints]]:
        """Return for each team the step function of its slots on duty: (times in ms, slots from then on)."""
        steps = []
        for team, held in enumerate(self.concurrency):
            mine = self.shifts[self.shifts[:, 1] == team]
            steps.append((mine[:, 0], mine[:, 2] * held))
        return steps


def desk_of(scenario: Scenario, extra: Extra = NO_EXTRA) -> Desk:
    """Return the desk of a scenario over its whole run, warm-up included, with what changes its shifts."""
    horizon_ms = (scenario.warmup_days + scenario.days) * DAY_MS
    rows: list[tuple[int, int, int, int]] = []
    for number, team in enumerate(scenario.teams):
        rows += [(at, number, duty, plan) for at, duty, plan in agents_of(scenario, team, extra, horizon_ms)]
    table = np.array(sorted(rows), dtype=np.int64).reshape(-1, 4)
    return Desk(
        **vars(skills_of(scenario)),
        shifts=table[:, :3],
        scheduled=table[:, [0, 1, 3]],
        horizon_ms=horizon_ms,
        surges=extra.surges,
        lost=tuple(_lost(scenario, team, extra, horizon_ms) for team in scenario.teams),
    )


def _lost(scenario: Scenario, team: str, extra: Extra, horizon_ms: int) -> float:
    if team not in extra.staying:
        return 0.0
    return heads_at(scenario, team, horizon_ms) * (1.0 - float(extra.staying[team][-1]))
