"""Two load tests of the same load compared: is the p95 of each endpoint equivalent, within a margin stated beforehand?

The difference of two quantiles gets its interval from the order-statistic intervals of both, by the method of variance
estimates recovery (Zou and Donner 2008, "Construction of confidence limits about effect measures", Statistics in
Medicine 27): with estimates x, y and their limits, low = (x - y) - sqrt((x - x_low)^2 + (y_high - y)^2), and high
likewise. Two one-sided tests at 5 % (Schuirmann 1987) are one 90 % interval against the margin. The requests of one run
are taken as independent; where they queue behind each other the interval is too narrow, which the margin must bear.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from polars.exceptions import PolarsError

from loadtests.core.exits import FAILED
from loadtests.core.faults import InputError
from loadtests.verdict.verdict import Measured, interval, latency_us, quantile
from sim.core.tables import ENDPOINTS, REQUESTS, TableError, read

CONFIDENCE, Q = 0.90, 0.95
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


def compare(baseline: Baseline, requests: pl.DataFrame, timeout_us: int, *, valid: bool) -> dict[str, Any]:
    """Return the comparison of a run's requests with the baseline's: margin, verdict (its worst line's), and lines.

    Each line: name, baseline_ms, measured_ms and difference_ms with limits, margin_ms, verdict and a sentence.
    """
    present = set(requests["endpoint"])
    lines = [
        _line(name, _latency_ms(baseline.requests, name, timeout_us), _latency_ms(requests, name, timeout_us), baseline)
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
    """Add the comparison to a verdict; a regression fails it."""
    compared = compare(baseline, evidence.requests, evidence.timeout_us, valid=verdict["valid"])
    verdict["baseline"] = compared
    if compared["verdict"] == REGRESS:
        verdict |= {"passed": False, "exit_code": FAILED}


def difference(x: np.ndarray, y: np.ndarray, q: float = Q) -> tuple[float, float | None, float | None] | None:
    """Return the difference of the q-quantiles of sorted x and y, and its 90 % limits; None of nothing.

    A limit is None where there are too few values for it.
    """
    at_x, at_y = quantile(x, q), quantile(y, q)
    if at_x is None or at_y is None:
        return None
    (x_low, x_high), (y_low, y_high) = interval(x, q, CONFIDENCE), interval(y, q, CONFIDENCE)
    low = None if x_low is None or y_high is None else at_x - at_y - hypot(at_x - x_low, y_high - at_y)
    high = None if x_high is None or y_low is None else at_x - at_y + hypot(x_high - at_x, at_y - y_low)
    return at_x - at_y, low, high


def judged(low: float | None, high: float | None, margin: float) -> str:
    """Return what an interval of a difference says: all of it beyond the margin, within it, or neither."""
    if low is not None and low > margin:
        return REGRESS
    if high is not None and high < -margin:
        return IMPROVED
    if low is not None and high is not None and low >= -margin and high <= margin:
        return EQUIVALENT
    return UNDECIDED


def _line(name: str, before: np.ndarray, now: np.ndarray, baseline: Baseline) -> dict[str, Any]:
    line = {"name": f"{name}.p95_ms", "baseline_ms": _limits(before), "measured_ms": _limits(now)}
    found = difference(now, before)
    if found is None:
        lost = len(before) > 0
        told = f"no latency in {'this run' if lost else 'the baseline'}: nothing was acknowledged"
        return {**line, "margin_ms": None, "difference_ms": None, "verdict": REGRESS if lost else UNDECIDED,
                "sentence": told}  # fmt: skip
    by, low, high = found
    margin_ms = baseline.margin * (quantile(before, Q) or 0.0)
    verdict = judged(low, high, margin_ms)
    sides = " to ".join("unknown" if side is None else f"{side:+.3g}" for side in (low, high))
    sentence = f"p95 {quantile(now, Q):.4g} ms, {by:+.3g} ms ({sides}) against the baseline; margin {margin_ms:.3g} ms"
    interval_ms = {"value": _rounded(by), "low": _rounded(low), "high": _rounded(high)}
    return {**line, "margin_ms": _rounded(margin_ms), "difference_ms": interval_ms, "verdict": verdict,
            "sentence": sentence}  # fmt: skip


def _latency_ms(requests: pl.DataFrame, name: str, timeout_us: int) -> np.ndarray:
    return latency_us(requests.filter(pl.col("endpoint") == name), timeout_us) / 1000


def _limits(ordered: np.ndarray) -> dict[str, float | None]:
    low, high = interval(ordered, Q, CONFIDENCE)
    return {"value": _rounded(quantile(ordered, Q)), "low": _rounded(low), "high": _rounded(high)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
