"""What is kept of an answer: short, without secrets, and without what the request proved itself by, if that is echoed.

Secrets that stay the same are known to the redactor. A signature, or the password of a test account, is of one request.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from urllib.parse import unquote

from loadtests.core.escapes import base64_cores
from loadtests.core.redact import MARK, REDACTOR
from loadtests.dialect.contract import (
    ACKNOWLEDGED,
    RATE_LIMITED,
    REJECTED,
    UNKNOWN,
    Answer,
    Arrival,
    Dialect,
    Outcome,
    Request,
)

_OF_ANSWERS = frozenset({ACKNOWLEDGED, REJECTED, RATE_LIMITED, UNKNOWN})
LONGEST_REASON, LONGEST_ID, LONGEST_LINE = 200, 200, 4_000
_SHORTEST, _HEAD = 16, 9
_COMMON = frozenset({"accept", "content-type", "idempotency-key", "user-agent"})
_UNICODE = re.compile(r"\\+u([0-9a-fA-F]{4})")  # several: what was escaped stands in a text that is escaped
_SECRETIVE = re.compile("auth|sign|token|secret|pass|key|session|cookie|hmac|digest", re.IGNORECASE)
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/_-]{24,}={0,2}")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_IN_TEXT = re.compile(r"(?:password|signature|sign|token|secret)[\"'=: ]+([^\"'&\s]{16,})", re.IGNORECASE)


def proofs(request: Request) -> Iterator[str]:
    """Yield what a request proves itself by: its uncommon headers, and what its path and body call so."""
    for name, value in request.headers.items():
        if len(value) >= _SHORTEST and name.lower() not in _COMMON and value != request.key:
            yield value.partition(" ")[2] or value
    yield from _IN_TEXT.findall(request.path)
    yield from _IN_TEXT.findall(request.body.decode("utf-8", "replace"))


def without_echo(text: str, request: Request) -> str:
    """Return a short text of an answer, or a mark in its place if the head of a proof of its request stands in it.

    The head, because the text may have been cut.
    """
    if len(text) < _HEAD:
        return text
    views = _views(text)
    for proof in proofs(request):
        head = proof[:_HEAD]
        encoded = (head.encode().hex(), *(core.text for core in base64_cores(head)))
        if any(head in view for view in views) or any(one in text for one in encoded):
            return MARK
    return text


def without_proofs(answer: Answer, request: Request) -> Answer:
    """Return the answer to a read of what a server holds, without the texts that echo a proof of its request.

    Here only what looks like a proof is one: the address or account that a header names may stand in the records.
    """
    own = Request(request.method, request.path, dict(_secretive(request)), request.body)
    body = answer.body.decode("utf-8", "replace")
    headers = {name: without_echo(value, own) for name, value in answer.headers.items()}
    if without_echo(body, own) == body:
        return answer._replace(headers=headers)
    body = _STRING.sub(lambda found: _without_echo_in(found[0], own), body)
    return answer._replace(headers=headers, body=without_echo(body, own).encode())


def _secretive(request: Request) -> Iterator[tuple[str, str]]:
    for name, value in request.headers.items():
        if _SECRETIVE.search(name) or (_RANDOM.fullmatch(value) and not _UUID.fullmatch(value)):
            yield name, value


def _without_echo_in(literal: str, request: Request) -> str:
    """Return a string of JSON, or one that holds only a mark if it echoes a proof."""
    try:
        text = json.loads(literal, strict=False)
    except ValueError:
        text = literal
    return literal if without_echo(text, request) == text else f'"{MARK}"'


def _views(text: str) -> list[str]:
    """Return a text as it is, and with the escapes of a URL, of HTML and of JSON undone."""
    return [text, unquote(text), html.unescape(text), _UNICODE.sub(lambda one: chr(int(one[1], 16)), text)]


def outcome_of(dialect: Dialect, arrival: Arrival, request: Request, answer: Answer) -> Outcome:
    """Return the outcome that a dialect reads from an answer, bounded; a dialect that learns gets it so, too.

    Raises what the dialect raises, and ValueError for an outcome that an answer cannot have.
    """
    outcome = bounded(dialect.outcome(arrival, answer), request)
    if outcome.outcome not in _OF_ANSWERS:
        raise ValueError(f"{outcome.outcome!r} is no outcome of an answer")
    learn = getattr(dialect, "learn", None)  # asked for each request: isinstance of a protocol is slow
    if learn is not None:
        learn(arrival, outcome)
    return outcome


def bounded(outcome: Outcome, request: Request) -> Outcome:
    """Return an outcome whose texts are short and hold no secret of ours; an id too long for one is none."""
    if not outcome.reason and not outcome.server_id:
        return outcome
    reason = without_echo(REDACTOR.cut(outcome.reason, LONGEST_REASON), request)
    server_id = without_echo(REDACTOR.clean(outcome.server_id), request)
    if len(server_id) > LONGEST_ID:
        return Outcome(UNKNOWN, f"the answer's id has {len(server_id):,} characters, more than {LONGEST_ID}")
    return Outcome(outcome.outcome, reason, server_id)


def showing(outcome: Outcome, line: str, request: Request) -> Outcome:
    """Return the outcome of a read with the line of what it showed, without secrets of ours.

    It shows nothing where the line is too long, or echoes what its request proved itself by: neither is an error.
    """
    shown = "" if len(line) > LONGEST_LINE else without_echo(REDACTOR.clean(line), request)
    return outcome._replace(server_id="" if shown == MARK else shown)


def failure(error: Exception) -> str:
    """Return what a dialect's own fault says, cut short and without secrets."""
    return REDACTOR.cut(f"the dialect failed: {type(error).__name__}: {error}", LONGEST_REASON)
