"""Runs, replays, pauses, limits, congestion, alerts: what each does, by how much, and not without its cause."""

from __future__ import annotations

import numpy as np
import pytest

from sim.experiment.analysis.comparison import compare
from sim.studies.bybit import table
from sim.studies.limits import COMPLAINTS, OUTFLOW, TICKETS, best, sweep
from tests.support.paired import Claim, compared, ran, show

pytestmark = pytest.mark.xdist_group("catalogue money")

NO_PAUSE = ("withdrawals.pauses={}",)
NO_FEAR = ("withdrawals.pauses.usdt.fear=1",)
NO_RUSH = ("withdrawals.congestion={}",)
NO_ALERTS = ("shocks.vendor.tickets=1", "shocks.vendor.reviews=1")
NO_LIMITS = ("withdrawals.limits.amount_usd=1e12",)
UNTOLD = ("announcements.ceo.effect=0",)
ORDINARY = ("shocks={}",)
WIDE = ("withdrawals.payouts_per_minute=5000",)
WEEK = ("days=7", "warmup_days=3")
FALL = ("days=9",)
ALERTS = ("days=12",)
NO_END = ('shocks.vendor.length="30 d"',)
AT_EASE = ("run.contacts=0.6",)
TOLD = ("status_messages.late_tickets=0.4", "status_messages.complaint_hazard=0.7")

CLAIMS = [
    Claim("rumour_run", "ran_share", 0.1, 0.5, off=AT_EASE, sets=("days=7",), replications=16),
    Claim("rumour_run", "assets_left_share", -0.5, -0.05, off=AT_EASE, sets=("days=7",), replications=16),
    Claim("bybit_replay", "withdrawals_peak_per_s", 12, 20, off=ORDINARY, sets=WEEK),
    Claim("bybit_replay", "withdrawals_late_peak", 10_000, 60_000, off=WIDE, sets=WEEK),
    Claim("bybit_replay", "complaints_direct_per_day", -40, -5, off=UNTOLD, base="bybit_replay", base_sets=UNTOLD,
          sets=WEEK),
    Claim("asset_pause", "withdrawals_late_peak", 15_000, 40_000, off=NO_PAUSE, sets=WEEK),
    Claim("asset_pause", "tickets_new_per_day.withdrawal_delayed", 200, 800, off=NO_PAUSE, sets=WEEK),
    Claim("asset_pause", "withdrawals_requests_per_day", 1500, 8000, off=NO_FEAR, sets=WEEK),
    Claim("asset_pause", "withdrawal_final_p95.USDT", 300, 1500, off=NO_PAUSE, sets=WEEK),
    Claim("dynamic_limits", "outflow_usd_per_day", -62e6, -23e6, off=NO_LIMITS, base="volatility_spike", sets=FALL,
          replications=16),
    Claim("dynamic_limits", "tickets_new_per_day", 300, 1500, off=NO_LIMITS, base="volatility_spike", sets=FALL,
          replications=16),
    Claim("dynamic_limits", "complaints_direct_per_day", 10, 120, off=NO_LIMITS, base="volatility_spike", sets=FALL,
          replications=16),
    Claim("dynamic_limits", "wallet_short_hours", -20, -2, off=NO_LIMITS, base="volatility_spike", sets=FALL,
          replications=16),
    Claim("chain_congestion", "withdrawal_final_p95.BTC", 60, 250, off=NO_RUSH, sets=WEEK, replications=8),
    Claim("chain_congestion", "tickets_new_per_day.withdrawal_delayed", 60, 400, off=NO_RUSH, base="chain_congestion",
          base_sets=NO_RUSH, sets=WEEK, replications=8),
    Claim("kyt_surge", "backlog_peak.compliance", 1000, 2500, off=NO_ALERTS, sets=ALERTS, replications=8),
    Claim("kyt_surge", "occupancy.compliance", 0.1, 0.3, off=NO_ALERTS, sets=ALERTS, replications=8),
    Claim("kyt_surge", "recontact_share", 0.005, 0.1, off=NO_ALERTS, sets=ALERTS, replications=8),
    Claim("kyt_surge", "backlog_end.compliance", -2500, -800, off=NO_END, base="kyt_surge", base_sets=NO_END,
          sets=ALERTS, replications=8),
]  # fmt: skip


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_a_scenario_does_what_its_story_says_and_not_without_its_mechanism(claim: Claim) -> None:
    show(claim)


