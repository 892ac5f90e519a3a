"""What dialects of withdrawal APIs have in common: two endpoints, one key, a history to read back, a fee convention."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from loadtests.core.faults import InputError
from loadtests.dialect import answers
from loadtests.dialect.api import Api
from loadtests.dialect.contract import (
    Answer,
    Arrival,
    Holdings,
    Known,
    Outcome,
    ReadError,
    Request,
    Send,
    Withdrawal,
    spent,
)
from loadtests.dialect.payload import known_key
from loadtests.dialect.signing import now_ms

FEES = ("within", "beside", "net")
_BACK_MS = 3_600_000
"""The history is read from this long before the start: the server's clock may differ from ours."""


class Words(NamedTuple):
    """The statuses of a withdrawal. An unknown status is tolerated: it says nothing about the progress."""

    pending: tuple[str, ...]
    paid: tuple[str, ...]
    failed: tuple[str, ...]

    def of(self, status: str, chain_id: object, *, settled: bool = True) -> dict[str, Any]:
        """Return the fields of a Withdrawal that its status decides; ``settled`` False keeps paid from being final."""
        failed, paid = status in self.failed, status in self.paid
        return {
            "status": status,
            "failed": failed,
            "stage": 1 if failed or paid else 0 if status in self.pending else -1,
            "final": failed or (paid and settled),
            "chain_id": str(chain_id or ""),
        }


class Exchange(Api, ABC):
    """A withdrawal API. What it holds is read from its history; what it does not support is not in ``endpoints``."""

    endpoints = ("withdrawal", "withdrawal_status")
    single_account = True
    client_ids = True

    def __init__(self, *, fee: str, fee_setting: str) -> None:
        """``fee`` says how the history's amount and fee make what was asked for.

        ``within``: the fee is part of the amount, which is what was asked for. ``beside``: the fee was charged on top.
        ``net``: the amount is what arrives, and amount + fee what was asked for.
        """
        if fee not in FEES:
            raise InputError([f"environment: {fee_setting}: got {fee}; must be one of {', '.join(FEES)}"])
        self._fee = fee
        self._since_ms = now_ms() - _BACK_MS

    def request(self, arrival: Arrival, known: Known) -> Request:
        """Return the signed request of an arrival. Raises ValueError for an endpoint that the API does not have."""
        if arrival.endpoint == "withdrawal":
            return self._create(self.withdrawal(arrival, known.prefix))
        if arrival.endpoint == "withdrawal_status":
            return self._query(known_key(arrival, known))
        raise ValueError(f"{arrival.endpoint} is not an endpoint of this API")

    def outcome(self, arrival: Arrival, answer: Answer) -> Outcome:
        """Return how a request ended: by the error in its body, by its status, then by what a success must hold."""
        decided = self._refusal(answer) or answers.by_status(answer)
        if decided is not None:
            return decided
        if arrival.endpoint == "withdrawal":
            return answers.acknowledged(answer, self._server_id(answer))
        return answers.read(answer, self._is_history(answer))

    def available(self, send: Send, arrival: Arrival) -> Decimal | None:
        """Return what the account holds in the currency of an arrival. Raises ReadError when it cannot be read."""
        return self.balances(send).get(self.withdrawal(arrival, "").currency, Decimal(0))

    def holdings(self, send: Send, prefix: str) -> Holdings | None:
        """Return the history's withdrawals under ``prefix``, those without a key of ours included, and the balances.

        Raises ReadError when the history cannot be read.
        """
        try:
            held = [self._held(row) for row in self._history(send)]
        except (KeyError, TypeError, AttributeError, InvalidOperation) as error:
            raise ReadError(f"the history holds a row that cannot be read: {type(error).__name__} {error}") from None
        mine = [one for one in held if not one.key or one.key.startswith(prefix)]
        others = spent(one for one in held if one.key and not one.key.startswith(prefix))
        return Holdings(mine, [], self.balances(send), spent_by_others=others, by_id=not self.client_ids)

    def booked(self, amount: object, fee: object) -> tuple[Decimal, Decimal]:
        """Return amount and fee of a history's row as the load test counts them: what was asked for, what came on top.

        Raises InvalidOperation when they are no numbers.
        """
        paid, charged = Decimal(str(amount)), Decimal(str(fee or 0))
        if self._fee == "beside":
            return paid, charged
        return (paid + charged if self._fee == "net" else paid), Decimal(0)

    @abstractmethod
    def balances(self, send: Send) -> dict[str, Decimal]:
        """Return the account's balances by currency."""

    @abstractmethod
    def _create(self, asked: Withdrawal) -> Request: ...

    @abstractmethod
    def _query(self, key: str) -> Request: ...

    @abstractmethod
    def _refusal(self, answer: Answer) -> Outcome | None:
        """Return what an error in the body says, None when the status decides."""

    @abstractmethod
    def _server_id(self, answer: Answer) -> object: ...

    @abstractmethod
    def _is_history(self, answer: Answer) -> bool: ...

    @abstractmethod
    def _history(self, send: Send) -> Iterator[Mapping[str, Any]]: ...

    @abstractmethod
    def _held(self, row: Mapping[str, Any]) -> Withdrawal: ...


def amounts(rows: list[Any], name: str, *parts: str) -> dict[str, Decimal]:
    """Return the sum of the named parts of each row of a balance sheet, by currency.

    Raises ReadError when a row cannot be read.
    """
    try:
        return {str(row[name]): sum((Decimal(str(row[part])) for part in parts), Decimal(0)) for row in rows}
    except (KeyError, TypeError, InvalidOperation):
        raise ReadError("the balances hold a row that cannot be read") from None


def cancelled(answer: Answer, refusal: Outcome | None) -> str:
    """Return nothing when a cancellation was accepted, else the reason."""
    decided = refusal or answers.by_status(answer)
    return decided.reason if decided is not None else ""
