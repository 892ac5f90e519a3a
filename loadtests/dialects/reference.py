"""The reference exchange: withdrawals in Gate v4's shape, tickets in Zendesk's, and a plain login.

Bodies are a pure function of the arrival and the run's prefix. Reads ask for what this run has had acknowledged: a
status query for one of its withdrawals, chosen by the payload seed, and before there is one for the newest key sent
(an empty list is then the right answer); a ticket view for one of its tickets, and before there is one for the count.
A login's token names its account. ``WITHSTAND_FEES`` are the promised fees.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from loadtests.core.faults import InputError
from loadtests.dialect import answers
from loadtests.dialect.api import Api
from loadtests.dialect.contract import (
    Answer,
    Arrival,
    Glance,
    Holdings,
    Known,
    Outcome,
    ReadError,
    Request,
    Send,
    Shown,
    Ticket,
    Withdrawal,
    spent,
)
from loadtests.dialect.exchange import fees_of
from loadtests.dialect.payload import (
    ASSETS,
    PRIORITY,
    Samples,
    json_bytes,
    json_object,
    json_value,
    key_of,
    known_key,
    plain,
    ticket_text,
)
from loadtests.dialect.signing import gate_headers, hex_hmac
from loadtests.dialects._reference_rows import is_ours, spendable, ticket_of, withdrawal_of

SECRETS = ("WITHSTAND_API_KEY", "WITHSTAND_API_SECRET", "WITHSTAND_TICKET_TOKEN", "WITHSTAND_ADMIN_TOKEN")
SETTINGS = {"WITHSTAND_ACCOUNT": "", "WITHSTAND_FEES": "USDT=1 USDC=2.5 BTC=0.00005 ETH=0.001"}

WITHDRAWALS, STATUS, TICKETS, LOGIN, ACCOUNT = (
    "/api/v4/withdrawals",
    "/api/v4/wallet/withdrawals",
    "/api/v2/tickets",
    "/api/v1/login",
    "/api/v1/account",
)
_PAGE, _GLANCE = 1000, 100
_MOST_PAGES = 500
"""The most pages of all records that are read to count others'; on a server with more, others' are not counted."""


def create(values: Mapping[str, str]) -> Reference:
    """Return the dialect with the test system's keys. Raises InputError when WITHSTAND_ACCOUNT is no account number."""
    account = values.get("WITHSTAND_ACCOUNT", "")
    if account and not account.isdecimal():
        raise InputError([f"environment: WITHSTAND_ACCOUNT: got {account}; must be the number of an account"])
    return Reference(values)


