"""What a step sends: Poisson arrivals at one rate, of one endpoint or of a run's mix.

The times are those of a Poisson process: exponential gaps. (As many uniform times as the rate asks for would be calmer:
their number never exceeds the mean, and a queue near its limit would look shorter than it is.) They come from a hash of
the step's number, so the same step is the same load again.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from loadtests.core.schedule import SECOND_US, Schedule, Trace
from sim.core.tables import ARRIVALS, check

_KINDS = {"withdrawal": "USDT", "ticket": "trading"}
_CUSTOMERS, _CENTS = 1000, 1000
PRIMERS = {"withdrawal_status": "withdrawal", "ticket_view": "ticket"}
"""Reads need records to ask for: each step of reads begins with a few writes, in the part that is dropped."""
_N_PRIMERS = 5


def step_schedule(
    endpoint: str, rate_per_s: float, length_us: int, number: int, mix: pl.DataFrame | None = None
) -> Schedule:
    """Return the schedule of step ``number``: of one endpoint, or, with a mix, of a run's arrivals in their order."""
    due_us = _poisson(f"{endpoint} {number} due", rate_per_s / SECOND_US, length_us)
    n = len(due_us)
    rows = _own(endpoint, number, n) if mix is None else _of_mix(mix, number, n)
    rows = rows.with_columns(pl.Series("due_us", due_us))
    if mix is None and endpoint in PRIMERS:
        first = np.arange(_N_PRIMERS, dtype=np.int64) * (length_us // 100)
        writes = _own(PRIMERS[endpoint], number, _N_PRIMERS).with_columns(pl.Series("due_us", first))
        rows = pl.concat([writes, rows]).sort("due_us", maintain_order=True)
    rows = rows.with_columns(pl.Series("idx", np.arange(len(rows), dtype=np.int64)))
    rows = check(rows.select([column.name for column in ARRIVALS]), ARRIVALS, f"step {number}")
    trace = Trace(Path(), "", {}, {}, datetime.fromtimestamp(0, UTC), length_us, rows)
    return Schedule(trace, 0, length_us, 1.0, rows, rows["due_us"].to_numpy())


def _poisson(purpose: str, rate_per_us: float, length_us: int) -> np.ndarray:
    """Return the arrivals of a Poisson process within a length, in whole microseconds; at least one."""
    mean = rate_per_us * length_us
    gaps = -np.log1p(-_uniforms(purpose, int(mean + 10 * np.sqrt(mean)) + 20)) / rate_per_us
    at_us = np.floor(np.cumsum(gaps)).astype(np.int64)
    inside = at_us[at_us < length_us]
    return inside if len(inside) else np.zeros(1, dtype=np.int64)


def _own(endpoint: str, number: int, n: int) -> pl.DataFrame:
    """Return n arrivals of one endpoint: many customers, small amounts."""
    u = _uniforms(f"{endpoint} {number} customers", n)
    return pl.DataFrame(
        {
            "endpoint": [endpoint] * n,
            "kind": [_KINDS.get(endpoint, "")] * n,
            "customer": 1 + np.floor(u * _CUSTOMERS).astype(np.int64),
            "amount": np.full(n, _CENTS if endpoint == "withdrawal" else 0, dtype=np.int64),
            "payload_seed": np.floor(_uniforms(f"{endpoint} {number} payload", n) * 2.0**53).astype(np.int64),
        }
    )


def _of_mix(mix: pl.DataFrame, number: int, n: int) -> pl.DataFrame:
    """Return n arrivals of a run's trace, one at random from each of n equal parts, so that the mix is the trace's."""
    places = np.floor((np.arange(n) + _uniforms(f"mix {number}", n)) / n * len(mix)).astype(np.int64)
    return mix[places].select("endpoint", "kind", "customer", "amount", "payload_seed")


def _uniforms(purpose: str, n: int) -> np.ndarray:
    """Return n numbers in [0, 1) that depend on the purpose alone."""
    words = np.frombuffer(hashlib.shake_256(purpose.encode()).digest(8 * n), dtype="<u8")
    return (words >> np.uint64(11)).astype(np.float64) / 2.0**53
