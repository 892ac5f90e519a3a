"""Small run folders for tests of the load test: arrivals.parquet, run.json and metrics.json, as a run writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from sim.core.tables import ARRIVALS, ENDPOINTS, write

START_UTC = "2026-01-12T14:00:00+00:00"
KINDS = {"withdrawal": ("USDT", "BTC", "ETH", "USDC"), "ticket": ("account_access", "missing_deposit", "trading")}


def arrivals_at(due_us: np.ndarray, endpoints: list[str], *, seed: int = 1) -> pl.DataFrame:
    """Return arrivals at the given times, everything else drawn from ``seed``."""
    rng, n = np.random.default_rng(seed), len(due_us)
    kinds = [KINDS[name][i % len(KINDS[name])] if name in KINDS else "" for i, name in enumerate(endpoints)]
    amounts = np.where(np.array(endpoints) == "withdrawal", rng.integers(1_000, 500_000, n), 0)
    columns = {
        "idx": np.arange(n, dtype=np.int64),
        "due_us": np.asarray(due_us, dtype=np.int64),
        "endpoint": pl.Series(endpoints, dtype=pl.String),
        "kind": pl.Series(kinds, dtype=pl.String),
        "customer": rng.integers(1, 9_000_000, n),
        "amount": amounts.astype(np.int64),
        "payload_seed": rng.integers(0, 2**62, n),
    }
    return pl.DataFrame(columns).select([column.name for column in ARRIVALS])


def steady(rates_per_s: Mapping[str, float], seconds: float, *, seed: int = 1) -> pl.DataFrame:
    """Return evenly spaced arrivals: each endpoint at its own constant rate, from time 0 on."""
    times = {
        name: (np.arange(int(rate * seconds + 1e-9)) + 0.5) / rate * 1e6 for name, rate in rates_per_s.items() if rate
    }
    due_us = np.concatenate(list(times.values()))
    names = [name for name, values in times.items() for _ in values]
    order = np.argsort(due_us, kind="stable")
    return arrivals_at(np.round(due_us[order]).astype(np.int64), [names[i] for i in order], seed=seed)


def make_run(
    folder: Path,
    arrivals: pl.DataFrame,
    *,
    window_ms: int = 60_000,
    objectives: Mapping[str, object] | None = None,
    peaks_per_s: Mapping[str, float | None] | None = None,
    promise_ms: int | None = None,
) -> Path:
    """Write a run folder around the arrivals, and return it; ``promise_ms`` is the scenario's for withdrawals."""
    folder.mkdir(parents=True)
    per_minute = {name: [arrivals.filter(pl.col("endpoint") == name).height] for name in ENDPOINTS}
    head = {
        "scenario": "test",
        "seed": "1",
        "replication": "0",
        "model_sha256": "0" * 64,
        "window_start_utc": START_UTC,
        "window_ms": str(window_ms),
        "predicted": json.dumps({"per_minute": per_minute, "peak_per_s": {}, "whole_run_peak_per_s": {}}),
    }
    write(arrivals, folder / "arrivals.parquet", ARRIVALS, header=head)
    scenario: dict[str, object] = {"objectives": dict(objectives or {})}
    if promise_ms is not None:
        scenario["withdrawals"] = {"promise": f"{promise_ms} ms"}
    run = {"scenario": scenario, "name": "test", "seed": 1}
    (folder / "run.json").write_text(json.dumps(run))
    metrics = {name: {"unit": "1/s", "p95": value} for name, value in (peaks_per_s or {}).items()}
    (folder / "metrics.json").write_text(json.dumps({"metrics": metrics}))
    return folder