class Reference(Api):
    """See the module's own text."""

    sees_all = True
    endpoints = ("withdrawal", "withdrawal_status", "ticket", "ticket_view", "login")

    def __init__(self, values: Mapping[str, str]) -> None:
        self._key, self._secret, ticket_token, admin_token = (values[name] for name in SECRETS)
        self._account = int(values.get("WITHSTAND_ACCOUNT") or 0)
        self._fees = fees_of(values.get("WITHSTAND_FEES", SETTINGS["WITHSTAND_FEES"]), "WITHSTAND_FEES")
        self.single_account = self._account > 0
        self.samples: Samples = {}
        self._json = {"Content-Type": "application/json", "Accept": "application/json"}
        self._desk = {**self._json, "Authorization": f"Bearer {ticket_token}"}
        self._admin = {"Accept": "application/json", "Authorization": f"Bearer {admin_token}"}

    def request(self, arrival: Arrival, known: Known) -> Request:
        """Return the request of an arrival. Raises ValueError for an endpoint that the API does not have."""
        endpoint = arrival.endpoint
        if endpoint == "withdrawal":
            return self._withdraw(arrival, known.prefix)
        if endpoint == "ticket":
            return self._open_ticket(arrival, known.prefix)
        if endpoint == "withdrawal_status":
            key = known_key(arrival, known)
            return self._signed("GET", STATUS, f"withdraw_order_id={key}", b"", key)
        if endpoint == "ticket_view":
            ids = known.ticket_ids
            asked = ids[arrival.payload_seed % len(ids)] if ids else ""
            return Request("GET", f"{TICKETS}/{asked or 'count'}", self._desk, key=asked)
        if endpoint == "login":
            return self._login(self._account_of(arrival))
        raise ValueError(f"{endpoint} is not an endpoint of this API")

    def outcome(self, arrival: Arrival, answer: Answer) -> Outcome:
        """Return how a request ended.

        2xx with the id that was asked for is acknowledged, 429 rate limited, 503 and 4xx rejected, a redirect
        rejected. Any other 5xx, or a 2xx that cannot be read, leaves open whether it was recorded: unknown.
        """
        decided = answers.by_status(answer, refused=(503,))
        if decided is not None:
            return decided
        if arrival.endpoint == "withdrawal_status":
            return answers.read(answer, isinstance(json_value(answer.body), list))
        value = json_object(answer.body)
        if arrival.endpoint == "ticket_view":
            return answers.read(answer, "ticket" in value or "count" in value)
        if arrival.endpoint == "login":
            return answers.read(answer, bool(value.get("token")))
        if arrival.endpoint == "ticket":
            value = value["ticket"] if isinstance(value.get("ticket"), dict) else {}
        return answers.acknowledged(answer, value.get("id"))

    def withdrawal(self, arrival: Arrival, prefix: str) -> Withdrawal:
        """Return what the withdrawal of an arrival asks for, with account, chain, no memo, and the promised fee."""
        asked = super().withdrawal(arrival, prefix)
        fee = {"fee": self._fees[asked.currency]} if asked.currency in self._fees else {}
        chain = ASSETS[asked.currency].chain
        return asked._replace(fields={"account": str(self._account_of(arrival)), "chain": chain, "memo": "", **fee})

    def ticket(self, arrival: Arrival, prefix: str) -> Ticket:
        """Return what the ticket of an arrival asks for."""
        key = key_of(arrival, prefix)
        subject, text = ticket_text(arrival, self.samples, prefix)
        tags = f"{arrival.kind} {prefix}run"
        about = {"subject": subject, "text": text, "priority": PRIORITY, "tags": tags}
        return Ticket(key, "", fields={"requester": str(self._account_of(arrival)), **about})

    def shows(self, arrival: Arrival, request: Request, answer: Answer) -> Shown | None:
        """Return the withdrawal or the ticket that an answer shows, or the account that a login's token names."""
        value = json_value(answer.body)
        try:
            if arrival.endpoint == "login":
                return Shown(account=value["token"].partition(".")[0])
            if arrival.endpoint == "ticket_view":
                return Shown(ticket_of(value["ticket"])) if "ticket" in value else None
            return Shown(withdrawal_of(value[0]) if value else None)
        except (KeyError, TypeError, AttributeError, ValueError, ArithmeticError):
            return None

    def balances(self, send: Send) -> dict[str, Decimal] | None:
        """Return the customers' balances in total by currency, less what was paid in.

        Accounts are opened, and paid in, on first use; without that share only withdrawals move the sum.
        """
        return spendable(self._read(send, "/admin/ledger")["currencies"])

    def holdings(self, send: Send, prefix: str) -> Holdings | None:
        """Return every withdrawal and ticket whose key begins with ``prefix``, and what the rest of the books says."""
        open_before = self._open_tickets(send)
        everybody, desk = self._pages(send, "withdrawals"), self._pages(send, "tickets")
        mine = everybody if everybody is not None else self._pages(send, "withdrawals", prefix)
        my_tickets = desk if desk is not None else self._pages(send, "tickets", prefix)
        open_tickets, quiet = self._open_tickets(send), desk is not None
        quiet = quiet and open_tickets == open_before
        books = self._read(send, "/admin/ledger")["currencies"]
        return Holdings(
            withdrawals=[withdrawal_of(row) for row in mine or () if is_ours(row, prefix)],
            tickets=[ticket_of(row) for row in my_tickets or () if is_ours(row, prefix)],
            balances=spendable(books),
            spent_by_others=None
            if everybody is None
            else spent(withdrawal_of(row) for row in everybody if not is_ours(row, prefix)),
            open_tickets=open_tickets,
            open_of_others=sum(ticket_of(row).is_open and not is_ours(row, prefix) for row in desk or ())
            if quiet
            else None,
            overdrawn=[
                f"{r['negative_balances']} accounts in {r['currency']}" for r in books if r["negative_balances"]
            ],
        )

    def glance(self, send: Send, prefix: str, more: Mapping[str, str]) -> Glance:
        """Return a hundred of the run's withdrawals, of its tickets and of all balances, from where ``more`` stands."""
        pages, then = {}, {}
        for what, query in (("withdrawals", f"prefix={prefix}&"), ("tickets", f"prefix={prefix}&"), ("balances", "")):
            after = f"&after={more[what]}" if more.get(what) else ""
            page = self._read(send, f"/admin/{what}?{query}limit={_GLANCE}{after}")
            pages[what] = page[what]
            then[what] = "" if page["next_after"] is None else str(page["next_after"])
        return Glance(
            withdrawals=[withdrawal_of(row) for row in pages["withdrawals"]],
            tickets=[ticket_of(row) for row in pages["tickets"]],
            n_balances=len(pages["balances"]),
            overdrawn=[
                f"account {row['account']}: {row['available']} {row['currency']}"
                for row in pages["balances"]
                if row["available"].startswith("-")
            ],
            more=then,
        )

    def available(self, send: Send, arrival: Arrival) -> Decimal | None:
        """Return what the account of a withdrawal's arrival holds in its currency; None before it is opened."""
        token = json_object(send(self._login(self._account_of(arrival))).body).get("token")
        answer = send(Request("GET", ACCOUNT, {**self._json, "Authorization": f"Bearer {token}"}))
        if answer.status != 200:
            raise ReadError(f"{ACCOUNT} answered {answer.status} {answers.label(answer.body)}".strip())
        held = json_object(answer.body)["balances"].get(self.withdrawal(arrival, "").currency)
        return None if held is None else Decimal(held)

    def close(self, send: Send, ticket: Ticket) -> str:
        """Close a ticket; return nothing when it was done, else the reason."""
        body = json_bytes({"ticket": {"status": "closed"}})
        decided = answers.by_status(send(Request("PUT", f"{TICKETS}/{ticket.server_id}", self._desk, body)))
        return decided.reason if decided is not None else ""

    def _account_of(self, arrival: Arrival) -> int:
        """Return the account of an arrival: its customer's own, or the one that all customers share."""
        return self._account or arrival.customer

    def _login(self, account: int) -> Request:
        password = account_password(account, self._secret)
        body = json_bytes({"account": account, "password": password})
        return Request("POST", LOGIN, self._json, body, str(account))

    def _open_tickets(self, send: Send) -> int:
        answer = send(Request("GET", f"{TICKETS}/count?status=open", self._desk))
        if answer.status != 200:
            raise ReadError(f"{TICKETS}/count answered {answer.status} {answers.label(answer.body)}".strip())
        return int(json_object(answer.body)["count"]["value"])

    def _pages(self, send: Send, what: str, prefix: str = "") -> list[dict[str, Any]] | None:
        """Return all records of a kind whose key begins with ``prefix``; without one, None when they are too many.

        Raises ReadError when the pages lead nowhere.
        """
        rows: list[dict[str, Any]] = []
        after: int | None = 0
        while after is not None:
            page = self._read(send, f"/admin/{what}?prefix={prefix}&after={after}&limit={_PAGE}")
            rows += page[what]
            if page["next_after"] is not None and page["next_after"] <= after:
                raise ReadError(f"/admin/{what} leads from the page after {after} to {page['next_after']}")
            after = page["next_after"]
            if not prefix and after is not None and len(rows) >= _PAGE * _MOST_PAGES:
                return None
        return rows

    def _read(self, send: Send, path: str) -> dict[str, Any]:
        """Return the JSON object at an administrative path. Raises ReadError when it cannot be read."""
        answer = send(Request("GET", path, self._admin))
        if answer.status != 200:
            raise ReadError(f"{path.partition('?')[0]} answered {answer.status} {answers.label(answer.body)}".strip())
        return json_object(answer.body)

    def _withdraw(self, arrival: Arrival, prefix: str) -> Request:
        asked = self.withdrawal(arrival, prefix)
        body = {
            "currency": asked.currency,
            "amount": plain(asked.amount),
            "address": asked.address,
            "chain": asked.fields["chain"],
            "withdraw_order_id": asked.key,
            "account": self._account_of(arrival),
        }
        return self._signed("POST", WITHDRAWALS, "", json_bytes(body), asked.key)

    def _open_ticket(self, arrival: Arrival, prefix: str) -> Request:
        asked = self.ticket(arrival, prefix)
        ticket = {
            "subject": asked.fields["subject"],
            "comment": {"body": asked.fields["text"]},
            "external_id": asked.key,
            "tags": [arrival.kind, f"{prefix}run"],
            "requester_id": self._account_of(arrival),
            "priority": asked.fields["priority"],
        }
        headers = {**self._desk, "Idempotency-Key": asked.key}
        return Request("POST", TICKETS, headers, json_bytes({"ticket": ticket}), asked.key)

    def _signed(self, method: str, path: str, query: str, body: bytes, key: str) -> Request:
        """Return a request signed in Gate v4's way; the query is plain text that needs no encoding."""
        signature = gate_headers(self._key, self._secret, method=method, path=path, query=query, body=body)
        return Request(method, f"{path}?{query}" if query else path, {**self._json, **signature}, body, key)


def account_password(account: int, secret: str) -> str:
    """Return the password of a test account, as the staging server derives it from its number and the API secret."""
    return hex_hmac(secret, f"password of account {account}", "sha256")[:32]
