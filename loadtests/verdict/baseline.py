"""Two load tests of the same load compared: is the p95 of each endpoint equivalent, within a margin stated beforehand?

Both sent the same requests at the same times, so they are compared in pairs: each is cut into the same five parts by
the due time, and the p95 of each part differs by so much. Requests that queue behind each other are dependent, parts
that are much longer than a queue lasts are hardly so, and what both runs owe to the same arrivals drops out of their
difference. The 90 % interval is that of the mean of the five differences, by Student's t with four degrees of freedom
(batch means; Ibragimov and Mueller 2010, "t-statistic based correlation and heterogeneity robust inference", Journal of
Business and Economic Statistics 28). Two one-sided tests at 5 % (Schuirmann 1987) are one 90 % interval against the
margin. ``python -m tests.bench coverage`` shows how often the interval covers the truth.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.exceptions import PolarsError
from scipy.special import stdtrit

from loadtests.core.exits import FAILED, INVALID
from loadtests.core.faults import InputError
from loadtests.core.intervals import CONFIDENCE, effective_number, quantile
from loadtests.verdict.measured import Measured, latency_us
from sim.core.tables import ENDPOINTS, REQUESTS, TableError, read

Q = 0.95
PARTS = 5
LEAST_OF_A_PART = 20
"""Fewer requests have no p95 but their largest."""
MARGIN = 0.20
REGRESS, UNDECIDED, EQUIVALENT, IMPROVED = "regress", "undecided", "equivalent", "improved"
_WORST_FIRST = (REGRESS, UNDECIDED, EQUIVALENT, IMPROVED)
_SAME_LOAD = ("trace_sha256", "window", "speedup", "endpoints", "dialect", "timeout_s")


@dataclass(frozen=True)
class Baseline:
    """An earlier load test, and how much slower than it one may be (a share of its p95)."""

    folder: Path
    verdict: Mapping[str, Any]
    requests: pl.DataFrame
    margin: float


def read_baseline(folder: Path, margin: float) -> Baseline:
    """Return the load test in a folder. Raises InputError when it is none, or was invalid."""
    where = f"--baseline: got {folder}"
    try:
        verdict = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
        requests = read(folder / "requests.parquet", REQUESTS)
        lacking = [key for key in ("valid", "host", *_SAME_LOAD) if key not in verdict]
    except (OSError, ValueError, TypeError, TableError, PolarsError):
        raise InputError([f"{where}; must be the folder of a load test, with its verdict and its requests"]) from None
    if lacking:
        raise InputError([f"{where}, whose verdict lacks {', '.join(lacking)}; must be a load test of this version"])
    if not verdict["valid"]:
        raise InputError([f"{where}, which is invalid; must be a valid load test, for an invalid one proves nothing"])
    return Baseline(folder, verdict, requests, margin)


def check_same_load(baseline: Baseline, identity: Mapping[str, Any]) -> None:
    """Raise InputError when the earlier test sent another load than the run of this identity will."""
    before = baseline.verdict
    differing = [key for key in _SAME_LOAD if before[key] != identity[key]]
    if differing:
        told = ", ".join(f"{key} {before[key]} instead of {identity[key]}" for key in differing)
        rule = "must have sent the same load: the same trace, window, speed-up, dialect and time-out"
        raise InputError([f"--baseline: got {baseline.folder} with {told}; {rule}"])


def compare(baseline: Baseline, requests: pl.DataFrame, *, valid: bool) -> dict[str, Any]:
    """Return the comparison of a run's requests with the baseline's: margin, verdict (its worst line's), and lines.

    Each line: name, baseline_ms, measured_ms, difference_ms with limits, margin_ms, the effective number of requests,
    verdict and a sentence.
    """
    present = set(requests["endpoint"])
    lines = [
        _line(name, _latency_ms(baseline.requests, name), _latency_ms(requests, name), baseline.margin)
        for name in ENDPOINTS
        if name in present
    ]
    if not valid:
        told = "the run is invalid and cannot be compared"
        lines = [{**line, "verdict": UNDECIDED, "sentence": told} for line in lines]
    return {
        "folder": str(baseline.folder),
        "host": baseline.verdict["host"],
        "margin": baseline.margin,
        "confidence": CONFIDENCE,
        "verdict": next((v for v in _WORST_FIRST if any(line["verdict"] == v for line in lines)), UNDECIDED),
        "lines": lines,
    }


def compare_into(verdict: dict[str, Any], baseline: Baseline, evidence: Measured) -> None:
    """Add the comparison to a verdict: a regression fails it, and an undecided one leaves it undecided."""
    compared = compare(baseline, evidence.requests, valid=verdict["valid"])
    verdict["baseline"] = compared
    if compared["verdict"] == REGRESS:
        verdict |= {"passed": False, "exit_code": FAILED}
    elif compared["verdict"] == UNDECIDED and verdict["passed"]:
        verdict |= {"passed": None, "exit_code": INVALID}


def difference(x: np.ndarray, y: np.ndarray, q: float = Q) -> tuple[float, float, float] | None:
    """Return the mean difference of the q-quantiles of five parts of x and y, and its 90 % limits.

    ``x`` and ``y`` are in the order of their due times. None where a part has too few values, or where the quantile of
    one is a failure.
    """
    if min(len(x), len(y)) < PARTS * LEAST_OF_A_PART:
        return None
    parts = [_quantiles(values, q) for values in (x, y)]
    if not np.isfinite(parts).all():
        return None
    by = parts[0] - parts[1]
    half = float(stdtrit(PARTS - 1, (1 + CONFIDENCE) / 2) * np.std(by, ddof=1)) / sqrt(PARTS)
    return float(by.mean()), float(by.mean()) - half, float(by.mean()) + half


def _quantiles(values: np.ndarray, q: float) -> np.ndarray:
    return np.array([quantile(np.sort(part), q) for part in np.array_split(values, PARTS)])


def judged(low: float, high: float, margin: float) -> str:
    """Return what an interval of a difference says: all of it beyond the margin, within it, or neither."""
    if low > margin:
        return REGRESS
    if high < -margin:
        return IMPROVED
    return EQUIVALENT if low >= -margin and high <= margin else UNDECIDED


def _line(name: str, before: np.ndarray, now: np.ndarray, margin: float) -> dict[str, Any]:
    at_before, at_now = (quantile(np.sort(values), Q) for values in (before, now))
    line: dict[str, Any] = {
        "name": f"{name}.p95_ms",
        "baseline_ms": _rounded(at_before),
        "measured_ms": _rounded(at_now),
        "effective_n": [_effective(values) for values in (before, now)],
        "margin_ms": None,
        "difference_ms": None,
    }
    if at_before is None or not isfinite(at_before):
        return {**line, "verdict": UNDECIDED, "sentence": "the baseline has no p95: more than 5 % of it failed"}
    if at_now is None or not isfinite(at_now):
        return {**line, "verdict": REGRESS, "sentence": "there is no p95: more than 5 % failed"}
    margin_ms = margin * at_before
    line["margin_ms"] = _rounded(margin_ms)
    found = difference(now, before)
    if found is None:
        few = f"{len(now):,} requests are too few to compare, or too many failed; {PARTS * LEAST_OF_A_PART} are needed"
        return {**line, "verdict": UNDECIDED, "sentence": few}
    by, low, high = found
    limits = {name: _rounded(value) for name, value in (("value", by), ("low", low), ("high", high))}
    sentence = (
        f"p95 {at_now:.4g} ms, {by:+.3g} ms ({low:+.3g} to {high:+.3g}) against the baseline; margin "
        f"{margin_ms:.3g} ms; {len(now):,} requests, worth {line['effective_n'][1]:,} independent ones"
    )
    return {**line, "difference_ms": limits, "verdict": judged(low, high, margin_ms), "sentence": sentence}


def _effective(values: np.ndarray) -> int:
    """Return how many independent requests the p95 rests on."""
    at = quantile(np.sort(values), Q)
    return round(effective_number(values > at)) if at is not None and isfinite(at) else 0


def _latency_ms(requests: pl.DataFrame, name: str) -> np.ndarray:
    return latency_us(requests.filter(pl.col("endpoint") == name)) / 1000


def _rounded(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else round(value, 3)
