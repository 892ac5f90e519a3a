"""The metrics of a day of seven tickets, worked by hand, laws of single metrics, and the hourly series against them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.core.at_least import AtLeast, is_censored
from sim.core.clock import DAY_MS, HOUR_MS, NEVER
from sim.core.tables import SERIES, check
from sim.demand import Demand
from sim.drivers.market import MarketPath
from sim.engine.reference import simulate
from sim.experiment.hourly_table import frame, hourly_of
from sim.experiment.replication import observe
from sim.experiment.store import ReplicationStore
from sim.feedback import FeedbackParameters, RailParameters, RumourParameters
from sim.metrics.hourly import SERIES_NAMES, hourly
from sim.metrics.observation.counts import DUE, IN_TIME
from sim.metrics.observation.replication import Observation
from sim.metrics.observation.unlimited_staffing import unlimited_complaints_ms
from sim.metrics.registry import METRICS, measure, metric_of
from sim.model.model import build
from sim.numerics.intervals import Intervals
from sim.numerics.streams import Streams
from sim.staffing.desk import Desk
from sim.staffing.people import Called
from sim.staffing.skills import AWAY
from tests.support.stories import category, model_with, rich, story
from tests.support.worlds import MIN, Rules, candidate, chase, crew, demand, desk, path, reopening, ticket

H = HOUR_MS
AB = {"a": category(queue="p"), "b": category(queue="q")}
TEAMS = {"t0": {"serves": ["p"], "agents": 1}, "t1": {"serves": ["q"], "agents": 1}}
TARGET_OF_Q = {"q": {"target": "1 h"}}
PEOPLE = {"registered": 1000, "mau_share": 0.1, "tickets_per_mau_day": 0.1}


def observed(d: Demand, at: Desk, rules: FeedbackParameters | None = None, **changes: Any) -> Observation:
    """Return the facts of a small world under a scenario that says the rest."""
    scenario = story(**({"days": 1, "categories": AB, "teams": TEAMS} | changes))
    hours = (scenario.warmup_days + scenario.days) * 24
    market = MarketPath(scenario, np.ones(hours))
    world = model_with(scenario, market, at, rules)
    opening = scenario.complaints.clock == "opening"
    return Observation(world, d, simulate(d, at, rules, complain_from_opening=opening), Streams(1, 0))


def by_hand() -> Observation:
    """A day of seven tickets. t0 works on row 0 0-1 h, 1 1-2, 3 2-5, 6 5-5.5, 4 from 23; t1 on row 1 4-6."""
    rows = [
        ticket(0, H, "p", target=H // 4),
        path(H // 2, ("p", H, 2 * H, H // 2), ("q", 2 * H), target=H // 4, complain=3 * H, regulator=True),
        ticket(H, H, "p", category=1, patience=H // 2, complain=H),
        ticket(2 * H, 3 * H, "p", category=1),
        ticket(23 * H, 2 * H, "p", category=1, target=2 * H, regulator=True),
        ticket(23 * H + H // 2, H, "p", target=H // 4),
        chase(3, H, ("p", H // 2), category=1),
    ]
    d = demand(
        *rows, queues="pq", categories=("a", "b"), minutes=1440, automatic=[0] * 5 + [120], review=[0] * 5 + [60],
        posts=[6 * H, 7 * H], bot_opened=[[H, 2 * H], [3 * H]],
    )  # fmt: skip
    at = desk(crew(1, "p", cost=10.0, scheduled=2), crew(1, "q", cost=5.0, scheduled=1), queues="pq", horizon=24 * H)
    at = replace(at, surges=(Called("t1", 20 * H, 30 * H, 2, 7.0),), lost=(0.0, 0.5))
    lesson = {"at": "12 h", "reduction": {"a": 0.5}}  # half of 6 an hour, for half a day
    f = observed(d, at, population=PEOPLE, regulator={"after": "2 h", "share": 0.5}, education=lesson)
    logins = np.zeros(1440, dtype=np.int64)
    logins[7] = 90
    f.__dict__["requests"] = f.requests | {"login": logins}  # drawn when asked for; here by hand
    return f


HAND_DESK: dict[str, dict[str, float | None]] = {
    "tickets_new_per_day": {"": 9, "a": 5, "b": 4},
    "tickets_bot_per_day": {"": 3, "a": 2, "b": 1},
    "tickets_human_per_day": {"": 6, "a": 3, "b": 3},
    "tickets_first_contact_per_day": {"": 2, "a": 1, "b": 1},
    "tickets_escalated_per_day": {"": 1, "a": 1, "b": 0},
    "backlog_peak": {"": 3, "t0": 2, "t1": 1},
    "backlog_end": {"": 2, "t0": 2, "t1": 0},
    "backlog_mean": {"": 14 / 24, "t0": 10 / 24, "t1": 2 / 24},
    "backlog_age_p90": {"": 0.95, "t0": 0.95, "t1": None},
    "drain_days": {"": None, "t0": None, "t1": None},
    # Row 1 waits from 0.5 to 1 h, 2 from 1 to 1.5, 6 from 3 to 5 and 5 from 23.5; row 1 is paused from 2 to 4.
    "backlog_waiting_peak": {"": 1, "t0": 1, "t1": 0},
    "backlog_waiting_mean": {"": 3.5 / 24, "t0": 3.5 / 24, "t1": 0},
    "backlog_waiting_end": {"": 1, "t0": 1, "t1": 0},
    "backlog_in_hand_mean": {"": 8.5 / 24, "t0": 6.5 / 24, "t1": 2 / 24},
    "backlog_with_customer_mean": {"": 1.5 / 24},
    "backlog_with_others_mean": {"": 0.5 / 24},
    "oldest_age_peak": {"": 2, "t0": 2, "t1": None},
    "oldest_age_end": {"": 0.5, "t0": 0.5, "t1": None},
    "first_response_p50": {"": 0, "a": 30, "b": 0},
    "first_response_p90": {"": AtLeast(30), "a": AtLeast(30), "b": AtLeast(30)},  # two left or wait after 30 min
    "resolution_p50": {"": 3, "a": 1, "b": 3},
    "resolution_p90": {"": 5.5, "a": 5.5, "b": 3},
    "within_target_share": {"": 1 / 3, "a": 1 / 3, "b": None},  # the target of row 4 ends after the day
    "abandoned_share": {"": 1 / 6, "a": 0, "b": 1 / 3},
    "recontact_share": {"": 1 / 6, "a": 0, "b": 1 / 3},
    "occupancy": {"": 8.5 / 48, "t0": 6.5 / 24, "t1": 2 / 24},
    "overtime_per_day": {"": 0, "t0": 0, "t1": 0},
    "work_in_breaks_per_day": {"": 0, "t0": 0, "t1": 0},
    "complaints_direct_per_day": {"": 2, "a": 1, "b": 1},
    "complaints_background_per_day": {"": 2},
    "complaints_without_waits_per_day": {"": 3, "a": 1, "b": 0},
    "complaints_reducible_per_day": {"": 1},
    "complaints_peak_day": {"": 4},
    "complaints_per_day": {"": 4},
    "complaints_regulator_per_day": {"": 24 / 22, "a": 24 / 22, "b": 0},  # after 2 h, so in 22 of the 24
    "unharmed_share_of_registered": {"": 0.998},
    "unharmed_share_of_active": {"": 0.98},
    "unharmed_share_of_tickets": {"": 1 - 2 / 9},
    "withdrawals_peak_per_s": {"": 3.0},
    "tickets_peak_per_s": {"": 2 / 60},
    "reads_peak_per_s": {"": 1.5},
    "requests_peak_per_s": {
        "": 3.0,
        "withdrawal": 3.0,
        "ticket": 2 / 60,
        "login": 1.5,
        "withdrawal_status": 0,
        "ticket_view": 0,
    },
    "candidates_refused": {"": 0},
    "agent_cost_per_day": {"": 656, "t0": 480, "t1": 176},
    "agents_on_duty": {"": 2, "t0": 1, "t1": 1},
    "agents_lost": {"": 0.5, "t0": 0, "t1": 0.5},
    "surge_agent_hours": {"": 8, "t0": 0, "t1": 8},
    "warnings_raised": {"": 0},
    "tickets_prevented_per_day": {"": 36, "a": 36, "b": 0},
    "price_low": {"": 1.0},
    "complaints_public_per_day": {"": 4},
    "complaints_public_peak_day": {"": 4},
    "tickets_peak_hour": {"": 2},
    "wait_over_target_share": {"": None, "p": None, "q": None},
    # Of those who came to p in hour 1, fewer than half were answered; 22 h were left.
    "wait_median_peak": {"": AtLeast(1320), "p": AtLeast(1320), "q": None},
    # Work that comes to t0: 1, 1, 1 (whose customer leaves), 3, 2, 1 and half an hour; to t1 2 h.
    "load_share": {"": 11.5 / 48, "t0": 9.5 / 24, "t1": 2 / 24},
    "load_peak_day": {"": 9.5 / 24, "t0": 9.5 / 24, "t1": 2 / 24},
    "cascades_cut": {"": 0},  # without copies nothing was cut
}
"""Compared with the metrics in test_by_hand, which demands a number for every metric from some world."""

NOT_THERE = {
    "volatility_peak", "withdrawals_late_peak", "rumour_peak", "signups_per_day", "signups_lost_per_day",
    "kyc_reviews_per_day", "kyc_backlog_peak", "kyc_questions_per_day", "newcomer_mistakes_share",
    "withdrawals_requests_per_day", "withdrawals_paid_per_day", "withdrawals_failed_share",
    "withdrawals_given_up_per_day", "withdrawals_refused_per_day", "withdrawals_dropped_per_day",
    "withdrawals_held_per_day", "withdrawal_final_p50", "withdrawal_final_p95", "outflow_usd_per_day",
    "assets_left_share", "wallet_low_share", "wallet_short_hours", "wallet_stuck_hours",
    "withdrawals_deferred_per_day", "withdrawals_individual_share", "withdrawals_barred_per_day",
    "compliance_breaches_per_day", "compliance_cost_per_day", "astray_usd_per_day", "recovered_usd_per_day",
    "complaints_copied_per_day", "complaints_flagged_per_day", "complaints_perceived_share",
    "complaints_flagged_precision", "tickets_spam_per_day", "trust_low", "ran_share", "campaign_posts_per_day",
    "outflow_usd_peak_hour", "gateway_error_peak_hour", "tightness_peak_hour", "turned_away_per_day",
}  # fmt: skip
"""What needs prices, newcomers, withdrawals, copies, a classifier or a run, none of which the seven tickets have."""


def test_what_a_world_has_nothing_of_has_no_number() -> None:
    found = by_hand()
    for metric in METRICS:
        if metric.name in NOT_THERE:
            assert metric.of(found) == {"": None}, metric.name


def test_every_metric_says_what_it_is() -> None:
    names = [metric.name for metric in METRICS]
    lacking = set(names) - HAND_DESK.keys() - NOT_THERE
    assert not lacking, f"{lacking}: give its value in the seven tickets to HAND_DESK, or its name to NOT_THERE"
    assert HAND_DESK.keys() | NOT_THERE == set(names)
    assert not HAND_DESK.keys() & NOT_THERE
    assert len(set(names)) == len(names)
    assert all(m.unit and m.meaning and m.better in (-1, 0, 1) for m in METRICS)
    shares = [m for m in METRICS if m.name.endswith("_share") or "_share_" in m.name]
    assert all(m.unit.startswith("of ") for m in shares)  # a share names its denominator


def test_a_value_s_name_is_the_metric_s_and_its_entity_s() -> None:
    found = measure(by_hand())
    assert found["backlog_peak"] == 3
    assert found["backlog_peak.t1"] == 1
    assert metric_of("backlog_peak.t1").name == "backlog_peak"
    with pytest.raises(KeyError):
        metric_of("backlog")


def test_the_warm_up_is_not_measured_and_its_tickets_are_not_lost() -> None:
    rows = [ticket(0, 30 * H, "p"), ticket(H, H, "p"), ticket(25 * H, H, "p", complain=1)]
    d = demand(*rows, queues="pq", categories=("a", "b"), minutes=2880, posts=[H, 25 * H], bot_opened=[[H, 26 * H], []])
    f = observed(d, desk(crew(1, "p"), crew(1, "q"), queues="pq", horizon=48 * H), warmup_days=1)
    found = measure(f)
    assert found["tickets_human_per_day"] == 1
    assert found["tickets_bot_per_day"] == 1
    assert found["tickets_first_contact_per_day"] == 3  # all three first handlings end on the measured day
    assert found["complaints_background_per_day"] == 1
    assert found["backlog_peak"] == 3  # rows 0 and 1 are still there when the third comes
    assert found["backlog_mean"] == pytest.approx((6 + 7 + 7) / 24)
    assert found["occupancy.t0"] == pytest.approx((6 + 1 + 1) / 24)


def test_drain_days_from_the_peak_to_a_quarter_above_the_warm_up_s_highest() -> None:
    # Four stand at once in the second half of the warm-up, so calm is 5; on day 2 eight come and go one an hour. Six in
    # its first half, while the desk fills, are of no account.
    before = [ticket(10 * H, (n + 1) * H, "p") for n in range(6)]
    before += [ticket(30 * H, (n + 1) * H, "p") for n in range(4)]
    crowd = [ticket(60 * H, (n + 1) * H, "p") for n in range(8)]
    d = demand(*before, *crowd, queues="pq", categories=("a", "b"), minutes=5760)
    at = desk(crew(9, "p"), crew(1, "q"), queues="pq", horizon=96 * H)
    assert measure(observed(d, at, warmup_days=2, days=2))["drain_days"] == pytest.approx(3 / 24)
    assert measure(observed(d, at, warmup_days=1, days=3))["drain_days"] is None  # too short a warm-up to tell
    calm = demand(*before, *crowd[:5], queues="pq", categories=("a", "b"), minutes=5760)
    assert measure(observed(calm, at, warmup_days=2, days=2))["drain_days"] == 0.0
    away = [[60 * H, agent, AWAY, 10**6] for agent in np.flatnonzero(at.agent_team == 0).tolist()]
    stuck = replace(at, changes=np.concatenate([at.changes, away]))
    never = measure(observed(d, stuck, warmup_days=2, days=2))["drain_days"]
    assert (never, is_censored(never)) == (36 / 24, True)  # from hour 60 to the end, and not drained


def test_levels_by_hand() -> None:
    rules = FeedbackParameters(
        rails=(RailParameters(payouts_per_minute=1.0),),
        promise_minutes=2,
        rumour=RumourParameters(decay=0.5, threshold=0.0, admitted_per_complaint=2.0),
    )
    rows = [ticket(0, 2 * H, "p", complain=10), ticket(0, H, "p", complain=20), candidate(MIN, 0.9, queue="p")]
    d = demand(*rows, queues="pq", categories=("a", "b"), minutes=1440, automatic=[5])
    at = desk(crew(2, "p"), crew(1, "q"), queues="pq", horizon=24 * H)
    rumour = {"half_life": "1 min", "threshold": 0, "tickets_per_hour": 60, "category": "a", "ceiling_per_hour": 30}
    found = measure(observed(d, at, rules, complaints={"clock": "opening"}, rumour=rumour))
    assert found["withdrawals_late_peak"] == 2  # in minute 2 two of five are still unpaid
    assert found["rumour_peak"] == 2.0
    assert found["candidates_refused"] == 2.0  # levels of 4, 2, 1, ... at half a candidate a minute


def test_shares_without_a_denominator_do_not_exist() -> None:
    d = demand(ticket(0, H, "p"), queues="pq", categories=("a", "b"), minutes=1440)
    found = measure(observed(d, desk(crew(1, "p"), crew(0, "q"), queues="pq", horizon=24 * H)))
    assert found["within_target_share"] is None
    assert found["abandoned_share"] == 0
    assert found["abandoned_share.b"] is None
    assert found["occupancy.t1"] is None
    assert found["unharmed_share_of_registered"] is None
    assert found["first_response_p50.b"] is None


def test_a_target_is_missed_before_the_horizon_and_undecided_at_it() -> None:
    rows = [ticket(0, 30 * H, "p"), ticket(22 * H, H, "p", target=2 * H - 1), ticket(22 * H, H, "p", target=2 * H)]
    d = demand(*rows, queues="pq", categories=("a", "b"), minutes=1440)
    at = desk(crew(1, "p"), crew(1, "q"), queues="pq", horizon=24 * H)
    assert observed(d, at).totals[[DUE, IN_TIME], 0].tolist() == [1, 0]


def test_a_chat_that_moved_to_the_inbox_is_abandoned_once() -> None:
    d = demand(ticket(0, H, "p", patience=10), queues="pq", categories=("a", "b"), minutes=1440)
    at = desk(crew(0, "p"), crew(1, "q"), queues="pq", horizon=24 * H, rules=Rules(then={"p": "q"}))
    f = observed(d, at)
    assert measure(f)["abandoned_share"] == 1
    assert measure(f)["tickets_first_contact_per_day"] == 1


def test_the_backlog_at_an_instant_counts_who_opened_and_not_who_closed() -> None:
    stay = Intervals(np.array([0, 10, 10, NEVER]), np.array([10, 20, NEVER, NEVER]))
    assert stay.at(np.array([0, 9, 10, 19, 20])).tolist() == [1, 1, 2, 2, 1]
    assert stay.peak(0, 30) == (2, 10)
    assert stay.peak(20, 30) == (1, 20)
    assert stay.held_ms(5, 25) == 5 + 10 + 15


def test_who_waits_counts_for_the_team_that_would_take_first_and_then_for_the_one_that_did() -> None:
    rows = [
        ticket(0, H, "p"),
        ticket(0, H, "p"),
        ticket(23 * H, 2 * H, "p"),
        ticket(23 * H, H, "p"),
        ticket(23 * H, H, "p"),
    ]
    d = demand(*rows, queues="pq", categories=("a", "b"), minutes=1440)
    at = desk(crew(1, "q", "p"), crew({0: 1, 2 * H: 0}, "p"), queues="pq", horizon=24 * H)
    f = observed(d, at)
    assert f.leg_home.tolist() == [1, 0, 0, 1, 1]  # t1 ranks p the highest, though it has gone home
    assert measure(f)["backlog_end.t1"] == 2


# --- without waits ------------------------------------------------------------------------------------------------


def test_complaints_without_waits_meet_the_same_draws_with_unlimited_agents() -> None:
    """Row 0 would be solved by 5 h, row 1 by 2 h; reopened at 2 + 1 h, it is solved again by 5 h."""
    rows = [
        path(0, ("p", H, 2 * H), ("q", 2 * H), complain=3 * H),  # clock at 1 h, complaint at 4 h: stays
        ticket(0, 2 * H, "p", target=1, complain=1, patience=1),  # leaves here, is answered at once there
        reopening(1, H, ("p", H), ("q", H), complain=H // 2),  # clock at 4 h, complaint at 4.5 h: stays
        chase(0, H, ("p", H), complain=NEVER),
    ]
    d = demand(*rows, queues="pq", categories=("a", "b"), minutes=1440)
    at = desk(crew(1, "p"), crew(0, "q"), queues="pq", horizon=24 * H)
    out = simulate(d, at, None)
    found = unlimited_complaints_ms(d, out, at, at_opening=False, horizon_ms=24 * H)
    assert found.tolist() == [4 * H, NEVER, 4 * H + H // 2, NEVER]


def test_without_waits_agents_hold_one_ticket_each() -> None:
    rows = [path(0, ("p", H), ("p", H), complain=5 * H // 4 + 1)]
    d = demand(*rows, queues="p", categories=("a", "b"), minutes=1440)
    at = desk(crew(1, "p", holds=2, stretch=(1250, 4000)), queues="p", horizon=24 * H)
    found = unlimited_complaints_ms(d, simulate(d, at, None), at, at_opening=False, horizon_ms=24 * H)
    assert found.tolist() == [NEVER]  # an hour and a quarter each: solved a millisecond before the complaint


# --- the series ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def replication() -> Observation:
    return observe(build(rich(queues={"inbox": {"target": "1 h"}, "security": {}})), seed=3, replication=0)


def test_the_series_add_up_to_the_metrics(replication: Observation) -> None:
    series, found, days = hourly(replication), measure(replication), replication.days
    total = {key: float(np.nansum(values)) for key, values in series.items()}
    for name, metric in (
        ("new_tickets", "tickets_new_per_day"),
        ("new_human", "tickets_human_per_day"),
        ("new_complaints", "complaints_direct_per_day"),
        ("new_posts", "complaints_background_per_day"),
    ):
        assert total["all", name] / days == pytest.approx(found[metric])
        assert total["all", name] > 0
    without = total["all", "new_complaints_without_waits"] + total["all", "new_posts"]
    assert without / days == pytest.approx(found["complaints_without_waits_per_day"])
    for kind in ("howto", "payout"):
        assert total[f"category:{kind}", "new_tickets"] / days == pytest.approx(found[f"tickets_new_per_day.{kind}"])
    assert series["all", "n_backlog"][-1] == found["backlog_end"]
    assert series["all", "n_backlog"].max() <= (found["backlog_peak"] or 0)
    for team in ("front", "back"):
        assert series[f"team:{team}", "n_backlog"][-1] == found[f"backlog_end.{team}"]
    endpoints = {"withdrawal": "withdrawals_peak_per_s", "ticket": "tickets_peak_per_s"}
    for endpoint, metric in endpoints.items():
        assert series[f"endpoint:{endpoint}", "peak_per_s"].max() == pytest.approx(found[metric])
        sums = replication.measured_requests[endpoint].sum()
        assert total[f"endpoint:{endpoint}", "rate_per_s"] * 3600 == pytest.approx(float(sums))


def test_agents_and_waits_in_the_series_by_hand() -> None:
    rows = [ticket(0, H, "p"), ticket(0, H, "p"), ticket(H // 2, H, "p"), ticket(23 * H, H, "p")]
    d = demand(*rows, queues="pq", categories=("a", "b"), minutes=1440)
    at = desk(crew({0: 1, H // 4: 2, 2 * H: 0}, "p"), crew(1, "q"), queues="pq", horizon=24 * H)
    series = hourly(observed(d, at, queues={"p": {"target": "2 h"}}))
    assert series["team:t0", "agents_on_duty"][:4].tolist() == pytest.approx([1.75, 2, 0, 0])
    assert series["team:t0", "agents_needed"][[0, 1, 23]].tolist() == pytest.approx([3, 0, 1])
    # Waits in hour 0: 0, 15 and 30 min; the ticket of hour 23 is never answered.
    assert series["queue:p", "wait_p50_min"][0] == 15
    assert series["queue:p", "wait_p90_min"][0] == 30
    for name in ("wait_p50_min", "wait_p90_min"):
        assert np.isnan(series["queue:p", name][1]), "nobody asked"
        assert np.isposinf(series["queue:p", name][23]), "beyond the end"
    assert series["queue:p", "target_min"].tolist() == [120] * 24
    assert series["all", "n_backlog"][[0, 1, 22, 23]].tolist() == [
        3,
        1,
        0,
        1,
    ]  # who closes on the hour is there until then
    for turn, there in (("in_hand", [2, 1, 0, 0]), ("waiting", [1, 0, 0, 1])):
        assert series["all", f"n_backlog_{turn}"][[0, 1, 22, 23]].tolist() == there


def test_the_keys_of_the_series_are_the_world_s_and_what_nobody_asked_is_not_known() -> None:
    at = desk(crew(1, "p"), crew(1, "q"), queues="pq", horizon=24 * H)
    quiet, busy = (
        hourly(
            observed(
                demand(*rows, queues="pq", categories=("a", "b"), minutes=1440), at, queues={"q": {"target": "1 h"}}
            )
        )
        for rows in ([ticket(0, H, "p")], [ticket(0, H, "p"), ticket(0, H, "q", category=1)])
    )
    assert list(quiet) == list(busy)
    assert np.isnan(quiet["queue:q", "wait_p50_min"]).all()
    assert quiet["queue:q", "target_min"].tolist() == [60] * 24
    assert busy["queue:q", "wait_p50_min"][0] == 0
    assert all(values.dtype == np.float64 and len(values) == 24 for values in quiet.values())


def test_a_desk_that_leaves_no_whole_hours_to_measure_is_refused() -> None:
    d = demand(ticket(0, H, "p"), queues="pq", categories=("a", "b"), minutes=1440)
    for horizon in (24 * H + 1, 0):
        with pytest.raises(ValueError, match=r"horizon_ms: got .*; must be whole hours, and after the warm-up"):
            measure(observed(d, desk(crew(1, "p"), crew(1, "q"), queues="pq", horizon=horizon)))


def test_the_table_of_series_is_of_its_schema_and_begins_after_the_warm_up(
    replication: Observation, tmp_path: Path
) -> None:
    store = ReplicationStore(tmp_path)
    store.add(4, measure(replication), hourly(replication))
    table = check(frame(hourly_of(store, [4], replication.model.scenario)), SERIES, "series")
    assert set(table["name"]) <= set(SERIES_NAMES)
    assert str(table["time"].min()) == "2026-01-06 00:00:00+00:00"
    assert str(table["time"].max()) == "2026-01-08 23:00:00+00:00"
    assert table["replication"].unique().to_list() == [4]
    assert not table["value"].is_nan().any()


def test_reads_follow_who_waits(replication: Observation) -> None:
    """Views: one per open ticket and 4 h. Polls: 0.3 of the withdrawals on their way, one per 5 min."""
    minutes = np.arange(replication.to_ms // MIN)
    expected = replication.backlog.at(minutes * MIN).sum() / 240
    views = replication.requests["ticket_view"].sum()
    assert abs(views - expected) < 4 * np.sqrt(expected)
    assert replication.requests["withdrawal_status"].sum() > 100
    days = len(minutes) / 1440
    expected = days * 2000  # 2,000 people who log in once a day
    assert abs(replication.requests["login"].sum() - expected) < 4 * np.sqrt(expected + days * (2000 * 0.2) ** 2)


def test_views_are_expected_of_those_who_are_open_at_the_minute(
    replication: Observation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.metrics.observation.requests.poisson_count", lambda mean, u: mean)
    one = replace(replication)
    minutes = np.arange(one.to_ms // MIN)
    assert one.requests["ticket_view"] == pytest.approx(one.backlog.at(minutes * MIN) / 240, rel=1e-12)


def test_waits_are_told_of_the_queues_in_which_tickets_start(replication: Observation) -> None:
    """Later steps are in finance and security."""
    told = {entity for entity, name in hourly(replication) if name == "wait_p50_min"}
    assert told == {"queue:inbox"}


def test_the_days_of_the_run_are_those_measured(replication: Observation) -> None:
    assert (replication.from_ms, replication.to_ms) == (DAY_MS, 4 * DAY_MS)
