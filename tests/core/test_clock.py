"""Durations and calendar times to and from text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.core import clock

UNITS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
gaps = st.sampled_from(["", " ", "  ", "\t"])


@given(st.integers(0, 10_000), st.sampled_from(sorted(UNITS)), gaps, gaps)
def test_a_whole_number_of_a_unit_is_that_many_milliseconds(n: int, unit: str, gap: str, edge: str) -> None:
    assert clock.duration_ms(f"{edge}{n}{gap}{unit}{edge}") == n * UNITS[unit]


@given(st.integers(0, 10_000), st.integers(0, 9999), st.sampled_from(sorted(UNITS)))
def test_a_decimal_is_rounded_to_the_nearest_millisecond(whole: int, decimals: int, unit: str) -> None:
    exact = (whole + Fraction(decimals, 10_000)) * UNITS[unit]
    ms = clock.duration_ms(f"{whole}.{decimals:04d} {unit}")
    assert isinstance(ms, int)
    assert abs(ms - exact) <= Fraction(1, 2) + Fraction(1, 1000)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("12 min", 720_000),
        ("1.5 h", 5_400_000),
        ("250 ms", 250),
        ("0 s", 0),
        ("6h", 21_600_000),
        ("2 w", 1_209_600_000),
    ],
)
def test_durations_by_hand(text: str, ms: int) -> None:
    assert clock.duration_ms(text) == ms


@pytest.mark.parametrize(
    "text",
    ["", "12", "min", "-5 min", "+5 min", "1e3 s", ".5 h", "5. h", "5 minutes", "5 Min", "1 h 30 min", "nan h", "inf h",
     "5 m", "1,5 h", "１２ min", "12 min\x00"],
)  # fmt: skip
def test_what_is_no_duration_is_refused_with_the_rule(text: str) -> None:
    with pytest.raises(ValueError, match="must be a duration in quotes: a number and one of ms, s, min, h, d, w"):
        clock.duration_ms(text)


@given(st.integers(0, 998 * clock.DAY_MS))
def test_a_duration_for_people_reads_back_within_its_three_digits(ms: int) -> None:
    text = clock.duration_text(ms)
    assert abs(clock.duration_ms(text) - ms) <= 0.005 * ms
    number, unit = text.split(" ")
    assert len(number.replace(".", "").lstrip("0")) <= 3
    assert unit in UNITS


@given(st.integers(1, 998), st.sampled_from(["ms", "s", "min", "h", "d"]))
def test_three_digits_are_enough_for_whole_numbers_of_a_unit(n: int, unit: str) -> None:
    assert clock.duration_ms(clock.duration_text(n * UNITS[unit])) == pytest.approx(n * UNITS[unit], rel=0.005)
    if n * UNITS[unit] < {"ms": 1000, "s": 60_000, "min": 3_600_000, "h": 86_400_000}.get(unit, 2**62):
        assert clock.duration_text(n * UNITS[unit]) == f"{n} {unit}"


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0 ms"), (999, "999 ms"), (1000, "1 s"), (90_000, "1.5 min"), (720_000, "12 min"), (86_400_000, "1 d"),
     (780_723_000, "9.04 d"), (-5_400_000, "-1.5 h"), (clock.NEVER, "never")],
)  # fmt: skip
def test_durations_for_people_by_hand(ms: int, text: str) -> None:
    assert clock.duration_text(ms) == text


instants = st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2900, 1, 1))
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(instants, zones)
def test_a_time_with_a_zone_is_the_same_instant_in_utc(when: datetime, zone: timezone) -> None:
    local = when.replace(tzinfo=zone)
    parsed = clock.parse_utc(local.isoformat())
    assert parsed == local
    assert parsed.utcoffset() == timedelta(0)


@given(instants)
def test_a_time_without_a_zone_is_read_as_utc(when: datetime) -> None:
    assert clock.parse_utc(when.isoformat()) == when.replace(tzinfo=UTC)


def test_calendar_times_by_hand() -> None:
    assert clock.parse_utc("2020-03-12") == datetime(2020, 3, 12, tzinfo=UTC)
    assert clock.parse_utc("2022-11-08T12:30+02:00") == datetime(2022, 11, 8, 10, 30, tzinfo=UTC)
    assert clock.parse_utc("2022-11-08T12:30:00Z").isoformat() == "2022-11-08T12:30:00+00:00"
    for text in ("", "yesterday", "2020-02-30", "12.03.2020"):
        with pytest.raises(ValueError, match=r"isoformat|day"):
            clock.parse_utc(text)


def test_never_is_the_largest_int64_and_later_than_every_horizon() -> None:
    assert np.iinfo(np.int64).max == clock.NEVER
    assert clock.NEVER > 1000 * 365 * clock.DAY_MS


def test_the_phases_of_an_instant_stand_in_their_order_behind_simpys_own() -> None:
    order = [
        clock.PHASE_DONE, clock.PHASE_SHIFT, clock.PHASE_LEVELS, clock.PHASE_COMPLAINT, clock.PHASE_OPEN,
        clock.PHASE_DECIDE,
    ]  # fmt: skip
    assert order == sorted(set(order))
    assert order[0] >= 1
