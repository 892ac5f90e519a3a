"""Shifts, weekdays, shrinkage and skills of a scenario as the tables that an engine reads."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sim.core.clock import DAY_MS, HOUR_MS
from sim.numerics.streams import Streams
from sim.scenario import Scenario, ScenarioFaults
from sim.staffing import desk as desks
from sim.staffing.desk import Desk
from sim.staffing.roster import roster_of
from sim.staffing.shrinkage import shrinkage_of
from sim.staffing.skills import AGE_PRIORITY, AGE_QUEUE, AWAY, IN_BREAK, LEAVE, ON_DUTY, skills_of
from tests.support.stories import category, fixed, story

H = HOUR_MS
ROUND = {
    "night": {"start": "22:00", "length": "8 h"},
    "day": {"start": "06:00", "length": "8 h"},
    "late": {"start": "14:00", "length": "8 h"},
}


def desk_of(scenario: Scenario, streams: Streams | None = None) -> Desk:
    """Return the desk of a replication; without streams that on which nobody is absent."""
    return desks.desk_of(roster_of(scenario), skills_of(scenario), streams=streams)


def agents_at(desk: Desk, hours: list[float], team: int = 0, *, scheduled: bool = False) -> list[int]:
    """Return the agents on duty (or scheduled) at each hour of the run."""
    if scheduled:
        mine = desk.scheduled[desk.scheduled[:, 1] == team]
        return [int(mine[np.searchsorted(mine[:, 0], h * H, side="right") - 1, 2]) for h in hours]
    there = []
    for hour in hours:
        duty = {agent: now for at, agent, now, _ in desk.changes.tolist() if at <= hour * H}
        there.append(sum(now == ON_DUTY for agent, now in duty.items() if desk.agent_team[agent] == team))
    return there


def at_duty(desk: Desk, agent: int) -> list[tuple[float, int]]:
    """Return the changes of an agent: (hour, duty)."""
    return [(time / H, duty) for time, one, duty, _ in desk.changes.tolist() if one == agent]


def team(agents: Any, **more: Any) -> dict[str, Any]:
    return {"front": {"serves": ["inbox"], "agents": agents} | more}


def test_agents_around_the_clock() -> None:
    desk = desk_of(story(days=2, warmup_days=1, teams=team(3)))
    assert desk.changes.tolist() == [[0, agent, ON_DUTY, 10**6] for agent in range(3)]  # a post keeps its hand
    assert desk.horizon_ms == 3 * DAY_MS


def test_a_night_shift_runs_over_midnight_and_is_there_when_the_run_begins() -> None:
    desk = desk_of(story(shifts=ROUND, teams=team({"night": 1, "day": 5, "late": 2})))
    assert agents_at(desk, [0, 5.99, 6, 13.99, 14, 21.99, 22, 24, 29.99, 30]) == [1, 1, 5, 5, 2, 2, 1, 1, 1, 5]
    assert desk.changes[:, 0].max() < 2 * DAY_MS


def test_a_shift_of_some_days_starts_on_them_and_ends_on_the_next() -> None:
    shifts = {"weekend": {"start": "20:00", "length": "12 h", "days": ["sat", "sun"]}}
    desk = desk_of(story(days=4, start="2026-01-09", shifts=shifts, teams=team({"weekend": 2})))  # from a Friday
    begins, ends = [(24 + 20), (48 + 20)], [(48 + 8), (72 + 8)]
    assert sorted(set(desk.changes[:, 0].tolist())) == sorted(h * H for h in (*begins, *ends))
    assert agents_at(desk, [0, 43, 44, 55.9, 56, 68, 79.9, 80]) == [0, 0, 2, 2, 0, 2, 2, 0]


def test_a_shift_of_the_day_before_the_run_counts_on_its_own_weekday() -> None:
    shifts = {"sunday": {"start": "20:00", "length": "12 h", "days": ["sun"]}}
    assert agents_at(desk_of(story(shifts=shifts, teams=team({"sunday": 3}))), [0, 7.9, 8]) == [3, 3, 0]  # a Monday
    shifts["sunday"]["days"] = ["mon"]
    assert agents_at(desk_of(story(shifts=shifts, teams=team({"sunday": 3}))), [0, 19.9, 20, 32]) == [0, 0, 3, 0]


def test_shifts_that_overlap_add_up() -> None:
    shifts = {"a": {"start": "06:00", "length": "8 h"}, "b": {"start": "10:00", "length": "8 h"}}
    assert agents_at(desk_of(story(shifts=shifts, teams=team({"a": 2, "b": 3}))), [6, 10, 14, 18]) == [2, 5, 3, 0]


def test_agents_of_each_shift_are_people_of_their_own() -> None:
    desk = desk_of(story(shifts=ROUND, teams=team({"night": 2, "day": 2, "late": 2})))
    assert desk.agent_team.tolist() == [0] * 6
    assert agents_at(desk, list(range(48))) == [2] * 48
    assert at_duty(desk, 2) == [(6, ON_DUTY), (14, AWAY), (30, ON_DUTY), (38, AWAY)]


def test_breaks_are_a_block_for_each_two_hours_staggered_by_the_golden_ratio() -> None:
    scenario = story(shifts=ROUND, teams=team({"day": 3}, breaks=0.25))
    desk = desk_of(scenario)
    for agent in range(3):
        late = agent * 2654435769 % 2**32 * 90 / 2**32  # of the 90 min that a break of 30 min leaves of two hours
        wanted = [(6 + late / 60 + 2 * block, late / 60 + 6.5 + 2 * block) for block in range(4)]
        found = at_duty(desk, agent)
        breaks = [(at, next(t for t, d in found if t > at)) for at, duty in found if duty == IN_BREAK and at < 24]
        assert breaks == [pytest.approx(one, abs=1e-5) for one in wanted]
    one = desk_of(story(shifts=ROUND, teams=team({"day": 1}, breaks=0.125, break_blocks=1)))
    assert at_duty(one, 0)[:3] == [(6, IN_BREAK), (7, ON_DUTY), (14, AWAY)]


@pytest.mark.parametrize("agents", range(1, 6))
def test_one_more_agent_always_adds_one_less_the_shrinkage(agents: int) -> None:
    """Mean agents on duty are agents x (1 - shrinkage), within six standard errors of the absences drawn."""
    scenario = story(days=200, staffing={"shrinkage": 0.3}, teams=team(agents))
    desk = desk_of(scenario, Streams(3, 0))
    mean = desk.duty_ms(0, desk.horizon_ms)[0] / desk.horizon_ms
    error = (0.9 * 0.1 / (600 * agents)) ** 0.5 * agents * 0.7 / 0.9
    assert abs(mean - 0.7 * agents) < 6 * error
    assert abs(mean - 0.7 * agents) > 0


def test_absence_alone_takes_whole_turns_and_breaks_alone_are_exact() -> None:
    absent = desk_of(story(days=20, shifts=ROUND, teams=team({"day": 2}, absence=0.4)), Streams(1, 0))
    lengths = {
        round(end - begin) for agent in range(2)
        for (begin, duty), (end, _) in pairwise(at_duty(absent, agent)) if duty == ON_DUTY
    }  # fmt: skip
    assert lengths == {8}
    paused = desk_of(story(days=20, shifts=ROUND, teams=team({"day": 2}, breaks=0.25)), Streams(1, 0))
    assert paused.duty_ms(0, paused.horizon_ms) == [20 * 2 * 6 * H]
    assert agents_at(absent, [8], scheduled=True) == [2]  # who is absent is paid


def test_one_agent_more_changes_nobody_else_s_draws() -> None:
    staffing = {"shrinkage": 0.5}
    few = desk_of(story(days=9, shifts=ROUND, staffing=staffing, teams=team({"day": 2, "late": 1})), Streams(7, 4))
    more = desk_of(story(days=9, shifts=ROUND, staffing=staffing, teams=team({"day": 3, "late": 1})), Streams(7, 4))
    assert [at_duty(few, agent) for agent in range(3)] == [at_duty(more, agent) for agent in (0, 1, 3)]
    other = desk_of(story(days=9, shifts=ROUND, staffing=staffing, teams=team({"day": 2, "late": 1})), Streams(7, 5))
    assert [at_duty(few, agent) for agent in range(3)] != [at_duty(other, agent) for agent in range(3)]


def test_an_absence_belongs_to_its_date_whenever_the_run_begins() -> None:
    changes = {"staffing": {"shrinkage": 0.5}, "shifts": ROUND, "teams": team({"day": 2})}
    whole = desk_of(story(days=9, start="2026-01-05", **changes), Streams(7, 4))
    later = desk_of(story(days=6, start="2026-01-08", **changes), Streams(7, 4))
    found = whole.changes[(whole.changes[:, 1] == 0) & (whole.changes[:, 0] >= 3 * DAY_MS)]
    assert (found - [3 * DAY_MS, 0, 0, 0]).tolist() == later.changes[later.changes[:, 1] == 0].tolist()


def test_shrinkage_alone_is_a_third_absence_and_breaks_for_the_rest() -> None:
    (one,) = shrinkage_of(story(staffing={"shrinkage": 0.3}, teams=team(1)))
    assert one.absence == pytest.approx(0.1)
    assert one.breaks == pytest.approx(1 - 0.7 / 0.9)
    assert one.mean_duty == pytest.approx(0.7)
    (own,) = shrinkage_of(story(staffing={"shrinkage": 0.3}, teams=team(1, absence=0.2)))
    assert own == (0.2, 0.0, None)


def test_the_parts_of_a_shrinkage_stand_for_themselves() -> None:
    with pytest.raises(ScenarioFaults) as refused:
        story(teams=team(1, absence=0.2, shrinkage=0.3))
    assert "teams.front.shrinkage: got 0.3; must not be given beside absence or breaks" in str(refused.value)


def test_what_an_agent_holds_is_by_queue_and_so_is_the_work_he_does() -> None:
    queues = {"inbox": {}, "chat": {}}
    steps = {q: {"queue": q, "handle": fixed("1 min"), "solved": 0.5} for q in ("chat", "inbox")}
    steps["inbox"].pop("solved")
    teams = {"front": {"serves": ["chat", "inbox"], "agents": 1, "concurrency": {"chat": 3}, "stretch": [1, 1.25, 1.6]}}
    desk = desk_of(story(categories={"x": category() | {"steps": steps}}, queues=queues, teams=teams))
    assert desk.queues == ("inbox", "chat")
    assert desk.concurrency == ((1, 3),)
    assert desk.most == (3,)
    assert desk.speeds == ((1_000_000, 800_000, 625_000),)
    assert (desk.agents_per_work * H).tolist() == [[pytest.approx(1.0), pytest.approx(1.6 / 3)]]


def test_ranks_preferences_ages_and_where_the_impatient_go() -> None:
    steps = {q: {"queue": q, "handle": fixed("1 min"), "solved": 0.5} for q in ("chat", "inbox", "vip")}
    steps["vip"].pop("solved")
    queues = {
        "chat": {"patience": fixed("5 min"), "then": "inbox", "prefers": ["b"]},
        "inbox": {"age": [{"after": "1 h", "priority": 1}, {"after": "2 h", "to": "vip"}]},
    }
    teams = {
        "a": {"serves": ["chat", ["inbox", "vip"]], "agents": 1, "cost_per_hour": 9.0},
        "b": {"serves": ["vip", "chat"], "agents": 1},
    }
    desk = desk_of(story(categories={"x": category() | {"steps": steps}}, queues=queues, teams=teams))
    assert desk.queues == ("chat", "inbox", "vip")
    assert desk.teams == ("a", "b")
    assert desk.ranks == ((0, 1, 1), (1, -1, 0))
    assert desk.prefers == ((1, 0), (0, 0), (0, 0))
    assert desk.patience_to == (1, LEAVE, LEAVE)
    assert desk.ages == ((), ((H, AGE_PRIORITY, 1), (2 * H, AGE_QUEUE, 2)), ())
    assert desk.cost_per_hour == (9.0, 0.0)
