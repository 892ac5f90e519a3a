"""What a load test proved of each endpoint: the rate that it held, or at which it broke, against its predicted peak.

A rate is held when it lasted at least 30 s, at least 300 requests of the endpoint were acknowledged, their completions
kept up with them, and every gate of the endpoint passed. It is broken when one failed, in all of the window or in the
busiest minute, whose rate is the one that is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from loadtests.dialect.contract import ACKNOWLEDGED
from loadtests.verdict.gates import EndpointGates
from loadtests.verdict.measured import COMPLETION_SHARE, LEAST_S, Measured, measure
from sim.core.proven import BROKEN, HELD, UNPROVEN

LEAST_ACKNOWLEDGED = 300
MINUTE_US = 60_000_000
_GRACE_MS = 1000.0
"""How long after the window the last requests may take, where the scenario states no p99 for them."""


def headroom(
    evidence: Measured, measured: Mapping[str, Any], lines: Sequence[Mapping[str, Any]], *, valid: bool
) -> dict[str, Any]:
    """Return the proof of each endpoint that was sent to, the peaks of those that were not, and how far p99 lies below.

    A proof: ``sent_per_s`` in the busiest minute, ``lasted_s``, ``acknowledged``, ``predicted_p95_per_s``, their
    ``ratio``, the ``state`` and ``why`` it is no other.
    """
    proofs, latency = {}, {}
    for name, values in measured.items():
        rows = evidence.requests.filter(pl.col("endpoint") == name)
        own = [line for line in lines if line["endpoint"] == name]
        limit, p99 = (evidence.objectives.get(name) or {}).get("p99_ms"), values["latency_ms"]["p99"]["value"]
        latency[name] = limit / p99 if limit is not None and p99 else None
        (rate, busiest), peak = _busiest(rows, evidence), evidence.peaks_per_s.get(name)
        state, why = _state(rows, own, values, evidence, valid=valid)
        if state != BROKEN and valid and (broken := _broken_in(name, busiest, evidence)):
            state, why = BROKEN, f"in its busiest minute: {', '.join(broken)}"
        proofs[name] = {
            "sent_per_s": round(rate, 4), "lasted_s": evidence.duration_us / 1e6,
            "acknowledged": values["outcomes"].get(ACKNOWLEDGED, 0), "predicted_p95_per_s": peak,
            "ratio": rate / peak if peak else None, "state": state, "why": why,
        }  # fmt: skip
    unsent = {name: peak for name, peak in evidence.peaks_per_s.items() if peak and name not in measured}
    return {"endpoints": proofs, "not_sent": unsent, "p99_objective_over_measured": latency}


def _busiest(rows: pl.DataFrame, evidence: Measured) -> tuple[float, pl.DataFrame]:
    """Return the rate sent in the busiest minute and that minute's rows; all of a window that has too few requests."""
    sent = rows.filter(pl.col("sent_us") >= 0).sort("due_us")
    due, span_us = sent["due_us"].to_numpy(), min(evidence.duration_us, MINUTE_US)
    counts = np.searchsorted(due, due + span_us, side="left") - np.arange(len(due))
    if int(np.max(counts, initial=0)) < LEAST_ACKNOWLEDGED:
        return len(due) / (evidence.duration_us / 1e6), rows
    begin = int(np.argmax(counts))
    return int(counts[begin]) / (span_us / 1e6), sent[begin : begin + int(counts[begin])]


def _broken_in(name: str, rows: pl.DataFrame, evidence: Measured) -> list[str]:
    """Return the gates of an endpoint that a part of its rows surely broke: the calm of the rest must not hide them."""
    goals = {what: limit for what, limit in (evidence.objectives.get(name) or {}).items() if what != "throughput_per_s"}
    own = replace(evidence, objectives={name: goals})
    gates = EndpointGates(name, rows, measure(rows, own), own)
    return [line["name"] for line in gates.lines(valid=True, clock_good=True) if line["passed"] is False]


def _state(
    rows: pl.DataFrame, lines: Sequence[Mapping[str, Any]], values: Mapping[str, Any], evidence: Measured, *,
    valid: bool,
) -> tuple[str, str]:  # fmt: skip
    broken = [line["name"] for line in lines if line["passed"] is False]
    if broken:
        return BROKEN, ", ".join(broken)
    undecided = [line["name"] for line in lines if line["passed"] is None]
    acknowledged, lasted_s = values["outcomes"].get(ACKNOWLEDGED, 0), evidence.duration_us / 1e6
    p99_ms = (evidence.objectives.get(rows["endpoint"][0]) or {}).get("p99_ms") or _GRACE_MS
    latest_us = evidence.duration_us + p99_ms * 1000
    done = rows.filter((pl.col("outcome") == ACKNOWLEDGED) & (pl.col("done_us") <= latest_us)).height
    reasons = {
        "the run is invalid": not valid,
        "the scenario states no objective for it": len(lines) < 2,  # the floor holds for every endpoint
        f"{lasted_s:.3g} s, fewer than {LEAST_S:g}": lasted_s < LEAST_S,
        f"{acknowledged} acknowledged, fewer than {LEAST_ACKNOWLEDGED}": acknowledged < LEAST_ACKNOWLEDGED,
        "its backlog was growing": values["backlog"]["growing"],
        "its completions did not keep up": done < COMPLETION_SHARE * acknowledged,
        f"undecided: {', '.join(undecided)}": bool(undecided),
    }
    why = next((reason for reason, holds in reasons.items() if holds), "")
    return (UNPROVEN if why else HELD), why
