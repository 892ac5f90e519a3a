"""The administrator's endpoints: health, paged reads for reconciliation, and a stall on demand.

``GET /admin/withdrawals`` and ``/admin/tickets`` take ``prefix`` (of the client id or the external id), ``after`` (the
``next_after`` of the page before) and ``limit``; ``next_after`` is null on the last page. ``GET /admin/balances`` pages
over customers' balances; ``GET /admin/ledger`` sums the books in one consistent read.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loadtests.staging.errors import ApiError
from loadtests.staging.exchange import ledger, tickets, withdrawals
from loadtests.staging.exchange.assets import ASSETS, format_units
from loadtests.staging.http import auth
from loadtests.staging.http.service import service_of
from loadtests.staging.http.web import answer, check_query, parse_object, read_body, whole_number
from loadtests.staging.storage.database import Connection

_PAGE_DEFAULT, _PAGE_LIMIT = 500, 2000
_STALL_LIMIT_S, _STALL_DELAY_LIMIT_S = 60.0, 3600.0
_ANSWER_FIRST_S = 0.02  # the stall's own answer leaves before the stall begins


def _admit(request: Request) -> None:
    """Return when the request may come in; raise ApiError (401, 403) otherwise."""
    service = service_of(request)
    auth.check_bearer(
        headers=request.headers,
        token=service.secrets.admin_token,
        other_tokens=(service.secrets.ticket_token,),
    )


async def health(request: Request) -> Response:
    """GET /health: that this is a test system, and whether it is well (503 when it does not pay)."""
    service = service_of(request)
    healthy = service.is_paying()
    return answer(
        {
            "status": "ok" if healthy else "failing",
            "test_system": True,
            "name": "withstand-staging",
            "time_ms": time.time_ns() // 1_000_000,
        },
        200 if healthy else 503,
    )


def _paged(name: str, page: Callable[..., list[dict[str, Any]]]) -> Callable[[Request], Any]:
    """Return the endpoint that shows the rows of ``page`` under ``name``, in pages."""

    async def show(request: Request) -> Response:
        _admit(request)
        service = service_of(request)
        check_query(request, "prefix", "after", "limit")
        after = whole_number(request, "after", default=0, largest=2**63 - 1)
        limit = whole_number(request, "limit", default=_PAGE_DEFAULT, largest=_PAGE_LIMIT) or _PAGE_DEFAULT
        prefix = request.query_params.get("prefix", "")
        rows = await service.admin_reads.run(_one_page, page, prefix, after, limit)
        last = int(str(rows[-1]["id"]).removeprefix("w")) if len(rows) == limit else None
        return answer({name: rows, "next_after": last})

    return show


async def show_balances(request: Request) -> Response:
    """GET /admin/balances: customers' balances, in pages."""
    service = service_of(request)
    _admit(request)
    check_query(request, "after", "limit")
    limit = whole_number(request, "limit", default=_PAGE_DEFAULT, largest=_PAGE_LIMIT) or _PAGE_DEFAULT
    after = request.query_params.get("after", "-1:")
    account, _, currency = after.partition(":")
    if not (account.removeprefix("-").isdigit() and account.isascii() and len(account) < 19):
        raise ApiError(400, "INVALID_PARAM_VALUE", "after must be the next_after of the page before")
    rows = await service.admin_reads.run(_balances_page, int(account), currency, limit)
    last = f"{rows[-1]['account']}:{rows[-1]['currency']}" if len(rows) == limit else None
    return answer({"balances": rows, "next_after": last})


async def show_ledger(request: Request) -> Response:
    """GET /admin/ledger: the sums of the whole ledger, per currency."""
    service = service_of(request)
    _admit(request)
    return answer({"currencies": [_shown_sums(row) for row in await service.admin_reads.run(ledger.sums)]})


async def stall(request: Request) -> Response:
    """POST /admin/stall: answer nothing for ``seconds``, beginning ``after_s`` seconds from now."""
    service = service_of(request)
    _admit(request)
    body = parse_object(await read_body(request, service.settings.body_limit_bytes))
    seconds: Any = body.get("seconds")
    after_s: Any = body.get("after_s", 0)
    if not set(body) <= {"seconds", "after_s"} or not _within(seconds, _STALL_LIMIT_S):
        raise ApiError(400, "INVALID_PARAM_VALUE", f"seconds must be a number from 0 to {_STALL_LIMIT_S:g}")
    if not _within(after_s, _STALL_DELAY_LIMIT_S):
        raise ApiError(400, "INVALID_PARAM_VALUE", f"after_s must be a number from 0 to {_STALL_DELAY_LIMIT_S:g}")
    # Sleeping in the event loop is the point: nothing at all is answered until it ends.
    asyncio.get_running_loop().call_later(max(float(after_s), _ANSWER_FIRST_S), time.sleep, float(seconds))
    return answer({"seconds": seconds, "after_s": after_s})


def _one_page(
    db: Connection, page: Callable[..., list[dict[str, Any]]], prefix: str, after: int, limit: int
) -> list[dict[str, Any]]:
    return page(db, prefix=prefix, after=after, limit=limit)


def _balances_page(db: Connection, account: int, currency: str, limit: int) -> list[dict[str, Any]]:
    rows = db.execute(
        "SELECT account, currency, units FROM balances WHERE (account, currency) > (?, ?)"
        " ORDER BY account, currency LIMIT ?",
        (account, currency, limit),
    )
    return [
        {
            "account": row["account"],
            "currency": row["currency"],
            "available": format_units(row["units"], ASSETS[row["currency"]]),
        }
        for row in rows
    ]


def _shown_sums(row: dict[str, Any]) -> dict[str, Any]:
    """Return a currency's sums with their units as decimal strings."""
    asset = ASSETS[row["currency"]]
    return {
        "currency": row["currency"],
        "sum": format_units(row["sum_units"], asset),
        "customers": row["customers"],
        "customers_available": format_units(row["customers_units"], asset),
        "negative_balances": row["negative_balances"],
        "unequal_balances": row["unequal_balances"],
        "transfers": row["transfers"],
        "house": {name: format_units(units, asset) for name, units in row["house"].items()},
    }


def _within(value: Any, largest: float) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value <= largest


ADMIN_ROUTES = [
    Route("/health", health, methods=["GET"]),
    Route("/admin/withdrawals", _paged("withdrawals", withdrawals.page), methods=["GET"]),
    Route("/admin/tickets", _paged("tickets", tickets.page), methods=["GET"]),
    Route("/admin/balances", show_balances, methods=["GET"]),
    Route("/admin/ledger", show_ledger, methods=["GET"]),
    Route("/admin/stall", stall, methods=["POST"]),
]
