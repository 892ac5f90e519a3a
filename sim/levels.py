"""The live levels: one function of the minute, called by every engine, in arithmetic that all do identically.

The withdrawal pipeline is counts by the minute, first come first served: request -> (review) -> payout ->
confirmations. Lateness is exact for such a line: of n that had come by minute m - p, those not yet served at m
have waited p minutes or more. The rumour level rises by 1 with each public complaint and decays by multiplication.
"""

from __future__ import annotations

from dataclasses import dataclass

LATE_STREAM, RUMOUR_STREAM = 0, 1
STREAMS = ("late", "rumour")

# Integer columns, all by the minute: stocks at its end and running sums up to it.
(REVIEW_IN, REVIEWED, PAYOUT_IN, PAID, N_REVIEW, N_PAYOUT, N_CONFIRMING, N_LATE, COMPLAINTS) = range(9)
INT_NAMES = (
    "cum_review_in",
    "cum_reviewed",
    "cum_payout_in",
    "cum_paid",
    "n_review",
    "n_payout",
    "n_confirming",
    "n_late",
    "new_complaints",
)
# Float columns. A level is the share of a stream's candidates admitted in the minute; above 1 it is cut short.
(REVIEW_CREDIT, PAYOUT_CREDIT, RUMOUR, LEVEL_LATE, LEVEL_RUMOUR) = range(5)
FLOAT_NAMES = ("review_credit", "payout_credit", "rumour", "level_late", "level_rumour")
LEVEL_COLUMN = {LATE_STREAM: LEVEL_LATE, RUMOUR_STREAM: LEVEL_RUMOUR}


@dataclass(frozen=True)
class LevelRules:
    """The numbers that move the levels, per minute (see the scenario's tables withdrawals and rumour)."""

    reviews_per_minute: float = 0.0
    payouts_per_minute: float = 0.0
    promise_minutes: int = 1
    confirmation_minutes: int = 1
    late_level_per_withdrawal: float = 0.0
    rumour_decay: float = 0.0
    rumour_threshold: float = 0.0
    rumour_level_per_complaint: float = 0.0


def step(m, complaints, auto, review, ints, floats, rules):  # type: ignore[no-untyped-def]
    """Write minute ``m`` of every column, from the minute before and the complaints of [m - 1, m).

    ``ints[column][minute]`` and ``floats[column][minute]`` are lists or arrays; ``auto`` and ``review`` hold the
    withdrawals requested by the minute. Typed by use, so that a compiler can take it as it stands.
    """
    first = m == 0
    ints[COMPLAINTS][m] = complaints
    review_in = review[m] + (0 if first else ints[REVIEW_IN][m - 1])
    reviewed = 0 if first else ints[REVIEWED][m - 1]
    credit = rules.reviews_per_minute + (0.0 if first else floats[REVIEW_CREDIT][m - 1])
    done = min(review_in - reviewed, int(credit))
    reviewed += done
    floats[REVIEW_CREDIT][m] = credit - done if review_in > reviewed else 0.0
    ints[REVIEW_IN][m] = review_in
    ints[REVIEWED][m] = reviewed
    ints[N_REVIEW][m] = review_in - reviewed

    payout_in = auto[m] + done + (0 if first else ints[PAYOUT_IN][m - 1])
    paid = 0 if first else ints[PAID][m - 1]
    credit = rules.payouts_per_minute + (0.0 if first else floats[PAYOUT_CREDIT][m - 1])
    done = min(payout_in - paid, int(credit))
    paid += done
    floats[PAYOUT_CREDIT][m] = credit - done if payout_in > paid else 0.0
    ints[PAYOUT_IN][m] = payout_in
    ints[PAID][m] = paid
    ints[N_PAYOUT][m] = payout_in - paid

    ago = m - rules.confirmation_minutes
    ints[N_CONFIRMING][m] = paid - (ints[PAID][ago] if ago >= 0 else 0)
    ago = m - rules.promise_minutes
    late = 0
    if ago >= 0:
        late = max(ints[PAYOUT_IN][ago] - paid, 0) + max(ints[REVIEW_IN][ago] - reviewed, 0)
    ints[N_LATE][m] = late
    floats[LEVEL_LATE][m] = late * rules.late_level_per_withdrawal

    rumour = complaints + (0.0 if first else floats[RUMOUR][m - 1] * rules.rumour_decay)
    floats[RUMOUR][m] = rumour
    excess = rumour - rules.rumour_threshold
    floats[LEVEL_RUMOUR][m] = excess * rules.rumour_level_per_complaint if excess > 0.0 else 0.0
