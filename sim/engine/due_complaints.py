"""The compiled twin's complaints: each noted in its minute when its clock may start, and counted at the next tick.

One of a ticket whose deadline has changed since it was noted is on the agenda instead.
"""

from __future__ import annotations

from sim.core.clock import MINUTE_MS, NEVER, PHASE_COMPLAINT
from sim.core.jit import inlined
from sim.engine.agenda import key_of, schedule
from sim.engine.arrays import (
    AT_OPENING,
    CLOSED,
    COMPLAINS,
    END,
    FIRST_LEG,
    HAS_LEFT,
    HORIZON,
    LEAVING,
    LEVELS,
    NEXT_UNANSWERED,
    NEXT_UNSOLVED,
    NOBODY,
    NOW,
    OPENED,
    POSTED,
    POSTED_QUIET,
    POSTS_AT,
    QUIET,
    SILENCE,
    START,
    TARGET,
    UNANSWERED,
    UNSOLVED,
)  # fmt: skip


@inlined
def note_unanswered(n, rows, first_due, row):
    """Note when the customer of a ticket opened now will complain, unless it is answered before."""
    if rows[UNANSWERED, row] < n[HORIZON] - n[NOW]:
        _note(rows, first_due, row, 0, n[NOW] + rows[UNANSWERED, row])


@inlined
def note_unsolved(n, rows, legs, first_due, row):
    """Note when the customer of a ticket not solved at first contact will complain, if it was answered in time."""
    in_time = legs[START, rows[FIRST_LEG, row]] - rows[OPENED, row] <= rows[SILENCE, row]
    if n[LEVELS] and in_time and rows[UNSOLVED, row] < n[HORIZON] - n[NOW]:
        _note(rows, first_due, row, 1, n[NOW] + rows[UNSOLVED, row])


@inlined
def _note(rows, first_due, row, unsolved, due_ms):
    """Put a complaint into the chain of its minute: 2 x row, and one more if the ticket is an unsolved one."""
    minute = due_ms // MINUTE_MS
    rows[NEXT_UNANSWERED + unsolved, row] = first_due[minute]
    first_due[minute] = 2 * row + unsolved


@inlined
def note_anew(n, rows, agenda, row, what):
    """Note when the customer of a ticket that waits for its first answer will complain, since LEAVING has changed.

    A complaint that was due by now was due under the target, which does not change.
    """
    if not n[LEVELS] or n[AT_OPENING]:
        return
    silence, after = min(rows[TARGET, row], rows[LEAVING, row]), rows[COMPLAINS, row]
    due_ms = NEVER
    if silence < n[HORIZON] and after < n[HORIZON]:
        due_ms = rows[OPENED, row] + silence + after
    if due_ms <= n[NOW]:
        return
    rows[SILENCE, row], rows[POSTS_AT, row] = silence, due_ms
    schedule(n, agenda, due_ms, key_of(PHASE_COMPLAINT, row, what))


@inlined
def post(n, rows, legs, row):
    """Count a complaint that is on the agenda now, unless it was noted anew, or the ticket is answered or resolved."""
    if rows[POSTS_AT, row] != n[NOW]:
        return
    rows[POSTS_AT, row] = NEVER
    begun = legs[START, rows[FIRST_LEG, row]] - rows[OPENED, row] > rows[SILENCE, row]
    if begun and (rows[CLOSED, row] > n[NOW] or rows[HAS_LEFT, row]):
        n[POSTED] += 1
        n[POSTED_QUIET] += rows[QUIET, row]


@inlined
def complaints_of(rows, legs, first_due, minute, at_opening):
    """Return how many complaints of a minute are made, those of tickets not resolved by then; how many unanswerable."""
    made, quiet, complaint = 0, 0, first_due[minute]
    while complaint != NOBODY:
        row = complaint >> 1
        leg = rows[FIRST_LEG, row]
        if complaint & 1:
            due_ms, begun = legs[END, leg] + rows[UNSOLVED, row], True
            complaint = rows[NEXT_UNSOLVED, row]
        else:
            due_ms = rows[OPENED, row] + rows[UNANSWERED, row]
            begun = at_opening or legs[START, leg] - rows[OPENED, row] > rows[SILENCE, row]
            begun = begun and rows[POSTS_AT, row] == NOBODY
            complaint = rows[NEXT_UNANSWERED, row]
        if begun and (rows[CLOSED, row] > due_ms or rows[HAS_LEFT, row]):
            made += 1
            quiet += rows[QUIET, row]
    return made, quiet
