"""A few random mutations of the catalogue (tests.tools.mutations tries many more), and what must be noticed in them."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.tools.mutations.trials import FORM, _impossible, mutated, tried


def test_mutations_are_refused_in_the_form_or_load_and_make_sense() -> None:
    ends = Counter[str]()
    for number in range(120):
        verdict = tried(1, number, runs=20)
        assert not verdict.wrong, f"python -m tests.tools.mutations --only {number}: {verdict.wrong}"
        ends[verdict.end] += 1
    assert ends["refused"] > 20
    assert ends["loaded"] > 20
    assert ends["ran"] > 2


def test_a_mutation_is_the_same_each_time() -> None:
    assert mutated(1, 7) == mutated(1, 7) != mutated(1, 8)


@pytest.mark.parametrize("wrong", ["quiet_week: days: got 3", "days is bad", "quiet_week: must be something"])
def test_a_fault_of_another_form_is_noticed(wrong: str) -> None:
    assert not FORM.fullmatch(wrong)
    assert FORM.fullmatch("quiet_week: days: got 3; must be a known key")


@pytest.mark.parametrize(
    ("name", "value"), [("backlog_peak", float("nan")), ("backlog_peak.front", -1.0), ("occupancy_share", 1.1)]
)
def test_numbers_that_cannot_be_are_noticed(name: str, value: float) -> None:
    assert len(list(_impossible({name: value}))) == 1
    assert list(_impossible({name: 0.5, "none": None})) == []
