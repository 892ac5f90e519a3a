"""django-helpdesk's REST API: tickets and views of tickets, and no withdrawals or logins.

POST /api/tickets/, GET /api/tickets/{id}/, GET /api/tickets/?status=1 and its ``count``, PATCH {"status": 4}. It knows
no idempotency key and has no field for one: the run's marker stands at the beginning of the title, ``[ws-...-17]``, and
a submission that is repeated is recorded twice. Views and counts load every ticket that the user may see.

A test system is recognised by the queue that the tickets go to: it accepts public submissions and has the word "test"
or "staging" in its title, which ``/tickets/submit/`` shows to all. ``WITHSTAND_HELPDESK_TOKEN`` is the token of a
member of staff, or the password of ``WITHSTAND_HELPDESK_USER``, which the server hashes anew for every request.
Submitters have addresses under ``.invalid``, which no mail can reach.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
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
from loadtests.dialect.pages import whole
from loadtests.dialect.payload import Samples, json_bytes, json_object, key_of, ticket_text
from loadtests.dialect.signing import basic

SECRETS = ("WITHSTAND_HELPDESK_TOKEN",)
SETTINGS = {"WITHSTAND_HELPDESK_QUEUE": "1", "WITHSTAND_HELPDESK_USER": ""}

PATH = "/api/tickets/"
_PAGE, _PRIORITY = 500, 3
_TITLE_LENGTH = 200
_OPEN, _CLOSED = (1, 2), 4  # open and reopened
_STATUSES = {1: "open", 2: "reopened", 3: "resolved", 4: "closed", 5: "duplicate"}
_COUNT = f"{PATH}?status={','.join(map(str, _OPEN))}&page_size=1"
_MARKER = re.compile(r"\[([A-Za-z0-9._-]+)\]")
_QUEUES = re.compile(r'<select\s[^>]*name="queue"[^>]*>(.*?)</select>', re.DOTALL)
_OPTION = re.compile(r'<option\s+value="(\d+)"[^>]*>(.*?)</option>', re.DOTALL)
_TEST_WORD = re.compile(r"(?<![A-Za-z])(?:tests?|testing|staging)(?![A-Za-z])", re.IGNORECASE)


def create(values: Mapping[str, str]) -> DjangoHelpdesk:
    """Return the dialect with the test system's token and queue."""
    return DjangoHelpdesk(values)


