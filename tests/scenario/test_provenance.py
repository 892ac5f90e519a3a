"""The grammar of the comments behind the values: what is read, what is missing, and what breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.scenario.faults import ScenarioFaults
from sim.scenario.loading import catalogue
from sim.scenario.reference.provenance import KINDS, Provenance, missing, provenance_of

FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
KIND = 'must be "source: text", "assumption", "derived: text" or "story", then "; range low..high"'
RANGE = 'must write each range as low..high, with units (such as "range 0.02..0.3" or "mean 8 min..20 min")'
NO_RANGE = 'must give a range in the unit of the value, such as "; range 0.1..0.3"'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def of(text: str) -> dict[str, Provenance]:
    Path("a.toml").write_text(text)
    return provenance_of("a.toml")


def faults(text: str) -> list[str]:
    with pytest.raises(ScenarioFaults) as caught:
        of(text)
    return caught.value.faults


def test_each_kind_is_read() -> None:
    found = of("""
        [population]
        a = 0.10      # source: Gate 2023; its table 4; range 0.02..0.3
        b.c = 1_000   #assumption ;range  -1..1_000.5
        d = 0.75      # derived: 1 - 0.05 / 0.20
        e = 28        # story: one month
        f = 3         # story
        g = 2e3       # assumption: a guess; range 1e3..2e3
    """)
    assert found["population.a"] == Provenance(
        kind="source", text="Gate 2023; its table 4", value=0.1, unit="", low=0.02, high=0.3, key="population.a",
        file="a.toml", line=3,
    )  # fmt: skip
    assert [(p.kind, p.text, p.low, p.high, p.line) for p in found.values()][1:] == [
        ("assumption", "", -1.0, 1000.5, 4),
        ("derived", "1 - 0.05 / 0.20", None, None, 5),
        ("story", "one month", None, None, 6),
        ("story", "", None, None, 7),
        ("assumption", "a guess", 1e3, 2e3, 8),
    ]


def test_the_numbers_of_a_table_and_of_a_list_are_covered_by_the_comment_that_ends_them() -> None:
    found = of("""
        handle = {law = "lognormal", mean = "12 min", cv = 1.0}  # source: C; range mean 8 min..20 min, cv 0.8..1.5
        short = {mean = "12 min", cv = 1.0}                      # source: C; range 8 min..20 min, 0.8..1.5
        mixed = {a = 1, b = {c = 2, d = 30}}                     # assumption; range 0..2, b.d 20..40
        weights = [
            1,  # the first
            2,
        ]  # assumption; range 0..3
        [[age]]
        after = "1.5 h"  # assumption; range 30 min..1 d
    """)
    assert {key: (p.key, p.low, p.high, p.unit) for key, p in found.items()} == {
        "handle.mean": ("handle", 480_000, 1_200_000, "ms"),
        "handle.cv": ("handle", 0.8, 1.5, ""),
        "short.mean": ("short", 480_000, 1_200_000, "ms"),
        "short.cv": ("short", 0.8, 1.5, ""),
        "mixed.a": ("mixed", 0, 2, ""),
        "mixed.b.c": ("mixed", 0, 2, ""),
        "mixed.b.d": ("mixed", 20, 40, ""),
        "weights.0": ("weights", 0, 3, ""),
        "weights.1": ("weights", 0, 3, ""),
        "age.0.after": ("age.0.after", 1_800_000, 86_400_000, "ms"),
    }
    assert found["age.0.after"].value == 5_400_000
    assert found["weights.1"].line == 8


def test_lines_are_counted_where_comments_repeat() -> None:
    found = of("[a]\nx = 1 # story\n# story\n\n[b] # story\nx = 1 # story\ny = 1 # story\n[a.c]\nx = 1 # story\n")
    assert {key: p.line for key, p in found.items()} == {"a.x": 2, "b.x": 6, "b.y": 7, "a.c.x": 9}


def test_what_is_no_number_needs_no_comment() -> None:
    assert of('title = "x"\nloud = true\nstart = 2026-01-05\nhour = "08:00"\nexpect = "1..3"\n') == {}
    assert missing("a.toml") == []


def test_missing_names_what_no_comment_covers() -> None:
    Path("a.toml").write_text("""
        a = 1
        b = 1  # a remark
        c = "12 min"
        d = [1, 2, 3]
        e = {mean = "1 h", cv = 1}
        f = 1  # assumption; range 0..1
        # assumption; range 0..1
        g = 1
        [h]  # assumption; range 0..1
        i = 1
    """)
    assert missing("a.toml") == ["a", "b", "c", "d", "e.mean", "e.cv", "g", "h.i"]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("x = 1 # source", 'must say after "source:" who published it'),
        ("x = 1 # source:", KIND),
        ("x = 1 # source; range 0..2", 'must say after "source:" who published it'),
        ("x = 1 # derived; range 0..2", 'must say after "derived:" how it is derived'),
        ("x = 1 # source: Gate", NO_RANGE),
        ("x = 1 # assumption", NO_RANGE),
        ("x = 1 # assumption, range 0..2", KIND),
        ("x = 1 # assumption; rnge 0..2", KIND),
        ("x = 1 # assumption; range", KIND),
        ("x = 1 # assumption; range 0...2", RANGE),
        ("x = 1 # assumption; range 0", RANGE),
        ("x = 1 # assumption; range nan..inf", RANGE),
        ("x = 1 # assumption; range 0..2,", RANGE),
        ("x = 1 # assumption; range 2..0", "must have ranges from low to high, both numbers or both durations"),
        ("x = 1 # assumption; range 1..3 min", "must have ranges from low to high, both numbers or both durations"),
        ("x = 1 # assumption; range 1 min..3 min", NO_RANGE),
        ("x = 1 # story; range 1 min..3 min",
         "must have ranges that each cover a number of the value, by its key and in its unit"),
        ("x = 1 # assumption; range 2..3", "must have a range that holds the value 1"),
        ('x = "90 s" # assumption; range 2 min..3 min', "must have a range that holds the value 90 s"),
        ('x = "90 s" # assumption; range 60..120',
         'must give a range in the unit of the value, such as "; range 8 min..20 min"'),
        ("x = {a = 1, b = 5} # story; range 0..3", "must have a range that holds the value b = 5"),
        ("x = {a = 1, b = 2} # assumption; range a 0..3",
         'must give a range in the unit of b, such as "; range 0.1..0.3"'),
        ("x = {a = 1, b = 2} # assumption; range c 0..3, 0..3",
         "must have ranges that each cover a number of the value, by its key and in its unit"),
    ],
)  # fmt: skip
def test_a_comment_that_breaks_the_grammar_reads(line: str, sentence: str) -> None:
    comment = line[line.index("#") :]
    assert faults(f"\n[t]\n{line}\n") == [f'a.toml: t.x: got "{comment}" in line 3; {sentence}']


def test_every_bad_comment_of_every_layer_is_told_at_once() -> None:
    Path("base.toml").write_text("x = 1 # source\ny = 1 # assumption\n")
    Path("a.toml").write_text('extends = "base"\nz = 1 # assumption\n')
    with pytest.raises(ScenarioFaults) as caught:
        provenance_of("a.toml")
    assert [fault.partition("; ")[0] for fault in caught.value.faults] == [
        'base.toml: x: got "# source" in line 1',
        'base.toml: y: got "# assumption" in line 2',
        'a.toml: z: got "# assumption" in line 2',
    ]


def test_a_value_is_covered_by_the_file_that_set_it() -> None:
    Path("base.toml").write_text("""
        a = 1                                # assumption; range 0..1
        b = 1                                # assumption; range 0..1
        h = {mean = "12 min", cv = 1.0}      # source: C; range mean 8 min..20 min, cv 0.8..1.5
        gone = 1
    """)
    Path("a.toml").write_text('extends = "base"\nremove = ["gone"]\nb = 2\nh.mean = "1 h"  # story\n')
    found = provenance_of("a.toml")
    assert {key: (p.file, p.kind, p.value) for key, p in found.items()} == {
        "a": ("base.toml", "assumption", 1.0),
        "h.cv": ("base.toml", "source", 1.0),
        "h.mean": ("a.toml", "story", 3_600_000.0),
    }
    assert missing("a.toml") == ["b"]


def test_what_cannot_be_read_is_refused() -> None:
    for read in (provenance_of, missing):
        with pytest.raises(ScenarioFaults) as caught:
            read("none.toml")
        assert caught.value.faults[0].startswith("none.toml: got no such file; must be a file that exists")


WORDS = st.sampled_from([*KINDS, ":", ";", "range", "0..2", "1", "..", "8 min..20 min", ",", "x", " ", "#", "1..1"])


@FUZZ
@given(st.lists(WORDS, max_size=8).map(" ".join) | st.text(st.characters(exclude_categories=["C"]), max_size=20))
def test_any_comment_is_read_or_refused(comment: str) -> None:
    Path("a.toml").write_text(f"x = 1 #{comment}\n")
    found: dict[str, Provenance] = {}
    refused: list[str] = []
    try:
        found = provenance_of("a.toml")
    except ScenarioFaults as error:
        refused = error.faults
    kinds = comment.lstrip("# \t").startswith(KINDS)
    assert bool(found or refused) <= kinds
    for each in found.values():
        assert each.low is None or each.high is None or each.low <= 1 <= each.high
    for fault in refused:
        assert fault.startswith("a.toml: x: got ")


def test_the_catalogue_tells_its_stories(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "folder", lambda: here)
    Path("b.toml").write_text('title = "A title"\nwhy = """\nBecause.\n"""\n')
    Path("a.toml").write_text("title = = 1")
    Path("notes.txt").write_text("no scenario")
    assert catalogue.names() == ["a", "b"]
    assert catalogue.path_of("b") == here / "b.toml"
    assert catalogue.story("b") == catalogue.Story("b", "A title", "", None)
    assert catalogue.story("a").title == "(cannot be read: withstand check shows the reason)"
    with pytest.raises(KeyError):
        catalogue.path_of("../a")
