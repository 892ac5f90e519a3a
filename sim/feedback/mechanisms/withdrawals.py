"""What the withdrawal pipeline declares: its columns by the minute and by rail, its rows, streams and parameters.

``sim.feedback.pipeline`` has its steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.feedback.declaration import (
    BY_CLASS,
    DRAWN_ROWS,
    DUE,
    EXOGENOUS,
    FLOATS,
    INTS,
    PLACES,
    RAIL_NUMBERS,
    RAIL_PLACES,
    RAILS,
    ROWS,
    event_stream,
    parameter,
    stream,
)

NEVER_MINUTES = 1 << 40
"""A delay that no run outlasts."""

CLASSES = 3
PASSING, DROPPING, FORBIDDEN = range(CLASSES)
"""What becomes of a counted request, drawn with it: it goes on to be paid, its customer never confirms it, or the
customer's country forbids it (and whether that customer would confirm is never asked)."""

REVIEWED_ROW, HELD_ROW, DROPPED_ROW, BREACHING_ROW, ADDRESS_ROW, NETWORK_ROW = (1 << bit for bit in range(6))
"""Flags of a row, drawn with it: reviewed by people; held after that; never confirmed; forbidden by the customer's
country and past its check; sent to a wrong address; sent over a wrong network."""

(
    DRAWN, RETURNING, IN_REVIEW, ON_HOLD, IN_LINE, ON_CHAIN, DONE, LOST_AT_GATEWAY, LOST_AT_LIMIT, UNCONFIRMED,
) = range(10)  # fmt: skip
"""Where a row is: not yet requested; to be requested again; in review; held; in the payout line; paid and not final;
final; given up after a failure; turned away by a limit; not confirmed."""

# --- by the minute ------------------------------------------------------------------------------------------------

REQUESTS = INTS.column("new_requests", "requests", "attempts that reached the gateway, repeated ones included")
FAILED = INTS.column("cum_failed", "requests", "attempts that the gateway failed")
GAVE_UP = INTS.column("cum_gave_up", "requests", "failed ones that are not made again")
OVER_LIMIT = INTS.column("cum_over_limit", "requests", "attempts refused by a limit")
TURNED_AWAY = INTS.column("cum_turned_away", "requests", "refused by a limit and not made again")
DROPPED = INTS.column("cum_dropped", "requests", "not confirmed by the customer")
HELD = INTS.column("cum_held", "withdrawals", "held after the review")
RELEASED = INTS.column("cum_released", "withdrawals", "released after being held")
N_LATE = INTS.column("n_late", "withdrawals", "not final for as long as was promised, or longer, since accepted")
N_OPEN = INTS.column("n_open", "withdrawals", "on their way: in review, held, in the payout line or on the chain")
N_AGAIN = INTS.column("n_again", "requests", "that will be made again: failed, refused, or put off by a closure")
DEFERRED = INTS.column("cum_deferred", "requests", "put off to the end of a closure")
SHORT = INTS.column("new_short", "rails", "open rails whose first in line asks for more than is in the hot wallet")
STUCK = INTS.column("new_stuck", "rails", "rails whose first in line asks for more than all of the rail's money")
BARRED = INTS.column("cum_barred", "requests", "refused for the customer's country")
BREACHES = INTS.column("cum_breaches", "requests", "forbidden in the customer's country, and accepted")
BREACH_COST_C = INTS.column("cum_breach_cost_cents", "cents", "fines and legal costs of those breaches")
WRONG_ADDRESS = INTS.column("cum_wrong_address", "withdrawals", "sent to a wrong address, and paid like the rest")
WRONG_NETWORK = INTS.column("cum_wrong_network", "withdrawals", "sent over a wrong network, and paid like the rest")
WRONG_ADDRESS_C = INTS.column("cum_wrong_address_cents", "cents", "their money")
WRONG_NETWORK_C = INTS.column("cum_wrong_network_cents", "cents", "their money")
REQUESTED_ROWS = INTS.column("cum_rows", "requests", "that are rows, each counted when it is first made")
LOAD = FLOATS.column("gateway_load", "requests/min", "all that the endpoints are asked in the minute")
ERROR_SHARE = FLOATS.column("error_share", "share of requests", "failed by the gateway in the minute")
TIGHTNESS = FLOATS.column("tightness", "share of accounts", "under the limits in the minute")
LATE_STREAM, ADMITTED_LATE = stream("late", "tickets about withdrawals that are late")
FAULT_STREAM, ADMITTED_FAULT, FAULT_PENDING = event_stream(
    "fault", "tickets of those whose requests the gateway failed"
)
LIMITED_STREAM, ADMITTED_LIMITED, LIMITED_PENDING = event_stream("limited", "tickets of those whom a limit refused")
ADDRESS_STREAM, ADMITTED_ADDRESS, ADDRESS_PENDING = event_stream("address", "tickets about a wrong address")
NETWORK_STREAM, ADMITTED_NETWORK, NETWORK_PENDING = event_stream("network", "tickets about a wrong network")
BARRED_STREAM, ADMITTED_BARRED, BARRED_PENDING = event_stream("barred", "tickets of those whom their country refused")
QUIET_LATE = EXOGENOUS.column(
    "quiet_late", "share of tickets", "prevented by announcements and status messages: late ones"
)
QUIET_FAULT = EXOGENOUS.column("quiet_fault", "share of tickets", "prevented likewise: failed ones")
QUIET_LIMITED = EXOGENOUS.column("quiet_limited", "share of tickets", "prevented likewise: limited ones")
MARKET_TIGHTNESS = EXOGENOUS.column("tightness", "share of accounts", "under the limits for the market's sake alone")
LET_OFF = EXOGENOUS.column(
    "let_off", "share of rows", "of a run, drawn for a review, that need none as they are screened in the minute"
)
OTHERS = EXOGENOUS.column("other_requests", "requests", "to other endpoints, which the gateway carries too")
NEWCOMERS = EXOGENOUS.column(
    "newcomer_requests", "requests", "of newcomers (sign-ups, documents, deposits), if distrust keeps nobody away"
)

