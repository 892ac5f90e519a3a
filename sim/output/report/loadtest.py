"""The load tests of a run in words and rows, the failed ones first. What a verdict does not have is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sim.core.proven import PLURALS, conclusion, proofs_of

_ORDER = {1: 0, 3: 1, 0: 2}


def all_in_words(verdicts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Return every load test in words, what they prove together, and how many there are; None where there is none."""
    if not verdicts:
        return None
    ordered = sorted(verdicts, key=lambda verdict: _ORDER.get(verdict.get("exit_code", 0), 1))
    one_target = len({verdict.get("host") for verdict in verdicts}) == 1
    headrooms = [verdict.get("headroom") or {} for verdict in verdicts] if one_target else []
    return {
        "tests": [in_words(verdict) for verdict in ordered],
        "conclusion": conclusion(headrooms),
        "proofs": [
            {
                "name": PLURALS.get(proof.endpoint, proof.endpoint),
                "proven": _number(proof.proven_per_s),
                "broken": _number(proof.broken_per_s),
                "peak": _number(proof.peak_per_s),
                "factor": _number(proof.factor),
                "enough": proof.enough,
            }
            for proof in proofs_of(headrooms)
            if proof.peak_per_s
        ],
    }


def in_words(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sentences of a verdict, its reasons, rates, endpoints, open thresholds, failures, reconciliation."""
    thresholds = list(verdict.get("thresholds") or ())
    books = verdict.get("reconciliation") or {}
    pending = books.get("pending")
    return {
        "passed": verdict.get("passed"),
        "valid": bool(verdict.get("valid")),
        "sentence": _sentence(verdict),
        "how": _how(verdict),
        "manager": (verdict.get("manager") or {}).get("sentence", ""),
        "reasons": list(verdict.get("reasons") or ()),
        "rates": _rates(verdict),
        "endpoints": _endpoints(verdict),
        "n_thresholds": len(thresholds),
        "broken": [_row(row) for row in thresholds if row["passed"] is False],
        "undecided": [_row(row) for row in thresholds if row["passed"] is None],
        "failures": _failures(verdict),
        "pending": f"{pending['withdrawals']:,} of {pending['of']:,}" if pending else "",
        "checks": list(books.get("checks") or ()),
    }


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "limit": _limit(row), "measured": _number(row["measured"]), "why": row.get("why", "")}


def _failures(verdict: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return why requests were not acknowledged, the commonest reasons of each endpoint."""
    found = ((verdict.get("measured") or {}).get("endpoints") or {}).items()
    return [
        {**one, "name": PLURALS.get(name, name), "outcome": one["outcome"].replace("_", " ")}
        for name, values in found
        for one in values.get("failures") or ()
    ]


def _sentence(verdict: Mapping[str, Any]) -> str:
    targets = [row for row in verdict.get("thresholds") or () if row.get("kind") == "target"]
    broken = any(row["passed"] is False for row in targets)
    wrong = _wrong(verdict)
    if not verdict.get("valid"):
        fell = "The load generator, not the endpoints, fell short, so the test proves nothing good about them."
        rest = ["The requests sent broke a threshold all the same."] if broken else []
        return " ".join([fell, *rest, *wrong])
    if verdict.get("passed"):
        return "The endpoints met every objective under this load."
    if verdict.get("passed") is None:
        return f"Nothing failed, but {' and '.join(_open(verdict, targets))}."
    missed = "did not meet every objective under this load" if broken else "missed no objective"
    return " ".join([f"The endpoints {missed}.", *wrong])


def _wrong(verdict: Mapping[str, Any]) -> list[str]:
    """Return what failed other than an objective."""
    books, found = verdict.get("reconciliation") or {}, []
    if books.get("passed") is False:
        read = "do not match the requests that they acknowledged" if books.get("done", True) else "could not be read"
        found.append(f"Their records {read}.")
    if (verdict.get("baseline") or {}).get("verdict") == "regress":
        found.append("They are slower than in the earlier load test by more than the margin.")
    return found


def _open(verdict: Mapping[str, Any], targets: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what leaves a load test undecided."""
    required = [row for row in targets if row["passed"] is None and row.get("required", True)]
    skipped = [row for row in required if row.get("state") == "skipped"]
    found = {
        "this test has too few requests to decide every objective": len(required) > len(skipped),
        "an endpoint got no request in this window": bool(skipped),
        "the comparison with the earlier load test is undecided":
            (verdict.get("baseline") or {}).get("verdict") == "undecided",
        "their records were not read": (verdict.get("reconciliation") or {}).get("passed", True) is None,
    }  # fmt: skip
    return [words for words, holds in found.items() if holds] or ["not everything was decided"]


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
    """Return the busiest minute that was sent to each endpoint against its predicted peak, where that is known."""
    rates = (verdict.get("headroom") or {}).get("endpoints") or {}
    return [
        {
            "name": PLURALS.get(name, name),
            "sent": _number(row.get("sent_per_s")),
            "predicted": _number(row.get("predicted_p95_per_s")),
            "ratio": _number(row.get("ratio")),
            "state": f"{row['state']}: {row['why']}" if row["why"] else row["state"],
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
                "name": PLURALS.get(name, name),
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
    return f"{float(f'{value:.3g}'):,.10g}"
