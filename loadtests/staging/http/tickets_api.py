"""The ticket endpoints, in Zendesk's v2 shape."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loadtests.staging.errors import ApiError
from loadtests.staging.exchange import tickets
from loadtests.staging.http import auth
from loadtests.staging.http.service import service_of
from loadtests.staging.http.web import answer, check_query, parse_object, read_body


def _admit(request: Request) -> None:
    """Return when the request may come in; raise ApiError (401, 403, 429) otherwise."""
    service = service_of(request)
    auth.check_bearer(
        headers=request.headers,
        token=service.secrets.ticket_token,
        other_tokens=(service.secrets.admin_token,),
    )
    wait_s = service.ticket_rate_limit.spend(time.time())
    if wait_s is not None:
        raise ApiError(429, "APIRateLimitExceeded", "rate limit exceeded", retry_after_s=wait_s)


async def create_ticket(request: Request) -> Response:
    """POST /api/v2/tickets: a new ticket, or the first answer to a known idempotency key (201)."""
    service = service_of(request)
    _admit(request)
    body = await read_body(request, service.settings.body_limit_bytes)
    ticket = tickets.parse_new(parse_object(body))
    key = tickets.check_key(request.headers.get("Idempotency-Key"))
    await service.ticket_station.serve()
    now_ms = time.time_ns() // 1_000_000
    record, is_new = await service.writes.run(tickets.create, ticket, key, body, now_ms)
    headers = {"Location": f"/api/v2/tickets/{record['id']}"}
    if key is not None:
        headers["x-idempotency-lookup"] = "miss" if is_new else "hit"
    return answer({"ticket": record}, 201, headers)


async def view_ticket(request: Request) -> Response:
    """GET /api/v2/tickets/{id}."""
    service = service_of(request)
    _admit(request)
    ticket_id = _ticket_id(request)
    await service.read_station.serve()
    return answer({"ticket": await service.reads.run(tickets.view, ticket_id)})


async def update_ticket(request: Request) -> Response:
    """PUT /api/v2/tickets/{id}: status, priority, another comment."""
    service = service_of(request)
    _admit(request)
    ticket_id = _ticket_id(request)
    change = tickets.parse_update(parse_object(await read_body(request, service.settings.body_limit_bytes)))
    await service.ticket_station.serve()
    now_ms = time.time_ns() // 1_000_000
    return answer({"ticket": await service.writes.run(tickets.update, ticket_id, change, now_ms)})


async def count_tickets(request: Request) -> Response:
    """GET /api/v2/tickets/count: all tickets, or those of one ``status``."""
    service = service_of(request)
    _admit(request)
    check_query(request, "status")
    status = request.query_params.get("status")
    if status is not None and status not in tickets.STATUSES:
        raise ApiError(400, "InvalidRequest", f"status must be one of {', '.join(tickets.STATUSES)}")
    await service.read_station.serve()
    value = await service.reads.run(tickets.count, status)
    refreshed_at = datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return answer({"count": {"value": value, "refreshed_at": refreshed_at}})


def _ticket_id(request: Request) -> int:
    text = request.path_params["ticket_id"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ApiError(404, "RecordNotFound", "Not found")
    return int(text)


TICKET_ROUTES = [
    Route("/api/v2/tickets", create_ticket, methods=["POST"]),
    Route("/api/v2/tickets/count", count_tickets, methods=["GET"]),
    Route("/api/v2/tickets/{ticket_id}", view_ticket, methods=["GET"]),
    Route("/api/v2/tickets/{ticket_id}", update_ticket, methods=["PUT"]),
]
