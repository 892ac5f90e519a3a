"""Predicted against measured: is the run valid, did the target keep its objectives, and how much headroom is left.

A run is valid when the generator did what the trace says. Latency is counted from the due time over requests that were
acknowledged or whose fate is unknown; where no answer came, the time-out counts. A quick refusal is an error, and no
good latency. Quantiles are order statistics, with the distribution-free interval of David and Nagaraja, "Order
Statistics", section 7.1: ranks from the binomial distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, log
from typing import Any

import numpy as np
import polars as pl

from loadtests.core.exits import FAILED, INVALID, PASSED
from loadtests.dialect.contract import ACKNOWLEDGED, NOT_SENT, RATE_LIMITED, REJECTED, SHED, UNKNOWN
from sim.core.tables import ENDPOINTS

LATENESS_P99_LIMIT_MS = 20.0
RATE_TOLERANCE = 0.01
RATE_SLACK_US = 100_000
LITTLE_LIMIT = 0.05
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
PEAK_METRICS = {
    "withdrawals_peak_per_s": ("withdrawal",),
    "tickets_peak_per_s": ("ticket",),
    "reads_peak_per_s": ("withdrawal_status", "ticket_view", "login"),
}
MINUTE_US = 60_000_000


@dataclass(frozen=True)
class Measured:
    """Everything that a verdict rests on."""

    requests: pl.DataFrame
    duration_us: int
    timeout_us: int
    objectives: Mapping[str, Mapping[str, float | None]]
    peaks_per_s: Mapping[str, float | None] = field(default_factory=dict)
    mean_in_flight: float | None = None
    little_xr: float | None = None
    aborted: str = ""
    failing_share: float | None = None
    failing_limit: float = 0.5
    flaws: Sequence[str] = ()


def judge(evidence: Measured) -> dict[str, Any]:
    """Return valid, reasons, thresholds, predicted, measured, generator, headroom and exit_code of a run."""
    endpoints = {
        name: evidence.requests.filter(pl.col("endpoint") == name)
        for name in ENDPOINTS
        if name in set(evidence.requests["endpoint"])
    }
    generator = _generator(evidence)
    own = _generator_thresholds(evidence, generator, endpoints)
    reasons = [*evidence.flaws, *(line["reason"] for line in own if not line["passed"])]
    if evidence.aborted:
        reasons.append(f"the run was ended early: {evidence.aborted}")
    valid = not reasons
    clock_good = (
        generator["lateness_ms"]["p99"] is not None and generator["lateness_ms"]["p99"] <= LATENESS_P99_LIMIT_MS
    )
    measured = {name: _measured(rows, evidence) for name, rows in endpoints.items()}
    targets = [
        line
        for name, rows in endpoints.items()
        for line in _target_thresholds(name, rows, measured[name], evidence, valid=valid, clock_good=clock_good)
    ]
    if evidence.failing_share is not None:
        line = _threshold("run.failing_share", evidence.failing_limit, evidence.failing_share)
        targets.append({**line, "kind": "target", "conclusive": True})
    broken = [line for line in targets if not line["passed"] and line["conclusive"]]
    return {
        "valid": valid,
        "passed": valid and not broken,
        "exit_code": FAILED if broken else PASSED if valid else INVALID,
        "reasons": reasons,
        "thresholds": own + targets,
        "predicted": {"endpoints": {name: _rate(len(rows), evidence) for name, rows in endpoints.items()}},
        "measured": {"endpoints": measured},
        "generator": generator,
        "headroom": _headroom(evidence, measured),
    }


def latency_us(rows: pl.DataFrame, timeout_us: int) -> np.ndarray:
    """Return the latencies from due, sorted; see the module's text for whose."""
    rows = rows.filter(pl.col("outcome").is_in([ACKNOWLEDGED, UNKNOWN]))
    return np.sort(_ended_us(rows, timeout_us) - rows["due_us"].to_numpy())


def _service_us(rows: pl.DataFrame, timeout_us: int) -> np.ndarray:
    rows = rows.filter(pl.col("outcome").is_in([ACKNOWLEDGED, UNKNOWN]))
    return np.sort(_ended_us(rows, timeout_us) - rows["sent_us"].to_numpy())


def _ended_us(rows: pl.DataFrame, timeout_us: int) -> np.ndarray:
    done, sent = rows["done_us"].to_numpy(), rows["sent_us"].to_numpy()
    return np.where(done >= 0, done, sent + timeout_us)


def quantile(ordered: np.ndarray, q: float) -> float | None:
    """Return the q-quantile of sorted values, the order statistic of rank ceil(n q); None of nothing."""
    return float(ordered[max(ceil(len(ordered) * q) - 1, 0)]) if len(ordered) else None


