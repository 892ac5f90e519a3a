"""Withdrawals by the minute, from the request to the chain: counts and money, and rows with an identity.

Request -> gateway (its excess fails; some try again) -> law of the customer's country -> limits -> confirmation by the
customer (some drop out, some err) -> screening (automatic, reviewed, held) -> payout line of the rail -> hot wallet ->
blocks -> final. Whoever is treated as everybody is counted, with the money of all of the minute's; whoever his own
draws treat differently is a row, which stays itself from stage to stage.
"""

from __future__ import annotations

from sim.core.jit import inlined
from sim.feedback.mechanisms.rumour import TICKETS_CLOSED
from sim.feedback.mechanisms.withdrawals import (
    ACCEPTED,
    ACCEPTED_ROWS,
    ADMITTED_LATE,
    COUNTED_IN,
    FINAL,
    HELD,
    IN_LINE,
    IN_REVIEW,
    LATE,
    LATE_AT,
    LATE_ROWS,
    N_LATE,
    N_OPEN,
    ON_CHAIN,
    ON_HOLD,
    PAYOUT_IN,
    QUIET_LATE,
    RELEASED,
    REQUESTED_ROWS,
    REQUESTS,
    REVIEW_IN,
    REVIEWED,
    ROWS_FINAL,
    SHORT,
    STAGE,
    STUCK,
)
from sim.feedback.pipeline.gates import pass_gates
from sim.feedback.pipeline.payout import pay, settle, stand_in_line
from sim.feedback.pipeline.requests import arrange, request
from sim.feedback.pipeline.screening import review, screen


@inlined
def begin(lv, row):  # type: ignore[no-untyped-def]
    """Carry the sums and stocks over from the minute before; take its requests, and what comes back at this tick."""
    for column in range(REQUESTS, REQUESTED_ROWS + 1):
        lv.ints[row, column] = lv.ints[row - 1, column]
    lv.ints[row, SHORT] = lv.ints[row, STUCK] = 0
    for r in range(lv.rails.shape[1]):
        for column in range(lv.rails.shape[2]):
            lv.rails[row, r, column] = lv.rails[row - 1, r, column]
    request(lv, row)


@inlined
def withdraw(lv, row, tickets, open_tickets):  # type: ignore[no-untyped-def]
    """Take the requests on their way through all stages; write the minute's columns.

    ``tickets`` were opened in the minute before the tick, ``open_tickets`` are open at it.
    """
    arrange(lv, row)
    review(lv, row)
    pass_gates(lv, row, tickets, open_tickets)
    screen(lv, row)
    stand_in_line(lv, row)
    for r in range(lv.rails.shape[1]):
        pay(lv, row, r)
        settle(lv, row, r)
    _count(lv, row)


@inlined
def _count(lv, row):  # type: ignore[no-untyped-def]
    """Write how many are on their way and how many are late, and the share of candidates that the late admit."""
    numbers, late, waiting = lv.numbers[0], _late_rows(lv, row - 1), lv.ints[row, HELD] - lv.ints[row, RELEASED]
    before = row - numbers.promise_minutes
    for r in range(lv.rails.shape[1]):
        waiting += lv.rails[row, r, REVIEW_IN] - lv.rails[row, r, REVIEWED]
        waiting += lv.rails[row, r, PAYOUT_IN] - lv.rails[row, r, FINAL]
        if before > 0:
            final = lv.rails[row, r, FINAL] - lv.rails[row, r, ROWS_FINAL]
            late += max(lv.rails[before, r, COUNTED_IN] - final, 0)
    lv.ints[row, N_LATE], lv.ints[row, N_OPEN] = late, waiting
    if not lv.exogenous[TICKETS_CLOSED, row - 1]:
        quiet = 1.0 - lv.exogenous[QUIET_LATE, row - 1]
        lv.floats[row, ADMITTED_LATE] = late * numbers.late_admitted_per_withdrawal * quiet


@inlined
def _late_rows(lv, minute):  # type: ignore[no-untyped-def]
    """Return how many rows are late at a minute's tick, those included whose promise ends at it."""
    at = lv.places[LATE_AT]
    while at < lv.places[ACCEPTED_ROWS]:
        i = lv.accepted[at]
        if lv.rows[i, ACCEPTED] + lv.numbers[0].promise_minutes > minute:
            break
        stage = lv.rows[i, STAGE]
        if stage in (IN_REVIEW, ON_HOLD, IN_LINE, ON_CHAIN):
            lv.rows[i, LATE] = 1
            lv.places[LATE_ROWS] += 1
        at += 1
    lv.places[LATE_AT] = at
    return lv.places[LATE_ROWS]
