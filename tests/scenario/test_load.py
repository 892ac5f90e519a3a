"""Bad TOML to the exact sentence, every fault at once, layers, --set and the way back."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import tomlkit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, model_validator

from sim.scenario.faults import Finding, Said, ScenarioFaults, findings, path_text, shown
from sim.scenario.loading import catalogue
from sim.scenario.loading.load import from_resolved, load, load_as, resolved, sha256
from sim.scenario.schema.quantities import (
    Count,
    Date,
    Duration,
    DurationOrZero,
    Instant,
    NonNegative,
    Number,
    Part,
    Positive,
    Share,
    Text,
    TimeOfDay,
    Whole,
    exact_duration_text,
)
from sim.scenario.schema.shape import Shape

DURATION = 'must be a duration in quotes: a number and one of ms, s, min, h, d, w (such as "12 min"), 1 ms or more'


FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


class Exponential(Part):
    law: Literal["exponential"]
    mean: Duration = Field(description="mean duration")


class Lognormal(Part):
    law: Literal["lognormal"]
    mean: Duration = Field(description="mean duration")
    cv: Positive = Field(description="standard deviation / mean")


Law = Annotated[Exponential | Lognormal, Field(discriminator="law")]


class Team(Part):
    agents: Annotated[int, Whole("agents")] | dict[str, Count] = Field(description="agents, or agents by shift")
    handle: Law = Field(description="handling time")
    pause: DurationOrZero = 0
    serves: list[str] = Field([], description="queues")

    @model_validator(mode="after")
    def _no_duplicates(self) -> Team:
        if len(set(self.serves)) < len(self.serves):
            raise ValueError("must serve each queue once")
        return self


class Story(Part):
    title: Text
    days: int = Field(ge=1, le=366, description="days that are measured")
    start: Date = date(2026, 1, 5)
    share: Share = Field(0.5, description="share of all tickets")
    rate_per_hour: Annotated[float, Number("tickets per hour", low=0)] = 0.0
    price_change: float = Field(0.0, gt=-1.0)
    hour: TimeOfDay = 0
    loud: bool = False
    period: Literal["1 d", "7 d"] = "1 d"
    weights: list[NonNegative] = Field([1.0], min_length=1)
    patience: Law | None = None
    teams: dict[Text, Team] = Field({}, description="teams by name")

    def cross_faults(self) -> list[tuple[str, object, str]]:
        known = list(self.teams)
        loud: list[tuple[str, object, str]] = [("teams", "no team", "must shout")] if self.loud and not known else []
        return loud + [
            (f"teams.{name}.serves.{i}", queue, f"must be one of the teams: {', '.join(known)}")
            for name, team in self.teams.items()
            for i, queue in enumerate(team.serves)
            if queue not in known
        ]


SOUND = 'title = "x"\ndays = 7\n'
TEAM = 'agents = 3\nhandle = {law = "lognormal", mean = "12 min", cv = 1.0}\n'


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def faults(text: str | bytes, *, sets: tuple[str, ...] = (), file: str = "a.toml") -> list[str]:
    Path(file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ScenarioFaults) as caught:
        load_as(Story, file, sets=sets, rules=Story.cross_faults)
    assert str(caught.value) == "\n".join(caught.value.faults)
    return caught.value.faults


def sound(text: str, *, sets: tuple[str, ...] = (), file: str = "a.toml") -> Story:
    Path(file).write_text(text)
    return load_as(Story, file, sets=sets, rules=Story.cross_faults)


# One mistake, one exact sentence ("a.toml: " stands before each).
SENTENCES = [
    ("day = 3", 'day: got 3; must be a known key; did you mean days?'),
    ("share = -0.1", "share: got -0.1; must be a share from 0 to 1 (share of all tickets)"),
    ("share = 1.5", "share: got 1.5; must be a share from 0 to 1 (share of all tickets)"),
    ("share = nan", "share: got nan; must be a share from 0 to 1, and finite (share of all tickets)"),
    ('share = "half"', 'share: got "half"; must be a share from 0 to 1 (share of all tickets)'),
    ("share = true", "share: got true; must be a share from 0 to 1 (share of all tickets)"),
    ("rate_per_hour = inf", "rate_per_hour: got inf; must be a number of tickets per hour, 0 or more, and finite"),
    ("rate_per_hour = -inf", "rate_per_hour: got -inf; must be a number of tickets per hour, 0 or more, and finite"),
    ("rate_per_hour = []", "rate_per_hour: got []; must be a number of tickets per hour, 0 or more"),
    ("price_change = nan", "price_change: got nan; must be a number above -1.0, and finite"),
    ("price_change = -1", "price_change: got -1; must be a number above -1.0"),
    ("price_change = true", "price_change: got true; must be a number above -1.0"),
    ('start = "2026-02-30"', 'start: got "2026-02-30"; must be a date: year-month-day (such as 2020-03-12)'),
    ("start = 2026-02-03T04:05:06", "start: got 2026-02-03T04:05:06; "
     "must be a date: year-month-day (such as 2020-03-12)"),
    ('hour = "24:30"', 'hour: got "24:30"; must be a time of day in UTC, in quotes: "HH:MM" from "00:00" to "24:00"'),
    ('loud = "yes"', 'loud: got "yes"; must be true or false, without quotes'),
    ("loud = 1", "loud: got 1; must be true or false, without quotes"),
    ('period = "8 d"', 'period: got "8 d"; must be "1 d" or "7 d"; did you mean 7 d?'),
    ("weights = []", "weights: got []; must be a list of at least 1 element"),
    ("weights = 3", "weights: got 3; must be a list of at least 1 element"),
    ("weights = [1, -2, 3]", "weights.1: got -2; must be a number, 0 or more"),
    ("patience = 12", 'patience: got 12; must be a table with law = "exponential" or "lognormal"'),
    ('patience = {mean = "1 h"}', 'patience.law: got nothing; must be "exponential" or "lognormal"'),
    ('patience = {law = "lognorml"}', 'patience.law: got "lognorml"; must be "exponential" or "lognormal"; '
     "did you mean lognormal?"),
    ('patience = {law = "exponential", mean = "12 mins"}', f'patience.mean: got "12 mins"; {DURATION} (mean duration)'),
    ('patience = {law = "exponential", mean = 12}', f"patience.mean: got 12; {DURATION} (mean duration)"),
    ('patience = {law = "exponential", mean = "0 s"}', f'patience.mean: got "0 s"; {DURATION} (mean duration)'),
    ('patience = {law = "exponential", mean = "-1 s"}', f'patience.mean: got "-1 s"; {DURATION} (mean duration)'),
    ('patience = {law = "exponential", mean = "1e999 s"}', f'patience.mean: got "1e999 s"; {DURATION} (mean duration)'),
    (f'patience = {{law = "exponential", mean = "{"9" * 400} d"}}', f'patience.mean: got "{"9" * 67} ...; '
     "must be a duration below 1,000,000 d (mean duration)"),
    ('patience = {law = "exponential"}', "patience.mean: got nothing; must be given (mean duration)"),
    ('patience = {law = "exponential", mean = "1 h", cv = 1}', "patience.cv: got 1; "
     "must be a key of patience: law, mean"),
    ("teams = 3", "teams: got 3; must be a table (teams by name)"),
    ("teams.x = 3", "teams.x: got 3; must be a table"),
    (f"[teams.' ']\n{TEAM}", 'teams." ": got " "; must be text in quotes, not empty'),
    (f"[teams.x]\n{TEAM}".replace("3", "-3"), "teams.x.agents: got -3; must be a whole number of agents, 0 or more"),
    (f"[teams.x]\n{TEAM}".replace("3", "3.0"), "teams.x.agents: got 3.0; "
     "must be a whole number of agents, 0 or more"),
    (f"[teams.x]\n{TEAM}".replace("3", "true"), "teams.x.agents: got true; "
     "must be a whole number of agents, 0 or more, or a table (agents, or agents by shift)"),
    (f"[teams.x]\n{TEAM}".replace("3", "{day = 2, night = -1}"), "teams.x.agents.night: got -1; "
     "must be a whole number, 0 or more"),
    (f"[teams.x]\n{TEAM}".replace("3", "0x" + "f" * 60), "teams.x.agents: got a whole number of 240 bits; "
     "must be a whole number of agents, 0 or more (and up to 9,007,199,254,740,992)"),
    (f"[teams.x]\n{TEAM}".replace("agents = 3", ""), "teams.x.agents: got nothing; "
     "must be given (agents, or agents by shift)"),
    (f'[teams.x]\n{TEAM}serves = ["x", "x"]', 'teams.x: got {agents = 3, handle = {law = "lognormal", '
     'mean = "12 min", cv = 1.0} ...; must serve each queue once'),
    ("loud = true\nteams = {}", "teams: got no team; must shout"),
    (f'[teams.front]\n{TEAM}serves = ["fornt"]', 'teams.front.serves.0: got "fornt"; '
     "must be one of the teams: front; did you mean front?"),
]  # fmt: skip


@pytest.mark.parametrize(("line", "sentence"), SENTENCES)
def test_a_mistake_reads(here: Path, line: str, sentence: str) -> None:
    assert faults(SOUND + line) == [f"a.toml: {sentence}"]


def test_a_missing_key_is_named_with_its_meaning(here: Path) -> None:
    assert faults('title = "x"') == ["a.toml: days: got nothing; must be given (days that are measured)"]


def test_a_misspelt_required_key_is_one_fault(here: Path) -> None:
    assert faults('title = "x"\ndayz = 3') == ["a.toml: dayz: got 3; must be a known key; did you mean days?"]


def test_an_unlike_key_lists_what_there_is(here: Path) -> None:
    [fault] = faults(SOUND + "qqq = 1")
    assert fault.startswith("a.toml: qqq: got 1; must be a top-level key: days, hour, loud, patience, ")


def test_every_fault_is_told_at_once(here: Path) -> None:
    text = f'days = 0\nshare = nan\nloud = 1\nzzz = 1\nweights = [true, "x"]\n[teams.a]\n{TEAM}pause = 3\n[teams.b]\n'
    found = faults(text)
    assert [fault.split(": ")[1] for fault in found] == [
        "title", "days", "share", "loud", "weights.0", "weights.1", "teams.a.pause", "teams.b.agents",
        "teams.b.handle", "zzz",
    ]  # fmt: skip


# --- the file as a whole


def test_an_empty_file_is_a_fault(here: Path) -> None:
    expected = ["a.toml: got an empty file; must be a scenario: TOML with a title and more"]
    assert faults("") == expected
    assert faults(" \n\n") == expected
    assert faults(b"\xef\xbb\xbf") == expected


def test_a_file_of_comments_is_a_fault(here: Path) -> None:
    assert faults("# hello\n") == ["a.toml: got nothing but comments; must be a scenario: TOML with a title and more"]


def test_no_file_reads(here: Path) -> None:
    with pytest.raises(ScenarioFaults) as caught:
        load_as(Story, "there/is/none.toml", rules=Story.cross_faults)
    rule = "must be a file that exists, or a scenario of the catalogue"
    assert caught.value.faults == [f"there/is/none.toml: got no such file; {rule}"]


@pytest.mark.parametrize("source", ["", "a\0b", "x" * 5000])
def test_a_name_that_no_file_can_have_is_a_fault(here: Path, source: str) -> None:
    with pytest.raises(ScenarioFaults):
        load_as(Story, source, rules=Story.cross_faults)


def test_a_misspelt_catalogue_name_has_a_hint(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "folder", lambda: here)
    Path("quiet_week.toml").write_text(SOUND)
    assert load_as(Story, "quiet_week", rules=Story.cross_faults).days == 7
    with pytest.raises(ScenarioFaults) as caught:
        load_as(Story, "quiet_weak", rules=Story.cross_faults)
    rule = "must be a file that exists, or a scenario of the catalogue"
    assert caught.value.faults == [f"quiet_weak: got no such file; {rule}; did you mean quiet_week?"]


def test_a_directory_is_a_fault(here: Path) -> None:
    with pytest.raises(ScenarioFaults) as caught:
        load_as(Story, here, rules=Story.cross_faults)
    assert caught.value.faults == [f"{here}: got a directory; must be a TOML file"]


def test_an_unreadable_file_is_a_fault(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.toml").write_text(SOUND)

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ScenarioFaults) as caught:
        load_as(Story, "a.toml", rules=Story.cross_faults)
    assert caught.value.faults == ["a.toml: got no access (Permission denied); must be a readable file"]


def test_a_link_to_nowhere_is_a_fault(here: Path) -> None:
    Path("a.toml").symlink_to("nowhere")
    with pytest.raises(ScenarioFaults) as caught:
        load_as(Story, "a.toml", rules=Story.cross_faults)
    assert caught.value.faults == ["a.toml: got no readable file; must be a TOML file"]


def test_bytes_that_are_not_utf8_are_a_fault(here: Path) -> None:
    expected = ["a.toml: got bytes in line 2 that are not UTF-8; must be UTF-8 text"]
    assert faults('title = "x"\n# caf\xe9'.encode("latin-1")) == expected


def test_a_byte_order_mark_is_ignored(here: Path) -> None:
    Path("a.toml").write_bytes(b"\xef\xbb\xbf" + SOUND.replace("\n", "\r\n").encode())
    assert load_as(Story, "a.toml", rules=Story.cross_faults).days == 7


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("a = 1\nb = = 3\n", "line 2, 'b = = 3'; must be TOML (invalid value)"),
        ("days = 1\n\ndays = 2\n", "line 3, 'days = 2'; must give each key and each table once"),
        ("[a]\n[b]\n[a]\n", "line 3, '[a]'; must give each key and each table once"),
        ("x = {a = 1, a = 2}\n", "line 1, 'x = {a = 1, a = 2}'; must give each key and each table once"),
        ('a = 1\nb = "x', "line 2, 'b = \"x'; must be TOML (unterminated string)"),
        ("a = " + "9" * 5000, f"line 1, 'a = {'9' * 56}'; must be TOML (a value out of bounds)"),
        ("a = " + "[" * 5000, "brackets nested too deeply; must nest 32 deep at most"),
        (".".join("a" * 99) + " = 1", "tables nested too deeply; must nest tables and lists 32 deep at most"),
        ("start = 2026-02-30", "line 1, 'start = 2026-02-30'; must be TOML (invalid date or datetime)"),
    ],
)  # fmt: skip
def test_what_is_no_toml_is_a_fault_with_its_line(here: Path, text: str, rest: str) -> None:
    assert faults(text) == [f"a.toml: got {rest}"]


# --- layers


def test_tables_merge_and_everything_else_is_replaced(here: Path) -> None:
    Path("base.toml").write_text(f'{SOUND}weights = [1, 2, 3]\n[teams.a]\n{TEAM}serves = ["a"]\n')
    Path("middle.toml").write_text('extends = "base"\nweights = [4]\n[teams.a]\nagents = {day = 1}\n')
    story = sound('extends = "middle.toml"\n[teams.a]\nhandle.cv = 2\nagents.night = 2\n')
    assert story.weights == [4.0]
    assert story.teams["a"].agents == {"day": 1, "night": 2}
    assert story.teams["a"].handle == Lognormal(law="lognormal", mean="12 min", cv=2)  # type: ignore[arg-type]
    assert story.teams["a"].serves == ["a"]


def test_a_change_of_law_replaces_the_table(here: Path) -> None:
    Path("base.toml").write_text(f"{SOUND}[teams.a]\n{TEAM}")
    story = sound('extends = "base"\n[teams.a]\nhandle = {law = "exponential", mean = "1 h"}')
    assert story.teams["a"].handle == Exponential(law="exponential", mean="1 h")  # type: ignore[arg-type]


def test_remove_takes_inherited_keys_away(here: Path) -> None:
    Path("base.toml").write_text(f"{SOUND}share = 0.1\n[teams.a]\n{TEAM}[teams.b]\n{TEAM}")
    story = sound('extends = "base"\nremove = ["teams.a", "share"]\n[teams.b]\nagents = 4\n')
    assert list(story.teams) == ["b"]
    assert story.share == 0.5
    assert faults('extends = "base"\nremove = ["team.a", "teams.q", 3, "teams.b"]\n') == [
        'a.toml: remove.0: got "team.a"; must be a key that is inherited; did you mean teams.a?',
        'a.toml: remove.1: got "teams.q"; must be a key that is inherited',
        "a.toml: remove.2: got 3; must be a key path in quotes",
    ]
    assert faults('extends = "base"\nremove = "share"\n') == [
        'a.toml: remove: got "share"; must be a list (inherited keys to take away, such as ["categories.vip"])'
    ]
    assert faults(f'{SOUND}remove = ["share"]\n') == ['a.toml: remove.0: got "share"; must be a key that is inherited']


def test_each_fault_names_the_file_that_set_the_value(here: Path) -> None:
    Path("base.toml").write_text(
        "days = 0\nshare = 2\nmisspelt = 1\n[teams.a]\nagents = -1\nhandle.law = 'exponential'"
    )
    found = faults('extends = "base"\nshare = 3\n[teams.a]\npause = "x"\n[teams.a.handle]\nmean = "1 s"\ncv = 1')
    assert [": ".join(fault.split(": ")[:2]) for fault in found] == [
        "a.toml: title",
        "base.toml: days",
        "a.toml: share",
        "base.toml: teams.a.agents",
        "a.toml: teams.a.handle.cv",
        "a.toml: teams.a.pause",
        "base.toml: misspelt",
    ]


def test_what_is_missing_from_a_table_names_the_file_that_touched_it_last(here: Path) -> None:
    Path("base.toml").write_text(f"{SOUND}[teams.a]\nagents = 3\n[teams.b]\nagents = 3\n")
    assert faults('extends = "base"\n[teams.a]\npause = "1 s"\n') == [
        "a.toml: teams.a.handle: got nothing; must be given (handling time)",
        "base.toml: teams.b.handle: got nothing; must be given (handling time)",
    ]


def test_a_list_that_is_replaced_belongs_to_its_new_file(here: Path) -> None:
    Path("base.toml").write_text(f"{SOUND}weights = [1, 2, -3]\n")
    assert faults('extends = "base"\nweights = [1, -1]') == ["a.toml: weights.1: got -1; must be a number, 0 or more"]


def test_a_broken_parent_does_not_hide_the_faults_of_the_child(here: Path) -> None:
    Path("base.toml").write_text("x = = 1")
    assert faults('extends = "base"\nshare = 2\n') == [
        "base.toml: got line 1, 'x = = 1'; must be TOML (invalid value)",
        "a.toml: share: got 2; must be a share from 0 to 1 (share of all tickets)",
    ]


def test_a_cycle_is_refused_with_its_chain(here: Path) -> None:
    Path("b.toml").write_text('extends = "c"')
    Path("c.toml").write_text('extends = "a"')
    assert faults('extends = "b"\ndays = 3') == [
        'c.toml: extends: got "a"; must not extend a file of its own chain (a.toml -> b.toml -> c.toml -> a.toml)'
    ]
    assert faults('extends = "a"') == [
        'a.toml: extends: got "a"; must not extend a file of its own chain (a.toml -> a.toml)'
    ]


def test_a_missing_parent_is_named_with_a_hint(here: Path) -> None:
    Path("basis.toml").write_text(SOUND)
    rule = "must be a file beside this one, or a scenario of the catalogue"
    assert faults('extends = "bases"') == [f'a.toml: extends: got "bases"; {rule}; did you mean basis?']
    assert faults('extends = "qqqq"') == [f'a.toml: extends: got "qqqq"; {rule}']
    text = "must be text in quotes (the scenario that this one changes: a file beside it, or a name of the catalogue)"
    assert faults("extends = 3") == [f"a.toml: extends: got 3; {text}"]
    assert faults('extends = ""') == [f'a.toml: extends: got ""; {text}']


def test_a_parent_is_looked_for_beside_the_file_first(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, days in (("cat", 1), ("mine", 2)):
        Path(folder).mkdir()
        Path(folder, "base.toml").write_text(f'title = "x"\ndays = {days}')
    monkeypatch.setattr(catalogue, "folder", lambda: here / "cat")
    assert sound('extends = "base"', file="mine/a.toml").days == 2
    assert sound('extends = "../mine/base.toml"', file="cat/a.toml").days == 2
    assert sound('extends = "base"').days == 1
    assert sound('extends = "base"\ntitle = "my own"', file="mine/base.toml").days == 1


def test_a_file_that_names_candles_has_their_dates_unless_it_says_others(here: Path) -> None:
    """A Thursday's prices run as a Thursday, though the baseline begins on a Monday."""
    prices = 'extends = "baseline"\ntitle = "crash"\nmarket.candles = "x.csv"\nmarket.begin = 2020-03-12\n'
    warm = load("baseline").warmup_days
    Path("crash.toml").write_text(prices)
    assert load("crash.toml").start == date(2020, 3, 12) - timedelta(days=warm)
    assert load("crash.toml", sets=["warmup_days=1"]).start == date(2020, 3, 11)
    assert load("crash.toml", sets=["start=2026-01-05"]).start == date(2026, 1, 5)
    Path("later.toml").write_text('extends = "crash"\ntitle = "later"\nmarket.begin = 2020-03-19\nwarmup_days = 0\n')
    assert load("later.toml").start == date(2020, 3, 19)
    Path("own.toml").write_text(f"start = 2026-01-05\n{prices}")
    assert load("own.toml").start == date(2026, 1, 5)
    sets = ["market.candles=x.csv", "market.begin=2020-03-12", "warmup_days=0"]
    assert load("baseline", sets=sets).start == date(2020, 3, 12)
    assert load("baseline", sets=[*sets, "start=2026-01-05"]).start == load("baseline").start == date(2026, 1, 5)
    again = load("crash.toml")
    assert from_resolved(resolved(again)) == again


