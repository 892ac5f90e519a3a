"""The agents of a team who are paid and who work at any time: shifts, hires, surges, and those who quit.

Whole people on the payroll, fractions in between: an agent in training works as a fraction of a trained one, and of
each kind the part that has not quit is there, in expectation. Only the sums are rounded, halves up: who is paid to
whole agents, who works, after shrinkage, to whole agents on duty. A surge's agents are on duty like any others but
are paid apart, and do not quit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats
from sim.core.clock import DAY_MS
from sim.scenario.schema.policy import Attrition
from sim.scenario.schema.scenario import Scenario, Shift

WEEK_MS = 7 * DAY_MS
_YEAR_MS = 365 * DAY_MS
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Turns = list[tuple[int, int]]


@dataclass(frozen=True)
class Kind:
    """Agents of a team who work alike: the work of one of them, and (begin, end, agents) of each of their turns."""

    productivity: float
    turns: list[tuple[int, int, int]]


class Called(NamedTuple):
    """Agents of a surge: their team, when they are there, how many, and the cost of one, US dollars per hour."""

    team: str
    begin_ms: int
    end_ms: int
    agents: int
    cost_per_hour: float


@dataclass(frozen=True)
class Extra:
    """What changes a scenario's shifts: surges, and the share of the agents who stay.

    ``staying`` has, by team, the share of its agents who have not quit: in week 0, which begins at ``from_ms``, in
    week 1, and so on; a team without it keeps all.
    """

    surges: tuple[Called, ...] = ()
    staying: dict[str, Floats] = field(default_factory=dict)
    from_ms: int = 0


NO_EXTRA = Extra()


def on_duty(scheduled: float, shrinkage: float) -> int:
    """Return the agents on duty out of those scheduled: the nearest whole number, halves up."""
    return int(scheduled * (1.0 - shrinkage) + 0.5)


def agents_of(scenario: Scenario, team: str, extra: Extra, horizon_ms: int) -> list[tuple[int, int, int]]:
    """Return one team's (time_ms, agents on duty, agents paid) at each change, the first at time 0."""
    staying = extra.staying.get(team)
    surges = [(one.begin_ms, one.end_ms, one.agents) for one in extra.surges if one.team == team]
    kinds = [*kinds_of(scenario, team, horizon_ms), Kind(1.0, surges)]
    times = {0} | {at for kind in kinds for begin, end, _ in kind.turns for at in (begin, end)}
    if staying is not None:
        times |= {extra.from_ms + week * WEEK_MS for week in range(len(staying))}
    at = np.array(sorted(time for time in times if time < horizon_ms), dtype=np.int64)
    *own, called = [_there(kind.turns, at) for kind in kinds]
    paid = np.sum(own, axis=0)
    work = np.sum([kind.productivity * there for kind, there in zip(kinds, own, strict=False)], axis=0)
    if staying is not None:
        week = np.clip((at - extra.from_ms) // WEEK_MS, 0, len(staying) - 1)
        paid, work = paid * staying[week], work * staying[week]
    shrinkage = scenario.staffing.shrinkage
    rows = zip(at.tolist(), (work + called).tolist(), paid.tolist(), strict=True)
    return [(time, on_duty(n, shrinkage), int(scheduled + 0.5)) for time, n, scheduled in rows]


def kinds_of(scenario: Scenario, team: str, horizon_ms: int) -> list[Kind]:
    """Return a team's agents before anybody quits: the trained, and those of each hire while in training."""
    trained = [turn for agents, turns in _posts(scenario, scenario.teams[team].agents, horizon_ms)
               for turn in _with(turns, 0, horizon_ms, agents)]  # fmt: skip
    kinds = [Kind(1.0, trained)]
    for hire in scenario.hires.values():
        if hire.team != team:
            continue
        begin = scenario.warmup_days * DAY_MS + hire.at
        learning: list[tuple[int, int, int]] = []
        for agents, turns in _posts(scenario, hire.agents, horizon_ms):
            for joins in _joining(begin, hire.over, agents):
                learning += _with(turns, joins, joins + hire.training, 1)
                trained += _with(turns, joins + hire.training, horizon_ms, 1)
        kinds.append(Kind(hire.training_productivity, learning))
    return kinds


def heads_at(scenario: Scenario, team: str, at_ms: int) -> int:
    """Return how many agents a team has planned for, over all shifts: its own, and those hired by then."""
    hired = 0
    for hire in scenario.hires.values():
        if hire.team == team:
            begin = scenario.warmup_days * DAY_MS + hire.at
            hired += sum(joins <= at_ms for n in _numbers(hire.agents) for joins in _joining(begin, hire.over, n))
    return sum(_numbers(scenario.teams[team].agents)) + hired


def full_strength(scenario: Scenario, team: str, horizon_ms: int) -> Floats:
    """Return by week from the end of the warm-up the mean agents on duty if no one quits, before any rounding."""
    begin = scenario.warmup_days * DAY_MS
    out, kinds = np.zeros(-(-(horizon_ms - begin) // WEEK_MS)), kinds_of(scenario, team, horizon_ms)
    for week in range(len(out)):
        first = begin + week * WEEK_MS
        last = min(first + WEEK_MS, horizon_ms)
        for kind in kinds:
            area = sum(max(min(end, last) - max(start, first), 0) * agents for start, end, agents in kind.turns)
            out[week] += kind.productivity * area / (last - first)
    return out * (1.0 - scenario.staffing.shrinkage)


def share_staying(attrition: Attrition, offered: Floats, full: Floats, heads: list[int]) -> Floats:
    """Return the share of a team's planned agents who are there, by week; 1 in the first.

    ``offered`` is the load in agents, ``full`` the agents on duty at full strength, ``heads`` the agents planned for,
    each by week. The planned occupancy of a week is the load over those who stayed, so each leaver raises it for
    the others; the queue that then grows does not feed back. Who quits in a week is replaced as far as the hiring
    allows, and replacements work at once. With quits that rise steeply enough there are two equilibria: full
    strength, and one where hiring only just replaces those who flee the load.
    """
    share = np.ones(len(offered))
    for week in range(len(offered) - 1):
        there = share[week] * full[week]
        occupancy = min(offered[week] / there, 1.0) if there > 0 else 1.0
        strain = max(occupancy - attrition.knee, 0.0) / (1.0 - attrition.knee)
        rate = attrition.quits_per_year + (attrition.quits_per_year_at_1 - attrition.quits_per_year) * strain
        left = share[week] * heads[week] * np.exp(-rate * WEEK_MS / _YEAR_MS)
        found = min(attrition.replacements_per_year * heads[week] * WEEK_MS / _YEAR_MS, heads[week] - left)
        share[week + 1] = (left + found + heads[week + 1] - heads[week]) / max(heads[week + 1], 1)
    return share


def _numbers(agents: int | dict[str, int]) -> list[int]:
    return [agents] if isinstance(agents, int) else list(agents.values())


def _joining(begin_ms: int, over_ms: int, agents: int) -> Iterator[int]:
    """Yield the time at which each of ``agents`` joins, evenly over a time."""
    yield from (begin_ms + over_ms * number // agents for number in range(agents))


def _posts(scenario: Scenario, agents: int | dict[str, int], horizon_ms: int) -> list[tuple[int, Turns]]:
    """Return the agents of each shift, and its turns."""
    if isinstance(agents, int):
        return [(agents, [(0, horizon_ms)])]
    return [(n, shift_turns(scenario.shifts[name], scenario.start, horizon_ms)) for name, n in agents.items()]


def _with(turns: Turns, from_ms: int, until_ms: int, agents: int) -> list[tuple[int, int, int]]:
    """Return the turns between two times, clipped to them, with the number of agents."""
    clipped = [(max(begin, from_ms), min(end, until_ms)) for begin, end in turns]
    return [(begin, end, agents) for begin, end in clipped if begin < end]


def _there(turns: list[tuple[int, int, int]], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many agents there are from each time on."""
    table = np.array(turns, dtype=np.int64).reshape(-1, 3)
    change = np.zeros(len(at) + 1, dtype=np.int64)
    np.add.at(change, np.searchsorted(at, table[:, 0]), table[:, 2])
    np.add.at(change, np.searchsorted(at, table[:, 1]), -table[:, 2])
    return np.cumsum(change[:-1])


def shift_turns(shift: Shift, start: date, horizon_ms: int) -> Turns:
    """Return (begin, end) of every turn of a shift that touches the run, clipped to its beginning."""
    turns = []
    for day in range(-shift.length // DAY_MS, horizon_ms // DAY_MS):
        if shift.days and _DAYS[(start.weekday() + day) % 7] not in shift.days:
            continue
        begin = day * DAY_MS + shift.start
        if begin + shift.length > 0:
            turns.append((max(begin, 0), begin + shift.length))
    return turns
