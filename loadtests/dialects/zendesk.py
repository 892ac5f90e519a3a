"""Zendesk's ticketing API: tickets created, viewed, read back and solved. It has no withdrawals or logins.

Documented at developer.zendesk.com, "Tickets": POST /api/v2/tickets with an Idempotency-Key, GET /api/v2/tickets/{id},
GET /api/v2/tickets/count, GET /api/v2/tickets by cursor, PUT /api/v2/tickets/{id}; a token as Basic authentication.
Each ticket carries the run's marker as its external id, as a tag and in its text. Its requester is the token's owner,
or ``WITHSTAND_ZENDESK_REQUESTER``, the e-mail address of a test customer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

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
    Shown,
    Ticket,
)
from loadtests.dialect.payload import PRIORITY, Samples, json_bytes, json_object, key_of, ticket_text
from loadtests.dialect.signing import basic, form, now_ms

SECRETS = ("WITHSTAND_ZENDESK_EMAIL", "WITHSTAND_ZENDESK_TOKEN")
SETTINGS = {"WITHSTAND_ZENDESK_REQUESTER": ""}

PATH = "/api/v2/tickets"
_PAGE = 100
_BACK_MS = 3_600_000


def create(values: Mapping[str, str]) -> Zendesk:
    """Return the dialect with the test agent's token."""
    return Zendesk(values)


class Zendesk(Api):
    """See the module's own text."""

    endpoints = ("ticket", "ticket_view")
    sees_all = True

    def __init__(self, values: Mapping[str, str]) -> None:
        user, token = f"{values['WITHSTAND_ZENDESK_EMAIL']}/token", values["WITHSTAND_ZENDESK_TOKEN"]
        self.samples: Samples = {}
        self._requester = values["WITHSTAND_ZENDESK_REQUESTER"]
        self.since_ms = now_ms() - _BACK_MS
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Authorization": basic(user, token),
        }

    def request(self, arrival: Arrival, known: Known) -> Request:
        """Return the request of an arrival. Raises ValueError for an endpoint that the API does not have."""
        if arrival.endpoint == "ticket":
            return self._create(arrival, known.prefix)
        if arrival.endpoint == "ticket_view":
            ids = known.ticket_ids
            asked = ids[arrival.payload_seed % len(ids)] if ids else ""
            return Request("GET", f"{PATH}/{asked or 'count'}", self._headers, key=asked)
        raise ValueError(f"{arrival.endpoint} is not an endpoint of this API")

    def outcome(self, arrival: Arrival, answer: Answer) -> Outcome:
        """Return how a request ended; a 5xx, 503 included, leaves open whether the ticket was made."""
        decided = answers.by_status(answer)
        if decided is not None:
            return decided
        value = json_object(answer.body)
        ticket = value.get("ticket")
        if arrival.endpoint == "ticket":
            return answers.acknowledged(answer, ticket.get("id") if isinstance(ticket, dict) else None)
        return answers.read(answer, isinstance(ticket, dict) or isinstance(value.get("count"), dict))

    def ticket(self, arrival: Arrival, prefix: str) -> Ticket:
        """Return what the ticket of an arrival asks for."""
        subject, text = ticket_text(arrival, self.samples, prefix)
        about = {"subject": subject, "text": text, "priority": PRIORITY, "tags": f"{arrival.kind} {prefix}run"}
        requester = {"requester": self._requester} if self._requester else {}
        return Ticket(key_of(arrival, prefix), "", fields={**about, **requester})

    def shows(self, arrival: Arrival, request: Request, answer: Answer) -> Shown | None:
        """Return the ticket that a view shows; None for the count, and for what cannot be read."""
        ticket = json_object(answer.body).get("ticket")
        return Shown(_ticket_of(ticket)) if isinstance(ticket, dict) else None

    def holdings(self, send: Send, prefix: str) -> Holdings | None:
        """Return the tickets whose external id begins with ``prefix``. Raises ReadError when they cannot be read."""
        rows = [row for row in self._newest_first(send) if str(row.get("external_id") or "").startswith(prefix)]
        return Holdings([], [_ticket_of(row) for row in rows], None)

    def close(self, send: Send, ticket: Ticket) -> str:
        """Solve a ticket (Zendesk closes it later by itself); return nothing when it was done, else the reason."""
        body = json_bytes({"ticket": {"status": "solved"}})
        decided = answers.by_status(send(Request("PUT", f"{PATH}/{ticket.server_id}", self._headers, body)))
        return decided.reason if decided is not None else ""

    def _create(self, arrival: Arrival, prefix: str) -> Request:
        asked = self.ticket(arrival, prefix)
        ticket: dict[str, Any] = {
            "subject": asked.fields["subject"],
            "comment": {"body": asked.fields["text"]},
            "external_id": asked.key,
            "priority": asked.fields["priority"],
            "tags": [arrival.kind, f"{prefix}run"],
        }
        if self._requester:
            ticket["requester"] = {"name": "withstand test customer", "email": self._requester}
        body = json_bytes({"ticket": ticket})
        return Request("POST", PATH, {**self._headers, "Idempotency-Key": asked.key}, body, asked.key)

    def _newest_first(self, send: Send) -> Iterator[Mapping[str, Any]]:
        """Yield the tickets made since the start, from the table itself: the search lags behind by minutes."""
        params: dict[str, str | int] = {"sort": "-id", "page[size]": _PAGE}
        while True:
            page = answers.fetch(send, Request("GET", f"{PATH}?{form(params)}", self._headers), dict)
            meta, rows = page.get("meta"), page.get("tickets")
            if not isinstance(rows, list) or not isinstance(meta, dict):
                raise ReadError(f"{PATH} answered with something that cannot be read")
            yield from rows
            if not rows or not meta.get("has_more") or _created_ms(rows[-1]) < self.since_ms:
                return
            params["page[after]"] = str(meta.get("after_cursor"))


def _ticket_of(row: Mapping[str, Any]) -> Ticket:
    """Return a ticket as its row tells it; the requester's address is not in it, so it is not compared."""
    status, tags = str(row.get("status", "")), row.get("tags")
    told = {"subject": row.get("subject"), "text": row.get("description"), "priority": row.get("priority")}
    told |= {"tags": " ".join(map(str, tags)) if isinstance(tags, list) else None}
    return Ticket(
        key=str(row.get("external_id") or ""),
        server_id=str(row.get("id")),
        status=status,
        is_open=status not in ("solved", "closed"),
        closed=status == "closed",
        fields={name: str(value) for name, value in told.items() if value is not None},
    )


def _created_ms(row: Mapping[str, Any]) -> float:
    try:
        return datetime.fromisoformat(str(row["created_at"])).astimezone(UTC).timestamp() * 1000
    except (KeyError, ValueError):
        raise ReadError("a ticket holds no time of creation that can be read") from None
