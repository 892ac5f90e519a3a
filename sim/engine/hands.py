"""What agents have in hand: who can take a ticket, who takes it, and when the work on each is due.

An agent's tickets share his attention: each loses ``speed`` units of work in a ms, which falls with the number in
hand, so that all of his change when one begins or ends. ``staff`` are three tables (``sim.engine.arrays``): ``teams``
counts by the number in hand the agents who could take one more; ``agents`` holds what each has; ``idle`` has by team
and number in hand a bit for each of those agents, of whom the lowest number takes.
"""

from __future__ import annotations

import numpy as np

from sim.core.clock import NEVER, PHASE_DONE
from sim.core.jit import inlined
from sim.engine.agenda import key_of, schedule
from sim.engine.arrays import (
    ABLE,
    AGENT,
    CAP,
    CHANGE,
    CHANGE_AT,
    DUE_AT,
    DUTY,
    HAND,
    HANDLE,
    HANDS,
    HELD,
    HORIZON,
    LEG,
    MOST,
    NOW,
    PRODUCTIVITY,
    SETTLED,
    TEAM_OF,
    WIDEST,
    WORD,
    WORK_LEFT,
)  # fmt: skip
from sim.engine.setup import LONGEST_WORK_MS
from sim.staffing.skills import ON_DUTY, WORK_UNITS

_DE_BRUIJN = 0x077CB531
_BIT = np.empty(32, np.int64)
_BIT[[(_DE_BRUIJN << bit) >> 27 & 31 for bit in range(32)]] = np.arange(32)
"""The number of a lone bit of a word, at that bit x 0x077CB531 >> 27 & 31 (Leiserson, Prokop and Randall 1998)."""


@inlined
def can_take(teams, team, places):
    """Return whether an agent of a team can take a ticket beside which, itself included, ``places`` may be held."""
    return teams[team, HANDS] & ((1 << places) - 1) != 0


@inlined
def take(n, rows, legs, staff, agenda, row, team, places):
    """Give a ticket to the agent of a team who takes it (``can_take``), and note when the work on it is due."""
    agent, leg = _chosen(n, staff, team), rows[LEG, row]
    _, agents, _ = staff
    _delist(n, staff, agent)
    _settle(n, rows, staff, agent)
    held = agents[agent, HELD]
    agents[agent, HAND + 2 * held], agents[agent, HAND + 2 * held + 1] = row, places
    agents[agent, HELD], agents[agent, CAP] = held + 1, min(agents[agent, CAP], places)
    _enlist(n, staff, agent)
    rows[WORK_LEFT, row] = min(legs[HANDLE, leg], LONGEST_WORK_MS) * WORK_UNITS
    legs[AGENT, leg] = agent
    _reckon(n, rows, staff, agenda, agent)


@inlined
def release(n, rows, legs, staff, agenda, row):
    """Take a ticket, whose work is done, out of its agent's hand; what he still holds goes faster."""
    teams, agents, _ = staff
    agent = legs[AGENT, rows[LEG, row]]
    _delist(n, staff, agent)
    _settle(n, rows, staff, agent)
    last, cap = agents[agent, HELD] - 1, teams[agents[agent, TEAM_OF], MOST]
    for i in range(last):
        if agents[agent, HAND + 2 * i] == row:
            agents[agent, HAND + 2 * i] = agents[agent, HAND + 2 * last]
            agents[agent, HAND + 2 * i + 1] = agents[agent, HAND + 2 * last + 1]
        cap = min(cap, agents[agent, HAND + 2 * i + 1])
    agents[agent, HELD], agents[agent, CAP] = last, cap
    rows[DUE_AT, row] = NEVER
    _enlist(n, staff, agent)
    _reckon(n, rows, staff, agenda, agent)


@inlined
def change_duty(n, rows, staff, agenda, change):
    """Let an agent come or go; return whether he can take something now.

    Who goes takes nothing more and finishes what he holds.
    """
    _, agents, _ = staff
    agent = change[1]
    _delist(n, staff, agent)
    if change[3] == agents[agent, PRODUCTIVITY]:
        agents[agent, DUTY] = change[2]
    else:
        _settle(n, rows, staff, agent)
        agents[agent, DUTY], agents[agent, PRODUCTIVITY] = change[2], change[3]
        _reckon(n, rows, staff, agenda, agent)
    _enlist(n, staff, agent)
    return _is_able(agents, agent)


