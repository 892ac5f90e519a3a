"""A verdict as test cases: a test case for each condition, threshold and check.

What the target broke is a failure. What makes the run invalid is an error, and so is a required gate that is undecided
or skipped. What is not required and could not be judged is skipped. So a file without errors and failures is a run that
passed, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loadtests.verdict.cases import (
    ERROR,
    FAILURE,
    PASSED,
    SKIPPED,
    Case,
    Source,
    document,
    failure_lines,
    reconciliation_cases,
)


def junit_xml(verdict: Mapping[str, Any]) -> str:
    """Return the XML document of a verdict, a test suite of each: generator, target, server's books, baseline."""
    clock = verdict.get("clock") or {}
    source = Source(verdict["scenario"], str(verdict["host"]), str(clock.get("started_utc", "")))
    said = {"target": (verdict.get("manager") or {}).get("sentence", "")}
    return document(source, cases_of(verdict), {"target": clock.get("elapsed_s", 0)}, said)


def cases_of(verdict: Mapping[str, Any]) -> dict[str, list[Case]]:
    """Return the test cases of a verdict by suite; a suite without any is left out."""
    suites = {
        "generator": list(_generator(verdict)),
        "target": [_target(line, verdict) for line in verdict["thresholds"] if line["kind"] == "target"],
        "reconciliation": list(reconciliation_cases(verdict["reconciliation"])),
        "baseline": list(_baseline(verdict.get("baseline"), valid=verdict["valid"])),
    }
    return {name: cases for name, cases in suites.items() if cases}


def _generator(verdict: Mapping[str, Any]) -> Iterator[Case]:
    told = set()
    for line in verdict["thresholds"]:
        if line["kind"] == "generator":
            told.add(line["reason"])
            yield Case(line["name"], PASSED if line["passed"] else ERROR, "" if line["passed"] else line["reason"])
    for reason in verdict["reasons"]:
        if reason not in told:
            yield Case("generator.run_complete", ERROR, reason)


def _target(line: Mapping[str, Any], verdict: Mapping[str, Any]) -> Case:
    sides = f"measured {shown(line['measured'])}, {limit_of(line)}"
    if line["passed"]:
        return Case(line["name"], PASSED, "", sides)
    why = "\n".join(failure_lines(verdict["measured"]["endpoints"].get(line["endpoint"], {})))
    if line["passed"] is False:
        return Case(line["name"], FAILURE, f"{line['name']}: {sides}", why)
    state = ERROR if verdict["valid"] and line["required"] else SKIPPED  # an invalid run has its errors already
    return Case(line["name"], state, f"{line['state']}: {line['why']}; {sides}", why if state == ERROR else "")


def _baseline(compared: Mapping[str, Any] | None, *, valid: bool) -> Iterator[Case]:
    undecided = ERROR if valid and (compared or {}).get("verdict") == "undecided" else SKIPPED
    for line in (compared or {}).get("lines") or ():
        state = {"regress": FAILURE, "undecided": undecided}.get(line["verdict"], PASSED)
        yield Case(line["name"], state, f"{line['verdict']}: {line['sentence']}")


def limit_of(line: Mapping[str, Any]) -> str:
    """Return the limit of a threshold in words."""
    return f"limit {'at least ' if line.get('at_least') else ''}{shown(line['limit'])}"


def shown(value: float | None) -> str:
    """Return a number as a person reads it."""
    if value is None:
        return "nothing"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
