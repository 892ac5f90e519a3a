"""From a run's predicted arrivals to what is sent when: the trace, its windows and its speed-up.

The trace is a Parquet file of the schema ``sim.core.tables.ARRIVALS``; the SHA-256 of its bytes is its identity.
Due times are integer microseconds, because a speed-up makes ties of milliseconds.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from loadtests.core.faults import InputError
from sim.core.clock import duration_ms, duration_text, parse_utc
from sim.core.tables import ARRIVALS, ENDPOINTS, TableError, header, read

SECOND_US = 1_000_000
ALL = "all"
"""Used in place of an endpoint's name for all endpoints of a mix together."""
ON_REQUEST = ("signup", "kyc", "deposit", "mfa")
"""Predicted, but sent only when named: the reference server has none of them. The verdict counts those left out."""
_HEADER_KEYS = ("scenario", "seed", "replication", "model_sha256", "window_start_utc", "window_ms", "predicted")
WINDOW_RULE = (
    'must be a length such as "60 s" (the busiest of that length) or START/LENGTH such as 2026-01-12T14:05/60s'
)


@dataclass(frozen=True)
class Trace:
    """All requests of one predicted hour, as the prediction wrote them."""

    path: Path
    sha256: str
    header: dict[str, str]
    predicted: dict[str, Any]
    start_utc: datetime
    length_us: int
    arrivals: pl.DataFrame


@dataclass(frozen=True)
class Window:
    """A wanted slice of a trace: its length, and its start or None for the busiest."""

    length_us: int
    start_utc: datetime | None = None


@dataclass(frozen=True)
class Schedule:
    """What one run sends, and when: ``due_us`` counts from the run's own start, speed-up included."""

    trace: Trace
    start_us: int
    length_us: int
    speedup: float
    arrivals: pl.DataFrame
    due_us: np.ndarray

    @property
    def duration_us(self) -> int:
        """The time that the sending takes, in microseconds."""
        return round(self.length_us / self.speedup)

    @property
    def start_utc(self) -> datetime:
        """When the window begins in the scenario's own calendar."""
        return self.trace.start_utc + timedelta(microseconds=self.start_us)

    def counts(self) -> dict[str, int]:
        """Return how many requests each endpoint gets; endpoints without any are left out."""
        rows = self.arrivals.group_by("endpoint").len().iter_rows()
        found = dict(rows)
        return {name: found[name] for name in ENDPOINTS if name in found}

    def peak_count(self, span_us: int) -> int:
        """Return the largest number of requests due within any span of ``span_us``."""
        return int(np.max(_counts_from_each(self.due_us, span_us), initial=0))


def read_trace(path: Path) -> Trace:
    """Return the trace in ``path``, its header parsed and its rows checked.

    Raises InputError with every fault found.
    """
    try:
        arrivals = read(path, ARRIVALS)
        head = header(path)
    except FileNotFoundError:
        raise InputError([f"{path}: got nothing; must be a trace of arrivals, as a run writes it"]) from None
    except (TableError, PolarsError, OSError) as error:
        raise InputError([f"{path}: got {_one_line(error)}; must be a Parquet file of arrivals"]) from None
    faults = [f"{path}: header.{key}: got nothing; must be there" for key in _HEADER_KEYS if key not in head]
    if faults:
        raise InputError(faults)
    try:
        start_utc, length_us = parse_utc(head["window_start_utc"]), int(head["window_ms"]) * 1000
        predicted = dict(json.loads(head["predicted"]))
    except (ValueError, TypeError) as error:
        raise InputError([f"{path}: header: got {_one_line(error)}; must be a time, a number and JSON"]) from None
    faults = [f"{path}: {fault}" for fault in _row_faults(arrivals, length_us)]
    if faults:
        raise InputError(faults)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return Trace(path, sha256, head, predicted, start_utc, length_us, arrivals)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]