@inlined
def go_on(n, changes):
    """Look at the next change of duty; one at or after the horizon does not happen."""
    n[CHANGE] += 1
    n[CHANGE_AT] = NEVER
    if n[CHANGE] < len(changes) and changes[n[CHANGE], 0] < n[HORIZON]:
        n[CHANGE_AT] = changes[n[CHANGE], 0]


@inlined
def _is_able(agents, agent):
    """Return whether an agent may take a ticket more, of some queue."""
    return agents[agent, DUTY] == ON_DUTY and agents[agent, HELD] < agents[agent, CAP]


@inlined
def _enlist(n, staff, agent):
    """Count an agent among the able, if he is, with as many in hand."""
    teams, agents, idle = staff
    if not _is_able(agents, agent):
        return
    team, held, word = agents[agent, TEAM_OF], agents[agent, HELD], agent // WORD
    teams[team, ABLE + held] += 1
    teams[team, HANDS] |= 1 << held
    idle[team * n[WIDEST] + held, word] |= 1 << agent % WORD
    first = ABLE + n[WIDEST] + held
    teams[team, first] = min(teams[team, first], word)


@inlined
def _delist(n, staff, agent):
    """Count an agent no more among the able."""
    teams, agents, idle = staff
    if not _is_able(agents, agent):
        return
    team, held = agents[agent, TEAM_OF], agents[agent, HELD]
    teams[team, ABLE + held] -= 1
    if not teams[team, ABLE + held]:
        teams[team, HANDS] ^= 1 << held
    idle[team * n[WIDEST] + held, agent // WORD] ^= 1 << agent % WORD


@inlined
def _chosen(n, staff, team):
    """Return who takes a ticket: of those who can, the one with the fewest in hand, then the lowest number."""
    teams, _, idle = staff
    held = 0
    while not teams[team, HANDS] >> held & 1:
        held += 1
    which, first = team * n[WIDEST] + held, ABLE + n[WIDEST] + held
    word = teams[team, first]
    while not idle[which, word]:
        word += 1
    teams[team, first] = word
    bits = idle[which, word]
    return word * WORD + _BIT[(bits & -bits) * _DE_BRUIJN >> 27 & 31]


@inlined
def _speed(n, staff, agent):
    """Return the units of work that each ticket in an agent's hand, which is not empty, loses in a ms."""
    teams, agents, _ = staff
    full = teams[agents[agent, TEAM_OF], ABLE + 2 * n[WIDEST] + agents[agent, HELD] - 1]
    if agents[agent, PRODUCTIVITY] == WORK_UNITS:
        return full  # as nearly always: a division costs as much as all else here
    return max(full * agents[agent, PRODUCTIVITY] // WORK_UNITS, 1)


@inlined
def _settle(n, rows, staff, agent):
    """Take the work done up to now off what an agent has in hand."""
    _, agents, _ = staff
    if agents[agent, HELD]:
        done = (n[NOW] - agents[agent, SETTLED]) * _speed(n, staff, agent)
        for i in range(agents[agent, HELD]):
            rows[WORK_LEFT, agents[agent, HAND + 2 * i]] -= done
    agents[agent, SETTLED] = n[NOW]


@inlined
def _reckon(n, rows, staff, agenda, agent):
    """Note when the work on each ticket in an agent's hand, settled to now, is due; what was noted before is void."""
    _, agents, _ = staff
    if agents[agent, HELD]:
        speed = _speed(n, staff, agent)
        for i in range(agents[agent, HELD]):
            row = agents[agent, HAND + 2 * i]
            left = rows[WORK_LEFT, row]
            ms = -(-left // WORK_UNITS) if speed == WORK_UNITS else -(-left // speed)  # by a constant it is fast
            due_ms = n[NOW] + max(ms, 0)
            if due_ms != rows[DUE_AT, row]:
                rows[DUE_AT, row] = due_ms
                schedule(n, agenda, due_ms, key_of(PHASE_DONE, row, 0))
