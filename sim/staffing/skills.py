"""The skills of a scenario's teams, by number: queues, ranks, chats at once; the same in every replication."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.core.arrays import Floats, Ints
from sim.core.clock import HOUR_MS, NEVER
from sim.scenario.schema.routes import queue_names, served_by
from sim.scenario.schema.scenario import Scenario, Team

LEAVE = -1
ENDLESS = NEVER
"""More places than anybody takes."""
AWAY, ON_DUTY, IN_BREAK = range(3)
"""What an agent is, at a time."""
WORK_UNITS = 10**6
"""Units of work in a millisecond of handling time: what an agent with one ticket in hand does in one."""
AGE_PRIORITY, AGE_QUEUE = 0, 1


@dataclass(frozen=True)
class Skills:
    """Queues and teams by number, and who can take what.

    ``ranks[team][queue]`` is the team's rank of a queue (0 the preferred, -1 not skilled);
    ``prefers[queue][team]`` the queue's preference (0 the preferred). ``concurrency[team][queue]`` is how many tickets
    an agent may hold who holds one of that queue (1 where he is not skilled). ``stretch_ppm[team][k - 1]``, at least
    a million and never falling, is how many times as long each takes while he holds k. ``ages[queue]`` lists
    (after_ms, kind, value). ``patience_to[queue]`` is where impatient customers go: a queue, or LEAVE.
    ``places[queue]`` is how many may wait in it, ENDLESS for any number.
    """

    queues: tuple[str, ...]
    teams: tuple[str, ...]
    ranks: tuple[tuple[int, ...], ...]
    prefers: tuple[tuple[int, ...], ...]
    concurrency: tuple[tuple[int, ...], ...]
    stretch_ppm: tuple[tuple[int, ...], ...]
    patience_to: tuple[int, ...]
    places: tuple[int, ...]
    ages: tuple[tuple[tuple[int, int, int], ...], ...]
    cost_per_hour: tuple[float, ...]

    @property
    def home_team(self) -> Ints:
        """By queue, the team that its tickets count for: the first that would take from it."""
        homes = []
        for queue, prefers in enumerate(self.prefers):
            skilled = [team for team in range(len(self.teams)) if self.ranks[team][queue] >= 0]
            homes.append(min(skilled, key=lambda team: (self.ranks[team][queue], prefers[team], team)))
        return np.array(homes, dtype=np.int64)

    @property
    def leads_to(self) -> tuple[frozenset[int], ...]:
        """By queue, those that a long wait may lead to from it, at once or in the end."""
        next_to = [{value for _, kind, value in ages if kind == AGE_QUEUE} for ages in self.ages]
        for queue, to in enumerate(self.patience_to):
            next_to[queue] |= {to} - {LEAVE}
        led = [set(one) for one in next_to]
        for _ in self.queues:
            led = [one.union(*(next_to[queue] for queue in one)) for one in led]
        return tuple(frozenset(one) for one in led)

    @property
    def most(self) -> tuple[int, ...]:
        """By team, how many tickets one of its agents may hold at most."""
        return tuple(max(mine) for mine in self.concurrency)

    @property
    def speeds(self) -> tuple[tuple[int, ...], ...]:
        """By team and number of tickets in hand, from 1, the units of work that each of them loses in a ms."""
        return tuple(tuple(max(1, WORK_UNITS**2 // ppm) for ppm in stretch) for stretch in self.stretch_ppm)

    @property
    def agents_per_work(self) -> Floats:
        """By team and queue, the agents that an hour needs for each ms of work that arrives in it, with full hands."""
        stretch = [[mine[c - 1] for c in held] for mine, held in zip(self.stretch_ppm, self.concurrency, strict=True)]
        return np.array(stretch) / 1e6 / np.array(self.concurrency) / HOUR_MS


def skills_of(scenario: Scenario) -> Skills:
    """Return what the teams of a scenario can do."""
    queues, teams = queue_names(scenario), list(scenario.teams)
    return Skills(
        queues=tuple(queues),
        teams=tuple(teams),
        ranks=tuple(_ranks(team, queues) for team in scenario.teams.values()),
        prefers=tuple(_preferences(scenario, queue, teams) for queue in queues),
        concurrency=tuple(_concurrency(team, queues) for team in scenario.teams.values()),
        stretch_ppm=tuple(_stretch(team, queues) for team in scenario.teams.values()),
        patience_to=tuple(_patience_to(scenario, queue, queues) for queue in queues),
        places=tuple(_places(scenario, queue) for queue in queues),
        ages=tuple(_ages(scenario, queue, queues) for queue in queues),
        cost_per_hour=tuple(team.cost_per_hour for team in scenario.teams.values()),
    )


def _ranks(team: Team, queues: list[str]) -> tuple[int, ...]:
    ranks = [-1] * len(queues)
    for rank, equals in enumerate(served_by(team)):
        for queue in equals:
            ranks[queues.index(queue)] = rank
    return tuple(ranks)


def _preferences(scenario: Scenario, queue: str, teams: list[str]) -> tuple[int, ...]:
    listed = scenario.queues[queue].prefers if queue in scenario.queues else []
    return tuple(listed.index(team) if team in listed else len(listed) for team in teams)


def _concurrency(team: Team, queues: list[str]) -> tuple[int, ...]:
    """Return by queue how many tickets an agent may hold who holds one of it; 1 where nothing is said."""
    served = {queue for equals in served_by(team) for queue in equals}
    if isinstance(team.concurrency, int):
        return tuple(team.concurrency if queue in served else 1 for queue in queues)
    return tuple(team.concurrency.get(queue, 1) if queue in served else 1 for queue in queues)


def _stretch(team: Team, queues: list[str]) -> tuple[int, ...]:
    most = max(_concurrency(team, queues))
    factors = team.stretch if len(team.stretch) == most else team.stretch * most
    return tuple(round(factor * WORK_UNITS) for factor in factors)


def _patience_to(scenario: Scenario, queue: str, queues: list[str]) -> int:
    then = scenario.queues[queue].then if queue in scenario.queues else "leave"
    return LEAVE if then == "leave" else queues.index(then)


def _places(scenario: Scenario, queue: str) -> int:
    places = scenario.queues[queue].places if queue in scenario.queues else None
    return ENDLESS if places is None else places


def _ages(scenario: Scenario, queue: str, queues: list[str]) -> tuple[tuple[int, int, int], ...]:
    if queue not in scenario.queues:
        return ()
    ages = []
    for age in scenario.queues[queue].age:
        if age.to is not None:
            ages.append((age.after, AGE_QUEUE, queues.index(age.to)))
        elif age.priority is not None:
            ages.append((age.after, AGE_PRIORITY, age.priority))
    return tuple(ages)
