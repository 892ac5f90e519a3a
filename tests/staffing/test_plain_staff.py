"""Who is there when, on random staff, against the sentences of *Staff* asked one instant and one agent at a time."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sim.core.clock import DAY_MS, HOUR_MS
from sim.numerics.streams import Streams
from sim.scenario import Scenario
from sim.staffing.desk import Desk, desk_of
from sim.staffing.people import Called
from sim.staffing.roster import NO_EXTRA, Extra, roster_of
from sim.staffing.skills import AWAY, ON_DUTY, skills_of
from tests.support.stories import category, story
from tests.support.twins.plain_staff import TRAINED, WEEKDAYS, Person, PlainStaff

rosters = st.randoms(use_true_random=False)
some = settings(max_examples=120, derandomize=True, phases=(Phase.generate,))
NAMES = ("early", "late", "night")


def random_shifts(draw: Random) -> dict[str, Any]:
    """Return three shifts, of whole or odd minutes, some of which adjoin, last a day or begin on some days only."""
    shifts = {}
    start = draw.choice((0, 6 * 60, draw.randrange(1440)))
    for name in NAMES:
        length = draw.choice((480, 480, 1440, 1, draw.randint(1, 1440)))
        days = draw.sample(WEEKDAYS, draw.choice((0, 0, 1, 3)))
        shifts[name] = {"start": f"{start // 60:02}:{start % 60:02}", "length": f"{length} min", "days": days}
        start = (start + length) % 1440
    return shifts


def random_shrinking(draw: Random) -> dict[str, Any]:
    parts: dict[str, Any] = draw.choice((
        {}, {"shrinkage": draw.choice((0.0, 0.3, 0.51))}, {"absence": 0.5}, {"breaks": draw.choice((1e-9, 0.25, 0.9))},
        {"absence": 0.4, "breaks": 0.2}, {"absence": 1.0}, {"breaks": 1.0},
    ))  # fmt: skip
    return parts | draw.choice(({}, {}, {"break_blocks": draw.choice((1, 2, 5, 96))}))


def random_agents(draw: Random) -> Any:
    if draw.random() < 0.4:
        return draw.randint(0, 3)
    return {name: draw.randint(0, 2) for name in draw.sample(NAMES, draw.randint(0, 3))}


def random_staff(draw: Random) -> tuple[Scenario, Extra]:
    """Return a scenario of two teams with everything that moves people, and its surges and leavers."""
    teams = {
        name: {"serves": [queue], "agents": random_agents(draw)} | random_shrinking(draw)
        for name, queue in (("front", "inbox"), ("back", "deep"))
    }
    hires = {
        name: {
            "team": draw.choice(("front", "back")),
            "agents": draw.choice((draw.randint(0, 3), {draw.choice(NAMES): 2})),
            "at": f"{draw.choice((0, 1440, draw.randrange(4000)))} min",
            "over": f"{draw.choice((0, draw.randrange(3000)))} min",
            "training": f"{draw.choice((0, 480, draw.randrange(4000)))} min",
            "training_productivity": draw.choice((0.0, 0.5, 1.0)),
        }
        for name in ("h", "g")[: draw.randint(0, 2)]
    }  # fmt: skip
    categories = {"a": category(), "b": category(queue="deep")}
    scenario = story(
        days=draw.choice((1, 3, 16)), warmup_days=draw.randint(0, 2), start=f"2026-03-{draw.randint(1, 28):02}",
        categories=categories, teams=teams, shifts=random_shifts(draw), hires=hires, staffing=random_shrinking(draw),
    )  # fmt: skip
    horizon = scenario.warmup_days + scenario.days
    begins = [draw.randrange(horizon * DAY_MS) for _ in range(draw.randint(0, 2))]
    surges = tuple(
        Called(draw.choice(("front", "back")), at, at + draw.randint(1, 9 * DAY_MS), draw.randint(1, 2), 0.0)
        for at in begins
    )
    leavers = draw.choice(((), ("front",), ("front", "back")))
    staying = {team: np.array([1.0, *(draw.random() for _ in range(3))]) for team in leavers}
    return scenario, Extra(surges, staying, scenario.warmup_days * DAY_MS)


def random_desk(draw: Random) -> tuple[Desk, PlainStaff]:
    scenario, extra = random_staff(draw)
    streams = draw.choice((None, Streams(draw.randrange(99), draw.randrange(99))))
    made = desk_of(roster_of(scenario, extra), skills_of(scenario), extra.surges, streams)
    return made, PlainStaff(scenario, extra, streams)


def rows_of(desk: Desk, agent: int) -> list[list[int]]:
    return desk.changes[desk.changes[:, 1] == agent].tolist()


def plain_rows(staff: PlainStaff, number: int, person: Person) -> list[list[int]]:
    """Return an agent's changes: where at some instant he is not what he was the instant before."""
    rows, before = [], (AWAY, TRAINED)
    for at in staff.instants(person):
        duty = staff.duty(person, at)
        now = (duty, staff.productivity(person, at) or TRAINED)
        if now != before:
            rows.append([at, number, *now])
        before = now
    return rows


@some
@given(rosters)
def test_who_is_there_is_what_the_sentences_say(draw: Random) -> None:
    desk, staff = random_desk(draw)
    assert desk.agent_team.tolist() == [list(staff.scenario.teams).index(person.team) for person in staff.people]
    order = desk.changes[:, :2].tolist()
    assert order == sorted(order)
    for number, person in enumerate(staff.people):
        assert rows_of(desk, number) == plain_rows(staff, number, person), person.name


