"""What is changed, by subject, and the tests that should notice, the quickest first."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tests.tools.mutants.operators import ROOT, Mutant, mutants_of


class Subject(NamedTuple):
    """Files of the product, as patterns, and the tests that are run against each change of them."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


_BY_HAND, _METRICS = "tests/metrics/test_by_hand.py", "tests/metrics/test_metrics.py"
SUBJECTS = {
    "conversion": Subject(
        ("sim/model/[fmo]*.py", "sim/demand/ceilings.py", "sim/demand/exogenous.py"),
        ("tests/model", _BY_HAND, "tests/drivers/test_policy.py", "tests/drivers/test_trust.py", _METRICS,
         "tests/demand/test_demand.py", "tests/staffing/test_roster.py"),
    ),
    "shrinkage": Subject(
        ("sim/staffing/shrinkage.py",), ("tests/staffing/test_roster.py", "tests/staffing/test_desk.py"),
    ),
    "hazards": Subject(("sim/experiment/calibration.py",), ("tests/metrics/test_funnel.py",)),
    "metrics": Subject(
        ("sim/metrics/*.py",),
        (_BY_HAND, *(f"tests/metrics/test_{name}.py" for name in (
            "metrics", "desk", "levels", "backlog", "feedback_metrics", "market",
            "without_waits", "misdirected",
        )), "tests/metrics/test_ticket_table.py"),
    ),
    "observation": Subject(
        ("sim/metrics/observation/*.py",),
        (_BY_HAND, "tests/metrics/observation/test_counts.py", "tests/metrics/test_backlog.py", _METRICS,
         "tests/metrics/test_feedback_metrics.py", "tests/metrics/test_misdirected.py",
         "tests/metrics/test_without_waits.py"),
    ),
    "statistics": Subject(("sim/numerics/statistics.py",), ("tests/numerics/test_statistics.py",)),
    "survival": Subject(
        ("sim/numerics/survival.py",), ("tests/numerics/test_survival.py", "tests/metrics/observation/test_counts.py"),
    ),
    "intervals": Subject(
        ("sim/numerics/intervals.py",), ("tests/numerics/test_intervals.py", "tests/metrics/test_backlog.py"),
    ),
    "selection": Subject(("sim/numerics/selection.py",), ("tests/numerics/test_selection.py",)),
    "analysis": Subject(
        tuple(f"sim/experiment/analysis/{name}.py" for name in ("comparison", "estimate", "expectations", "precision")),
        ("tests/experiment/test_precision.py", "tests/experiment/test_comparison.py",
         "tests/experiment/test_beyond_horizon.py", "tests/api/test_api.py"),
    ),
}  # fmt: skip


def files_of(subject: str) -> list[str]:
    """Return a subject's files."""
    paths = {path for pattern in SUBJECTS[subject].files for path in ROOT.glob(pattern)}
    return sorted(path.relative_to(ROOT).as_posix() for path in paths if path.name != "__init__.py")


def all_of(subject: str) -> list[Mutant]:
    """Return every change of a subject's files."""
    return [one for file in files_of(subject) for one in mutants_of(file)]


def chosen(number: int, seed: int) -> Iterator[tuple[str, Mutant]]:
    """Yield so many changes, of each subject in proportion to its own, drawn from the seed, with the subject's name."""
    every = {subject: all_of(subject) for subject in SUBJECTS}
    whole = sum(map(len, every.values()))
    for subject, mine in every.items():
        some = min(-(-number * len(mine) // whole), len(mine))
        for one in Random(f"{seed} {subject}").sample(mine, some):
            yield subject, one
