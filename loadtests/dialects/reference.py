"""The reference exchange: withdrawals in Gate v4's shape, tickets in Zendesk's, and a plain login.

Bodies are a pure function of the arrival and the run's prefix. Reads ask for what this run has had acknowledged: a
status query for one of its withdrawals, chosen by the payload seed, and before there is one for the newest key sent
(an empty list is then the right answer); a ticket view for one of its tickets, and before there is one for the count.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import Iterator, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Any

from loadtests.dialect import (
    ACKNOWLEDGED,
    RATE_LIMITED,
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
    Ticket,
    Withdrawal,
)

SECRETS = ("WITHSTAND_API_KEY", "WITHSTAND_API_SECRET", "WITHSTAND_TICKET_TOKEN", "WITHSTAND_ADMIN_TOKEN")

WITHDRAWALS, STATUS, TICKETS, LOGIN = (
    "/api/v4/withdrawals",
    "/api/v4/wallet/withdrawals",
    "/api/v2/tickets",
    "/api/v1/login",
)
_PAGE = 1000
_FAILED = ("CANCEL", "FAIL", "INVALID", "REJECT")
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

# Chain, price in dollars that turns the trace's dollars into coins (a price for tests, no market price), and decimals.
_ASSETS = {
    "USDT": ("TRX", Decimal(1), 6),
    "USDC": ("ETH", Decimal(1), 6),
    "BTC": ("BTC", Decimal(60_000), 8),
    "ETH": ("ETH", Decimal(3_000), 8),
}
_ADDRESS_VERSION = {"TRX": 0x41, "BTC": 0x6F}

_OPENINGS = ("Hello,", "Hi,", "Good day,", "Urgent:", "To whom it may concern,")
_STORIES = (
    "this has been open since yesterday and nothing has moved.",
    "I have tried three times and get the same message.",
    "please tell me what you need from me.",
    "the app shows one thing and the e-mail says another.",
    "I need an answer today.",
)


def create(secrets: Mapping[str, str]) -> Reference:
    """Return the dialect with the test system's keys."""
    return Reference(secrets)