# --- --set


def test_set_lays_values_over_the_file(here: Path) -> None:
    text = f'{SOUND}weights = [1, 2]\npatience = {{law = "exponential", mean = "1 h"}}\n[teams.a]\n{TEAM}'
    sets = ("days=9", "patience.mean=12 min", "weights.1=5", "title=volatility", "teams.a.agents={day = 1}",
            "teams.a.agents.night = 4", "share=1e-1", 'teams."a".handle.law=exponential')  # fmt: skip
    with pytest.raises(ScenarioFaults) as caught:
        sound(text, sets=sets)
    assert caught.value.faults == ["a.toml: teams.a.handle.cv: got 1.0; must be a key of teams.a.handle: law, mean"]
    story = sound(text, sets=sets[:-1])
    assert (story.days, story.title, story.weights, story.share) == (9, "volatility", [1.0, 5.0], 0.1)
    assert story.patience == Exponential(law="exponential", mean="12 min")  # type: ignore[arg-type]
    assert story.teams["a"].agents == {"day": 1, "night": 4}


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("dayz=3", "dayz: got 3; must be a known key; did you mean days?"),
        ("tems.a.agents=3", "tems: got 3; must be a known key; did you mean teams?"),
        ("teams.fornt.agents=3", "teams.fornt: got 3; must be a known key; did you mean front?"),
        ("teams.front.agent=3", "teams.front.agent: got 3; must be a known key; did you mean agents?"),
        ("teams.front.agents=-3", "teams.front.agents: got -3; must be a whole number of agents, 0 or more"),
        ("teams.front.agents=nan", "teams.front.agents: got nan; must be a whole number of agents, 0 or more"),
        ("teams.front.agents.day=x", 'teams.front.agents.day: got "x"; '
         "must be a key of a table, which teams.front.agents is not"),
        ("weights.2=1", "weights.2: got 1; must be an element of the list, from 0 to 1"),
        ("weights.x=1", "weights.x: got 1; must be an element of the list, from 0 to 1"),
        ("loud=yes", 'loud: got "yes"; must be true or false, without quotes'),
        ("extends=base", 'extends: got "base"; must be a known key; did you mean'),
        ("days", 'got "days"; must be key.path=value (such as days=7 or teams.front.agents=3)'),
        ("=3", 'got "=3"; must be key.path=value (such as days=7 or teams.front.agents=3)'),
        ("days\n=3", 'got "days\\n=3"; must be key.path=value (such as days=7 or teams.front.agents=3)'),
        ("title=\udcff", 'got "title=\\\\udcff"; must be key.path=value (such as days=7 or teams.front.agents=3)'),
    ],
)  # fmt: skip
def test_a_wrong_set_reads(here: Path, argument: str, sentence: str) -> None:
    [fault] = faults(f"{SOUND}weights = [1, 2]\n[teams.front]\n{TEAM}", sets=(argument,))
    if argument.startswith("extends"):
        assert fault.startswith('--set: extends: got "base"; must be a top-level key: days, ')
    else:
        assert fault == f"--set: {sentence}"


