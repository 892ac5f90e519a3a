"""Tickets in Zendesk's shape: a ticket for each POST, an idempotency key honoured, statuses that move forward."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from loadtests.staging.errors import ApiError
from loadtests.staging.storage.database import Connection, Row

STATUSES = ("open", "pending", "solved", "closed")
_PRIORITIES = ("low", "normal", "high", "urgent")
_TYPES = ("problem", "incident", "question", "task")
_CREATE_FIELDS = (
    *("subject", "comment", "description", "external_id", "tags", "requester_id", "requester", "priority", "type"),
)
_UPDATE_FIELDS = ("id", "status", "comment", "priority")
_AUDITS_A_TICKET = 2**20
_KEY_LIFE_MS = 2 * 3_600_000  # Zendesk keeps a key for two hours
_KEY_LENGTH = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class NewTicket:
    """A ticket whose form is right."""

    subject: str
    description: str
    external_id: str | None
    requester_id: int | None
    priority: str | None
    type: str | None
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketUpdate:
    """What a PUT may change; None leaves it."""

    status: str | None
    priority: str | None
    comment: str | None
    public: bool


class Listing(NamedTuple):
    """A page of tickets: how many, in which order, and those after or before which id in that order."""

    limit: int
    newest_first: bool = False
    external_id: str | None = None
    after: int | None = None
    before: int | None = None


def parse_new(body: dict[str, Any]) -> NewTicket:
    """Return the ticket in a POST's body; raise ApiError (400 without one, 422 naming the field)."""
    ticket = _envelope(body, _CREATE_FIELDS)
    description = _comment(ticket) or _text(ticket, "description", 65_535)
    if not description:
        raise _invalid("comment", "comment: body must be sent")
    subject = _text(ticket, "subject", 1000)
    return NewTicket(
        subject=description[:100] if subject is None else subject,
        description=description,
        external_id=_text(ticket, "external_id", 255),
        requester_id=_requester_id(ticket),
        priority=_choice(ticket, "priority", _PRIORITIES),
        type=_choice(ticket, "type", _TYPES),
        tags=_tags(ticket),
    )


def parse_update(body: dict[str, Any], ticket_id: int) -> TicketUpdate:
    """Return the changes in a PUT's body; raise ApiError (400 without any, 422 naming the field)."""
    ticket = _envelope(body, _UPDATE_FIELDS)
    if ticket.get("id", ticket_id) != ticket_id:
        raise _invalid("id", f"id cannot be changed, it is {ticket_id}")
    return TicketUpdate(
        status=_choice(ticket, "status", STATUSES),
        priority=_choice(ticket, "priority", _PRIORITIES),
        comment=_comment(ticket),
        public=ticket["comment"].get("public", True) if ticket.get("comment") else True,
    )


def check_key(key: str | None) -> str | None:
    """Return the idempotency key, None without one; raise ApiError (400) for one that is too long or empty."""
    if key is not None and not 1 <= len(key) <= _KEY_LENGTH:
        raise ApiError(400, "IdempotentRequestError", f"Idempotency-Key must have 1 to {_KEY_LENGTH} characters")
    return key


def create(db: Connection, ticket: NewTicket, key: str | None, body: bytes, now_ms: int) -> tuple[dict[str, Any], bool]:
    """Record a ticket; return it as created with its audit, and whether it is new.

    It is not when the key was known with the same body: then this is what the first request was answered.

    Raises ApiError (400) for a key that was used with another body in the last two hours.
    """
    digest = hashlib.sha256(body).digest()
    if key is not None:
        db.lock(f"ticket key {key}")
        db.execute("DELETE FROM idempotency_keys WHERE key = ? AND created_ms <= ?", (key, now_ms - _KEY_LIFE_MS))
        known = db.execute("SELECT * FROM idempotency_keys WHERE key = ?", (key,)).fetchone()
        if known is not None:
            if known["body_sha256"] != digest:
                raise ApiError(
                    400, "IdempotentRequestError", "the request's body differs from the first one with this key"
                )
            return _created(ticket, _row(db, known["ticket_id"])), False
    row = db.execute(
        "INSERT INTO tickets (subject, description, external_id, requester_id, priority, type, tags, status,"
        " created_ms, updated_ms, n_changes) VALUES (?, ?, ?, ?, ?, ?, ?, 'open', ?, ?, 1) RETURNING *",
        (
            *(ticket.subject, ticket.description, ticket.external_id, ticket.requester_id),
            *(ticket.priority, ticket.type, json.dumps(ticket.tags, ensure_ascii=False), now_ms, now_ms),
        ),
    ).fetchone()
    if key is not None:
        db.execute("INSERT INTO idempotency_keys VALUES (?, ?, ?, ?)", (key, digest, row["id"], now_ms))
    return _created(ticket, row), True


