"""The engine against a slow twin on random worlds full of ties, and the laws that every outcome keeps."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sim.core.clock import NEVER
from sim.demand import CHASE
from sim.engine.outcome import LEFT, OPEN, RESOLVED, DeskOutcome, complaints_ms
from sim.engine.reference import simulate
from sim.feedback.columns import COMPLAINTS
from sim.staffing.skills import AGE_QUEUE, AWAY, ENDLESS, LEAVE, ON_DUTY
from tests.support.twins.slow_desk import SlowEngine
from tests.support.worlds import MIN, Small, crew, demand, desk, path, random_world, ticket
from tests.tools.swarm import differences

SWARM, LAWFUL = 400, 600
few = settings(max_examples=150, derandomize=True, phases=(Phase.generate,))
shrinking = settings(few, phases=(Phase.generate, Phase.shrink))  # one test shrinks what it finds: it takes a while
worlds = st.randoms(use_true_random=False).map(random_world)


def compare(world: Small) -> list[str]:
    """Return what the engine and its slow twin disagree on, public complaints included."""
    fast, slow = world.run(), SlowEngine(world)
    found = differences(fast, slow.run())
    at = complaints_ms(world.demand, fast, at_opening=world.at_opening, horizon_ms=world.desk.horizon_ms)
    return found + (["complaints"] if at.tolist() != slow.complaint else [])


@pytest.mark.parametrize("first", range(0, SWARM, 50))
def test_the_engine_is_its_slow_twin_in_every_column(first: int) -> None:
    wrong = {seed: found for seed in range(first, first + 50) if (found := compare(random_world(Random(seed))))}
    assert not wrong, f"random_world(Random(seed)) differs: {wrong}"


@shrinking
@given(worlds)
def test_the_engine_is_its_slow_twin_on_worlds_that_shrink(world: Small) -> None:
    assert compare(world) == []


# --- laws ---------------------------------------------------------------------------------------------------------


@cache
def lived() -> list[tuple[Small, DeskOutcome]]:
    """Return worlds and what came of them, once for all laws."""
    return [(world, world.run()) for world in (random_world(Random(seed)) for seed in range(LAWFUL))]


def law(check: Callable[[Small, DeskOutcome], None]) -> Callable[[], None]:
    """Return the test that a law holds in every world."""

    def test() -> None:
        for seed, (world, out) in enumerate(lived()):
            try:
                check(world, out)
            except AssertionError as broken:
                raise AssertionError(f"random_world(Random({seed}))") from broken

    return test


def rows_of_legs(world: Small) -> np.ndarray:
    return np.repeat(np.arange(world.demand.rows), np.diff(world.demand.legs_from))


@law
def test_every_opened_ticket_is_open_resolved_left_or_turned_away(world: Small, out: DeskOutcome) -> None:
    horizon = world.desk.horizon_ms
    opened = out.opened_ms < NEVER
    assert (out.opened_ms[opened] < horizon).all()
    assert (out.outcome[~opened] == OPEN).all()
    assert ((out.closed_ms < NEVER) == (out.outcome != OPEN)).all()
    assert (out.closed_ms[out.outcome != OPEN] < horizon).all()
    assert (out.closed_ms >= np.where(opened, out.opened_ms, 0)).all()
    roots = (world.demand.parent < 0) & (world.demand.kind == 0)
    drawn = world.demand.opened_ms[roots]
    assert (out.opened_ms[roots] == np.where(drawn < horizon, drawn, NEVER)).all()
    first = world.demand.legs_from[:-1]
    left, stayed = out.outcome == LEFT, out.leg_queue[first] == world.demand.leg_queue[first]
    settled = left & stayed & (out.moved_ms == NEVER) & ~np.isin(out.leg_queue[first], aging(world))
    assert (out.closed_ms[settled] == (out.opened_ms + np.where(settled, world.demand.patience_ms, 0))[settled]).all()
    assert (out.first_start_ms[out.outcome >= LEFT] == NEVER).all()


def aging(world: Small) -> list[int]:
    """Return the queues from which age moves a ticket."""
    return [queue for queue, ages in enumerate(world.desk.ages) if any(kind == AGE_QUEUE for _, kind, _ in ages)]


@law
def test_who_left_another_queue_had_its_patience_with_it_and_none_leaves_one_without(
    world: Small, out: DeskOutcome
) -> None:
    demand, desk = world.demand, world.desk
    first = demand.legs_from[:-1]
    for row in np.flatnonzero((out.outcome == LEFT) & (out.leg_queue[first] != demand.leg_queue[first])).tolist():
        queue = int(out.leg_queue[first[row]])
        assert desk.patience_to[queue] == LEAVE
        entered = int(out.closed_ms[row] - demand.moved_patience_ms[demand.moved_to.index(queue), row])
        assert int(out.opened_ms[row]) < entered <= out.closed_ms[row]
        if out.moved_ms[row] < NEVER and not aging(world) and desk.patience_to[demand.leg_queue[first[row]]] == queue:
            assert entered == out.moved_ms[row]  # moved once


@law
def test_no_queue_holds_more_than_its_places_but_for_those_already_answered(world: Small, out: DeskOutcome) -> None:
    demand, desk = world.demand, world.desk
    row = rows_of_legs(world)
    first = np.isin(np.arange(len(row)), demand.legs_from[:-1])
    ends = np.minimum(out.leg_start_ms, np.where(first & (out.outcome[row] >= LEFT), out.closed_ms[row], NEVER))
    moving = {*aging(world), *(q for q, to in enumerate(desk.patience_to) if to != LEAVE)}
    for queue, places in enumerate(desk.places):
        if places == ENDLESS or queue in moving:
            continue
        settled = (out.leg_queue == queue) & (demand.leg_queue == queue) & first  # in one queue for all of its wait
        for at in np.unique(out.leg_entered_ms[settled & (out.leg_entered_ms < NEVER)]).tolist():
            assert (settled & (out.leg_entered_ms <= at) & (ends > at)).sum() <= places


@law
def test_legs_are_done_in_order_each_entered_begun_and_ended(world: Small, out: DeskOutcome) -> None:
    d = world.demand
    begun, ended = out.leg_start_ms < NEVER, out.leg_end_ms < NEVER
    assert (begun | ~ended).all()
    assert (out.leg_entered_ms <= out.leg_start_ms).all()
    assert (out.leg_start_ms[ended] < out.leg_end_ms[ended]).all()
    assert ((out.leg_team >= 0) == begun).all()
    for row in np.flatnonzero((out.opened_ms < NEVER) & (np.diff(d.legs_from) > 0)):
        a, b = d.legs_from[row], d.legs_from[row + 1]
        assert out.leg_entered_ms[a] == out.opened_ms[row]
        for leg in range(a, b - 1):
            came = out.leg_end_ms[leg] + d.leg_pause_ms[leg] if ended[leg] else NEVER
            assert out.leg_entered_ms[leg + 1] == (came if came < world.desk.horizon_ms else NEVER)
        assert (out.outcome[row] == RESOLVED) == bool(ended[b - 1])
        assert out.first_start_ms[row] == out.leg_start_ms[a]
        assert out.first_end_ms[row] == out.leg_end_ms[a]


@law
def test_work_takes_at_least_the_drawn_time_and_at_most_that_of_the_slowest_with_the_fullest_hand(
    world: Small, out: DeskOutcome
) -> None:
    for leg in np.flatnonzero(out.leg_end_ms < NEVER):
        team = out.leg_team[leg]
        assert world.desk.ranks[team][out.leg_queue[leg]] >= 0
        lasted, drawn = int(out.leg_end_ms[leg] - out.leg_start_ms[leg]), int(world.demand.leg_handle_ms[leg])
        slowest = min(world.desk.changes[:, 3], default=10**6) / 10**6 / (world.desk.stretch_ppm[team][-1] / 10**6)
        assert drawn <= lasted <= drawn / slowest * 1.001 + 1


def held_by(out: DeskOutcome, agent: int, at: int, *, but: int = -1) -> list[int]:
    """Return the legs that an agent holds just after an instant's endings, but for one."""
    mine = (out.leg_agent == agent) & (out.leg_start_ms <= at) & (out.leg_end_ms > at)
    return [int(leg) for leg in np.flatnonzero(mine) if leg != but]


