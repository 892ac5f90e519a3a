"""What the withdrawal pipeline declares: its columns by the minute and by rail, carries, streams and parameters.

``sim.feedback.withdrawals`` has its steps.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.feedback.declaration import (
    CARRIES,
    DUE,
    EXOGENOUS,
    FLOATS,
    INTS,
    PLACES,
    RAIL_NUMBERS,
    RAILS,
    parameter,
    stream,
)

NEVER_MINUTES = 1 << 40
"""A delay that no run outlasts."""

AUTO, AUTO_C, HAND, HAND_C = range(4)
"""Requests on their way through a minute: those without and with a review, and their money."""

# --- by the minute ------------------------------------------------------------------------------------------------

REQUESTS = INTS.column("new_requests", "requests", "attempts that reached the gateway, repeated ones included")
FAILED = INTS.column("cum_failed", "requests", "attempts that the gateway failed")
GAVE_UP = INTS.column("cum_gave_up", "requests", "failed ones that are not made again")
OVER_LIMIT = INTS.column("cum_over_limit", "requests", "refused by a limit")
TURNED_AWAY = INTS.column("cum_turned_away", "requests", "refused by a limit and not made again")
DROPPED = INTS.column("cum_dropped", "requests", "not confirmed by the customer")
HELD = INTS.column("cum_held", "withdrawals", "held after the screening")
RELEASED = INTS.column("cum_released", "withdrawals", "released after being held")
N_LATE = INTS.column("n_late", "withdrawals", "later than promised")
N_OPEN = INTS.column("n_open", "withdrawals", "on their way: in review, held, in the payout line or on the chain")
N_AGAIN = INTS.column("n_again", "requests", "failed or refused ones that will be made again")
SHORT = INTS.column("new_short", "rails", "rails whose hot wallet could not pay what was due")
BARRED = INTS.column("cum_barred", "requests", "refused for the customer's country")
BREACHES = INTS.column("cum_breaches", "requests", "forbidden in the customer's country, and past its check")
WRONG_ADDRESS = INTS.column("cum_wrong_address", "withdrawals", "sent to a wrong address, and paid like the rest")
WRONG_NETWORK = INTS.column("cum_wrong_network", "withdrawals", "sent over a wrong network, and paid like the rest")
WRONG_ADDRESS_C = INTS.column("cum_wrong_address_cents", "cents", "their money")
WRONG_NETWORK_C = INTS.column("cum_wrong_network_cents", "cents", "their money")
REVIEW_CREDIT = FLOATS.column(
    "review_credit", "withdrawals", "review capacity that is carried while somebody waits for it"
)
ERROR_SHARE = FLOATS.column("error_share", "share of requests", "failed by the gateway in the minute")
TIGHTNESS = FLOATS.column("tightness", "share of accounts", "under the limits in the minute")
LATE_STREAM, LEVEL_LATE = stream("late", "tickets about withdrawals that are late")
FAULT_STREAM, LEVEL_FAULT = stream("fault", "tickets of those whose requests the gateway failed")
LIMITED_STREAM, LEVEL_LIMITED = stream("limited", "tickets of those whom a limit refused")
ADDRESS_STREAM, LEVEL_ADDRESS = stream("address", "tickets about a wrong address")
NETWORK_STREAM, LEVEL_NETWORK = stream("network", "tickets about a wrong network")
BARRED_STREAM, LEVEL_BARRED = stream("barred", "tickets of those whom their country's law refused")
QUIET_LATE = EXOGENOUS.column(
    "quiet_late", "share of tickets", "prevented by announcements and status messages: late ones"
)
QUIET_FAULT = EXOGENOUS.column("quiet_fault", "share of tickets", "prevented likewise: failed ones")
QUIET_LIMITED = EXOGENOUS.column("quiet_limited", "share of tickets", "prevented likewise: limited ones")
MARKET_TIGHTNESS = EXOGENOUS.column("tightness", "share of accounts", "under the limits for the market's sake alone")
OTHERS = EXOGENOUS.column("other_requests", "requests", "to other endpoints, which the gateway carries too")

# --- by rail ------------------------------------------------------------------------------------------------------

REVIEW_IN = RAILS.column("cum_review_in", "withdrawals", "into review")
REVIEW_IN_C = RAILS.column("cum_review_in_cents", "cents", "into review")
REVIEWED = RAILS.column("cum_reviewed", "withdrawals", "out of review")
REVIEWED_C = RAILS.column("cum_reviewed_cents", "cents", "out of review")
PAYOUT_IN = RAILS.column("cum_payout_in", "withdrawals", "into the payout line")
PAYOUT_IN_C = RAILS.column("cum_payout_in_cents", "cents", "into the payout line")
PAID = RAILS.column("cum_paid", "withdrawals", "paid")
PAID_C = RAILS.column("cum_paid_cents", "cents", "paid")
FINAL = RAILS.column("cum_final", "withdrawals", "final on the chain")
HOT_C = RAILS.column("hot_cents", "cents", "in the hot wallet")
COLD_C = RAILS.column("cold_cents", "cents", "in the cold wallet")
TRANSIT_C = RAILS.column("transit_cents", "cents", "on the way from the cold to the hot wallet")
LOST_C = RAILS.column("cum_lost_cents", "cents", "asked for by those who gave up, were turned away, barred or dropped")
AGAIN_C = RAILS.column("again_cents", "cents", "of requests that will be made again")
HELD_C = RAILS.column("held_cents", "cents", "of withdrawals held")
"""Each rail: into and out of review, into the payout line, paid, final on its chain; its wallets and its money."""

FAILING = CARRIES.column(
    "failing", "requests", "part of one who fail at the gateway that is carried to the next minute"
)
RETRYING = CARRIES.column("retrying", "requests", "part of one who try again that is carried to the next minute")
BARRING = CARRIES.column("barring", "requests", "part of one whom a country bars that is carried to the next minute")
BREACHING = CARRIES.column("breaching", "requests", "part of one who breach that is carried to the next minute")
EXCEEDING = CARRIES.column("exceeding", "requests", "part of one who exceed a limit that is carried to the next minute")
RETURNING = CARRIES.column(
    "returning", "requests", "part of one who come back after a limit that is carried to the next minute"
)
DROPPING = CARRIES.column("dropping", "requests", "part of one who drop out that is carried to the next minute")
ERRING_ADDRESS = CARRIES.column(
    "erring_address", "requests", "part of one who err in the address that is carried to the next minute"
)
ERRING_NETWORK = CARRIES.column(
    "erring_network", "requests", "part of one who err in the network that is carried to the next minute"
)
HOLDING = CARRIES.column("holding", "requests", "part of one who are held that is carried to the next minute")
PAYING = CARRIES.column("paying", "requests", "part of one payments of a batch that is carried to the next minute")

REVIEW_AT = PLACES.column("review", "minutes", "minute whose withdrawals are in review", start=1)

AGAIN = DUE.column("again", "requests", "made again: automatic ones")
DUE.column("again_cents", "cents", "made again: automatic ones")
DUE.column("again_reviewed", "requests", "made again: reviewed ones")
DUE.column("again_reviewed_cents", "cents", "made again: reviewed ones")
RELEASE = DUE.column("release", "withdrawals", "held ones that are released")
RELEASE_C = DUE.column("release_cents", "cents", "held ones that are released")
REFILL_C = DUE.column("refill_cents", "cents", "arriving from the cold wallet")
"""What was put off to a minute, by rail; a request made again has its four lines from AGAIN on."""

BATCH = RAIL_NUMBERS.column("batch_minutes", "minutes", "from one batch of payments to the next")
CONFIRMATIONS = RAIL_NUMBERS.column("confirmations", "blocks", "after which a payment is final; 0 for a fixed delay")
FINAL_MINUTES = RAIL_NUMBERS.column("final_minutes", "minutes", "fixed delay after which a payment is final")
LOW_C = RAIL_NUMBERS.column("low_cents", "cents", "hot wallet below which an order is placed")
TARGET_C = RAIL_NUMBERS.column("target_cents", "cents", "hot wallet up to which an order fills")
HIGH_C = RAIL_NUMBERS.column("high_cents", "cents", "hot wallet above which the rest is swept to cold")
HAS_WALLET = RAIL_NUMBERS.column("has_wallet", "0 or 1", "whether the rail has a wallet that can run empty")

# --- parameters ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class RailParameters:
    """One asset's way out: its payout line, its chain and its hot wallet (none when ``hot_cents`` is negative).

    With ``confirmations`` of 0 a payment is final ``final_minutes`` after it; otherwise when so many blocks, whose
    times are drawn, have followed. Below ``low_cents`` the wallet orders what it lacks to ``target_cents`` from the
    cold one; above ``high_cents`` it gives the rest to it.
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
    polls_per_open: float = parameter(0.0, "requests/min", "status requests for each open withdrawal")
    level_per_gave_up: float = parameter(0.0, "share", "of candidates admitted for each who gave up in the minute")


