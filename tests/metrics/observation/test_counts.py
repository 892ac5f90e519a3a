"""The compiled passes over tickets and legs against their slow twin on worlds full of ties, and on two threads."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from sim.core.clock import HOUR_MS, NEVER
from sim.engine.outcome import LEFT
from sim.experiment.replication import observe
from sim.metrics.hourly import hourly
from sim.metrics.observation import counts
from sim.metrics.observation.counts import ESCALATED, HUMAN
from sim.metrics.observation.replication import Observation
from sim.metrics.observation.waits import SHARES, UNANSWERED, add_row_waits
from sim.metrics.registry import measure
from sim.model.model import build
from sim.numerics.survival import NOT_REACHED
from sim.staffing.skills import AWAY
from tests.support.stories import rich
from tests.support.twins.slow_observation import INFINITE, SlowFacts, random_facts
from tests.support.twins.slow_survival import slow_aalen_johansen, slow_kaplan_meier

SWARM = 180
seeds = pytest.mark.parametrize("first", range(0, SWARM, 30))


@cache
def swarm(first: int) -> list[tuple[int, Observation, SlowFacts]]:
    observed = [random_facts(Random(seed)) for seed in range(first, first + 30)]
    return [(first + i, one, SlowFacts(one)) for i, one in enumerate(observed)]


@seeds
def test_what_is_counted_is_what_its_definition_says(first: int) -> None:
    for seed, observed, slow in swarm(first):
        table = observed.counted.by_hour
        found = {(w, c, h): int(table[w, c, h]) for w, c, h in np.argwhere(table).tolist()}
        assert found == dict(slow.counted()), seed
        for what, rows in ((HUMAN, slow.humans()), (ESCALATED, escalated(observed))):
            assert np.flatnonzero(observed.marked(what)).tolist() == rows, seed


def escalated(observed: Observation) -> list[int]:
    several = np.diff(observed.demand.legs_from) > 1
    return np.flatnonzero(observed.root & several & observed.measured(observed.outcome.first_end_ms)).tolist()


@seeds
def test_complaints_by_row_are_what_their_definition_says(first: int) -> None:
    for seed, observed, slow in swarm(first):
        for found, wanted in (
            (observed.complaint_ms, slow.complaint),
            (observed.unlimited_ms, slow.without_waits),
            (observed.regulator_ms, slow.regulator),
        ):
            exact = [NEVER if wanted(row) == INFINITE else wanted(row) for row in slow.rows]
            assert found.tolist() == exact, (seed, wanted.__name__)


@seeds
def test_waits_are_what_their_definition_says(first: int) -> None:
    for seed, observed, slow in swarm(first):
        ends = ((observed.waits.response_ms, observed.outcome.first_start_ms), (observed.waits.resolution_ms, None))
        for found, column in ends:
            for group in range(4):
                rows = [row for row in slow.humans() if group in (observed.demand.category[row], 3)]
                seen = [
                    slow.durations(row, slow.resolved(row) if column is None else slow.at(column, row)) for row in rows
                ]
                wanted = [slow_kaplan_meier([d for d, _ in seen], [o for _, o in seen], p) for p in SHARES]
                assert [None if ms == NOT_REACHED else ms for ms in found[group].tolist()] == wanted, seed


@seeds
def test_who_tires_of_waiting_is_what_its_definition_says(first: int) -> None:
    for seed, observed, slow in swarm(first):
        for found, ending in (
            (observed.waits.abandoned_share, slow.abandoned),
            (observed.waits.recontact_share, slow.asked_again),
        ):
            for group in range(4):
                rows = [row for row in slow.humans() if group in (observed.demand.category[row], 3)]
                endings = [ending(row) for row in rows]
                wanted = slow_aalen_johansen(endings)
                assert found[group] == pytest.approx(math.nan if wanted is None else wanted, nan_ok=True), seed


@seeds
def test_a_quantile_that_is_not_reached_lies_beyond_the_longest_wait(first: int) -> None:
    for seed, observed, slow in swarm(first):
        for group in range(4):
            rows = [row for row in slow.humans() if group in (observed.demand.category[row], 3)]
            starts = [slow.durations(row, slow.at(observed.outcome.first_start_ms, row))[0] for row in rows]
            assert observed.waits.longest_response_ms[group] == max(starts, default=NOT_REACHED), seed
            ends = [slow.durations(row, slow.resolved(row))[0] for row in rows]
            assert observed.waits.longest_resolution_ms[group] == max(ends, default=NOT_REACHED), seed


@seeds
def test_waits_by_queue_and_hour_are_what_their_definition_says(first: int) -> None:
    for seed, observed, slow in swarm(first):
        places: dict[tuple[int, int], list[float]] = {}
        for row in slow.humans():
            opened, queue = slow.at(observed.outcome.opened_ms, row), int(observed.demand.leg_queue[slow.legs(row)[0]])
            hour = int(opened - observed.from_ms) // HOUR_MS
            places.setdefault((queue, hour), []).append(slow.at(observed.outcome.first_start_ms, row) - opened)
        wanted = np.full(observed.waits.by_hour_ms.shape, NOT_REACHED)
        for (queue, hour), waits in places.items():
            for column, p in enumerate(SHARES):
                least = sorted(waits)[math.ceil(p * len(waits)) - 1]
                wanted[queue, hour, column] = UNANSWERED if least == INFINITE else least
        assert np.array_equal(observed.waits.by_hour_ms, wanted), seed


@seeds
def test_legs_count_for_whom_their_definition_says(first: int) -> None:
    for seed, observed, slow in swarm(first):
        out, desk, to_ms = observed.outcome, observed.desk, observed.to_ms
        needed = np.zeros_like(observed.worked.agents_needed)
        for row in slow.rows:
            for leg in slow.legs(row):
                team, queue = int(out.leg_team[leg]), int(out.leg_queue[leg])
                able = [t for t in range(len(desk.teams)) if desk.ranks[t][queue] >= 0]
                first_choice = min(able, key=lambda t: (desk.ranks[t][queue], desk.prefers[queue][t], t))
                assert observed.leg_home[leg] == (team if team >= 0 else first_choice), seed
                assert slow.at(observed.worked.left_ms, leg) == min(slow.gone(row), slow.at(out.leg_end_ms, leg)), seed
                entered = slow.at(out.leg_entered_ms, leg)
                if observed.from_ms <= entered < to_ms:
                    hour = int(entered - observed.from_ms) // HOUR_MS
                    home, held = observed.leg_home[leg], desk.concurrency[observed.leg_home[leg]][queue]
                    full = observed.demand.leg_handle_ms[leg] * desk.stretch_ppm[home][held - 1] / 10**6 / held
                    needed[home, hour] += full / HOUR_MS
        assert observed.worked.agents_needed == pytest.approx(needed), seed


@seeds
def test_time_held_is_by_duty_team_and_queue_to_the_millisecond(first: int) -> None:
    """Second by second would do: here piece by piece, between all instants at which anything changes."""
    for seed, observed, slow in swarm(first):
        out, desk = observed.outcome, observed.desk
        held, overtime = np.zeros_like(observed.held[0]), [0] * len(desk.teams)
        for agent, team in enumerate(desk.agent_team.tolist()):
            own = [change for change in desk.changes.tolist() if change[1] == agent]
            legs = [leg for row in slow.rows for leg in slow.legs(row) if out.leg_agent[leg] == agent]
            times = {observed.from_ms, observed.to_ms, *(change[0] for change in own)}
            times |= {int(at[leg]) for leg in legs for at in (out.leg_start_ms, out.leg_end_ms)}
            marks = sorted(at for at in times if observed.from_ms <= at <= observed.to_ms)
            for at, until in pairwise(marks):
                duty = [AWAY, *(change[2] for change in own if change[0] <= at)][-1]
                hand = [leg for leg in legs if out.leg_start_ms[leg] <= at < out.leg_end_ms[leg]]
                for leg in hand:
                    held[duty, team, out.leg_queue[leg]] += until - at
                overtime[team] += (until - at) * bool(hand) * (duty == AWAY)
        assert np.array_equal(observed.held[0], held), seed
        assert observed.held[1].tolist() == overtime, seed


def test_who_leaves_is_in_no_later_team_s_backlog() -> None:
    """A leg that was never entered is nowhere, though its ticket's customer left at some time."""
    left = 0
    for _, observed, slow in [one for first in range(0, SWARM, 30) for one in swarm(first)]:
        found = measure(observed)
        left += int((observed.outcome.outcome == LEFT).sum())
        for team, name in enumerate(observed.desk.teams):
            mine = [leg for row in slow.rows for leg in slow.legs(row) if observed.leg_home[leg] == team]
            stays = [
                (slow.at(observed.outcome.leg_entered_ms, leg), slow.at(observed.worked.left_ms, leg)) for leg in mine
            ]
            held = sum(max(min(end, observed.to_ms) - max(begin, observed.from_ms), 0) for begin, end in stays)
            assert found[f"backlog_mean.{name}"] == held / (observed.to_ms - observed.from_ms)
    assert left > 50