def _row_faults(arrivals: pl.DataFrame, length_us: int) -> list[str]:
    if arrivals.is_empty():
        return ["rows: got none; must hold at least one arrival"]
    due_us, idx = arrivals["due_us"], arrivals["idx"]
    unknown = sorted(set(arrivals["endpoint"].unique().to_list()) - set(ENDPOINTS))
    faults = [f"endpoint: got {name}; must be one of {', '.join(ENDPOINTS)}" for name in unknown]
    if any(arrivals.null_count().row(0)):
        faults.append("rows: got empty cells; every cell must hold a value")
        return faults
    if not due_us.is_sorted():
        faults.append("due_us: got times out of order; must rise")
    first_us, last_us = int(due_us.to_numpy().min()), int(due_us.to_numpy().max())
    if first_us < 0 or last_us >= length_us:
        faults.append(f"due_us: got {first_us} to {last_us}; must lie within 0 and {length_us} us")
    if not np.array_equal(idx.to_numpy(), np.arange(len(idx))):
        faults.append("idx: got other numbers; must count the rows from 0")
    if int(arrivals["payload_seed"].to_numpy().min()) < 0:
        faults.append("payload_seed: got a negative number; must be 0 or more")
    return faults


def parse_window(text: str) -> Window:
    """Return the window that ``--window`` asks for. Raises ValueError with the rule in its message."""
    start, slash, length = text.rpartition("/")
    try:
        window = Window(duration_ms(length) * 1000, parse_utc(start) if slash else None)
    except ValueError:
        raise ValueError(WINDOW_RULE) from None
    if window.length_us <= 0:
        raise ValueError(WINDOW_RULE)
    return window


def cut(trace: Trace, window: Window, speedup: float = 1.0) -> Schedule:
    """Return the schedule of one window of the trace, sent ``speedup`` times as fast as predicted.

    Raises InputError when the window does not lie within the trace or the speed-up is not above 0.
    """
    faults = []
    if not (isfinite(speedup) and speedup > 0):
        faults.append(f"--speedup: got {speedup:g}; must be a number above 0")
    start_us = _start_us(trace, window)
    if start_us < 0 or start_us + window.length_us > trace.length_us:
        end_utc = trace.start_utc + timedelta(microseconds=trace.length_us)
        asked = f"{window.start_utc:%Y-%m-%dT%H:%M:%S}/" if window.start_utc else ""
        faults.append(
            f"--window: got {asked}{duration_text(window.length_us / 1000)}; must lie within the trace, "
            f"{trace.start_utc:%Y-%m-%dT%H:%M:%S} to {end_utc:%Y-%m-%dT%H:%M:%S} UTC"
        )
    if faults:
        raise InputError(faults)
    due_us = trace.arrivals["due_us"].to_numpy()
    first, last = np.searchsorted(due_us, [start_us, start_us + window.length_us], side="left")
    rows = trace.arrivals.slice(int(first), int(last - first))
    if rows.is_empty():
        raise InputError(["--window: got a window without arrivals; must hold at least one"])
    own_us = np.floor((rows["due_us"].to_numpy() - start_us) / speedup).astype(np.int64)
    return Schedule(trace, start_us, window.length_us, speedup, rows, own_us)


def _start_us(trace: Trace, window: Window) -> int:
    if window.start_utc is not None:
        return round((window.start_utc - trace.start_utc) / timedelta(microseconds=1))
    due_us = trace.arrivals["due_us"].to_numpy()
    busiest = int(due_us[np.argmax(_counts_from_each(due_us, window.length_us))])
    # A window that would reach beyond the trace slides back; it loses nothing, for nothing is due later.
    return min(busiest, trace.length_us - window.length_us)


def _counts_from_each(due_us: np.ndarray, span_us: int) -> np.ndarray:
    """Return, for each arrival, how many are due within ``span_us`` from it on."""
    return np.searchsorted(due_us, due_us + span_us, side="left") - np.arange(len(due_us))


def in_flight_cap(schedule: Schedule, timeout_s: float) -> int:
    """Return the in-flight cap at which the generator is never the limit.

    At least peak rate x time-out: a target that answers nothing then times out before an arrival is shed.
    """
    peak_per_s = schedule.peak_count(SECOND_US)
    return peak_per_s * (ceil(timeout_s) + 1)
