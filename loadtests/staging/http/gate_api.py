"""The withdrawal endpoints, in the shape of Gate's API v4, and what its clients ask for before they withdraw.

The routes are those documented at gate.com/docs/developers/apiv4: "Withdraw", "Cancel withdrawal with specified ID",
"Get withdrawal records", "List spot trading accounts", "Retrieve user account information", and the public "Query all
currency information", "Query all supported currency pairs" and "Get server current time". One key serves all
customers: a withdrawal may name its ``account``; without one, and in every list and balance, it is the key's own.
Nothing is traded here: the pairs are untradable, and there are no margins, futures or options.
"""

from __future__ import annotations

import re
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loadtests.staging.errors import ApiError
from loadtests.staging.exchange import ledger, payments, withdrawals
from loadtests.staging.exchange.assets import ASSETS, format_units, opening_units
from loadtests.staging.http import auth
from loadtests.staging.http.service import service_of
from loadtests.staging.http.web import answer, check_query, parse_object, read_body, whole_number
from loadtests.staging.settings import Settings

_ID = re.compile(r"w([0-9]{1,18})")
_PAGE_LIMIT = 100
_DAY_S = 86_400
_DEFAULT_RANGE_S, _RANGE_LIMIT_S = 7 * _DAY_S, 30 * _DAY_S
_LARGEST_TIME_S = 2**40


async def _signed_body(request: Request) -> bytes:
    """Return the body of a request whose signature is right; raise ApiError (400, 401, 413) otherwise."""
    service = service_of(request)
    body = await read_body(request, service.settings.body_limit_bytes)
    auth.check_gate_signature(
        headers=request.headers,
        secrets=service.secrets,
        method=request.method,
        path=request.url.path,
        query=request.scope["query_string"].decode("latin-1"),
        body=body,
        now_s=time.time(),
        window_s=service.settings.timestamp_window_s,
    )
    return body


async def create_withdrawal(request: Request) -> Response:
    """POST /withdrawals: accept (202) or refuse a withdrawal; it is paid later."""
    service = service_of(request)
    body = await _signed_body(request)
    wait_s = service.withdrawal_rate_limit.spend(time.time())
    if wait_s is not None:
        raise ApiError(429, "TOO_MANY_REQUESTS", "rate limit exceeded", retry_after_s=wait_s)
    order = withdrawals.parse_order(parse_object(body), service.settings)
    await service.withdrawal_station.serve()
    now_ms = time.time_ns() // 1_000_000
    record, is_new = await service.writes.run(withdrawals.create, order, service.settings, now_ms)
    return answer(record, 202 if is_new else 200)


async def cancel_withdrawal(request: Request) -> Response:
    """DELETE /withdrawals/{id}: cancel (202) a withdrawal of the key's account whose payment is not taken up."""
    service = service_of(request)
    await _signed_body(request)
    withdrawal_id = _withdrawal_id(request.path_params["withdrawal_id"])
    await service.withdrawal_station.serve()
    now_ms = time.time_ns() // 1_000_000
    account = service.settings.key_account
    return answer(await service.writes.run(payments.cancel, withdrawal_id, account, now_ms), 202)


async def list_withdrawals(request: Request) -> Response:
    """GET /wallet/withdrawals: the records of the key's account, newest first; or those with a client id.

    Whoever knows a client id may look it up whichever account it is of, or in one ``account``.
    """
    service = service_of(request)
    await _signed_body(request)
    check_query(
        request,
        *("withdraw_order_id", "account", "currency", "withdraw_id", "from", "to", "limit", "offset"),
    )
    wanted = _wanted(request, service.settings, int(time.time()))
    await service.read_station.serve()
    client_id = request.query_params.get("withdraw_order_id")
    if client_id:
        account = wanted.account if "account" in request.query_params else None
        return answer(await service.reads.run(withdrawals.find, client_id, account))
    return answer(await service.reads.run(withdrawals.history, wanted))


async def list_balances(request: Request) -> Response:
    """GET /spot/accounts: what the key's account may spend; a currency's opening balance before its first use."""
    service = service_of(request)
    await _signed_body(request)
    check_query(request, "currency")
    currencies = [_currency(request)] if "currency" in request.query_params else list(ASSETS)
    await service.read_station.serve()
    held = dict(await service.reads.run(ledger.account_balances, service.settings.key_account))
    opening_usd = service.settings.opening_balance_usd
    units = {name: held.get(name, opening_units(ASSETS[name], opening_usd)) for name in currencies}
    return answer(
        [
            {"currency": name, "available": format_units(count, ASSETS[name]), "locked": "0"}
            for name, count in units.items()
        ]
    )


