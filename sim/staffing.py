"""Who is there: teams, skills and shifts of a scenario as the plain tables that an engine reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from sim.clock import DAY_MS
from sim.scenario.model import Scenario, Shift, Team
from sim.scenario.rules import queue_names, served_by

LEAVE = -1
AGE_PRIORITY, AGE_QUEUE = 0, 1
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Desk:
    """The desk as an engine sees it: queues and teams by number, skills, slots and shift changes.

    ``ranks[team][queue]`` is the team's rank of a queue (0 the preferred, -1 not skilled);
    ``prefers[queue][team]`` the queue's preference (0 the preferred). ``stretch_permille[team][k - 1]`` stretches
    the handling time of a ticket that makes the agents hold k each. ``ages[queue]`` lists (after_ms, kind, value).
    ``patience_to[queue]`` is where impatient customers go: a queue, or LEAVE. ``shifts`` holds rows
    (time_ms, team, agents on duty), in order of time and team, the first at time 0.
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

    def slots(self) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return for each team the step function of its slots on duty: (times in ms, slots from then on)."""
        steps = []
        for team, held in enumerate(self.concurrency):
            mine = self.shifts[self.shifts[:, 1] == team]
            steps.append((mine[:, 0], mine[:, 2] * held))
        return steps


def desk_of(scenario: Scenario) -> Desk:
    """Return the desk of a scenario over its whole run, warm-up included."""
    queues, teams = queue_names(scenario), list(scenario.teams)
    horizon_ms = (scenario.warmup_days + scenario.days) * DAY_MS
    rows: list[tuple[int, int, int, int]] = []
    for number, team in enumerate(scenario.teams.values()):
        rows += [(at, number, duty, plan) for at, duty, plan in _agents(scenario, team, horizon_ms)]
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
    )


def on_duty(scheduled: int, shrinkage: float) -> int:
    """Return the agents on duty out of those scheduled: the nearest whole number, halves up."""
    return int(scheduled * (1.0 - shrinkage) + 0.5)


def _agents(scenario: Scenario, team: Team, horizon_ms: int) -> list[tuple[int, int, int]]:
    """Return one team's (time_ms, agents on duty, agents scheduled) at each change, the first at time 0."""
    if isinstance(team.agents, int):
        changes = {0: team.agents}
    else:
        changes = {0: 0}
        for name, agents in team.agents.items():
            for begin, end in _times(scenario.shifts[name], scenario.start, horizon_ms):
                changes[begin] = changes.get(begin, 0) + agents
                changes[end] = changes.get(end, 0) - agents
        level, running = 0, {}
        for at in sorted(changes):
            level += changes[at]
            running[at] = level
        changes = running
    shrinkage = scenario.staffing.shrinkage
    return [(at, on_duty(n, shrinkage), n) for at, n in sorted(changes.items()) if at < horizon_ms]


def _times(shift: Shift, start: date, horizon_ms: int) -> list[tuple[int, int]]:
    """Return (begin, end) of every turn of a shift that touches the run, clipped to its beginning."""
    turns = []
    for day in range(-shift.length // DAY_MS, horizon_ms // DAY_MS):
        if shift.days and _DAYS[(start.weekday() + day) % 7] not in shift.days:
            continue
        begin = day * DAY_MS + shift.start
        if begin + shift.length > 0:
            turns.append((max(begin, 0), begin + shift.length))
    return turns


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
