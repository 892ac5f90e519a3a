"""What was once accepted in silence, hidden by another fault, or blamed on the wrong file."""

from __future__ import annotations

from pathlib import Path

import pytest

from sim.model.model import build
from sim.scenario import ScenarioFaults, load
from sim.scenario.loading.files import _name
from sim.scenario.rules.notes import notes_of

SMALL = """title = "small"
days = 2
[categories.call]
arrivals_per_hour = 5
steps.serve = { queue = "line", handle = { law = "lognormal", mean = "10 min", cv = 1.0 } }
[queues.line]
[teams.desk]
serves = ["line"]
agents = { day = 3 }
[shifts.day]
start = "08:00"
length = "8 h"
"""


def told(tmp_path: Path, *changes: tuple[str, str]) -> list[str]:
    """Return the faults of the small scenario after changes of its text, without the file's name."""
    text = SMALL
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "small.toml"
    file.write_text(text, encoding="utf-8")
    try:
        load(file)
    except ScenarioFaults as refused:
        return [fault.removeprefix(f"{_name(file)}: ") for fault in refused.faults]
    return []


HANDLE = "categories.call.steps.serve.handle"
NAMED = "must be a name of letters, digits, _ and -, at most 64, such as front_desk"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("categories.call", 'categories.""', f'categories."": got ""; {NAMED}'),
        ("categories.call", 'categories."a.b"', f'categories."a.b": got "a.b"; {NAMED}'),
        ("teams.desk", 'teams."../../evil"', f'teams."../../evil": got "../../evil"; {NAMED}'),
        ("cv = 1.0", "cv = 1e6", f"{HANDLE}.cv: got 1000000.0; must be a number above 0, 100 at most "
         "(coefficient of variation: standard deviation / mean)"),
        ("day = 3 }", "day = 100_000_000 }", "teams.desk.agents.day: got 100000000; must be a whole number of agents "
         "from 0 to 1,000,000"),
        ("cv = 1.0", 'p90 = "300 s"', f'{HANDLE}.p90: got "300 s"; must not be below the mean'),
        ('[shifts.day]\nstart = "08:00"\nlength = "8 h"\n', "", 'teams.desk.agents.day: got "day"; must be a shift, '
         "and there is none"),
    ],
)  # fmt: skip
def test_what_was_accepted_in_silence_is_told(tmp_path: Path, old: str, new: str, fault: str) -> None:
    assert told(tmp_path, (old, new)) == [fault]


def test_a_value_of_the_wrong_type_hides_no_fault_between_keys(tmp_path: Path) -> None:
    found = told(tmp_path, ("days = 2", 'days = "x"\ndayz = 3'), ('["line"]', '["line", "nosuch"]'))
    assert found == [
        'days: got "x"; must be a whole number of days from 1 to 3,660',
        "dayz: got 3; must be a known key; did you mean days?",
        'teams.desk.serves.1: got "nosuch"; must be a queue that a step names: line',
    ]


def test_a_refused_value_is_blamed_once(tmp_path: Path) -> None:
    """What hangs on the refused value itself is unknown, so it is not told."""
    found = told(tmp_path, ("arrivals_per_hour = 5", 'arrivals_per_hour = "many"'), ('serves = ["line"]', "serves = 7"))
    assert [fault.partition(":")[0] for fault in found] == ["categories.call.arrivals_per_hour", "teams.desk.serves"]


def test_what_remove_names_is_blamed_on_the_file_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "inner.toml").write_text(SMALL, encoding="utf-8")
    outer = tmp_path / "outer.toml"
    for removed, fault in {
        "shifts.day": 'teams.desk.agents.day: got "day"; must be a shift, and there is none',
        "teams.desk.agents": "teams.desk.agents: got nothing; must be given "
        "(scheduled agents, around the clock or by shift)",
    }.items():
        outer.write_text(f'extends = "inner"\nremove = ["{removed}"]\n', encoding="utf-8")
        with pytest.raises(ScenarioFaults) as refused:
            load(outer)
        assert refused.value.faults == [f"{_name(outer)}: {fault}"]


def test_an_expectation_without_a_name_is_quoted_as_it_stands(tmp_path: Path) -> None:
    [fault] = told(tmp_path, ("[queues.line]", '[expect]\n"" = "> 1"\n[queues.line]'))
    assert fault.startswith('expect."": got ""; must be a metric: tickets_new_per_day, ')


def test_what_has_no_effect_is_noted(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(SMALL + 'days = ["sun"]\n[shocks.late]\nat = "50 d"\nlength = "1 h"\n', encoding="utf-8")
    assert notes_of(load(file)) == [
        "shocks.late.at: 50 d; the run ends at 2 d, so it has no effect",
        "shifts.day.days: none of the run's days, so the shift has no effect",
    ]
    assert notes_of(load(file, sets=["days=60"])) == []


@pytest.mark.parametrize(
    ("length", "days", "hours"),
    [("25 h", "", 24), ("49 h", '["mon", "wed", "fri"]', 48), ("24 h", "", 0), ("9 d", '["mon"]', 168)],
)
def test_a_shift_that_begins_before_it_ends_is_noted(tmp_path: Path, length: str, days: str, hours: int) -> None:
    file = tmp_path / "small.toml"
    file.write_text(SMALL.replace("8 h", length) + (f"days = {days}\n" if days else ""), encoding="utf-8")
    again = f"shifts.day.length: {length}; it begins again after {hours} h, so that it overlaps itself"
    assert notes_of(load(file)) == ([again] if hours else [])


def test_what_no_memory_holds_is_refused_before_it_is_drawn(tmp_path: Path) -> None:
    file = tmp_path / "small.toml"
    file.write_text(SMALL.replace("arrivals_per_hour = 5", "arrivals_per_hour = 1e12"), encoding="utf-8")
    with pytest.raises(ScenarioFaults) as refused:
        build(load(file))
    [fault] = refused.value.faults
    assert fault.startswith("scenario: got 48,000,000,000,000 tickets and candidates in a replication, 19,200,000 GB;")