def test_a_set_makes_no_names(here: Path) -> None:
    assert faults(SOUND, sets=("teams.front.agents=3",)) == [
        "--set: teams.front: got 3; must be a key of teams, which has none yet: name it in a file"
    ]


def test_set_of_the_same_key_twice_is_a_fault(here: Path) -> None:
    assert faults(SOUND, sets=("days=3", "days = 4")) == ["--set: days: got 3, then 4; must be set once"]


def test_faults_of_sets_and_files_come_together(here: Path) -> None:
    assert faults(f"{SOUND}share = 2", sets=("dayz=3", "loud=1")) == [
        "--set: dayz: got 3; must be a known key; did you mean days?",
        "a.toml: share: got 2; must be a share from 0 to 1 (share of all tickets)",
        "--set: loud: got 1; must be true or false, without quotes",
    ]


# --- the way back


def test_the_resolved_scenario_loads_again_and_keeps_its_hash(here: Path) -> None:
    story = sound(f'{SOUND}hour = "24:00"\nshare = 0.1\n[teams.a]\n{TEAM}pause = "1.5 s"\n')
    text = json.dumps(resolved(story))
    again = Story.model_validate(json.loads(text))
    assert again == story
    assert sha256(again) == sha256(story)
    assert json.loads(text)["teams"]["a"]["handle"]["mean"] == "12 min"
    assert json.loads(text)["start"] == "2026-01-05"
    assert sha256(sound(SOUND + "share = 0.2")) != sha256(sound(SOUND + "share = 0.3"))
    one, other = (f"{SOUND}[teams.{a}]\n{TEAM}[teams.{b}]\n{TEAM}" for a, b in ("xy", "yx"))
    assert sha256(sound(one)) != sha256(sound(other)), "the order of tables may mean something"


