"""The rules of JUnit XML that most tools follow."""

from __future__ import annotations

import re
from xml.etree import ElementTree

COUNTERS = ("tests", "failures", "errors")


def suites_of(xml: str) -> dict[str, ElementTree.Element]:
    """Return the test suites by name, after checking the document against the rules of the usual schema."""
    root = ElementTree.fromstring(xml)
    assert root.tag == "testsuites"
    assert set(root.attrib) <= {"name", "time", "tests", "failures", "errors", "disabled"}
    suites = {suite.attrib["name"]: suite for suite in root}
    totals = dict.fromkeys(COUNTERS, 0)
    for suite in suites.values():
        assert suite.tag == "testsuite"
        assert set(suite.attrib) == {*COUNTERS, "name", "skipped", "timestamp", "hostname", "time"}
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
        float(suite.attrib["time"])
        states = []
        cases = [child for child in suite if child.tag == "testcase"]
        assert [child.tag for child in suite][len(cases) :] in ([], ["system-out"]), "which comes last"
        for case in cases:
            assert set(case.attrib) == {"name", "classname", "time"}
            assert len(case) <= 1
            states += [child.tag for child in case]
            for child in case:
                allowed = {"message"} if child.tag == "skipped" else {"message", "type"}
                assert set(child.attrib) == allowed
                assert child.attrib["message"]
        counted = {"tests": len(cases), "failures": states.count("failure"), "errors": states.count("error")}
        assert set(states) <= {"failure", "error", "skipped"}
        assert {name: int(suite.attrib[name]) for name in COUNTERS} == counted
        assert int(suite.attrib["skipped"]) == states.count("skipped")
        totals = {name: totals[name] + counted[name] for name in COUNTERS}
    assert {name: int(root.attrib[name]) for name in COUNTERS} == totals
    return suites