# --- by rail ------------------------------------------------------------------------------------------------------

REVIEW_IN = RAILS.column("cum_review_in", "withdrawals", "into review")
REVIEW_IN_C = RAILS.column("cum_review_in_cents", "cents", "into review")
REVIEWED = RAILS.column("cum_reviewed", "withdrawals", "out of review")
REVIEWED_C = RAILS.column("cum_reviewed_cents", "cents", "out of review")
PAYOUT_IN = RAILS.column("cum_payout_in", "withdrawals", "into the payout line")
PAYOUT_IN_C = RAILS.column("cum_payout_in_cents", "cents", "into the payout line")
COUNTED_IN = RAILS.column("cum_counted_in", "withdrawals", "into the payout line, without rows")
COUNTED_IN_C = RAILS.column("cum_counted_in_cents", "cents", "into the payout line, without rows")
PAID = RAILS.column("cum_paid", "withdrawals", "paid")
PAID_C = RAILS.column("cum_paid_cents", "cents", "paid")
COUNTED_PAID = RAILS.column("cum_counted_paid", "withdrawals", "paid, without rows")
COUNTED_PAID_C = RAILS.column("cum_counted_paid_cents", "cents", "paid, without rows")
FINAL = RAILS.column("cum_final", "withdrawals", "final on the chain")
ROWS_FINAL = RAILS.column("cum_rows_final", "withdrawals", "final on the chain, rows alone")
LOST_C = RAILS.column("cum_lost_cents", "cents", "asked for by those who gave up, were turned away, barred or dropped")
HOT_C = RAILS.column("hot_cents", "cents", "in the hot wallet")
COLD_C = RAILS.column("cold_cents", "cents", "in the cold wallet")
TRANSIT_C = RAILS.column("transit_cents", "cents", "on the way from the cold to the hot wallet")
AGAIN_C = RAILS.column("again_cents", "cents", "of requests that will be made again")
HELD_C = RAILS.column("held_cents", "cents", "of withdrawals held")
"""Each rail: into and out of review, into the payout line, paid, final on its chain; its wallets and its money."""

