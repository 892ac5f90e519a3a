"""What was measured of each endpoint: rates, outcomes, latencies, a backlog that grows, and why requests failed.

Latency is counted from the due time. Its quantiles are judged over the requests that were acknowledged or failed, a
failure as slower than any answer, so that no quick refusal improves them; the acknowledged alone stand beside. A
rate-limited request is neither. Throughput is what was completed within the window in which the requests were due.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, sqrt
from typing import Any

import numpy as np
import polars as pl

from loadtests.core.intervals import effective_number, quantile, quantile_interval
from loadtests.dialect.contract import ACKNOWLEDGED, NOT_SENT, RATE_LIMITED, REJECTED, SHED, UNKNOWN

QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
FAILURES = (REJECTED, UNKNOWN)
SLACK_US = 100_000
"""What is due at the very end of the window has this much longer to leave and to be answered."""
COMPLETION_SHARE = 0.99
GROWTH_SHARE = 0.01
LEAST_S = 30.0
"""What lasted shorter than this is no rate that a server keeps: queues and buffers take up a burst."""
COMMONEST = 5
_OWN_TO_ONE = re.compile(r"\b(?=[\w-]*\d)[\w-]{8,}\b|\d{4,}")
"""What in a reason is one request's own, such as an id."""


@dataclass(frozen=True)
class Measured:
    """Everything that a verdict rests on.

    ``peaks_per_s``: the predicted p95 peak by endpoint. ``wanted``: the endpoints that were to be sent to.
    """

    requests: pl.DataFrame
    duration_us: int
    timeout_us: int
    objectives: Mapping[str, Mapping[str, float | None]]
    peaks_per_s: Mapping[str, float | None] = field(default_factory=dict)
    wanted: Sequence[str] = ()
    mean_in_flight: float | None = None
    little_xr: float | None = None
    aborted: str = ""
    failing_share: float | None = None
    failing_limit: float = 0.5
    flaws: Sequence[str] = ()


def measure(rows: pl.DataFrame, evidence: Measured) -> dict[str, Any]:
    """Return what was measured of one endpoint's rows."""
    found = dict(rows.group_by("outcome").len().iter_rows())
    sent = rows.height - found.get(SHED, 0) - found.get(NOT_SENT, 0)
    errors = sum(found.get(outcome, 0) for outcome in FAILURES)
    good = rows.filter(pl.col("outcome") == ACKNOWLEDGED)
    service = np.sort((good["done_us"] - good["sent_us"]).to_numpy())
    done_in_window = good.filter(pl.col("done_us") <= evidence.duration_us).height
    return {
        "planned": rows.height,
        "sent": sent,
        "sent_per_s": per_s(sent_in_time(rows, evidence), evidence),
        "outcomes": dict(sorted(found.items())),
        "throughput_per_s": per_s(done_in_window, evidence),
        "error_share": errors / sent if sent else None,
        "rate_limited_share": found.get(RATE_LIMITED, 0) / sent if sent else None,
        "acknowledged_share": len(good) / sent if sent else None,
        **_latencies(rows),
        "service_ms": {name: ms(quantile(service, q)) for name, q in QUANTILES.items()},
        "backlog": backlog_of(rows, evidence),
        "failures": reasons_of(rows),
    }


def _latencies(rows: pl.DataFrame) -> dict[str, Any]:
    """Return each quantile with its 90 % interval, among all that counts and among the acknowledged alone."""
    judged = latency_us(rows)
    ordered, good = np.sort(judged), np.sort(judged[np.isfinite(judged)])
    told = {}
    for name, q in QUANTILES.items():
        value = quantile(ordered, q)
        effective = effective_number(judged > value) if value is not None and isfinite(value) else float(len(judged))
        low, high = quantile_interval(ordered, q, effective=effective)
        told[name] = {
            "value": ms(value), "low": ms(low), "high": ms(high), "effective_n": round(effective),
            "acknowledged": ms(quantile(good, q)),
        }  # fmt: skip
    return {"latency_ms": told}


def latency_us(rows: pl.DataFrame) -> np.ndarray:
    """Return the latencies by which an endpoint is judged, in the order of the due times; infinite: a failure."""
    rows = rows.filter((pl.col("sent_us") >= 0) & pl.col("outcome").is_in([ACKNOWLEDGED, *FAILURES])).sort("due_us")
    latency = (rows["done_us"] - rows["due_us"]).to_numpy().astype(float)
    return np.where(rows["outcome"].to_numpy() == ACKNOWLEDGED, latency, np.inf)


def backlog_of(rows: pl.DataFrame, evidence: Measured) -> dict[str, Any]:
    """Return how many requests were under way when the window ended, and whether their number was growing."""
    sent = rows.filter(pl.col("sent_us") >= 0)
    ended = ended_us(sent, evidence.timeout_us)
    at_end = int(np.count_nonzero(ended > evidence.duration_us + SLACK_US))
    few = at_end <= (1 - COMPLETION_SHARE) * len(sent)
    growing = not few and grows(sent["sent_us"].to_numpy(), ended, (0, evidence.duration_us))
    return {"at_end": at_end, "growing": growing}


def ended_us(rows: pl.DataFrame, timeout_us: int) -> np.ndarray:
    """Return when each request ended: it was answered, or given up after the time-out."""
    done, sent = rows["done_us"].to_numpy(), rows["sent_us"].to_numpy()
    return np.where(done >= 0, done, sent + timeout_us)


def grows(sent_us: np.ndarray, ended: np.ndarray, span_us: tuple[int, int]) -> bool:
    """Return whether the in-flight number rose over a span by more than 1 % of its arrivals and more than its noise.

    The noise is two standard deviations of a Poisson number with the span's mean, as in a system that only serves.
    """
    if len(sent_us) < 2:
        return False
    begin_us, end_us = span_us
    at_us = np.linspace(begin_us + (end_us - begin_us) * 0.05, end_us, 60)
    in_flight = np.searchsorted(np.sort(sent_us), at_us, side="right") - np.searchsorted(
        np.sort(ended), at_us, side="right"
    )
    growth = float(np.polyfit(at_us - at_us[0], in_flight, 1)[0] * (at_us[-1] - at_us[0]))
    return growth > max(GROWTH_SHARE * len(sent_us), 2 * sqrt(max(float(in_flight.mean()), 1.0)))


def reasons_of(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Return the commonest reasons for which requests were not acknowledged, with their counts.

    What is one request's own, such as an id, is left out of a reason, so that the same reason counts as one.
    """
    bad = rows.filter(pl.col("outcome") != ACKNOWLEDGED).group_by("outcome", "reason").len()
    return commonest(
        {"outcome": outcome, "reason": _OWN_TO_ONE.sub("...", reason), "count": n}
        for outcome, reason, n in bad.iter_rows()
    )


def commonest(reasons: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the commonest of some reasons, equal ones counted together."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in reasons:
        counts[one["outcome"], one["reason"]] += one["count"]
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [{"outcome": o, "reason": reason, "count": n} for (o, reason), n in ordered[:COMMONEST]]


def sent_in_time(rows: pl.DataFrame, evidence: Measured) -> int:
    """Return how many were sent while the schedule lasted."""
    return rows.filter((pl.col("sent_us") >= 0) & (pl.col("sent_us") <= evidence.duration_us + SLACK_US)).height


def per_s(count: int, evidence: Measured) -> float:
    """Return a count as a rate over the window."""
    return round(count / (evidence.duration_us / 1e6), 4)


def ms(us: float | None) -> float | None:
    """Return microseconds as milliseconds; None of nothing, and of a failure."""
    return None if us is None or not isfinite(us) else round(us / 1000, 3)