@dataclass(frozen=True, kw_only=True)
class LimitParameters:
    """Limits on single withdrawals: of all requests ``over_share``, with ``over_weight`` times the mean amount, exceed.

    They apply to the share of accounts that the tightness names: the market's, or 1 while a hot wallet is below
    ``hot_share`` of its target. Of those refused ``back_share`` come again after ``back_minutes``.
    """

    over_share: float = parameter(0.0, "share", "of requests above the limit")
    over_weight: float = parameter(1.0, "mean amounts", "mean amount of those above, in mean amounts of all")
    hot_share: float = parameter(0.0, "share", "of its target below which a hot wallet tightens the limits")
    back_share: float = parameter(0.0, "share", "of those refused, made again")
    back_minutes: int = parameter(1, "minutes", "until a refused request is made again")
    level_per_refusal: float = parameter(0.0, "share", "of candidates admitted for each refusal in the minute")


@dataclass(frozen=True, kw_only=True)
class Countries:
    """What the laws of customers' countries forbid, of all requests that the gateway lets pass.

    ``barred_share`` of them, with ``barred_weight`` times the mean amount, are refused and do not come again;
    ``breach_share`` are forbidden, too, and get past the check, each at the cost of ``cents_per_breach``.
    """

    barred_share: float = parameter(0.0, "share", "of requests that are refused for good")
    barred_weight: float = parameter(1.0, "mean amounts", "their mean amount, in mean amounts of all")
    breach_share: float = parameter(0.0, "share", "of requests that are forbidden and get past the check")
    cents_per_breach: int = parameter(0, "cents", "cost of a breach")
    level_per_barred: float = parameter(0.0, "share", "of candidates admitted for each barred in the minute")


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A share of the confirmed withdrawals whose money goes astray, and the tickets that it opens."""

    share: float = parameter(0.0, "share", "of confirmed withdrawals that go astray")
    level_per_mistake: float = parameter(0.0, "share", "of candidates admitted for each in the minute")
