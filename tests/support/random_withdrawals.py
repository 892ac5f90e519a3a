"""Random rules and draws of small withdrawal pipelines, on coarse grids of times, amounts and marks, so that much ties.

Whatever there is, is missing from some worlds.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import numpy as np

from sim.core.clock import MINUTE_MS
from sim.feedback import (
    FeedbackInputs,
    FeedbackParameters,
    GatewayParameters,
    LimitParameters,
    RailParameters,
    TicketsPerEvent,
    WithdrawalRows,
)
from sim.feedback.columns import (
    ADDRESS_ROW,
    BREACHING_ROW,
    CLASSES,
    DRAWN_ROWS,
    DROPPED_ROW,
    EXOGENOUS_NAMES,
    HELD_ROW,
    NETWORK_ROW,
    NEVER_MINUTES,
    REVIEWED_ROW,
)

MARKS = (0.0, 0.25, 0.5, 0.75)
"""Accounts' marks, and tightness: they meet, at 0 too."""
AMOUNTS = (1, 99, 100, 101, 250, 301, 1000, 5000)
EXOGENOUS_GRID = {
    "tightness": MARKS,
    "other_requests": (0.0, 0.0, 2.0, 5.0),
    "newcomer_requests": (0.0, 0.0, 1.0, 4.0),
    "tickets_closed": (0.0, 0.0, 0.0, 1.0),
    "let_off": (0.0, 0.5, 1.0),
}
SCALES = (1.0, 1.0, 0.7)
"""Numbers that are halves and quarters tie; those that no float holds show in which order they are added."""
EVENT_LEVELS = (0.0, 0.1, 0.1, 0.3, 0.3, 2.5)
FRIGHTS = 39
LONG = 100
"""Minutes that no small world lasts."""


def random_pipeline(rng: Random) -> dict[str, object]:
    """Return random rules of a pipeline, by field of ``FeedbackParameters``."""

    scale = rng.choice(SCALES)

    def some(*values: float) -> float:
        return rng.choice((0.0, *values)) * scale

    loads = rng.choice(((), (2.0,), (1.0, 4.0), (2.0, 3.0, 8.0), (5.0, 20.0)))
    per_event = TicketsPerEvent
    return {
        "rails": tuple(_random_rail(rng) for _ in range(rng.randint(1, 3))),
        "reviews_per_minute": some(0.1, 0.3, 0.5, 1.0, 2.5, 4.0),
        "promise_minutes": rng.choice((1, 2, 3, 6, NEVER_MINUTES)),
        "late_admitted_per_withdrawal": some(0.125, 0.25, 1.0),
        "hold_minutes": rng.choice((1, 2, 3, 3, LONG)),
        "gateway": GatewayParameters(
            loads_per_minute=loads,
            error_shares=tuple(some(0.25, 0.5, 0.75, 1.0) for _ in loads),
            retry_share=some(0.5, 0.75, 1.0),
            retry_minutes=rng.choice((1, 1, 2, 3, LONG)),
            codes_per_request=some(0.5, 1.0),
            polls_per_open=some(0.125, 0.5),
            views_per_open=some(0.25, 1.0),
            admitted_per_gave_up=rng.choice((0.02, *EVENT_LEVELS)),
        ),
        "limits": LimitParameters(
            cents=rng.choice((99, 100, 250, 1 << 62)),
            hot_share=some(0.5, 1.0),
            back_share=some(0.5, 0.75, 1.0),
            back_minutes=rng.choice((1, 1, 1, 2, 3, LONG)),
            admitted_per_refusal=rng.choice(EVENT_LEVELS),
        ),
        "barred": per_event(admitted=rng.choice(EVENT_LEVELS)),
        "wrong_address": per_event(admitted=rng.choice(EVENT_LEVELS)),
        "wrong_network": per_event(admitted=rng.choice(EVENT_LEVELS)),
    }


def _random_rail(rng: Random) -> RailParameters:
    low, target, high = sorted((rng.choice((0, 100, 300)), rng.choice((300, 500, 1000)), rng.choice((1200, 1 << 40))))
    return RailParameters(
        payouts_per_minute=rng.choice((0.0, 0.1, 0.3, 0.5, 1.0, 1.0, 2.5, 2.5)),
        batch_minutes=rng.choice((1, 1, 2, 3, 7)),
        confirmations=rng.choice((0, 0, 1, 2, 3, 9)),
        final_minutes=rng.choice((0, 1, 2, 3, LONG)),
        hot_cents=rng.choice((0, 33, 99, 150, 500, 2000)) if rng.random() < 0.7 else -1,
        cold_cents=rng.choice((0, 100, 700, 10_000)),
        low_cents=low,
        target_cents=target,
        high_cents=high,
    )


