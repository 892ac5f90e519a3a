"""The reference exchange's rows, as withdrawals, tickets and balances. No dialect: the name begins with a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from loadtests.dialect.contract import Ticket, Withdrawal
from loadtests.dialect.payload import plain

_FAILED = ("CANCEL", "FAIL", "INVALID", "REJECT")
_STAGES = {"REQUEST": 0, "MANUAL": 1, "PEND": 2, "DONE": 3, **dict.fromkeys(_FAILED, 3)}
_FINAL_STAGE = 3


def is_ours(row: Mapping[str, Any], prefix: str) -> bool:
    """Return whether a row of withdrawals or tickets is under a prefix."""
    return str(row.get("withdraw_order_id") or row.get("external_id") or "").startswith(prefix)


def withdrawal_of(row: Mapping[str, Any]) -> Withdrawal:
    """Return a withdrawal of the reference exchange as its row tells it."""
    status = row["status"]
    stage = _STAGES.get(status, -1)
    paid_on_chain = status != "DONE" or int(row["block_number"]) > 0  # DONE off the chain has no transaction
    return Withdrawal(
        key=row["withdraw_order_id"],
        currency=row["currency"],
        address=row["address"],
        amount=Decimal(row["amount"]),
        fee=Decimal(row["fee"]),
        server_id=row["id"],
        failed=status in _FAILED,
        status=status,
        stage=stage,
        final=stage == _FINAL_STAGE and paid_on_chain,
        chain_id=row["txid"],
        fields={
            "account": str(row["account"]),
            "chain": row["chain"],
            "memo": row["memo"],
            "fee": plain(Decimal(row["fee"])),
        },
    )


def ticket_of(row: Mapping[str, Any]) -> Ticket:
    """Return a ticket of the reference exchange as its row tells it."""
    status = row["status"]
    told = {"requester": row["requester_id"], "subject": row["subject"], "text": row["description"]}
    told |= {"priority": row["priority"], "tags": " ".join(row["tags"])}
    return Ticket(
        key=row["external_id"],
        server_id=str(row["id"]),
        status=status,
        is_open=status == "open",
        closed=status == "closed",
        fields={name: str(value) for name, value in told.items()},
    )


def spendable(books: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    """Return the customers' balances in total by currency, less what was paid in."""
    return {row["currency"]: Decimal(row["customers_available"]) + Decimal(row["house"]["funding"]) for row in books}
