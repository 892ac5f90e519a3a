"""Binance's API: withdrawals and their history. It has no tickets or logins.

Documented at developers.binance.com, "Wallet": POST /sapi/v1/capital/withdraw/apply, GET
/sapi/v1/capital/withdraw/history, GET /api/v3/account. A withdrawal cannot be cancelled. Codes -1000, -1001, -1006 and
-1007 leave open what became of a request. The history's amount is what arrived, so amount + fee is what was asked for;
``WITHSTAND_BINANCE_FEE`` (net, within or beside) says otherwise; ``WITHSTAND_BINANCE_FEES`` are the promised fees, such
as ``USDT=1 BTC=0.0005`` (without it they are not compared).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, ClassVar

from loadtests.dialect.answers import fetch, rate_limited
from loadtests.dialect.contract import REJECTED, UNKNOWN, Answer, Outcome, ReadError, Request, Send, Withdrawal
from loadtests.dialect.exchange import Exchange, Words, amounts
from loadtests.dialect.payload import json_object, plain
from loadtests.dialect.signing import Params, form, hex_hmac, now_ms

SECRETS = ("WITHSTAND_BINANCE_KEY", "WITHSTAND_BINANCE_SECRET")
SETTINGS = {"WITHSTAND_BINANCE_FEE": "net", "WITHSTAND_BINANCE_FEES": ""}

RECEIVE_WINDOW_MS = 5000
PAGE = 1000
"""Rows of the history at once, at most."""


def create(values: Mapping[str, str]) -> Binance:
    """Return the dialect with the test account's key."""
    return Binance(
        key=values["WITHSTAND_BINANCE_KEY"],
        secret=values["WITHSTAND_BINANCE_SECRET"],
        fee=values["WITHSTAND_BINANCE_FEE"],
        fee_setting="WITHSTAND_BINANCE_FEE",
        fees=values.get("WITHSTAND_BINANCE_FEES", ""),
    )


class Binance(Exchange):
    """See the module's own text. MEXC's API has the same form, with its own names and codes."""

    create_path = "/sapi/v1/capital/withdraw/apply"
    history_path = "/sapi/v1/capital/withdraw/history"
    key_header = "X-MBX-APIKEY"
    network_name = "network"
    limited_statuses: ClassVar[tuple[int, ...]] = (429, 418)
    limited_codes: ClassVar[tuple[int, ...]] = (-1003, -1015)
    unknown_codes: ClassVar[tuple[int, ...]] = (-1000, -1001, -1006, -1007)
    fine_codes: ClassVar[tuple[int, ...]] = (0,)
    words = Words(pending=("0", "2", "4"), paid=("6",), failed=("1", "3", "5"))

    def __init__(self, *, key: str, secret: str, fee: str, fee_setting: str, fees: str = "") -> None:
        super().__init__(fee=fee, fee_setting=fee_setting, fees=fees)
        self._key, self._secret = key, secret

    def signed(self, method: str, path: str, params: Params, key: str = "") -> Request:
        """Return a request whose parameters, with time and signature, are the query, or the form of a POST."""
        text = self._with_signature({"timestamp": now_ms(), **params, "recvWindow": RECEIVE_WINDOW_MS})
        headers = {"Accept": "application/json", self.key_header: self._key}
        if method != "POST":
            return Request(method, f"{path}?{text}", headers, b"", key)
        return Request(
            method, path, {**headers, "Content-Type": "application/x-www-form-urlencoded"}, text.encode(), key
        )

    def balances(self, send: Send) -> dict[str, Decimal]:
        """Return free and locked coins by currency."""
        account = fetch(send, self.signed("GET", "/api/v3/account", {}), dict)
        rows = account.get("balances")
        if not isinstance(rows, list):
            raise ReadError("the account has no balances that can be read")
        return amounts(rows, "asset", "free", "locked")

    def _with_signature(self, params: Params) -> str:
        text = form(params)
        return f"{text}&signature={hex_hmac(self._secret, text, 'sha256')}"

    def _create(self, asked: Withdrawal) -> Request:
        return self.signed("POST", self.create_path, self._order(asked), asked.key)

    def _order(self, asked: Withdrawal) -> Params:
        return {
            "coin": asked.currency,
            "address": asked.address,
            "amount": plain(asked.amount),
            self.network_name: asked.fields["chain"],
            "withdrawOrderId": asked.key,
        }

    def _query(self, key: str) -> Request:
        return self.signed("GET", self.history_path, {"withdrawOrderId": key})

    def _refusal(self, answer: Answer) -> Outcome | None:
        """Return what a code in the body says; a code may stand in a 200 too."""
        if answer.status in self.limited_statuses:
            return rate_limited(answer, str(answer.status))
        code = json_object(answer.body).get("code")
        try:
            number = int(code) if code is not None else 0
        except (TypeError, ValueError):
            return None
        if number in self.fine_codes:
            return None
        if number in self.limited_codes:
            return rate_limited(answer, f"{answer.status} {number}")
        if number in self.unknown_codes or answer.status >= 500:
            return Outcome(UNKNOWN, f"{answer.status} {number}")
        return Outcome(REJECTED, f"{answer.status} {number}")

    def _history(self, send: Send) -> Iterator[Mapping[str, Any]]:
        offset = 0
        while True:
            params = {"startTime": self.since_ms, "limit": PAGE, "offset": offset}
            page = fetch(send, self.signed("GET", self.history_path, params), list)
            yield from page
            if len(page) < PAGE:
                return
            offset += PAGE

    def _held(self, row: Mapping[str, Any]) -> Withdrawal:
        amount, fee = self.booked(row["amount"], row.get("transactionFee"))
        return Withdrawal(
            key=self._own_key(row) or "-",
            currency=row["coin"].partition("-")[0],
            address=row["address"],
            amount=amount,
            fee=fee,
            server_id=str(row["id"]),
            fields=self.told(row.get("network"), row.get("transactionFee"), row.get("addressTag")),
            **self.words.of(str(row["status"]), row.get("txId")),
        )

    def _own_key(self, row: Mapping[str, Any]) -> str:
        return str(row.get("withdrawOrderId") or "")
