"""How a demand is drawn: the same bits on any thread, in any room and on any processor, in an order without chance."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

import numpy as np
import pytest

from sim.core.clock import DAY_MS, HOUR_MS
from sim.demand import Demand, ExpectedDemand, draw, expected_demand_of, sampling
from sim.drivers.market import market_of
from sim.feedback import STREAMS
from sim.model.model import build
from sim.numerics.streams import DAY_STRIDE, Streams
from sim.scenario import Scenario, load
from tests.support.stories import category, drawn, fixed, rich, story

SHORT = ("days=2", "warmup_days=1")


def digest(demand: Demand) -> str:
    """Return a digest of everything in a demand."""
    parts = hashlib.sha256()

    def add(value: object) -> None:
        if isinstance(value, np.ndarray):
            parts.update(f"{value.dtype} {len(value)} ".encode() + value.tobytes())
        elif isinstance(value, tuple):
            for one in value:
                add(one)
        elif hasattr(value, "__dataclass_fields__"):
            for field in fields(value):  # type: ignore[arg-type]
                add(getattr(value, field.name))
        else:
            parts.update(repr(value).encode())

    add(demand)
    return parts.hexdigest()


def recipe(scenario: Scenario) -> ExpectedDemand:
    return expected_demand_of(scenario, market_of(scenario))


def test_two_threads_at_once_draw_the_same_bits_as_one() -> None:
    world = build(load("baseline", sets=SHORT))
    alone = [digest(world.demand(seed=1, replication=r)) for r in range(8)]
    assert len(set(alone)) == 8
    fresh = build(load("baseline", sets=SHORT))  # whose recipe both threads want first
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(lambda r: digest(fresh.demand(seed=1, replication=r)), range(8)))
    assert together == alone


def test_a_demand_is_the_same_in_however_little_room_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    from sim.demand.itineraries import LEG_COLUMNS
    from sim.demand.tickets import OWN_COLUMNS, ROW_COLUMNS

    mine = recipe(rich(recontact=rich().model_dump(mode="json")["recontact"] | {"share": 0.9}))
    whole = draw(mine, seed=1, replication=0)

    def little(_: ExpectedDemand, people: int) -> tuple[np.ndarray, ...]:
        shapes = (ROW_COLUMNS, people + 4), (OWN_COLUMNS, people + 4), (LEG_COLUMNS, 8)
        return tuple(np.full(shape, -7, dtype=np.int64) for shape in shapes)

    monkeypatch.setattr(sampling, "_room", little)
    cramped = draw(mine, seed=1, replication=0)
    assert cramped.rows > 4 * (cramped.parent < 0).sum()
    assert digest(cramped) == digest(whole)


SELF = """
import sys
sys.path[:0] = {path!r}
from tests.demand.test_sampling import digest, load, build, SHORT
world = build(load("baseline", sets=SHORT))
print(*(digest(world.demand(seed=1, replication=r)) for r in range(3)))
"""


def test_every_time_and_count_is_the_same_without_the_processor_s_extras() -> None:
    """A world with busyness, profile, shocks and all laws, without numpy's dispatched features and the C library's.

    There logarithms and exponentials differ in their last bit; whole milliseconds do not.
    """
    extras = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])  # type: ignore[index, call-overload]
    world = build(load("baseline", sets=SHORT))
    here = [digest(world.demand(seed=1, replication=r)) for r in range(3)]
    tunables = "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2,-AVX512F"
    plain = {"NPY_DISABLE_CPU_FEATURES": " ".join(extras), "GLIBC_TUNABLES": tunables}
    there = subprocess.run(
        [sys.executable, "-c", SELF.format(path=sys.path)],
        capture_output=True, text=True, check=True, env=os.environ | plain,
    )  # fmt: skip
    assert there.stdout.split() == here


def test_tickets_stand_by_time_and_at_equal_times_by_category_and_ordinal() -> None:
    """Rebuilt from the public streams: times, and who is who by their complaint."""
    names = ("first", "second", "third")
    scenario = story(days=1, categories={name: category(40_000.0, handle=fixed("1 min"), bot_resolve=0.9,
                     complaint_hazard_per_hour=0.1) for name in names}, complaints={"clock": "opening"},
                     bot={"handle": fixed("1 min")})  # fmt: skip
    d, streams = drawn(scenario), Streams(1, 0)
    expected = []
    for number, name in enumerate(names):
        size = int((d.category == number).sum()) + len(d.bot_ordinals[number])
        ordinals = np.arange(size)
        time_ms = np.floor(streams.uniforms(name, "time", ordinals) * DAY_MS).astype(np.int64)
        after_ms = np.maximum(np.rint(-np.log1p(-streams.uniforms(name, "complaint", ordinals)) * 10 * HOUR_MS), 1)
        bot = streams.uniforms(name, "bot", ordinals) < 0.9
        assert d.bot_ordinals[number].tolist() == ordinals[bot].tolist()
        assert d.bot_opened_ms[number].tolist() == time_ms[bot].tolist()
        people = zip(time_ms[~bot], ordinals[~bot], after_ms[~bot], strict=True)
        expected += [(t, number, i, int(a)) for t, i, a in people]
    expected.sort()
    assert d.opened_ms.tolist() == [t for t, *_ in expected]
    assert d.category.tolist() == [number for _, number, *_ in expected]
    assert d.complaint_after_ms.tolist() == [after for *_, after in expected]
    ties = np.diff(d.opened_ms) == 0
    assert ties.sum() > 20
    assert (np.diff(d.category)[ties] == 0).any()
    assert (np.diff(d.category)[ties] > 0).any()


def test_ordinals_of_the_second_day_begin_at_a_stride() -> None:
    d = drawn(story(days=2, categories={"a": category(50.0, bot_resolve=1.0)}, bot={"handle": fixed("1 min")}))
    day = d.bot_opened_ms[0] // DAY_MS
    for number in (0, 1):
        mine = d.bot_ordinals[0][day == number]
        assert mine.tolist() == (number * DAY_STRIDE + np.arange(len(mine))).tolist()


def test_a_candidate_for_the_bot_has_the_mark_of_its_ordinal_as_one_for_people_has() -> None:
    """Who is who by the time: all candidates of a stream, the bot's and the people's, have the stream's own marks."""
    d, streams = drawn(rich(days=20)), Streams(1, 0)
    for one in d.bot_candidates:
        name = f"{STREAMS[one.stream]} {d.categories[one.category]}"
        mine = np.flatnonzero((d.stream == one.stream) & (d.parent < 0))
        found = sorted([*zip(one.opened_ms, one.mark, strict=True), *zip(d.opened_ms[mine], d.mark[mine], strict=True)])
        days = np.bincount([t // DAY_MS for t, _ in found], minlength=21)
        ordinals = np.concatenate([day * DAY_STRIDE + np.arange(n) for day, n in enumerate(days)])
        assert sorted(streams.uniforms(name, "mark", ordinals)) == sorted(mark for _, mark in found)


def test_a_day_without_anything_and_a_world_without_anybody_are_drawn() -> None:
    empty = drawn(story(categories={"a": category(0.0)}))
    assert empty.rows == 0
    assert empty.legs_from.tolist() == [0]
    assert [len(times) for times in empty.bot_opened_ms] == [0]
    still = drawn(rich(shocks={"closed": {"at": "0 d", "length": "1 d", "tickets": 0.0}}))
    days = np.bincount(still.opened_ms[still.kind == 0] // DAY_MS, minlength=4)
    assert days[1] == 0
    assert (days[[0, 2, 3]] > 0).all()
