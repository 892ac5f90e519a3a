"""What a record holds, against what was sent; what ends in time; what a rate limit let through."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from loadtests.dialect.contract import Ticket, Withdrawal
from loadtests.reconciliation.check import Asked, StoredEvidence
from loadtests.reconciliation.checks import reconcile
from loadtests.reconciliation.command import lines
from tests.reconciliation.test_checks import (
    BEFORE,
    EVERYTHING,
    TICKETS,
    WITHDRAWALS,
    after,
    failed,
    held,
    requests,
    result,
    seen_before,
    unchecked,
)

MONEY = {"account": "7", "chain": "TRX", "memo": "", "fee": "1"}
DESK = {"requester": "7", "subject": "kyc", "text": "help\nme", "priority": "normal", "tags": "kyc run"}


def compared(money: dict[str, str], desk: dict[str, str], **changes: Any) -> dict[str, Any]:
    """Return a reconciliation in which w0 and t0 were sent with MONEY and DESK, and are held with these instead."""
    asked = Asked(
        {**EVERYTHING.withdrawals, "w0": EVERYTHING.withdrawals["w0"]._replace(fields=MONEY)},
        {**EVERYTHING.tickets, "t0": Ticket("t0", "", fields=DESK)},
    )
    books: dict[str, Any] = {
        "withdrawals": [held("w0", fields=money), *WITHDRAWALS[1:]],
        "tickets": [TICKETS[0]._replace(fields=desk), *TICKETS[1:]],
        **changes,
    }
    return reconcile(StoredEvidence(requests(), asked, after(**books), BEFORE, seen_before()))


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("account", "8", "w0: account 8, not 7"),
        ("chain", "ETH", "w0: chain ETH, not TRX"),
        ("memo", "x", "w0: memo x, not "),
        ("fee", "2", "w0: fee 2, not 1"),
    ],
)
def test_each_field_of_a_withdrawal_is_compared(name: str, value: str, fault: str) -> None:
    assert failed(compared({**MONEY, name: value}, DESK)) == {"W1": [fault]}


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("requester", "8", "t0: requester 8, not 7"),
        ("subject", "other", "t0: subject other, not kyc"),
        ("text", "no", "t0: text no, not help me"),
        ("priority", "low", "t0: priority low, not normal"),
        ("tags", "run", "t0: tags run, not kyc run"),
    ],
)
def test_each_field_of_a_ticket_is_compared(name: str, value: str, fault: str) -> None:
    assert failed(compared(MONEY, {**DESK, name: value})) == {"T1": [fault]}


def test_a_server_may_add_tags_and_fields_of_its_own() -> None:
    assert failed(compared({**MONEY, "batch": "9"}, {**DESK, "tags": "auto run kyc", "group": "1"})) == {}


def test_what_an_api_does_not_return_is_listed_and_not_compared() -> None:
    found = compared({"fee": "1"}, {"subject": "kyc"})
    assert failed(found) == {}
    told = {check["name"]: check["not_compared"] for check in found["checks"] if check["not_compared"]}
    assert told == {"W1": ["account", "chain", "memo"], "T1": ["priority", "requester", "tags", "text"]}
    text = "\n".join(lines({**found, "run": {"scenario": "test"}}))
    assert "as agreed: 2 checked; not compared: account, chain, memo" in text


def test_an_unknown_write_that_is_there_must_be_what_was_asked_for() -> None:
    other = [*WITHDRAWALS[:2], held("w3", address="there")]
    found = failed(result(withdrawals=other, seen=seen_before(other)))
    assert found == {"W4": ["w3: address there, not address of w3"]}


# --- W10: what ends in time ---

PENDING: dict[str, Any] = {"status": "PEND", "stage": 2, "final": False, "chain_id": ""}
MINUTE_US = 60_000_000


def promised(promise_us: int | None, read_us: int, *records: Withdrawal) -> dict[str, Any]:
    evidence = StoredEvidence(
        *(requests(), EVERYTHING, after(withdrawals=list(records)), BEFORE, seen_before(list(records))),
        promise_us=promise_us,
        read_us=read_us,
    )
    return reconcile(evidence)


def test_a_withdrawal_that_never_ends_is_a_finding_once_the_promise_is_over() -> None:
    late = [held("w0", **PENDING), *WITHDRAWALS[1:]]
    found = promised(MINUTE_US, 2 * MINUTE_US, *late)
    assert failed(found) == {"W10": ["w0: is PEND, more than 60 s after it was acknowledged"]}
    assert found["pending"] == {"withdrawals": 1, "of": 2, "untold": 0}
    assert "pending: 1 of 2 acknowledged withdrawals" in "\n".join(lines({**found, "run": {"scenario": "test"}}))


@pytest.mark.parametrize(
    ("promise_us", "read_us", "change", "reason"),
    [
        (MINUTE_US, MINUTE_US, PENDING, "none was acknowledged more than 60 s before it was read"),
        (None, 9 * MINUTE_US, PENDING, "the scenario promises no time (withdrawals.promise)"),
        (MINUTE_US, 9 * MINUTE_US, {**PENDING, "stage": -1, "status": "TELEPORTED"}, None),
        (MINUTE_US, 9 * MINUTE_US, {"failed": True, "status": "FAIL", "chain_id": ""}, None),
    ],
)
def test_what_is_not_due_or_cannot_be_told_is_no_finding(
    promise_us: int | None, read_us: int, change: dict[str, Any], reason: str | None
) -> None:
    found = promised(promise_us, read_us, held("w0", **change), *WITHDRAWALS[1:])
    assert "W10" not in failed(found)
    assert unchecked(found).get("W10") == reason


def test_a_state_that_nobody_knows_is_no_pass_in_silence() -> None:
    strange = {**PENDING, "stage": -1, "status": "TELEPORTED"}
    found = promised(MINUTE_US, 9 * MINUTE_US, held("w0", **strange), *WITHDRAWALS[1:])
    (w10,) = [check for check in found["checks"] if check["name"] == "W10"]
    assert (w10["passed"], w10["count"]) == (True, 1)
    assert w10["not_compared"] == ["1 in the unknown state TELEPORTED"]
    assert found["pending"] == {"withdrawals": 0, "of": 2, "untold": 1}
    nothing_known = promised(MINUTE_US, 9 * MINUTE_US, *(held(key, **strange) for key in ("w0", "w1")))
    (w10,) = [check for check in nothing_known["checks"] if check["name"] == "W10"]
    assert (w10["passed"], w10["not_compared"]) == (None, ["2 in the unknown state TELEPORTED"])


def test_an_api_without_statuses_says_nothing_of_the_end() -> None:
    bare = [one._replace(status="", stage=-1, final=False, chain_id=None) for one in WITHDRAWALS]
    found = promised(1, 9 * MINUTE_US, *bare)
    assert unchecked(found)["W10"] == "the API reports no status that ends"
    assert found["pending"] == {}


# --- W11: what a rate limit let through ---


def limited() -> Any:
    """Return the requests with those that were rejected rate limited instead: w2 and t2."""
    table = requests()
    return table.with_columns(outcome=table["outcome"].replace("rejected", "rate_limited"))


@pytest.mark.parametrize(
    ("books", "wrong"),
    [
        ({}, []),
        ({"withdrawals": [*WITHDRAWALS, held("w2")]}, ["w2"]),
        ({"tickets": [*TICKETS, Ticket("t2", "x")]}, ["t2"]),
        ({"withdrawals": [*WITHDRAWALS, held("w2", failed=True, status="FAIL")]}, []),
    ],
)
def test_a_rate_limited_write_that_took_effect_has_a_failure_of_its_own(books: Any, wrong: list[str]) -> None:
    found = reconcile(StoredEvidence(limited(), EVERYTHING, after(**books), BEFORE, seen_before()))
    (check,) = [check for check in found["checks"] if check["name"] == "W11"]
    assert (check["passed"], check["examples"], check["count"]) == (not wrong, wrong, 2)


def test_amounts_are_compared_as_numbers() -> None:
    same = [held("w0", amount=Decimal("10.500")), *WITHDRAWALS[1:]]
    assert failed(result(withdrawals=same, seen=seen_before(same))) == {}