@given(st.integers(0, 36_525 * 86_400_000))
def test_an_exact_duration_reads_back(ms: int) -> None:
    adapter: TypeAdapter[int] = TypeAdapter(DurationOrZero)
    assert adapter.validate_python(exact_duration_text(ms)) == ms


def test_an_instant_is_utc() -> None:
    adapter: TypeAdapter[datetime] = TypeAdapter(Instant)
    noon = datetime(2020, 3, 12, 12, tzinfo=UTC)
    for raw in (noon, "2020-03-12T12:00:00Z", "2020-03-12 14:00+02:00", noon.replace(tzinfo=None)):
        assert adapter.validate_python(raw) == noon
    assert adapter.validate_python(date(2020, 3, 12)) == datetime(2020, 3, 12, tzinfo=UTC)
    assert adapter.dump_python(noon, mode="json") == "2020-03-12T12:00:00Z"
    with pytest.raises(ValidationError, match="must be a date or a date and time in UTC"):
        adapter.validate_python("yesterday")


def test_a_scenario_is_frozen(here: Path) -> None:
    story = sound(SOUND)
    with pytest.raises(ValidationError):
        story.days = 3


# --- no sentence of pydantic's own


class Plain(BaseModel, extra="forbid", strict=True):
    """Fields as pydantic words them itself, to see that its wording never comes through."""

    i: int = Field(0, gt=0, lt=9)
    f: float = 0.0
    s: str = Field("", pattern="^a+$", max_length=3)
    d: date = date(2026, 1, 5)
    t: tuple[int, str] = (1, "x")
    u: int | str | list[int] | dict[str, float] = 0
    n: bool | None = None
    deep: dict[Literal["a", "b"], list[dict[str, int]]] = {}


