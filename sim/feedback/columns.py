"""The columns of the live levels: what each is, by the minute. Row m + 1 belongs to minute m, row 0 to the time before.

``cum_`` are running sums, ``new_`` what came in the minute, ``n_`` what there is at its tick; money is US cents.
"""

from __future__ import annotations

STREAMS = ("late", "rumour", "fault", "limited", "address", "network", "barred", "signup")
(
    LATE_STREAM, RUMOUR_STREAM, FAULT_STREAM, LIMITED_STREAM, ADDRESS_STREAM, NETWORK_STREAM, BARRED_STREAM,
    SIGNUP_STREAM,
) = range(len(STREAMS))  # fmt: skip

INT_NAMES = (
    "new_complaints", "new_copies", "n_spreaders", "cum_panicked", "new_requests", "cum_failed", "cum_gave_up",
    "cum_over_limit", "cum_turned_away", "cum_dropped", "cum_held", "cum_released", "n_late", "n_open", "n_again",
    "new_short", "cum_barred", "cum_breaches", "cum_wrong_address", "cum_wrong_network", "cum_wrong_address_cents",
    "cum_wrong_network_cents", "new_copies_unanswerable",
)  # fmt: skip
(
    COMPLAINTS, COPIES, SPREADERS, PANICKED, REQUESTS, FAILED, GAVE_UP, OVER_LIMIT, TURNED_AWAY, DROPPED, HELD,
    RELEASED, N_LATE, N_OPEN, N_AGAIN, SHORT, BARRED, BREACHES, WRONG_ADDRESS, WRONG_NETWORK, WRONG_ADDRESS_C,
    WRONG_NETWORK_C, COPIES_UNANSWERABLE,
) = range(len(INT_NAMES))  # fmt: skip
"""``new_requests`` are all attempts that reached the gateway, repeated ones included; ``n_again`` are those who will
try once more, ``new_short`` the rails whose hot wallet could not pay what was due. ``cum_barred`` are refused for the
customer's country, ``cum_breaches`` are forbidden there and passed its check. What goes to a wrong address or over a
wrong network is paid like the rest. ``new_copies_unanswerable`` are those of ``new_copies`` that nobody may answer."""

FLOAT_NAMES = (
    "rumour", "trust", "review_credit", "error_share", "tightness", "level_late", "level_rumour", "level_fault",
    "level_limited", "level_address", "level_network", "level_barred", "level_signup",
)  # fmt: skip
(
    RUMOUR, TRUST, REVIEW_CREDIT, ERROR_SHARE, TIGHTNESS, LEVEL_LATE, LEVEL_RUMOUR, LEVEL_FAULT, LEVEL_LIMITED,
    LEVEL_ADDRESS, LEVEL_NETWORK, LEVEL_BARRED, LEVEL_SIGNUP,
) = range(len(FLOAT_NAMES))  # fmt: skip
ADMISSION_COLUMN = {stream: LEVEL_LATE + stream for stream in range(len(STREAMS))}
"""A level is the share of a stream's candidates admitted in the minute; above 1 it is cut short."""

RAIL_NAMES = (
    "cum_review_in", "cum_review_in_cents", "cum_reviewed", "cum_reviewed_cents", "cum_payout_in",
    "cum_payout_in_cents", "cum_paid", "cum_paid_cents", "cum_final", "hot_cents", "cold_cents", "transit_cents",
    "cum_lost_cents", "again_cents", "held_cents",
)  # fmt: skip
(
    REVIEW_IN, REVIEW_IN_C, REVIEWED, REVIEWED_C, PAYOUT_IN, PAYOUT_IN_C, PAID, PAID_C, FINAL, HOT_C, COLD_C,
    TRANSIT_C, LOST_C, AGAIN_C, HELD_C,
) = range(len(RAIL_NAMES))  # fmt: skip
"""Columns of each rail: into and out of review, into the payout line, paid, final on its chain; its wallets, and what
is on its way from the cold to the hot one; money of requests given up, turned away, barred or dropped, of those who
will try once more, and of those held."""

EXOGENOUS_NAMES = (
    "quiet_late", "quiet_fault", "quiet_limited", "tightness", "contagion", "boost", "boost_unanswered", "trust_shock",
    "other_requests",
)  # fmt: skip
(
    QUIET_LATE, QUIET_FAULT, QUIET_LIMITED, MARKET_TIGHTNESS, CONTAGION, BOOST, BOOST_UNANSWERED, TRUST_SHOCK, OTHERS,
) = range(len(EXOGENOUS_NAMES))  # fmt: skip
"""What a minute is given from outside, 0 where nothing is: the shares of three streams that words
prevent (announcements, status messages), how far
the market alone tightens limits, people frightened by other platforms, posts' worth of amplification (of what can be
answered, and of what cannot), the change of trust, and requests to other endpoints."""
