"""The tables that the compiled engine works on, made from demand and desk, and read back at the end.

A few tables of integers, because the compiler passes few arguments fast and records of arrays slowly. ``rows`` and
``legs`` have a line for each column named below and an element for each ticket row or leg. A place in line is one
number, ``priority << PLACE_BITS | time it was entered``, and so is a place in an instant, ``phase << PHASE_BITS | row
<< WHAT_BITS | what``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Ints
from sim.core.clock import MINUTE_MS, NEVER
from sim.demand import Demand
from sim.engine.outcome import OPEN, RESOLVED, DeskOutcome, of_levels, team_of_agent
from sim.engine.setup import candidates, clocks, leaving_ms, roots, takers, ticket_kinds
from sim.feedback import STREAMS, FeedbackInputs, FeedbackParameters, FeedbackState, state_of
from sim.feedback.columns import CLASSES
from sim.staffing.desk import Desk
from sim.staffing.skills import AWAY, ENDLESS, WORK_UNITS

PLACE_BITS, PHASE_BITS, WHAT_BITS = 48, 52, 12
NOBODY = -1

(
    DRAWN, FIRST_LEG, END_LEG, PRIORITY, PATIENCE, LEAVING, AFTER, PARENT, CHASE, REOPEN, SILENCE, UNANSWERED, UNSOLVED,
    QUIET, TICKET, TARGET, COMPLAINS, OPENED, CLOSED, HAS_LEFT, MOVED, LEG, PLACE, WORK_LEFT, DUE_AT, NEXT_UNANSWERED,
    NEXT_UNSOLVED, NEXT_WAITER, POSTS_AT, MOVED_PATIENCE,
) = range(30)  # fmt: skip
"""Columns of ``rows``: what was drawn and when complaints are due; from OPENED on, what has become of it.

TICKET is what the endpoints see of it (``setup.ticket_kinds``). LEG is the leg that a ticket is on, PLACE its place in
line or NOBODY, WORK_LEFT the units of work left when its agent's hand was last settled and DUE_AT when it is due, NEVER
when nobody works on it; the NEXT_ ones chain the complaints of a minute, and those who began to wait at this instant.
PATIENCE, from entering its queue, and LEAVING, SILENCE and UNANSWERED, from opening, are those of the queue it is in;
POSTS_AT is when the complaint of an unanswered ticket is due whose deadline has changed, else NOBODY. HAS_LEFT is its
outcome once its customer has gone, else 0. From MOVED_PATIENCE on, a line for each queue of ``Demand.moved_to``.
"""
HANDLE, PAUSE, QUEUE, ENTERED, START, END, AGENT = range(7)
"""Columns of ``legs``. QUEUE changes where a long wait moves a ticket."""
MOST, HANDS, ABLE = range(3)
"""Columns of ``teams``, a line for each team: how many tickets an agent may hold; a bit for each number k in hand with
which some agent could take one more; and from ABLE on, WIDEST columns each and by k, how many could (from 0), the word
of ``idle`` before which none stands (from 0), and the speed of an agent's work (from 1)."""
WORD = 32
"""Agents in a word of ``idle``, a bit each."""
TEAM_OF, DUTY, PRODUCTIVITY, HELD, CAP, SETTLED, HAND = range(7)
"""Columns of ``agents``, a line for each: his team; duty and productivity as of the last change; how many tickets he
holds, how many he may with these, when the work left was last settled; from HAND on by twos the row of each ticket in
hand and how many may be held beside it."""
SIZE, PATIENCE_TO, PATIENCE_OF, PLACES, TAKERS, AGES, LISTS = range(7)
"""Columns of ``queues``, a line for each queue: waiters, where impatience leads, the column of ``rows`` with the
patience of who was moved here (NOBODY without one), how many may wait, how many takers and age rules there are; from
LISTS on these rules: by fours (rank, preference, team, places), the best first, where an agent of the team may hold
that many; then by threes (after_ms, kind, value)."""
TAKER = 4
"""Columns of a taker in ``queues``."""
HEAP, CHAINS = range(2)
"""Parts of ``agenda``: the heap of what is due within the minute, by (time, key), and links (time, key, next) of what
is due later, chained by minute."""
NOW, HORIZON, AT_OPENING, LEVELS, DECIDING, FULL, WIDEST = range(7)
DUE, LOADED, LINKS, SPARE, WAITERS, ROOT, CHANGE, CHANGE_AT, SENT, UNRESOLVED, GONE = range(7, 18)
FINITE, POSTED, POSTED_QUIET, CANDIDATE = range(18, 22)
FIRST = CANDIDATE + len(STREAMS)
"""Elements of ``n``: time and horizon; whether complaint clocks start at opening, whether there are feedback levels,
whether to decide, whether a heap was too small; the most tickets that an agent of any team may hold; how much is in
the heap and the minutes loaded into it; the links in use and the first spare one; the first of those who began to wait
at this instant; how far roots and changes of duty have been read, and when the next of these is; the tickets sent in
this minute, those not resolved of which nobody has noted that their customer left, and where in ``n`` it stands by the
minute how many leave (0 where nothing reads it); whether a queue's places are counted; the complaints of this minute
whose time has changed, and the unanswerable ones of them; from CANDIDATE on the candidates of each stream; from FIRST
on, for each minute, the first link of its chain."""