class DjangoHelpdesk(Api):
    """See the module's own text."""

    health_path = "/tickets/submit/"
    endpoints = ("ticket", "ticket_view")
    sees_all = True

    def __init__(self, values: Mapping[str, str]) -> None:
        self.samples: Samples = {}
        user, word = values["WITHSTAND_HELPDESK_USER"], values["WITHSTAND_HELPDESK_TOKEN"]
        self._queue = values["WITHSTAND_HELPDESK_QUEUE"]
        self._headers = {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Authorization": basic(user, word) if user else f"Token {word}",
        }

    def is_test_system(self, answer: Answer) -> bool:
        """Return whether the page offers our queue, under a title with the word test or staging."""
        listed = _QUEUES.search(answer.body.decode("utf-8", "replace")) if answer.status == 200 else None
        offered = _OPTION.findall(listed[1]) if listed else []
        titles = [html.unescape(title) for number, title in offered if number == self._queue]
        return any(_TEST_WORD.search(title) for title in titles)

    def request(self, arrival: Arrival, known: Known) -> Request:
        """Return the request of an arrival. Raises ValueError for an endpoint that the API does not have."""
        if arrival.endpoint == "ticket":
            return self._create(arrival, known.prefix)
        if arrival.endpoint == "ticket_view":
            ids = known.ticket_ids
            asked = ids[arrival.payload_seed % len(ids)] if ids else ""
            return Request("GET", f"{PATH}{asked}/" if asked else _COUNT, self._headers, key=asked)
        raise ValueError(f"{arrival.endpoint} is not an endpoint of this API")

    def outcome(self, arrival: Arrival, answer: Answer) -> Outcome:
        """Return how a request ended; a 5xx leaves it open: the steps of a creation share no transaction."""
        decided = answers.by_status(answer)
        value = json_object(answer.body)
        if decided is not None:
            bare = decided.reason == str(answer.status)
            return decided._replace(reason=f"{answer.status} {_told(value)}".strip()) if bare else decided
        if arrival.endpoint == "ticket":
            return answers.acknowledged(answer, value.get("id"))
        return answers.read(answer, isinstance(value.get("id", value.get("count")), int))

    def ticket(self, arrival: Arrival, prefix: str) -> Ticket:
        """Return what the ticket of an arrival asks for; the title carries the marker and is cut to its length."""
        key = key_of(arrival, prefix)
        subject, text = ticket_text(arrival, self.samples, prefix)
        about = {"subject": f"[{key}] {subject}"[:_TITLE_LENGTH].rstrip(), "text": text, "priority": str(_PRIORITY)}
        requester = f"customer-{arrival.customer}@withstand.invalid"
        return Ticket(key, "", fields={**about, "queue": self._queue, "requester": requester})

    def shows(self, arrival: Arrival, request: Request, answer: Answer) -> Shown | None:
        """Return the ticket that a view shows; None for the count."""
        value = json_object(answer.body)
        return Shown(_ticket_of(value)) if "id" in value else None

    def holdings(self, send: Send, prefix: str) -> Holdings | None:
        """Return the tickets whose title begins with ``prefix`` as a marker, and the open count.

        Raises ReadError when they cannot be read.
        """
        tickets = whole(lambda: map(_ticket_of, self._all(send)), lambda one: (one.key, one.server_id))
        counted = answers.fetch(send, Request("GET", _COUNT, self._headers), dict).get("count")
        return Holdings(
            withdrawals=[],
            tickets=[one for one in tickets if one.key.startswith(prefix)],
            balances=None,
            open_tickets=counted if isinstance(counted, int) else None,
            open_of_others=sum(one.is_open and not one.key.startswith(prefix) for one in tickets),
        )

    def close(self, send: Send, ticket: Ticket) -> str:
        """Close a ticket; return nothing when it was done, else the reason."""
        request = Request("PATCH", f"{PATH}{ticket.server_id}/", self._headers, json_bytes({"status": _CLOSED}))
        decided = answers.by_status(send(request))
        return decided.reason if decided is not None else ""

    def _create(self, arrival: Arrival, prefix: str) -> Request:
        asked = self.ticket(arrival, prefix)
        ticket = {
            "queue": int(self._queue) if self._queue.isdigit() else self._queue,
            "title": asked.fields["subject"],
            "description": asked.fields["text"],
            "priority": _PRIORITY,
            "submitter_email": asked.fields["requester"],
        }
        return Request("POST", PATH, self._headers, json_bytes(ticket), asked.key)

    def _all(self, send: Send) -> Iterator[Mapping[str, Any]]:
        """Yield every ticket, oldest first: there is no search, and the list has one order."""
        number: int | None = 1
        while number is not None:
            page = answers.fetch(send, Request("GET", f"{PATH}?page={number}&page_size={_PAGE}", self._headers), dict)
            rows = page.get("results")
            if not isinstance(rows, list):
                raise ReadError(f"{PATH} answered with something that cannot be read")
            yield from rows
            number = number + 1 if page.get("next") else None


def _ticket_of(row: Mapping[str, Any]) -> Ticket:
    marked, status = _MARKER.match(str(row.get("title"))), row.get("status")
    told = {"subject": row.get("title"), "text": row.get("description"), "priority": row.get("priority")}
    told |= {"queue": row.get("queue"), "requester": row.get("submitter_email")}
    return Ticket(
        key=marked[1] if marked else "",
        server_id=str(row.get("id")),
        status=_STATUSES.get(status, str(status)) if isinstance(status, int) else str(status),
        is_open=status in _OPEN,
        closed=status == _CLOSED,
        fields={name: str(value) for name, value in told.items() if value is not None},
    )


def _told(value: Mapping[str, Any]) -> str:
    """Return what an error says: its detail, or the names of the fields that it refuses."""
    detail = value.get("detail")
    return answers.brief(detail if isinstance(detail, str) else ", ".join(sorted(value)))
