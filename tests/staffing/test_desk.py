"""Shifts, weekdays, shrinkage and skills of a scenario as the tables that an engine reads."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim.core.clock import DAY_MS, HOUR_MS
from sim.staffing.desk import Desk, desk_of
from sim.staffing.roster import on_duty
from sim.staffing.skills import AGE_PRIORITY, AGE_QUEUE, LEAVE
from tests.support.stories import category, fixed, story

H = HOUR_MS
ROUND = {
    "night": {"start": "22:00", "length": "8 h"},
    "day": {"start": "06:00", "length": "8 h"},
    "late": {"start": "14:00", "length": "8 h"},
}


def agents_at(desk: Desk, hours: list[float], team: int = 0, *, scheduled: bool = False) -> list[int]:
    """Return the agents on duty (or scheduled) at each hour of the run."""
    table = desk.scheduled if scheduled else desk.shifts
    mine = table[table[:, 1] == team]
    return [int(mine[np.searchsorted(mine[:, 0], h * H, side="right") - 1, 2]) for h in hours]


def team(agents: Any, **more: Any) -> dict[str, Any]:
    return {"front": {"serves": ["inbox"], "agents": agents} | more}


def test_agents_around_the_clock() -> None:
    desk = desk_of(story(days=2, warmup_days=1, teams=team(3)))
    assert desk.shifts.tolist() == [[0, 0, 3]]
    assert desk.horizon_ms == 3 * DAY_MS


def test_a_night_shift_runs_over_midnight_and_is_there_when_the_run_begins() -> None:
    desk = desk_of(story(shifts=ROUND, teams=team({"night": 1, "day": 5, "late": 2})))
    assert agents_at(desk, [0, 5.99, 6, 13.99, 14, 21.99, 22, 24, 29.99, 30]) == [1, 1, 5, 5, 2, 2, 1, 1, 1, 5]
    assert desk.shifts[:, 0].max() < 2 * DAY_MS


def test_a_shift_of_some_days_starts_on_them_and_ends_on_the_next() -> None:
    shifts = {"weekend": {"start": "20:00", "length": "12 h", "days": ["sat", "sun"]}}
    desk = desk_of(story(days=4, start="2026-01-09", shifts=shifts, teams=team({"weekend": 2})))  # from a Friday
    begins, ends = [(24 + 20), (48 + 20)], [(48 + 8), (72 + 8)]
    assert desk.shifts[:, 0].tolist() == [0, *sorted(h * H for h in (*begins, *ends))]
    assert agents_at(desk, [0, 43, 44, 55.9, 56, 68, 79.9, 80]) == [0, 0, 2, 2, 0, 2, 2, 0]


def test_a_shift_of_the_day_before_the_run_counts_on_its_own_weekday() -> None:
    shifts = {"sunday": {"start": "20:00", "length": "12 h", "days": ["sun"]}}
    assert agents_at(desk_of(story(shifts=shifts, teams=team({"sunday": 3}))), [0, 7.9, 8]) == [3, 3, 0]  # a Monday
    shifts["sunday"]["days"] = ["mon"]
    assert agents_at(desk_of(story(shifts=shifts, teams=team({"sunday": 3}))), [0, 19.9, 20, 32]) == [0, 0, 3, 0]


def test_shifts_that_overlap_add_up_and_one_longer_than_a_day_overlaps_itself() -> None:
    shifts = {"a": {"start": "06:00", "length": "8 h"}, "b": {"start": "10:00", "length": "8 h"}}
    assert agents_at(desk_of(story(shifts=shifts, teams=team({"a": 2, "b": 3}))), [6, 10, 14, 18]) == [2, 5, 3, 0]
    long = {"guard": {"start": "00:00", "length": "36 h"}}
    assert agents_at(desk_of(story(days=3, shifts=long, teams=team({"guard": 1}))), [0, 12, 24, 36, 48]) == [
        2,
        1,
        2,
        1,
        2,
    ]


def test_two_shifts_that_change_hands_leave_one_row_for_the_instant() -> None:
    desk = desk_of(story(shifts=ROUND, teams=team({"night": 2, "day": 2, "late": 2})))
    times = desk.shifts[:, 0].tolist()
    assert len(times) == len(set(times))
    assert set(desk.shifts[:, 2].tolist()) == {2}


@pytest.mark.parametrize(("scheduled", "shrinkage", "there"), [
    (10, 0.0, 10), (10, 0.3, 7), (10, 0.25, 8), (3, 0.5, 2), (1, 0.5, 1), (1, 0.51, 0), (0, 0.3, 0), (7, 1.0, 0),
    (25, 0.3, 18),
])  # fmt: skip
def test_shrinkage_leaves_the_nearest_whole_number_halves_up(scheduled: int, shrinkage: float, there: int) -> None:
    assert on_duty(scheduled, shrinkage) == there
    desk = desk_of(story(staffing={"shrinkage": shrinkage}, teams=team(scheduled)))
    assert agents_at(desk, [0]) == [there]
    assert agents_at(desk, [0], scheduled=True) == [scheduled]  # who is paid


def test_shrinkage_is_taken_off_the_sum_of_overlapping_shifts() -> None:
    shifts = {"a": {"start": "06:00", "length": "8 h"}, "b": {"start": "10:00", "length": "8 h"}}
    scenario = story(shifts=shifts, staffing={"shrinkage": 0.5}, teams=team({"a": 1, "b": 1}))
    assert agents_at(desk_of(scenario), [6, 10, 14]) == [1, 1, 1]


def test_rows_stand_by_time_and_team_and_slots_are_agents_times_concurrency() -> None:
    teams = team({"day": 2}, concurrency=3, stretch=[1.0, 1.25, 1.6]) | {"back": {"serves": ["inbox"], "agents": 1}}
    desk = desk_of(story(shifts=ROUND, teams=teams))
    assert desk.shifts.tolist() == sorted(desk.shifts.tolist())
    (times, slots), (_, back) = desk.slots()
    assert slots.tolist() == [0, 6, 0, 6, 0]
    assert times.tolist() == [0, 6 * H, 14 * H, 30 * H, 38 * H]
    assert back.tolist() == [1]
    assert desk.stretch_permille == ((1000, 1250, 1600), (1000,))


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
