"""A load test's verdict in words and rows. What a verdict does not have is left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.core.digits import significant
from sim.output.presentation.findings import ENDPOINT_NAMES, METRIC_ENDPOINTS


def in_words(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sentences of a verdict, its reasons, rates, endpoints, broken thresholds and reconciliation."""
    thresholds = list(verdict.get("thresholds") or ())
    broken = [row for row in thresholds if not row["passed"]]
    return {
        "passed": bool(verdict.get("passed")),
        "valid": bool(verdict.get("valid")),
        "sentence": _sentence(verdict),
        "how": _how(verdict),
        "manager": (verdict.get("manager") or {}).get("sentence", ""),
        "reasons": list(verdict.get("reasons") or ()),
        "rates": _rates(verdict),
        "endpoints": _endpoints(verdict),
        "n_thresholds": len(thresholds),
        "broken": [row | {"limit": _limit(row), "measured": _number(row["measured"])} for row in broken],
        "checks": list((verdict.get("reconciliation") or {}).get("checks") or ()),
    }


def _sentence(verdict: Mapping[str, Any]) -> str:
    targets_broken = any(not row["passed"] and row.get("kind") == "target" for row in verdict.get("thresholds") or ())
    if not verdict.get("valid"):
        rest = " The requests sent broke a threshold all the same." if verdict.get("exit_code") == 1 else ""
        return f"The load generator, not the endpoints, fell short, so the test proves nothing good about them.{rest}"
    if verdict.get("passed"):
        return "The endpoints met every objective under this load."
    if not targets_broken:
        return "The endpoints were fast enough, but their records do not match the requests that they acknowledged."
    return "The endpoints did not meet every objective under this load."


def _how(verdict: Mapping[str, Any]) -> str:
    """Return what was replayed, how fast and against what."""
    window, words = verdict.get("window") or {}, []
    if window.get("length_s") is not None:
        begin = str(window.get("start_utc", ""))[:16].replace("T", " ")
        words.append(f"{window['length_s']:g} s of the prediction from {begin} UTC")
    if verdict.get("speedup") is not None:
        fast = "as" if verdict["speedup"] == 1 else f"{verdict['speedup']:g} times as"
        words.append(f"replayed {fast} fast as predicted")
    if verdict.get("host"):
        words.append(f"against {verdict['host']}")
    counts = verdict.get("counts") or {}
    if counts.get("planned"):
        words.append(f"{counts.get('acknowledged', 0):,} of {counts['planned']:,} requests acknowledged")
    return ", ".join(words)


def _rates(verdict: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the busiest minute that was sent against the predicted peak, where that is known."""
    rates = (verdict.get("headroom") or {}).get("rate_over_predicted_p95_peak") or {}
    return [
        {
            "name": METRIC_ENDPOINTS.get(name, name),
            "sent": _number(row.get("sent_per_s")),
            "predicted": _number(row.get("predicted_p95_per_s")),
            "ratio": _number(row.get("ratio")),
        }
        for name, row in rates.items()
        if row.get("predicted_p95_per_s")
    ]


def _endpoints(verdict: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return rate, latencies with their objectives, and errors of each endpoint."""
    objectives, rows = verdict.get("objectives") or {}, []
    for name, one in ((verdict.get("measured") or {}).get("endpoints") or {}).items():
        limits = objectives.get(name) or {}
        latencies = []
        for quantile in ("p50", "p95", "p99"):
            value = ((one.get("latency_ms") or {}).get(quantile) or {}).get("value")
            limit = limits.get(f"{quantile}_ms")
            bad = limit is not None and (value is None or value > limit)
            latencies.append({"text": _against(value, limit), "bad": bad})
        share, most = one.get("error_share"), limits.get("error_share")
        percent, limit = (None if x is None else 100 * x for x in (share, most))
        errors = {"text": _against(percent, limit), "bad": limit is not None and (percent is None or percent > limit)}
        rows.append(
            {
                "name": ENDPOINT_NAMES.get(name, name),
                "sent": f"{one.get('sent', 0):,} of {one.get('planned', 0):,}",
                "rate": _number(one.get("sent_per_s")),
                "cells": [*latencies, errors],
            }
        )
    return rows


def _limit(row: Mapping[str, Any]) -> str:
    return f"at least {_number(row['limit'])}" if row.get("at_least") else _number(row["limit"])


def _against(value: float | None, limit: float | None) -> str:
    """Return a value and its limit, such as ``14.7 / 300``."""
    return _number(value) if limit is None else f"{_number(value)} / {_number(limit)}"


def _number(value: float | None) -> str:
    """Return a measured number with three digits, without zeros at its end."""
    if value is None:
        return "–"
    text = significant(float(value), None) if value else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text
