"""The state of one replication's feedback levels: the arrays that they read, and the columns that they write."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats, Ints
from sim.core.clock import MINUTE_MS
from sim.feedback.columns import CLASS_NAMES, FLOAT_NAMES, INT_NAMES, RAIL_NAMES, ROW_NAMES
from sim.feedback.declaration import (
    BY_CLASS,
    DUE,
    EXOGENOUS,
    FLOATS,
    INTS,
    PLACES,
    RAIL_NUMBERS,
    RAIL_PLACES,
    RAILS,
    ROWS,
    SUMS,
    record_of,
)
from sim.feedback.inputs import FeedbackInputs
from sim.feedback.mechanisms.copies import COPY_AT, MOST_COPIES, POST_AT
from sim.feedback.mechanisms.panic import CALM_AT, FRIGHT_AT
from sim.feedback.mechanisms.withdrawals import (
    AGAIN,
    CLASSES,
    COLD_C,
    COMING,
    COUNTED_IN,
    COUNTED_IN_C,
    HOT_C,
    LET_THROUGH,
    LET_THROUGH_C,
    PASSING,
    ROW_MINUTE,
)
from sim.feedback.parameters import FeedbackParameters, RailParameters


class FeedbackState(NamedTuple):
    """What ``step`` reads and writes; see the modules ``columns`` and this one for the names of lines and places.

    ``ints`` and ``floats`` have a row for each minute, ``rails`` one for each minute and rail, so that what a step
    touches lies together. ``due`` holds, by minute and rail, what was put off to it, and ``due_rows`` the first of a
    chain of rows; ``counted`` has what is on its way in this minute by rail and class, ``moving`` the rows that are,
    ``entering`` those that enter a line, and ``accepted`` all that were accepted, in order. ``by_class`` has what
    became of the counted, by rail and class, so far. The first ``new_rows`` of the rows come at drawn minutes, the
    others in a run.
    """

    numbers: NDArray[np.void]
    ints: Ints
    floats: Floats
    rails: Ints
    due: Ints
    due_rows: Ints
    counted: Ints
    by_class: Ints
    rows: Ints
    moving: Ints
    entering: Ints
    accepted: Ints
    new_rows: int
    places: Ints
    rail_places: Ints
    sums: Floats
    requests: Ints
    drawn_rows: Ints
    row_keys: NDArray[np.uint64]
    row_account: Floats
    mark_keys: NDArray[np.uint64]
    request_tick: Ints
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
    panic_class: Ints
    panic_row: Ints
    loads: Floats
    errors: Floats
    rail_ints: Ints
    payouts: Floats


def state_of(parameters: FeedbackParameters, inputs: FeedbackInputs, minutes: int) -> FeedbackState:
    """Return the levels before the first minute. Raises ValueError when flow and rules have not the same rails."""
    rails = len(parameters.rails)
    if inputs.requests.shape != (rails, CLASSES, 2, minutes):
        got, must = inputs.requests.shape, (rails, CLASSES, 2, minutes)
        raise ValueError(f"inputs: got requests of shape {got}; must be {must}")
    columns, floats = RAILS.rows(minutes + 1, rails, kind=np.int64), np.zeros((minutes + 1, len(FLOAT_NAMES)))
    floats[0] = FLOATS.rows()
    for number, rail in enumerate(parameters.rails):
        columns[0, number, HOT_C], columns[0, number, COLD_C] = max(rail.hot_cents, 0), rail.cold_cents
    drawn = inputs.rows.drawn
    return FeedbackState(
        numbers=record_of(parameters),
        ints=INTS.rows(minutes + 1, kind=np.int64),
        floats=floats,
        rails=columns,
        due=DUE.rows(minutes + 2, rails, kind=np.int64),  # the last stands for after the end
        due_rows=np.full(minutes + 2, -1),
        counted=np.zeros((rails, CLASSES, 2), np.int64),
        by_class=BY_CLASS.rows(rails, CLASSES, kind=np.int64),
        rows=ROWS.rows(len(drawn), kind=np.int64),
        moving=np.empty(len(drawn), np.int64),
        entering=np.empty(len(drawn), np.int64),
        accepted=np.empty(len(drawn), np.int64),
        new_rows=int((drawn[:, ROW_MINUTE] >= 0).sum()),
        places=PLACES.rows(kind=np.int64),
        rail_places=RAIL_PLACES.rows(rails, kind=np.int64),
        sums=SUMS.rows(),
        requests=inputs.requests,
        drawn_rows=drawn,
        row_keys=inputs.rows.keys,
        row_account=inputs.rows.account,
        mark_keys=inputs.mark_keys,
        request_tick=inputs.request_tick if inputs.request_tick.size else np.arange(minutes),
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
        panic_class=_or_zeros(inputs.panic_class, inputs.panic_rail.shape, np.int64),
        panic_row=inputs.panic_row if inputs.panic_row.size else np.full(len(inputs.panic_rail), -1),
        loads=np.array(parameters.gateway.loads_per_minute, np.float64),
        errors=np.array(parameters.gateway.error_shares, np.float64),
        rail_ints=np.array([_rail_ints(rail) for rail in parameters.rails], np.int64),
        payouts=np.array([rail.payouts_per_minute for rail in parameters.rails], np.float64),
    )


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
    """Return whether a process used up what was drawn for it, so that more draws could have made a difference.

    They make none for copies that are cut (``MOST_COPIES``), nor where the whole crowd has its times.
    """
    if levels is None:
        return False
    if 0 < len(levels.post_marks) < levels.places[POST_AT]:
        return True
    drawn = [(COPY_AT, levels.copy_times)] if len(levels.copy_times) < MOST_COPIES else []
    if len(levels.panic_times) < int(levels.numbers["panic_depositors"][0]):
        drawn += [(FRIGHT_AT, levels.panic_times), (CALM_AT, levels.calm_times)]
    return any(len(times) > 0 and levels.places[place] == len(times) for place, times in drawn)


def tables_of(levels: FeedbackState | None) -> tuple[Ints, Floats, Ints, Ints, Ints]:
    """Return the columns that were written, by the minute: whole numbers, numbers, and by rail; then those of the rows,
    and those of the counted by rail and class.

    They are empty for no levels.
    """
    if levels is None:
        none, no_rows = np.empty((0, len(RAIL_NAMES), 0), np.int64), np.empty((len(ROW_NAMES), 0), np.int64)
        no_classes = np.empty((0, CLASSES, len(CLASS_NAMES)), np.int64)
        return np.empty((len(INT_NAMES), 0), np.int64), np.empty((len(FLOAT_NAMES), 0)), none, no_rows, no_classes
    by_class = levels.by_class.copy()
    by_class[:, PASSING, [LET_THROUGH, LET_THROUGH_C]] = levels.rails[-1][:, [COUNTED_IN, COUNTED_IN_C]]
    by_class[..., COMING:] = levels.due[-1, :, AGAIN : AGAIN + 2 * CLASSES].reshape(-1, CLASSES, 2)
    return (
        levels.ints[1:].T,
        levels.floats[1:].T,
        levels.rails[1:].transpose(1, 2, 0),
        levels.rows[:, : len(ROW_NAMES)].T,
        by_class,
    )