@some
@given(rosters)
def test_time_on_duty_and_time_paid_are_those_of_the_agents_together(draw: Random) -> None:
    desk, staff = random_desk(draw)
    end = desk.horizon_ms
    hours = draw.randrange(end // HOUR_MS)
    from_ms, to_ms = hours * HOUR_MS, draw.randint(hours + 1, end // HOUR_MS) * HOUR_MS
    for number, team in enumerate(staff.scenario.teams):
        mine = [person for person in staff.people if person.team == team]
        on_duty = sum(
            staff.integral(person, lambda one, at: staff.duty(one, at) == ON_DUTY, from_ms, to_ms) for person in mine
        )
        assert desk.duty_ms(from_ms, to_ms)[number] == on_duty
        own = [person for person in mine if not person.called]
        paid = sum(
            staff.integral(person, lambda one, at: staff.turn_at(one, at) is not None, from_ms, to_ms) for person in own
        )
        rows = desk.scheduled[desk.scheduled[:, 1] == number]
        assert held(rows[:, 0], rows[:, 2], from_ms, to_ms) == paid


def held(times: Any, values: Any, from_ms: int, to_ms: int) -> int:
    """Return the integral of a step function over [from, to)."""
    until = np.append(times[1:], to_ms)
    spans = np.clip(np.minimum(until, to_ms) - np.maximum(times, from_ms), 0, None)
    return int((spans * values).sum())


def one_more(draw: Random, scenario: Scenario) -> tuple[Scenario, str, str | None]:
    """Return a scenario with one agent more, in a team or a hire, and who that is: his group's beginning, his shift."""
    changed = scenario.model_copy(deep=True)
    places: list[tuple[Any, str]] = [(team, f"agent {name}") for name, team in changed.teams.items()]
    places += [(hire, f"agent {hire.team} hire {name}") for name, hire in changed.hires.items() if not hire.over]
    place, name = draw.choice(places)
    if isinstance(place.agents, int):
        place.__dict__["agents"] = place.agents + 1
        return changed, f"{name} post", None
    shift = draw.choice(NAMES)
    place.__dict__["agents"] = place.agents | {shift: place.agents.get(shift, 0) + 1}
    return changed, f"{name} shift {shift}", shift


@some
@given(rosters)
def test_one_agent_more_leaves_everybody_else_as_he_was(draw: Random) -> None:
    scenario, extra = random_staff(draw)
    more, group, _ = one_more(draw, scenario)
    streams = Streams(5, 2)
    few_desk, more_desk = (
        desk_of(roster_of(one, extra), skills_of(one), extra.surges, streams) for one in (scenario, more)
    )
    few, many = (PlainStaff(one, extra, streams).people for one in (scenario, more))
    assert len(many) == len(few) + 1
    by_name = {(person.name, person.ordinal): number for number, person in enumerate(many)}
    for number, person in enumerate(few):
        other = by_name.pop((person.name, person.ordinal))
        want = [[at, other, duty, speed] for at, _, duty, speed in rows_of(few_desk, number)]
        assert rows_of(more_desk, other) == want
    assert [name for name, _ in by_name] == [group]


def test_a_desk_without_anybody_is_a_desk() -> None:
    scenario = story(teams={"front": {"serves": ["inbox"], "agents": {}}})
    desk = desk_of(roster_of(scenario), skills_of(scenario), streams=Streams(1, 0))
    assert desk.changes.shape == (0, 4)
    assert desk.duty_ms(0, desk.horizon_ms) == [0]


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({}, (0.1, 0.2, 3)),
        ({"break_blocks": 1}, (0.1, 0.2, 1)),
        ({"absence": 0.4}, (0.4, 0.2, 3)),
        ({"breaks": 0.4, "break_blocks": 2}, (0.1, 0.4, 2)),
        ({"shrinkage": 0.0}, (0.0, 0.0, 3)),
    ],
)
def test_a_team_s_own_keys_take_the_place_of_those_of_all(own: dict[str, Any], wanted: tuple) -> None:
    scenario = story(staffing={"absence": 0.1, "breaks": 0.2, "break_blocks": 3},
                     teams={"front": {"serves": ["inbox"], "agents": 1} | own})  # fmt: skip
    (found,) = roster_of(scenario, NO_EXTRA).shrinkage
    assert found == pytest.approx(wanted)
    assert PlainStaff(scenario, NO_EXTRA, None).shares("front") == pytest.approx(wanted)


def test_called_in_agents_have_breaks_over_their_whole_stay() -> None:
    scenario = story(staffing={"breaks": 0.25}, teams={"front": {"serves": ["inbox"], "agents": 0}})
    extra = Extra((Called("front", 5 * HOUR_MS, 11 * HOUR_MS, 1, 0.0),))
    desk = desk_of(roster_of(scenario, extra), skills_of(scenario), extra.surges, Streams(1, 0))
    breaks = [(at / HOUR_MS, duty) for at, _, duty, _ in desk.changes.tolist()]
    assert breaks == [(5, 2), (5.5, 1), (7, 2), (7.5, 1), (9, 2), (9.5, 1), (11, 0)]
    assert desk.duty_ms(0, desk.horizon_ms) == [4.5 * HOUR_MS]


def test_agents_of_whom_no_turn_is_asked_have_one_stay_however_long_the_run() -> None:
    """A desk with more agents than it could ever need must not take more memory for each day."""
    team = {"serves": ["inbox"], "agents": 3}
    hires = {"h": {"team": "front", "agents": 2, "at": "5 d", "training": "3 d"}}
    plain = roster_of(story(days=300, teams={"front": team}, hires=hires))
    assert plain.turns.begin_ms.tolist() == [0, 0, 0, 5 * DAY_MS, 5 * DAY_MS]
    absent = roster_of(story(days=300, teams={"front": team | {"absence": 0.1}}, hires=hires))
    assert len(absent.turns.agent) == 3 * 3 * 300 + 2 * 3 * 295
