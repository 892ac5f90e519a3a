"""The exchange's endpoints: withdrawals in Gate's v4 shape, login, and a customer's balances."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loadtests.staging.errors import ApiError
from loadtests.staging.exchange import ledger, withdrawals
from loadtests.staging.exchange.assets import ASSETS, format_units
from loadtests.staging.http import auth
from loadtests.staging.http.service import service_of
from loadtests.staging.http.web import answer, check_query, parse_object, read_body, whole_number


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
    """POST /api/v4/withdrawals: accept (202) or refuse a withdrawal; it is paid later."""
    service = service_of(request)
    body = await _signed_body(request)
    order = withdrawals.parse_order(parse_object(body), service.settings)
    await service.withdrawal_station.serve()
    now_ms = time.time_ns() // 1_000_000
    record, is_new = await service.writes.run(withdrawals.create, order, service.settings, now_ms)
    return answer(record, 202 if is_new else 200)


async def list_withdrawals(request: Request) -> Response:
    """GET /api/v4/wallet/withdrawals: the records with a client id, of one account if asked."""
    service = service_of(request)
    await _signed_body(request)
    check_query(request, "withdraw_order_id", "account")
    client_id = request.query_params.get("withdraw_order_id", "")
    if not client_id:
        raise ApiError(400, "MISSING_REQUIRED_PARAM", "withdraw_order_id must be sent")
    account = whole_number(request, "account", default=-1, largest=2**63 - 1)
    await service.read_station.serve()
    return answer(await service.reads.run(withdrawals.find, client_id, None if account < 0 else account))


async def login(request: Request) -> Response:
    """POST /api/v1/login: a token for an account and its password."""
    service = service_of(request)
    body = parse_object(await read_body(request, service.settings.body_limit_bytes))
    account, password = body.get("account"), body.get("password")
    if set(body) != {"account", "password"} or type(account) is not int or not isinstance(password, str):
        raise ApiError(400, "INVALID_PARAM_VALUE", "the body must be an account number and a password")
    await service.read_station.serve()
    secret = service.secrets.api_secret
    if not 0 <= account <= service.settings.registered_customers:
        raise ApiError(401, "INVALID_CREDENTIALS", "account or password is wrong")
    auth.check_password(account=account, password=password, secret=secret)
    token = auth.login_token(account=account, now_s=time.time(), secret=secret)
    return answer({"token": token, "expires_in": auth.TOKEN_LIFE_S})


async def show_account(request: Request) -> Response:
    """GET /api/v1/account: the balances of the account that logged in."""
    service = service_of(request)
    account = auth.token_account(headers=request.headers, now_s=time.time(), secret=service.secrets.api_secret)
    await service.read_station.serve()
    balances = await service.reads.run(ledger.account_balances, account)
    available = {currency: format_units(units, ASSETS[currency]) for currency, units in balances}
    return answer({"account": account, "balances": available})


EXCHANGE_ROUTES = [
    Route("/api/v4/withdrawals", create_withdrawal, methods=["POST"]),
    Route("/api/v4/wallet/withdrawals", list_withdrawals, methods=["GET"]),
    Route("/api/v1/login", login, methods=["POST"]),
    Route("/api/v1/account", show_account, methods=["GET"]),
]