AGAIN = DUE.column("again", "requests", "counted ones made again: passing")
DUE.column("again_cents", "cents", "counted ones made again: passing")
DUE.column("again_dropping", "requests", "counted ones made again: dropping")
DUE.column("again_dropping_cents", "cents", "counted ones made again: dropping")
DUE.column("again_forbidden", "requests", "counted ones made again: forbidden")
DUE.column("again_forbidden_cents", "cents", "counted ones made again: forbidden")
REFILL_C = DUE.column("refill_cents", "cents", "arriving from the cold wallet")
"""What was put off to a minute, by rail; counted requests made again have two lines a class from AGAIN on."""

GIVEN_UP = BY_CLASS.column("given_up", "requests", "that the gateway failed and that are not made again")
GIVEN_UP_C = BY_CLASS.column("given_up_cents", "cents", "of these")
LET_THROUGH = BY_CLASS.column("let_through", "requests", "that the gateway let through")
LET_THROUGH_C = BY_CLASS.column("let_through_cents", "cents", "of these")
COMING = BY_CLASS.column("coming", "requests", "that will be made again after the end")
COMING_C = BY_CLASS.column("coming_cents", "cents", "of these")
"""What became of all counted requests, by rail and class; those coming again are read off ``DUE`` at the end, and
the passing ones let through off their payout lines."""

BATCH = RAIL_NUMBERS.column("batch_minutes", "minutes", "from one batch of payments to the next")
CONFIRMATIONS = RAIL_NUMBERS.column("confirmations", "blocks", "after which a payment is final; 0 for a fixed delay")
FINAL_MINUTES = RAIL_NUMBERS.column("final_minutes", "minutes", "fixed delay after which a payment is final")
LOW_C = RAIL_NUMBERS.column("low_cents", "cents", "hot wallet below which an order is placed")
TARGET_C = RAIL_NUMBERS.column("target_cents", "cents", "hot wallet up to which an order fills")
HIGH_C = RAIL_NUMBERS.column("high_cents", "cents", "hot wallet above which the rest is swept to cold")
HAS_WALLET = RAIL_NUMBERS.column("has_wallet", "0 or 1", "whether the rail has a wallet that can run empty")

LINE_AT = RAIL_PLACES.column("line", "minutes", "row of the minute whose counted withdrawals are paid next", start=1)
LINE_HEAD = RAIL_PLACES.column("line_head", "row", "first row in the payout line; -1 for none", start=-1)
LINE_TAIL = RAIL_PLACES.column("line_tail", "row", "last row in it", start=-1)
CHAIN_HEAD = RAIL_PLACES.column("chain_head", "row", "first row that is paid and not final; -1 for none", start=-1)
CHAIN_TAIL = RAIL_PLACES.column("chain_tail", "row", "last row of these", start=-1)
BLOCK_AT = RAIL_PLACES.column("block", "blocks", "blocks that have been found")
ORDERS = RAIL_PLACES.column("orders", "orders", "orders to the cold wallet so far")
ORDERED_FOR = RAIL_PLACES.column("ordered_for", "minutes", "row of the minute at which the last order arrives")

# --- rows -----------------------------------------------------------------------------------------------------------

ROW_MINUTE = DRAWN_ROWS.column("minute", "minutes", "in which it is first requested; -1 where a run decides")
ROW_RAIL = DRAWN_ROWS.column("rail", "rail", "its rail")
ROW_CENTS = DRAWN_ROWS.column("cents", "cents", "its amount")
ROW_FLAGS = DRAWN_ROWS.column("flags", "bits", "what its own draws say, see the flags above")
ROW_COST_C = DRAWN_ROWS.column("breach_cost_cents", "cents", "what it costs as a breach")

STAGE = ROWS.column("stage", "stage", "where it is, see the stages above")
ATTEMPT = ROWS.column("attempt", "attempts", "that it has made at the gateway")
ACCEPTED = ROWS.column("accepted", "minutes", "minute of the tick at which it was accepted; -1 before", start=-1)
ENTERED = ROWS.column("entered", "minutes", "row of the minute in which it entered its review or payout line", start=-1)
POSITION = ROWS.column("position", "payments", "its rail's payments when it was paid, itself included")
FINAL_AT = ROWS.column("final", "minutes", "minute of the tick at which it became final; -1 before", start=-1)
LATE = ROWS.column("late", "0 or 1", "whether it is among the late")
NEXT = ROWS.column("next", "row", "the next one in its line, or put off to the same minute; -1 for none", start=-1)