def random_flow(rng: Random, rules: FeedbackParameters, minutes: int) -> FeedbackInputs:
    """Return random draws for these rules."""

    def table(*shape: int, of: Sequence[float]) -> np.ndarray:
        return np.array([rng.choice(of) for _ in range(int(np.prod(shape)))]).reshape(shape)

    def whole(*shape: int, of: Sequence[int]) -> np.ndarray:
        return table(*shape, of=of).astype(np.int64)

    def maybe(drawn: np.ndarray) -> np.ndarray:
        return drawn if rng.random() < 0.6 else np.empty(0, np.int64)

    rails, times = len(rules.rails), tuple(range(0, max(minutes, 1) * MINUTE_MS, MINUTE_MS // 2))
    often = rng.choice(((0, 0, 0, 1), (0, 0, 1, 3), (0, 1, 3, 7)))
    requests = np.zeros((rails, CLASSES, 2, minutes), np.int64)
    requests[:, :, 0] = whole(rails, CLASSES, minutes, of=often)
    requests[:, :, 1] = requests[:, :, 0] * whole(rails, CLASSES, minutes, of=(0, 1, 33, 99, 99))
    requests[:, :, 1] += requests[:, :, 0] // 2 * whole(rails, CLASSES, minutes, of=(0, 1))
    exogenous = np.zeros((len(EXOGENOUS_NAMES), minutes))
    if rng.random() < 0.6:
        for column, name in enumerate(EXOGENOUS_NAMES):
            scale = 1.0 if name in ("tightness", "tickets_closed") else rng.choice(SCALES)
            exogenous[column] = table(minutes, of=EXOGENOUS_GRID.get(name, (0.0, 0.0, 0.5))) * scale
    panic_rail = whole(FRIGHTS, of=tuple(range(rails)))
    rows, panic_row = _random_rows(rng, panic_rail, rails, minutes)
    unit = np.arange(1, FRIGHTS + 1)
    return FeedbackInputs(
        requests=requests,
        rows=rows,
        mark_keys=_keys(rng, 2),
        request_tick=maybe(_closures(rng, minutes)),
        posts_ms=np.sort(whole(3, of=times)),
        campaign_ms=np.sort(whole(rng.choice((0, 4)), of=times)),
        closed=maybe(whole(rails, minutes, of=(0, 0, 1))),
        deposits=maybe(whole(rails, minutes, of=(0, 0, 1, 33, 100, 900))),
        blocks=np.sort(whole(rails, max(minutes, 6), of=tuple(range(minutes + 2))), axis=1),
        refill_minutes=whole(rails, 2, of=(1, 1, 2, 5, LONG)),
        exogenous=exogenous,
        copy_times=unit * 0.5,
        panic_times=unit * 0.5,
        calm_times=unit * 0.25,
        post_marks=table(rng.choice((3, FRIGHTS)), of=(0.5, 1.0, 2.0)).astype(np.float64),
        panic_rail=panic_rail,
        panic_cents=whole(FRIGHTS, of=(33, 99)),
        panic_class=whole(FRIGHTS, of=(0, 0, 1, 2)),
        panic_row=panic_row,
    )


def _random_rows(rng: Random, panic_rail: np.ndarray, rails: int, minutes: int) -> tuple[WithdrawalRows, np.ndarray]:
    """Return rows by the minute, those of a run last, and the row of each who could be frightened."""
    drawn = sorted(rng.randrange(minutes) for _ in range(rng.choice((0, 8, 16, 24)) if minutes else 0))
    rows = [[minute, rng.randrange(rails), *_random_row(rng)] for minute in drawn]
    panic_row = np.full(FRIGHTS, -1, np.int64)
    for who in sorted(rng.sample(range(FRIGHTS), rng.choice((0, 8, 20)))):
        panic_row[who] = len(rows)
        rows.append([-1, int(panic_rail[who]), *_random_row(rng)])
    return WithdrawalRows(
        drawn=np.array(rows, np.int64).reshape(len(rows), len(DRAWN_ROWS.columns)),
        keys=_keys(rng, len(rows)),
        account=np.array([rng.choice(MARKS) for _ in rows], np.float64),
    ), panic_row


def _random_row(rng: Random) -> tuple[int, int, int]:
    """Return cents, flags, and the cost as a breach."""
    often = {
        REVIEWED_ROW: 0.6, HELD_ROW: 0.5, DROPPED_ROW: 0.15, BREACHING_ROW: 0.25, ADDRESS_ROW: 0.4, NETWORK_ROW: 0.4,
    }  # fmt: skip
    flags = sum(flag for flag, share in often.items() if rng.random() < share)
    return rng.choice(AMOUNTS), flags, rng.choice((0, 250, 1001))


def _closures(rng: Random, minutes: int) -> np.ndarray:
    """Return by the tick when is requested what would be; one closure may end within another, or beyond the run."""
    ticks = np.arange(minutes)
    for _ in range(rng.choice((1, 1, 2)) if minutes else 0):
        first = rng.randrange(minutes)
        end = first + rng.choice((1, 2, 3, 4, 5, LONG))
        ticks[first:end] = end
    return ticks


def _keys(rng: Random, n: int) -> np.ndarray:
    return np.array([rng.getrandbits(64) for _ in range(n)], np.uint64)
