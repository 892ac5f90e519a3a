"""What agents have in hand: who can take a ticket, who takes it, and when the work on each is due.

An agent's tickets share his attention: each loses ``speed`` units of work in a ms, which falls with the number in
hand, so that all of his change when one begins or ends. ``staff`` are three tables (``sim.engine.arrays``): ``teams``
counts by the number in hand the agents who could take one more; ``agents`` holds what each has; ``idle`` holds by team
and number in hand a heap of agents, in which each of those stands once, beside others whose place there is stale.
"""

from __future__ import annotations

from sim.core.clock import NEVER, PHASE_DONE
from sim.core.jit import inlined
from sim.engine.agenda import key_of, pop, push, schedule
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
    HELD,
    HORIZON,
    LEG,
    LISTED,
    MOST,
    NOW,
    PRODUCTIVITY,
    SETTLED,
    TEAM_OF,
    WIDEST,
    WORK_LEFT,
)  # fmt: skip
from sim.engine.setup import LONGEST_WORK_MS
from sim.staffing.skills import ON_DUTY, WORK_UNITS


@inlined
def can_take(teams, team, places):
    """Return whether an agent of a team can take a ticket beside which, itself included, ``places`` may be held."""
    # The compiler knows no generators.
    for held in range(places):  # noqa: SIM110
        if teams[team, ABLE + held] > 0:
            return True
    return False


@inlined
def take(n, rows, legs, staff, agenda, row, team, places):
    """Give a ticket to the agent of a team who takes it (``can_take``), and note when the work on it is due."""
    agent, leg = _chosen(n, staff, team), rows[LEG, row]
    _, agents, _ = staff
    _delist(staff, agent)
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
    _delist(staff, agent)
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
    _delist(staff, agent)
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
    """Count an agent among the able, if he is, and stand him in the line of those with as many in hand."""
    teams, agents, idle = staff
    if not _is_able(agents, agent):
        return
    team, held = agents[agent, TEAM_OF], agents[agent, HELD]
    teams[team, ABLE + held] += 1
    if not agents[agent, LISTED] >> held & 1:
        size = ABLE + n[WIDEST] + held
        push(idle, team * n[WIDEST] + held, teams[team, size], agent, 0)
        teams[team, size] += 1
        agents[agent, LISTED] |= 1 << held


@inlined
def _delist(staff, agent):
    """Count an agent no more among the able; his place in line stays, stale."""
    teams, agents, _ = staff
    if _is_able(agents, agent):
        teams[agents[agent, TEAM_OF], ABLE + agents[agent, HELD]] -= 1


@inlined
def _chosen(n, staff, team):
    """Return who takes a ticket: of those who can, the one with the fewest in hand, then the lowest number.

    Whose place in line is stale and who is able has fewer in hand, so that his own line is looked at before.
    """
    teams, agents, idle = staff
    held = 0
    while teams[team, ABLE + held] == 0:
        held += 1
    which, size = team * n[WIDEST] + held, ABLE + n[WIDEST] + held
    while True:
        agent = idle[which, 0, 0]
        pop(idle, which, teams[team, size])
        teams[team, size] -= 1
        agents[agent, LISTED] ^= 1 << held
        if _is_able(agents, agent):
            return agent


@inlined
def _speed(n, staff, agent):
    """Return the units of work that each ticket in an agent's hand, which is not empty, loses in a ms."""
    teams, agents, _ = staff
    full = teams[agents[agent, TEAM_OF], ABLE + 2 * n[WIDEST] + agents[agent, HELD] - 1]
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
            due_ms = n[NOW] + max(-(-rows[WORK_LEFT, row] // speed), 0)
            if due_ms != rows[DUE_AT, row]:
                rows[DUE_AT, row] = due_ms
                schedule(n, agenda, due_ms, key_of(PHASE_DONE, row, 0))
