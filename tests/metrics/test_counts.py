"""The compiled passes over tickets and legs against their slow twin on worlds full of ties, and on two threads."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from random import Random

import numpy as np
import pytest

from sim.core.clock import HOUR_MS, NEVER
from sim.engine.outcome import LEFT
from sim.experiment.replication import facts_of
from sim.metrics.hourly import hourly
from sim.metrics.observation import counts as counting
from sim.metrics.observation.counts import ESCALATED, HUMAN
from sim.metrics.observation.replication import Facts
from sim.metrics.observation.waits import SHARES
from sim.metrics.registry import measure
from sim.model.model import build
from sim.numerics.survival import NOT_REACHED
from tests.support.stories import rich
from tests.support.twins.slow_observation import INFINITE, SlowFacts, random_facts
from tests.support.twins.slow_survival import slow_kaplan_meier

SWARM = 180
seeds = pytest.mark.parametrize("first", range(0, SWARM, 30))


@cache
def swarm(first: int) -> list[tuple[int, Facts, SlowFacts]]:
    facts = [random_facts(Random(seed)) for seed in range(first, first + 30)]
    return [(first + i, one, SlowFacts(one)) for i, one in enumerate(facts)]


@seeds
def test_what_is_counted_is_what_its_definition_says(first: int) -> None:
    for seed, facts, slow in swarm(first):
        table = facts.counted.by_hour
        found = {(w, c, h): int(table[w, c, h]) for w, c, h in np.argwhere(table).tolist()}
        assert found == dict(slow.counted()), seed
        for what, rows in ((HUMAN, slow.humans()), (ESCALATED, escalated(facts))):
            assert np.flatnonzero(facts.marked(what)).tolist() == rows, seed


def escalated(facts: Facts) -> list[int]:
    several = np.diff(facts.demand.legs_from) > 1
    return np.flatnonzero(facts.root & several & facts.measured(facts.outcome.first_end_ms)).tolist()


@seeds
def test_complaints_by_row_are_what_their_definition_says(first: int) -> None:
    for seed, facts, slow in swarm(first):
        for found, wanted in (
            (facts.complaint_ms, slow.complaint),
            (facts.floor_ms, slow.floor),
            (facts.regulator_ms, slow.regulator),
        ):
            exact = [NEVER if wanted(row) == INFINITE else wanted(row) for row in slow.rows]
            assert found.tolist() == exact, (seed, wanted.__name__)


@seeds
def test_waits_are_what_their_definition_says(first: int) -> None:
    for seed, facts, slow in swarm(first):
        ends = ((facts.waits.response_ms, facts.outcome.first_start_ms), (facts.waits.resolution_ms, None))
        for found, column in ends:
            for group in range(4):
                rows = [row for row in slow.humans() if group in (facts.demand.category[row], 3)]
                seen = [
                    slow.durations(row, slow.resolved(row) if column is None else slow.at(column, row)) for row in rows
                ]
                wanted = [slow_kaplan_meier([d for d, _ in seen], [o for _, o in seen], p) for p in SHARES]
                assert [None if ms == NOT_REACHED else ms for ms in found[group].tolist()] == wanted, seed


@seeds
def test_waits_by_queue_and_hour_are_what_their_definition_says(first: int) -> None:
    for seed, facts, slow in swarm(first):
        places: dict[tuple[int, int], list[float]] = {}
        for row in slow.humans():
            opened, queue = slow.at(facts.outcome.opened_ms, row), int(facts.demand.leg_queue[slow.legs(row)[0]])
            hour = int(opened - facts.from_ms) // HOUR_MS
            places.setdefault((queue, hour), []).append(slow.at(facts.outcome.first_start_ms, row) - opened)
        wanted = np.full(facts.waits.by_hour_ms.shape, NOT_REACHED)
        for (queue, hour), waits in places.items():
            for column, p in enumerate(SHARES):
                least = sorted(waits)[math.ceil(p * len(waits)) - 1]
                wanted[queue, hour, column] = NOT_REACHED if least == INFINITE else least
        assert np.array_equal(facts.waits.by_hour_ms, wanted), seed


@seeds
def test_legs_count_for_whom_their_definition_says(first: int) -> None:
    for seed, facts, slow in swarm(first):
        out, desk, to_ms = facts.outcome, facts.desk, facts.to_ms
        arrived, busy = np.zeros_like(facts.worked.arrived_ms), [0] * len(desk.teams)
        for row in slow.rows:
            for leg in slow.legs(row):
                team, queue = int(out.leg_team[leg]), int(out.leg_queue[leg])
                able = [t for t in range(len(desk.teams)) if desk.ranks[t][queue] >= 0]
                first_choice = min(able, key=lambda t: (desk.ranks[t][queue], desk.prefers[queue][t], t))
                assert facts.leg_home[leg] == (team if team >= 0 else first_choice), seed
                assert slow.at(facts.worked.left_ms, leg) == min(slow.gone(row), slow.at(out.leg_end_ms, leg)), seed
                entered = slow.at(out.leg_entered_ms, leg)
                if facts.from_ms <= entered < to_ms:
                    hour = int(entered - facts.from_ms) // HOUR_MS
                    arrived[facts.leg_home[leg], hour] += facts.demand.leg_handle_ms[leg]
                spent = min(slow.at(out.leg_end_ms, leg), to_ms) - max(slow.at(out.leg_start_ms, leg), facts.from_ms)
                busy[team] += max(int(min(spent, to_ms)), 0) if team >= 0 and spent > 0 else 0
        assert facts.worked.busy_ms.tolist() == busy, seed
        assert np.array_equal(facts.worked.arrived_ms, arrived), seed


def test_who_leaves_is_in_no_later_team_s_backlog() -> None:
    """A leg that was never entered is nowhere, though its ticket's customer left at some time."""
    left = 0
    for _, facts, slow in [one for first in range(0, SWARM, 30) for one in swarm(first)]:
        found = measure(facts)
        left += int((facts.outcome.outcome == LEFT).sum())
        for team, name in enumerate(facts.desk.teams):
            mine = [leg for row in slow.rows for leg in slow.legs(row) if facts.leg_home[leg] == team]
            stays = [(slow.at(facts.outcome.leg_entered_ms, leg), slow.at(facts.worked.left_ms, leg)) for leg in mine]
            held = sum(max(min(end, facts.to_ms) - max(begin, facts.from_ms), 0) for begin, end in stays)
            assert found[f"backlog_mean.{name}"] == held / (facts.to_ms - facts.from_ms)
    assert left > 50


def test_the_random_worlds_hold_what_they_must() -> None:
    """A swarm that never counts a thing proves nothing about it."""
    seen = sum(facts.totals.sum(axis=1) for first in range(0, SWARM, 30) for _, facts, _ in swarm(first))
    assert (seen > 10).all(), seen
    assert len(seen) == counting.WHAT


def test_two_threads_measure_what_one_measures() -> None:
    world = build(rich(queues={"inbox": {"target": "1 h"}, "security": {}}))
    drawn = [facts_of(world, seed=3, replication=number) for number in range(3)]

    def numbers(number: int) -> tuple[dict[str, float | None], dict[tuple[str, str], list[float]]]:
        one = Facts(world, drawn[number].demand, drawn[number].outcome, drawn[number].streams)
        return measure(one), {key: np.nan_to_num(values, nan=-1.0).tolist() for key, values in hourly(one).items()}

    alone = [numbers(number) for number in range(3)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(numbers, [*range(3)] * 4)) == alone * 4
