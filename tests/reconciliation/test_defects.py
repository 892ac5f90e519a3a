"""The checker, proved the other way: each planted defect is caught in a real server process, by the right check."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.servers.staging_client import ROOT
from tests.tools.defects import PLANTED, caught, reconciled, table

pytestmark = pytest.mark.servers

CAUGHT_BY = {
    "lost after acknowledging": ["W1"],
    "paid twice": ["W1", "W2"],
    "status going back": ["W8"],
    "balance below zero": ["W7"],
    "wrong amount": ["W1"],
    "ticket dropped": ["T1", "T2"],
}
EXAMPLES = {
    "lost after acknowledging": ("W1", "is there 0 times"),
    "paid twice": ("W1", "is there 2 times"),
    "status going back": ("W8", "DONE is final, then PEND"),
    "balance below zero": ("W7", "account"),
    "wrong amount": ("W1", ": amount "),
    "ticket dropped": ("T1", "is there 0 times"),
}


def test_the_readme_shows_this_table() -> None:
    text = (ROOT / "loadtests" / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| ([a-z ]+) \| ([WT0-9, ]+) \|$", text, re.MULTILINE))
    assert rows == {defect: ", ".join(names) for defect, names in CAUGHT_BY.items()}
    assert list(CAUGHT_BY) == list(PLANTED)


def test_a_server_without_a_defect_passes(tmp_path: Path) -> None:
    code, found = reconciled(None, tmp_path)
    assert code in (0, 3)  # 3: this machine was too busy to send in time
    assert (found["exit_code"], caught(found)) == (0, [])
    assert {check["name"] for check in found["checks"] if check["passed"] is None} == {"T4"}


@pytest.mark.parametrize("defect", PLANTED)
def test_each_defect_is_caught_by_the_right_check(tmp_path: Path, defect: str) -> None:
    code, found = reconciled(defect, tmp_path)
    assert (code, found["exit_code"]) == (1, 1)
    assert caught(found) == CAUGHT_BY[defect], table([(defect, code, found)])
    name, text = EXAMPLES[defect]
    (check,) = [check for check in found["checks"] if check["name"] == name]
    assert all(text in example for example in check["examples"]), check
