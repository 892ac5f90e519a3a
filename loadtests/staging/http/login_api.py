"""The exchange's own endpoints, in nobody's shape: login, and a customer's balances."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loadtests.staging.errors import ApiError
from loadtests.staging.exchange import ledger
from loadtests.staging.exchange.assets import ASSETS, format_units
from loadtests.staging.http import auth
from loadtests.staging.http.service import service_of
from loadtests.staging.http.web import answer, parse_object, read_body


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


LOGIN_ROUTES = [
    Route("/api/v1/login", login, methods=["POST"]),
    Route("/api/v1/account", show_account, methods=["GET"]),
]
