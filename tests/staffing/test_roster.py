"""Who is there beside the shifts: hires and their training, surges, and those whom the load drives away."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sim.core.clock import DAY_MS, HOUR_MS, WEEK_MS
from sim.experiment.replication import observe
from sim.metrics.registry import measure
from sim.model.model import build
from sim.model.offered_load import offered_agents, staying_of, work_of
from sim.numerics.streams import Streams
from sim.scenario import Scenario
from sim.scenario.schema.policy import Attrition
from sim.staffing.attrition import full_strength, heads_at, share_staying
from sim.staffing.desk import Desk
from sim.staffing.roster import roster_of
from tests.staffing.test_desk import ROUND, agents_at, desk_of, team
from tests.support.stories import category, escalating, fixed, rich, story

H = HOUR_MS
HIRE = {"team": "front", "agents": 4, "at": "10 h"}
SURGE = {"team": "front", "agents": 3, "at": "5 h", "delay": "2 h", "length": "10 h", "cost_per_hour": 50.0}


def desk(**changes: Any) -> Desk:
    return build(story(**changes)).desk


# --- hires ------------------------------------------------------------------------------------------------------


def test_hires_join_evenly_and_stay() -> None:
    found = desk(hires={"h": HIRE | {"over": "8 h"}}, teams=team(2))
    assert agents_at(found, [0, 9.9, 10, 11.9, 12, 14, 16, 40]) == [2, 2, 3, 3, 4, 5, 6, 6]
    assert agents_at(found, [0, 10, 16], scheduled=True) == [2, 3, 6]


def test_agents_in_training_are_paid_and_there_and_work_as_fast_as_they_can() -> None:
    hire = HIRE | {"training": "6 h", "training_productivity": 0.5}
    found = desk(hires={"h": hire}, teams=team(2))
    assert agents_at(found, [9, 10, 15.9, 16]) == [2, 6, 6, 6]
    assert agents_at(found, [9, 10, 16], scheduled=True) == [2, 6, 6]
    assert found.changes[found.changes[:, 1] == 2].tolist() == [[10 * H, 2, 1, 500_000], [16 * H, 2, 1, 10**6]]
    idle = desk(hires={"h": hire | {"training_productivity": 0.0}}, teams=team(2))
    assert agents_at(idle, [9, 10, 16]) == [2, 2, 6]
    assert agents_at(idle, [9, 10, 16], scheduled=True) == [2, 6, 6]


def test_hires_take_their_shifts() -> None:
    hire = HIRE | {"agents": {"day": 2}, "training": "1 d"}
    found = desk(days=3, shifts=ROUND, teams=team({"day": 5, "late": 2}), hires={"h": hire})
    assert agents_at(found, [6, 10, 14, 30, 34, 38, 54]) == [5, 5, 2, 5, 7, 2, 7]
    assert agents_at(found, [6, 10, 14, 30], scheduled=True) == [5, 7, 2, 7]
    roster = roster_of(story(shifts=ROUND, teams=team({"day": 5, "late": 2}), hires={"h": hire}))
    assert [heads_at(roster, 0, hour * H) for hour in (9, 10)] == [7, 9]


# --- surges -----------------------------------------------------------------------------------------------------


def test_a_surge_comes_after_its_delay_stays_for_its_length_and_is_paid_apart() -> None:
    scenario = story(surges={"s": SURGE}, teams=team(2, cost_per_hour=10.0))
    world = build(scenario)
    assert agents_at(world.desk, [6.9, 7, 16.9, 17]) == [2, 5, 5, 2]
    assert agents_at(world.desk, [8], scheduled=True) == [2]
    found = measure(observe(world, seed=1, replication=0))
    assert found["surge_agent_hours"] == found["surge_agent_hours.front"] == 30
    overtime = found["overtime_per_day"]
    assert overtime is not None
    assert overtime > 0
    assert found["agent_cost_per_day"] == pytest.approx(2 * 10 * 24 + 30 * 50 / 2 + overtime * 10)
    assert found["agents_on_duty"] == pytest.approx(2 + 30 / 48)


def test_an_early_warning_calls_a_surge_and_another_alarm_prolongs_it() -> None:
    shocks = {"x": {"at": "6 h", "length": "20 h", "price_change": -0.5}}
    called = {k: v for k, v in SURGE.items() if k != "at"}
    alarm = {"price_fall": 0.1, "window": "4 h", "rest": "8 h", "delay": "1 h", "surge": ["s"]}
    made = desk(shocks=shocks, surges={"s": called}, early_warnings={"w": alarm}, teams=team(2))
    # The price loses 0.1 of 1 in 4 h from hour 6 on: alarms as the hours 10, 18 and 26 begin, after eight of rest.
    first = 6 + 4
    assert agents_at(made, [first + 2.9, first + 3, first + 3 + 18.9]) == [2, 5, 5]
    (one,) = made.surges
    assert one.begin_ms == (first + 3) * H


def test_a_warning_in_a_drawn_market_staffs_each_replication_by_its_own() -> None:
    calm = {"drift_per_day": 0.0, "volatility_per_day": 0.02, "dwell": "2 d", "next": {"wild": 1.0}}
    wild = {"drift_per_day": -0.1, "volatility_per_day": 0.12, "dwell": "1 d", "next": {"calm": 1.0}}
    market = {
        "window": "6 h", "reference": "30 d", "withdrawals_elasticity": 0.0, "tickets_elasticity": 0.5,
        "logins_elasticity": 0.0, "factor_max": 9.0, "path": "regimes", "regimes": {"calm": calm, "wild": wild},
    }  # fmt: skip
    called = {k: v for k, v in SURGE.items() if k != "at"}
    alarm = {"volatility_ratio": 2.5, "window": "4 h", "rest": "1 d", "surge": ["s"]}
    world = build(story(days=7, market=market, surges={"s": called}, early_warnings={"w": alarm}, teams=team(2)))
    made = [observe(world, seed=1, replication=number) for number in range(6)]
    assert world.desk.surges == ()
    hours = {measure(observed)["surge_agent_hours"] for observed in made}
    assert len(hours) > 1
    for observed in made:
        begins = {one.begin_ms - 2 * H for one in observed.desk.surges}
        assert begins <= set(observed.expected_demand.policy.alarms["w"])
        assert len(observed.expected_demand.policy.alarms["w"]) >= len(begins)


# --- the planned load -------------------------------------------------------------------------------------------


def test_the_planned_load_is_rate_times_work() -> None:
    world = build(story(categories={"howto": category(60.0, bot_resolve=0.5)}, bot={"handle": fixed("1 min")}))
    assert offered_agents(world.expected_demand, world.desk) == pytest.approx(np.full((1, 2), 30 * 8 / 60))
    chat = story(categories={"howto": category(60.0)}, teams=team(9, concurrency=2, stretch=[1.0, 1.25]))
    world = build(chat)
    assert offered_agents(world.expected_demand, world.desk) == pytest.approx(np.full((1, 2), 8 * 1.25 / 2))


def test_the_work_of_a_ticket_has_its_steps_wrong_departments_and_reopenings() -> None:
    scenario = rich(categories={"howto": category(), "payout": escalating()})  # 0.6 at 7 min, the rest at 30 min
    found: dict[str, float] = {}
    for queue, ms in work_of(scenario, scenario.categories["payout"]):
        found[queue] = found.get(queue, 0.0) + ms / 60_000
    again = 0.3 / 0.7
    assert found == pytest.approx({
        "inbox": 7 * (1 + 0.6 * again),
        "finance": 0.4 * 30 * (1 + again),
        "security": 0.4 * 0.2 * 3,
    })  # fmt: skip
    lost = rich(misroute={"share": 0.2, "among": ["finance", "security", "inbox"], "handle": fixed("3 min")})
    strays = [(queue, ms / 60_000) for queue, ms in work_of(lost, lost.categories["payout"]) if ms < 60_000]
    assert strays == [("security", pytest.approx(0.12)), ("inbox", pytest.approx(0.12))]  # one of two, at random


def test_the_planned_load_is_the_work_that_comes() -> None:
    scenario = rich(days=60, recontact=None, withdrawals=None, mfa=None, rumour=None, queues={"security": {}},
                    busyness={"cv": 0.0}, complaints={"clock": "opening"})  # fmt: skip
    world = build(scenario)
    observed = observe(world, seed=2, replication=0)
    planned = offered_agents(world.expected_demand, world.desk)[:, scenario.warmup_days :].mean(axis=1)
    came = observed.worked.agents_needed.sum(axis=1) / (24 * scenario.days)
    assert came == pytest.approx(planned, rel=0.05)


# --- attrition --------------------------------------------------------------------------------------------------

RULES = Attrition(quits_per_year=0.3, quits_per_year_at_1=3.0, knee=0.85, replacements_per_year=0.6)
YEAR = 365 * DAY_MS


def stay(occupancy: Any, weeks: int = 400, rules: Attrition = RULES) -> Any:
    """Return the share who stay of 100 agents whose load is this share of their full strength, by week."""
    offered = np.broadcast_to(np.asarray(occupancy, dtype=float) * 100, weeks)
    return share_staying(rules, offered, np.full(weeks, 100.0), [100] * weeks)


def test_at_a_bearable_load_whoever_quits_is_replaced() -> None:
    assert stay(0.8).tolist() == [1.0] * 400
    unreplaced = RULES.model_copy(update={"replacements_per_year": 0.0})
    kept = stay(0.4, 20, unreplaced)
    assert kept == pytest.approx(np.exp(-0.3 * np.arange(20) * WEEK_MS / YEAR))


def test_there_are_two_equilibria_and_a_busy_season_leads_from_one_to_the_other() -> None:
    season = np.where(np.arange(400) < 12, 1.0, 0.82)
    calm, shaken = stay(0.82), stay(season)
    assert calm[-1] == 1.0
    weekly = 1 - np.exp(-3.0 * WEEK_MS / YEAR)
    assert shaken[-1] == pytest.approx(0.6 * WEEK_MS / YEAR / weekly * (1 - weekly) + 0.6 * WEEK_MS / YEAR, rel=1e-6)
    assert shaken[12] > 0.5  # the load is back to what was bearable, and they go on leaving
    assert stay(np.where(np.arange(400) < 1, 1.0, 0.82))[-1] == 1.0  # a short season heals


def test_more_load_never_keeps_more_people() -> None:
    final = [stay(occupancy)[-1] for occupancy in np.linspace(0.5, 1.2, 30)]
    assert all(a >= b for a, b in pairwise(final))
    assert final[0] == 1.0
    assert final[-1] == final[-2]  # above 1 nobody can be busier


def test_hires_that_come_late_do_not_save_a_desk() -> None:
    weeks = 300
    ends = []
    for joins in (4, 60):
        heads = np.where(np.arange(weeks) < joins, 100, 130)
        offered = np.where(np.arange(weeks) < 12, 100.0, 82.0)
        share = share_staying(RULES, offered, heads.astype(float), heads.tolist())
        ends.append(share[-1] * heads[-1])
    assert ends[0] == pytest.approx(130)
    assert ends[1] < 50


def attrited(agents: int, **more: Any) -> Scenario:
    rules = {"quits_per_year": 0.3, "quits_per_year_at_1": 3.0, "knee": 0.85}
    return story(days=70, categories={"howto": category(60.0)}, teams=team(agents), attrition=rules | more)


def test_the_desk_loses_those_who_quit_week_by_week_and_tells_how_many() -> None:
    world = build(attrited(10, teams=["front"]))  # 8 agents' work on 10: calm, and nobody is replaced
    share = np.exp(-0.3 * np.arange(10) * WEEK_MS / YEAR)
    assert share[-1] > 0.8 / 0.85
    hours = (np.arange(10) * 7 * 24).tolist()
    left = np.zeros(10)
    for replication in range(400):
        drawn = world.staffed_in(world.expected_demand, Streams(1, replication)).desk
        there = agents_at(drawn, hours)
        assert sorted(there, reverse=True) == there
        assert agents_at(drawn, hours, scheduled=True) == there  # who has quit is not paid
        assert drawn.lost == (10 - there[-1],)
        left += 10 - np.array(there)
    assert left / 400 == pytest.approx(10 * (1 - share), abs=4 * (10 * share[-1] * (1 - share[-1]) / 400) ** 0.5)
    observed = observe(world, seed=1, replication=0)
    assert measure(observed)["agents_lost.front"] == observed.desk.lost[0]


def test_a_busy_desk_loses_more() -> None:
    """With the same marks whoever quits a calm desk quits a busy one."""
    lost = [sum(build(attrited(10, **rules)).staffed_in(build(attrited(10)).expected_demand, Streams(1, r)).desk.lost[0]
                for r in range(40)) for rules in ({"knee": 0.85}, {"knee": 0.5})]  # fmt: skip
    assert lost[1] > 1.5 * lost[0]


def test_in_a_market_of_its_own_a_replication_loses_those_whom_its_own_demand_drives_out() -> None:
    calm = {"volatility_per_day": 0.02, "dwell": "10 d", "next": {"panic": 1.0}}
    panic = {"volatility_per_day": 0.3, "dwell": "10 d", "next": {"calm": 1.0}}
    market = {"window": "24 h", "reference": "90 d", "tickets_elasticity": 1.0, "withdrawals_elasticity": 0.0,
              "logins_elasticity": 0.0, "factor_max": 12.0, "path": "regimes",
              "regimes": {"calm": calm, "panic": panic}}  # fmt: skip
    rules = {"quits_per_year": 0.3, "quits_per_year_at_1": 3.0, "knee": 0.85}
    model = build(story(days=70, categories={"howto": category(60.0)}, teams=team(12), attrition=rules, market=market))
    shares = []
    for replication in range(4):
        streams = Streams(1, replication)
        expected = model.expected_in(streams)
        (staying,) = model.staffed_in(expected, streams).roster.staying
        assert staying is not None
        assert model.scenario.attrition is not None
        assert staying.tolist() == staying_of(model.scenario.attrition, expected, model.skills)["front"].tolist()
        shares.append(float(staying[-1]))
    assert len(set(shares)) == 4


def test_full_strength_is_who_works_at_the_same_time_after_shrinkage() -> None:
    half = {"team": "front", "agents": 4, "at": "7 d", "training": "84 h", "training_productivity": 0.5}
    scenario = story(days=14, staffing={"shrinkage": 0.3}, shifts=ROUND, teams=team({"day": 6, "late": 3}),
                     hires={"h": half | {"agents": 2}})  # fmt: skip
    assert full_strength(roster_of(scenario), 0, 0) == pytest.approx([0.7 * 3, 0.7 * (3 + 1.5)])


def test_nobody_leaves_in_the_warm_up() -> None:
    scenario = attrited(9)
    drawn = [
        model.staffed_in(model.expected_demand, Streams(1, 3)).desk
        for model in (build(scenario), build(scenario.model_copy(update={"warmup_days": 14})))
    ]
    assert agents_at(drawn[1], [0, 14 * 24 - 1, 14 * 24]) == [9, 9, 9]
    assert drawn[0].lost == drawn[1].lost
    assert drawn[0].lost[0] > 0


def test_without_levers_the_desk_is_that_of_its_shifts() -> None:
    scenario = rich(shifts=ROUND, teams={
        "front": {"serves": ["inbox"], "agents": {"day": 3, "night": 1}},
        "back": {"serves": [["finance", "security"]], "agents": 4},
    })  # fmt: skip
    plain, built = desk_of(scenario), build(scenario).desk
    for name in ("changes", "scheduled"):
        assert getattr(plain, name).tobytes() == getattr(built, name).tobytes()
    idle = Attrition(quits_per_year=0.0, quits_per_year_at_1=0.0, knee=0.85)
    kept = build(scenario.model_copy(update={"attrition": idle})).desk
    assert [agents_at(kept, list(range(96)), n) for n in (0, 1)] == [
        agents_at(plain, list(range(96)), n) for n in (0, 1)
    ]
