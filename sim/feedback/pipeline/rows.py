"""Rows on their way: those put off to a minute, lines in order of entry, and the marks that live shares meet.

A line is a chain of rows, first to last; each row is in one chain at most, so all share the column ``NEXT``.
"""

from __future__ import annotations

from sim.core.jit import inlined, outlined
from sim.feedback.mechanisms.withdrawals import (
    ATTEMPT,
    CLASSES,
    ENTERING,
    HELD_C,
    IN_LINE,
    MOVING,
    NEXT,
    ON_HOLD,
    RELEASED,
    ROW_CENTS,
    ROW_RAIL,
    STAGE,
)  # fmt: skip
from sim.numerics.streams import nth_uniform, purpose_key, uniform_of_attempt

NOBODY = -1
MARK_STRIDE = 1 << 24
"""Ordinals of one cohort's marks start at its number times MARK_STRIDE."""
AT_GATEWAY, AT_RETRY, AT_RETURN, AT_REVIEW = (purpose_key(name) for name in ("gateway", "retry", "return", "let off"))


@inlined
def mark_of(lv, i, purpose):  # type: ignore[no-untyped-def]
    """Return the mark in (0, 1) of a row's attempt for a purpose."""
    return uniform_of_attempt(lv.row_keys[i], lv.rows[i, ATTEMPT], purpose)


@outlined
def marks_below(lv, cohort, n, share, purpose):  # type: ignore[no-untyped-def]
    """Return how many of the marks 0 to n - 1 of a cohort (rail, class, minute) lie below a share, for a purpose."""
    if n == 0 or share <= 0.0:
        return 0
    if share >= 1.0:
        return n
    rail, kind, minute = cohort
    first, below = ((minute * lv.counted.shape[0] + rail) * CLASSES + kind) * MARK_STRIDE, 0
    for i in range(n):
        if nth_uniform(lv.mark_keys[0], lv.mark_keys[1], first + i, purpose) < share:
            below += 1
    return below


@inlined
def portion(cents, some, of):  # type: ignore[no-untyped-def]
    """Return the money of ``some`` of the withdrawals of one cohort, rounded down; without overflow."""
    if some == of:  # as a rule, and a division takes longer than all the rest
        return cents
    return cents // of * some + cents % of * some // of


@inlined
def put_off(lv, i, row, minutes, stage):  # type: ignore[no-untyped-def]
    """Put a row off by some minutes, at a stage; the last minute of the table stands for after the end."""
    at = min(row + minutes, len(lv.due_rows) - 1)
    lv.rows[i, STAGE] = stage
    lv.rows[i, NEXT], lv.due_rows[at] = lv.due_rows[at], i


@inlined
def move(lv, i):  # type: ignore[no-untyped-def]
    """Put a row among those on their way through the minute's gates."""
    lv.moving[lv.places[MOVING]] = i
    lv.places[MOVING] += 1


@inlined
def enter(lv, i):  # type: ignore[no-untyped-def]
    """Put a row among those that enter their payout line in this minute."""
    lv.rows[i, STAGE] = IN_LINE
    lv.entering[lv.places[ENTERING]] = i
    lv.places[ENTERING] += 1


@inlined
def take_due(lv, row):  # type: ignore[no-untyped-def]
    """Take what was put off to this minute: held rows enter their line, the others are requested again."""
    i, again = lv.due_rows[row], 0
    while i != NOBODY:
        after = lv.rows[i, NEXT]
        if lv.rows[i, STAGE] == ON_HOLD:
            lv.ints[row, RELEASED] += 1
            lv.rails[row, lv.drawn_rows[i, ROW_RAIL], HELD_C] -= lv.drawn_rows[i, ROW_CENTS]
            enter(lv, i)
        else:
            again += 1
            move(lv, i)
        i = after
    return again


@inlined
def append(lv, i, places, head, tail):  # type: ignore[no-untyped-def]
    """Put a row at the end of a line whose head and tail stand in ``places``."""
    lv.rows[i, NEXT] = NOBODY
    if places[head] == NOBODY:
        places[head] = i
    else:
        lv.rows[places[tail], NEXT] = i
    places[tail] = i


@inlined
def leave(lv, places, head):  # type: ignore[no-untyped-def]
    """Take the first row off a line; return it."""
    i = places[head]
    places[head] = lv.rows[i, NEXT]
    return i


@outlined
def sort(numbers, n):  # type: ignore[no-untyped-def]
    """Sort the first n numbers; few are out of place, as a rule."""
    for i in range(1, n):
        one, at = numbers[i], i
        while at > 0 and numbers[at - 1] > one:
            numbers[at] = numbers[at - 1]
            at -= 1
        numbers[at] = one
