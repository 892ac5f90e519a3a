"""Everything that the levels of one replication move by, as arrays, and the columns that they write."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats, Ints
from sim.core.clock import MINUTE_MS
from sim.feedback.columns import COLD_C, EXOGENOUS_NAMES, FLOAT_NAMES, HOT_C, INT_NAMES, RAIL_NAMES, TRUST
from sim.feedback.inputs import FeedbackInputs
from sim.feedback.parameters import FeedbackParameters, RailParameters

AUTO, AUTO_C, HAND, HAND_C = range(4)
"""Requests on their way through a minute: those without and with a review, and their money."""
AGAIN, RELEASE, RELEASE_C, REFILL_C = 0, 4, 5, 6
"""Lines of ``due``, by the minute at whose tick they happen: requests made again (four lines), held withdrawals that
are released, and money that arrives from the cold wallet."""
(
    FAILING, RETRYING, BARRING, BREACHING, EXCEEDING, RETURNING, DROPPING, ERRING_ADDRESS, ERRING_NETWORK, HOLDING,
    PAYING,
) = range(11)  # fmt: skip
"""Parts below one, of each rail, that are carried to the next minute."""
REVIEW_AT, COPY_AT, FRIGHT_AT, CALM_AT, POST_AT = range(5)
"""Places of ``at``: the minute in review, and how far the drawn times of copies, frights and calming, and the marks
of posts, have been used up. From RAIL_AT on, three for each rail: the minute that is paid, blocks, and refills."""
RAIL_AT = 5
COPIED, FRIGHTENED, CALMED, CASCADE, UNANSWERED, COPY_CARRY = range(6)
"""Places of ``sums``: the running intensities of three processes, the two cascades, in copies per minute, and the part
of a copy that was carried."""


_WHOLE = (
    "promise_minutes", "hold_minutes", "retry_minutes", "back_minutes", "depositors",
)  # fmt: skip
_REAL = (
    "reviews_per_minute", "drop_share", "held_share", "late_level", "address_share", "address_level",
    "network_share", "network_level", "fault_level", "limited_level", "barred_level", "barred_share",
    "barred_weight", "breach_share", "retry_share", "polls_per_open", "over_share", "over_weight", "hot_share",
    "back_share", "rumour_decay", "rumour_threshold", "rumour_level", "copies", "decay", "unanswered_decay",
    "background", "campaign", "copied", "trust_recovery", "trust_loss", "signup_weight", "spread", "calm",
    "per_rumour", "distrust_weight",
)  # fmt: skip
_FIELDS = [(name, np.int64) for name in _WHOLE] + [(name, np.float64) for name in _REAL]
NUMBERS = np.dtype((np.record, _FIELDS))
"""The rules' own numbers, each always of the same kind: one record, which costs a call less than as many numbers."""


class FeedbackState(NamedTuple):
    """What ``step`` reads and writes; see the modules ``columns`` and this one for the names of lines and places.

    ``ints`` and ``floats`` have a row for each minute, ``rails`` one for each minute and rail, so that what a step
    touches lies together. ``due`` holds, by minute and rail, what was put off to it, ``now`` what is on its way in this
    one, ``cut`` what was just taken out of it.
    """

    numbers: NDArray[np.void]
    ints: Ints
    floats: Floats
    rails: Ints
    due: Ints
    now: Ints
    cut: Ints
    carry: Floats
    at: Ints
    sums: Floats
    requests: Ints
    closed: Ints
    deposits: Ints
    exogenous: Floats
    posts: Ints
    blocks: Ints
    paid_at_block: Ints
    refill_minutes: Ints
    copy_times: Floats
    panic_times: Floats
    calm_times: Floats
    post_marks: Floats
    panic_rail: Ints
    panic_cents: Ints
    loads: Floats
    errors: Floats
    rail_ints: Ints
    payouts: Floats


BATCH, CONFIRMATIONS, FINAL_MINUTES, LOW_C, TARGET_C, HIGH_C, HAS_WALLET = range(7)
"""Columns of ``rail_ints``."""


def state_of(rules: FeedbackParameters, inputs: FeedbackInputs, minutes: int) -> FeedbackState:
    """Return the levels before the first minute. Raises ValueError when flow and rules have not the same rails."""
    rails = len(rules.rails)
    if inputs.requests.shape != (rails, 4, minutes):
        raise ValueError(f"inputs: got requests of shape {inputs.requests.shape}; must be {(rails, 4, minutes)}")
    columns = np.zeros((minutes + 1, rails, len(RAIL_NAMES)), np.int64)
    floats = np.zeros((minutes + 1, len(FLOAT_NAMES)))
    floats[0, TRUST] = 1.0
    for number, rail in enumerate(rules.rails):
        columns[0, number, HOT_C], columns[0, number, COLD_C] = max(rail.hot_cents, 0), rail.cold_cents
    return FeedbackState(
        numbers=_numbers(rules),
        ints=np.zeros((minutes + 1, len(INT_NAMES)), np.int64),
        floats=floats,
        rails=columns,
        due=np.zeros((minutes + 2, rails, REFILL_C + 1), np.int64),  # the last stands for after the end
        now=np.zeros((rails, 4), np.int64),
        cut=np.zeros(4, np.int64),
        carry=np.zeros((rails, PAYING + 1)),
        at=_places(rails),
        sums=np.zeros(COPY_CARRY + 1),
        requests=inputs.requests,
        closed=_or_zeros(inputs.closed, (rails, minutes), np.int64),
        deposits=_or_zeros(inputs.deposits, (rails, minutes), np.int64),
        exogenous=_or_zeros(inputs.exogenous, (len(EXOGENOUS_NAMES), minutes), np.float64),
        posts=_posts(inputs, minutes),
        blocks=inputs.blocks if inputs.blocks.size else np.full((rails, 1), minutes + 1),
        paid_at_block=np.zeros((rails, max(inputs.blocks.shape[-1], 1)), np.int64),
        refill_minutes=inputs.refill_minutes if inputs.refill_minutes.size else np.ones((rails, 1), np.int64),
        copy_times=inputs.copy_times,
        panic_times=inputs.panic_times,
        calm_times=inputs.calm_times,
        post_marks=inputs.post_marks,
        panic_rail=inputs.panic_rail,
        panic_cents=inputs.panic_cents,
        loads=np.array(rules.gateway.loads_per_minute, np.float64),
        errors=np.array(rules.gateway.error_shares, np.float64),
        rail_ints=np.array([_rail_ints(rail) for rail in rules.rails], np.int64),
        payouts=np.array([rail.payouts_per_minute for rail in rules.rails], np.float64),
    )


