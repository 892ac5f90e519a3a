"""Gate's API v4: withdrawals and their history. It has no tickets or logins.

Documented at gate.com/docs/developers/apiv4: POST /withdrawals, GET /wallet/withdrawals, DELETE /withdrawals/{id},
GET /spot/accounts. Whether the fee is part of the amount is a setting, ``WITHSTAND_GATE_FEE``: within, beside or net;
``WITHSTAND_GATE_FEES`` are the promised ones, such as ``USDT=1 BTC=0.0005`` (without it fees are not compared). DONE is
final only with a block number: before that it is off the chain. FAIL waits for a confirmation, so it is not final.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from loadtests.dialect.answers import fetch
from loadtests.dialect.contract import Answer, Arrival, Outcome, Request, Send, Withdrawal
from loadtests.dialect.exchange import Exchange, Words, amounts, cancelled
from loadtests.dialect.payload import json_bytes, plain
from loadtests.dialect.signing import Params, form, gate_headers

SECRETS = ("WITHSTAND_GATE_KEY", "WITHSTAND_GATE_SECRET")
SETTINGS = {"WITHSTAND_GATE_FEE": "within", "WITHSTAND_GATE_FEES": ""}

ROOT = "/api/v4"
WORDS = Words(
    pending=(
        *("REQUEST", "VERIFY", "FVERIFY", "PROCES", "PEND", "MANUAL", "DMOVE", "EXTPEND", "SPLITPEND", "REVIEW"),
        *("LOCKED", "CANCELPEND", "FAIL"),
    ),
    paid=("DONE",),
    failed=("CANCEL", "INVALID", "REJECT"),
)
_PAGE = 100


def create(values: Mapping[str, str]) -> Gate:
    """Return the dialect with the test account's key."""
    return Gate(values)


class Gate(Exchange):
    """See the module's own text."""

    def __init__(self, values: Mapping[str, str]) -> None:
        fees = values.get("WITHSTAND_GATE_FEES", "")
        super().__init__(fee=values["WITHSTAND_GATE_FEE"], fee_setting="WITHSTAND_GATE_FEE", fees=fees)
        self._key, self._secret = values["WITHSTAND_GATE_KEY"], values["WITHSTAND_GATE_SECRET"]

    def withdrawal(self, arrival: Arrival, prefix: str) -> Withdrawal:
        """Return what the withdrawal of an arrival asks for; it sends no memo, so there must be none."""
        asked = super().withdrawal(arrival, prefix)
        return asked._replace(fields={**asked.fields, "memo": ""})

    def signed(self, method: str, path: str, params: Params, body: bytes = b"", key: str = "") -> Request:
        """Return a request with Gate's three headers; ``path`` begins behind ``/api/v4``."""
        raw = "&".join(f"{name}={value}" for name, value in params.items())
        headers = gate_headers(self._key, self._secret, method=method, path=ROOT + path, query=raw, body=body)
        target = f"{ROOT}{path}?{form(params)}" if params else ROOT + path
        plain_headers = {"Content-Type": "application/json", "Accept": "application/json"}
        return Request(method, target, {**plain_headers, **headers}, body, key)

    def balances(self, send: Send) -> dict[str, Decimal]:
        """Return what is available in the spot account, by currency."""
        return amounts(fetch(send, self.signed("GET", "/spot/accounts", {}), list), "currency", "available")

    def cancel(self, send: Send, withdrawal: Withdrawal) -> str:
        """Cancel a withdrawal; return nothing when it was accepted, else the reason."""
        answer = send(self.signed("DELETE", f"/withdrawals/{withdrawal.server_id}", {}))
        return cancelled(answer, self._refusal(answer))

    def _create(self, asked: Withdrawal) -> Request:
        body = {
            "currency": asked.currency,
            "amount": plain(asked.amount),
            "address": asked.address,
            "chain": asked.fields["chain"],
            "withdraw_order_id": asked.key,
        }
        return self.signed("POST", "/withdrawals", {}, json_bytes(body), asked.key)

    def _query(self, key: str) -> Request:
        return self.signed("GET", "/wallet/withdrawals", {"withdraw_order_id": key})

    def _refusal(self, answer: Answer) -> Outcome | None:
        return None

    def _history(self, send: Send) -> Iterator[Mapping[str, Any]]:
        offset, since_s = 0, self.since_ms // 1000
        while True:
            params = {"from": since_s, "limit": _PAGE, "offset": offset}
            page = fetch(send, self.signed("GET", "/wallet/withdrawals", params), list)
            yield from page
            if len(page) < _PAGE:
                return
            offset += _PAGE

    def _held(self, row: Mapping[str, Any]) -> Withdrawal:
        amount, fee = self.booked(row["amount"], row.get("fee"))
        return Withdrawal(
            key=row.get("withdraw_order_id") or "-",
            currency=row["currency"].upper(),
            address=row["address"],
            amount=amount,
            fee=fee,
            server_id=str(row["id"]),
            fields=self.told(row.get("chain"), row.get("fee"), row.get("memo")),
            **WORDS.of(row["status"], row.get("txid"), settled=int(row.get("block_number") or 0) > 0),
        )
