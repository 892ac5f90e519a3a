"""Who is on duty when: the turns and breaks of all agents, and in a replication who is absent and who has quit.

All that is known beforehand is worked out once, as edges in order of agent and time, at which turns, breaks and
training begin and end. A replication drops the turns of those who are absent or have quit and sums the rest up.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from sim.core.arrays import Floats, Ints, Mask
from sim.core.clock import DAY_MS, WEEK_MS
from sim.core.jit import compiled
from sim.core.lazy import lazy_property
from sim.numerics.streams import Streams
from sim.scenario.schema.scenario import Scenario
from sim.staffing.people import Called, Group, break_blocks, groups_of, stays_of
from sim.staffing.shrinkage import Shrinkage, shrinkage_of
from sim.staffing.skills import AWAY, IN_BREAK, ON_DUTY, WORK_UNITS

_DATE_STRIDE = 1 << 22  # ordinals of draws: a date and its part fit below, an agent's ordinal above


@dataclass(frozen=True)
class Extra:
    """What changes a scenario's people: surges, and the share of the agents who stay.

    ``staying`` has, by team, the share of its agents who have not quit: in week 0, which begins at ``from_ms``, in
    week 1, and so on; a team without it keeps all.
    """

    surges: tuple[Called, ...] = ()
    staying: dict[str, Floats] = field(default_factory=dict)
    from_ms: int = 0


NO_EXTRA = Extra()


class Turns(NamedTuple):
    """Pieces of turns, a column each: the agent, when he is there, and for the draws his group, ordinal and date.

    Where agents may quit, a turn is cut where weeks begin; ``week`` is -1 where they may not.
    """

    agent: Ints
    begin_ms: Ints
    end_ms: Ints
    group: Ints
    ordinal: Ints
    date: Ints
    week: Ints


class Edges(NamedTuple):
    """Where something begins (1) or ends (-1), in order of agent and time.

    ``piece`` is the piece of a turn that does, -1 for none; ``in_break`` a break; ``productivity`` changes by so much.
    ``in_time`` are their numbers in order of time and agent.
    """

    agent: Ints
    at_ms: Ints
    there: Ints
    piece: Ints
    in_break: Ints
    productivity: Ints
    in_time: Ints


@dataclass(frozen=True)
class Roster:
    """The people of a scenario and what is known of their time; ``agent_team`` is by agent his team."""

    groups: list[Group]
    shrinkage: list[Shrinkage]
    agent_team: Ints
    turns: Turns
    edges: Edges
    staying: list[Floats | None]
    horizon_ms: int

    @property
    def varies(self) -> bool:
        """Whether replications differ in who is there."""
        return any(one.absence > 0 for one in self.shrinkage) or any(one is not None for one in self.staying)

    def there(self, streams: Streams | None) -> tuple[Mask, Mask]:
        """Return which pieces of turns are paid, since their agents have not quit, and which of those are worked.

        Without ``streams`` nobody is absent and nobody quits.
        """
        turns = self.turns
        paid = np.ones(len(turns.agent), dtype=bool)
        worked = paid.copy()
        if streams is None:
            return paid, worked
        for number, group in enumerate(self.groups):
            staying, absence = self.staying[group.team], self.shrinkage[group.team].absence
            mine = np.flatnonzero(turns.group == number)
            if group.called or not len(mine):
                continue
            if staying is not None:
                marks = streams.uniforms(f"agent {group.name}", "quits", turns.ordinal[mine])
                week = np.clip(turns.week[mine], 0, len(staying) - 1)
                paid[mine] = (turns.week[mine] < 0) | (marks < staying[week])
            if absence > 0:
                ordinals = turns.ordinal[mine] * _DATE_STRIDE + turns.date[mine]
                worked[mine] = streams.uniforms(f"agent {group.name}", "absent", ordinals) >= absence
        return paid, worked & paid

    def changes(self, worked: Mask) -> Ints:
        """Return rows (time_ms, agent, duty, productivity) in order of time and agent (``sim.staffing.desk.Desk``)."""
        edges = self.edges
        kept, duty, productivity = _states(edges, np.append(worked, True))
        kept &= edges.at_ms < self.horizon_ms
        mine = edges.in_time[kept[edges.in_time]]
        return np.stack([edges.at_ms[mine], edges.agent[mine], duty[mine], productivity[mine]], axis=1)

    def steps(self, pieces: Mask) -> Ints:
        """Return rows (time_ms, team, agents) of who is within these pieces of turns, but for those called in."""
        return self._all_steps if pieces.all() else self._steps(pieces)

    @lazy_property
    def _all_steps(self) -> Ints:
        """The steps of all pieces, which are those of each replication where nobody quits."""
        return self._steps(np.ones(len(self.turns.agent), dtype=bool))

    def _steps(self, pieces: Mask) -> Ints:
        own = pieces & ~np.array([one.called for one in self.groups], dtype=bool)[self.turns.group]
        team = self.agent_team[self.turns.agent[own]]
        rows = []
        for number in range(len(self.shrinkage)):
            mine = team == number
            begin = np.maximum(self.turns.begin_ms[own][mine], 0)
            at, where = np.unique(np.concatenate([[0], begin, self.turns.end_ms[own][mine]]), return_inverse=True)
            change = np.zeros(len(at), dtype=np.int64)
            np.add.at(change, where[1:], np.repeat([1, -1], len(begin)))
            agents = np.cumsum(change)
            new = (at < self.horizon_ms) & np.append(True, change[1:] != 0)
            rows += [(time, number, n) for time, n in zip(at[new].tolist(), agents[new].tolist(), strict=True)]
        return np.array(sorted(rows), dtype=np.int64).reshape(-1, 3)

    def lost(self, streams: Streams | None) -> tuple[float, ...]:
        """Return by team how many of the agents planned for are not there in the last week, since they quit."""
        out = [0.0] * len(self.shrinkage)
        if streams is None:
            return tuple(out)
        for group in self.groups:
            staying = self.staying[group.team]
            if staying is not None and not group.called:
                ordinals = np.flatnonzero(np.array(group.joins_ms) <= self.horizon_ms)
                marks = streams.uniforms(f"agent {group.name}", "quits", ordinals)
                out[group.team] += int((marks >= staying[-1]).sum())
        return tuple(out)


@compiled
def _states(edges: Edges, counts: Mask) -> tuple[Mask, Ints, Ints]:
    """Return by edge whether an agent's duty or productivity is another one from then on, and what they are.

    Those of an instant count together. ``counts`` says of which pieces, and of no piece at all, the edges count.
    """
    n = len(edges.agent)
    kept, duty, productivity = np.zeros(n, np.bool_), np.zeros(n, np.int64), np.zeros(n, np.int64)
    there, breaks, speed, is_now, was_speed = 0, 0, WORK_UNITS, AWAY, WORK_UNITS
    for i in range(n):
        if i == 0 or edges.agent[i] != edges.agent[i - 1]:
            there, breaks, speed, is_now, was_speed = 0, 0, WORK_UNITS, AWAY, WORK_UNITS
        there += edges.there[i] * counts[edges.piece[i]]
        breaks += edges.in_break[i]
        speed += edges.productivity[i]
        if i + 1 < n and edges.agent[i + 1] == edges.agent[i] and edges.at_ms[i + 1] == edges.at_ms[i]:
            continue
        now = AWAY if there == 0 or speed == 0 else (IN_BREAK if breaks > 0 else ON_DUTY)
        as_fast = speed if speed else WORK_UNITS
        kept[i] = now != is_now or as_fast != was_speed
        duty[i], productivity[i], is_now, was_speed = now, as_fast, now, as_fast
    return kept, duty, productivity


def roster_of(scenario: Scenario, extra: Extra = NO_EXTRA) -> Roster:
    """Return the people of a scenario over its whole run, warm-up included, with what changes them."""
    horizon_ms = (scenario.warmup_days + scenario.days) * DAY_MS
    groups, shrinkage = groups_of(scenario, horizon_ms, extra.surges), shrinkage_of(scenario)
    staying = [extra.staying.get(team) for team in scenario.teams]
    for number, group in enumerate(groups):
        part, leavers = shrinkage[group.team], staying[group.team]
        if part.absence == part.breaks == 0 and leavers is None:
            groups[number] = replace(group, turns=stays_of(group.turns))  # no draw asks for a turn
    first = np.cumsum([0, *(len(group.joins_ms) for group in groups)])
    turns = [
        _pieces(_turns(group, number, int(first[number])), staying[group.team], extra.from_ms)
        for number, group in enumerate(groups)
    ]
    nobody = Turns(*(np.zeros(0, np.int64) for _ in Turns._fields))
    all_turns = Turns(*(np.concatenate(columns) for columns in zip(nobody, *turns, strict=True)))
    agent_team = np.repeat([group.team for group in groups], np.diff(first)).astype(np.int64)
    edges = [_cover(all_turns)]
    for number, group in enumerate(groups):
        edges += [_breaks(group, shrinkage[group.team], int(first[number])), _training(group, int(first[number]))]
    return Roster(groups, shrinkage, agent_team, all_turns, _ordered(edges), staying, horizon_ms)


def _turns(group: Group, number: int, first: int) -> Turns:
    """Return the turns of each agent of a group, from when he joins."""
    turns = np.array(group.turns, dtype=np.int64).reshape(-1, 4)
    joins = np.array(group.joins_ms, dtype=np.int64)
    ordinal, turn = (one.ravel() for one in np.indices((len(joins), len(turns))))
    begin = np.maximum(turns[turn, 0], joins[ordinal])
    some = begin < turns[turn, 1]
    ordinal, turn = ordinal[some], turn[some]
    own = np.full(len(turn), number)
    date = turns[turn, 2] * 4 + turns[turn, 3]
    return Turns(first + ordinal, begin[some], turns[turn, 1], own, ordinal, date, np.full(len(turn), -1))


def _pieces(turns: Turns, staying: Floats | None, from_ms: int) -> Turns:
    """Return turns cut where weeks begin in which agents may have quit; a turn is shorter than a week."""
    if staying is None:
        return turns
    week = (turns.begin_ms - from_ms) // WEEK_MS
    cut = np.minimum(from_ms + (week + 1) * WEEK_MS, turns.end_ms)
    early = turns._replace(end_ms=cut, week=np.maximum(week, -1))
    late = turns._replace(begin_ms=cut, week=np.maximum(week + 1, -1))
    rest = cut < turns.end_ms
    return Turns(*(np.concatenate([one, two[rest]]) for one, two in zip(early, late, strict=True)))


def _edges(agent: Ints, begin_ms: Ints, end_ms: Ints, what: str, by: int = 1, piece: Ints | None = None) -> Edges:
    """Return edges at which something of agents begins and ends."""
    nothing = np.zeros(2 * len(agent), dtype=np.int64)
    sign = np.repeat([by, -by], len(agent))
    columns = {name: sign if name == what else nothing for name in ("there", "in_break", "productivity")}
    pieces = np.full(2 * len(agent), -1) if piece is None else np.tile(piece, 2)
    return Edges(
        agent=np.tile(agent, 2), at_ms=np.concatenate([begin_ms, end_ms]), piece=pieces, in_time=nothing, **columns
    )


def _cover(turns: Turns) -> Edges:
    return _edges(turns.agent, turns.begin_ms, turns.end_ms, "there", piece=np.arange(len(turns.agent)))


def _breaks(group: Group, shrinkage: Shrinkage, first: int) -> Edges:
    """Return when the breaks of all agents of a group begin and end, each in each of its turns."""
    agents, begins, ends = [], [], []
    ordinal = np.arange(len(group.joins_ms))
    for turn in group.turns if shrinkage.breaks > 0 else ():
        offsets, length = break_blocks(turn.end_ms - turn.begin_ms, shrinkage.breaks, shrinkage.blocks, ordinal)
        agents.append(np.repeat(first + ordinal, offsets.shape[1]))
        begins.append(turn.begin_ms + offsets.ravel())
        ends.append(begins[-1] + length)
    agent, begin, end = (np.concatenate([np.zeros(0, np.int64), *column]) for column in (agents, begins, ends))
    return _edges(agent, begin, end, "in_break")


def _training(group: Group, first: int) -> Edges:
    """Return when the training of each agent of a group begins and ends."""
    agents = len(group.joins_ms) if group.training_ms and group.productivity != WORK_UNITS else 0
    begin = np.array(group.joins_ms[:agents], dtype=np.int64)
    less = group.productivity - WORK_UNITS
    return _edges(first + np.arange(agents), begin, begin + group.training_ms, "productivity", less)


def _ordered(parts: list[Edges]) -> Edges:
    """Return edges in order of agent and time; what is before the run is at its beginning."""
    edges = Edges(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    edges = edges._replace(at_ms=np.maximum(edges.at_ms, 0))
    order = np.lexsort((edges.at_ms, edges.agent))
    edges = Edges(*(column[order] for column in edges))
    return edges._replace(in_time=np.lexsort((edges.agent, edges.at_ms)))