def update(db: Connection, ticket_id: int, change: TicketUpdate, now_ms: int) -> dict[str, Any]:
    """Change a ticket; return it with the audit of the change.

    Raises ApiError: 404 without it, 422 when it is closed or would move back.
    """
    db.lock(f"ticket {ticket_id}")
    row = _row(db, ticket_id)
    if row["status"] == "closed":
        raise _invalid("status", "Status: closed prevents ticket update")
    status = change.status or row["status"]
    if STATUSES.index(status) < STATUSES.index(row["status"]):
        raise _invalid("status", f"status only moves forward, and it is {row['status']}")
    if change.comment is not None:
        db.execute(
            "INSERT INTO comments (ticket_id, body, created_ms) VALUES (?, ?, ?)", (ticket_id, change.comment, now_ms)
        )
    changed = db.execute(
        "UPDATE tickets SET status = ?, priority = ?, updated_ms = ?, n_changes = n_changes + 1 WHERE id = ?"
        " RETURNING *",
        (status, change.priority or row["priority"], now_ms, ticket_id),
    ).fetchone()
    events = [] if change.comment is None else [_commented(change.comment, change.public)]
    events += [
        {"type": "Change", "field_name": name, "previous_value": row[name], "value": changed[name]}
        for name in ("status", "priority")
        if changed[name] != row[name]
    ]
    return {"ticket": record(changed), "audit": _audit(changed, changed["n_changes"], now_ms, events)}


def view(db: Connection, ticket_id: int) -> dict[str, Any]:
    """Return a ticket; raise ApiError (404) without it."""
    return record(_row(db, ticket_id))


def count(db: Connection, status: str | None) -> int:
    """Return how many tickets there are, of one status or of all."""
    if status is None:
        return int(db.execute("SELECT count(*) FROM tickets").fetchone()[0])
    return int(db.execute("SELECT count(*) FROM tickets WHERE status = ?", (status,)).fetchone()[0])


def listed(db: Connection, asked: Listing) -> tuple[list[dict[str, Any]], bool]:
    """Return a page of tickets, and whether there are more in the direction that was asked for."""
    backwards = asked.before is not None
    ascending = asked.newest_first == backwards
    cursor = asked.before if backwards else asked.after
    conditions, values = ["1 = 1"], list[Any]()
    if cursor is not None:
        conditions.append(f"id {'>' if ascending else '<'} ?")
        values.append(cursor)
    if asked.external_id is not None:
        conditions.append("external_id = ?")
        values.append(asked.external_id)
    order = "ASC" if ascending else "DESC"
    query = f"SELECT * FROM tickets WHERE {' AND '.join(conditions)} ORDER BY id {order} LIMIT ?"
    rows = db.execute(query, (*values, asked.limit + 1)).fetchall()
    found = [record(row) for row in rows[: asked.limit]]
    return (found[::-1] if backwards else found), len(rows) > asked.limit


def page(db: Connection, *, prefix: str, after: int, limit: int) -> list[dict[str, Any]]:
    """Return up to ``limit`` tickets with ids above ``after`` whose external id starts with ``prefix``."""
    rows = db.execute(
        "SELECT * FROM tickets WHERE id > ? AND substr(coalesce(external_id, ''), 1, ?) = ? ORDER BY id LIMIT ?",
        (after, len(prefix), prefix, limit),
    )
    return [record(row) for row in rows]


def record(row: Row) -> dict[str, Any]:
    """Return a ticket in Zendesk's shape."""
    return {
        "id": row["id"],
        "subject": row["subject"],
        "description": row["description"],
        "external_id": row["external_id"],
        "requester_id": row["requester_id"],
        "priority": row["priority"],
        "type": row["type"],
        "tags": json.loads(row["tags"]),
        "status": row["status"],
        "created_at": _time_text(row["created_ms"]),
        "updated_at": _time_text(row["updated_ms"]),
    }


