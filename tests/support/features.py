"""What happened in a small world: which rules of the desk it met, so that a swarm can say what it has proved."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np

from sim.core.clock import NEVER
from sim.demand import CHASE, REOPEN, Demand
from sim.engine.outcome import LEFT, OPEN, RESOLVED, TURNED_AWAY, DeskOutcome, complaints_ms
from sim.engine.setup import leaving_ms
from sim.feedback import columns as level
from sim.feedback.columns import ADMISSION_COLUMNS, ADMITTED_LATE, ADMITTED_RUMOUR, COMPLAINTS, N_LATE, STREAMS
from sim.staffing.skills import AGE_PRIORITY, AGE_QUEUE, AWAY, IN_BREAK, LEAVE, ON_DUTY
from tests.support.worlds import MIN, Small

FEATURES = tuple(
    """
age due at the horizon
ages at one time
blocks that confirm
breaches
change of speed at work
chase
chase due as its parent is resolved
chase due at the horizon
chase not needed
chase not needed after a closure
chase of one that left
chase of one turned away
child of one that never opened
child put off by a closure
clocks from opening
complaint from opening
complaint from silence
complaint from the first answer
complaint of one that left
complaint of one that left where a wait had led
complaint of one turned away
complaint with tick
complaint without an answer
complaints that fed the rumour
copies
copies without an answer
deadline at the horizon
drawn for the horizon
dropped requests
ended at once in one hand
ending with opening
ending with shift change
ending with tick
endings at once
equal ranks
failed requests
frightened depositors
gave up
head that asks for more than all money
held withdrawals
horizon between minutes
late withdrawals
later leg beyond patience
left
left where a wait had led
left with patience 0
level above 1
limits of everybody
live levels
mark 0 at level 0
mark equal to its level
moved by impatience
no live levels
no pause
nobody on duty at first
open at the end
opening with shift change
opening with tick
openings at once
pause
paused rail with a line
preference
priorities in line
priority by age
queue by age
queue by age twice
queue without a team
queues of one team held differently
refill of a wallet
refused for a limit
refused for the country
reopening
reopening due at the horizon
requests made again
requests put off by a closure
resolved
resolved as the complaint is due
row asked again and accepted
row final
row given up
row held at the end
row in line at the end
row in review at the end
row late
row not confirmed
row on the chain at the end
row to come again at the end
row turned away
several in hand
shift change at the horizon
shift changes at once
started at the deadline after a wait
starts at once
team that only holds one
there and back
third generation
tickets asked for later
tickets put off by a closure
took longer for others in hand
trust lost
turned away
turned away among others
turned away where a wait had led
wallet too low to pay
work ending at the horizon
work in a break
work that outlasts its shift
wrong addresses
wrong networks
""".strip().splitlines()
) + tuple(f"{what}: {name}" for what in ("admitted", "refused") for name in STREAMS)
"""What random worlds must meet, each often enough."""


def features(world: Small, out: DeskOutcome) -> set[str]:
    """Return the names of what a world had and met."""
    seen: Counter[str] = Counter()
    _of_desk(world, seen)
    _of_ties(world, out, seen)
    _of_tickets(world, out, seen)
    _of_children(world, out, seen)
    _of_legs(world, out, seen)
    _of_ages(world, out, seen)
    if world.parameters is not None:
        _of_levels(world, out, seen)
        _of_complaints(world, out, seen)
    met = {name for name, count in seen.items() if count}
    assert met <= set(FEATURES), met - set(FEATURES)
    return met


def _of_desk(world: Small, seen: Counter[str]) -> None:
    desk, teams = world.desk, range(len(world.desk.teams))
    seen["no live levels" if world.parameters is None else "live levels"] = 1
    seen["horizon between minutes"] = desk.horizon_ms % MIN > 0
    seen["clocks from opening"] = world.at_opening and world.parameters is not None
    for queue in range(len(desk.queues)):
        able = [team for team in teams if desk.ranks[team][queue] >= 0]
        seen["queue without a team"] += not able
        seen["preference"] += len({desk.prefers[queue][team] for team in able}) > 1
    for ranks in desk.ranks:
        skilled = [rank for rank in ranks if rank >= 0]
        seen["equal ranks"] += len(set(skilled)) < len(skilled)
    seen["nobody on duty at first"] += not (desk.changes[desk.changes[:, 0] == 0, 2] == ON_DUTY).any()
    seen["shift change at the horizon"] += bool((desk.changes[:, 0] == desk.horizon_ms).any())


def _of_ties(world: Small, out: DeskOutcome, seen: Counter[str]) -> None:
    """Count what fell into one instant: within a phase, and one phase with another."""
    opened, ended, begun = (
        [t for t in times.tolist() if t < NEVER] for times in (out.opened_ms, out.leg_end_ms, out.leg_start_ms)
    )
    shifts = [(time, agent) for time, agent, *_ in world.desk.changes.tolist() if time]
    changes = {time for time, _ in shifts}
    seen["openings at once"] = len(opened) - len(set(opened))
    seen["endings at once"] = len(ended) - len(set(ended))
    seen["starts at once"] = len(begun) - len(set(begun))
    seen["shift changes at once"] = len(shifts) - len(changes)
    seen["ending with opening"] = len(set(ended) & set(opened))
    seen["ending with shift change"] = len(set(ended) & changes)
    seen["opening with shift change"] = len(set(opened) & changes)
    if world.parameters is not None:
        seen["ending with tick"] = any(t % MIN == 0 for t in ended)
        seen["opening with tick"] = any(t % MIN == 0 for t in opened)


def _of_tickets(world: Small, out: DeskOutcome, seen: Counter[str]) -> None:
    demand, horizon = world.demand, world.desk.horizon_ms
    left, opened, start = out.outcome == LEFT, out.opened_ms, out.first_start_ms
    leaving = leaving_ms(demand, world.desk)
    deadline = np.where((opened < NEVER) & (leaving < NEVER), np.minimum(leaving, NEVER - opened) + opened, NEVER)
    seen["left"] = int(left.sum())
    first = demand.legs_from[:-1]
    led = out.leg_queue[first] != demand.leg_queue[first]
    seen["left where a wait had led"] = int((left & led).sum())
    away = out.outcome == TURNED_AWAY
    seen["turned away"] = int(away.sum())
    seen["turned away where a wait had led"] = int((away & led).sum())
    seen["turned away among others"] = len(set(out.closed_ms[away].tolist())) < away.sum()
    seen["left with patience 0"] = int((left & (demand.patience_ms == 0)).sum())
    seen["started at the deadline after a wait"] = int(((start == deadline) & (start < NEVER) & (leaving > 0)).sum())
    seen["deadline at the horizon"] = int(((deadline == horizon) & (start == NEVER)).sum())
    seen["moved by impatience"] = int((out.moved_ms < NEVER).sum())
    seen["drawn for the horizon"] = int((demand.opened_ms == horizon).sum())
    seen["resolved"] = int((out.outcome == RESOLVED).sum())
    seen["open at the end"] = int(((out.outcome == OPEN) & (opened < NEVER)).sum())
    waiting = (opened < NEVER) & (start > opened)
    seen["priorities in line"] = len(set(demand.priority[waiting].tolist())) > 1


def _of_children(world: Small, out: DeskOutcome, seen: Counter[str]) -> None:
    demand, horizon = world.demand, world.desk.horizon_ms
    generation = [0] * demand.rows
    for row, parent in enumerate(demand.parent.tolist()):
        if parent < 0:
            continue
        opened, kind, after = out.opened_ms[row] < NEVER, demand.kind[row], int(demand.after_ms[row])
        generation[row] = generation[parent] + 1
        base, closed, outcome = int(out.opened_ms[parent]), int(out.closed_ms[parent]), out.outcome[parent]
        since = base if kind == CHASE else closed if outcome == RESOLVED else NEVER
        due = _when_open(demand, since + after) if since < NEVER else NEVER
        seen["child put off by a closure"] += opened and due > since + after
        seen["child of one that never opened"] += base == NEVER
        seen["chase"] += opened and kind == CHASE
        seen["reopening"] += opened and kind == REOPEN
        seen["chase of one that left"] += opened and kind == CHASE and outcome == LEFT
        seen["chase of one turned away"] += opened and kind == CHASE and outcome == TURNED_AWAY
        seen["third generation"] += opened and generation[row] > 2
        if base == NEVER or kind != CHASE:
            seen["reopening due at the horizon"] += kind == REOPEN and due == horizon
            continue
        answered = outcome == RESOLVED and closed <= due < horizon
        seen["chase not needed"] += answered
        seen["chase due as its parent is resolved"] += answered and closed == due
        seen["chase due at the horizon"] += due == horizon
        seen["chase not needed after a closure"] += answered and closed > base + after


def _when_open(demand: Demand, at: int) -> int:
    """Return when a customer who would ask at a time can ask."""
    for begin, end in demand.closed_ms.tolist():
        if begin <= at < end:
            return _when_open(demand, end)
    return at


def _of_legs(world: Small, out: DeskOutcome, seen: Counter[str]) -> None:
    demand, desk, horizon = world.demand, world.desk, world.desk.horizon_ms
    handles, pauses = demand.leg_handle_ms.tolist(), demand.leg_pause_ms.tolist()
    starts, ends = out.leg_start_ms.tolist(), out.leg_end_ms.tolist()
    entered, teams = out.leg_entered_ms.tolist(), out.leg_team.tolist()
    seen["team that only holds one"] = any(held == 1 for held in desk.most)
    seen["queues of one team held differently"] = any(len(set(held)) > 1 for held in desk.concurrency)
    _of_hands(world, out, seen)
    for row, (first, last) in enumerate(pairwise(demand.legs_from.tolist())):
        for leg in range(first, last):
            start, end, team = starts[leg], ends[leg], teams[leg]
            if leg > first and entered[leg] < NEVER:
                seen["pause"] += pauses[leg - 1] > 0
                seen["no pause"] += pauses[leg - 1] == 0
                seen["later leg beyond patience"] += min(start, horizon) - entered[leg] > demand.patience_ms[row]
            if end == NEVER:
                seen["work ending at the horizon"] += start < NEVER and start + handles[leg] == horizon
                continue
            seen["took longer for others in hand"] += (
                end - start > handles[leg] * desk.stretch_ppm[team][0] // 10**6 + 1
            )


def _of_hands(world: Small, out: DeskOutcome, seen: Counter[str]) -> None:
    """Count what agents had in hand, and what they did where nobody may take anything."""
    desk = world.desk
    for agent in range(len(desk.agent_team)):
        mine = out.leg_agent == agent
        starts, ends = out.leg_start_ms[mine], out.leg_end_ms[mine]
        held = [int(((starts <= at) & (ends > at)).sum()) for at in starts]
        seen["several in hand"] += max(held, default=0) > 1
        seen["ended at once in one hand"] += len(set(ends[ends < NEVER].tolist())) < (ends < NEVER).sum()
        own = desk.changes[desk.changes[:, 1] == agent].tolist()
        for at, _, duty, productivity in own:
            working = bool(((starts < at) & (ends > at)).any())
            seen["work that outlasts its shift"] += working and duty == AWAY
            seen["work in a break"] += working and duty == IN_BREAK
            seen["change of speed at work"] += working and productivity != 10**6


def _of_ages(world: Small, out: DeskOutcome, seen: Counter[str]) -> None:
    """Count what waits did. Of a leg that moved, only where it came from and where it was last is known."""
    demand, desk, horizon = world.demand, world.desk, world.desk.horizon_ms
    went, came = demand.leg_queue.tolist(), out.leg_queue.tolist()
    for leg, (entered, start) in enumerate(zip(out.leg_entered_ms.tolist(), out.leg_start_ms.tolist(), strict=True)):
        if entered == NEVER:
            continue
        ages = desk.ages[went[leg]]
        past = [age for age in ages if entered + age[0] <= min(start, horizon - 1)]
        seen["age due at the horizon"] += any(entered + age[0] == horizon for age in ages) and start == NEVER
        seen["priority by age"] += any(kind == AGE_PRIORITY for _, kind, _ in past)
        seen["ages at one time"] += len(past) > len({after for after, _, _ in past})
        targets = {to for _, kind, to in ages if kind == AGE_QUEUE} | ({desk.patience_to[went[leg]]} - {LEAVE})
        seen["queue by age"] += came[leg] != went[leg]
        seen["queue by age twice"] += came[leg] != went[leg] and came[leg] not in targets
        away = start < NEVER and any(kind == AGE_QUEUE for _, kind, _ in past)
        seen["there and back"] += away and came[leg] == went[leg]


def _of_levels(world: Small, out: DeskOutcome, seen: Counter[str]) -> None:
    demand, floats, ints = world.demand, out.feedback_floats, out.feedback_ints
    for row in np.flatnonzero((demand.stream >= 0) & (demand.opened_ms < world.desk.horizon_ms)).tolist():
        stream, mark = int(demand.stream[row]), float(demand.mark[row])
        level = float(floats[ADMISSION_COLUMNS[stream], demand.opened_ms[row] // MIN])
        seen[f"admitted: {STREAMS[stream]}"] += mark < level
        seen[f"refused: {STREAMS[stream]}"] += mark >= level > 0
        seen["mark equal to its level"] += mark == level > 0
        seen["mark 0 at level 0"] += mark == level == 0
    seen["level above 1"] = int((floats[ADMITTED_LATE:] > 1).any())
    _of_money(world, out, seen)
    _of_withdrawal_rows(world, out, seen)
    seen["late withdrawals"] = int(ints[N_LATE].any())
    seen["complaints that fed the rumour"] = int(((ints[COMPLAINTS] > 0) & (floats[ADMITTED_RUMOUR] > 0)).any())


def _of_money(world: Small, out: DeskOutcome, seen: Counter[str]) -> None:
    """Count what withdrawals and the public did."""
    ints, rails, inputs = out.feedback_ints, out.feedback_rails, world.demand.inputs
    assert world.parameters is not None
    for name, column in (
        ("failed requests", level.FAILED), ("gave up", level.GAVE_UP), ("refused for a limit", level.OVER_LIMIT),
        ("dropped requests", level.DROPPED), ("held withdrawals", level.HELD), ("requests made again", level.N_AGAIN),
        ("copies", level.COPIES), ("copies without an answer", level.COPIES_UNANSWERABLE),
        ("frightened depositors", level.PANICKED), ("wallet too low to pay", level.SHORT),
        ("refused for the country", level.BARRED), ("breaches", level.BREACHES),
        ("wrong addresses", level.WRONG_ADDRESS), ("wrong networks", level.WRONG_NETWORK),
        ("requests put off by a closure", level.DEFERRED), ("head that asks for more than all money", level.STUCK),
    ):  # fmt: skip
        seen[name] = int(ints[column].any())
    line = rails[:, level.PAYOUT_IN] > rails[:, level.PAID]
    seen["paused rail with a line"] = int(inputs.closed.size > 0 and (line & (inputs.closed > 0)).any())
    final = rails[:, level.FINAL].max(axis=1, initial=0)
    seen["blocks that confirm"] = any(
        one.confirmations and n for one, n in zip(world.parameters.rails, final, strict=True)
    )
    seen["refill of a wallet"] = int((np.diff(rails[:, level.COLD_C], axis=1) < 0).any())
    seen["trust lost"] = int((out.feedback_floats[level.TRUST] < 1).any())
    seen["complaint without an answer"] = int(bool(world.demand.unanswerable) and ints[COMPLAINTS].any())


def _of_withdrawal_rows(world: Small, out: DeskOutcome, seen: Counter[str]) -> None:
    """Count where the withdrawals with an identity are at the end."""
    rows, pending = out.withdrawal_rows, [name for name in level.FLOAT_NAMES if name.startswith("pending_")]
    for name, stage in (
        ("row to come again at the end", level.RETURNING), ("row in review at the end", level.IN_REVIEW),
        ("row held at the end", level.ON_HOLD), ("row in line at the end", level.IN_LINE),
        ("row on the chain at the end", level.ON_CHAIN), ("row final", level.DONE),
        ("row given up", level.LOST_AT_GATEWAY), ("row turned away", level.LOST_AT_LIMIT),
        ("row not confirmed", level.UNCONFIRMED),
    ):  # fmt: skip
        seen[name] = int((rows[level.STAGE] == stage).sum())
    seen["row late"] = int((rows[level.LATE] > 0).sum())
    seen["row asked again and accepted"] = int(((rows[level.ATTEMPT] > 1) & (rows[level.ACCEPTED] >= 0)).sum())
    seen["limits of everybody"] = int((out.feedback_floats[level.TIGHTNESS] == 1).any())
    exogenous = world.demand.inputs.exogenous
    shut = exogenous[level.TICKETS_CLOSED, :-1] > 0 if exogenous.size else np.zeros(0, bool)
    seen["tickets put off by a closure"] = exogenous.size and any(
        (out.feedback_floats[level.FLOAT_NAMES.index(name), :-1][shut] > 0).any() for name in pending
    )
    seen["tickets asked for later"] = any(out.feedback_floats[level.FLOAT_NAMES.index(name)].any() for name in pending)


def _of_complaints(world: Small, out: DeskOutcome, seen: Counter[str]) -> None:
    """Count complaints made, and those that a resolution in their very instant prevents."""
    horizon = world.desk.horizon_ms
    unsolved = replace(out, outcome=np.where(out.outcome == RESOLVED, OPEN, out.outcome))
    made, due = (
        complaints_ms(world.demand, one, at_opening=world.at_opening, horizon_ms=horizon) for one in (out, unsolved)
    )
    several = np.diff(world.demand.legs_from) > 1
    silent = out.first_start_ms == NEVER
    seen["complaint from opening"] = int(world.at_opening and (made < NEVER).any())
    seen["complaint from silence"] = int(not world.at_opening and (silent & (made < NEVER)).any())
    seen["complaint from the first answer"] = int(not world.at_opening and (several & ~silent & (made < NEVER)).any())
    first = world.demand.legs_from[:-1]
    led = out.leg_queue[first] != world.demand.leg_queue[first]
    seen["complaint of one that left"] = int(((out.outcome == LEFT) & (made < NEVER)).any())
    seen["complaint of one that left where a wait had led"] = int(((out.outcome == LEFT) & led & (made < NEVER)).any())
    seen["complaint of one turned away"] = int(((out.outcome == TURNED_AWAY) & (made < NEVER)).any())
    seen["resolved as the complaint is due"] = int(
        ((due < NEVER) & (due == out.closed_ms) & (out.outcome == RESOLVED)).any()
    )
    seen["complaint with tick"] = int(((made < NEVER) & (made % MIN == 0)).any())