class DeskArrays(NamedTuple):
    """Everything that moves and what it moves by. ``lines`` are heaps of (place, row), one for each queue, ``idle``
    the bits of the agents who could take one more, a line for each team and number of tickets in hand.

    ``first_due`` is by minute the first complaint due in it. ``candidates`` are the rows of all streams, those of
    stream s up to ends[s], and ``marks`` theirs.
    """

    n: Ints
    rows: Ints
    legs: Ints
    teams: Ints
    agents: Ints
    idle: Ints
    queues: Ints
    agenda: Ints
    lines: Ints
    roots: Ints
    changes: Ints
    closed_ms: Ints
    first_due: Ints
    candidates: Ints
    marks: NDArray[np.float64]
    ends: Ints
    levels: FeedbackState


def arrays_of(
    demand: Demand, desk: Desk, parameters: FeedbackParameters | None, *, at_opening: bool, room: int
) -> DeskArrays:
    """Return the desk before the first event; ``room`` is what each heap can hold.

    Raises ValueError for numbers that a place in an instant or in line cannot hold.
    """
    minutes = demand.inputs.minutes if parameters is not None else 0
    _must_fit(demand, desk, levels=parameters is not None)
    streams = [candidates(demand, stream) for stream in range(len(STREAMS))]
    ends, admissible = np.cumsum([len(rows) for rows in streams]), np.concatenate(streams)
    n = _counters(desk, parameters, at_opening=at_opening)
    n[CANDIDATE:FIRST] = ends - [len(rows) for rows in streams]
    return DeskArrays(
        n=n,
        rows=_rows(demand, desk, at_opening=at_opening),
        legs=_legs(demand),
        teams=_teams(desk),
        agents=_agents(desk),
        idle=np.zeros((len(desk.teams) * max(desk.most), len(desk.agent_team) // WORD + 1), dtype=np.int64),
        queues=_queues(desk, demand.moved_to),
        agenda=np.empty((2, room, 3), dtype=np.int64),
        lines=np.empty((len(desk.queues), room, 2), dtype=np.int64),
        roots=roots(demand),
        changes=np.require(desk.changes, np.int64, ["C", "W"]),
        closed_ms=demand.closed_ms,
        first_due=np.full(minutes, NOBODY),
        candidates=admissible,
        marks=demand.mark[admissible],
        ends=ends,
        levels=state_of(parameters, demand.inputs, minutes) if parameters else _no_levels(),
    )


def _must_fit(demand: Demand, desk: Desk, *, levels: bool) -> None:
    priorities = [age[2] for ages in desk.ages for age in ages]
    if demand.rows:
        priorities += [int(demand.priority.min()), int(demand.priority.max())]
    fits = {
        "rows": demand.rows < 1 << (PHASE_BITS - WHAT_BITS),
        "ages of a queue": max((len(ages) for ages in desk.ages), default=0) < 1 << (WHAT_BITS - 1),
        "horizon_ms": desk.horizon_ms < 1 << PLACE_BITS,
        "priority": all(0 <= one < 1 << (62 - PLACE_BITS) for one in priorities),
    }
    if levels and desk.horizon_ms != demand.inputs.minutes * MINUTE_MS:
        raise ValueError(f"horizon_ms: got {desk.horizon_ms}; feedback levels need one element of the flow a minute")
    if not all(fits.values()):
        raise ValueError(f"too large for the compiled engine: {', '.join(k for k, v in fits.items() if not v)}")


def _counters(desk: Desk, parameters: FeedbackParameters | None, *, at_opening: bool) -> Ints:
    chains = FIRST + desk.horizon_ms // MINUTE_MS + 1
    counts_open = parameters is not None and parameters.gateway.views_per_open > 0
    n = np.zeros(chains + counts_open * (desk.horizon_ms // MINUTE_MS + 2), dtype=np.int64)
    n[HORIZON], n[AT_OPENING], n[LEVELS] = desk.horizon_ms, at_opening, parameters is not None
    n[WIDEST], n[FINITE] = max(desk.most), min(desk.places) != ENDLESS
    n[CHANGE_AT] = NEVER
    if len(desk.changes) and desk.changes[0, 0] < desk.horizon_ms:
        n[CHANGE_AT] = desk.changes[0, 0]
    n[WAITERS], n[SPARE], n[FIRST:chains] = NOBODY, NOBODY, NOBODY
    n[GONE] = chains if counts_open else 0
    return n


def _rows(demand: Demand, desk: Desk, *, at_opening: bool) -> Ints:
    leaving = leaving_ms(demand, desk)
    due = clocks(demand, leaving, horizon_ms=desk.horizon_ms, at_opening=at_opening)
    rows = np.empty((MOVED_PATIENCE + len(demand.moved_to), demand.rows), dtype=np.int64)
    rows[DRAWN], rows[FIRST_LEG], rows[END_LEG] = demand.opened_ms, demand.legs_from[:-1], demand.legs_from[1:]
    rows[PRIORITY], rows[PATIENCE], rows[LEAVING] = demand.priority, demand.patience_ms, leaving
    rows[AFTER], rows[PARENT], rows[CHASE], rows[REOPEN] = demand.after_ms, demand.parent, demand.chase, demand.reopen
    rows[SILENCE], rows[UNANSWERED], rows[UNSOLVED] = due.silence_ms, due.unanswered_ms, due.unsolved_ms
    rows[QUIET] = demand.quiet
    rows[TICKET], rows[TARGET], rows[COMPLAINS] = ticket_kinds(demand), demand.target_ms, demand.complaint_after_ms
    rows[OPENED], rows[CLOSED], rows[HAS_LEFT], rows[MOVED] = NEVER, NEVER, 0, NEVER
    rows[LEG], rows[PLACE], rows[NEXT_UNANSWERED], rows[NEXT_UNSOLVED] = demand.legs_from[:-1], NOBODY, NOBODY, NOBODY
    rows[DUE_AT], rows[POSTS_AT] = NEVER, NOBODY
    if demand.moved_to:
        rows[MOVED_PATIENCE:] = demand.moved_patience_ms
    return rows


def _legs(demand: Demand) -> Ints:
    legs = np.empty((AGENT + 1, len(demand.leg_queue)), dtype=np.int64)
    legs[HANDLE], legs[PAUSE], legs[QUEUE] = demand.leg_handle_ms, demand.leg_pause_ms, demand.leg_queue
    legs[ENTERED], legs[START], legs[END], legs[AGENT] = NEVER, NEVER, NEVER, NOBODY
    return legs


def _no_levels() -> FeedbackState:
    """Return levels of no minute."""
    parameters = FeedbackParameters()
    return state_of(parameters, FeedbackInputs(requests=np.empty((len(parameters.rails), CLASSES, 2, 0), np.int64)), 0)


def _teams(desk: Desk) -> Ints:
    widest = max(desk.most)
    teams = np.zeros((len(desk.teams), ABLE + 3 * widest), dtype=np.int64)
    teams[:, MOST] = desk.most
    for team, speeds in enumerate(desk.speeds):
        teams[team, ABLE + 2 * widest : ABLE + 2 * widest + len(speeds)] = speeds
    return teams


def _agents(desk: Desk) -> Ints:
    agents = np.zeros((len(desk.agent_team), HAND + 2 * max(desk.most)), dtype=np.int64)
    agents[:, TEAM_OF], agents[:, DUTY], agents[:, PRODUCTIVITY] = desk.agent_team, AWAY, WORK_UNITS
    agents[:, CAP] = np.array(desk.most)[desk.agent_team]
    return agents


def _queues(desk: Desk, moved_to: tuple[int, ...]) -> Ints:
    lists: list[list[int]] = []
    for queue, (able, ages) in enumerate(zip(takers(desk), desk.ages, strict=True)):
        places = [(*one, desk.concurrency[one[-1]][queue]) for one in able]
        lists.append([len(able), len(ages), *(x for one in places for x in one), *(x for one in ages for x in one)])
    queues = np.zeros((len(lists), TAKERS + max(len(one) for one in lists)), dtype=np.int64)
    queues[:, PATIENCE_TO], queues[:, PATIENCE_OF], queues[:, PLACES] = desk.patience_to, NOBODY, desk.places
    for line, queue in enumerate(moved_to):
        queues[queue, PATIENCE_OF] = MOVED_PATIENCE + line
    for number, values in enumerate(lists):
        queues[number, TAKERS : TAKERS + len(values)] = values
    return queues


def outcome_of(arrays: DeskArrays) -> DeskOutcome:
    """Return the tables at the end, copied, so that the arrays and all else in them can go."""
    rows, legs = arrays.rows, arrays.legs
    levels = arrays.levels if arrays.n[LEVELS] else None
    first: Any = rows[FIRST_LEG]
    return DeskOutcome(
        opened_ms=rows[OPENED].copy(),
        first_start_ms=legs[START][first],
        first_end_ms=legs[END][first],
        closed_ms=rows[CLOSED].copy(),
        outcome=np.where(rows[HAS_LEFT] != 0, rows[HAS_LEFT], np.where(rows[CLOSED] < NEVER, RESOLVED, OPEN)),
        moved_ms=rows[MOVED].copy(),
        leg_entered_ms=legs[ENTERED].copy(),
        leg_start_ms=legs[START].copy(),
        leg_end_ms=legs[END].copy(),
        leg_queue=legs[QUEUE].copy(),
        leg_agent=legs[AGENT].copy(),
        leg_team=team_of_agent(arrays.agents[:, TEAM_OF], legs[AGENT]),
        **of_levels(levels),
    )
