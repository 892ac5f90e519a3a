"""Kraken's REST API: withdrawals to named addresses, and their status. It has no tickets or logins.

Documented at docs.kraken.com/api, "Funding": POST /0/private/Withdraw, WithdrawStatus, WithdrawCancel, Balance. Errors
come inside 200. A withdrawal goes to an address that its owner has named beforehand: ``WITHSTAND_KRAKEN_ADDRESS_KEY``
is that name, with {asset} for the coin. There is no client id: a withdrawal is known by the refid of its answer, so one
of unknown fate cannot be identified. ``WITHSTAND_KRAKEN_FEE`` (net, within or beside) says where the fee is, and
``WITHSTAND_KRAKEN_FEES`` are the promised fees, such as ``USDT=1 BTC=0.0005`` (without it they are not compared).
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from loadtests.core.faults import InputError
from loadtests.dialect.answers import brief, fetch, rate_limited, unread
from loadtests.dialect.contract import (
    REJECTED,
    UNKNOWN,
    Answer,
    Arrival,
    Outcome,
    ReadError,
    Request,
    Send,
    Shown,
    Withdrawal,
)
from loadtests.dialect.exchange import Exchange, Words, cancelled
from loadtests.dialect.payload import json_object, plain
from loadtests.dialect.signing import Nonce, Params, form, kraken_sign

SECRETS = ("WITHSTAND_KRAKEN_KEY", "WITHSTAND_KRAKEN_SECRET")
SETTINGS = {
    "WITHSTAND_KRAKEN_FEE": "net",
    "WITHSTAND_KRAKEN_FEES": "",
    "WITHSTAND_KRAKEN_ADDRESS_KEY": "withstand-{asset}",
}

LIMITS = ("EAPI:Rate limit", "EGeneral:Temporary lockout", "EGeneral:Too many requests", "EService:Throttled")
UNSURE = ("EGeneral:Internal error", "EService:Unavailable", "EService:Busy", "EService:Timeout", "EService:Deadline")
WORDS = Words(pending=("Initial", "Pending", "Settled"), paid=("Success",), failed=("Failure",))
_NEWEST = 100
"""How many withdrawals a status query shows, the newest: the API cannot be asked for one."""
_STATES = {"canceled": "Failure", "cancel-pending": "Pending", "onhold": "Pending"}
"""What ``status-prop`` makes of a status."""
_THEIRS = {"BTC": "XBT"}
_OURS: dict[str, str] = {"XXBT": "BTC", "XBT": "BTC", "XETH": "ETH"}


def create(values: Mapping[str, str]) -> Kraken:
    """Return the dialect with the test account's key. Raises InputError when the secret is not base64."""
    return Kraken(values)


