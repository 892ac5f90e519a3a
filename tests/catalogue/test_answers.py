"""Every story is asked a question, and its answer is recorded: of the scenario as it is, and of the model of today."""

from __future__ import annotations

import json
from math import inf, isfinite
from pathlib import Path

import pytest

from sim.cli.catalogue import COMMAND
from sim.core.at_least import AtLeast
from sim.experiment.analysis import answers as recording
from sim.experiment.analysis.answers import FILE, Answer, Recorded, entry, recorded
from sim.scenario import load
from sim.scenario.loading import catalogue
from sim.scenario.schema.expectation import QUANTILE_SIGN, bounds
from sim.studies import answers as study
from tests.support.paired import ran

NAMES = catalogue.names()
ENOUGH = 1.5
"""Half-widths that lie at least between what came out and the bounds of what must."""
OTHERS = {"rumour_run": "its outcomes are of two kinds, so that a quantile jumps from one to the other"}


def record_of(name: str) -> Recorded:
    found = recorded(load(name))
    assert found is not None, f"{name} is not as it was when its answers were recorded: {COMMAND} {name}"
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_story_asks_something_and_the_record_answers_it(name: str) -> None:
    scenario = load(name)
    assert scenario.question.endswith("?")
    assert 2 <= len(scenario.answers) <= 4
    found = record_of(name)
    assert [one.name for one in found.answers] == scenario.answers
    assert found.base == catalogue.story(name).extends
    assert all(one.own is not None for one in found.answers)


@pytest.mark.parametrize("name", NAMES)
def test_the_model_still_answers_so(name: str) -> None:
    """The first replications of scenario and base come to what was recorded, within a fifth of what chance may do.

    What chance may do is the half-width of the change, or a hundredth of the figure where that is more.
    """
    found = record_of(name)
    now = study.measured(name, replications=study.FIRST, ran=ran)
    for one in found.answers:
        for then, here in zip(found.first[one.name], now.first[one.name], strict=True):
            assert (then is None) == (here is None), one.name
            if then is not None and here is not None:
                room = max((one.half_width or 0.0) / 5, abs(then) / 100)
                assert abs(here - then) <= room, f"{one.name}: {here}, recorded {then}: {COMMAND} {name}"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in OTHERS])
def test_what_is_expected_comes_out_with_room_for_chance(name: str) -> None:
    scenario, expected = load(name), record_of(name).expected
    assert set(expected) == set(scenario.expect), f"{COMMAND} {name}"
    for metric, limit in scenario.expect.items():
        (value, half_width), (low, high) = expected[metric], bounds(limit)
        assert value is not None
        assert low <= value <= high, metric
        if half_width is None or QUANTILE_SIGN in metric:
            continue
        room = min(value - low if low > -inf else inf, high - value if high < inf else inf)
        assert room >= ENOUGH * half_width, f"{name}: {metric} is {value} ± {half_width}, expected {limit}"


# --- the record itself --------------------------------------------------------------------------------------------


def test_a_record_holds_for_the_scenario_that_it_was_made_of_and_for_no_other() -> None:
    assert recorded(load("cost_cut")) is not None
    assert recorded(load("cost_cut", sets="why=another story")) is not None  # words change no number
    assert recorded(load("cost_cut", sets="teams.front.agents.night=1")) is None
    assert recorded(load("cost_cut", sets='answers=["occupancy"]')) is None
    heir = recorded(load({"extends": "cost_cut"}))  # which asks nothing of its own
    assert heir is not None
    assert heir.answers == ()


def test_a_figure_survives_the_file_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scenario = load("quiet_week")
    answers = [
        Answer("occupancy", 0.5),
        Answer("first_response_p90", AtLeast(7.0), None),
        Answer("within_target_share", None),
    ]
    made = Recorded(None, tuple(answers), {"occupancy": (AtLeast(1.0), None)}, {})
    (tmp_path / FILE).write_text(json.dumps({"scenarios": {"quiet_week": entry(scenario, made)}}))
    monkeypatch.setattr(recording.catalogue, "folder", lambda: tmp_path)
    found = recorded(scenario)
    assert found == made
    assert isinstance(found.answers[1].own, AtLeast)
    (tmp_path / FILE).write_text("{")
    assert recorded(scenario) is None


@pytest.mark.parametrize(("answer", "told"), [
    (Answer("backlog_peak", 11_430.0, 836.0, 1400.0), "+11,000 tickets (from 800 to 11,000)"),
    (Answer("tickets_new_per_day", 11_246.0, 11_003.0, 9.0), "+240 tickets/day (from 11,000 to 11,200)"),
    (Answer("agent_cost_per_day", 51_303.0, 57_141.0, 90.0), "-5,800 US dollars/day (from 57,100 to 51,300)"),
    (Answer("within_target_share", 0.7, 0.88, 0.02), "-18 points (from 88 to 70 %)"),
    (Answer("first_response_p90", 3159.0, 186.0, 450.0), "+2.1 days (from 0.1 to 2.2)"),
    (Answer("first_response_p50", 0.5), "30 s"),
    (Answer("occupancy", 0.5), "50 %"),
    (Answer("backlog_peak", 100.0, 90.0, 20.0), "100 tickets (no clear change)"),
    (Answer("backlog_peak", 100.0, 100.0, 0.0), "100 tickets (unchanged)"),
    (Answer("backlog_peak", 100.0, 0.0, 0.0), "+100 tickets (from 0 to 100)"),
    (Answer("ran_share:p95", 0.66, 0.0), "66 % (there 0)"),
    (Answer("drain_days", AtLeast(46.4), 0.5, None), "> 46 days (there 0.50)"),
    (Answer("drain_days", None, None), "none"),
])  # fmt: skip
def test_an_answer_says_its_change_first_and_no_more_than_is_known(answer: Answer, told: str) -> None:
    assert answer.told() == told


def test_no_answer_is_infinite() -> None:
    for name in NAMES:
        assert all(one.own is None or isfinite(one.own) for one in record_of(name).answers)
