"""The changes that ``python -m tests.tools.mutants`` tries: they are made as said, and what is known of them holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.mutants.equivalents import argument, known
from tests.tools.mutants.named import NAMED, Named
from tests.tools.mutants.operators import mutants_of
from tests.tools.mutants.subjects import SUBJECTS, all_of, chosen
from tests.tools.mutants.trials import changed_source

SOURCE = '''"""Text stays: 1 < 2."""


def f(x: int = 3) -> bool:
    """Text stays, too."""
    assert x > 0
    if not x:
        raise ValueError(f"x: got {x + 1}")
    total = 0.5
    total += max(x, 1)
    return total <= 2 and x is not None
'''


def test_each_kind_of_change_is_made_and_texts_stay(tmp_path: Path) -> None:
    file = tmp_path / "some.py"
    file.write_text(SOURCE)
    made = mutants_of(str(file))
    assert {one.lines for one in made} == {
        ("def f(x: int = 3) -> bool:", "def f(x: int = 4) -> bool:"),
        ("if not x:", "if x:"),
        ("total = 0.5", "total = 1.0"),
        ("total += max(x, 1)", "total -= max(x, 1)"),
        ("total += max(x, 1)", "total += min(x, 1)"),
        ("total += max(x, 1)", "total += max(x, 2)"),
        ("total += max(x, 1)", "total += max(x, 0)"),
        ("total += max(x, 1)", "pass"),
        ("return total <= 2 and x is not None", "return total < 2 and x is not None"),
        ("return total <= 2 and x is not None", "return total <= 3 and x is not None"),
        ("return total <= 2 and x is not None", "return total <= 2 or x is not None"),
        ("return total <= 2 and x is not None", "return total <= 2 and x is None"),
    }
    assert {one.where for one in made} == {"f"}
    for one in made:
        compile(one.text, str(file), "exec")


@pytest.mark.parametrize("fault", NAMED, ids=lambda fault: fault.name)
def test_a_named_fault_can_still_be_planted(fault: Named) -> None:
    assert fault.mutant.text != fault.mutant.text.replace(fault.new, fault.old)
    assert fault.subject in SUBJECTS


def test_what_is_known_to_change_nothing_is_a_change_that_is_made() -> None:
    made = {
        (one.file, one.where, *one.lines): one for file in {file for file, *_ in known()} for one in mutants_of(file)
    }
    for key, why in known().items():
        assert key in made, key
        assert argument(made[key]) == why


def test_every_subject_is_drawn_from_in_proportion_and_the_same_seed_draws_the_same() -> None:
    drawn = list(chosen(300, 7))
    assert drawn == list(chosen(300, 7))
    assert drawn != list(chosen(300, 8))
    assert len(drawn) == len(set(drawn)) >= 300
    whole = sum(len(all_of(subject)) for subject in SUBJECTS)
    for subject in SUBJECTS:
        share = sum(name == subject for name, _ in drawn) / len(drawn)
        assert abs(share - len(all_of(subject)) / whole) < 0.01
    for _, mutant in drawn:
        compile(mutant.text, mutant.file, "exec")


def test_a_changed_file_is_plain_python() -> None:
    text = changed_source("from sim.core.jit import compiled, inlined\n\n@compiled\ndef f():\n    return 1\n")
    names: dict[str, object] = {}
    exec(text, names)  # numba's functions are no plain ones
    assert type(names["f"]).__name__ == "function"
