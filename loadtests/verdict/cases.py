"""Test cases as JUnit XML, which every pipeline reads: passed, a failure of the target, an error, or skipped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple
from xml.etree import ElementTree

_NONE: Mapping[str, str] = MappingProxyType({})
PASSED, FAILURE, ERROR, SKIPPED = "passed", "failure", "error", "skipped"
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Case(NamedTuple):
    """One test case: how it ended, in one sentence, and what there is to say beyond that."""

    name: str
    state: str
    message: str = ""
    details: str = ""


class Source(NamedTuple):
    """Where the cases come from: which target, and since when (ISO 8601)."""

    title: str
    host: str
    started_utc: str


def document(
    source: Source,
    suites: Mapping[str, Sequence[Case]],
    elapsed_s: Mapping[str, float],
    said: Mapping[str, str] = _NONE,
) -> str:
    """Return the XML document of test suites by name; ``elapsed_s`` is how long a suite took, where that is known.

    ``said``: what a suite says as a whole, its output. Characters that XML does not know are shown as U+FFFD. A suite
    without cases is left out.
    """
    suites = {name: cases for name, cases in suites.items() if cases}
    counts = _counts([case for cases in suites.values() for case in cases])
    del counts["skipped"]  # the root has no such attribute in the schema that most tools follow
    root = ElementTree.Element("testsuites", {"name": _xml(f"withstand {source.title}"), **counts})
    for name, cases in suites.items():
        suite = ElementTree.SubElement(root, "testsuite", {"name": name, **_counts(cases)})
        suite.set("timestamp", source.started_utc[:19])
        suite.set("hostname", _xml(source.host))
        suite.set("time", f"{elapsed_s.get(name, 0):.3f}")
        for case in cases:
            _add(suite, name, case)
        if said.get(name):
            ElementTree.SubElement(suite, "system-out").text = _xml(said[name])
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def check_cases(checks: Iterable[Mapping[str, Any]]) -> Iterator[Case]:
    """Yield a case for each check of a reconciliation, or each case of an injection."""
    for check in checks:
        name = f"{check['name']} {check['what']}"
        if check["passed"] is None:
            yield Case(name, SKIPPED, f"not checked: {check['reason']}")
        elif check["passed"]:
            yield Case(name, PASSED)
        else:
            examples = "\n".join(str(example) for example in check["examples"])
            yield Case(name, FAILURE, f"{check['n_wrong']} of {check['count']} wrong", examples)


def reconciliation_cases(found: Mapping[str, Any]) -> Iterator[Case]:
    """Yield the cases of a reconciliation, also of one that did not take place."""
    if not found["done"]:
        states = {True: SKIPPED, False: FAILURE, None: ERROR}  # None: nobody waited for it, so nothing is decided
        yield Case("reconciliation", states[found["passed"]], f"not reconciled: {found['reason']}")
    yield from check_cases(found["checks"])


def pending_words(pending: Mapping[str, int]) -> str:
    """Return how many acknowledged withdrawals had not ended when the server was read, as reconciliation counts it."""
    untold = f", and {pending['untold']:,} in states that the dialect does not know" if pending["untold"] else ""
    return f"{pending['withdrawals']:,} of {pending['of']:,} acknowledged withdrawals{untold}"


def failure_lines(measured: Mapping[str, Any]) -> list[str]:
    """Return why requests of an endpoint failed, the commonest reasons with their counts."""
    return [
        f"{one['count']:,} {one['outcome'].replace('_', ' ')}: {one['reason']}" for one in measured.get("failures", ())
    ]


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
