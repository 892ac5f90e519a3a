"""The metrics of withdrawals and of the public, by hand: a day of one rail in which each station does something."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from sim.core.at_least import AtLeast, is_censored
from sim.drivers.market import MarketPath
from sim.engine.conservation import check_conservation
from sim.engine.reference import simulate
from sim.feedback import (
    CopiesParameters,
    FeedbackInputs,
    FeedbackParameters,
    GatewayParameters,
    LimitParameters,
    PanicParameters,
    RailParameters,
    TrustParameters,
    WithdrawalRows,
)
from sim.feedback.columns import (
    CLASSES,
    CONTAGION,
    DROPPING,
    EXOGENOUS_NAMES,
    HELD_ROW,
    MARKET_TIGHTNESS,
    PASSING,
    REVIEWED_ROW,
)
from sim.metrics.hourly import hourly
from sim.metrics.observation.replication import Observation
from sim.metrics.observation.waits import line_waits
from sim.metrics.withdrawals import _quantile
from sim.numerics.streams import Streams
from sim.scenario.schema.scenario import Scenario
from tests.support.stories import model_with
from tests.support.worlds import MIN, crew, demand, desk, ticket

MINUTES = 1440
H = 60 * MIN
LAW = {"law": "deterministic", "value": "1 h"}
SCENARIO = {
    "title": "by hand",
    "days": 1,
    "population": {"registered": 100, "mau_share": 0.1, "tickets_per_mau_day": 0.1},
    "categories": {"a": {"share": 1.0, "steps": {"only": {"queue": "q", "handle": LAW}}}},
    "teams": {"t0": {"serves": ["q"], "agents": 1}},
    "withdrawals": {
        "payouts_per_minute": 1, "review_share": 0.1, "reviews_per_hour": 60, "confirmation": "1 min",
        "promise": "10 min", "late_tickets_per_hour": 1, "late_category": "a", "late_ceiling_per_hour": 1,
        "amount_mean_usd": 1, "amount_cv": 1, "assets": {"BTC": 1.0},
        "rails": {"BTC": {"wallet": {
            "hot_usd": 10, "cold_usd": 20, "low_share": 0.5, "high_share": 2, "deposits_share": 0, "refill": LAW,
        }}},
    },
    "gateway": {
        "loads_per_s": [0.1], "error_shares": [0.0], "retry_share": 0, "retry_after": "1 min",
        "tickets_per_failure": 0, "category": "a", "ceiling_per_hour": 1,
    },
    "copies": {"per_post": 0.5, "half_life": "1 h", "unanswered_half_life": "1 h", "mark_tail": 2},
    "trust": {"half_life": "1 d", "loss_per_post": 0.1, "distrust_weight": 0},
    "run": {
        "depositors_share": 1, "contacts": 0, "fright": "1 h", "frightened_per_hour": 0, "amount_mean_usd": 1,
        "amount_cv": 1,
    },
    "campaigns": {"wave": {"at": "6 min", "length": "1 min", "posts": 1, "spam_per_post": 3}},
    "listening": {"noise_per_day": 40, "recall": 0.75, "false_share": 0.1},
}  # fmt: skip
RAIL = RailParameters(
    payouts_per_minute=2.0, final_minutes=3, hot_cents=1000, cold_cents=2000, low_cents=500, target_cents=1000
)
ROWS = WithdrawalRows(
    # Minute, rail, cents, flags, cost as a breach: one that is reviewed and held, two above the limit.
    drawn=np.array([[0, 0, 100, REVIEWED_ROW | HELD_ROW, 0], [100, 0, 600, 0, 0], [100, 0, 600, 0, 0]]),
    keys=np.zeros(3, np.uint64),
    account=np.array([0.0, 0.25, 0.75]),
)


def by_hand() -> Observation:
    """Return a day: 6 requests of a dollar in minute 0, 10 in minute 50 at a gateway that then fails, 4 in minute 100,
    two of them above a limit for half of the accounts; 2 posts; a fright of one."""
    requests = np.zeros((1, CLASSES, 2, MINUTES), np.int64)
    requests[0, PASSING, :, 0] = 4, 400
    requests[0, DROPPING, :, 0] = 1, 100
    requests[0, PASSING, :, 50] = 10, 1000
    requests[0, PASSING, :, 100] = 2, 200
    exogenous = np.zeros((len(EXOGENOUS_NAMES), MINUTES))
    exogenous[MARKET_TIGHTNESS, 101] = 0.5
    exogenous[CONTAGION, 200] = 1.0
    inputs = FeedbackInputs(
        requests=requests,
        rows=ROWS,
        posts_ms=np.array([5 * MIN]),
        campaign_ms=np.array([6 * MIN]),
        exogenous=exogenous,
        refill_minutes=np.array([[60]]),
        copy_times=np.array([0.5, 99.0]),
        panic_times=np.array([0.5, 99.0]),
        calm_times=np.array([99.0]),
        post_marks=np.array([1.0]),
        panic_rail=np.array([0, 0]),
        panic_cents=np.array([300, 300]),
        panic_class=np.array([PASSING, PASSING]),
        panic_row=np.array([-1, -1]),
    )
    rules = FeedbackParameters(
        rails=(RAIL,),
        reviews_per_minute=1.0,
        hold_minutes=10,
        promise_minutes=10,
        gateway=GatewayParameters(loads_per_minute=(7.0, 10.0), error_shares=(0.0, 1.0)),
        limits=LimitParameters(cents=500),
        copies=CopiesParameters(per_post=0.5, decay=0.0, unanswered_decay=0.0),
        trust=TrustParameters(loss_per_post=0.1),
        panic=PanicParameters(depositors=10),
    )
    scenario = Scenario.model_validate(SCENARIO)
    at = desk(crew(1, "q"), horizon=MINUTES * MIN)
    world = model_with(scenario, MarketPath(scenario, np.ones(24)), at, rules)
    met = replace(
        demand(ticket(0, 10), categories=("a",), minutes=MINUTES), inputs=inputs, spam_ms=np.array([6, 6, 7]) * MIN
    )
    outcome = simulate(met, at, rules)
    check_conservation(outcome, met.inputs, rules, every_minute=True)
    return Observation(world, met, outcome, Streams(1, 0))


# Tick 1 takes minute 0: with the ticket opened in it the load is 6 + 1, which the gateway carries. One drops out, one
# goes to review, 4 stand in line, 2 a minute are paid: at ticks 1 and 2, final at 4 and 5, 3 and 4 minutes after they
# were accepted. The review is done at tick 2, the hold over at 12, final at 15: 14 minutes. Hot wallet: 5.00.
# Tick 51: a load of 10, at which all fail.
# Tick 101: of the two above the limit the account with the mark 0.25 is under it. 2 counted ones are paid, final at
# 104; hot wallet 3.00, below 5.00: 7.00 are ordered, which come 60 minutes later. The row of 6.00 is first in line and
# has to wait: the wallet is short at ticks 101 to 160. It is paid at 161 and final at 164, 63 minutes after 101. Hot
# wallet 10.00 - 6.00, 6.00 ordered for tick 221.
# Tick 200: one in fright takes 3.00, final 3 minutes later; hot wallet 1.00, the least. The copy of the first post
# comes in the minute of the campaign's.
# Waits of the 9 in order: 3, 3, 3, 3, 3, 4, 4, 14, 63.
HAND_WITHDRAWALS: dict[str, dict[str, float | None]] = {
    "withdrawals_requests_per_day": {"": 6 + 10 + 4 + 1},
    "withdrawals_failed_share": {"": 10 / 21},
    "withdrawals_given_up_per_day": {"": 10},
    "withdrawals_dropped_per_day": {"": 1},
    "withdrawals_refused_per_day": {"": 1},
    "withdrawals_held_per_day": {"": 1},
    "withdrawals_paid_per_day": {"": 4 + 1 + 2 + 1 + 1, "BTC": 9},
    "withdrawal_final_p50": {"": 3, "BTC": 3},
    "withdrawal_final_p95": {"": 63, "BTC": 63},
    "outflow_usd_per_day": {"": 4.0 + 1.0 + 2.0 + 6.0 + 3.0, "BTC": 16.0},
    "assets_left_share": {"": (30 - 16) / 30},
    "wallet_low_share": {"": 0.1, "BTC": 0.1},
    "wallet_short_hours": {"": 60 / 60},
    "wallet_stuck_hours": {"": 0},  # the money that the row of 6.00 waits for is cold, or on its way
    "withdrawals_deferred_per_day": {"": 0},
    "withdrawals_individual_share": {"": 3 / 20},  # the one in fright is not among those drawn by the minute
    "complaints_copied_per_day": {"": 1},
    "cascades_cut": {"": 0},
    "complaints_public_per_day": {"": 3},
    "complaints_public_peak_day": {"": 3},
    "complaints_flagged_per_day": {"": 3 * 0.75 + 4},
    "complaints_flagged_precision": {"": 0.75 / 6.25},  # of one complaint; a copy and a campaign's post are none
    "complaints_perceived_share": {"": 3 / (3 + 40)},
    "trust_low": {"": 0.9 * 0.8},
    "tickets_spam_per_day": {"": 3},
    "tickets_peak_per_s": {"": 2 / 60},
    "ran_share": {"": 0.1},
}
"""Compared with the metrics in test_by_hand."""


def test_the_hours_of_money_and_of_the_public_by_hand() -> None:
    found = hourly(by_hand())
    assert found["all", "outflow_usd"].sum() == HAND_WITHDRAWALS["outflow_usd_per_day"][""]
    # Ticks 1, 2 and 12; 101; 161; the one in fright at tick 200.
    assert found["all", "outflow_usd"][:5].tolist() == [5.0, 2.0, 6.0, 3.0, 0.0]
    assert found["all", "new_copies"][0] == found["all", "new_copies"].sum() == 1
    assert found["all", "new_campaign_posts"][0] == 1
    assert found["all", "n_spreaders"][2] == 0
    assert found["all", "n_spreaders"][3] == 1
    assert found["all", "trust"][0] == pytest.approx(HAND_WITHDRAWALS["trust_low"][""])
    assert found["all", "error_share"][:2].tolist() == [1 / 60, 0.0]
    assert found["asset:BTC", "hot_share"][:4].tolist() == [0.5, 0.3, 0.4, 0.7]
    # At the hour's end the row of 6.00 waits, accepted at tick 101 and promised within 10 minutes.
    assert found["all", "n_withdrawals_open"][:4].tolist() == [0, 1, 0, 0]
    assert found["all", "n_withdrawals_late"][:4].tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("counts", "p", "found"),
    [
        ([0, 1, 2, 1, 0], 0.5, 2.0),
        ([0, 1, 2, 1, 0], 0.75, 2.0),
        ([0, 1, 2, 1, 0], 0.76, 3.0),
        ([9, 1], 0.9, 0.0),
        ([9, 1], 0.95, AtLeast(0)),
        ([0, 0], 0.5, None),
    ],
)
def test_a_quantile_of_waits_of_which_the_last_never_end(counts: list[int], p: float, found: float | None) -> None:
    got = _quantile(np.array(counts, np.int64), p)
    assert (got, is_censored(got)) == (found, is_censored(found))


@pytest.mark.parametrize("seed", range(20))
def test_the_waits_in_a_line_are_those_of_each_who_stands_in_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    came = np.cumsum(rng.poisson(0.7, 60))
    gone = np.minimum(np.cumsum(rng.poisson(0.5, 60)), came)
    first = int(rng.integers(0, 20))
    waits: Counter[int] = Counter()
    stay = 0
    for number in range(came[first - 1] if first else 0, came[-1]):
        entered = int((came <= number).sum())
        left = int((gone <= number).sum())
        waits[left - entered] += left < 60
        stay += left == 60
    found = line_waits(came, gone, first).tolist()
    assert found[-1] == stay
    assert found[:-1] == [waits[minutes] for minutes in range(len(found) - 1)]
    assert sum(found) == came[-1] - (came[first - 1] if first else 0)
