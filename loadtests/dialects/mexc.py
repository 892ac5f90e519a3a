"""MEXC's API v3, in Binance's form: withdrawals and their history. It has no tickets or logins.

Documented at mexc.com/api-docs/spot-v3, "Wallet endpoints": POST, DELETE /api/v3/capital/withdraw, GET
/api/v3/capital/withdraw/history, GET /api/v3/account. Everything signed goes into the query. The history does not name
the client's own id, so it goes into ``remark`` as well, which the history repeats; nor does it page: windows of time
are halved until each holds fewer rows than a page. ``WITHSTAND_MEXC_FEE`` (within, beside or net) says whether the
history's amount contains the fee; ``WITHSTAND_MEXC_FEES`` are the promised fees, such as ``USDT=1 BTC=0.0005`` (without
it they are not compared).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from loadtests.dialect.answers import fetch
from loadtests.dialect.contract import ReadError, Request, Send, Shown, Withdrawal
from loadtests.dialect.exchange import Words, cancelled
from loadtests.dialect.signing import Params, now_ms
from loadtests.dialects.binance import PAGE, RECEIVE_WINDOW_MS, Binance

SECRETS = ("WITHSTAND_MEXC_KEY", "WITHSTAND_MEXC_SECRET")
SETTINGS = {"WITHSTAND_MEXC_FEE": "within", "WITHSTAND_MEXC_FEES": ""}

PATH = "/api/v3/capital/withdraw"
_NEWEST = 100
"""How many withdrawals a status query shows, the newest: the API cannot be asked for one."""


def create(values: Mapping[str, str]) -> Mexc:
    """Return the dialect with the test account's key."""
    return Mexc(
        key=values["WITHSTAND_MEXC_KEY"],
        secret=values["WITHSTAND_MEXC_SECRET"],
        fee=values["WITHSTAND_MEXC_FEE"],
        fee_setting="WITHSTAND_MEXC_FEE",
        fees=values.get("WITHSTAND_MEXC_FEES", ""),
    )


class Mexc(Binance):
    """See the module's own text."""

    create_path = PATH
    history_path = f"{PATH}/history"
    key_header = "X-MEXC-APIKEY"
    network_name = "netWork"
    limited_statuses: ClassVar[tuple[int, ...]] = (429,)
    limited_codes: ClassVar[tuple[int, ...]] = (429, 510)
    unknown_codes: ClassVar[tuple[int, ...]] = (500, 503, 504)
    fine_codes: ClassVar[tuple[int, ...]] = (0, 200)
    words = Words(pending=("1", "2", "3", "4", "5", "6", "10"), paid=("7",), failed=("8", "9"))

    def signed(self, method: str, path: str, params: Params, key: str = "") -> Request:
        """Return a request whose parameters, with time and signature, are the query, whatever the method."""
        text = self._with_signature({**params, "timestamp": now_ms(), "recvWindow": RECEIVE_WINDOW_MS})
        headers = {"Content-Type": "application/json", "Accept": "application/json", self.key_header: self._key}
        return Request(method, f"{path}?{text}", headers, b"", key)

    def cancel(self, send: Send, withdrawal: Withdrawal) -> str:
        """Cancel a withdrawal; return nothing when it was accepted, else the reason."""
        answer = send(self.signed("DELETE", PATH, {"id": withdrawal.server_id}))
        return cancelled(answer, self._refusal(answer))

    def _order(self, asked: Withdrawal) -> Params:
        return {**super()._order(asked), "remark": asked.key}

    def _query(self, key: str) -> Request:
        return self.signed("GET", self.history_path, {"limit": _NEWEST})

    def _choose(self, asked: str, found: list[Withdrawal]) -> Shown | None:
        mine = [one for one in found if one.key == asked]
        return Shown(mine[0]) if mine else Shown() if len(found) < _NEWEST else None

    def _history(self, send: Send) -> Iterator[Mapping[str, Any]]:
        yield from self._between(send, self.since_ms, now_ms() + 60_000)

    def _between(self, send: Send, start_ms: int, end_ms: int) -> Iterator[Mapping[str, Any]]:
        params = {"startTime": start_ms, "endTime": end_ms, "limit": PAGE}
        page = fetch(send, self.signed("GET", self.history_path, params), list)
        if len(page) < PAGE:
            yield from page
            return
        if start_ms >= end_ms:
            raise ReadError(f"the history holds {PAGE} withdrawals in one millisecond, more than it shows")
        middle_ms = (start_ms + end_ms) // 2
        yield from self._between(send, start_ms, middle_ms)
        yield from self._between(send, middle_ms + 1, end_ms)

    def _own_key(self, row: Mapping[str, Any]) -> str:
        return str(row.get("withdrawOrderId") or row.get("remark") or "")
