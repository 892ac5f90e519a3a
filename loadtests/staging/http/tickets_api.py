"""The ticket endpoints, in the shape of Zendesk's API v2.

The routes are those documented at developer.zendesk.com, "Tickets", each with and without ``.json`` at its end; lists
are paged by cursor. ``count`` takes a ``status`` besides.
"""

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
from loadtests.staging.http.web import answer, check_query, parse_object, read_body, whole_number

_PATH = "/api/v2/tickets"
_PAGE_LIMIT = 100
_SIDES = ("after", "before")


def _admit(request: Request) -> None:
    """Return when the request may come in; raise ApiError (401, 403, 429) otherwise."""
    service = service_of(request)
    auth.check_ticket_token(
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
    made, is_new = await service.writes.run(tickets.create, ticket, key, body, now_ms)
    headers = {"Location": f"{_PATH}/{made['ticket']['id']}"}
    if key is not None:
        headers["x-idempotency-lookup"] = "miss" if is_new else "hit"
    return answer(made, 201, headers)


async def list_tickets(request: Request) -> Response:
    """GET /api/v2/tickets: a page of all tickets, or of those with an ``external_id``."""
    service = service_of(request)
    _admit(request)
    asked = _listing(request)
    await service.read_station.serve()
    rows, more = await service.reads.run(tickets.listed, asked)
    first, last = (str(rows[i]["id"]) if rows else None for i in (0, -1))
    url = request.url.remove_query_params(["page[after]", "page[before]"])
    paged = asked.after is not None or asked.before is not None
    further = more or asked.before is not None
    links = {
        "next": str(url.include_query_params(**{"page[after]": last})) if last and further else None,
        "prev": str(url.include_query_params(**{"page[before]": first})) if first and paged else None,
    }
    meta = {"has_more": more, "after_cursor": last, "before_cursor": first}
    return answer({"tickets": rows, "meta": meta, "links": links})


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
    body = parse_object(await read_body(request, service.settings.body_limit_bytes))
    change = tickets.parse_update(body, ticket_id)
    await service.ticket_station.serve()
    now_ms = time.time_ns() // 1_000_000
    return answer(await service.writes.run(tickets.update, ticket_id, change, now_ms))


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


def _listing(request: Request) -> tickets.Listing:
    """Return which page is asked for; raise ApiError (400) when that cannot be told."""
    check_query(request, "page[size]", "page[after]", "page[before]", "sort", "external_id")
    query = request.query_params
    after, before = (whole_number(request, f"page[{name}]", default=-1, largest=2**63 - 1) for name in _SIDES)
    limit = whole_number(request, "page[size]", default=_PAGE_LIMIT, largest=_PAGE_LIMIT)
    sort = query.get("sort", "id")
    if limit == 0 or sort not in ("id", "-id") or (after >= 0 and before >= 0):
        rule = f"page[size] from 1 to {_PAGE_LIMIT}, page[after] or page[before], and sort by id or -id"
        raise ApiError(400, "InvalidPaginationParameter", f"a list takes {rule}")
    return tickets.Listing(
        limit=limit,
        newest_first=sort == "-id",
        external_id=query.get("external_id"),
        after=None if after < 0 else after,
        before=None if before < 0 else before,
    )


def _ticket_id(request: Request) -> int:
    text = request.path_params["ticket_id"]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ApiError(404, "RecordNotFound", "Not found")
    return int(text)


TICKET_ROUTES = [
    Route(_PATH + path + end, endpoint, methods=[method])
    for method, path, endpoint in (
        ("POST", "", create_ticket),
        ("GET", "", list_tickets),
        ("GET", "/count", count_tickets),
        ("GET", "/{ticket_id}", view_ticket),
        ("PUT", "/{ticket_id}", update_ticket),
    )
    for end in (".json", "")
]