class Kraken(Exchange):
    """See the module's own text."""

    client_ids = False
    own_errors = ("error",)

    def __init__(self, values: Mapping[str, str]) -> None:
        fees = values.get("WITHSTAND_KRAKEN_FEES", "")
        super().__init__(fee=values["WITHSTAND_KRAKEN_FEE"], fee_setting="WITHSTAND_KRAKEN_FEE", fees=fees)
        self._key, self._secret = values["WITHSTAND_KRAKEN_KEY"], values["WITHSTAND_KRAKEN_SECRET"]
        self._address_key = values["WITHSTAND_KRAKEN_ADDRESS_KEY"]
        self._nonce = Nonce.of(self._key)
        try:
            kraken_sign(self._secret, "/", "1", "")
        except (ValueError, binascii.Error):
            rule = "environment: WITHSTAND_KRAKEN_SECRET: got another text; must be base64, as Kraken shows it"
            raise InputError([rule]) from None

    def lane(self, arrival: Arrival) -> int:
        """Return the one lane of this key: only within one process do its nonces rise in the order of sending."""
        return 0

    def signed(self, method: str, params: Params, key: str = "") -> Request:
        """Return a call of a private method, with the next nonce."""
        path, nonce = f"/0/private/{method}", str(self._nonce.next())
        body = form({"nonce": nonce, **params})
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
            "API-Key": self._key,
            "API-Sign": kraken_sign(self._secret, path, nonce, body),
        }
        return Request("POST", path, headers, body.encode(), key)

    def withdrawal(self, arrival: Arrival, prefix: str) -> Withdrawal:
        """Return what the withdrawal of an arrival asks for; its address is the name of one."""
        asked = super().withdrawal(arrival, prefix)
        fields = {name: text for name, text in asked.fields.items() if name != "chain"}  # the address names it
        return asked._replace(address=self._address_key.replace("{asset}", asked.currency), fields=fields)

    def balances(self, send: Send) -> dict[str, Decimal]:
        """Return the balances, net of withdrawals under way, by currency; staked and held ones are left out."""
        result = self._result(send, self.signed("Balance", {}))
        if not isinstance(result, dict):
            raise ReadError("Balance answered with something that cannot be read")
        return {_OURS.get(str(name), str(name)): Decimal(str(n)) for name, n in result.items() if "." not in name}

    def cancel(self, send: Send, withdrawal: Withdrawal) -> str:
        """Cancel a withdrawal; return nothing when it was accepted, else the reason."""
        asset = _THEIRS.get(withdrawal.currency, withdrawal.currency)
        answer = send(self.signed("WithdrawCancel", {"asset": asset, "refid": withdrawal.server_id}))
        told = cancelled(answer, self._refusal(answer))
        return told if told or json_object(answer.body).get("result") is True else unread(answer).reason

    def _create(self, asked: Withdrawal) -> Request:
        asset = _THEIRS.get(asked.currency, asked.currency)
        return self.signed("Withdraw", {"asset": asset, "key": asked.address, "amount": plain(asked.amount)}, asked.key)

    def _query(self, key: str) -> Request:
        return self.signed("WithdrawStatus", {"limit": _NEWEST})

    def _refusal(self, answer: Answer) -> Outcome | None:
        """Return what the errors in the body say; those that begin with W are warnings beside a success."""
        found = json_object(answer.body).get("error")
        errors = [str(one) for one in (found if isinstance(found, list) else [found]) if one]
        errors = [one for one in errors if not one.startswith("W")]
        if not errors:
            return None
        reason = f"{answer.status} {brief(errors[0])}"
        if any(one.startswith(LIMITS) for one in errors):
            return rate_limited(answer, reason)
        unsure = answer.status >= 500 or any(one.startswith(UNSURE) for one in errors)
        return Outcome(UNKNOWN if unsure else REJECTED, reason)

    def _server_id(self, answer: Answer) -> object:
        result = json_object(answer.body).get("result")
        return result.get("refid") if isinstance(result, dict) else None

    def _is_history(self, answer: Answer) -> bool:
        return _rows(json_object(answer.body).get("result")) is not None

    def _shown_rows(self, answer: Answer) -> list[Mapping[str, Any]]:
        return _rows(json_object(answer.body).get("result")) or []

    def _choose(self, asked: str, found: list[Withdrawal]) -> Shown | None:
        mine = [one for one in found if one.server_id == asked]
        return Shown(mine[0]) if mine else Shown() if asked and len(found) < _NEWEST else None

    def _history(self, send: Send) -> Iterator[Mapping[str, Any]]:
        cursor = "true"
        while cursor:
            params: Params = {"start": self.since_ms // 1000, "cursor": cursor, "limit": 500}
            result = self._result(send, self.signed("WithdrawStatus", params))
            rows = _rows(result)
            if rows is None:
                raise ReadError("WithdrawStatus answered with something that cannot be read")
            yield from rows
            cursor = str(result.get("next_cursor") or "") if isinstance(result, dict) else ""

    def _held(self, row: Mapping[str, Any]) -> Withdrawal:
        amount, fee = self.booked(row["amount"], row.get("fee"))
        return Withdrawal(
            key="",
            currency=_OURS.get(row["asset"], row["asset"]),
            address=row.get("key") or "",
            amount=amount,
            fee=fee,
            server_id=row["refid"],
            fields=self.told(None, row.get("fee")),
            **WORDS.of(_STATES.get(str(row.get("status-prop")), str(row["status"])), row.get("txid")),
        )

    def _result(self, send: Send, request: Request) -> Any:
        """Return the result of a read. Raises ReadError when there is an error instead."""

        def checked(asked: Request) -> Answer:
            answer = send(asked)
            refusal = self._refusal(answer)
            if refusal is not None:
                raise ReadError(f"{asked.path} answered {refusal.reason}")
            return answer

        return fetch(checked, request, dict).get("result")


def _rows(result: object) -> list[Any] | None:
    """Return the withdrawals in a WithdrawStatus: the list itself, or the list of a page."""
    rows = result.get("withdrawals", result.get("withdrawal")) if isinstance(result, dict) else result
    return rows if isinstance(rows, list) else None
