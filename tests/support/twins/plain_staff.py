"""The sentences of *Staff* (sim/README.md) in plain Python: who is there at one instant, asked of one agent at a time.

Nothing is summed up or sorted here: each question looks through an agent's turns. It is slow, and as short as the
sentences that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

import numpy as np

from sim.core.clock import DAY_MS, HOUR_MS, WEEK_MS
from sim.numerics.streams import Streams
from sim.scenario import Scenario
from sim.staffing.people import Called
from sim.staffing.roster import Extra
from sim.staffing.skills import AWAY, IN_BREAK, ON_DUTY

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
TRAINED = 10**6


@dataclass(frozen=True)
class PlainTurn:
    """A turn from begin to end, and the number that its draws carry: four times its date, and which of that date."""

    begin_ms: int
    end_ms: int
    date: int


@dataclass(frozen=True)
class Person:
    """One agent: his name, his team, his turns, and when he joined and learned."""

    name: str
    ordinal: int
    team: str
    turns: list[PlainTurn]
    joins_ms: int = 0
    training_ms: int = 0
    productivity: int = TRAINED
    called: bool = False


class PlainStaff:
    """Everybody of a scenario, in the order of teams, and of each its shifts or posts, its hires, its surges."""

    def __init__(self, scenario: Scenario, extra: Extra, streams: Streams | None) -> None:
        self.scenario, self.extra, self.streams = scenario, extra, streams
        self.horizon_ms = (scenario.warmup_days + scenario.days) * DAY_MS
        self.people = [person for team in scenario.teams for person in self._team(team)]

    def _team(self, team: str) -> list[Person]:
        scenario = self.scenario
        people = [
            Person(f"agent {team} {post}", ordinal, team, turns)
            for post, agents, turns in self._posts(scenario.teams[team].agents)
            for ordinal in range(agents)
        ]
        for name, hire in scenario.hires.items():
            for post, agents, turns in self._posts(hire.agents) if hire.team == team else ():
                for ordinal in range(agents):
                    joins = scenario.warmup_days * DAY_MS + hire.at + hire.over * ordinal // agents
                    productivity = round(hire.training_productivity * TRAINED)
                    full = f"agent {team} hire {name} {post}"
                    people.append(Person(full, ordinal, team, turns, joins, hire.training, productivity))
        for number, one in enumerate(one for one in self.extra.surges if one.team == team):
            people += self._called(one, f"agent {team} called {number}")
        return people

    @staticmethod
    def _called(one: Called, name: str) -> list[Person]:
        stay = [PlainTurn(one.begin_ms, one.end_ms, 0)]
        return [Person(name, n, one.team, stay, one.begin_ms, called=True) for n in range(one.agents)]

    def _posts(self, agents: int | dict[str, int]) -> list[tuple[str, int, list[PlainTurn]]]:
        days = range(-2, self.horizon_ms // DAY_MS + 2)
        first = self.scenario.start.toordinal()
        if isinstance(agents, int):
            third = 8 * HOUR_MS
            begins = [(day, part, day * DAY_MS + part * third) for day in days for part in range(3)]
            dated = [PlainTurn(begin, begin + third, 4 * (first + day) + part) for day, part, begin in begins]
            return [("post", agents, dated)]
        posts = []
        for name, n in agents.items():
            shift = self.scenario.shifts[name]
            turns = [
                PlainTurn(day * DAY_MS + shift.start, day * DAY_MS + shift.start + shift.length, 4 * (first + day))
                for day in days
                if not shift.days or WEEKDAYS[(self.scenario.start + timedelta(days=day)).weekday()] in shift.days
            ]
            posts.append((f"shift {name}", n, turns))
        return posts

    def shares(self, team: str) -> tuple[float, float, int | None]:
        """Return a team's share of absence, its share of breaks, and the number of blocks if one is said."""
        own, all_teams = self.scenario.teams[team], self.scenario.staffing
        blocks = all_teams.break_blocks if own.break_blocks is None else own.break_blocks
        shrinkage, absence, breaks = all_teams.shrinkage, all_teams.absence, all_teams.breaks
        if own.shrinkage is not None:
            shrinkage, absence, breaks = own.shrinkage, None, None
        if own.absence is not None or own.breaks is not None:
            shrinkage = None
            absence = absence if own.absence is None else own.absence
            breaks = breaks if own.breaks is None else own.breaks
        if shrinkage is not None:
            return shrinkage / 3, 1.0 - (1.0 - shrinkage) / (1.0 - shrinkage / 3), blocks
        return absence or 0.0, breaks or 0.0, blocks

    def _mark(self, name: str, purpose: str, ordinal: int) -> float:
        assert self.streams is not None
        return float(self.streams.uniforms(name, purpose, np.array([ordinal]))[0])

    def stays(self, person: Person, at_ms: int) -> bool:
        """Whether he has not quit: an agent with mark u is there in week w iff u < staying(w)."""
        staying = self.extra.staying.get(person.team)
        if person.called or staying is None or self.streams is None or at_ms < self.extra.from_ms:
            return True
        week = min((at_ms - self.extra.from_ms) // WEEK_MS, len(staying) - 1)
        return self._mark(person.name, "quits", person.ordinal) < staying[week]

    def turn_at(self, person: Person, at_ms: int) -> PlainTurn | None:
        """Return the turn that he is paid for at an instant: joined, and not quit."""
        if at_ms < person.joins_ms or not self.stays(person, at_ms):
            return None
        return next((turn for turn in person.turns if turn.begin_ms <= at_ms < turn.end_ms), None)

    def duty(self, person: Person, at_ms: int) -> int:
        """Return what an agent is at an instant."""
        turn = self.turn_at(person, at_ms)
        absence, breaks, blocks = self.shares(person.team)
        if turn is None or self.productivity(person, at_ms) == 0:
            return AWAY
        if self.streams is not None and not person.called and absence > 0:
            draw = person.ordinal * 2**22 + turn.date
            if self._mark(person.name, "absent", draw) < absence:
                return AWAY
        for begin_ms, end_ms in blocks_of(turn, breaks, blocks, person.ordinal):
            if begin_ms <= at_ms < end_ms:
                return IN_BREAK
        return ON_DUTY

    @staticmethod
    def productivity(person: Person, at_ms: int) -> int:
        """Return the millionths of a trained agent's speed at which one works."""
        learns = person.joins_ms <= at_ms < person.joins_ms + person.training_ms
        return person.productivity if learns else TRAINED

    def instants(self, person: Person) -> list[int]:
        """Return every instant of the run at which anything of an agent may change, and the one before each."""
        _, breaks, blocks = self.shares(person.team)
        at = {0, person.joins_ms, person.joins_ms + person.training_ms}
        at |= {self.extra.from_ms + week * WEEK_MS for week in range(self.horizon_ms // WEEK_MS + 1)}
        for turn in person.turns:
            at |= {turn.begin_ms, turn.end_ms}
            at |= {one for block in blocks_of(turn, breaks, blocks, person.ordinal) for one in block}
        return sorted(t for one in at for t in (one - 1, one) if 0 <= t < self.horizon_ms)

    def integral(self, person: Person, is_true: Callable[[Person, int], bool], from_ms: int, to_ms: int) -> int:
        """Return for how many milliseconds of [from, to) something holds that changes at his instants alone."""
        at = [from_ms, *(t for t in self.instants(person) if from_ms < t < to_ms), to_ms]
        return sum(b - a for a, b in pairwise(at) if is_true(person, a))


def blocks_of(turn: PlainTurn, share: float, blocks: int | None, ordinal: int) -> list[tuple[int, int]]:
    """Return the breaks of a turn, each from when until when."""
    length = turn.end_ms - turn.begin_ms
    n = blocks if blocks is not None else max(1, length // (2 * HOUR_MS))
    one = round(share * length) // n
    offset = ((ordinal * 2654435769) % 2**32) * (length // n - one) // 2**32
    begins = [turn.begin_ms + j * length // n + offset for j in range(n)]
    return [(begin, begin + one) for begin in begins]
