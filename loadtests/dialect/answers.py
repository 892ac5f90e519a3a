"""What an answer means where all APIs agree: by its status, its id, and whether it can be read."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any

from loadtests.core.redact import REDACTOR
from loadtests.dialect.contract import (
    ACKNOWLEDGED,
    RATE_LIMITED,
    REJECTED,
    UNKNOWN,
    Answer,
    Outcome,
    ReadError,
    Request,
    Send,
)
from loadtests.dialect.payload import json_object, json_value

LONGEST_WAIT_S = 60.0
TRIES = 5
_REASON_LENGTH = 60


def says_test_system(answer: Answer) -> bool:
    """Return whether a health check is 200 and carries ``"test_system": true``."""
    return answer.status == 200 and json_object(answer.body).get("test_system") is True


def by_status(answer: Answer, *, limited: Collection[int] = (429,), refused: Collection[int] = ()) -> Outcome | None:
    """Return the outcome that the status alone decides, None for a 2xx, which its body decides.

    ``limited`` are rate limits; a redirect and any other 4xx are rejected. A 5xx leaves open whether the request was
    recorded, so it is unknown, except those in ``refused``, by which the API promises that it was not.
    """
    status = answer.status
    if 200 <= status < 300:
        return None
    if status in limited:
        return rate_limited(answer, str(status))
    if 300 <= status < 400:
        return Outcome(REJECTED, f"{status}: redirect not followed")
    sure = 400 <= status < 500 or status in refused
    return Outcome(REJECTED if sure else UNKNOWN, f"{status} {label(answer.body)}".strip())


def rate_limited(answer: Answer, reason: str) -> Outcome:
    """Return the outcome of a request that the API deferred, with the wait that it asks for."""
    return Outcome(RATE_LIMITED, f"{reason}, Retry-After {brief(answer.headers.get('retry-after', 'missing'))}")


def acknowledged(answer: Answer, server_id: object, known: Collection[str] = ()) -> Outcome:
    """Return acknowledged with the id; unknown when it is not an id (a non-empty text or a number).

    Unknown too when the answer says beside its id that it failed: it contradicts itself. ``known`` are fields of errors
    that the dialect has read by itself.
    """
    if not is_id(server_id):
        return unread(answer)
    if failing := failure(answer.body, known):
        return Outcome(UNKNOWN, f"{answer.status} {failing}, and an id")
    return Outcome(ACKNOWLEDGED, "", str(server_id))


def is_id(value: object) -> bool:
    """Return whether a value can be a record's id: a non-empty text, or a number but 0."""
    return isinstance(value, (str, int)) and not isinstance(value, bool) and bool(value)


def read(answer: Answer, right: bool, known: Collection[str] = ()) -> Outcome:
    """Return the outcome of a request that only reads: acknowledged when its answer has the ``right`` form.

    Unknown when it has not, or says beside it that it failed; ``known`` as of ``acknowledged``.
    """
    if not right:
        return unread(answer)
    failing = failure(answer.body, known)
    return Outcome(UNKNOWN, f"{answer.status} {failing}, and a result") if failing else Outcome(ACKNOWLEDGED)


_FLAGS = ("success", "ok", "succeeded")
_ERRORS = ("error", "errors", "label")
_SIGN = re.compile(f'"(?:{"|".join((*_FLAGS, *_ERRORS))})"'.encode())


def failure(body: bytes, known: Collection[str] = ()) -> str:
    """Return how a body says, whatever its status and whatever else it holds, that the request failed.

    By a flag that is false (``"success": false``), or by something in a field that only errors have and is not
    ``known``.
    """
    if _SIGN.search(body) is None:  # most bodies hold none, and need not be parsed again
        return ""
    value = json_object(body)
    for name in _FLAGS:
        if name not in known and str(value.get(name)).lower() == "false":
            return f"{name} false"
    for name in _ERRORS:
        if name not in known and value.get(name):
            return f"{name} {label(body)}".strip()
    return ""


def unread(answer: Answer) -> Outcome:
    """Return the outcome of a success that cannot be read: it may have been recorded."""
    return Outcome(UNKNOWN, f"{answer.status} with an answer that cannot be read")


def label(body: bytes) -> str:
    """Return the machine-readable name of an error, cut short: Gate's label, Zendesk's error, Binance's code."""
    value = json_object(body)
    found = value.get("label") or value.get("error") or value.get("code") or ""
    if isinstance(found, dict):
        found = found.get("title") or ""
    return brief(found)


def brief(text: object) -> str:
    """Return the beginning of what a server says, a secret in it taken out before it is cut."""
    return REDACTOR.cut(str(text), _REASON_LENGTH)


def fetch(send: Send, request: Request, kind: type) -> Any:
    """Return the JSON value that answers a request, of the type ``kind``.

    Raises ReadError when the answer is no 200 or no such value.
    """
    answer = send(request)
    path = request.path.partition("?")[0]
    if answer.status != 200:
        raise ReadError(f"{path} answered {answer.status} {label(answer.body)}".strip())
    value = json_value(answer.body)
    if not isinstance(value, kind):
        raise ReadError(f"{path} answered with something that cannot be read")
    return value


def patient(send: Send, pause: Callable[[float], None]) -> Send:
    """Return ``send`` for reads around a run: a 429 is asked again after its Retry-After, at most a minute later.

    The run's own requests never go through here: there a rate limit is an outcome.
    """

    def send_again(request: Request) -> Answer:
        answer = send(request)
        for _ in range(TRIES - 1):
            if answer.status != 429:
                break
            pause(_wait_s(answer))
            answer = send(request)
        return answer

    return send_again


def _wait_s(answer: Answer) -> float:
    text = answer.headers.get("retry-after", "")
    return min(float(text), LONGEST_WAIT_S) if text.isdecimal() else 1.0
