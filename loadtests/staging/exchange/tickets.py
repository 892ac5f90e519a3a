"""Tickets in Zendesk's shape: a ticket for each POST, an idempotency key honoured, statuses that move forward."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from loadtests.staging.errors import ApiError
from loadtests.staging.storage.database import Connection, Row

STATUSES = ("open", "pending", "solved", "closed")
_PRIORITIES = ("low", "normal", "high", "urgent")
_CREATE_FIELDS = ("subject", "comment", "external_id", "tags", "requester_id", "priority")
_UPDATE_FIELDS = ("status", "comment", "priority")
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
    tags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TicketUpdate:
    """What a PUT may change; None leaves it."""

    status: str | None
    priority: str | None
    comment: str | None


def parse_new(body: dict[str, Any]) -> NewTicket:
    """Return the ticket in a POST's body; raise ApiError (400 without one, 422 naming the field)."""
    ticket = _envelope(body, _CREATE_FIELDS)
    description = _comment(ticket)
    if description is None:
        raise _invalid("comment", "comment: body must be sent")
    subject = _text(ticket, "subject", 1000)
    requester_id = ticket.get("requester_id")
    if requester_id is not None and (type(requester_id) is not int or not 0 <= requester_id < 2**63):
        raise _invalid("requester_id", "requester_id must be a whole number")
    return NewTicket(
        subject=description[:100] if subject is None else subject,
        description=description,
        external_id=_text(ticket, "external_id", 255),
        requester_id=requester_id,
        priority=_choice(ticket, "priority", _PRIORITIES),
        tags=_tags(ticket),
    )


def parse_update(body: dict[str, Any]) -> TicketUpdate:
    """Return the changes in a PUT's body; raise ApiError (400 without any, 422 naming the field)."""
    ticket = _envelope(body, _UPDATE_FIELDS)
    return TicketUpdate(
        status=_choice(ticket, "status", STATUSES),
        priority=_choice(ticket, "priority", _PRIORITIES),
        comment=_comment(ticket),
    )


def check_key(key: str | None) -> str | None:
    """Return the idempotency key, None without one; raise ApiError (400) for one that is too long or empty."""
    if key is not None and not 1 <= len(key) <= _KEY_LENGTH:
        raise ApiError(400, "IdempotentRequestError", f"Idempotency-Key must have 1 to {_KEY_LENGTH} characters")
    return key


def create(db: Connection, ticket: NewTicket, key: str | None, body: bytes, now_ms: int) -> tuple[dict[str, Any], bool]:
    """Record a ticket; return it as created and whether it is new (False: the key was known with the same body).

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
            return _as_created(_row(db, known["ticket_id"])), False
    row = db.execute(
        "INSERT INTO tickets (subject, description, external_id, requester_id, priority, tags, status, created_ms,"
        " updated_ms) VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?) RETURNING *",
        (
            *(ticket.subject, ticket.description, ticket.external_id, ticket.requester_id, ticket.priority),
            *(json.dumps(ticket.tags, ensure_ascii=False), now_ms, now_ms),
        ),
    ).fetchone()
    if key is not None:
        db.execute("INSERT INTO idempotency_keys VALUES (?, ?, ?, ?)", (key, digest, row["id"], now_ms))
    return record(row), True


def update(db: Connection, ticket_id: int, change: TicketUpdate, now_ms: int) -> dict[str, Any]:
    """Change a ticket and return it; raise ApiError: 404 without it, 422 when it is closed or would move back."""
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
        "UPDATE tickets SET status = ?, priority = ?, updated_ms = ? WHERE id = ? RETURNING *",
        (status, change.priority or row["priority"], now_ms, ticket_id),
    ).fetchone()
    return record(changed)


def view(db: Connection, ticket_id: int) -> dict[str, Any]:
    """Return a ticket; raise ApiError (404) without it."""
    return record(_row(db, ticket_id))


def count(db: Connection, status: str | None) -> int:
    """Return how many tickets there are, of one status or of all."""
    if status is None:
        return int(db.execute("SELECT count(*) FROM tickets").fetchone()[0])
    return int(db.execute("SELECT count(*) FROM tickets WHERE status = ?", (status,)).fetchone()[0])


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
        "tags": json.loads(row["tags"]),
        "status": row["status"],
        "created_at": _time_text(row["created_ms"]),
        "updated_at": _time_text(row["updated_ms"]),
    }


def _as_created(row: Row) -> dict[str, Any]:
    """Return the answer that the first request with this key got, whatever happened to the ticket since."""
    return {**record(row), "status": "open", "updated_at": _time_text(row["created_ms"])}


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