def test_the_random_worlds_hold_what_they_must() -> None:
    """A swarm that never counts a thing proves nothing about it."""
    seen = sum(observed.totals.sum(axis=1) for first in range(0, SWARM, 30) for _, observed, _ in swarm(first))
    assert (seen > 10).all(), seen
    assert len(seen) == counts.WHAT


def test_two_threads_measure_what_one_measures() -> None:
    world = build(rich(queues={"inbox": {"target": "1 h"}, "security": {}}))
    drawn = [observe(world, seed=3, replication=number) for number in range(3)]

    def numbers(number: int) -> tuple[dict[str, float | None], dict[tuple[str, str], list[float]]]:
        one = Observation(world, drawn[number].demand, drawn[number].outcome, drawn[number].streams)
        return measure(one), {key: np.nan_to_num(values, nan=-1.0).tolist() for key, values in hourly(one).items()}

    alone = [numbers(number) for number in range(3)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(numbers, [*range(3)] * 4)) == alone * 4


def test_waits_of_rows_join_those_of_the_counted_bin_by_bin() -> None:
    """Three waited 0 minutes and one 1; five still wait. Rows waited 0 and 3 minutes, and two still wait."""
    together = add_row_waits(np.array([3, 1, 5]), np.array([0, 3, -1, -1]))
    assert together.tolist() == [4, 1, 0, 1, 7]
