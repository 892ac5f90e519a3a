"""What the answer to a read shows, in one line of text: so it goes into a request's row, and from there to the checks.

The line is JSON: nothing where the answer cannot tell, ``[]`` where it found no record, ``[account]`` of a login, else
``[key, server_id, status, stage, final, said]``, where ``said`` is what the answer says of the record's contents.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from loadtests.dialect.contract import WRITES, Answer, Arrival, Dialect, Request, Showing, Shown, Ticket, Withdrawal
from loadtests.dialect.payload import plain


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
    if arrival.endpoint in WRITES or not isinstance(dialect, Showing):
        return ""
    shown = dialect.shows(arrival, request, answer)
    return "" if shown is None else line_of(shown)


def line_of(shown: Shown) -> str:
    """Return the line that says what was shown."""
    one = shown.record
    if one is None:
        return json.dumps([shown.account] if shown.account else [])
    if isinstance(one, Withdrawal):
        said = contents(one)
        return json.dumps([one.key, one.server_id, one.status, one.stage, one.final, said], separators=(",", ":"))
    row = [one.key, one.server_id, one.status, -1, one.closed, dict(one.fields)]
    return json.dumps(row, separators=(",", ":"))


def read_of(line: str) -> Read | str | None:
    """Return the record that a line shows, the account of a login, or None where nothing was found."""
    value = json.loads(line)
    return None if not value else str(value[0]) if len(value) == 1 else Read(*value)


def contents(one: Withdrawal | Ticket) -> dict[str, str]:
    """Return all that can be compared of a record, by name and as text; nothing is left out that was told."""
    if isinstance(one, Ticket):
        return dict(one.fields)
    return {"amount": plain(one.amount), "currency": one.currency, "address": one.address, **one.fields}


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
    flat = " ".join(text.split())
    return flat if len(flat) <= 60 else f"{flat[:57]}..."
