"""Integer milliseconds: the only clock of the model.

Simulated time starts at 0 (the scenario's ``start``, UTC) and counts milliseconds. Durations and calendar times
are text only at the edges (scenarios, command line, reports); the conversions live here.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

MS = 1
SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS

NEVER = 2**63 - 1
"""The time of what does not happen: the largest int64."""

# Phases order what is due in one instant. SimPy's own until-event has priority 0, so they start at 1.
PHASE_DONE, PHASE_SHIFT, PHASE_LEVELS, PHASE_COMPLAINT, PHASE_OPEN, PHASE_DECIDE = range(1, 7)

_UNITS_MS = {"ms": MS, "s": SECOND_MS, "min": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": WEEK_MS}
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min|h|d|w)\s*")
LONGEST_MS = 10**6 * DAY_MS
DURATION_RULE = 'must be a duration in quotes: a number and one of ms, s, min, h, d, w (such as "12 min")'


def duration_ms(text: str) -> int:
    """Return the milliseconds of a duration such as ``"12 min"``, ``"1.5 h"`` or ``"250 ms"``.

    Raises ValueError, with the rule in its message, for anything else.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(DURATION_RULE)
    ms = float(match[1]) * _UNITS_MS[match[2]]
    if ms >= LONGEST_MS:
        raise ValueError(f"must be a duration below {LONGEST_MS // DAY_MS:,} d")
    return round(ms)


def duration_text(ms: float) -> str:
    """Return a duration for people, in its largest fitting unit and at most three digits: ``"12 min"``."""
    if ms >= NEVER:
        return "never"
    for unit in ("d", "h", "min", "s"):
        value = float(f"{ms / _UNITS_MS[unit]:.3g}")
        if abs(value) >= 1:
            return f"{value:,.10g} {unit}"
    return f"{ms:.3g} ms"


def parse_utc(text: str) -> datetime:
    """Return the UTC instant of an ISO 8601 date or time; without a zone it is read as UTC.

    Raises ValueError for text that is no such date.
    """
    when = datetime.fromisoformat(text)
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