# --- 4: a run has two outcomes, and the mean is neither ------------------------------------------------------------


def test_a_run_dies_or_takes_more_than_half_and_the_mean_lies_where_nobody_is() -> None:
    shares = np.array([v for v in ran("rumour_run", (), 16).samples("ran_share").values() if v is not None])
    died, exhausted = shares < 0.02, shares > 0.5
    assert (died | exhausted).all(), shares
    assert died.sum() > exhausted.sum() > 2
    assert np.abs(shares - shares.mean()).min() > 0.1


# --- 5: the pipeline binds, not the agents, and the manual tail is the longest --------------------------------------


def test_more_agents_pay_nobody_sooner_and_a_wider_line_does() -> None:
    agents = (*WEEK, "teams.front.agents=90", "teams.finance.agents=40")
    line = (*WEEK, "withdrawals.payouts_per_minute=1200")
    replay = ran("bybit_replay", WEEK, 6)
    assert compare(replay, ran("bybit_replay", agents, 6)).differences["withdrawals_late_peak"].mean == 0
    wider = compare(replay, ran("bybit_replay", line, 6)).differences["withdrawals_late_peak"]
    assert wider.clear
    assert wider.mean < -10_000


def test_the_replay_meets_what_it_was_fitted_to_and_its_reviews_take_longest() -> None:
    rows = {row.what: row for row in table(replications=3)}
    for row in rows.values():
        if row.kind == "fitted" and row.published:
            assert np.mean(row.found) == pytest.approx(row.published, rel=0.03), row.what
    clear, reviewed = (np.mean(rows[f"hours until the {what}"].found) for what in
                       ("payout lines are clear", "last review is done"))  # fmt: skip
    assert 9 < clear < 12.5
    assert reviewed > 2 * clear


# --- 6: tickets of one type only ------------------------------------------------------------------------------------


def test_a_pause_brings_tickets_of_one_type_only() -> None:
    found = compared(Claim("asset_pause", "tickets_new_per_day", 0, 1e9, off=NO_PAUSE, sets=WEEK)).differences
    for category in ("deposit_missing", "login_2fa", "kyc", "trading_fees", "fiat_payment", "frozen_kyt", "vip"):
        assert found[f"tickets_new_per_day.{category}"].mean == 0, category
    for asset in ("BTC", "ETH"):
        assert abs(found[f"withdrawal_final_p95.{asset}"].mean) < 30, asset


# --- 7: two sides ---------------------------------------------------------------------------------------------------


def test_limits_have_two_sides_with_the_best_between_them() -> None:
    """Differences are to no limit at all, so that a clear gain at 8,000 and a clear loss at 300 enclose the best."""
    tight, middle = points = sweep((300, 8000), replications=16, sets=FALL, ran=ran)
    assert tight.differences[OUTFLOW].mean < middle.differences[OUTFLOW].mean < 0
    for metric in (COMPLAINTS, TICKETS):
        assert best(points, metric) is middle
        assert all(point.differences[metric].clear for point in points)
        assert tight.differences[metric].mean > 0 > middle.differences[metric].mean, metric


# --- 9 and 10: what staff can do, and what it cannot ----------------------------------------------------------------


def test_a_word_before_they_ask_beats_any_number_of_agents() -> None:
    rush = ran("chain_congestion", WEEK, 8)
    told, staffed = (ran("chain_congestion", (*WEEK, *sets), 8) for sets in (TOLD, ("teams.front.agents=60",)))
    late = "tickets_new_per_day.withdrawal_delayed"
    fewer, same = compare(rush, told).differences[late], compare(rush, staffed).differences[late]
    assert fewer.clear
    assert fewer.mean < -40
    assert abs(same.mean) < 1
    complaints = compare(staffed, told).differences["complaints_direct_per_day"]
    assert complaints.clear
    assert complaints.mean < -5


def test_front_line_agents_do_nothing_about_a_compliance_backlog() -> None:
    surge = ran("kyt_surge", ALERTS, 8)
    front, compliance = (
        compare(surge, ran("kyt_surge", (*ALERTS, sets), 8)).differences["backlog_peak.compliance"]
        for sets in ("teams.front.agents=60", "teams.compliance.agents=120")
    )
    assert abs(front.mean) < 100
    assert compliance.clear
    assert compliance.mean < -800
