"""The times of a candle file, in the spellings that exports have, as milliseconds since 1970 in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

Order = Literal["month first", "day first"]
"""How a file writes dates such as 1/15/2020."""

RULE = "must be a time in UTC: ISO 8601 (2020-03-12T06:00Z), 2020-03-12 06-AM, 12.3.2020 06:00, or seconds since 1970"
UNCLEAR = "must put the year first (2020-03-12 06:00), since no line tells days from months"

_EPOCH = datetime(1970, 1, 1)
"""The origin of times, which without an offset are read as UTC."""
_STAMP = re.compile(r"(\d{9,19})(?:\.\d*)?")
_PER_SECOND = ((10**11, 1), (10**14, 10**3), (10**17, 10**6), (10**20, 10**9))
"""Below which number a stamp is in which unit, and how many make a second: today's have 10, 13, 16 or 19 digits."""
_DATE = re.compile(r"(\d{1,4})([-./])(\d{1,2})\2(\d{4}|\d{2})")
_WRITTEN = re.compile(
    _DATE.pattern
    + r"(?:[ T,]+(\d{1,2})(?::(\d{2}))?(?::(\d{2})(?:[.,]\d+)?)?[ -]?([ap]m)?)?"
    + r"\s*(?:gmt|utc)?\s*(z|[+-]\d{1,2}:?\d{2})?",
    re.IGNORECASE,
)


class When(NamedTuple):
    """An instant in ms since 1970, and whether the text said its zone (or could not but be UTC)."""

    ms: int
    zoned: bool


def time_of(text: str, order: Order | None = None) -> When | None:
    """Return the instant of a cell, or None if it is no time; without an offset it is read as UTC."""
    stamp = _STAMP.fullmatch(text)
    if stamp:
        whole = int(stamp[1])
        per_second = next(per for largest, per in _PER_SECOND if whole < largest)
        return When(whole * 1000 // per_second, zoned=True)
    try:
        return _when(datetime.fromisoformat(text))
    except ValueError:
        return _written(text, order)


def is_unclear(text: str) -> bool:
    """Return whether day and month of a cell can only be told apart by the file's other lines."""
    found = _DATE.match(text)
    return found is not None and len(found[1]) < 3 and found[2] != "."


def order_of(texts: Iterable[str]) -> Order | None:
    """Return which of day and month comes first in a file's dates; None if no line tells."""
    for text in texts:
        if is_unclear(text):
            found = _DATE.match(text)
            assert found is not None
            if int(found[1]) > 12:
                return "day first"
            if int(found[3]) > 12:
                return "month first"
    return None


def _written(text: str, order: Order | None) -> When | None:
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    first, mark, second, third, hour, minute, second_of, half, offset = found.groups()
    if len(first) == 4:
        year, month, day = first, second, third
    elif mark == "." or order == "day first":
        day, month, year = first, second, third
    elif order == "month first":
        month, day, year = first, second, third
    else:
        return None
    if half and not 1 <= int(hour) <= 12:
        return None
    hours = int(hour or 0) % 12 + (12 if half.lower() == "pm" else 0) if half else int(hour or 0)
    century = "20" if len(year) == 2 else ""
    iso = (
        f"{century}{year}-{month:0>2}-{day:0>2}T{hours:02}:{minute or '00'}:{second_of or '00'}{_offset(text, offset)}"
    )
    try:
        return _when(datetime.fromisoformat(iso))
    except ValueError:
        return None


def _offset(text: str, offset: str | None) -> str:
    """Return an offset as ISO 8601 writes it; UTC and GMT without one are 0."""
    if offset and offset not in "zZ":
        digits = offset[1:].replace(":", "")
        return f"{offset[0]}{digits:0>4}"
    return "Z" if offset or re.search("gmt|utc", text, re.IGNORECASE) else ""


def _when(found: datetime) -> When | None:
    zoned = found.tzinfo is not None
    try:
        plain = found.astimezone(UTC).replace(tzinfo=None) if zoned else found
    except OverflowError:
        return None
    return When((plain - _EPOCH) // timedelta(milliseconds=1), zoned)
