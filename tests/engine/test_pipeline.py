"""The withdrawal pipeline tick by tick: a timeline worked out by hand for each of its exact sentences.

The tick of a minute takes the requests of the minute before. Lists have an element for each tick, from 0 on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sim.feedback import (
    FeedbackInputs,
    FeedbackParameters,
    GatewayParameters,
    LimitParameters,
    RailParameters,
    TicketsPerEvent,
    WithdrawalRows,
    tables_of,
)
from sim.feedback import columns as level
from sim.selfcheck import feedback as living

Row = tuple[int, int, int, int]
"""Minute, rail, cents, flags."""


class Timeline:
    """What the steps of the levels make of these requests, without a desk."""

    def __init__(
        self,
        rules: FeedbackParameters,
        minutes: int,
        *,
        passing: dict[int, tuple[int, int]] | None = None,
        rows: Sequence[Row] = (),
        account: float = 0.5,
        exogenous: dict[int, dict[int, float]] | None = None,
        **inputs: Any,
    ) -> None:
        requests = np.zeros((len(rules.rails), level.CLASSES, 2, minutes), np.int64)
        for minute, number_and_cents in (passing or {}).items():
            requests[0, level.PASSING, :, minute] = number_and_cents
        table = np.zeros((len(level.EXOGENOUS_NAMES), minutes))
        for line, values in (exogenous or {}).items():
            table[line, list(values)] = list(values.values())
        drawn = np.array([[*row, 0] for row in rows], np.int64).reshape(-1, 5)
        identities = WithdrawalRows(
            drawn=drawn, keys=np.arange(len(drawn), dtype=np.uint64), account=np.full(len(drawn), account)
        )
        self.ints, self.floats, self.rails, self.rows, self.classes = tables_of(
            living.run(rules, FeedbackInputs(requests=requests, rows=identities, exogenous=table, **inputs))
        )

    def whole(self, column: int) -> list[int]:
        return self.ints[column].tolist()

    def share(self, column: int) -> list[float]:
        return self.floats[column].tolist()

    def rail(self, column: int, number: int = 0) -> list[int]:
        return self.rails[number, column].tolist()


def rail(rate: float = 2.0, **more: Any) -> FeedbackParameters:
    """Return rules of one rail."""
    return FeedbackParameters(rails=(RailParameters(payouts_per_minute=rate, **more),))


# --- capacity -------------------------------------------------------------------------------------------------------


def test_what_a_paused_rail_leaves_of_its_capacity_is_lost() -> None:
    """10 stand from tick 1 on; ticks 1 to 3 are paused; then 2 are paid a tick and never more."""
    closed = np.zeros((1, 9), np.int64)
    closed[0, 1:4] = 1
    found = Timeline(rail(), 9, passing={0: (10, 1_000)}, closed=closed)
    assert found.rail(level.PAID) == [0, 0, 0, 0, 2, 4, 6, 8, 10]
    assert found.rail(level.PAID_C) == [0, 0, 0, 0, 200, 400, 600, 800, 1_000]


def test_a_batch_pays_the_whole_ones_of_its_rate_at_its_tick_alone() -> None:
    """0.5 a minute in batches of 3: batch t, at tick 3 t, may take floor(1.5 (t + 1)) - floor(1.5 t): 1, 2, 1, 2."""
    found = Timeline(rail(0.5, batch_minutes=3), 10, passing={0: (9, 900)})
    assert found.rail(level.PAID) == [0, 0, 0, 2, 2, 2, 3, 3, 3, 5]


def test_reviews_are_done_in_order_of_entry_and_number_whatever_the_rail_and_held_ones_wait() -> None:
    """One a tick. Rows 0 and 1 reach review at tick 1, row 2 at tick 2; row 1 is held for 3 ticks after tick 3."""
    reviewed, held = level.REVIEWED_ROW, level.REVIEWED_ROW | level.HELD_ROW
    two = (RailParameters(payouts_per_minute=9.0), RailParameters(payouts_per_minute=9.0))
    rules = FeedbackParameters(rails=two, reviews_per_minute=1.0, hold_minutes=3)
    found = Timeline(rules, 8, rows=[(0, 1, 10, reviewed), (0, 0, 20, held), (1, 1, 30, reviewed)])
    assert found.rail(level.REVIEWED, 1) == [0, 0, 1, 1, 2, 2, 2, 2]
    assert found.rail(level.REVIEWED, 0) == [0, 0, 0, 1, 1, 1, 1, 1]
    assert found.rail(level.HELD_C, 0) == [0, 0, 0, 20, 20, 20, 0, 0]
    assert found.rows[level.FINAL_AT].tolist() == [2, 6, 4]
    assert found.rows[level.ACCEPTED].tolist() == [1, 1, 2]
    assert found.whole(level.N_OPEN) == [0, 2, 2, 2, 1, 1, 0, 0]


# --- line and wallet ------------------------------------------------------------------------------------------------


def test_nobody_overtakes_the_head_of_a_line_that_the_wallet_cannot_pay() -> None:
    """A row of 6.00 stands before three of 1.00; the hot wallet has 5.00, and nothing is cold.

    1.00 comes in minute 3: tick 4 pays the row and has nothing for more. 2.50 come in minute 4: tick 5 pays two, as
    many as the rate allows, and has 0.50 for the last. The wallet is short at each tick that leaves a head of more than
    it holds: 6.00 at 5.00, then 1.00 at nothing, then at 0.50. As that is all money, the head is stuck as well.
    """
    deposits = np.zeros((1, 8), np.int64)
    deposits[0, [3, 4]] = 100, 250
    found = Timeline(
        rail(hot_cents=500, target_cents=500), 8, rows=[(0, 0, 600, 0)], passing={1: (3, 300)}, deposits=deposits,
        refill_minutes=np.array([[1]]),
    )  # fmt: skip
    assert found.rail(level.PAID) == [0, 0, 0, 0, 1, 3, 3, 3]
    assert found.rail(level.HOT_C) == [500, 500, 500, 500, 0, 50, 50, 50]
    assert found.whole(level.SHORT) == [0, 1, 1, 1, 1, 1, 1, 1]
    assert found.whole(level.STUCK) == [0, 1, 1, 1, 1, 1, 1, 1]


def test_counted_ones_are_paid_as_far_as_their_part_of_the_money_goes() -> None:
    """Three share 1.00: one of them costs floor(100 / 3) = 33 cents and two 66, of which the wallet has 65."""
    found = Timeline(
        rail(hot_cents=65, target_cents=65), 3, passing={0: (3, 100)}, refill_minutes=np.array([[1]])
    )  # fmt: skip
    assert found.rail(level.PAID) == [0, 1, 1]
    assert found.rail(level.HOT_C) == [65, 32, 32]
    assert found.whole(level.SHORT) == [0, 1, 1]


def test_a_wallet_is_short_at_every_tick_of_an_open_rail_not_at_those_of_a_batch_alone() -> None:
    """Batches at ticks 0, 5 and 10. 6.00 stands from tick 1 before a wallet of 5.00, into which 1.00 comes in minute 7:
    it is short from tick 1 to 7, but for the closed tick 4, and pays at the next batch."""
    deposits, closed = np.zeros((1, 12), np.int64), np.zeros((1, 12), np.int64)
    deposits[0, 7], closed[0, 4] = 100, 1
    found = Timeline(
        rail(hot_cents=500, target_cents=500, batch_minutes=5), 12, rows=[(0, 0, 600, 0)], deposits=deposits,
        closed=closed, refill_minutes=np.array([[1]]),
    )  # fmt: skip
    assert found.whole(level.SHORT) == [0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 0]
    assert found.rail(level.PAID) == [0] * 10 + [1, 1]


def test_a_payment_of_a_cent_less_than_its_part_does_not_make_a_wallet_short() -> None:
    """Five share 0.07, so that two cost floor(14 / 5) = 2 cents and three 4, of which the wallet has 3. Of the 5 cents
    of the three who are left one more costs 1, which is there."""
    found = Timeline(
        rail(9.0, hot_cents=3, target_cents=3), 3, passing={0: (5, 7)}, refill_minutes=np.array([[1]])
    )  # fmt: skip
    assert found.rail(level.PAID) == [0, 2, 3]
    assert found.rail(level.HOT_C) == [3, 1, 0]
    assert found.whole(level.SHORT) == [0, 0, 1]


def test_an_order_as_large_as_the_head_needs_frees_the_rail_and_what_is_over_goes_back() -> None:
    """The wallet aims at 5.00; a row of 20.00 orders the 15.00 that it lacks at tick 1, for tick 4.

    It is paid then, and 5.00 are ordered for tick 7. 50.00 come in minute 5: tick 6 is above 10.00 and keeps 5.00. At
    tick 7 there are 10.00, which is not above.
    """
    deposits = np.zeros((1, 9), np.int64)
    deposits[0, 5] = 5_000
    wallet = {"hot_cents": 500, "target_cents": 500, "low_cents": 100, "high_cents": 1_000, "cold_cents": 10_000}
    found = Timeline(
        rail(**wallet), 9, rows=[(0, 0, 2_000, 0)], deposits=deposits, refill_minutes=np.array([[3]])
    )  # fmt: skip
    assert found.rail(level.PAID) == [0, 0, 0, 0, 1, 1, 1, 1, 1]
    assert found.rail(level.HOT_C) == [500, 500, 500, 500, 0, 0, 500, 1_000, 1_000]
    assert found.rail(level.COLD_C) == [10_000, 8_500, 8_500, 8_500, 8_000, 8_000, 12_500, 12_500, 12_500]
    assert found.rail(level.TRANSIT_C) == [0, 1_500, 1_500, 1_500, 500, 500, 500, 0, 0]
    assert found.whole(level.STUCK) == [0] * 9


def test_a_payment_is_final_when_a_block_that_holds_it_has_enough_blocks_on_it() -> None:
    """Two are paid at tick 1 and two at tick 2; blocks are found in minutes 1, 2 and 5, and two are needed.

    The block of minute 1 holds the first two; that of minute 2, known at tick 3, makes them final. It holds the others,
    which the block of minute 5 makes final at tick 6.
    """
    found = Timeline(rail(confirmations=2), 8, passing={0: (4, 400)}, blocks=np.array([[1, 2, 5, 99]]))
    assert found.rail(level.PAID) == [0, 2, 4, 4, 4, 4, 4, 4]
    assert found.rail(level.FINAL) == [0, 0, 0, 2, 2, 2, 4, 4]


# --- limits and closures --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tightness", "asked", "accepted", "stage"),
    [
        (0.5, [0, 1, 0, 1, 0, 0], 3, level.DONE),  # an account with the mark 0.5 is not under a limit for half of them
        (0.51, [0, 1, 0, 1, 0, 1], 5, level.DONE),
    ],
)
def test_who_comes_back_comes_as_himself(tightness: float, asked: list[int], accepted: int, stage: int) -> None:
    """6.00 at a limit of 5.00, for all at tick 1, for a share at tick 3 and nobody at tick 5; back after 2 ticks."""
    rules = FeedbackParameters(
        rails=(RailParameters(payouts_per_minute=1.0),),
        limits=LimitParameters(cents=500, back_share=1.0, back_minutes=2),
    )
    found = Timeline(
        rules, 6, rows=[(0, 0, 600, 0)], exogenous={level.MARKET_TIGHTNESS: {1: 1.0, 3: tightness}}
    )  # fmt: skip
    assert found.whole(level.REQUESTS) == asked
    assert found.whole(level.OVER_LIMIT)[-1] == sum(asked) - 1
    assert found.rows[level.ACCEPTED].tolist() == [accepted]
    assert found.rows[level.ATTEMPT].tolist() == [sum(asked)]
    assert found.rows[level.STAGE].tolist() == [stage]
    assert found.rail(level.AGAIN_C) == [600 if 1 <= tick < accepted else 0 for tick in range(6)]


def test_a_hot_wallet_below_its_share_limits_everybody_at_the_next_tick() -> None:
    """Of 10.00 tick 1 pays 6.00: the 4.00 left are below a half, so that the row of 6.00 is turned away at tick 2; the
    one of 5.00 is not above the limit."""
    rules = FeedbackParameters(
        rails=(RailParameters(payouts_per_minute=9.0, hot_cents=1_000, target_cents=1_000),),
        limits=LimitParameters(cents=500, hot_share=0.5),
    )
    rows = [(0, 0, 600, 0), (1, 0, 600, 0), (1, 0, 500, 0)]
    found = Timeline(rules, 4, rows=rows, account=0.99, refill_minutes=np.array([[9]]))
    assert found.share(level.TIGHTNESS) == [0.0, 0.0, 1.0, 1.0]
    assert found.whole(level.TURNED_AWAY) == [0, 0, 1, 1]
    assert found.rows[level.STAGE].tolist() == [level.DONE, level.LOST_AT_LIMIT, level.IN_LINE]
    assert found.rail(level.LOST_C) == [0, 0, 600, 600]


def test_a_closure_puts_all_of_its_requests_off_to_its_end() -> None:
    """Ticks 1 to 3 are closed, for tick 4: three of minute 0 and a row, and one of minute 1; tick 4 has its own one."""
    ticks = np.array([0, 4, 4, 4, 4, 5, 6])
    found = Timeline(
        rail(9.0), 7, passing={0: (3, 300), 1: (1, 70), 3: (1, 30)}, rows=[(0, 0, 50, 0)], request_tick=ticks
    )  # fmt: skip
    assert found.whole(level.REQUESTS) == [0, 0, 0, 0, 6, 0, 0]
    assert found.whole(level.DEFERRED) == [0, 4, 5, 5, 5, 5, 5]
    assert found.whole(level.N_AGAIN) == [0, 4, 5, 5, 0, 0, 0]
    assert found.rail(level.AGAIN_C) == [0, 350, 420, 420, 0, 0, 0]
    assert found.rail(level.PAID_C) == [0, 0, 0, 0, 450, 450, 450]
    assert found.rows[level.ATTEMPT].tolist() == [1]


# --- gateway and events ---------------------------------------------------------------------------------------------


def test_the_load_of_a_tick_and_the_share_that_fails_at_it() -> None:
    """Two points, (4, 0.0) and (8, 1.0): 4 requests with half a code each are 6, of which a half fails; a last point of
    1.0 fails all. Other requests of minute 1 count at tick 2, polls of 3 open ones (0.5 each) at the tick after."""
    gateway = GatewayParameters(
        loads_per_minute=(4.0, 8.0), error_shares=(0.0, 1.0), codes_per_request=0.5, polls_per_open=0.5
    )
    rules = FeedbackParameters(rails=(RailParameters(payouts_per_minute=0.0),), gateway=gateway)
    found = Timeline(
        rules, 5, passing={0: (2, 200), 1: (1, 100), 2: (4, 400)}, exogenous={level.OTHERS: {1: 1.5}}
    )  # fmt: skip
    # Tick 1: 2 x 1.5 = 3. Tick 2: 1.5 + 1.5 others + 2 open x 0.5 = 4, at which none fails. Tick 3: 6 + 3 x 0.5 = 7.5.
    assert found.share(level.LOAD)[:4] == [0.0, 3.0, 4.0, 7.5]
    assert found.share(level.ERROR_SHARE)[:4] == [0.0, 0.0, 0.0, 3.5 / 4]
    all_fail = FeedbackParameters(
        rails=(RailParameters(),), gateway=GatewayParameters(loads_per_minute=(1.0,), error_shares=(0.5,))
    )
    # Beyond the last point no more gets through than there: at 4 a minute 0.5 of them, so 1 - 0.5 / 4 fail.
    assert Timeline(all_fail, 2, passing={0: (4, 400)}).share(level.ERROR_SHARE) == [0.5, 1 - 0.5 / 4]


def test_what_became_of_the_counted_is_kept_by_rail_and_class() -> None:
    """Where all fail and come back after 3 ticks, 2.00 of tick 1 and again of tick 4, and 5.00 of tick 3 come after the
    end; where none comes back, 2.00 are given up; and without a gateway they are let through."""
    gateway = GatewayParameters(loads_per_minute=(0.0,), error_shares=(1.0,), retry_share=1.0, retry_minutes=3)
    rules = FeedbackParameters(rails=(RailParameters(payouts_per_minute=9.0),), gateway=gateway)
    found = Timeline(rules, 5, passing={0: (2, 200), 2: (5, 500)})
    none = [0] * len(level.CLASS_NAMES)
    assert found.classes.tolist() == [[[0, 0, 0, 0, 7, 700], none, none]]
    without = GatewayParameters(loads_per_minute=(0.0,), error_shares=(1.0,))
    lost = Timeline(FeedbackParameters(rails=(RailParameters(),), gateway=without), 5, passing={0: (2, 200)})
    assert lost.classes.tolist() == [[[2, 200, 0, 0, 0, 0], none, none]]
    paid = Timeline(rail(), 5, passing={0: (2, 200)})
    assert paid.classes.tolist() == [[[0, 0, 2, 200, 0, 0], none, none]]


def test_tickets_that_a_minute_s_candidates_do_not_provide_are_asked_for_later() -> None:
    """Each wrong address asks for a half of a minute's candidates; three make 1.5: all of tick 1, half of tick 2. With
    tickets closed at tick 2 that half comes at tick 3."""
    rules = FeedbackParameters(
        rails=(RailParameters(payouts_per_minute=9.0),), wrong_address=TicketsPerEvent(admitted=0.5)
    )
    rows = [(0, 0, 100, level.ADDRESS_ROW)] * 3
    open_all = Timeline(rules, 5, rows=rows)
    assert open_all.share(level.ADMITTED_ADDRESS) == [0.0, 1.0, 0.5, 0.0, 0.0]
    assert open_all.share(level.ADDRESS_PENDING) == [0.0, 0.5, 0.0, 0.0, 0.0]
    shut = Timeline(rules, 5, rows=rows, exogenous={level.TICKETS_CLOSED: {2: 1.0}})
    assert shut.share(level.ADMITTED_ADDRESS) == [0.0, 1.0, 0.0, 0.5, 0.0]
    assert shut.share(level.ADDRESS_PENDING) == [0.0, 0.5, 0.5, 0.0, 0.0]


def test_announcements_quiet_what_failures_and_refusals_ask_for() -> None:
    """One refusal asks for 0.8 of a minute's candidates, of which a quarter is quiet."""
    limits = LimitParameters(cents=500, admitted_per_refusal=0.8)
    rules = FeedbackParameters(rails=(RailParameters(payouts_per_minute=9.0),), limits=limits)
    quiet = {level.MARKET_TIGHTNESS: {1: 1.0}, level.QUIET_LIMITED: {1: 0.25}}
    found = Timeline(rules, 3, rows=[(0, 0, 600, 0)], exogenous=quiet)
    assert found.share(level.ADMITTED_LIMITED) == pytest.approx([0.0, 0.6, 0.0])
