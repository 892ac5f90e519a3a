"""The reconciliation, proved both ways: right books pass, and each wrong one is named."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from loadtests.dialect import Answer, Holdings, Request, Ticket, Withdrawal
from loadtests.dialects import reference
from loadtests.reconcile import read_holdings, reconcile
from sim.tables import REQUESTS

FATES = ["acknowledged", "acknowledged", "rejected", "unknown", "unknown", "not_sent"]
PREFIX = "ws-1-"


def asked(key: str) -> Withdrawal:
    return Withdrawal(key=key, currency="USDT", address=f"address of {key}", amount=Decimal("10.5"))


def held(key: str, **changes: Any) -> Withdrawal:
    return asked(key)._replace(fee=Decimal(1), server_id=f"id of {key}", **changes)


def requests() -> pl.DataFrame:
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
        for kind in ("withdrawal", "ticket")
        for i, fate in enumerate(FATES)
    ]
    return pl.DataFrame(rows, schema={column.name: column.dtype for column in REQUESTS})


WITHDRAWALS = [held("w0"), held("w1"), held("w3")]
TICKETS = [Ticket(key, f"id of {key}") for key in ("t0", "t1", "t3")]
BEFORE, AFTER = {"USDT": Decimal(100)}, {"USDT": Decimal(100) - 3 * Decimal("11.5")}


def result(
    withdrawals: list[Withdrawal] = WITHDRAWALS,
    tickets: list[Ticket] = TICKETS,
    after: dict[str, Decimal] | None = AFTER,
) -> dict[str, Any]:
    everything = {f"w{i}": asked(f"w{i}") for i in range(6)}
    return reconcile(
        requests=requests(),
        asked=everything,
        held=Holdings(withdrawals, tickets, after),
        balances_before=BEFORE,
    )


def failed(found: dict[str, Any]) -> dict[str, list[str]]:
    assert found["passed"] == all(check["passed"] for check in found["checks"])
    return {check["name"]: check["examples"] for check in found["checks"] if not check["passed"]}


def test_right_books_pass_and_the_unknown_are_counted() -> None:
    found = result()
    assert failed(found) == {}
    assert [check["name"] for check in found["checks"]] == ["W1", "W2", "W3", "W4", "W5", "W6", "T1", "T3"]
    assert [check["count"] for check in found["checks"]] == [2, 3, 2, 4, 6, 1, 2, 3]
    assert found["unknown"] == {
        "withdrawal": {"recorded": 1, "absent": 1},
        "ticket": {"recorded": 1, "absent": 1},
    }


SPENT = Decimal("11.5")


@pytest.mark.parametrize(
    ("withdrawals", "left", "faults"),
    [
        (WITHDRAWALS[1:], 2, {"W1": ["w0"]}),
        ([*WITHDRAWALS, held("w1")._replace(server_id="x")], 4, {"W1": ["w1"], "W2": ["w1"]}),
        ([held("w0", amount=Decimal("10.51")), *WITHDRAWALS[1:]], 3, {"W1": ["w0"], "W6": None}),
        ([held("w0", address="elsewhere"), *WITHDRAWALS[1:]], 3, {"W1": ["w0"]}),
        ([held("w0", currency="BTC"), *WITHDRAWALS[1:]], 3, {"W1": ["w0"], "W6": None}),
        ([held("w0")._replace(server_id="other"), *WITHDRAWALS[1:]], 3, {"W1": ["w0"]}),
        ([held("w0"), held("w1"), held("w3")._replace(server_id="id of w1")], 3, {"W2": ["id of w1"]}),
        ([*WITHDRAWALS, held("w2")], 4, {"W3": ["w2"]}),
        ([*WITHDRAWALS, held("w2", failed=True)], 3, {}),
        ([*WITHDRAWALS, held("w3")._replace(server_id="y")], 4, {"W2": ["w3"], "W4": ["w3"]}),
        ([*WITHDRAWALS, held("w5")], 4, {"W5": ["w5"]}),
        (WITHDRAWALS, 2, {"W6": ["USDT: 23.0 left, 34.5 was withdrawn"]}),
    ],
)
def test_each_wrong_book_is_named(withdrawals: list[Withdrawal], left: int, faults: dict[str, Any]) -> None:
    found = failed(result(withdrawals, after={"USDT": Decimal(100) - left * SPENT}))
    assert set(found) == set(faults)
    for name, examples in faults.items():
        assert examples is None or found[name] == examples


@pytest.mark.parametrize(
    ("tickets", "faults"),
    [
        (TICKETS[1:], {"T1": ["t0"]}),
        ([*TICKETS, Ticket("t1", "again")], {"T1": ["t1"], "T3": ["t1"]}),
        ([Ticket("t0", "other"), *TICKETS[1:]], {"T1": ["t0"]}),
        ([*TICKETS, Ticket("t2", "x")], {"W3": ["t2"]}),
        ([*TICKETS, Ticket("t4", "x"), Ticket("t4", "y")], {"W4": ["t4"], "T3": ["t4"]}),
        ([*TICKETS, Ticket("t9", "x")], {"W5": ["t9"]}),
    ],
)
def test_each_wrong_ticket_is_named(tickets: list[Ticket], faults: dict[str, list[str]]) -> None:
    assert failed(result(tickets=tickets)) == faults


def test_balances_that_cannot_be_read_are_not_judged() -> None:
    assert "W6" not in [check["name"] for check in result(after=None)["checks"]]


class Moving(reference.Reference):
    """A server whose balances move between the first two readings."""

    def __init__(self) -> None:
        self.readings = [Decimal(n) for n in (5, 4, 4, 4)]

    def balances(self, send: object) -> dict[str, Decimal]:
        return {"USDT": self.readings.pop(0)}

    def holdings(self, send: object, prefix: str) -> Holdings:
        return Holdings([], [], self.balances(send))


def test_holdings_are_read_again_while_balances_move() -> None:
    server = Moving()
    pauses: list[float] = []

    def send(request: Request) -> Answer:
        raise AssertionError(request)

    assert read_holdings(server, send, PREFIX, pauses.append) == Holdings([], [], {"USDT": Decimal(4)})
    assert (len(pauses), server.readings) == (1, [])
