"""Authentication: Gate's request signature, tokens, and the login of test accounts.

Passwords of test accounts are derived, not chosen: 128 random-looking bits of HMAC-SHA256 over the account number.
Stretching (scrypt, PBKDF2) protects guessable passwords in a stolen table; here there is no table and nothing to
guess, and at 50-100 ms of CPU a login a load test would measure scrypt instead of the service. A real exchange pays
that price, so add it to a login capacity that is planned from here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import unquote

from loadtests.staging.errors import ApiError
from loadtests.staging.settings import Secrets

TOKEN_LIFE_S = 3600


def gate_signature(*, secret: str, method: str, path: str, query: str, body: bytes, timestamp: str) -> str:
    """Return Gate v4's SIGN: hex HMAC-SHA512 over method, path, query, SHA-512 of the body, and time."""
    text = f"{method}\n{path}\n{query}\n{hashlib.sha512(body).hexdigest()}\n{timestamp}"
    return hmac.new(secret.encode(), text.encode(), hashlib.sha512).hexdigest()


def check_gate_signature(
    *,
    headers: Mapping[str, str],
    secrets: Secrets,
    method: str,
    path: str,
    query: str,
    body: bytes,
    now_s: float,
    window_s: float,
) -> None:
    """Return when the request carries a fresh, right signature; raise ApiError (400, 401) otherwise."""
    key, timestamp, sign = (headers.get(name, "") for name in ("KEY", "Timestamp", "SIGN"))
    if not (key and timestamp and sign):
        raise ApiError(400, "MISSING_REQUIRED_HEADER", "the headers KEY, Timestamp and SIGN must be sent")
    if not _same(key, secrets.api_key):
        raise ApiError(401, "INVALID_KEY", "no such API key")
    queries = {query, unquote(query)}  # Gate signs the query before it is percent-encoded, many clients after
    signatures = [
        gate_signature(secret=secrets.api_secret, method=method, path=path, query=text, body=body, timestamp=timestamp)
        for text in queries
    ]
    if not any(_same(sign, signature) for signature in signatures):
        raise ApiError(401, "INVALID_SIGNATURE", "the signature does not match the request")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 16):
        raise ApiError(400, "INVALID_PARAM_VALUE", "Timestamp must be whole Unix seconds")
    if abs(now_s - int(timestamp)) > window_s:
        raise ApiError(401, "REQUEST_EXPIRED", f"Timestamp is more than {window_s:g} s from the server's clock")


def check_bearer(*, headers: Mapping[str, str], token: str, other_tokens: tuple[str, ...]) -> None:
    """Return when ``token`` was sent; raise ApiError: 401 without a known token, 403 with one for something else."""
    scheme, _, sent = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and _same(sent, token):
        return
    if scheme.lower() == "bearer" and any(_same(sent, other) for other in other_tokens):
        raise ApiError(403, "Forbidden", "this token does not open this part of the API")
    raise ApiError(401, "Couldn't authenticate you", "a bearer token is needed")


def check_ticket_token(*, headers: Mapping[str, str], token: str, other_tokens: tuple[str, ...]) -> None:
    """Return when ``token`` was sent as Zendesk takes one: as a bearer, or in Basic with any agent's address.

    Basic is ``ADDRESS/token:TOKEN`` (developer.zendesk.com, "Security and authentication", API token). Raises ApiError
    as ``check_bearer`` does.
    """
    scheme, _, sent = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        check_bearer(headers=headers, token=token, other_tokens=other_tokens)
        return
    try:
        user, _, password = base64.b64decode(sent, validate=True).decode().partition(":")
    except ValueError:
        user = password = ""
    address, _, kind = user.rpartition("/")
    if not ("@" in address and kind == "token" and _same(password, token)):
        raise ApiError(401, "Couldn't authenticate you", "an address with an API token is needed")


def account_password(account: int, secret: str) -> str:
    """Return the password of a test account: 32 hex digits from its number and the server's API secret."""
    return hmac.new(secret.encode(), f"password of account {account}".encode(), hashlib.sha256).hexdigest()[:32]


def check_password(*, account: int, password: str, secret: str) -> None:
    """Return when the password is the account's; raise ApiError (401) otherwise."""
    if not _same(password, account_password(account, secret)):
        raise ApiError(401, "INVALID_CREDENTIALS", "account or password is wrong")


def login_token(*, account: int, now_s: float, secret: str) -> str:
    """Return a signed token that names the account and ends ``TOKEN_LIFE_S`` seconds from now."""
    claim = f"{account}.{int(now_s) + TOKEN_LIFE_S}"
    return f"{claim}.{_token_mark(claim, secret)}"


def token_account(*, headers: Mapping[str, str], now_s: float, secret: str) -> int:
    """Return the account of the login token in the Authorization header; raise ApiError (401) without one."""
    claim, _, mark = headers.get("Authorization", "").removeprefix("Bearer ").rpartition(".")
    if not _same(mark, _token_mark(claim, secret)):
        raise ApiError(401, "INVALID_TOKEN", "log in first")
    account, _, end_s = claim.partition(".")
    if now_s > int(end_s):
        raise ApiError(401, "TOKEN_EXPIRED", "log in again")
    return int(account)


def _token_mark(claim: str, secret: str) -> str:
    return hmac.new(secret.encode(), f"login token {claim}".encode(), hashlib.sha256).hexdigest()


def _same(sent: str, wanted: str) -> bool:
    """Compare in constant time; headers may carry any Latin-1 text."""
    return hmac.compare_digest(sent.encode(), wanted.encode())
