"""The requests to the endpoints: one replication around its busiest minute, request by request.

The pipeline knows counts by the minute; here they are spread over their minutes (a Poisson process given its count
is uniform), and each request gets a customer, an amount and the seed of its payload.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sim.core.clock import MINUTE_MS
from sim.core.tables import ARRIVALS, ENDPOINTS
from sim.demand.requests import MINUTE_STRIDE
from sim.experiment.analysis.estimate import Estimate
from sim.metrics.observation.replication import Observation
from sim.numerics.lognormal import amounts_at

WINDOW_MINUTES = 60
REQUESTS_MAX = 1_000_000
SPAM, SPAM_TEXTS = "spam", 4
"""The kind of a campaign's worthless tickets, and of how many texts they are all near-duplicates."""
NEWCOMERS = ("signup", "kyc", "deposit")
ALL_PEAK = "requests_peak_per_s"
PEAKS = ("withdrawals_peak_per_s", "tickets_peak_per_s", "reads_peak_per_s", ALL_PEAK)


def p95_replication(peaks: list[float | None]) -> int:
    """Return the number of the replication at the 95 % quantile of the peak rate: the order statistic above 0.95 n."""
    values = np.array([-1.0 if peak is None else peak for peak in peaks])
    return int(np.argsort(values, kind="stable")[min(int(0.95 * len(values)), len(values) - 1)])


def busiest_window(observed: Observation) -> tuple[int, int]:
    """Return the minutes of the run, first and after the last, around the busiest minute that the trace covers.

    An hour, or less where an hour would hold more than ``REQUESTS_MAX`` requests; a minute in any case.
    """
    total = np.sum(list(observed.measured_requests.values()), axis=0)
    minutes = WINDOW_MINUTES
    while True:
        begin = min(max(int(np.argmax(total)) - minutes // 2, 0), len(total) - minutes)
        if minutes == 1 or total[begin : begin + minutes].sum() <= REQUESTS_MAX:
            first = observed.from_ms // MINUTE_MS + begin
            return first, first + minutes
        minutes -= 1


def arrivals(observed: Observation, window: tuple[int, int]) -> pl.DataFrame:
    """Return the requests of a window of minutes, in order of due time (``sim.core.tables.ARRIVALS``)."""
    parts = [_endpoint(observed, name, window) for name in ENDPOINTS]
    table = pl.concat(parts).sort("due_us", "endpoint", maintain_order=True)
    return table.with_row_index("idx").select(pl.col("idx").cast(pl.Int64), *[c.name for c in ARRIVALS[1:]])


def _endpoint(observed: Observation, name: str, window: tuple[int, int]) -> pl.DataFrame:
    begin, end = window
    counts = observed.requests[name][begin:end]
    minute = np.repeat(np.arange(begin, end), counts)
    position = np.arange(len(minute)) - np.repeat(np.cumsum(counts) - counts, counts)
    ordinals = minute.astype(np.int64) * MINUTE_STRIDE + position
    payload = np.floor(observed.streams.uniforms(name, "payload", ordinals) * 2.0**53).astype(np.int64)
    if name == "ticket":
        due_us, kind = _tickets(observed, window)
        payload[kind == SPAM] //= 2**53 // SPAM_TEXTS  # not by the low bits, which are no chance
    else:
        u = observed.streams.uniforms(name, "due", ordinals)
        due_us = (minute - begin) * MINUTE_MS * 1000 + np.floor(u * MINUTE_MS * 1000).astype(np.int64)
        kind = _assets(observed, ordinals) if name == "withdrawal" else np.full(len(ordinals), "")
    people = observed.model.scenario.population
    customers = people.registered if people else max(len(ordinals), 1)
    who = np.floor(observed.streams.uniforms(name, "customer", ordinals) * customers).astype(np.int64)
    return pl.DataFrame(
        {
            "due_us": due_us,
            "endpoint": np.full(len(ordinals), name),
            "kind": kind,
            "customer": who + (customers if name in NEWCOMERS else 0),  # their numbers follow those of the registered
            "amount": _cents(observed, ordinals) if name == "withdrawal" else np.zeros(len(ordinals), dtype=np.int64),
            "payload_seed": payload,
        },
        schema={c.name: c.dtype for c in ARRIVALS[1:]},
    )


def _tickets(observed: Observation, window: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.str_]]:
    """Return the times of the tickets of a window, each as the model opened it, and their categories, or SPAM."""
    opened, spam = observed.outcome.opened_ms, observed.demand.spam_ms
    people = observed.root
    names = np.array([*observed.demand.categories, SPAM])
    without_row = [*observed.bot_opened_ms, spam]
    times = [opened[people], *without_row]
    numbers = [observed.demand.category[people], *(np.full(len(t), i) for i, t in enumerate(without_row))]
    at, category = np.concatenate(times), np.concatenate(numbers)
    inside = (at >= window[0] * MINUTE_MS) & (at < window[1] * MINUTE_MS)
    order = np.argsort(at[inside], kind="stable")
    return (at[inside][order] - window[0] * MINUTE_MS) * 1000, names[category[inside][order]]


def _assets(observed: Observation, ordinals: NDArray[np.int64]) -> NDArray[np.str_]:
    withdrawals = observed.model.scenario.withdrawals
    if withdrawals is None:
        return np.full(len(ordinals), "")
    edges = np.cumsum(list(withdrawals.assets.values()))[:-1]
    u = observed.streams.uniforms("withdrawal", "asset", ordinals)
    return np.array(list(withdrawals.assets))[np.searchsorted(edges, u, side="right")]


def _cents(observed: Observation, ordinals: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return amounts in cents: of the requests that the model drew, the very same."""
    withdrawals = observed.model.scenario.withdrawals
    if withdrawals is None:
        return np.zeros(len(ordinals), dtype=np.int64)
    u = observed.streams.uniforms("withdrawal", "amount", ordinals)
    return amounts_at(observed.model.expected_demand.withdrawals.law.amounts, u)


def header(
    observed: Observation, window: tuple[int, int], peaks: dict[str, Estimate], model_sha256: str
) -> dict[str, str]:
    """Return the trace's header: which model, seed, replication and window, and what was predicted for it."""
    scenario = observed.model.scenario
    begin, end = window
    start = datetime.combine(scenario.start, time(), UTC) + timedelta(milliseconds=begin * MINUTE_MS)
    per_minute = {name: observed.requests[name][begin:end] for name in ENDPOINTS}
    own = [f"{ALL_PEAK}.{name}" for name in ENDPOINTS if f"{ALL_PEAK}.{name}" in peaks]
    predicted = {
        "per_minute": {name: counts.tolist() for name, counts in per_minute.items()},
        "peak_per_s": {name: int(counts.max()) / 60 for name, counts in per_minute.items()},
        "whole_run_peak_per_s": {name: {"p50": peaks[name].p50, "p95": peaks[name].p95} for name in (*PEAKS, *own)},
    }
    return {
        "scenario": scenario.title,
        "seed": str(observed.streams.seed),
        "replication": str(observed.streams.replication),
        "model_sha256": model_sha256,
        "window_start_utc": start.isoformat().replace("+00:00", "Z"),
        "window_ms": str((end - begin) * MINUTE_MS),
        "predicted": json.dumps(predicted, separators=(",", ":")),
    }
