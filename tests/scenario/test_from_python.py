"""Scenarios given in Python: a dict is what a file says, a single setting needs no list, the rest is refused."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim import ScenarioFaults, load
from sim.scenario.loading.catalogue import path_of

SMALLER = {"extends": "quiet_week", "days": 3, "teams": {"front": {"agents": 2}}}
MUST = "must be key.path=value (such as days=7 or teams.front.agents=3)"


@pytest.mark.parametrize("name", ["quiet_week", "volatility_spike"])
def test_a_dict_is_the_scenario_that_a_file_with_its_keys_is(name: str) -> None:
    assert load(tomllib.loads(path_of(name).read_text("utf-8"))) == load(name)


def test_a_dict_extends_and_is_left_as_it_was() -> None:
    before = copy.deepcopy(SMALLER)
    found = load(SMALLER)
    same = load("quiet_week", sets=["days=3", "teams.front.agents=2"])
    assert found == same.model_copy(update={"expect": {}, "question": "", "answers": []})
    assert before == SMALLER
    assert load(SMALLER | {"days": np.int64(3)}) == found
    assert load(SMALLER, sets="days=4").days == 4


def test_a_dict_extends_a_file_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text('extends = "quiet_week"\ntitle = "mine"\n', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert load({"extends": "mine", "days": 2}).title == "mine"


def test_a_single_setting_needs_no_list() -> None:
    assert load("quiet_week", sets="days=3") == load("quiet_week", sets=["days=3"])


def nested() -> dict[str, Any]:
    table: dict[str, Any] = {"extends": "quiet_week"}
    table["teams"] = table
    return table


@pytest.mark.parametrize(
    ("source", "sets", "fault"),
    [
        ({}, (), "dict: got an empty dict; must be a scenario: a title and more"),
        (SMALLER | {"days": -1}, (), "dict: days: got -1; must be a whole number of days from 1 to 3,660"),
        (
            SMALLER | {"title": None}, (),
            "dict: title: got None; must be what TOML holds: text, a number, true or false, a date, a list or a table",
        ),
        (SMALLER | {3: 4}, (), "dict: got the key 3; must be a table, whose keys are text"),
        (nested(), (), "dict: teams: got tables nested too deeply; must nest tables and lists 32 deep at most"),
        (
            {"extends": "quiet_weak"}, (),
            'dict: extends: got "quiet_weak"; must be a file beside this one, or a scenario of the catalogue; '
            "did you mean quiet_week?",
        ),
        (3, (), "load: got 3; must be a path, a scenario of the catalogue, or a dict of a scenario's keys"),
        ("quiet_week", "", f'--set: got ""; {MUST}'),
        ("quiet_week", "days", f'--set: got "days"; {MUST}'),
        ("quiet_week", {"days": 3}, f'--set: got "days"; {MUST}'),
        ("quiet_week", [3], f"--set: got 3; {MUST}"),
        ("quiet_week", 3, f"--set: got 3; {MUST}"),
        ("quiet_week", None, f"--set: got nothing; {MUST}"),
    ],
)  # fmt: skip
def test_what_is_no_scenario_and_no_setting_is_refused_in_a_sentence(source: Any, sets: Any, fault: str) -> None:
    with pytest.raises(ScenarioFaults) as refused:
        load(source, sets=sets)
    assert fault in refused.value.faults


def test_a_scenario_shows_itself_in_one_line() -> None:
    assert repr(load("quiet_week")) == "<Scenario 'A quiet week at a small desk': 7 days, 3 categories, 1 teams>"
