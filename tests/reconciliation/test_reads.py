"""The run's own reads: each that contradicts what was acknowledged before it is named, and no other."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from loadtests.dialect.contract import Holdings, Shown, Ticket, Withdrawal
from loadtests.dialect.reads import line_of
from loadtests.reconciliation.check import Asked
from loadtests.reconciliation.reads import read_checks
from sim.core.tables import REQUESTS, dtypes

ASKED = Asked(
    {"w0": Withdrawal("w0", "USDT", "T1", Decimal(10), fields={"chain": "TRX"})},
    {"t0": Ticket("t0", "", fields={"subject": "kyc"})},
)


def row(endpoint: str, key: str, shown: str, at: int, *, status: int = 200, outcome: str = "acknowledged") -> Any:
    return (at, endpoint, at, at, at + 5, status, outcome, "", key, shown)


WRITES = [row("withdrawal", "w0", "id0", 0), row("ticket", "t0", "71", 0)]


def status(word: str, stage: int, **changes: Any) -> str:
    """Return the line of a status query that shows w0."""
    one = ASKED.withdrawals["w0"]._replace(server_id="id0", status=word, stage=stage, final=word in ("DONE", "FAIL"))
    return line_of(Shown(one._replace(**changes)))


def view(**changes: Any) -> str:
    return line_of(Shown(Ticket("t0", "71", "open", fields={"subject": "kyc"})._replace(**changes)))


def judged(*reads: Any, held: list[Withdrawal] | None = None) -> dict[str, dict[str, Any]]:
    table = pl.DataFrame([*WRITES, *reads], schema=dtypes(REQUESTS), orient="row")
    return {check["name"]: check for check in read_checks(table, ASKED, Holdings(held or []))}


def wrong(*reads: Any, held: list[Withdrawal] | None = None) -> dict[str, list[str]]:
    return {name: one["examples"] for name, one in judged(*reads, held=held).items() if one["passed"] is False}


QUERY, VIEW = "withdrawal_status", "ticket_view"


def test_reads_that_show_what_was_acknowledged_pass() -> None:
    found = judged(
        row(QUERY, "w0", status("REQUEST", 0), 10),
        row(QUERY, "w0", status("DONE", 3), 20),
        row(VIEW, "71", view(), 10),
        row("login", "9", line_of(Shown(account="9")), 10),
    )
    assert [(name, one["passed"], one["count"]) for name, one in found.items()] == [
        ("R1", True, 3),
        ("R2", True, 3),
        ("R3", True, 1),
        ("R4", True, 1),
    ]


@pytest.mark.parametrize(
    ("read", "faults"),
    [
        (row(QUERY, "w0", "[]", 10), {"R1": ["w0: a withdrawal_status found nothing, status 200"]}),
        (row(VIEW, "71", "", 10, status=404, outcome="rejected"),
         {"R1": ["t0: a ticket_view found nothing, status 404"]}),
        (row(QUERY, "w0", status("DONE", 3, key="w1", server_id="id1"), 10),
         {"R2": ["w0: a withdrawal_status showed w1 (id id1), not id id0"]}),
        (row(QUERY, "w0", status("DONE", 3, server_id="id1"), 10),
         {"R2": ["w0: a withdrawal_status showed w0 (id id1), not id id0"]}),
        (row(QUERY, "w0", status("DONE", 3, amount=Decimal(11)), 10),
         {"R2": ["w0: a withdrawal_status showed amount 11, not 10"]}),
        (row(QUERY, "w0", status("DONE", 3, fields={"chain": "ETH"}), 10),
         {"R2": ["w0: a withdrawal_status showed chain ETH, not TRX"]}),
        (row(VIEW, "71", view(server_id="72", key="t1"), 10),
         {"R2": ["t0: a ticket_view showed t1 (id 72), not id 71"]}),
        (row(VIEW, "71", view(fields={"subject": "card"}), 10),
         {"R2": ["t0: a ticket_view showed subject card, not kyc"]}),
        (row("login", "9", line_of(Shown(account="8")), 10), {"R4": ["account 9: the token is of account 8"]}),
    ],
)  # fmt: skip
def test_each_read_that_contradicts_is_named(read: Any, faults: dict[str, list[str]]) -> None:
    assert wrong(read) == faults


@pytest.mark.parametrize(
    "read",
    [
        row(QUERY, "w0", "[]", 4),  # sent before the withdrawal was acknowledged, at 5
        row(QUERY, "w9", "[]", 10),  # never acknowledged
        row(QUERY, "w0", "", 10),  # the answer cannot tell
        row(VIEW, "", "", 10),  # a count
        row(QUERY, "w0", "[]", 10, status=500, outcome="unknown"),
        row("login", "9", "", 10),
    ],
)
def test_a_read_that_contradicts_nothing_is_not_judged(read: Any) -> None:
    found = judged(read)
    assert {name: (one["passed"], one["count"]) for name, one in found.items()} == dict.fromkeys(found, (None, 0))


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (("DONE", 3), ("PEND", 2), ["w0: DONE is final, then PEND"]),
        (("FAIL", 3), ("DONE", 3), ["w0: FAIL is final, then DONE"]),
        (("PEND", 2), ("REQUEST", 0), ["w0: PEND, then REQUEST"]),
        (("PEND", 2), ("TELEPORTED", -1), []),
        (("REQUEST", 0), ("PEND", 2), []),
        (("DONE", 3), ("DONE", 3), []),
    ],
)
def test_what_reads_show_never_goes_back(first: Any, second: Any, told: list[str]) -> None:
    one, two = row(QUERY, "w0", status(*first), 10), row(QUERY, "w0", status(*second), 20)
    assert wrong(two, one).get("R3", []) == told, "whatever the order of the rows"
    overlapping = row(QUERY, "w0", status(*second), 12)
    assert wrong(one, overlapping) == {}, "reads under way at the same time have no order"


def test_the_books_at_the_end_are_the_last_sight() -> None:
    kept = ASKED.withdrawals["w0"]._replace(server_id="id0", status="PEND", stage=2)
    assert wrong(row(QUERY, "w0", status("DONE", 3), 10), held=[kept]) == {"R3": ["w0: DONE is final, then PEND"]}


def test_a_closed_ticket_stays_closed_in_views_too() -> None:
    shut = view(status="closed", closed=True)
    assert wrong(row(VIEW, "71", shut, 10), row(VIEW, "71", view(), 20)) == {"R3": ["t0: closed is final, then open"]}


def test_a_line_holds_what_was_shown_and_nothing_secret() -> None:
    assert line_of(Shown()) == "[]"
    assert json.loads(line_of(Shown(account="9"))) == ["9"]
    assert json.loads(view()) == ["t0", "71", "open", -1, False, {"subject": "kyc"}]


def test_a_long_text_is_cut_in_the_row_and_still_compared() -> None:
    same, other = "word " * 100 + "a", "word " * 100 + "b"
    asked = Asked({}, {"t0": Ticket("t0", "", fields={"text": same})})
    for text, passed in ((same, True), (other, False)):
        line = view(fields={"text": text})
        assert len(line) < 120
        table = pl.DataFrame([*WRITES, row(VIEW, "71", line, 10)], schema=dtypes(REQUESTS), orient="row")
        assert read_checks(table, asked, Holdings([]))[1]["passed"] is passed
