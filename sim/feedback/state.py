"""The state of one replication's feedback levels: the arrays that they read, and the columns that they write."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats, Ints
from sim.core.clock import MINUTE_MS
from sim.feedback.columns import FLOAT_NAMES, INT_NAMES, RAIL_NAMES
from sim.feedback.declaration import CARRIES, DUE, EXOGENOUS, FLOATS, INTS, PLACES, RAIL_NUMBERS, RAILS, SUMS, record_of
from sim.feedback.inputs import FeedbackInputs
from sim.feedback.mechanisms.copies import COPY_AT
from sim.feedback.mechanisms.panic import CALM_AT, FRIGHT_AT
from sim.feedback.mechanisms.withdrawals import COLD_C, HOT_C
from sim.feedback.parameters import FeedbackParameters, RailParameters


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
    places: Ints
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


def state_of(parameters: FeedbackParameters, inputs: FeedbackInputs, minutes: int) -> FeedbackState:
    """Return the levels before the first minute. Raises ValueError when flow and rules have not the same rails."""
    rails = len(parameters.rails)
    if inputs.requests.shape != (rails, 4, minutes):
        raise ValueError(f"inputs: got requests of shape {inputs.requests.shape}; must be {(rails, 4, minutes)}")
    columns, floats = RAILS.rows(minutes + 1, rails, kind=np.int64), np.zeros((minutes + 1, len(FLOAT_NAMES)))
    floats[0] = FLOATS.rows()
    for number, rail in enumerate(parameters.rails):
        columns[0, number, HOT_C], columns[0, number, COLD_C] = max(rail.hot_cents, 0), rail.cold_cents
    return FeedbackState(
        numbers=record_of(parameters),
        ints=INTS.rows(minutes + 1, kind=np.int64),
        floats=floats,
        rails=columns,
        due=DUE.rows(minutes + 2, rails, kind=np.int64),  # the last stands for after the end
        now=np.zeros((rails, 4), np.int64),
        cut=np.zeros(4, np.int64),
        carry=CARRIES.rows(rails),
        places=_places(rails),
        sums=SUMS.rows(),
        requests=inputs.requests,
        closed=_or_zeros(inputs.closed, (rails, minutes), np.int64),
        deposits=_or_zeros(inputs.deposits, (rails, minutes), np.int64),
        exogenous=_or_zeros(inputs.exogenous, (len(EXOGENOUS.columns), minutes), np.float64),
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
        loads=np.array(parameters.gateway.loads_per_minute, np.float64),
        errors=np.array(parameters.gateway.error_shares, np.float64),
        rail_ints=np.array([_rail_ints(rail) for rail in parameters.rails], np.int64),
        payouts=np.array([rail.payouts_per_minute for rail in parameters.rails], np.float64),
    )


def _places(rails: int) -> Ints:
    by_rail = np.tile([1, 0, 0], rails)
    return np.concatenate([PLACES.rows(kind=np.int64), by_rail])


def _or_zeros(drawn: NDArray[Any], shape: tuple[int, ...], kind: type) -> NDArray[Any]:
    return drawn if drawn.size else np.zeros(shape, kind)


def _posts(inputs: FeedbackInputs, minutes: int) -> Ints:
    """Return by the minute the posts that name no ticket: of the background, and of campaigns."""
    edges = np.arange(minutes + 1) * MINUTE_MS
    return np.stack([np.diff(np.searchsorted(times, edges)) for times in (inputs.posts_ms, inputs.campaign_ms)])


def _rail_ints(rail: RailParameters) -> list[int]:
    """Return the columns of ``RAIL_NUMBERS``: each the rail's own number of that name."""
    known = {**vars(rail), "has_wallet": int(rail.hot_cents >= 0)}
    return [known[name] for name in RAIL_NUMBERS.names]


def exhausted(levels: FeedbackState | None) -> bool:
    """Return whether a process used up all its drawn times, so that more of them could have made a difference."""
    if levels is None:
        return False
    drawn = ((COPY_AT, levels.copy_times), (FRIGHT_AT, levels.panic_times), (CALM_AT, levels.calm_times))
    whole_crowd = len(levels.panic_times) >= int(levels.numbers["panic_depositors"][0])
    return any(
        len(times) > 0 and levels.places[place] == len(times) and not (whole_crowd and place != COPY_AT)
        for place, times in drawn
    )


def tables_of(levels: FeedbackState | None) -> tuple[Ints, Floats, Ints]:
    """Return the columns that were written, by the minute: whole numbers, numbers, and by rail; empty for no levels."""
    if levels is None:
        none = np.empty((0, len(RAIL_NAMES), 0), np.int64)
        return np.empty((len(INT_NAMES), 0), np.int64), np.empty((len(FLOAT_NAMES), 0)), none
    return levels.ints[1:].T, levels.floats[1:].T, levels.rails[1:].transpose(1, 2, 0)
