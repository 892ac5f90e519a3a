"""What the commands beside the load test write as JUnit XML, from results made by hand."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from loadtests.capacity import told
from loadtests.cli.parsers import show
from loadtests.core.redact import REDACTOR
from loadtests.injection import command as injection
from loadtests.reconciliation import command as reconciliation
from loadtests.reconciliation.check import checked
from loadtests.reconciliation.checks import not_done
from tests.verdict.junit_rules import suites_of

HOST = "http://127.0.0.1:1"
FAILED = [{"count": 7, "outcome": "rejected", "reason": "503 busy"}]


def states_of(xml: str) -> dict[str, str]:
    """Return by test case how it ended, after checking the document."""
    cases = [case for suite in suites_of(xml).values() for case in suite]
    return {case.attrib["name"]: next((child.tag for child in case), "passed") for case in cases}


def found_of(*checks: dict[str, Any]) -> dict[str, Any]:
    whose = {"exit_code": 0, "run": {"scenario": "test"}, "read_utc": "2026-01-12T14:00:00.123+00:00"}
    done = {"done": True, "passed": not any(one["passed"] is False for one in checks), "checks": list(checks)}
    return {**whose, **done, "unknown": {}, "pending": {"withdrawals": 77, "of": 383, "untold": 0}}


RIGHT, WRONG = checked("W1", "there once", 3, []), checked("W1", "there once", 3, ["k-1: is there 0 times"])
UNCHECKED = checked("W9", "own transaction", 0, [], "the API has none")


# --- reconcile ----------------------------------------------------------------------------------------------------


def test_a_reconciliation_has_a_case_for_each_check() -> None:
    xml = reconciliation.junit_xml(found_of(WRONG, UNCHECKED, checked("W2", "no key twice", 3, [])), HOST)
    assert states_of(xml) == {"W1 there once": "failure", "W9 own transaction": "skipped", "W2 no key twice": "passed"}
    (told_of,) = ElementTree.fromstring(xml).iter("failure")
    assert (told_of.attrib["message"], told_of.text) == ("1 of 3 wrong", "k-1: is there 0 times")


@pytest.mark.parametrize(("passed", "state"), [(True, "skipped"), (False, "failure")])
def test_a_reconciliation_that_did_not_take_place_is_no_pass(passed: bool, state: str) -> None:
    found = {**found_of(), **not_done("the server is gone", passed=passed)}
    assert states_of(reconciliation.junit_xml(found, HOST)) == {"reconciliation": state}


def test_a_reconciliation_says_what_is_pending_and_what_was_not_compared() -> None:
    untold = checked("W1", "there once", 3, [], not_compared=["chain"])
    lines = reconciliation.lines(found_of(untold))
    assert "pending: 77 of 383 acknowledged withdrawals" in lines
    assert "passed       W1  there once: 3 checked; not compared: chain" in lines


# --- inject -------------------------------------------------------------------------------------------------------


def test_an_injection_has_its_cases_and_its_checks() -> None:
    case = {"outcomes": {"rejected": 2}}
    cases = [
        {**checked("I1 withdrawal", "in sequence", 2, []), **case},
        {**checked("I2 withdrawal", "at once", 16, ["ws-1: taken twice"]), **case},
        {**checked("I3 withdrawal", "another amount", 0, [], "the body has no amount"), **case},
    ]
    result = {
        "scenario": "test",
        "ended": "",
        "host": HOST,
        "cases": cases,
        "reconciliation": found_of(RIGHT, UNCHECKED),
    }
    xml = injection.junit_xml(result)
    assert list(suites_of(xml)) == ["injection", "reconciliation"]
    assert states_of(xml) == {
        "I1 withdrawal in sequence": "passed", "I2 withdrawal at once": "failure",
        "I3 withdrawal another amount": "skipped", "W1 there once": "passed", "W9 own transaction": "skipped",
    }  # fmt: skip


# --- capacity -----------------------------------------------------------------------------------------------------


def measured(**endpoints: tuple[float, str]) -> dict[str, Any]:
    """Return a result: by endpoint the rate that was held, and why the search ended."""

    def one(value: float) -> dict[str, Any]:
        held = {"value": value, "low": value, "high": None}
        return {
            "capacity_per_s": held,
            "failures": FAILED,
            "short_steps": "",
            "usl": None,
            "usl_refused": "too few steps",
        }

    return {
        "host": HOST, "measured_utc": "2026-01-12T14:00:00.123+00:00",
        "objective": {"p99_ms": 800.0, "error_share": 0.01},
        "endpoints": {name: one(value) for name, (value, _) in endpoints.items()},
        "ended": {name: ended for name, (_, ended) in endpoints.items()},
    }  # fmt: skip


HELD, NONE = (40.0, "12 steps were measured"), (0.0, "every rate down to 0.1/s failed")
SHORT = (40.0, "the generator fell short at 80/s: requests left late")
INTERRUPTED = (0.0, "interrupted")


@pytest.mark.parametrize(
    ("login", "ticket", "states", "code"),
    [
        (HELD, HELD, ("passed", "passed"), 0),
        (HELD, NONE, ("passed", "failure"), 1),
        (SHORT, NONE, ("error", "failure"), 3),
        (HELD, INTERRUPTED, ("passed", "error"), 3),
    ],
)
def test_a_capacity_has_a_case_for_each_endpoint(
    login: tuple[float, str], ticket: tuple[float, str], states: tuple[str, str], code: int
) -> None:
    result = measured(login=login, ticket=ticket)
    assert tuple(states_of(told.junit_xml(result)).values()) == states
    assert told.exit_code(result) == code


def test_a_capacity_that_failed_says_why() -> None:
    xml = told.junit_xml(measured(login=NONE))
    (failure,) = ElementTree.fromstring(xml).iter("failure")
    assert "every rate down to 0.1/s failed; objective: p99 800 ms, errors 1.00%" in failure.attrib["message"]
    assert failure.text == "7 rejected: 503 busy"


# --- what is printed ----------------------------------------------------------------------------------------------


def printed(*, as_json: bool, quiet: bool) -> int:
    options = argparse.Namespace(json=as_json, quiet=quiet)
    return show(options, {"exit_code": 3, "folder": Path("a"), "told": "the secret of show"}, ["a line", "another"])


def test_a_result_is_shown_as_asked(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(REDACTOR, "clean", lambda text: text.replace("the secret of show", "***"))
    assert printed(as_json=False, quiet=False) == 3
    assert capsys.readouterr().out == "a line\nanother\n"
    assert printed(as_json=False, quiet=True) == 3
    assert capsys.readouterr().out == ""
    assert printed(as_json=True, quiet=True) == 3  # JSON was asked for
    assert json.loads(capsys.readouterr().out) == {"exit_code": 3, "folder": "a", "told": "***"}