def duty_at(world: Small, agent: int, at: int) -> int:
    """Return an agent's duty once what changes at an instant has changed."""
    mine = world.desk.changes[(world.desk.changes[:, 1] == agent) & (world.desk.changes[:, 0] <= at)]
    return int(mine[-1, 2]) if len(mine) else AWAY


@law
def test_who_begins_is_on_duty_and_never_holds_more_than_any_of_his_queues_allows(
    world: Small, out: DeskOutcome
) -> None:
    for leg in np.flatnonzero(out.leg_start_ms < NEVER):
        agent, at = int(out.leg_agent[leg]), int(out.leg_start_ms[leg])
        assert duty_at(world, agent, at) == ON_DUTY
        hand = held_by(out, agent, at)
        most = world.desk.concurrency[world.desk.agent_team[agent]]
        assert len(hand) <= min(most[out.leg_queue[one]] for one in hand)


@law
def test_who_takes_a_ticket_has_the_fewest_in_hand_and_no_other_could_take_it_with_fewer(
    world: Small, out: DeskOutcome
) -> None:
    desk = world.desk
    starts = np.unique(out.leg_start_ms[out.leg_start_ms < NEVER])
    for at in starts.tolist():
        begun = np.flatnonzero(out.leg_start_ms == at)
        if len(begun) > 1:
            continue  # in one instant the order of the decisions is not to be seen afterwards
        leg, queue = int(begun[0]), int(out.leg_queue[begun[0]])
        agent, team = int(out.leg_agent[leg]), int(out.leg_team[leg])
        had = len(held_by(out, agent, at, but=leg))
        for other in np.flatnonzero(desk.agent_team == team).tolist():
            hand = held_by(out, other, at, but=leg)
            room = min(desk.concurrency[team][q] for q in [queue, *(int(out.leg_queue[one]) for one in hand)])
            if duty_at(world, other, at) == ON_DUTY and len(hand) < room:
                assert (had, agent) <= (len(hand), other)