async def show_key(request: Request) -> Response:
    """GET /account/detail: whose key it is; mode 1 is a classic account."""
    await _signed_body(request)
    account = service_of(request).settings.key_account
    return answer({"user_id": account, "ip_whitelist": [], "currency_pairs": [], "key": {"mode": 1}, "tier": 0})


async def show_time(_request: Request) -> Response:
    """GET /spot/time: the server's clock in milliseconds."""
    return answer({"server_time": time.time_ns() // 1_000_000})


async def list_currencies(_request: Request) -> Response:
    """GET /spot/currencies: the currencies and their chains."""
    usable = {"withdraw_disabled": False, "withdraw_delayed": False, "deposit_disabled": True}
    return answer(
        [
            {
                "currency": name,
                "name": name,
                "delisted": False,
                "trade_disabled": True,
                "fixed_rate": "",
                "chain": next(iter(asset.fees)),
                "chains": [{"name": chain, "addr": "", **usable} for chain in asset.fees],
                **usable,
            }
            for name, asset in ASSETS.items()
        ]
    )


async def list_pairs(_request: Request) -> Response:
    """GET /spot/currency_pairs: every currency against USDT, none of them tradable."""
    return answer(
        [
            {
                "id": f"{name}_USDT",
                "base": name,
                "quote": "USDT",
                "fee": "0",
                "min_base_amount": "0",
                "min_quote_amount": "0",
                "amount_precision": asset.decimals,
                "precision": 2,
                "trade_status": "untradable",
                "sell_start": 0,
                "buy_start": 0,
            }
            for name, asset in ASSETS.items()
            if name != "USDT"
        ]
    )


async def list_nothing(_request: Request) -> Response:
    """GET what is listed of margins, futures, deliveries and options: nothing."""
    return answer([])


def _wanted(request: Request, settings: Settings, now_s: int) -> withdrawals.Wanted:
    """Return what a list asks for: by default the last seven days; raise ApiError (400) for more than thirty."""
    to_s = whole_number(request, "to", default=now_s, largest=_LARGEST_TIME_S)
    from_s = whole_number(request, "from", default=max(0, to_s - _DEFAULT_RANGE_S), largest=_LARGEST_TIME_S)
    if to_s - from_s > _RANGE_LIMIT_S:
        raise ApiError(400, "INVALID_PARAM_VALUE", "from and to must be at most 30 days apart")
    named: Any = request.query_params.get("withdraw_id")
    return withdrawals.Wanted(
        account=whole_number(request, "account", default=settings.key_account, largest=2**63 - 1),
        currency=_currency(request) if "currency" in request.query_params else None,
        withdrawal_id=_withdrawal_id(named) if named else None,
        from_ms=from_s * 1000,
        to_ms=to_s * 1000 + 999,
        limit=whole_number(request, "limit", default=_PAGE_LIMIT, largest=_PAGE_LIMIT) or _PAGE_LIMIT,
        offset=whole_number(request, "offset", default=0, largest=2**63 - 1),
    )


def _currency(request: Request) -> str:
    name = request.query_params["currency"]
    if name not in ASSETS:
        raise ApiError(400, "INVALID_CURRENCY", f"currency must be one of {', '.join(ASSETS)}")
    return name


def _withdrawal_id(text: str) -> int:
    match = _ID.fullmatch(text)
    if match is None:
        raise ApiError(404, "INVALID_WITHDRAW_ID", "no such withdrawal")
    return int(match[1])


def _route(method: str, path: str, endpoint: Any) -> Route:
    return Route("/api/v4" + path, endpoint, methods=[method])


GATE_ROUTES = [
    _route("POST", "/withdrawals", create_withdrawal),
    _route("DELETE", "/withdrawals/{withdrawal_id}", cancel_withdrawal),
    _route("GET", "/wallet/withdrawals", list_withdrawals),
    _route("GET", "/spot/accounts", list_balances),
    _route("GET", "/account/detail", show_key),
    _route("GET", "/spot/time", show_time),
    _route("GET", "/spot/currencies", list_currencies),
    _route("GET", "/spot/currency_pairs", list_pairs),
    _route("GET", "/margin/currency_pairs", list_nothing),
    _route("GET", "/futures/{settle}/contracts", list_nothing),
    _route("GET", "/delivery/{settle}/contracts", list_nothing),
    _route("GET", "/options/underlyings", list_nothing),
]
