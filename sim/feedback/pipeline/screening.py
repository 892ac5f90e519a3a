"""Screening: rows that people review, oldest first at a rate, some of which are held a while after that."""

from __future__ import annotations

from sim.core.jit import inlined
from sim.feedback.mechanisms.lines import capacity
from sim.feedback.mechanisms.withdrawals import (
    ENTERED,
    HELD,
    HELD_C,
    HELD_ROW,
    IN_REVIEW,
    LET_OFF,
    MOVING,
    ON_HOLD,
    REVIEW_HEAD,
    REVIEW_IN,
    REVIEW_IN_C,
    REVIEW_TAIL,
    REVIEWED,
    REVIEWED_C,
    REVIEWED_ROW,
    ROW_CENTS,
    ROW_FLAGS,
    ROW_MINUTE,
    ROW_RAIL,
    STAGE,
)
from sim.feedback.pipeline.rows import AT_REVIEW, NOBODY, append, enter, leave, mark_of, put_off


@inlined
def review(lv, row):  # type: ignore[no-untyped-def]
    """Review those who stood in line before this tick, as many as can be; hold some, let the others go on."""
    numbers, places = lv.numbers[0], lv.places
    able = capacity(row - 1, 1, numbers.reviews_per_minute)
    while able > 0 and places[REVIEW_HEAD] != NOBODY:
        able -= 1
        i = leave(lv, places, REVIEW_HEAD)
        r, cents = lv.drawn_rows[i, ROW_RAIL], lv.drawn_rows[i, ROW_CENTS]
        lv.rails[row, r, REVIEWED] += 1
        lv.rails[row, r, REVIEWED_C] += cents
        if lv.drawn_rows[i, ROW_FLAGS] & HELD_ROW:
            lv.ints[row, HELD] += 1
            lv.rails[row, r, HELD_C] += cents
            put_off(lv, i, row, numbers.hold_minutes, ON_HOLD)
        else:
            enter(lv, i)


@inlined
def _let_off(lv, row, i):  # type: ignore[no-untyped-def]
    """Return whether a row of a run, drawn as for the minute with the most reviews, needs none in this one."""
    share = lv.exogenous[LET_OFF, row - 1]
    return share > 0.0 and lv.drawn_rows[i, ROW_MINUTE] < 0 and mark_of(lv, i, AT_REVIEW) < share


@inlined
def screen(lv, row):  # type: ignore[no-untyped-def]
    """Put the rows that need a review at the end of its line; let the others enter their payout line."""
    for place in range(lv.places[MOVING]):
        i = lv.moving[place]
        if not lv.drawn_rows[i, ROW_FLAGS] & REVIEWED_ROW or _let_off(lv, row, i):
            enter(lv, i)
            continue
        lv.rows[i, STAGE], lv.rows[i, ENTERED] = IN_REVIEW, row
        append(lv, i, lv.places, REVIEW_HEAD, REVIEW_TAIL)
        lv.rails[row, lv.drawn_rows[i, ROW_RAIL], REVIEW_IN] += 1
        lv.rails[row, lv.drawn_rows[i, ROW_RAIL], REVIEW_IN_C] += lv.drawn_rows[i, ROW_CENTS]
