"""The requests of a minute: those drawn, those made again, and what a closure puts off."""

from __future__ import annotations

from sim.core.jit import inlined, outlined
from sim.feedback.mechanisms.withdrawals import (
    AGAIN,
    AGAIN_C,
    CLASSES,
    DEFERRED,
    ENTERING,
    MOVING,
    N_AGAIN,
    NEW_AT,
    REQUESTED_ROWS,
    RETURNING,
    ROW_CENTS,
    ROW_MINUTE,
    ROW_RAIL,
)
from sim.feedback.pipeline.rows import move, put_off, sort, take_due


@inlined
def request(lv, row):  # type: ignore[no-untyped-def]
    """Put the requests of the minute before the tick among those on their way, and those that are made again.

    What was held until now enters its line.
    """
    minute, again = row - 1, 0
    lv.places[MOVING] = lv.places[ENTERING] = 0
    for r in range(lv.counted.shape[0]):
        for kind in range(CLASSES):
            for what in range(2):
                back = lv.due[row, r, AGAIN + 2 * kind + what]
                lv.counted[r, kind, what] = back
                if minute > 0:
                    lv.counted[r, kind, what] += lv.requests[r, kind, what, minute - 1]
                if what == 0:
                    again += back
                else:
                    lv.rails[row, r, AGAIN_C] -= back
    lv.ints[row, N_AGAIN] -= again + _requested_again(lv, row)
    i = lv.places[NEW_AT]
    while i < lv.new_rows and lv.drawn_rows[i, ROW_MINUTE] < minute:
        move(lv, i)
        lv.ints[row, REQUESTED_ROWS] += 1
        i += 1
    lv.places[NEW_AT] = i


@inlined
def _requested_again(lv, row):  # type: ignore[no-untyped-def]
    """Take the rows that were put off to this minute; return how many of them are requested again."""
    again = take_due(lv, row)
    for at in range(again):
        i = lv.moving[at]
        lv.rails[row, lv.drawn_rows[i, ROW_RAIL], AGAIN_C] -= lv.drawn_rows[i, ROW_CENTS]
    return again


@inlined
def arrange(lv, row):  # type: ignore[no-untyped-def]
    """Put the minute's rows in order; in a closure, put all requests off to its end."""
    sort(lv.moving, lv.places[MOVING])
    if lv.request_tick[row - 1] > row - 1:
        _defer(lv, row, lv.request_tick[row - 1] - (row - 1))


@outlined
def _defer(lv, row, minutes):  # type: ignore[no-untyped-def]
    """Put every request of the minute off."""
    at, n = min(row + minutes, lv.due.shape[0] - 1), lv.places[MOVING]
    for r in range(lv.counted.shape[0]):
        for kind in range(CLASSES):
            n += lv.counted[r, kind, 0]
            lv.rails[row, r, AGAIN_C] += lv.counted[r, kind, 1]
            for what in range(2):
                lv.due[at, r, AGAIN + 2 * kind + what] += lv.counted[r, kind, what]
                lv.counted[r, kind, what] = 0
    for place in range(lv.places[MOVING]):
        i = lv.moving[place]
        lv.rails[row, lv.drawn_rows[i, ROW_RAIL], AGAIN_C] += lv.drawn_rows[i, ROW_CENTS]
        put_off(lv, i, row, minutes, RETURNING)
    lv.places[MOVING] = 0
    lv.ints[row, N_AGAIN] += n
    lv.ints[row, DEFERRED] += n
