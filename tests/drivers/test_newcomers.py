"""Newcomers: their way in, the stock that still learns, and the reviews of their documents, which are tasks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.core.clock import DAY_MS, HOUR_MS, MINUTE_MS, NEVER
from sim.demand import CHASE, REOPEN, ROOT, TASK, expected_demand_of
from sim.drivers.market import market_of
from sim.drivers.newcomers import NewcomerFlows, delayed, newcomer_flows_of
from sim.experiment.replication import observe
from sim.metrics.hourly import hourly
from sim.metrics.observation.counts import BOT, COMPLAINT, HUMAN
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import measure
from sim.metrics.ticket_table import ticket_table
from sim.model.model import build
from sim.scenario import Scenario, ScenarioFaults, load
from tests.support.paired import Claim, show
from tests.support.stories import category, drawn, fixed, rich, story

PEOPLE = {"registered": 200_000, "mau_share": 0.1, "tickets_per_mau_day": 0.1, "withdrawals_per_mau_day": 0.2}
COMING = {"industry_per_day": 48_000, "platform_share": 0.1, "kyc_share": 0.5, "kyc_delay": "30 min",
          "deposit_share": 0.5, "deposit_delay": "6 h"}  # fmt: skip
LEARNING = COMING | {
    "mistake_factor": 3.0,
    "learning": "5 d",
    "categories": ["howto"],
    "review_share": 0.1,
    "review_category": "papers",
}
REVIEW = {"task": True, "steps": {"review": {"queue": "docs", "handle": fixed("10 min")}}}
NEWS = {"at": "5 d", "length": "1 d", "signups": 50.0}


def share(of: float, **more: Any) -> dict[str, Any]:
    """Return a category of one step that has a share of all tickets."""
    return {"share": of, "steps": {"front": {"queue": "inbox", "handle": fixed("3 min")}}} | more


TICKETS = {"howto": share(0.6), "payout": share(0.4)}


def joined(**changes: Any) -> Scenario:
    """Return a story with newcomers, who err when they ask how to, and whose documents are reviewed."""
    base: dict[str, Any] = {
        "days": 20,
        "population": PEOPLE,
        "categories": TICKETS | {"papers": REVIEW},
        "teams": {"front": {"serves": ["inbox"], "agents": 40}, "back": {"serves": ["docs"], "agents": 3}},
        "newcomers": LEARNING,
    }
    return story(**(base | changes))


def alone(**changes: Any) -> Scenario:
    """Return the same story without newcomers and their reviews."""
    front = {"front": {"serves": ["inbox"], "agents": 40}}
    return joined(**({"newcomers": None, "categories": TICKETS, "teams": front} | changes))


def growth(scenario: Scenario) -> NewcomerFlows:
    found = newcomer_flows_of(scenario, market_of(scenario))
    assert found is not None
    return found


def observed(scenario: Scenario, replication: int = 0, seed: int = 1) -> Observation:
    return observe(build(scenario), seed=seed, replication=replication)


# --- delays and learning ----------------------------------------------------------------------------------------


@given(inputs=st.lists(st.floats(0, 100), min_size=1, max_size=60), mean_hours=st.floats(0.2, 500))
def test_a_delay_loses_and_makes_nobody(inputs: list[float], mean_hours: float) -> None:
    """What has come in and not gone out is what the delay holds: its level times its mean, at the end as at the start.

    By d G' = F - G the level at the end is that at the start and, over d, the sum of inflow less outflow.
    """
    mean_ms = round(mean_hours * HOUR_MS)
    out = delayed(np.array(inputs), mean_ms)
    on = delayed(np.array([*inputs, 7.0]), mean_ms)  # the level shows in the next hour, which begins from it
    h = HOUR_MS / mean_ms
    level = 7.0 + (on[-1] - 7.0) * h / -math.expm1(-h)
    assert on[:-1].tolist() == out.tolist()
    assert level == pytest.approx(1 + h * (sum(inputs) - out.sum()), rel=1e-6, abs=1e-6)


def test_what_comes_steadily_goes_on_steadily_to_the_last_bit() -> None:
    assert delayed(np.ones(500), DAY_MS).tolist() == [1.0] * 500
    assert delayed(np.array([5.0, 0.0]), 0).tolist() == [5.0, 0.0]


def test_a_pulse_is_learned_by_the_exponential_law() -> None:
    """The excess of a pulse of an hour decays by e within the learning time, and its integral is pulse x learning."""
    inputs = np.ones(24 * 400)
    inputs[0] = 101.0
    stock = delayed(inputs, 10 * DAY_MS) - 1
    assert stock[1 + 240] / stock[1] == pytest.approx(1 / math.e, rel=1e-9)
    # Each of the 100 too many is one ordinary hour's flow, of which the ordinary stock holds 240.
    assert stock.sum() * 240 == pytest.approx(100 * 240, rel=1e-6)


def test_the_ordinary_stock_is_the_flow_times_the_learning_time() -> None:
    one = growth(joined())
    # 4,800 sign up a day, a quarter pays in, 5 days to learn: 6,000, who err as 2 more of the 20,000 active users.
    assert one.excess == pytest.approx(2 * 6_000 / 20_000)
    assert one.deposits_per_hour * 24 == pytest.approx(1200)
    assert one.stock.tolist() == [1.0] * 480


# --- what newcomers add -----------------------------------------------------------------------------------------


def test_ordinary_times_are_as_without_newcomers_to_the_last_bit() -> None:
    """Their mistakes are part of the ordinary tickets; what is drawn for them moves nothing else."""
    few = alone()
    a, b = drawn(few), drawn(joined())
    tickets = b.category < 2
    people = tickets & (b.parent < 0)
    assert b.opened_ms[people].tolist() == a.opened_ms[a.parent < 0].tolist()
    assert b.category[people].tolist() == a.category[a.parent < 0].tolist()
    assert a.inputs.requests.tobytes() == b.inputs.requests.tobytes()
    for name in ("tickets_new_per_day", "complaints_direct_per_day", "occupancy.front", "withdrawals_peak_per_s"):
        assert measure(observed(few))[name] == measure(observed(joined()))[name]


def expected_per_day(scenario: Scenario) -> np.ndarray:
    """Return the tickets expected by category and day."""
    return expected_demand_of(scenario, market_of(scenario)).roots.expected


def test_a_burst_of_newcomers_adds_the_mistakes_that_they_make_until_they_have_learned() -> None:
    calm, burst = (expected_per_day(joined(days=90, shocks=shocks)) for shocks in ({}, {"news": NEWS}))
    extra = (burst - calm)[0]
    # 49 ordinary days too many: of 235,200 a quarter pays in, and makes 2 x 5 days of a user's 0.1 a day, 60 % howto;
    # the 0.1 are an average in which newcomers weigh 0.6 of the others, so an experienced user's are less.
    assert extra.sum() == pytest.approx(49 * 4800 * 0.25 * 2 * 5 * 0.1 / 1.6 * 0.6, rel=1e-3)
    assert (extra[:5] == 0).all()
    assert extra[30] / extra[29] == pytest.approx(math.exp(-1 / 5), rel=1e-6)
    assert (burst[1] == calm[1]).all()  # payout is none of the newcomers' categories
    assert (burst[:, :5] == calm[:, :5]).all()


def test_as_many_tickets_come_as_are_expected_of_newcomers() -> None:
    scenario = joined(shocks={"news": NEWS})
    mean = expected_per_day(scenario)[0].sum()
    found = [observed(scenario, r).totals[[HUMAN, BOT], 0].sum() for r in range(4)]
    assert abs(np.mean(found) - mean) < 4 * math.sqrt(mean / 4)


def test_everybody_errs_where_no_category_is_named_but_tasks() -> None:
    one = growth(joined(newcomers=LEARNING | {"categories": []}))
    assert one.categories == ("howto", "payout")


def test_the_share_of_mistakes_is_by_hand_what_inexperience_opens() -> None:
    scenario = joined(shocks={"news": NEWS})
    one, f = growth(scenario), observed(scenario)
    chance = 0.6 * one.stock / (1 + 0.6 * one.stock)
    assert one.mistake_share() == pytest.approx(chance)
    new = (f.counted.by_hour[HUMAN] + f.counted.by_hour[BOT]).astype(float)
    assert measure(f)["newcomer_mistakes_share"] == pytest.approx((new[0] * chance).sum() / new.sum(), rel=1e-12)
    calm = measure(observed(joined()))["newcomer_mistakes_share"]
    assert calm == pytest.approx(0.6 / 1.6 * 0.6, rel=0.02)  # of howto, which is 60 % of all
    assert measure(observed(joined(newcomers=LEARNING | {"mistake_factor": 1.0})))["newcomer_mistakes_share"] == 0.0


# --- sign-ups, steps and reviews --------------------------------------------------------------------------------


def test_each_step_has_the_requests_that_its_shares_leave() -> None:
    f = observed(joined())
    per_day = {name: f.measured_requests[name].sum() / 20 for name in ("signup", "kyc", "deposit")}
    for name, mean in (("signup", 4800), ("kyc", 2400), ("deposit", 1200)):
        assert abs(per_day[name] - mean) < 4 * math.sqrt(mean / 20)
    m = measure(f)
    assert m["signups_per_day"] == per_day["signup"]
    assert m["kyc_reviews_per_day"] is not None
    assert abs(m["kyc_reviews_per_day"] - 240) < 4 * math.sqrt(240 / 20)
    opened = f.tasks("papers").begin_ms
    by_minute = np.bincount(opened // MINUTE_MS, minlength=20 * 1440)
    assert (f.requests["kyc"] >= by_minute).all()  # what a person reviews was sent


def test_a_surge_reaches_each_step_after_its_delay() -> None:
    one = growth(joined(days=90, shocks={"news": NEWS}))
    hours = np.arange(90 * 24) * HOUR_MS
    signups, kyc, deposits = (curve.rate_at(hours) for curve in (one.signups, one.kyc, one.deposits))
    assert (signups[120:144] == 50).all()
    assert (signups[:120] == 1).all()
    q, h = math.exp(-2), 2.0  # half an hour's delay
    assert kyc[120] == pytest.approx(50 - 49 * (1 - q) / h)
    assert kyc[121] == pytest.approx(50 - 49 * q * (1 - q) / h)
    flows = (signups, kyc, deposits, one.stock)
    middle = [float((values - 1) @ hours / (values - 1).sum()) for values in flows]
    assert middle[1] - middle[0] == pytest.approx(HOUR_MS / 2, rel=1e-6)
    assert middle[2] - middle[1] == pytest.approx(6 * HOUR_MS, rel=1e-6)
    assert middle[3] - middle[2] == pytest.approx(5 * DAY_MS, rel=1e-5)  # who has paid in begins to learn


def test_reviews_follow_the_documents_by_the_day() -> None:
    papers = expected_per_day(joined(shocks={"news": NEWS}))[2]
    kyc = growth(joined(shocks={"news": NEWS})).kyc.expected(DAY_MS) / 24
    assert papers == pytest.approx(240 * kyc)
    assert papers[:5] == pytest.approx([240.0] * 5)


def test_sign_ups_follow_a_rise_of_the_price_but_no_fall_and_no_further_than_their_bound() -> None:
    rising = {"volatility_per_day": 1e-9, "drift_per_day": 0.1, "dwell": "1 d"}
    rules = {"window": "24 h", "reference": "90 d", "withdrawals_elasticity": 0.0, "tickets_elasticity": 0.0,
             "logins_elasticity": 0.0, "factor_max": 2.0, "path": "regimes"}  # fmt: skip
    rally = LEARNING | {"rally_elasticity": 3.0, "rally_window": "2 d", "rally_lag": "12 h"}

    def signups(drift: float, **more: Any) -> np.ndarray:
        market = rules | {"regimes": {"only": rising | {"drift_per_day": drift}}}
        f = observed(joined(market=market, newcomers=rally | more, days=3))
        assert f.expected_demand.newcomer_flows is not None
        return f.expected_demand.newcomer_flows.signups.expected(HOUR_MS)

    assert signups(0.1) == pytest.approx(np.full(72, math.exp(0.1 * 2) ** 3), rel=1e-6)
    assert signups(0.1, rally_factor_max=1.5) == pytest.approx(np.full(72, 1.5))
    assert signups(-0.1) == pytest.approx(np.ones(72))


def test_a_rally_moves_sign_ups_when_its_lag_has_passed(tmp_path: Any) -> None:
    from datetime import UTC, datetime

    hours = 24 * 40
    wobble = np.where(np.arange(hours) % 2, 1.0, 1.001)
    price = 100 * wobble
    price[24 * 35 :] *= 1.3
    times = [datetime.fromtimestamp(h * 3600, UTC).strftime("%Y-%m-%d %H:%M:%S") for h in range(hours)]
    rows = [f"{t},{p!r},{p!r},{p!r},{p!r},1" for t, p in zip(times, price.tolist(), strict=True)]
    (tmp_path / "c.csv").write_text("\n".join(["date,open,high,low,close,volume", *rows]))
    rules = {
        "window": "24 h",
        "reference": "20 d",
        "withdrawals_elasticity": 0.0,
        "tickets_elasticity": 0.0,
        "logins_elasticity": 0.0,
        "factor_max": 2.0,
    }
    rules |= {"candles": str(tmp_path / "c.csv"), "begin": "1970-02-03"}
    rally = LEARNING | {"rally_elasticity": 4.0, "rally_window": "24 h", "rally_lag": "12 h"}
    factor = growth(joined(days=6, market=rules, newcomers=rally)).signups.expected(HOUR_MS)
    rise = 48 + 1 + 12  # two days in; known an hour later, and felt after the lag
    assert factor[:rise] == pytest.approx(np.ones(rise), rel=0.01)
    assert factor[rise : rise + 24] == pytest.approx(np.full(24, 1.3**4), rel=0.01)
    assert factor[rise + 24 :] == pytest.approx(np.ones(144 - rise - 24), rel=0.01)


# --- tasks ------------------------------------------------------------------------------------------------------


LOOPS = {
    "days": 12,
    "recontact": {"share": 0.5, "after": {"law": "exponential", "mean": "6 h"}, "queue": "inbox",
                  "handle": fixed("1 min")},
    "reopen": {"share": 0.3, "after": {"law": "exponential", "mean": "1 h"}},
    "regulator": {"after": "1 d", "share": 0.9},
}  # fmt: skip


def busy(**more: Any) -> Scenario:
    """Return a story whose reviews wait for long, and whose customers ask, come back and turn to a regulator."""
    return joined(**(LOOPS | {"newcomers": LEARNING | {"review_share": 0.5}} | more))


def test_a_task_is_worked_on_and_waited_for_but_is_no_ticket() -> None:
    f = observed(busy())
    number = f.demand.categories.index("papers")
    mine = f.demand.category == number
    tasks = mine & (f.demand.kind == TASK)
    assert tasks.sum() > 10_000
    assert set(f.demand.kind[mine].tolist()) == {TASK, CHASE}
    assert not (f.demand.kind[~mine] == TASK).any()
    m = measure(f)
    for name in ("tickets_new_per_day", "tickets_human_per_day", "complaints_direct_per_day",
                 "complaints_regulator_per_day", "tickets_escalated_per_day"):  # fmt: skip
        assert m[f"{name}.papers"] == 0
    assert (f.complaint_ms[mine] == NEVER).all()
    assert not f.root[mine].any()
    assert not f.demand.regulator[mine].any()
    assert m["occupancy.back"] == pytest.approx(1, abs=0.01)  # 1,200 reviews of 10 min a day for 3 people
    assert m["backlog_peak.back"] == m["kyc_backlog_peak"] == f.tasks("papers").peak(0, f.to_ms)[0]
    # 8.3 come an hour more than ... the rest waits to the end
    assert m["kyc_backlog_peak"] == pytest.approx((1200 - 3 * 144) * 12, rel=0.05)
    assert m["kyc_questions_per_day"] is not None
    assert m["kyc_questions_per_day"] > 100
    tickets = f.ticket_opened_ms
    assert f.requests["ticket"].sum() == len(tickets) == f.totals[[HUMAN, BOT]].sum()


def test_tickets_are_the_same_whether_or_not_tasks_stand_beside_them() -> None:
    a, b = observed(alone(**LOOPS)), observed(busy())
    for name in ("new", "human"):
        assert measure(a)[f"tickets_{name}_per_day"] == measure(b)[f"tickets_{name}_per_day"]
    assert not (b.demand.kind[b.demand.category == 2] == REOPEN).any()
    assert (b.demand.kind == REOPEN).sum() > 100
    assert (b.demand.kind == ROOT).sum() == (a.demand.kind == ROOT).sum()


def test_tasks_stand_in_the_ticket_table_under_their_own_kind_and_no_customer_views_them() -> None:
    f = observed(busy(readers={"poll_every": "1 min", "poll_share": 0.0, "view_every": "1 h"}, recontact=None))
    kinds = ticket_table(f).filter(category="papers")["kind"].unique().to_list()
    assert kinds == ["task"]
    open_tickets = f.open_tickets.by_minute(0, f.to_ms // MINUTE_MS)
    views = f.requests["ticket_view"].sum()
    assert abs(views - open_tickets.sum() / 60) < 4 * math.sqrt(open_tickets.sum() / 60)
    assert f.backlog.by_minute(0, f.to_ms // MINUTE_MS)[-1] > 100 + open_tickets[-1]


def test_a_task_without_newcomers_comes_at_its_own_rate_and_follows_no_market() -> None:
    audit = {"task": True, "arrivals_per_hour": 5.0, "steps": {"look": {"queue": "docs", "handle": fixed("5 min")}}}
    crash = {"crash": {"at": "1 d", "length": "1 d", "tickets": 9.0}}
    scenario = joined(newcomers=None, shocks=crash, categories={"howto": share(1.0), "audit": audit})
    expected = expected_per_day(scenario)
    assert expected[1] == pytest.approx([120.0] * 20)
    assert expected[0][1] == pytest.approx(9 * expected[0][0])


def test_the_series_of_newcomers_are_by_hand_those_of_their_facts() -> None:
    f = observed(busy())
    series = hourly(f)
    assert series["all", "new_signups"].tolist() == f.requests["signup"].reshape(-1, 60).sum(axis=1).tolist()
    ends = (np.arange(12 * 24) + 1) * HOUR_MS - 1
    assert series["all", "n_kyc_reviews"].tolist() == f.tasks("papers").at(ends).tolist()
    assert ("all", "volatility") not in series
    assert ("endpoint:signup", "rate_per_s") in series
    assert ("endpoint:mfa", "rate_per_s") not in series


def test_codes_are_entered_once_for_each_withdrawal_and_again_when_they_fail() -> None:
    f = observed(rich(days=9, withdrawals=rich().model_dump(mode="json")["withdrawals"], mfa={"failure_share": 0.2}))
    asked, entered = f.requests["withdrawal"], f.requests["mfa"]
    assert (entered >= asked).all()
    again = int((entered - asked).sum())
    assert asked.sum() > 3000
    assert abs(again - asked.sum() / 4) < 4 * math.sqrt(asked.sum() / 4)


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"newcomers": LEARNING | {"categories": ["papers"]}}, "newcomers.categories.0: got "),
        ({"newcomers": COMING | {"review_share": 0.1}}, "newcomers.review_category: got nothing; must be a category"),
        ({"newcomers": LEARNING | {"review_category": "howto"}}, "must be a category with task = true"),
        ({"newcomers": COMING}, "categories.papers.arrivals_per_hour: got nothing; must be given for a task"),
        (
            {"categories": {"howto": share(1.0), "papers": REVIEW | {"arrivals_per_hour": 1.0}}},
            "categories.papers.arrivals_per_hour: got 1.0; must be absent",
        ),
        (
            {"categories": {"howto": share(1.0), "papers": REVIEW | {"complaint_hazard_per_hour": 0.1}}},
            "categories.papers.complaint_hazard_per_hour: got 0.1; must be 0 or absent for a task",
        ),
        (
            {
                "rumour": {
                    "half_life": "1 h",
                    "threshold": 1.0,
                    "tickets_per_hour": 1.0,
                    "category": "papers",
                    "ceiling_per_hour": 1.0,
                }
            },
            'rumour.category: got "papers"; must be a category of tickets',
        ),
        (
            {"categories": {"howto": share(0.9), "papers": REVIEW | {"share": 0.1}}},
            "categories.papers.share: got 0.1; must be absent for a task",
        ),
        ({"population": None, "categories": {"howto": category()}}, "newcomers: got no population"),
    ],
)
def test_newcomers_without_sense_are_refused(changes: dict[str, Any], fault: str) -> None:
    with pytest.raises(ScenarioFaults) as refused:
        joined(**changes)
    assert any(fault in one for one in refused.value.faults), refused.value.faults


# --- the catalogue's rally --------------------------------------------------------------------------------------

OFF = ["shocks.news.signups=1"]
UNHEARD = ["newcomers.trust_weight=0"]
CLAIMS = [
    Claim("rally_newcomers", "signups_lost_per_day", low=100, high=500, off=UNHEARD, replications=4),
    Claim("rally_newcomers", "kyc_backlog_peak", low=30_000, high=45_000, off=OFF, replications=4),
    Claim("rally_newcomers", "newcomer_mistakes_share", low=0.08, high=0.2, off=OFF, replications=4),
    Claim("rally_newcomers", "complaints_direct_per_day", low=40, high=250, off=OFF, replications=4),
]


@pytest.mark.parametrize("claim", CLAIMS, ids=str)
def test_a_rally_brings_newcomers_mistakes_and_waiting_documents(claim: Claim) -> None:
    show(claim)


def test_complaints_of_a_rally_come_later_and_milder_than_those_of_a_panic() -> None:
    rally, panic = (
        observe(build(load(name)), seed=1, replication=0) for name in ("rally_newcomers", "volatility_spike")
    )
    days = [f.counted.by_hour[COMPLAINT].sum(axis=0).reshape(-1, 24).sum(axis=1) for f in (rally, panic)]
    span = min(map(len, days))  # as long as both are known
    excess = [np.maximum(one[2:span] - one[:2].mean(), 0) for one in days]  # both begin to differ on the third day
    peak, mean = [one.max() for one in excess], [one @ np.arange(len(one)) / one.sum() for one in excess]
    assert peak[0] < 0.6 * peak[1]
    assert mean[0] > mean[1] + 3
    assert int(excess[0].argmax()) > int(excess[1].argmax()) + 3
    found = measure(rally)
    assert (found["kyc_backlog_peak"] or 0) > 0.7 * (found["backlog_peak"] or 0)
