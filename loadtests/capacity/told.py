"""What a capacity measurement says: its exit code, a line for each endpoint, and a test case for each endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadtests.capacity.search import FELL_SHORT
from loadtests.core.exits import FAILED, INVALID
from loadtests.core.exits import PASSED as EXIT_PASSED
from loadtests.verdict.cases import ERROR, FAILURE, PASSED, Case, Source, document, failure_lines

INTERRUPTED = "interrupted"


def exit_code(result: Mapping[str, Any]) -> int:
    """Return 0; 1 when some endpoint held no rate, 3 when the generator fell short or the search was interrupted."""
    states = [_state(result, name) for name in result["endpoints"]]
    return INVALID if ERROR in states else FAILED if FAILURE in states else EXIT_PASSED


def _state(result: Mapping[str, Any], name: str) -> str:
    if result["ended"][name].startswith((FELL_SHORT, INTERRUPTED)):
        return ERROR
    return PASSED if result["endpoints"][name]["capacity_per_s"]["value"] else FAILURE


def plain_lines(result: Mapping[str, Any], folder: Path) -> list[str]:
    """Return the result in a line for each endpoint."""
    lines = [f"{_objective(result)}; {result['host']}"]
    for name, one in result["endpoints"].items():
        law = f"USL not fitted: {one['usl_refused']}" if one["usl"] is None else "USL: " + ", ".join(
            f"{key} {row['value']:.4g} ({row['low']:.4g} to {row['high']:.4g})" for key, row in one["usl"].items()
        )  # fmt: skip
        lines.append(f"{name}: {_held(one)}; {result['ended'][name]}; {law}")
        lines += [f"  {one['short_steps']}"] if one["short_steps"] else []
        lines += [f"  not acknowledged: {line}" for line in failure_lines(one)]
    return [*lines, f"results: {folder}"]


def junit_xml(result: Mapping[str, Any]) -> str:
    """Return the XML document: a case for each endpoint, a failure if it held no rate, an error if nobody knows."""
    cases = []
    for name, one in result["endpoints"].items():
        message = f"{name}: {_held(one)}; {result['ended'][name]}; {_objective(result)}"
        cases.append(Case(name, _state(result, name), message, "\n".join(failure_lines(one))))
    source = Source("capacity", result["host"], result["measured_utc"])
    return document(source, {"capacity": cases}, {})


def _objective(result: Mapping[str, Any]) -> str:
    objective = result["objective"]
    return f"objective: p99 {objective['p99_ms']:g} ms, errors {objective['error_share']:.2%}"


def _held(one: Mapping[str, Any]) -> str:
    held = one["capacity_per_s"]
    high = "no upper limit seen" if held["high"] is None else f"{held['high']:.4g}"
    return f"{held['value']:.4g}/s ({held['low']:.4g} to {high})"