def _places(rails: int) -> Ints:
    at = np.zeros(RAIL_AT + 3 * rails, np.int64)
    at[REVIEW_AT] = 1
    at[RAIL_AT::3] = 1
    return at


def _or_zeros(exogenous: NDArray[Any], shape: tuple[int, ...], kind: type) -> NDArray[Any]:
    return exogenous if exogenous.size else np.zeros(shape, kind)


def _posts(inputs: FeedbackInputs, minutes: int) -> Ints:
    """Return by the minute the posts that name no ticket: of the background, and of campaigns."""
    edges = np.arange(minutes + 1) * MINUTE_MS
    return np.stack([np.diff(np.searchsorted(times, edges)) for times in (inputs.posts_ms, inputs.campaign_ms)])


def _rail_ints(rail: RailParameters) -> list[int]:
    wallet = rail.hot_cents >= 0
    return [
        rail.batch_minutes, rail.confirmations, rail.final_minutes,
        rail.low_cents, rail.target_cents, rail.high_cents, int(wallet),
    ]  # fmt: skip


def _numbers(rules: FeedbackParameters) -> NDArray[np.void]:
    gateway, countries, limits = rules.gateway, rules.countries, rules.limits
    voice, panic = rules.voice, rules.panic
    exogenous = {
        "promise_minutes": rules.promise_minutes,
        "hold_minutes": rules.hold_minutes,
        "retry_minutes": gateway.retry_minutes,
        "back_minutes": limits.back_minutes,
        "depositors": panic.depositors,
        "reviews_per_minute": rules.reviews_per_minute,
        "drop_share": rules.drop_share,
        "held_share": rules.held_share,
        "late_level": rules.late_level_per_withdrawal,
        "address_share": rules.wrong_address.share,
        "address_level": rules.wrong_address.level_per_mistake,
        "network_share": rules.wrong_network.share,
        "network_level": rules.wrong_network.level_per_mistake,
        "fault_level": gateway.level_per_gave_up,
        "limited_level": limits.level_per_refusal,
        "barred_level": countries.level_per_barred,
        "barred_share": countries.barred_share,
        "barred_weight": countries.barred_weight,
        "breach_share": countries.breach_share,
        "retry_share": gateway.retry_share,
        "polls_per_open": gateway.polls_per_open,
        "over_share": limits.over_share,
        "over_weight": limits.over_weight,
        "hot_share": limits.hot_share,
        "back_share": limits.back_share,
        "rumour_decay": rules.rumour_decay,
        "rumour_threshold": rules.rumour_threshold,
        "rumour_level": rules.rumour_level_per_complaint,
        "copies": voice.copies,
        "decay": voice.decay,
        "unanswered_decay": voice.unanswered_decay,
        "background": voice.background,
        "campaign": voice.campaign,
        "copied": voice.copy,
        "trust_recovery": voice.trust_recovery,
        "trust_loss": voice.trust_loss_per_post,
        "signup_weight": voice.signup_weight,
        "spread": panic.spread,
        "calm": panic.calm,
        "per_rumour": panic.per_rumour,
        "distrust_weight": panic.distrust_weight,
    }
    return np.array([tuple(exogenous[name] for name in (*_WHOLE, *_REAL))], NUMBERS)


def exhausted(levels: FeedbackState | None) -> bool:
    """Return whether a process used up all its drawn times, so that more of them could have made a difference."""
    if levels is None:
        return False
    drawn = ((COPY_AT, levels.copy_times), (FRIGHT_AT, levels.panic_times), (CALM_AT, levels.calm_times))
    whole_crowd = len(levels.panic_times) >= int(levels.numbers["depositors"][0])
    return any(
        len(times) > 0 and levels.at[place] == len(times) and not (whole_crowd and place != COPY_AT)
        for place, times in drawn
    )


def tables_of(levels: FeedbackState | None) -> tuple[Ints, Floats, Ints]:
    """Return the columns that were written, by the minute: whole numbers, numbers, and by rail; empty for no levels."""
    if levels is None:
        none = np.empty((0, len(RAIL_NAMES), 0), np.int64)
        return np.empty((len(INT_NAMES), 0), np.int64), np.empty((len(FLOAT_NAMES), 0)), none
    return levels.ints[1:].T, levels.floats[1:].T, levels.rails[1:].transpose(1, 2, 0)