@law
def test_work_in_hand_is_the_drawn_work_to_the_unit(world: Small, out: DeskOutcome) -> None:
    desk, horizon = world.desk, world.desk.horizon_ms
    for agent, team in enumerate(desk.agent_team.tolist()):
        mine = np.flatnonzero(out.leg_agent == agent)
        own = desk.changes[desk.changes[:, 1] == agent]
        marks = sorted({*out.leg_start_ms[mine].tolist(), *np.minimum(out.leg_end_ms[mine], horizon).tolist(),
                        *own[:, 0].tolist()})  # fmt: skip
        done, last = dict.fromkeys(mine.tolist(), 0), dict.fromkeys(mine.tolist(), 0)
        for at, until in pairwise(marks):
            hand = held_by(out, agent, at)
            before = own[own[:, 0] <= at]
            pace = int(before[-1, 3]) if len(before) else 10**6
            for leg in hand:
                last[leg] = max(desk.speeds[team][len(hand) - 1] * pace // 10**6, 1)
                done[leg] += (until - at) * last[leg]
        for leg in mine.tolist():
            if out.leg_end_ms[leg] < NEVER:
                work = int(world.demand.leg_handle_ms[leg]) * 10**6
                assert work <= done[leg] < work + last[leg]


@law
def test_no_ticket_waits_while_an_agent_could_take_it(world: Small, out: DeskOutcome) -> None:
    row, desk = rows_of_legs(world), world.desk
    first = np.zeros(len(row), dtype=bool)
    first[world.demand.legs_from[:-1][np.diff(world.demand.legs_from) > 0]] = True
    gone = np.where(first & (out.outcome[row] >= LEFT), out.closed_ms[row], NEVER)
    waits_until = np.minimum(np.minimum(out.leg_start_ms, gone), desk.horizon_ms)
    moving = {q for q, ages in enumerate(desk.ages) if any(kind == AGE_QUEUE for _, kind, _ in ages)}
    moving |= {q for q, to in enumerate(desk.patience_to) if to != LEAVE}
    settled = (world.demand.leg_queue == out.leg_queue) & ~np.isin(out.leg_queue, list(moving))
    times = (out.leg_entered_ms, out.leg_start_ms, out.leg_end_ms, desk.changes[:, 0])
    for at in np.unique(np.concatenate(times)).tolist():
        waiting = settled & (out.leg_entered_ms <= at) & (waits_until > at)  # in one queue for all of its wait
        for agent, team in enumerate(desk.agent_team.tolist()) if waiting.any() else ():
            hand = held_by(out, agent, at)
            beside = [desk.concurrency[team][out.leg_queue[one]] for one in hand]
            for queue in set(out.leg_queue[waiting].tolist()):
                if desk.ranks[team][queue] >= 0 and len(hand) < min([desk.concurrency[team][queue], *beside]):
                    assert duty_at(world, agent, at) != ON_DUTY, f"queue {queue} waits at {at} while {agent} could take"


@law
def test_children_open_when_their_parents_say(world: Small, out: DeskOutcome) -> None:
    d, horizon = world.demand, world.desk.horizon_ms
    for row in np.flatnonzero(d.parent >= 0):
        parent = d.parent[row]
        resolved = out.closed_ms[parent] if out.outcome[parent] == RESOLVED else NEVER
        base = out.opened_ms[parent] if d.kind[row] == CHASE else resolved
        due = int(base) + int(d.after_ms[row])
        for begin, end in d.closed_ms.tolist():  # in order of their beginnings; one may end within another
            due = end if begin <= due < end else due
        opens = base < NEVER and due < horizon and not (d.kind[row] == CHASE and resolved <= due)
        assert out.opened_ms[row] == (due if opens else NEVER)


@law
def test_the_live_count_of_complaints_is_that_of_the_table(world: Small, out: DeskOutcome) -> None:
    if world.parameters is None:
        assert out.feedback_ints.size == 0
        return
    at = complaints_ms(world.demand, out, at_opening=world.at_opening, horizon_ms=world.desk.horizon_ms)
    minutes = world.desk.horizon_ms // MIN
    by_minute = np.bincount(at[at < NEVER] // MIN, minlength=minutes)
    assert out.feedback_ints[COMPLAINTS].tolist() == [0, *by_minute[: minutes - 1]]


@few
@given(worlds)
def test_the_same_world_gives_the_same_bits(world: Small) -> None:
    assert differences(world.run(), world.run()) == []


# --- more staff ---------------------------------------------------------------------------------------------------


@few
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), min_size=1, max_size=25), st.integers(1, 4))
def test_one_more_agent_never_makes_a_larger_backlog_at_any_time(tickets: list[tuple[int, int]], agents: int) -> None:
    """First come, first served, one queue, the same draws (Kiefer and Wolfowitz 1955: departures are no later)."""
    world = demand(*[ticket(at, handle) for at, handle in sorted(tickets)])
    less, more = (simulate(world, desk(crew(n)), None) for n in (agents, agents + 1))
    assert (np.sort(more.closed_ms) <= np.sort(less.closed_ms)).all()
    backlogs = [[int((o.opened_ms <= t).sum() - (o.closed_ms <= t).sum()) for t in range(300)] for o in (less, more)]
    assert all(smaller <= larger for larger, smaller in zip(*backlogs, strict=True))


def test_a_team_without_agents_changes_nothing() -> None:
    rows = [path(0, ("a", 7, 3), ("b", 4)), ticket(2, 9, "b", patience=8), ticket(2, 5, "a")]
    world = demand(*rows, queues="ab")
    alone = simulate(world, desk(crew(1, "ab"), queues="ab"), None)
    joined = simulate(world, desk(crew(1, "ab"), crew(0, "a", "b"), queues="ab"), None)
    assert differences(alone, joined) == []
