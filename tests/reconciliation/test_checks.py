"""The reconciliation, proved both ways: right books pass, each wrong one is named, and what cannot be told is said."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loadtests.dialect.contract import Answer, Holdings, Request, Ticket, Withdrawal
from loadtests.dialects import reference
from loadtests.reconciliation.check import Asked, StoredEvidence
from loadtests.reconciliation.checks import CHECKS, read_holdings, reconcile
from loadtests.reconciliation.observations import Observations, replay
from sim.core.tables import REQUESTS

FATES = ["acknowledged", "acknowledged", "rejected", "unknown", "unknown", "not_sent"]
PREFIX = "ws-1-"
SPENT = Decimal("11.5")


def asked(key: str) -> Withdrawal:
    return Withdrawal(key=key, currency="USDT", address=f"address of {key}", amount=Decimal("10.5"))


def held(key: str, **changes: Any) -> Withdrawal:
    paid: dict[str, Any] = {"status": "DONE", "stage": 3, "final": True, "chain_id": f"transaction of {key}"}
    return asked(key)._replace(**{"fee": Decimal(1), "server_id": f"id of {key}", **paid, **changes})


EVERYTHING = Asked({f"w{i}": asked(f"w{i}") for i in range(6)}, {f"t{i}": Ticket(f"t{i}", "") for i in range(6)})


def requests(kinds: tuple[str, ...] = ("withdrawal", "ticket")) -> pl.DataFrame:
    """Return six withdrawals (w0 ...) and six tickets (t0 ...), one of each fate and two of some."""
    rows = [
        {
            "idx": 6 * (kind == "ticket") + i,
            "endpoint": kind,
            "due_us": i,
            "sent_us": -1 if fate == "not_sent" else i,
            "done_us": i if fate in ("acknowledged", "rejected") else -1,
            "status": 0,
            "outcome": fate,
            "reason": "",
            "key": "" if fate == "not_sent" else f"{kind[0]}{i}",
            "server_id": f"id of {kind[0]}{i}" if fate == "acknowledged" else "",
        }
        for kind in kinds
        for i, fate in enumerate(FATES)
    ]
    return pl.DataFrame(rows, schema={column.name: column.dtype for column in REQUESTS})


WITHDRAWALS = [held("w0"), held("w1"), held("w3")]
TICKETS = [Ticket(key, f"id of {key}", "open") for key in ("t0", "t1", "t3")]
BEFORE = Holdings(
    [], [], {"USDT": Decimal(100)}, spent_by_others={}, open_tickets=7, open_of_others=7, overdrawn=[]
)  # fmt: skip


def after(**changes: Any) -> Holdings:
    """Return the right books after the run, with changes."""
    books: dict[str, Any] = {
        "withdrawals": WITHDRAWALS,
        "tickets": TICKETS,
        "balances": {"USDT": Decimal(100) - 3 * SPENT},
        "spent_by_others": {},
        "open_tickets": 10,
        "open_of_others": 7,
        "overdrawn": [],
    }
    return Holdings(**{**books, **changes})


def seen_before(withdrawals: list[Withdrawal] = WITHDRAWALS, tickets: list[Ticket] = TICKETS) -> Observations:
    seen = Observations()
    seen.see(withdrawals, tickets, n_balances=5)
    return seen


def result(before: Holdings | None = BEFORE, seen: Observations | None = None, **changes: Any) -> dict[str, Any]:
    return reconcile(StoredEvidence(requests(), EVERYTHING, after(**changes), before, seen or seen_before()))


def failed(found: dict[str, Any]) -> dict[str, list[str]]:
    wrong = {check["name"]: check["examples"] for check in found["checks"] if check["passed"] is False}
    assert found["passed"] == (not wrong)
    return wrong


def unchecked(found: dict[str, Any]) -> dict[str, str]:
    return {check["name"]: check["reason"] for check in found["checks"] if check["passed"] is None}


def test_right_books_pass_and_the_unknown_are_counted() -> None:
    closed = Ticket("t3", "id of t3", "closed", is_open=False, closed=True)
    seen = seen_before(tickets=[*TICKETS[:2], closed])
    found = result(seen=seen, tickets=[*TICKETS[:2], closed], open_tickets=9)
    assert failed(found) == {}
    assert set(unchecked(found)) == {"W10", "W11", "R1", "R2", "R3", "R4"}
    assert tuple(check["name"] for check in found["checks"]) == CHECKS
    assert [c["count"] for c in found["checks"] if c["passed"]] == [2, 3, 2, 4, 6, 1, 6, 3, 3, 2, 1, 3, 1]
    assert found["unknown"] == {
        "withdrawal": {"recorded": 1, "absent": 1},
        "ticket": {"recorded": 1, "absent": 1},
    }


@pytest.mark.parametrize(
    ("withdrawals", "left", "faults"),
    [
        (WITHDRAWALS[1:], 2, {"W1": ["w0: is there 0 times"]}),
        ([*WITHDRAWALS, held("w1", server_id="x", chain_id="y")], 4, {"W1": ["w1: is there 2 times"], "W2": ["w1"]}),
        ([held("w0", amount=Decimal("10.51")), *WITHDRAWALS[1:]], 3, {"W1": ["w0: amount 10.51, not 10.5"], "W6": ...}),
        ([held("w0", address="there"), *WITHDRAWALS[1:]], 3, {"W1": ["w0: address there, not address of w0"]}),
        ([held("w0", currency="BTC"), *WITHDRAWALS[1:]], 3, {"W1": ["w0: currency BTC, not USDT"], "W6": ...}),
        ([held("w0", server_id="other"), *WITHDRAWALS[1:]], 3, {"W1": ["w0: id other, not id of w0"]}),
        ([held("w0"), held("w1"), held("w3", server_id="id of w1")], 3, {"W2": ["id of w1"]}),
        ([*WITHDRAWALS, held("w2")], 4, {"W3": ["w2"]}),
        ([*WITHDRAWALS, held("w2", failed=True, status="FAIL")], 3, {}),
        ([*WITHDRAWALS, held("w3", server_id="y", chain_id="z")], 4, {"W2": ["w3"], "W4": ["w3"]}),
        ([*WITHDRAWALS, held("w5")], 4, {"W5": ["w5"]}),
        (WITHDRAWALS, 2, {"W6": ["USDT: balances fell by 23.0, not by 34.5"]}),
        ([*WITHDRAWALS[:2], held("w3", chain_id="")], 3, {"W9": ["w3: no transaction"]}),
        (
            [*WITHDRAWALS[:2], held("w3", chain_id="transaction of w1")],
            3,
            {"W9": ["w1: transaction transaction of w1 of another", "w3: transaction transaction of w1 of another"]},
        ),
    ],
)  # fmt: skip
def test_each_wrong_book_is_named(withdrawals: list[Withdrawal], left: int, faults: dict[str, Any]) -> None:
    seen = seen_before(withdrawals)
    found = failed(result(seen=seen, withdrawals=withdrawals, balances={"USDT": Decimal(100) - left * SPENT}))
    assert set(found) == set(faults)
    for name, examples in faults.items():
        assert examples is ... or found[name] == examples


@pytest.mark.parametrize(
    ("tickets", "faults"),
    [
        (TICKETS[1:], {"T1": ["t0: is there 0 times"]}),
        ([*TICKETS, Ticket("t1", "again")], {"T1": ["t1: is there 2 times"], "T3": ["t1"]}),
        ([Ticket("t0", "other"), *TICKETS[1:]], {"T1": ["t0: id other, not id of t0"]}),
        ([*TICKETS, Ticket("t2", "x")], {"W3": ["t2"]}),
        ([*TICKETS, Ticket("t4", "x"), Ticket("t4", "y")], {"W4": ["t4"], "T3": ["t4"]}),
        ([*TICKETS, Ticket("t9", "x")], {"W5": ["t9"]}),
    ],
)
def test_each_wrong_ticket_is_named(tickets: list[Ticket], faults: dict[str, list[str]]) -> None:
    assert failed(result(tickets=tickets, seen=seen_before(tickets=tickets))) == faults


@pytest.mark.parametrize(
    ("n_open", "n_others", "fault"),
    [
        (9, 7, []),  # the two that were acknowledged
        (11, 7, []),  # and the two of unknown fate
        (8, 7, ["the count rose by 1, not by 2 to 4"]),
        (12, 7, ["the count rose by 5, not by 2 to 4"]),
        (14, 11, []),  # others opened four
        (14, 7, ["the count rose by 7, not by 2 to 4"]),
    ],
)
def test_the_open_count_rises_by_what_was_taken(n_open: int, n_others: int, fault: list[str]) -> None:
    assert failed(result(open_tickets=n_open, open_of_others=n_others)).get("T2", []) == fault


def test_tickets_that_are_open_no_more_count_less() -> None:
    solved = [TICKETS[0]._replace(status="solved", is_open=False), *TICKETS[1:]]
    assert failed(result(tickets=solved, open_tickets=8)) == {}
    assert failed(result(tickets=solved, open_tickets=11)) == {"T2": ["the count rose by 4, not by 1 to 3"]}


def test_what_others_withdrew_is_not_held_against_the_run() -> None:
    left = {"USDT": Decimal(100) - 3 * SPENT - 20}
    assert failed(result(balances=left, spent_by_others={"USDT": Decimal(20)})) == {}
    assert failed(result(balances=left)) == {"W6": ["USDT: balances fell by 54.5, not by 34.5"]}


def test_what_cannot_be_told_is_not_passed() -> None:
    nothing = after(
        withdrawals=[one._replace(chain_id=None) for one in WITHDRAWALS], balances=None, spent_by_others=None,
        open_tickets=None, open_of_others=None, overdrawn=None,
    )  # fmt: skip
    found = reconcile(StoredEvidence(requests(), EVERYTHING, nothing, None, Observations()))
    assert unchecked(found) == {
        "W6": "balances cannot be read, or were not read before the run",
        "W7": "balances of accounts cannot be read",
        "W8": "no withdrawal was read more than once",
        "W9": "the API reports no chain transactions",
        "T2": "the open count cannot be read, or was not read before the run",
        "T4": "no ticket was seen closed and read again",
        "W10": "the scenario promises no time (withdrawals.promise)",
        "W11": "no write was rate limited",
        **dict.fromkeys(("R1", "R2", "R3"), "the run sent no reads, or did not live to note them"),
        "R4": "the run sent no logins, or did not live to note them",
    }
    assert found["passed"]


def test_who_else_spent_or_wrote_may_be_unknown() -> None:
    told = unchecked(result(spent_by_others=None, open_of_others=None, balances={"USDT": Decimal(1)}))
    assert told["W6"].endswith("while they were read (USDT: balances fell by 99, not by 34.5)")
    assert told["T2"] == "others' tickets cannot be separated (the count rose by 3, expected 2 to 4)"


def test_an_endpoint_that_was_not_sent_to_is_not_passed() -> None:
    books = after(tickets=[], open_tickets=7)
    found = reconcile(StoredEvidence(requests(("withdrawal",)), EVERYTHING, books, BEFORE, seen_before()))
    assert {name for name in unchecked(found) if name[0] == "T"} == {"T1", "T2", "T3", "T4"}
    assert failed(found) == {}


PENDING = held("w0", status="PEND", stage=2, final=False, chain_id="")


@pytest.mark.parametrize(
    ("earlier", "later", "faults"),
    [
        (PENDING, held("w0"), {}),
        (held("w0"), PENDING, {"W8": ["w0: DONE is final, then PEND"]}),
        (PENDING, PENDING._replace(status="REQUEST", stage=0), {"W8": ["w0: PEND, then REQUEST"]}),
        (PENDING, PENDING._replace(status="SPLITPEND", stage=-1), {}),  # an unknown word says nothing
        (held("w0"), held("w0", failed=True, status="FAIL"), {"W8": ["w0: DONE is final, then FAIL"], "W6": ...}),
        (held("w0", failed=True, status="FAIL"), held("w0"), {"W8": ["w0: FAIL is final, then DONE"]}),
        (held("w0"), held("w0", chain_id="y"), {"W9": ["w0: transaction transaction of w0, then y"]}),
    ],
)
def test_a_status_only_moves_forward(earlier: Withdrawal, later: Withdrawal, faults: dict[str, Any]) -> None:
    found = failed(result(seen=seen_before([earlier]), withdrawals=[later, *WITHDRAWALS[1:]]))
    assert set(found) == set(faults)
    for name, examples in faults.items():
        assert examples is ... or found[name] == examples


def test_balances_below_zero_are_named_whenever_they_were_read() -> None:
    seen = seen_before()
    seen.see([], [], 3, ["account 7: -1 USDT"])
    seen.see([], [], 3, ["account 7: -1 USDT"])
    assert failed(result(seen=seen)) == {"W7": ["account 7: -1 USDT"]}
    assert failed(result(overdrawn=["1 accounts in BTC"])) == {"W7": ["1 accounts in BTC"]}


def test_a_closed_ticket_that_opens_again_is_named() -> None:
    closed = [TICKETS[0]._replace(status="closed", is_open=False, closed=True), *TICKETS[1:]]
    assert failed(result(seen=seen_before(tickets=closed))) == {"T4": ["t0: closed, then open"]}


def test_sightings_are_kept_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "sightings.jsonl"
    seen = Observations(path)
    closed = TICKETS[0]._replace(status="closed", is_open=False, closed=True)
    seen.n_reads = 1
    seen.see([PENDING, held("w1")], [closed], 4, ["account 7: -1 USDT"])
    seen.n_reads = 2
    seen.see([held("w0"), held("w1")], [closed], 4)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len([line for line in lines if "withdrawal" in line]) == 3, "only changes are written"
    again = replay(lines)
    assert again.told() == {**seen.told(), "withdrawals_read_again": 1, "closed_tickets_read_again": 0}
    again.see([PENDING], TICKETS)
    assert again.back == ["w0: DONE is final, then PEND"]
    assert again.reopened == ["t0: closed, then open"]
    assert again.overdrawn == ["account 7: -1 USDT"]


class Moving(reference.Reference):
    """A server whose balances move between the first readings."""

    def __init__(self, *readings: int) -> None:
        self.readings = [Decimal(n) for n in readings]

    def balances(self, send: object) -> dict[str, Decimal]:
        return {"USDT": self.readings.pop(0)}

    def holdings(self, send: object, prefix: str) -> Holdings:
        return Holdings([], [], self.balances(send), spent_by_others={})


def never(request: Request) -> Answer:
    raise AssertionError(request)


def test_holdings_are_read_again_while_balances_move() -> None:
    server, pauses = Moving(5, 4, 4, 4), list[float]()
    found = read_holdings(server, never, PREFIX, pauses.append)
    assert found == Holdings([], [], {"USDT": Decimal(4)}, spent_by_others={})
    assert (len(pauses), server.readings) == (1, [])


def test_balances_that_never_rest_are_not_attributed() -> None:
    pauses: list[float] = []
    found = read_holdings(Moving(*range(100)), never, PREFIX, pauses.append)
    assert found is not None
    assert found.spent_by_others is None
    assert len(pauses) == 10
