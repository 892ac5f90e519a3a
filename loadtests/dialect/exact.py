"""A dialect's records made comparable: a user's file may give numbers where texts are due, and amounts in other forms.

An id that is a number in one answer and a text in another is the same id, and 12.5 is the amount 12.50.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from loadtests.core.redact import REDACTOR
from loadtests.dialect.contract import Holdings, ReadError, Ticket, Withdrawal

_TEXTS = ("key", "server_id", "status")
_LONGEST = 60
Record = TypeVar("Record", bound=Withdrawal | Ticket)


def exact(one: Record) -> Record:
    """Return a record with texts and Decimals alone; a field that is None is not told.

    Raises ReadError for an amount or a fee that is no number.
    """
    if _is_exact(one):  # of most dialects: half a million need not be made anew
        return one
    told: dict[str, Any] = {name: _text(getattr(one, name)) for name in _TEXTS}
    told["fields"] = {str(name): str(value) for name, value in one.fields.items() if value is not None}
    if isinstance(one, Withdrawal):
        told |= {"currency": _text(one.currency), "address": _text(one.address)}
        told |= {what: number(getattr(one, what), f"record {one.key} has the {what}") for what in ("amount", "fee")}
        told["chain_id"] = None if one.chain_id is None else str(one.chain_id)
    replaced: Record = one._replace(**told)  # type: ignore[assignment]
    return replaced


def exact_holdings(held: Holdings) -> Holdings:
    """Return holdings whose records and sums are so. Raises ReadError as ``exact`` does."""
    return held._replace(
        withdrawals=[exact(one) for one in held.withdrawals],
        tickets=[exact(one) for one in held.tickets],
        balances=exact_sums(held.balances),
        spent_by_others=exact_sums(held.spent_by_others),
    )


def exact_sums(sums: Mapping[str, Any] | None) -> dict[str, Decimal] | None:
    """Return sums by currency as Decimals, None for None. Raises ReadError for one that is no number."""
    if sums is None:
        return None
    return {str(name): number(value, f"sum of {name} is") for name, value in sums.items()}


def number(value: Any, what: str) -> Decimal:
    """Return a value as a Decimal. Raises ReadError, which says ``what`` it is of, when it is no finite number."""
    try:
        found = value if type(value) is Decimal else Decimal(str(value))
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        raise ReadError(f"the dialect's {what} {REDACTOR.cut(repr(value), _LONGEST)}, which is no number")
    return found


def _is_exact(one: Withdrawal | Ticket) -> bool:
    texts = (one.key, one.server_id, one.status, *one.fields.values())
    if isinstance(one, Withdrawal):
        texts = (*texts, one.currency, one.address, one.chain_id or "")
        if not all(type(money) is Decimal and money.is_finite() for money in (one.amount, one.fee)):
            return False
    return all(type(text) is str for text in texts)


def _text(value: object) -> str:
    return "" if value is None else str(value)
