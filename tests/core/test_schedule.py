"""The trace, its windows and its speed-up: each arrival exactly once, at its own time."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtests.core.faults import InputError
from loadtests.core.schedule import Schedule, Trace, Window, cut, in_flight_cap, parse_window, read_trace
from sim.core.clock import parse_utc
from sim.core.tables import ARRIVALS, write
from tests.support.trace_factory import START_UTC, arrivals_at, make_run, steady

LENGTH_US = 60_000_000
TIMES = st.lists(st.integers(0, LENGTH_US - 1), min_size=1, max_size=60).map(sorted)
HEAD = {
    "scenario": "test", "seed": "1", "replication": "0", "model_sha256": "0", "window_start_utc": START_UTC,
    "window_ms": "60000", "predicted": "{}",
}  # fmt: skip


def trace_of(times_us: list[int]) -> Trace:
    arrivals = arrivals_at(np.array(times_us), ["login"] * len(times_us))
    return Trace(Path("arrivals.parquet"), "0" * 64, {}, {}, parse_utc(START_UTC), LENGTH_US, arrivals)


def cut_or_none(trace: Trace, window: Window, speedup: float = 1.0) -> Schedule | None:
    """Return the schedule, None for a window that is empty."""
    try:
        return cut(trace, window, speedup)
    except InputError as error:
        assert "without arrivals" in error.faults[0]  # noqa: PT017
        return None


@given(times=TIMES, n_parts=st.sampled_from([1, 2, 3, 5, 8]), speedup=st.floats(0.1, 50))
def test_windows_side_by_side_hold_each_arrival_exactly_once(times: list[int], n_parts: int, speedup: float) -> None:
    trace = trace_of(times)
    length_us = LENGTH_US // n_parts
    starts = [trace.start_utc + timedelta(microseconds=i * length_us) for i in range(n_parts)]
    parts = [cut_or_none(trace, Window(length_us, start), speedup) for start in starts]
    found = [idx for part in parts if part is not None for idx in part.arrivals["idx"]]
    assert found == list(range(len(times)))


@given(times=TIMES, speedup=st.floats(0.1, 50))
def test_a_speed_up_divides_every_due_time_and_keeps_the_order(times: list[int], speedup: float) -> None:
    schedule = cut(trace_of(times), Window(LENGTH_US, parse_utc(START_UTC)), speedup)
    assert len(schedule.due_us) == len(times)
    assert np.all(np.diff(schedule.due_us) >= 0)
    assert np.all(np.abs(schedule.due_us * speedup - np.array(times)) <= max(1.0, speedup))
    assert schedule.due_us[-1] <= schedule.duration_us


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(times=TIMES, length_us=st.integers(1, LENGTH_US))
def test_no_window_is_busier_than_the_busiest(times: list[int], length_us: int) -> None:
    schedule = cut(trace_of(times), Window(length_us))
    due = np.array(times)
    # Any window can be moved, without losing an arrival, until it begins at one: the slow exact twin tries them all.
    most = max(int(np.sum((due >= start) & (due < start + length_us))) for start in times)
    assert len(schedule.due_us) == most
    assert 0 <= schedule.start_us <= LENGTH_US - length_us
    assert schedule.due_us[0] >= 0
    assert schedule.due_us[-1] < length_us


@given(times=TIMES, span_us=st.integers(1, LENGTH_US), timeout_s=st.floats(0.01, 70))
def test_the_cap_is_never_reached_by_a_target_that_answers_nothing(
    times: list[int], span_us: int, timeout_s: float
) -> None:
    schedule = cut(trace_of(times), Window(LENGTH_US))
    waiting = [np.sum((schedule.due_us <= t) & (schedule.due_us > t - timeout_s * 1e6)) for t in schedule.due_us]
    assert max(waiting) <= in_flight_cap(schedule, timeout_s)
    assert schedule.peak_count(span_us) == max(
        int(np.sum((schedule.due_us >= t) & (schedule.due_us < t + span_us))) for t in schedule.due_us
    )


def test_a_window_ends_before_its_end() -> None:
    trace = trace_of([0, 1_000_000, 2_000_000])
    assert cut(trace, Window(1_000_000)).due_us.tolist() == [0]
    assert [cut(trace, Window(LENGTH_US)).peak_count(span_us) for span_us in (1_000_000, 1_000_001)] == [1, 2]
    assert cut(trace_of([0, 999_999, 2_000_000]), Window(1_000_000)).due_us.tolist() == [0, 999_999]


def test_a_window_may_have_a_start() -> None:
    window = parse_window("2026-01-12T14:05/60s")
    assert window == Window(60_000_000, parse_utc("2026-01-12T14:05"))
    assert parse_window("60 s") == Window(60_000_000)


@pytest.mark.parametrize("text", ["", "60", "0 s", "noon/60 s", "2026-01-12T14:05/", "-1 s"])
def test_other_windows_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be a length such as"):
        parse_window(text)


@pytest.mark.parametrize("text", ["61 s", "2026-01-12T13:59:59/10 s", "2026-01-12T14:00:51/10 s"])
def test_a_window_outside_the_trace_is_a_fault(text: str) -> None:
    with pytest.raises(InputError, match="must lie within the trace, 2026-01-12T14:00:00 to 2026-01-12T14:01:00 UTC"):
        cut(trace_of([1]), parse_window(text))


@pytest.mark.parametrize("speedup", [0.0, -1.0, float("nan"), float("inf")])
def test_a_speed_up_must_be_above_0(speedup: float) -> None:
    with pytest.raises(InputError, match="must be a number above 0"):
        cut(trace_of([1]), Window(LENGTH_US), speedup)


def test_a_trace_is_read_with_its_hash_and_header(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", steady({"login": 10.0, "ticket": 1.0}, 60.0))
    trace = read_trace(run / "arrivals.parquet")
    assert trace.sha256 == hashlib.sha256((run / "arrivals.parquet").read_bytes()).hexdigest()
    assert (trace.length_us, trace.start_utc, len(trace.arrivals)) == (60_000_000, parse_utc(START_UTC), 660)
    assert cut(trace, Window(60_000_000)).counts() == {"ticket": 60, "login": 600}


def test_a_trace_with_bad_rows_names_each_fault(tmp_path: Path) -> None:
    path = tmp_path / "arrivals.parquet"
    rows = arrivals_at(np.array([5, 3, 60_000_000]), ["login", "logout", "login"])
    write(rows.with_columns(idx=rows["idx"] + 1, payload_seed=-rows["payload_seed"]), path, ARRIVALS, header=HEAD)
    with pytest.raises(InputError) as caught:
        read_trace(path)
    assert [fault.split(": ")[1] for fault in caught.value.faults] == [
        "endpoint",
        "due_us",
        "due_us",
        "idx",
        "payload_seed",
    ]


def test_a_trace_without_its_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arrivals.parquet"
    write(arrivals_at(np.array([1]), ["login"]), path, ARRIVALS, header={"seed": "1"})
    with pytest.raises(InputError) as caught:
        read_trace(path)
    assert len(caught.value.faults) == 6


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "arrivals.parquet"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"must be a Parquet file of arrivals"):
        read_trace(path)
