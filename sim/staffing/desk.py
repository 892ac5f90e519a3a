"""Who is there: teams, skills and shifts of a scenario as the plain tables that an engine reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.core.clock import DAY_MS
from sim.scenario.schema.routes import queue_names, served_by
from sim.scenario.schema.scenario import Scenario, Team
from sim.staffing.roster import NO_EXTRA, Called, Extra, agents_of, heads_at

LEAVE = -1
AGE_PRIORITY, AGE_QUEUE = 0, 1


@dataclass(frozen=True)
class Desk:
    """The desk as an engine sees it: queues and teams by number, skills, slots and shift changes.

    ``ranks[team][queue]`` is the team's rank of a queue (0 the preferred, -1 not skilled);
    ``prefers[queue][team]`` the queue's preference (0 the preferred). ``stretch_permille[team][k - 1]`` stretches
    the handling time of a ticket that makes the agents hold k each. ``ages[queue]`` lists (after_ms, kind, value).
    ``patience_to[queue]`` is where impatient customers go: a queue, or LEAVE. ``shifts`` holds rows
    (time_ms, team, agents on duty), in order of time and team, the first at time 0; ``scheduled`` likewise who is
    paid, but for the agents of ``surges``, whose cost is their own. ``lost`` is by team how many of the agents planned
    for are not there at the end, since they quit.
    """

    queues: tuple[str, ...]
    teams: tuple[str, ...]
    ranks: tuple[tuple[int, ...], ...]
    prefers: tuple[tuple[int, ...], ...]
    concurrency: tuple[int, ...]
    stretch_permille: tuple[tuple[int, ...], ...]
    patience_to: tuple[int, ...]
    ages: tuple[tuple[tuple[int, int, int], ...], ...]
    shifts: NDArray[np.int64]
    scheduled: NDArray[np.int64]
    cost_per_hour: tuple[float, ...]
    horizon_ms: int
    surges: tuple[Called, ...] = ()
    lost: tuple[float, ...] = ()

    def slots(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return for each team the step function of its slots on duty: (times in ms, slots from then on)."""
        steps = []
        for team, held in enumerate(self.concurrency):
            mine = self.shifts[self.shifts[:, 1] == team]
            steps.append((mine[:, 0], mine[:, 2] * held))
        return steps


def desk_of(scenario: Scenario, extra: Extra = NO_EXTRA) -> Desk:
    """Return the desk of a scenario over its whole run, warm-up included, with what changes its shifts."""
    queues, teams = queue_names(scenario), list(scenario.teams)
    horizon_ms = (scenario.warmup_days + scenario.days) * DAY_MS
    rows: list[tuple[int, int, int, int]] = []
    for number, team in enumerate(teams):
        rows += [(at, number, duty, plan) for at, duty, plan in agents_of(scenario, team, extra, horizon_ms)]
    table = np.array(sorted(rows), dtype=np.int64).reshape(-1, 4)
    return Desk(
        queues=tuple(queues),
        teams=tuple(teams),
        ranks=tuple(_ranks(team, queues) for team in scenario.teams.values()),
        prefers=tuple(_preferences(scenario, queue, teams) for queue in queues),
        concurrency=tuple(team.concurrency for team in scenario.teams.values()),
        stretch_permille=tuple(_stretch(team) for team in scenario.teams.values()),
        patience_to=tuple(_patience_to(scenario, queue, queues) for queue in queues),
        ages=tuple(_ages(scenario, queue, queues) for queue in queues),
        shifts=table[:, :3],
        scheduled=table[:, [0, 1, 3]],
        cost_per_hour=tuple(team.cost_per_hour for team in scenario.teams.values()),
        horizon_ms=horizon_ms,
        surges=extra.surges,
        lost=tuple(_lost(scenario, team, extra, horizon_ms) for team in teams),
    )


def _lost(scenario: Scenario, team: str, extra: Extra, horizon_ms: int) -> float:
    if team not in extra.staying:
        return 0.0
    return heads_at(scenario, team, horizon_ms) * (1.0 - float(extra.staying[team][-1]))


def _ranks(team: Team, queues: list[str]) -> tuple[int, ...]:
    ranks = [-1] * len(queues)
    for rank, equals in enumerate(served_by(team)):
        for queue in equals:
            ranks[queues.index(queue)] = rank
    return tuple(ranks)


def _preferences(scenario: Scenario, queue: str, teams: list[str]) -> tuple[int, ...]:
    listed = scenario.queues[queue].prefers if queue in scenario.queues else []
    return tuple(listed.index(team) if team in listed else len(listed) for team in teams)


def _stretch(team: Team) -> tuple[int, ...]:
    factors = team.stretch if len(team.stretch) == team.concurrency else team.stretch * team.concurrency
    return tuple(round(factor * 1000) for factor in factors)


def _patience_to(scenario: Scenario, queue: str, queues: list[str]) -> int:
    then = scenario.queues[queue].then if queue in scenario.queues else "leave"
    return LEAVE if then == "leave" else queues.index(then)


def _ages(scenario: Scenario, queue: str, queues: list[str]) -> tuple[tuple[int, int, int], ...]:
    if queue not in scenario.queues:
        return ()
    rules = []
    for age in scenario.queues[queue].age:
        if age.to is not None:
            rules.append((age.after, AGE_QUEUE, queues.index(age.to)))
        elif age.priority is not None:
            rules.append((age.after, AGE_PRIORITY, age.priority))
    return tuple(rules)
