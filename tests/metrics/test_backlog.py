"""The backlog by whose turn it is: a world on paper, and the law that the parts are the whole at every time."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from sim.core.at_least import AtLeast, is_censored
from sim.core.clock import HOUR_MS
from sim.metrics.hourly import hourly
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import measure
from tests.metrics.test_desk import H, Table, observed
from tests.support.twins.slow_observation import INFINITE, SlowFacts, random_facts
from tests.support.worlds import crew, demand, desk, path, ticket

SWARM = 120
TURNS = ("waiting", "in hand", "with customer", "with others")


def stocks_world() -> Observation:
    """Return a world of one agent for p and one for q, measured from hour 24 to 72.

    The first ticket is worked on in p from hour 20 to 22, with its customer until 30 and with others until 34; in q it
    waits for another's work of 10 h until 40, and is worked on until 43. From hour 50 on one in p, from 66 on one in q
    is worked on beyond the end; behind them one waits from hour 60 on, and one from 70 on.
    """
    rows = [
        path(20 * H, ("p", 2 * H, 12 * H, 4 * H), ("q", 3 * H)),
        ticket(30 * H, 10 * H, "q", category=1),
        ticket(50 * H, 30 * H, "p"),
        ticket(60 * H, H, "p"),
        ticket(66 * H, 20 * H, "q", category=1),
        ticket(70 * H, H, "q", category=1),
    ]
    d = demand(*rows, queues="pq", categories=("a", "b"), minutes=4320)
    return observed(d, desk(crew(1, "p"), crew(1, "q"), queues="pq", horizon=72 * H))


HAND_STOCKS: Table = {
    "backlog_waiting_peak": {"": 2, "t0": 1, "t1": 1},
    "backlog_waiting_mean": {"": (6 + 12 + 2) / 48, "t0": 12 / 48, "t1": (6 + 2) / 48},
    "backlog_waiting_end": {"": 2, "t0": 1, "t1": 1},
    "backlog_in_hand_mean": {"": (22 + 10 + 3 + 6) / 48, "t0": 22 / 48, "t1": (10 + 3 + 6) / 48},
    "backlog_with_customer_mean": {"": 6 / 48},
    "backlog_with_others_mean": {"": 4 / 48},
    "backlog_mean": {"": (20 + 41 + 6 + 4) / 48, "t0": 34 / 48, "t1": 27 / 48},
    "backlog_end": {"": 4, "t0": 2, "t1": 2},
    "oldest_age_peak": {"": 20, "t0": AtLeast(12), "t1": 20},  # the first ticket at hour 40
    "oldest_age_end": {"": 12, "t0": 12, "t1": 2},
}


def test_the_oldest_is_censored_where_one_as_old_still_waits() -> None:
    """Both are 12 h old: one was taken at that age, one still waits."""
    rows = [ticket(30 * H, 12 * H, "p"), ticket(30 * H, 60 * H, "p"), ticket(60 * H, H, "p")]
    found = measure(observed(demand(*rows, queues="pq", categories=("a", "b"), minutes=4320),
                             desk(crew(1, "p"), crew(1, "q"), queues="pq", horizon=72 * H)))  # fmt: skip
    assert (found["oldest_age_peak.t0"], is_censored(found["oldest_age_peak.t0"])) == (12, True)


# --- the law, on worlds full of ties --------------------------------------------------------------------------------


@cache
def swarm() -> list[tuple[int, Observation, SlowFacts]]:
    return [(seed, one, SlowFacts(one)) for seed, one in ((s, random_facts(Random(s))) for s in range(SWARM))]


def by_turn(slow: SlowFacts, at: float) -> Counter[tuple[str, int]]:
    """Return how many open tickets there are at a time, by whose turn and team."""
    turns = (slow.turn(row, at) for row in slow.rows)
    return Counter(turn for turn in turns if turn is not None)


def instants(slow: SlowFacts) -> list[int]:
    """Return the measured times at which anything may change, and the end."""
    o, d = slow.outcome, slow.demand
    times = {slow.from_ms, slow.to_ms}
    for column in (o.opened_ms, o.closed_ms, o.leg_entered_ms, o.leg_start_ms, o.leg_end_ms):
        times |= set(column.tolist())
    ended = o.leg_end_ms < slow.to_ms
    times |= set((o.leg_end_ms + d.leg_pause_ms - d.leg_hold_ms)[ended].tolist())
    return sorted(at for at in times if slow.from_ms <= at <= slow.to_ms)


def test_the_parts_are_the_backlog_at_every_time_and_each_is_its_definition() -> None:
    seen: Counter[str] = Counter()
    for seed, one, slow in swarm():
        series, found, span_ms = hourly(one), measure(one), one.to_ms - one.from_ms
        parts = [series["all", f"n_backlog_{turn.replace(' ', '_')}"] for turn in TURNS]
        assert np.array_equal(sum(parts), series["all", "n_backlog"]), seed
        for hour, at in enumerate(range(one.from_ms + HOUR_MS - 1, one.to_ms, HOUR_MS)):
            there = by_turn(slow, at)
            for turn, part in zip(TURNS, parts, strict=True):
                assert part[hour] == sum(n for (whose, _), n in there.items() if whose == turn), (seed, hour, turn)
            for team, name in enumerate(one.desk.teams):
                assert series[f"team:{name}", "n_backlog_waiting"][hour] == there["waiting", team], (seed, hour)
        held: Counter[tuple[str, int]] = Counter()
        for at, until in pairwise(instants(slow)):
            held.update({turn: n * (until - at) for turn, n in by_turn(slow, at).items()})
        assert sum(held.values()) / span_ms == pytest.approx(found["backlog_mean"], rel=1e-12), seed
        for turn in TURNS:
            mine = sum(ms for (whose, _), ms in held.items() if whose == turn)
            assert found[f"backlog_{turn.replace(' ', '_')}_mean"] == pytest.approx(mine / span_ms, rel=1e-12), seed
            seen[turn] += mine > 0
        for team, name in enumerate(one.desk.teams):
            for turn in TURNS[:2]:
                mean = found[f"backlog_{turn.replace(' ', '_')}_mean.{name}"]
                assert mean == pytest.approx(held[turn, team] / span_ms, rel=1e-12), seed
    assert min(seen[turn] for turn in TURNS) > 10, seen


def test_most_and_oldest_that_wait_are_what_their_definition_says() -> None:
    for seed, one, slow in swarm():
        found, times = measure(one), instants(slow)
        waiting = [(at, by_turn(slow, at)) for at in times[:-1]]
        for team, name in [(None, ""), *enumerate(one.desk.teams)]:
            dot = f".{name}" if name else ""

            def mine(turn: tuple[str, int] | None, team: int | None = team) -> bool:
                return turn is not None and turn[0] == "waiting" and team in (None, turn[1])

            most = max(sum(n for turn, n in there.items() if mine(turn)) for _, there in waiting)
            assert found[f"backlog_waiting_peak{dot}"] == most, (seed, name)
            ages = [
                (until - slow.at(slow.outcome.opened_ms, row), until == one.to_ms)
                for at, until in pairwise(times)
                for row in slow.rows
                if mine(slow.turn(row, at))
            ]
            last = max((age for age, at_end in ages if at_end), default=None)
            assert found[f"oldest_age_end{dot}"] == (None if last is None else last / HOUR_MS), (seed, name)
            peak, growing = max(ages, default=(None, False))
            assert found[f"oldest_age_peak{dot}"] == (None if peak is None else peak / HOUR_MS), (seed, name)
            assert is_censored(found[f"oldest_age_peak{dot}"]) == growing, (seed, name)
            assert peak != INFINITE
