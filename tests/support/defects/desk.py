"""Defects in what the reference server keeps of tickets."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loadtests.staging.exchange import tickets
from loadtests.staging.http import admin_api
from tests.support.defects.planting import EVERY, change, forget, meets

SOON_MS = 2_000
"""How long after the first ticket one is opened that the reader beside the load certainly sees twice."""


def dropped() -> None:
    """Plant: a ticket is acknowledged and then not kept."""
    forget(tickets, lambda ticket, *_: ticket.external_id)


def _as_if(**changes: Any) -> None:
    """Plant: what is recorded is another ticket than the one that was sent."""

    def other(create: Any, db: Any, ticket: Any, *arguments: Any) -> Any:
        values = {name: change_of(ticket) for name, change_of in changes.items()} if meets(ticket.external_id) else {}
        return create(db, replace(ticket, **values), *arguments)

    change(tickets, "create", other)


def other_customer() -> None:
    """Plant: a ticket is recorded for another customer."""
    _as_if(requester_id=lambda ticket: ticket.requester_id + 1)


def other_text() -> None:
    """Plant: a ticket is recorded with the text of another."""
    _as_if(description=lambda ticket: "Hello, my card does not arrive.")


def lower_priority() -> None:
    """Plant: a ticket is recorded with a lower priority than it was sent with."""
    _as_if(priority=lambda ticket: "low")


def twice() -> None:
    """Plant: a ticket is recorded twice."""

    def again(create: Any, db: Any, ticket: Any, key: Any, body: bytes, now_ms: int) -> Any:
        found = create(db, ticket, key, body, now_ms)
        if meets(ticket.external_id):
            create(db, ticket, None, body, now_ms)
        return found

    change(tickets, "create", again)


def reopened() -> None:
    """Plant: a ticket that is read as closed at first is open from the next read on."""
    seen: set[int] = set()
    first_ms: list[int] = []

    def start(create: Any, db: Any, ticket: Any, key: Any, body: bytes, now_ms: int) -> Any:
        first_ms.append(now_ms)
        return create(db, ticket, key, body, now_ms)

    def flip(one_page: Any, db: Any, page: Any, *where: Any) -> Any:
        rows = one_page(db, page, *where)
        for row in rows if page is tickets.page else ():
            made_ms = db.execute("SELECT created_ms FROM tickets WHERE id = ?", (row["id"],)).fetchone()[0]
            soon = bool(first_ms) and made_ms < first_ms[0] + SOON_MS
            if soon and row["id"] % EVERY == 0 and row["id"] not in seen:
                seen.add(row["id"])
                row["status"] = "closed"
        return rows

    change(tickets, "create", start)
    change(admin_api, "_one_page", flip)
