"""Things that begin and end against their definition, on times full of ties and edges, and on two threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.core.clock import HOUR_MS, MINUTE_MS, NEVER
from sim.numerics.intervals import Intervals, Span, within

FIVE = 5 * MINUTE_MS
FROM, TO = 2 * HOUR_MS, 4 * HOUR_MS
Pair = tuple[int, int]

edges = st.sampled_from(
    [0, 1, MINUTE_MS, FIVE, FROM - FIVE, FROM, FROM + FIVE, FROM + 61 * MINUTE_MS, TO, TO + HOUR_MS]
)
times = st.builds(lambda at, off: max(at + off, 0), edges, st.integers(-1, 1))
pairs = st.builds(
    lambda begin, length: (begin, NEVER if NEVER in (begin, length) else begin + length),
    st.one_of(times, st.just(NEVER)),
    st.one_of(st.sampled_from([0, 1, MINUTE_MS, FIVE, HOUR_MS, NEVER]), st.integers(0, 3 * HOUR_MS)),
)


def there(stays: list[Pair], at_ms: int) -> int:
    """Return count(begin <= t) - count(end <= t)."""
    return sum(begin <= at_ms < end for begin, end in stays)


def slow(stays: list[Pair], from_ms: int, to_ms: int) -> Span:
    instants = sorted({from_ms, *(begin for begin, _ in stays if from_ms <= begin < to_ms)})
    peak = max(there(stays, t) for t in instants)
    return Span(
        peak=peak,
        peak_ms=next(t for t in instants if there(stays, t) == peak),
        held_ms=sum(max(min(end, to_ms) - max(begin, from_ms), 0) for begin, end in stays),
        hourly=np.array([there(stays, t - 1) for t in range(from_ms + HOUR_MS, to_ms + 1, HOUR_MS)], dtype=np.int32),
        ages_ms=np.array(sorted(to_ms - begin for begin, end in stays if begin < to_ms <= end), dtype=np.int64),
    )


def columns(stays: list[Pair]) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(stays, dtype=np.int64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


def as_lists(span: Span) -> list[object]:
    return [span.peak, span.peak_ms, span.held_ms, span.hourly.tolist(), span.ages_ms.tolist()]


@given(st.lists(st.tuples(pairs, st.integers(0, 2)), max_size=25))
def test_each_group_is_what_its_definition_says(stays: list[tuple[Pair, int]]) -> None:
    begin, end = columns([pair for pair, _ in stays])
    group = np.array([g for _, g in stays], dtype=np.int16)
    found = within(begin, end, group, 3, FROM, TO)
    assert [as_lists(span) for span in found] == [
        as_lists(slow([pair for pair, g in stays if g == mine], FROM, TO)) for mine in range(3)
    ]


@given(st.lists(pairs, max_size=12), st.integers(0, 9), st.integers(1, 2 * FIVE))
def test_a_period_may_begin_and_end_within_a_step(stays: list[Pair], first: int, length: int) -> None:
    begin, end = columns(stays)
    wanted = slow(stays, FROM + first, FROM + first + length)
    assert Intervals(begin, end).peak(FROM + first, FROM + first + length) == (wanted.peak, wanted.peak_ms)
    assert Intervals(begin, end).held_ms(FROM + first, FROM + first + length) == wanted.held_ms


@given(st.lists(pairs, max_size=12), times, st.sampled_from([1, 2, 6, 61, 121]))
def test_by_the_minute_and_at_any_time(stays: list[Pair], first_ms: int, minutes: int) -> None:
    begin, end = columns(stays)
    at = first_ms + np.arange(minutes) * MINUTE_MS
    wanted = [there(stays, int(t)) for t in at]
    assert Intervals(begin, end).by_minute(first_ms, minutes).tolist() == wanted
    assert Intervals(begin, end).at(at).tolist() == wanted


@pytest.mark.parametrize("seed", range(4))
def test_a_crowded_day_is_what_its_definition_says(seed: int) -> None:
    """Many in one step, ties on the ms, and a peak that comes twice: the first one counts."""
    rng = np.random.default_rng(seed)
    begin = rng.integers(FROM, FROM + FIVE, 200)
    begin = np.concatenate([begin, begin + HOUR_MS])
    end = begin + np.tile(rng.integers(0, 3 * FIVE, 200), 2)
    wanted = slow(list(zip(begin.tolist(), end.tolist(), strict=True)), FROM, TO)
    assert as_lists(Intervals(begin, end).within(FROM, TO)) == as_lists(wanted)
    assert wanted.peak_ms < FROM + HOUR_MS


def test_two_threads_count_what_one_counts() -> None:
    rng = np.random.default_rng(1)
    begin = rng.integers(0, TO, (8, 20_000))
    end = begin + rng.integers(0, HOUR_MS, begin.shape)
    group = rng.integers(0, 5, begin.shape).astype(np.int16)

    def one(i: int) -> list[list[object]]:
        return [as_lists(span) for span in within(begin[i], end[i], group[i], 5, FROM, TO)]

    alone = [one(i) for i in range(8)]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(one, [*range(8)] * 4)) == alone * 4
