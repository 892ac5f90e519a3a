"""The people of a scenario: every agent by name, his turns, and who of them are called in, learn, or may quit.

An agent is (team, hire or none, shift or post, ordinal): a number added to a shift is one more ordinal, and nobody
else's turns or draws change. Agents around the clock are posts, always on duty, in turns of 8 h.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np

from sim.core.arrays import Ints
from sim.core.clock import DAY_MS, HOUR_MS
from sim.scenario.schema.policy import Hire
from sim.scenario.schema.scenario import WEEKDAYS, Scenario, Shift

_POST_TURN_MS = 8 * HOUR_MS


class Called(NamedTuple):
    """Agents of a surge: their team, when they are there, how many, and the cost of one, US dollars per hour."""

    team: str
    begin_ms: int
    end_ms: int
    agents: int
    cost_per_hour: float


class Turn(NamedTuple):
    """A turn: when it begins and ends, the date on which it begins (as ``date.toordinal``), and which of that date."""

    begin_ms: int
    end_ms: int
    date: int
    part: int = 0


@dataclass(frozen=True)
class Group:
    """Agents of one name but for the ordinal: those of a team, or of one of its hires, who take the same turns.

    ``joins_ms`` is by ordinal when each joins, 0 for those who were there before; for ``training_ms`` from then on he
    works ``productivity`` millionths as fast as a trained one. Who is called in is never absent and does not quit.
    """

    team: int
    name: str
    turns: tuple[Turn, ...]
    joins_ms: tuple[int, ...]
    training_ms: int = 0
    productivity: int = 10**6
    called: bool = False

    def joined(self, at_ms: int) -> int:
        """Return how many have joined by a time."""
        return sum(joins <= at_ms for joins in self.joins_ms)


def groups_of(scenario: Scenario, horizon_ms: int, called: tuple[Called, ...] = ()) -> list[Group]:
    """Return the agents of all teams: of each team in the order of its shifts, then its hires, then who is called."""
    groups: list[Group] = []
    teams = list(scenario.teams)
    for number, team in enumerate(teams):
        for name, agents, turns in _posts(scenario, scenario.teams[team].agents, horizon_ms):
            groups.append(Group(number, f"{team} {name}", turns, (0,) * agents))
        for hire_name, hire in scenario.hires.items():
            if hire.team == team:
                groups += _hired(scenario, number, f"{team} hire {hire_name}", hire, horizon_ms)
        for i, one in enumerate(one for one in called if one.team == team):
            turn = Turn(one.begin_ms, one.end_ms, 0)
            groups.append(Group(number, f"{team} called {i}", (turn,), (one.begin_ms,) * one.agents, called=True))
    return groups


def turns_of(shift: Shift, start: date, horizon_ms: int) -> tuple[Turn, ...]:
    """Return every turn of a shift that touches the run, whole, though it may begin before it."""
    turns = []
    for day in range(-shift.length // DAY_MS, horizon_ms // DAY_MS):
        begin = day * DAY_MS + shift.start
        on = not shift.days or WEEKDAYS[(start.weekday() + day) % 7] in shift.days
        if on and begin + shift.length > 0:
            turns.append(Turn(begin, begin + shift.length, start.toordinal() + day))
    return tuple(turns)


def stays_of(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """Return turns, in order of time, of which those that adjoin are one: around the clock there is a single one."""
    stays: list[Turn] = []
    for turn in turns:
        if stays and stays[-1].end_ms == turn.begin_ms:
            stays[-1] = stays[-1]._replace(end_ms=turn.end_ms)
        else:
            stays.append(turn)
    return tuple(stays)


def _hired(scenario: Scenario, team: int, name: str, hire: Hire, horizon_ms: int) -> Iterator[Group]:
    begin = scenario.warmup_days * DAY_MS + hire.at
    for post, agents, turns in _posts(scenario, hire.agents, horizon_ms):
        joins = tuple(begin + hire.over * number // agents for number in range(agents))  # evenly over a time
        productivity = round(hire.training_productivity * 10**6)
        yield Group(team, f"{name} {post}", turns, joins, hire.training, productivity)


def _posts(
    scenario: Scenario, agents: int | dict[str, int], horizon_ms: int
) -> Iterator[tuple[str, int, tuple[Turn, ...]]]:
    """Yield the agents of each shift, with its name and turns; or the posts around the clock."""
    if not isinstance(agents, int):
        for name, n in agents.items():
            yield f"shift {name}", n, turns_of(scenario.shifts[name], scenario.start, horizon_ms)
        return
    first = scenario.start.toordinal()
    begins = np.arange(0, horizon_ms, _POST_TURN_MS).tolist()
    turns = (Turn(at, at + _POST_TURN_MS, first + at // DAY_MS, at % DAY_MS // _POST_TURN_MS) for at in begins)
    yield "post", agents, tuple(turns)


def break_blocks(turn_ms: int, share: float, blocks: int | None, ordinal: Ints) -> tuple[Ints, int]:
    """Return where the breaks of a turn begin, from its beginning, by ordinal and block, and how long each is, ms.

    A share of the turn is n blocks, one for each two hours unless said, that follow at equal distances; the ordinal
    moves them, by the golden ratio, so that colleagues' breaks are spread evenly.
    """
    n = blocks or max(1, turn_ms // (2 * HOUR_MS))
    length = round(share * turn_ms) // n
    offset = (ordinal * 2654435769 % 2**32) * (turn_ms // n - length) // 2**32
    return offset[:, None] + np.arange(n) * turn_ms // n, length
