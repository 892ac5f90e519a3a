"""A verdict as JUnit XML, which every pipeline reads: a test case for each condition, threshold and check.

What the target broke is a failure. What makes the run invalid is an error, and so is a required gate that is undecided
or skipped. What is not required and could not be judged is skipped. So a file without errors and failures is a run that
passed, and the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree

PASSED, FAILURE, ERROR, SKIPPED = "passed", "failure", "error", "skipped"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Case(NamedTuple):
    """One test case: how it ended, in one sentence, and what there is to say beyond that."""

    name: str
    state: str
    message: str = ""
    details: str = ""


def junit_xml(verdict: Mapping[str, Any]) -> str:
    """Return the XML document of a verdict: a test suite of the generator, the target, the server's books, a baseline.

    Characters that XML does not know are shown as U+FFFD.
    """
    suites = cases_of(verdict)
    counts = _counts([case for cases in suites.values() for case in cases])
    del counts["skipped"]  # the root has no such attribute in the schema that most tools follow
    root = ElementTree.Element("testsuites", {"name": _xml(f"withstand {verdict['scenario']}"), **counts})
    for name, cases in suites.items():
        suite = ElementTree.SubElement(root, "testsuite", {"name": name, **_counts(cases)})
        clock = verdict.get("clock") or {}
        suite.set("timestamp", str(clock.get("started_utc", ""))[:19])
        suite.set("hostname", _xml(str(verdict["host"])))
        suite.set("time", f"{clock.get('elapsed_s', 0) if name == 'target' else 0:.3f}")
        for case in cases:
            _add(suite, name, case)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def cases_of(verdict: Mapping[str, Any]) -> dict[str, list[Case]]:
    """Return the test cases of a verdict by suite; a suite without any is left out."""
    suites = {
        "generator": list(_generator(verdict)),
        "target": [_target(line, verdict) for line in verdict["thresholds"] if line["kind"] == "target"],
        "reconciliation": list(_reconciliation(verdict["reconciliation"])),
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


def failure_lines(measured: Mapping[str, Any]) -> list[str]:
    """Return why requests of an endpoint failed, the commonest reasons with their counts."""
    return [
        f"{one['count']:,} {one['outcome'].replace('_', ' ')}: {one['reason']}" for one in measured.get("failures", ())
    ]


def _reconciliation(found: Mapping[str, Any]) -> Iterator[Case]:
    if not found["done"]:
        yield Case("reconciliation", SKIPPED if found["passed"] else FAILURE, f"not reconciled: {found['reason']}")
    for check in found["checks"]:
        name = f"{check['name']} {check['what']}"
        wrong = f"{check['n_wrong']} of {check['count']} wrong"
        examples = "\n".join(str(example) for example in check["examples"])
        if check["passed"] is None:
            yield Case(name, SKIPPED, f"not checked: {check['reason']}")
        else:
            yield Case(name, PASSED) if check["passed"] else Case(name, FAILURE, wrong, examples)


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


def _add(suite: ElementTree.Element, name: str, case: Case) -> None:
    attributes = {"name": _xml(case.name), "classname": f"withstand.{name}", "time": "0"}
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if case.state == PASSED:
        return
    told = ElementTree.SubElement(element, case.state, {"message": _xml(case.message)})
    if case.state != SKIPPED:
        told.set("type", "threshold" if case.state == FAILURE else "undecided" if _undecided(case) else "invalid")
    told.text = _xml(case.details) or None


def _undecided(case: Case) -> bool:
    return case.message.startswith(("undecided", "skipped"))


def _counts(cases: Sequence[Case]) -> dict[str, str]:
    states = [case.state for case in cases]
    counts = {"tests": len(cases), "failures": states.count(FAILURE), "errors": states.count(ERROR)}
    return {name: str(n) for name, n in {**counts, "skipped": states.count(SKIPPED)}.items()}


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
