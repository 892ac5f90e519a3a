"""The kernel of withdrawals against a model in which each is an object, which shares no code with it."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from tests.support import twins
from tests.tools.planted_withdrawals import MIXTURES, OTHERS
from tests.tools.planting import Fault, interpreted
from tests.tools.withdrawal_worlds import Tally, noticed

TWIN = ("slow_withdrawals", "slow_payout", "slow_marks", "slow_log", "slow_feedback")
DEFINED = {"sim.core.clock", "sim.feedback", "sim.feedback.columns", "sim.numerics.streams"}
"""Where the twin has the names of columns, what is drawn, and the numbers by which marks are addressed."""
CODE = {"purpose_key"}
"""The functions among these: what stands for a purpose is a definition."""


def test_kernel_and_twin_agree_and_the_worlds_meet_what_they_must() -> None:
    tally = Tally()
    for seed in range(1_500):
        tally.add(seed)
    assert not tally.wrong, tally.complaint()
    assert not tally.missing, tally.complaint()
    assert tally.rows > 5_000
    assert tally.counted > 5_000


def test_the_kernel_as_plain_python_agrees_as_well() -> None:
    """So what is noticed below is the fault, not the way it is planted."""
    with np.errstate(all="raise"):
        assert noticed(interpreted(file="feedback"), 300) is None


@pytest.mark.parametrize("fault", [*MIXTURES, *OTHERS], ids=lambda fault: fault.name)
def test_the_twin_notices_a_planted_fault(fault: Fault) -> None:
    assert noticed(interpreted(*fault.changes, file="feedback")) is not None


@pytest.mark.parametrize("name", TWIN)
def test_the_twin_takes_names_and_draws_from_the_program_but_no_code(name: str) -> None:
    tree = ast.parse((Path(twins.__path__[0]) / f"{name}.py").read_text("utf-8"))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Import) or not any(one.name.startswith("sim") for one in node.names)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sim"):
            assert node.module in DEFINED
            functions = {one.name for one in node.names if one.name.islower() and one.name != "columns"}
            assert functions <= CODE