class Reference:
    """See the module's own text."""

    health_path = "/health"

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._key, self._secret, ticket_token, admin_token = (secrets[name] for name in SECRETS)
        self._json = {"Content-Type": "application/json", "Accept": "application/json"}
        self._desk = {**self._json, "Authorization": f"Bearer {ticket_token}"}
        self._admin = {"Accept": "application/json", "Authorization": f"Bearer {admin_token}"}

    def is_test_system(self, answer: Answer) -> bool:
        """Return whether ``/health`` is 200 and carries ``"test_system": true``."""
        return answer.status == 200 and _object(answer.body).get("test_system") is True

    def request(self, arrival: Arrival, known: Known) -> Request:
        """Return the request of an arrival."""
        endpoint = arrival.endpoint
        if endpoint == "withdrawal":
            return self._withdraw(arrival, known.prefix)
        if endpoint == "ticket":
            return self._open_ticket(arrival, known.prefix)
        if endpoint == "withdrawal_status":
            keys = known.withdrawal_keys
            key = keys[arrival.payload_seed % len(keys)] if keys else known.newest_key or f"{known.prefix}none"
            return self._signed("GET", STATUS, f"withdraw_order_id={key}", b"", "")
        if endpoint == "ticket_view":
            ids = known.ticket_ids
            path = f"{TICKETS}/{ids[arrival.payload_seed % len(ids)]}" if ids else f"{TICKETS}/count"
            return Request("GET", path, self._desk)
        password = account_password(arrival.customer, self._secret)
        return Request("POST", LOGIN, self._json, _bytes({"account": arrival.customer, "password": password}))

    def outcome(self, arrival: Arrival, answer: Answer) -> Outcome:
        """Return how a request ended.

        2xx with the id that was asked for is acknowledged, 429 rate limited, 503 and 4xx rejected, a redirect
        rejected. Any other 5xx, or a 2xx that cannot be read, leaves open whether it was recorded: unknown.
        """
        status = answer.status
        if status == 429:
            return Outcome(RATE_LIMITED, f"429, Retry-After {answer.headers.get('retry-after', 'missing')}")
        if 300 <= status < 400:
            return Outcome(REJECTED, f"{status}: redirect not followed")
        if status == 503 or 400 <= status < 500:
            return Outcome(REJECTED, f"{status} {_label(answer.body)}".strip())
        if not 200 <= status < 300:
            return Outcome(UNKNOWN, f"{status} {_label(answer.body)}".strip())
        server_id = _server_id(arrival.endpoint, answer.body)
        if server_id is None:
            return Outcome(UNKNOWN, f"{status} with an answer that cannot be read")
        return Outcome(ACKNOWLEDGED, "", server_id)

    def withdrawal(self, arrival: Arrival, prefix: str) -> Withdrawal:
        """Return what the withdrawal of an arrival asks for."""
        chain, price_usd, decimals = _ASSETS.get(arrival.kind, _ASSETS["USDT"])
        currency = arrival.kind if arrival.kind in _ASSETS else "USDT"
        unit = Decimal(1).scaleb(-decimals)
        amount = (Decimal(arrival.amount_cents) / 100 / price_usd).quantize(unit, ROUND_DOWN)
        address = address_of(chain, arrival.payload_seed)
        return Withdrawal(_key_of(arrival, prefix), currency, address, max(amount, unit))

    def balances(self, send: Send) -> dict[str, Decimal] | None:
        """Return the customers' balances in total by currency, less what was paid in.

        Accounts are opened, and paid in, on first use; without that share only withdrawals move the sum.
        """
        books = self._read(send, "/admin/ledger")["currencies"]
        return {
            row["currency"]: Decimal(row["customers_available"]) + Decimal(row["house"]["funding"]) for row in books
        }

    def holdings(self, send: Send, prefix: str) -> Holdings | None:
        """Return every withdrawal and ticket whose key begins with ``prefix``, and the balances."""
        withdrawals = [
            Withdrawal(
                key=row["withdraw_order_id"],
                currency=row["currency"],
                address=row["address"],
                amount=Decimal(row["amount"]),
                fee=Decimal(row["fee"]),
                server_id=row["id"],
                failed=row["status"] in _FAILED,
            )
            for row in self._pages(send, "withdrawals", prefix)
        ]
        tickets = [Ticket(row["external_id"], str(row["id"])) for row in self._pages(send, "tickets", prefix)]
        return Holdings(withdrawals, tickets, self.balances(send))

    def _pages(self, send: Send, what: str, prefix: str) -> Iterator[dict[str, Any]]:
        after: int | None = 0
        while after is not None:
            page = self._read(send, f"/admin/{what}?prefix={prefix}&after={after}&limit={_PAGE}")
            yield from page[what]
            after = page["next_after"]

    def _read(self, send: Send, path: str) -> dict[str, Any]:
        """Return the JSON object at an administrative path. Raises ReadError when it cannot be read."""
        answer = send(Request("GET", path, self._admin))
        if answer.status != 200:
            raise ReadError(f"{path.partition('?')[0]} answered {answer.status} {_label(answer.body)}".strip())
        return _object(answer.body)

    def _withdraw(self, arrival: Arrival, prefix: str) -> Request:
        asked = self.withdrawal(arrival, prefix)
        body = {
            "currency": asked.currency,
            "amount": f"{asked.amount.normalize():f}",
            "address": asked.address,
            "chain": _ASSETS[asked.currency][0],
            "withdraw_order_id": asked.key,
            "account": arrival.customer,
        }
        return self._signed("POST", WITHDRAWALS, "", _bytes(body), asked.key)

    def _open_ticket(self, arrival: Arrival, prefix: str) -> Request:
        seed, key = arrival.payload_seed, _key_of(arrival, prefix)
        about = arrival.kind.replace("_", " ")
        text = f"{_OPENINGS[seed % 5]} about {about}: {_STORIES[seed // 5 % 5]} (case {seed % 10**9})"
        ticket = {
            "subject": f"{about}: case {seed % 10**9}",
            "comment": {"body": text},
            "external_id": key,
            "tags": [arrival.kind],
            "requester_id": arrival.customer,
        }
        return Request("POST", TICKETS, self._desk, _bytes({"ticket": ticket}), key)

    def _signed(self, method: str, path: str, query: str, body: bytes, key: str) -> Request:
        """Return a request signed in Gate v4's way: hex HMAC-SHA512 over method, path, query, body hash and time."""
        now = str(int(time.time()))
        text = f"{method}\n{path}\n{query}\n{hashlib.sha512(body).hexdigest()}\n{now}"
        sign = hmac.digest(self._secret.encode(), text.encode(), "sha512").hex()
        headers = {**self._json, "KEY": self._key, "Timestamp": now, "SIGN": sign}
        return Request(method, f"{path}?{query}" if query else path, headers, body, key)


def account_password(account: int, secret: str) -> str:
    """Return the password of a test account, as the staging server derives it from its number and the API secret."""
    return hmac.digest(secret.encode(), f"password of account {account}".encode(), "sha256").hex()[:32]


def address_of(chain: str, seed: int) -> str:
    """Return a well-formed address of a test network that nobody holds a key to, the same for the same seed."""
    payload = hashlib.sha256(f"{chain} {seed}".encode()).digest()[:20]
    if chain not in _ADDRESS_VERSION:
        return "0x" + payload.hex()
    data = bytes([_ADDRESS_VERSION[chain]]) + payload
    data += hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4]
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return text


def _key_of(arrival: Arrival, prefix: str) -> str:
    return f"{prefix}{arrival.idx}"


def _bytes(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _label(body: bytes) -> str:
    """Return the machine-readable name of an error (Gate's label, Zendesk's error), cut short."""
    value = _object(body)
    return str(value.get("label") or value.get("error") or "")[:60]


def _server_id(endpoint: str, body: bytes) -> str | None:
    """Return the id in a successful answer, empty for reads, None when the answer is not of its endpoint's form."""
    if endpoint == "withdrawal_status":
        return "" if body.lstrip().startswith(b"[") else None
    value = _object(body)
    if endpoint == "ticket" and isinstance(value.get("ticket"), dict):
        value = value["ticket"]
    if endpoint in ("withdrawal", "ticket"):
        return str(value["id"]) if value.get("id") else None
    if endpoint == "ticket_view":
        return "" if "ticket" in value or "count" in value else None
    return "" if value.get("token") else None