@FUZZ
@given(
    st.dictionaries(
        st.sampled_from([*Plain.model_fields, "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.dates(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
            max_leaves=5,
        ),
    )
)
def test_every_wording_is_our_own(raw: dict[str, Any]) -> None:
    for finding in plain_findings(raw):
        assert finding.rule.startswith("must "), finding
        assert "Input" not in finding.rule
        assert "should" not in finding.rule
        assert "kind that stands here" not in finding.rule, finding


def plain_findings(raw: dict[str, Any]) -> list[Finding]:
    try:
        Plain.model_validate(raw)
    except ValidationError as error:
        return findings(Shape(Plain), raw, error) or [Finding((), raw, "no fault was found")]
    return []


def test_values_are_shown_as_toml_writes_them() -> None:
    value = {"a b": [1, True, "x\n"], "c": date(2026, 1, 5), "d": float("nan")}
    assert shown(value) == '{"a b" = [1, true, "x\\n"], c = 2026-01-05, d = nan}'
    assert shown(Said("two files")) == "two files"
    assert len(shown("x" * 10_000)) == 72
    assert path_text(("shocks", 0, "a.b")) == 'shocks.0."a.b"'
    assert Finding((), 3, "must be 4").sentence("x.toml") == "x.toml: got 3; must be 4"


# --- nonsense never raises anything else

TOKENS = st.sampled_from(
    ["3", "-1", "nan", "inf", "true", '"x"', '"12 min"', "[]", "[[]]", "{}", "{law = 3}", '{law = "lognormal"}',
     "2026-01-05", "07:00:00", "[{a = 1}]", "1e400", '""', "0x" + "f" * 400, "{day = 3}", '{a = {b = {c = "x"}}}']
)  # fmt: skip
KEYS = st.sampled_from(
    ["title", "days", "share", "teams", "teams.a", "teams.a.agents", "teams.a.handle", "teams.a.handle.mean", "extends",
     "remove", "weights", "patience", "hour", "period", "zzz", '""', '"a.b"', "teams.a.serves"]
)  # fmt: skip
LINES = st.lists(st.tuples(KEYS, TOKENS).map(lambda pair: f"{pair[0]} = {pair[1]}"), max_size=8)
LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates()
TREES = st.recursive(LEAF, lambda t: st.lists(t, max_size=4) | st.dictionaries(st.text(max_size=5), t, max_size=4))


def refused_or_loaded(data: bytes, sets: tuple[str, ...] = ()) -> None:
    Path("f.toml").write_bytes(data)
    found = ["f.toml: got it; must be valid"]
    try:
        load_as(Story, "f.toml", sets=sets, rules=Story.cross_faults)
    except ScenarioFaults as error:
        found = error.faults
    assert found
    for fault in found:
        assert "; must " in fault
        fault.encode("utf-8")


@FUZZ
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_random_bytes_are_loaded_or_refused(here: Path, data: bytes) -> None:
    refused_or_loaded(data)


@FUZZ
@given(LINES, st.lists(st.tuples(KEYS, TOKENS | st.text()).map("=".join) | st.text(), max_size=3))
def test_random_lines_and_sets_are_loaded_or_refused(here: Path, lines: list[str], sets: list[str]) -> None:
    refused_or_loaded("\n".join([*lines, f"[teams.b]\n{TEAM}"]).encode(), tuple(sets))


@FUZZ
@given(st.dictionaries(st.sampled_from([*Story.model_fields, "x"]), TREES))
def test_random_trees_are_loaded_or_refused(here: Path, tree: dict[str, Any]) -> None:
    try:
        text = tomlkit.dumps(_without_none(tree))
    except Exception:  # what the writer cannot write is no test of the reader
        return
    refused_or_loaded(text.encode("utf-8", "replace"))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    return [_without_none(v) for v in value if v is not None] if isinstance(value, list) else value