def _created(ticket: NewTicket, row: Row) -> dict[str, Any]:
    """Return a ticket as it was created, whatever happened to it since, and the audit of its creation."""
    made_ms = row["created_ms"]
    as_created = {"status": "open", "priority": ticket.priority, "updated_at": _time_text(made_ms)}
    events = [_commented(ticket.description, public=True)]
    events += [
        {"type": "Create", "field_name": name, "value": as_created[name]}
        for name in ("status", "priority")
        if as_created[name] is not None
    ]
    return {"ticket": {**record(row), **as_created}, "audit": _audit(row, 1, made_ms, events)}


def _audit(row: Row, number: int, at_ms: int, events: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the audit of a ticket's change: audits are not kept, their ids follow from the ticket's and the number."""
    return {
        "id": row["id"] * _AUDITS_A_TICKET + number,
        "ticket_id": row["id"],
        "created_at": _time_text(at_ms),
        "events": events,
    }


def _commented(body: str, public: bool) -> dict[str, Any]:
    return {"type": "Comment", "body": body, "public": public}


def _time_text(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _row(db: Connection, ticket_id: int) -> Row:
    row: Row | None = db.execute("SELECT * FROM tickets WHERE id = ?", (ticket_id,)).fetchone()
    if row is None:
        raise ApiError(404, "RecordNotFound", "Not found")
    return row


def _envelope(body: dict[str, Any], known: tuple[str, ...]) -> dict[str, Any]:
    ticket = body.get("ticket")
    if set(body) != {"ticket"} or not isinstance(ticket, dict):
        raise ApiError(400, "InvalidRequest", 'the body must be an object with the one key "ticket"')
    unknown = sorted(set(ticket) - set(known))
    if unknown:
        raise _invalid(unknown[0], f"unknown field {unknown[0]!r}; known are {', '.join(known)}")
    return ticket


def _comment(ticket: dict[str, Any]) -> str | None:
    comment = ticket.get("comment")
    if comment is None:
        return None
    if not isinstance(comment, dict) or not set(comment) <= {"body", "public"}:
        raise _invalid("comment", "comment must be an object with a body")
    if type(comment.get("public", True)) is not bool:
        raise _invalid("comment", "comment: public must be true or false")
    body = _text(comment, "body", 65_535)
    if not body:
        raise _invalid("comment", "comment: body must not be empty")
    return body


def _requester_id(ticket: dict[str, Any]) -> int | None:
    """Return the requester's number, or the one that stands for an e-mail address: users are not kept."""
    number, requester = ticket.get("requester_id"), ticket.get("requester")
    if number is not None and (type(number) is not int or not 0 <= number < 2**63):
        raise _invalid("requester_id", "requester_id must be a whole number")
    if requester is None:
        return number
    if not isinstance(requester, dict) or not set(requester) <= {"name", "email", "locale_id"}:
        raise _invalid("requester", "requester must be an object with a name and an email")
    email = _text(requester, "email", 255)
    if not email or "@" not in email:
        raise _invalid("requester", "requester: email must be an address")
    return int.from_bytes(hashlib.sha256(email.lower().encode()).digest()[:6], "big")


def _tags(ticket: dict[str, Any]) -> tuple[str, ...]:
    tags = ticket.get("tags", [])
    if not isinstance(tags, list) or len(tags) > 100 or any(not isinstance(tag, str) or not tag for tag in tags):
        raise _invalid("tags", "tags must be a list of at most 100 strings")
    return tuple(tags)


def _choice(ticket: dict[str, Any], name: str, choices: tuple[str, ...]) -> str | None:
    value = _text(ticket, name, 50)
    if value is not None and value not in choices:
        raise _invalid(name, f"{name} must be one of {', '.join(choices)}")
    return value


def _text(values: dict[str, Any], name: str, length_limit: int) -> str | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > length_limit:
        raise _invalid(name, f"{name} must be a string of at most {length_limit} characters")
    return value


def _invalid(field: str, message: str) -> ApiError:
    return ApiError(422, "RecordInvalid", message, field=field)