NEW_AT = PLACES.column("new_rows", "rows", "rows that have been requested, but for those of a run")
MOVING = PLACES.column("moving", "rows", "rows on their way through the minute's gates")
ENTERING = PLACES.column("entering", "rows", "rows that enter a payout line in this minute")
ACCEPTED_ROWS = PLACES.column("accepted", "rows", "rows that have been accepted")
LATE_AT = PLACES.column("late", "rows", "accepted rows whose promise has come")
LATE_ROWS = PLACES.column("late_rows", "rows", "rows that are late")
REVIEW_HEAD = PLACES.column("review_head", "row", "first row in review; -1 for none", start=-1)
REVIEW_TAIL = PLACES.column("review_tail", "row", "last row in review", start=-1)

# --- parameters ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RailParameters:
    """One asset's way out: its payout line, its chain and its hot wallet (none when ``hot_cents`` is negative).

    With ``confirmations`` of 0 a payment is final ``final_minutes`` after it; otherwise when so many blocks, whose
    times are drawn, have followed. Below ``low_cents``, or where the first in line needs more, the wallet orders what
    it lacks to ``target_cents`` or that need from the cold one; above ``high_cents`` it gives the rest to it.
    """

    payouts_per_minute: float = parameter(0.0, "withdrawals/min", "capacity of the payout line")
    batch_minutes: int = parameter(1, "minutes", "from one batch of payments to the next")
    confirmations: int = parameter(0, "blocks", "after which a payment is final; 0 for a fixed delay")
    final_minutes: int = parameter(0, "minutes", "fixed delay after which a payment is final")
    hot_cents: int = parameter(-1, "cents", "hot wallet at the start; negative for none")
    cold_cents: int = parameter(0, "cents", "cold wallet at the start")
    low_cents: int = parameter(0, "cents", "hot wallet below which an order is placed")
    target_cents: int = parameter(0, "cents", "hot wallet up to which an order fills")
    high_cents: int = parameter(1 << 62, "cents", "hot wallet above which the rest is swept to cold")


@dataclass(frozen=True, kw_only=True)
class GatewayParameters:
    """What the endpoints carry: the share of requests that fail at a load per minute, joined by straight lines; beyond
    the last point no more gets through than there. Without points everything does.

    Of those that fail, ``retry_share`` come again after ``retry_minutes``; the others give up.
    """

    loads_per_minute: tuple[float, ...] = ()
    error_shares: tuple[float, ...] = ()
    retry_share: float = parameter(0.0, "share", "of failed requests, made again")
    retry_minutes: int = parameter(1, "minutes", "until a failed request is made again")
    codes_per_request: float = parameter(0.0, "requests", "codes entered for each request to withdraw")
    polls_per_open: float = parameter(0.0, "requests/min", "status requests for each open withdrawal")
    views_per_open: float = parameter(0.0, "requests/min", "views of each open ticket")
    admitted_per_gave_up: float = parameter(0.0, "share", "of candidates admitted for each who gave up in the minute")


@dataclass(frozen=True, kw_only=True)
class LimitParameters:
    """Limits on single withdrawals above ``cents``.

    They apply to the share of accounts that the tightness names: the market's, or 1 while a hot wallet is below
    ``hot_share`` of its target. Of those refused ``back_share`` come again after ``back_minutes``, as often as they are
    refused.
    """

    cents: int = parameter(1 << 62, "cents", "largest withdrawal of an account under the limits")
    hot_share: float = parameter(0.0, "share", "of its target below which a hot wallet tightens the limits")
    back_share: float = parameter(0.0, "share", "of those refused, made again")
    back_minutes: int = parameter(1, "minutes", "until a refused request is made again")
    admitted_per_refusal: float = parameter(0.0, "share", "of candidates admitted for each refusal in the minute")


@dataclass(frozen=True, kw_only=True)
class TicketsPerEvent:
    """The tickets that an event of the pipeline opens."""

    admitted: float = parameter(0.0, "share", "of candidates admitted for each in the minute")
