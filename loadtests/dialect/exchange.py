"""What dialects of withdrawal APIs have in common: two endpoints, one key, a history to read back, a fee convention."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from loadtests.core.faults import InputError
from loadtests.dialect import answers
from loadtests.dialect.api import Api
from loadtests.dialect.contract import (
    REJECTED,
    UNKNOWN,
    Answer,
    Arrival,
    Holdings,
    Known,
    Outcome,
    ReadError,
    Request,
    Send,
    Shown,
    Withdrawal,
    spent,
)
from loadtests.dialect.pages import whole
from loadtests.dialect.payload import ASSETS, json_object, json_value, known_key, plain
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
    own_errors: tuple[str, ...] = ()
    """Fields of errors whose contents the API's own ``_refusal`` judges."""

    def __init__(self, *, fee: str, fee_setting: str, fees: str = "") -> None:
        """``fee`` says how the history's amount and fee make what was asked for.

        ``within``: the fee is part of the amount, which is what was asked for. ``beside``: the fee was charged on top.
        ``net``: the amount is what arrives, and amount + fee what was asked for. ``fees`` are the promised ones, as in
        ``USDT=1 BTC=0.0005``, empty where they are not known.
        """
        if fee not in FEES:
            raise InputError([f"environment: {fee_setting}: got {fee}; must be one of {', '.join(FEES)}"])
        self._fee, self._fees = fee, fees_of(fees, fee_setting + "S")
        self.since_ms = now_ms() - _BACK_MS

    def withdrawal(self, arrival: Arrival, prefix: str) -> Withdrawal:
        """Return what the withdrawal of an arrival asks for, with its chain and the promised fee."""
        asked = super().withdrawal(arrival, prefix)
        fee = {"fee": self._fees[asked.currency]} if asked.currency in self._fees else {}
        return asked._replace(fields={"chain": ASSETS[asked.currency].chain, **fee})

    def request(self, arrival: Arrival, known: Known) -> Request:
        """Return the signed request of an arrival. Raises ValueError for an endpoint that the API does not have."""
        if arrival.endpoint == "withdrawal":
            return self._create(self.withdrawal(arrival, known.prefix))
        if arrival.endpoint == "withdrawal_status":
            key = known_key(arrival, known)
            return self._query(key)._replace(key=key if self.client_ids else known.withdrawal_ids.get(key, ""))
        raise ValueError(f"{arrival.endpoint} is not an endpoint of this API")

    def outcome(self, arrival: Arrival, answer: Answer) -> Outcome:
        """Return how a request ended: by the error in its body, by its status, then by what a success must hold."""
        decided = self._refusal(answer) or answers.by_status(answer)
        write = arrival.endpoint == "withdrawal"
        if decided is not None:
            taken = write and 200 <= answer.status < 300 and answers.is_id(self._server_id(answer))
            contradicts = taken and decided.outcome == REJECTED
            return Outcome(UNKNOWN, f"{decided.reason}, and an id") if contradicts else decided
        if write:
            return answers.acknowledged(answer, self._server_id(answer), self.own_errors)
        return answers.read(answer, self._is_history(answer), self.own_errors)

    def shows(self, arrival: Arrival, request: Request, answer: Answer) -> Shown | None:
        """Return the withdrawal that a status query asks for, as the answer shows it; None when it cannot tell."""
        try:
            found = [self._held(row) for row in self._shown_rows(answer)]
        except _UNREADABLE:
            return None
        return self._choose(request.key, found)

    def available(self, send: Send, arrival: Arrival) -> Decimal | None:
        """Return what the account holds in the currency of an arrival. Raises ReadError when it cannot be read."""
        return self.balances(send).get(self.withdrawal(arrival, "").currency, Decimal(0))

    def holdings(self, send: Send, prefix: str) -> Holdings | None:
        """Return the history's withdrawals under ``prefix``, those without a key of ours included, and the balances.

        Raises ReadError when the history cannot be read.
        """
        try:
            held = whole(lambda: [self._held(row) for row in self._history(send)], _name)
        except _UNREADABLE as error:
            raise ReadError(f"the history holds a row that cannot be read: {type(error).__name__} {error}") from None
        mine = [one for one in held if not one.key or one.key.startswith(prefix)]
        others = spent(one for one in held if one.key and not one.key.startswith(prefix))
        return Holdings(mine, [], self.balances(send), spent_by_others=others, by_id=not self.client_ids)

    def told(self, chain: object, fee: object, memo: object = None) -> dict[str, str]:
        """Return the fields that a history's row tells. Raises InvalidOperation when the fee is no number."""
        charged = plain(Decimal(str(fee))) if fee not in (None, "") else None
        pairs = (("chain", chain or None), ("fee", charged), ("memo", memo))
        return {name: str(value) for name, value in pairs if value is not None}

    def booked(self, amount: object, fee: object) -> tuple[Decimal, Decimal]:
        """Return amount and fee of a history's row as the load test counts them: what was asked for, what came on top.

        Raises InvalidOperation when they are no numbers.
        """
        paid, charged = Decimal(str(amount)), Decimal(str(fee or 0))
        if self._fee == "beside":
            return paid, charged
        return (paid + charged if self._fee == "net" else paid), Decimal(0)

    def _choose(self, asked: str, found: list[Withdrawal]) -> Shown | None:
        """Return what a query by the key ``asked`` found: that withdrawal, or one that was not asked for."""
        mine = [one for one in found if one.key == asked]
        return Shown((mine or found)[0] if found else None)

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

    def _server_id(self, answer: Answer) -> object:
        """Return the id in the answer to a withdrawal request; of most APIs the ``id`` of a JSON object."""
        return json_object(answer.body).get("id")

    def _is_history(self, answer: Answer) -> bool:
        """Return whether an answer to a status query has its form; of most APIs a JSON list."""
        return isinstance(json_value(answer.body), list)

    def _shown_rows(self, answer: Answer) -> list[Mapping[str, Any]]:
        """Return the rows in the answer to a status query."""
        rows: list[Mapping[str, Any]] = json_value(answer.body)
        return rows

    @abstractmethod
    def _history(self, send: Send) -> Iterator[Mapping[str, Any]]: ...

    @abstractmethod
    def _held(self, row: Mapping[str, Any]) -> Withdrawal: ...


_UNREADABLE = (KeyError, TypeError, AttributeError, ValueError, InvalidOperation)


def _name(one: Withdrawal) -> Hashable:
    return one.key, one.server_id


def fees_of(text: str, setting: str) -> dict[str, str]:
    """Return the promised fee of each coin in ``USDT=1 BTC=0.0005``. Raises InputError when it is not of that form."""
    found = {}
    for part in text.split():
        coin, _, fee = part.partition("=")
        try:
            found[coin] = plain(Decimal(fee))
        except InvalidOperation:
            rule = "must be coins and their fees, such as USDT=1 BTC=0.0005"
            raise InputError([f"environment: {setting}: got {text}; {rule}"]) from None
    return found


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
