"""The live levels: one function of the minute, called by every engine, in arithmetic that all do identically.

The withdrawal pipeline is counts by the minute, first come first served: request -> (review) -> payout ->
confirmations. Lateness is exact for such a line: of n that had come by minute m - p, those not yet served at m
have waited p minutes or more. The rumour level rises by 1 with each public complaint and decays by multiplication.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LATE_STREAM, RUMOUR_STREAM = 0, 1
STREAMS = ("late", "rumour")

# Columns that the engines write, by the minute: running sums of counts, and numbers. A level is the share of a
# stream's candidates admitted in the minute; above 1 it is cut short. Unused capacity below one unit is carried on.
REVIEW_IN, REVIEWED, PAYOUT_IN, PAID, N_LATE, COMPLAINTS = range(6)
INT_NAMES = ("cum_review_in", "cum_reviewed", "cum_payout_in", "cum_paid", "n_late", "new_complaints")
REVIEW_CREDIT, PAYOUT_CREDIT, RUMOUR, LEVEL_LATE, LEVEL_RUMOUR = range(5)
FLOAT_NAMES = ("review_credit", "payout_credit", "rumour", "level_late", "level_rumour")
LEVEL_COLUMN = {LATE_STREAM: LEVEL_LATE, RUMOUR_STREAM: LEVEL_RUMOUR}


class LevelRules(NamedTuple):
    """The numbers that move the levels, per minute (see the scenario's tables withdrawals and rumour)."""

    reviews_per_minute: float = 0.0
    payouts_per_minute: float = 0.0
    promise_minutes: int = 1
    confirmation_minutes: int = 1
    late_level_per_withdrawal: float = 0.0
    rumour_decay: float = 0.0
    rumour_threshold: float = 0.0
    rumour_level_per_complaint: float = 0.0


def step(row, complaints, auto, review, ints, floats, rules):  # type: ignore[no-untyped-def]
    """Write row ``row`` of every column: the minute after row - 1, with that minute's complaints.

    Row m + 1 belongs to minute m and row 0, all zeros, to the time before. ``ints`` and ``floats`` hold the columns,
    lists or arrays of zeros, of which only what is not 0 is written; ``auto`` and ``review`` are the withdrawals
    requested in the minute. Typed by use, so that a compiler can take it as it stands.
    """
    before, ago = row - 1, row - rules.promise_minutes
    review_in, reviewed, payout_in, paid, n_late, new_complaints = ints
    review_credit, payout_credit, rumour, level_late, level_rumour = floats
    reviews = late = 0

    came, gone = review_in[before] + review, reviewed[before]
    if came > gone:
        credit = review_credit[before] + rules.reviews_per_minute
        waiting, able = came - gone, int(credit)
        reviews = waiting if waiting < able else able
        gone += reviews
        review_credit[row] = credit - reviews if came > gone else 0.0
        if ago > 0 and review_in[ago] > gone:
            late = review_in[ago] - gone
    review_in[row], reviewed[row] = came, gone

    came, gone = payout_in[before] + auto + reviews, paid[before]
    if came > gone:
        credit = payout_credit[before] + rules.payouts_per_minute
        waiting, able = came - gone, int(credit)
        payouts = waiting if waiting < able else able
        gone += payouts
        if came > gone:
            payout_credit[row] = credit - payouts
            if ago > 0 and payout_in[ago] > gone:
                late += payout_in[ago] - gone
    payout_in[row], paid[row] = came, gone

    if late:
        n_late[row], level_late[row] = late, late * rules.late_level_per_withdrawal
    heard = rumour[before] * rules.rumour_decay
    if complaints:
        heard += complaints
        new_complaints[row] = complaints
    rumour[row] = heard
    if heard > rules.rumour_threshold:
        level_rumour[row] = (heard - rules.rumour_threshold) * rules.rumour_level_per_complaint


def waiting_and_confirming(ints: NDArray[np.int64], rules: LevelRules) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return by the minute the withdrawals in review or waiting for payout, and those paid but not yet confirmed."""
    waiting = ints[REVIEW_IN] - ints[REVIEWED] + ints[PAYOUT_IN] - ints[PAID]
    confirmed = np.zeros_like(ints[PAID])
    confirmed[rules.confirmation_minutes :] = ints[PAID][: -rules.confirmation_minutes]
    return waiting, ints[PAID] - confirmed
