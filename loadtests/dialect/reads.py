"""What the answer to a read shows, in one line of text: so it goes into a request's row, and from there to the checks.

The line is JSON: nothing where the answer cannot tell, ``[]`` where it found no record, ``[account]`` of a login, else
``[key, server_id, status, stage, final, said]``, where ``said`` is what the answer says of the record's contents.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

from loadtests.core.redact import REDACTOR
from loadtests.dialect.contract import WRITES, Answer, Arrival, Dialect, Request, Shown, Ticket, Withdrawal
from loadtests.dialect.exact import exact
from loadtests.dialect.payload import plain

_LONG, _KEPT = 64, 24
_TEXT = json.JSONEncoder(separators=(",", ":"))


class Read(NamedTuple):
    """One record as a read showed it; ``said`` are its contents by name."""

    key: str
    server_id: str
    status: str
    stage: int
    final: bool
    said: Mapping[str, str]


def shown_by(dialect: Dialect, arrival: Arrival, request: Request, answer: Answer) -> str:
    """Return the line of an acknowledged read; empty for a write, and where it cannot be told."""
    shows = getattr(dialect, "shows", None)  # asked for each read: isinstance of a protocol is slow
    shown = None if shows is None or arrival.endpoint in WRITES else shows(arrival, request, answer)
    return "" if shown is None else line_of(shown)


def line_of(shown: Shown) -> str:
    """Return the line that says what was shown."""
    if shown.record is None:
        return _TEXT.encode([str(shown.account)] if shown.account else [])
    one = exact(shown.record)
    stage, final = (one.stage, one.final) if isinstance(one, Withdrawal) else (-1, one.closed)
    row = [one.key, one.server_id, one.status, stage, final, brief(contents(one))]
    return _TEXT.encode(row)


def read_of(line: str) -> Read | str | None:
    """Return the record that a line shows, the account of a login, or None where nothing was found."""
    value = json.loads(line)
    return None if not value else str(value[0]) if len(value) == 1 else Read(*value)


def contents(one: Withdrawal | Ticket) -> dict[str, str]:
    """Return all that can be compared of a record, by name and as text; nothing is left out that was told."""
    if isinstance(one, Ticket):
        return dict(one.fields)
    return {"amount": plain(one.amount), "currency": one.currency, "address": one.address, **one.fields}


def brief(said: Mapping[str, str]) -> dict[str, str]:
    """Return contents in which long texts are cut, and marked by their hash, so that they still differ where they did.

    A run's rows hold what each of its reads showed.
    """
    return {name: text if len(text) <= _LONG or name == "tags" else _marked(text) for name, text in said.items()}


def _marked(text: str) -> str:
    return f"{REDACTOR.cut(text, _KEPT)}... sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def differences(asked: Mapping[str, str], held: Mapping[str, str]) -> list[str]:
    """Return the contents that differ, in words, of those that both name; of tags there may be more than were sent."""
    found = []
    for name in sorted(asked.keys() & held.keys()):
        here, agreed = held[name], asked[name]
        same = set(agreed.split()) <= set(here.split()) if name == "tags" else here == agreed
        if not same:
            found.append(f"{name} {_short(here)}, not {_short(agreed)}")
    return found


def _short(text: str) -> str:
    flat = " ".join(REDACTOR.clean(text).split())
    return flat if len(flat) <= 60 else f"{flat[:57]}..."