def interval(ordered: np.ndarray, q: float, confidence: float = 0.95) -> tuple[float | None, float | None]:
    """Return the order statistics that enclose the q-quantile with at least ``confidence``.

    Ranks l < u with P(l <= Binomial(n, q) < u) >= confidence, each tail at most half of the rest. A side for which
    there are too few values is None.
    """
    n, tail = len(ordered), (1 - confidence) / 2
    if n == 0:
        return None, None
    k = np.arange(n + 1)
    log_factorial = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    log_choose = log_factorial[n] - log_factorial - log_factorial[::-1]
    below = np.cumsum(np.exp(log_choose + k * log(q) + (n - k) * log(1 - q)))
    low = int(np.searchsorted(below, tail, side="right"))
    high = int(np.searchsorted(below, 1 - tail, side="left")) + 1
    return (float(ordered[low - 1]) if low >= 1 else None), (float(ordered[high - 1]) if high <= n else None)


def _ms(us: float | None) -> float | None:
    return None if us is None else round(us / 1000, 3)


def _rate(count: int, evidence: Measured) -> dict[str, float]:
    return {"count": count, "per_s": round(count / (evidence.duration_us / 1e6), 4)}


def _sent_in_time(rows: pl.DataFrame, evidence: Measured) -> int:
    """Return how many were sent while the schedule lasted; what was due at its very end has a moment longer."""
    return rows.filter((pl.col("sent_us") >= 0) & (pl.col("sent_us") <= evidence.duration_us + RATE_SLACK_US)).height


def _measured(rows: pl.DataFrame, evidence: Measured) -> dict[str, Any]:
    found = dict(rows.group_by("outcome").len().iter_rows())
    sent = rows.height - found.get(SHED, 0) - found.get(NOT_SENT, 0)
    errors = found.get(REJECTED, 0) + found.get(UNKNOWN, 0)
    latency, service = latency_us(rows, evidence.timeout_us), _service_us(rows, evidence.timeout_us)
    return {
        "planned": rows.height,
        "sent": sent,
        "sent_per_s": _rate(_sent_in_time(rows, evidence), evidence)["per_s"],
        "outcomes": dict(sorted(found.items())),
        "throughput_per_s": _rate(found.get(ACKNOWLEDGED, 0), evidence)["per_s"],
        "error_share": errors / sent if sent else None,
        "rate_limited_share": found.get(RATE_LIMITED, 0) / sent if sent else None,
        "latency_ms": {
            name: {"value": _ms(quantile(latency, q)), "low": _ms(low), "high": _ms(high)}
            for name, q in QUANTILES.items()
            for low, high in [interval(latency, q)]
        },
        "service_ms": {name: _ms(quantile(service, q)) for name, q in QUANTILES.items()},
    }


def _generator(evidence: Measured) -> dict[str, Any]:
    rows = evidence.requests
    sent = rows.filter(pl.col("sent_us") >= 0)
    lateness = np.sort(sent["sent_us"].to_numpy() - sent["due_us"].to_numpy())
    seconds, tenths = _count_error(rows, 1_000_000), _count_error(rows, 100_000)
    little = None
    if evidence.mean_in_flight and evidence.little_xr is not None:
        gap = abs(evidence.mean_in_flight - evidence.little_xr) / evidence.mean_in_flight
        little = {"n": evidence.mean_in_flight, "x_times_r": evidence.little_xr, "gap_share": gap}
    return {
        "lateness_ms": {
            "p50": _ms(quantile(lateness, 0.5)),
            "p99": _ms(quantile(lateness, 0.99)),
            "max": _ms(float(lateness[-1])) if len(lateness) else None,
        },
        "count_error_per_s": seconds,
        "count_error_per_100_ms": tenths,
        "little": little,
    }


