"""Predicted against measured: is the run valid, did the target keep its objectives, and what did it prove.

A run is valid when the generator did what the trace says. It passed when every gate that is required did; it failed
when one did; else it is undecided. ``passed`` is true, false or null, and the exit code 0, 1 or 3 says the same.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from loadtests.core.exits import FAILED, INVALID, PASSED
from loadtests.verdict.gates import EndpointGates, skipped_lines
from loadtests.verdict.generator import LATENESS_P99_LIMIT_MS, generator_lines, generator_of
from loadtests.verdict.measured import Measured, measure, per_s
from loadtests.verdict.proof import headroom
from sim.core.tables import ENDPOINTS


def judge(evidence: Measured) -> dict[str, Any]:
    """Return valid, passed, exit_code, reasons, thresholds, predicted, measured, generator and headroom of a run."""
    present = set(evidence.requests["endpoint"])
    endpoints = {name: evidence.requests.filter(pl.col("endpoint") == name) for name in ENDPOINTS if name in present}
    generator = generator_of(evidence)
    own = generator_lines(evidence, generator, endpoints)
    reasons = [*evidence.flaws, *(line["reason"] for line in own if not line["passed"])]
    if evidence.aborted:
        reasons.append(f"the run was ended early: {evidence.aborted}")
    valid, late_ms = not reasons, generator["lateness_ms"]["p99"]
    clock_good = late_ms is not None and late_ms <= LATENESS_P99_LIMIT_MS
    measured = {name: measure(rows, evidence) for name, rows in endpoints.items()}
    targets = [
        line
        for name, rows in endpoints.items()
        for line in EndpointGates(name, rows, measured[name], evidence).lines(valid=valid, clock_good=clock_good)
    ]
    targets += [*skipped_lines(evidence, endpoints), *_failing_share(evidence)]
    return {
        "valid": valid,
        **outcome(targets, valid=valid),
        "reasons": reasons,
        "thresholds": own + targets,
        "predicted": {
            "endpoints": {
                name: {"count": len(rows), "per_s": per_s(len(rows), evidence)} for name, rows in endpoints.items()
            }
        },
        "measured": {"endpoints": measured},
        "generator": generator,
        "headroom": headroom(evidence, measured, targets, valid=valid),
    }


def outcome(targets: list[dict[str, Any]], *, valid: bool) -> dict[str, Any]:
    """Return ``passed`` (true, false or null) and ``exit_code`` of a run with these gates."""
    if any(line["passed"] is False for line in targets):
        return {"passed": False, "exit_code": FAILED}
    if not valid or any(line["passed"] is None and line["required"] for line in targets):
        return {"passed": None, "exit_code": INVALID}
    return {"passed": True, "exit_code": PASSED}


def _failing_share(evidence: Measured) -> list[dict[str, Any]]:
    """Return the line of the share of failures that ended the run early, if one did."""
    if evidence.failing_share is None:
        return []
    line = {"name": "run.failing_share", "kind": "target", "endpoint": "", "limit": evidence.failing_limit}
    more = {"passed": False, "state": "failed", "at_least": False, "required": True, "needs": None, "why": ""}
    return [{**line, "measured": evidence.failing_share, **more}]
