"""Rows of a load test made by hand, and the verdict on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from loadtests.verdict.verdict import Measured, judge
from sim.core.tables import REQUESTS, check

SECOND_US = 1_000_000


def rows_of(n: int = 1000, *, endpoint: str = "login", **columns: Any) -> pl.DataFrame:
    """Return n acknowledged requests over 10 s, sent 1 ms late and answered 20 ms after they were due; with changes."""
    due = np.arange(n, dtype=np.int64) * (10 * SECOND_US // n)
    frame = pl.DataFrame(
        {
            "idx": np.arange(n, dtype=np.int64),
            "endpoint": [endpoint] * n,
            "due_us": due,
            "sent_us": due + 1_000,
            "done_us": due + 20_000,
            "status": np.full(n, 200, dtype=np.int32),
            "outcome": ["acknowledged"] * n,
            "reason": [""] * n,
            "key": [""] * n,
            "server_id": [""] * n,
        }
    )
    return check(frame.with_columns(**columns), REQUESTS, "test")


def lasting_30_s(n: int = 1000, *, endpoint: str = "login") -> pl.DataFrame:
    """Return n such requests over 30 s."""
    due = pl.col("due_us") * 3
    return rows_of(n, endpoint=endpoint, due_us=due, sent_us=due + 1_000, done_us=due + 20_000)


def first(n: int, then: pl.Expr | Any, column: str) -> pl.Expr:
    """Return the column with its first n values replaced."""
    return pl.when(pl.col("idx") < n).then(then).otherwise(pl.col(column)).alias(column)


def ended(n: int, outcome: str, *, answered: bool = False) -> Any:
    """Return changes by which the first n requests ended otherwise."""
    done = pl.col("done_us") if answered else pl.lit(-1, pl.Int64)
    return {"outcome": first(n, pl.lit(outcome), "outcome"), "done_us": first(n, done, "done_us")}


def unsent(n: int, outcome: str) -> Any:
    minus = pl.lit(-1, pl.Int64)
    return {**ended(n, outcome), "sent_us": first(n, minus, "sent_us")}


def judged(rows: pl.DataFrame, **changes: Any) -> dict[str, Any]:
    objective = {"p50_ms": 50.0, "p95_ms": None, "p99_ms": 100.0, "error_share": 0.01}
    observed = {"duration_us": 10 * SECOND_US, "timeout_us": SECOND_US, "objectives": {"login": objective}}
    return judge(Measured(requests=rows, **{**observed, **changes}))