def _count_error(rows: pl.DataFrame, bin_us: int) -> dict[str, float]:
    """Return mean and largest difference between due and sent per bin, and the mean as a share of the mean count."""
    due, sent = rows["due_us"].to_numpy(), rows.filter(pl.col("sent_us") >= 0)["sent_us"].to_numpy()
    n_bins = int(max(due.max(), sent.max(initial=0)) // bin_us) + 1
    planned = np.bincount(due // bin_us, minlength=n_bins)
    gap = np.abs(planned - np.bincount(sent // bin_us, minlength=n_bins))
    return {"mean": float(gap.mean()), "max": int(gap.max()), "mean_share": float(gap.mean() / planned.mean())}


def _threshold(name: str, limit: float, measured: float | None, *, at_least: bool = False) -> dict[str, Any]:
    """Return one line: a measured value passes at most (or at least) as large as its limit; none at all fails."""
    passed = measured is not None and (measured >= limit if at_least else measured <= limit)
    return {"name": name, "limit": limit, "measured": measured, "passed": passed, "at_least": at_least}


def _generator_thresholds(
    evidence: Measured, generator: dict[str, Any], endpoints: Mapping[str, pl.DataFrame]
) -> list[dict[str, Any]]:
    found = dict(evidence.requests.group_by("outcome").len().iter_rows())
    late = generator["lateness_ms"]["p99"]
    lines = [
        {**_threshold("generator.shed", 0, found.get(SHED, 0)), "reason": f"{found.get(SHED, 0)} requests were shed"},
        {
            **_threshold("generator.not_sent", 0, found.get(NOT_SENT, 0)),
            "reason": f"{found.get(NOT_SENT, 0)} requests were not sent",
        },
        {
            **_threshold("generator.lateness_p99_ms", LATENESS_P99_LIMIT_MS, late),
            "reason": f"requests left late: p99 {late} ms, limit {LATENESS_P99_LIMIT_MS:g} ms",
        },
    ]
    if generator["little"] is not None:
        gap = generator["little"]["gap_share"]
        why = f"the clocks contradict each other: Little's law is off by {gap:.1%}"
        lines.append({**_threshold("generator.little_gap_share", LITTLE_LIMIT, gap), "reason": why})
    for name, rows in endpoints.items():
        planned, sent = rows.height, _sent_in_time(rows, evidence)
        why = f"{name}: {sent} of {planned} requests were sent in time"
        error = abs(sent - planned) / planned
        lines.append({**_threshold(f"{name}.rate_error_share", RATE_TOLERANCE, error), "reason": why})
    return [{**line, "kind": "generator"} for line in lines]


def _target_thresholds(
    name: str, rows: pl.DataFrame, measured: dict[str, Any], evidence: Measured, *, valid: bool, clock_good: bool
) -> list[dict[str, Any]]:
    """Return a line for each objective. In an invalid run a broken one counts only if nothing unsent could mend it."""
    objectives = evidence.objectives.get(name) or {}
    lines = []
    error_limit = objectives.get("error_share")
    limited = objectives.get("rate_limited_share")
    shares = {
        "error_share": (error_limit, (REJECTED, UNKNOWN)),
        "rate_limited_share": (error_limit if limited is None else limited, (RATE_LIMITED,)),
    }
    for what, (limit, outcomes) in shares.items():
        if limit is not None:
            surely = outcomes if clock_good else tuple(o for o in outcomes if o != UNKNOWN)
            n_bad = rows.filter(pl.col("outcome").is_in(surely)).height
            line = _threshold(f"{name}.{what}", limit, measured[what])
            lines.append({**line, "conclusive": valid or n_bad > limit * rows.height})
    least = objectives.get("throughput_per_s")
    if least is not None:
        line = _threshold(f"{name}.throughput_per_s", least, measured["throughput_per_s"], at_least=True)
        unsent = rows.filter(pl.col("outcome").is_in([SHED, NOT_SENT])).height
        possible = measured["throughput_per_s"] + _rate(unsent, evidence)["per_s"]
        lines.append({**line, "conclusive": valid or possible < least})
    service = _service_us(rows, evidence.timeout_us)
    for quantile_name, q in QUANTILES.items():
        limit = objectives.get(f"{quantile_name}_ms")
        if limit is not None:
            n_over = int(np.count_nonzero(service > limit * 1000))
            line = _threshold(f"{name}.{quantile_name}_ms", limit, measured["latency_ms"][quantile_name]["value"])
            lines.append({**line, "conclusive": valid or (clock_good and n_over > (1 - q) * rows.height)})
    return [{**line, "kind": "target"} for line in lines]


def _headroom(evidence: Measured, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Return how much faster than the predicted p95 peak was sent, and how far each p99 lies below its objective."""
    rows = evidence.requests.filter(pl.col("sent_us") >= 0)
    span_us = min(evidence.duration_us, MINUTE_US)
    rates = {}
    for metric, names in PEAK_METRICS.items():
        due = rows.filter(pl.col("endpoint").is_in(names))["due_us"].to_numpy()
        busiest = np.max(np.searchsorted(due, due + span_us, side="left") - np.arange(len(due)), initial=0)
        sent_per_s, peak = float(busiest) / (span_us / 1e6), evidence.peaks_per_s.get(metric)
        ratio = sent_per_s / peak if peak else None
        rates[metric] = {"sent_per_s": round(sent_per_s, 4), "predicted_p95_per_s": peak, "ratio": ratio}
    latency = {}
    for name, values in measured.items():
        limit, p99 = (evidence.objectives.get(name) or {}).get("p99_ms"), values["latency_ms"]["p99"]["value"]
        latency[name] = limit / p99 if limit is not None and p99 else None
    return {"rate_over_predicted_p95_peak": rates, "p99_objective_over_measured": latency}
