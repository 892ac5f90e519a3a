"""Requests in and answers out: bodies read under a cap, strict JSON, and errors in each API's own shape."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from loadtests.staging.errors import ApiError

_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_TICKET_PATHS = "/api/v2/"


def answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON response."""
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(body, status_code=status, headers=headers, media_type="application/json")


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """Return the request's body.

    Raises ApiError: 413 as soon as it is over ``limit_bytes``, 408 (which nobody hears) when its sender is gone.
    """
    chunks, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit_bytes:
                raise ApiError(413, "REQUEST_TOO_LARGE", f"the body is over {limit_bytes} bytes")
            chunks.append(chunk)
    except ClientDisconnect:
        raise ApiError(408, "REQUEST_TIMEOUT", "the rest of the body never came") from None
    return b"".join(chunks)


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in ``body``.

    Raises ApiError (400) for anything else, for NaN and Infinity, for a name given twice and for text that is no
    Unicode or has a NUL in it.
    """
    try:
        value = json.loads(body, object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite)
        if b"\\u" in body:  # an escaped half of a surrogate pair is no text that could be stored
            json.dumps(value, ensure_ascii=False).encode()
        if _NUL.search(body):  # PostgreSQL stores none, so neither database does
            raise ValueError("a text holds a NUL")
    except (ValueError, RecursionError):
        raise ApiError(400, "INVALID_REQUEST_BODY", "the body is not valid JSON") from None
    if not isinstance(value, dict):
        raise ApiError(400, "INVALID_REQUEST_BODY", "the body must be a JSON object")
    return value


def whole_number(request: Request, name: str, *, default: int, largest: int) -> int:
    """Return a whole number from 0 to ``largest`` of the query; raise ApiError (400) for anything else."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= largest):
        raise ApiError(400, "INVALID_PARAM_VALUE", f"{name} must be a whole number from 0 to {largest}")
    return int(text)


def check_query(request: Request, *known: str) -> None:
    """Raise ApiError (400) for a query parameter that is not known, or given twice."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in known or names.count(name) > 1:
            known_text = ", ".join(known) or "none"
            raise ApiError(
                400, "INVALID_PARAM_VALUE", f"query parameter {name!r} is unknown or repeated; known: {known_text}"
            )
    if any("\0" in value for value in request.query_params.values()):
        raise ApiError(400, "INVALID_PARAM_VALUE", "a query parameter must not hold a NUL")


async def show_api_error(request: Request, error: Exception) -> Response:
    """Return the response of an ApiError, in the shape of the API that was asked."""
    assert isinstance(error, ApiError)
    zendesk = request.url.path.startswith(_TICKET_PATHS)
    return answer(error.zendesk_body() if zendesk else error.gate_body(), error.status, error.headers())


async def show_http_error(request: Request, error: Exception) -> Response:
    """Return the response of an unknown path (404) or method (405)."""
    assert isinstance(error, HTTPException)
    labels = {404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}
    shown = ApiError(error.status_code, labels.get(error.status_code, "INVALID_REQUEST"), error.detail)
    response = await show_api_error(request, shown)
    response.headers.update(error.headers or {})
    return response


async def show_fault(request: Request, _error: Exception) -> Response:
    """Return the response to a defect of the server itself (500), which says nothing about its inside."""
    return await show_api_error(request, ApiError(500, "SERVER_ERROR", "internal error"))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a name is given twice")
    return value


def _refused(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value
