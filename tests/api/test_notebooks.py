"""The notebooks beside the pages: sound, without outputs, and every cell runs in order in a fresh interpreter."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.support.cli_runs import LONGEST_S, ROOT

EXECUTE = ROOT / "tests" / "api" / "notebook.py"
NOTEBOOKS = ("scenarios/planner.ipynb", "scenarios/manager.ipynb", "loadtests/engineer.ipynb")
NOTEBOOK_S = 6 * LONGEST_S
"""How long a notebook may take: the first run after a change compiles the engine, and others may use the machine."""


def executed(notebook: str, folder: Path) -> str:
    """Return what a notebook shows; it and every process that it started are ended with it."""
    command = [sys.executable, "-P", "-W", "error", str(EXECUTE), str(ROOT / notebook)]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        start_new_session=True,
    ) as child:  # fmt: skip
        try:
            out, err = child.communicate(timeout=NOTEBOOK_S)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    assert child.returncode == 0, err
    return out


def test_every_notebook_is_known_here() -> None:
    found = [
        path for top in ("sim", "scenarios", "loadtests", "tests", "results") for path in (ROOT / top).rglob("*.ipynb")
    ]
    assert sorted(path.relative_to(ROOT).as_posix() for path in found) == sorted(NOTEBOOKS)


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_a_notebook_is_sound_and_keeps_no_outputs(notebook: str) -> None:
    text = (ROOT / notebook).read_text("utf-8")
    nbformat.validate(json.loads(text))
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"], cell["metadata"]) == ([], None, {})
            ast.parse("".join(cell["source"]))  # plain Python, so that what the test runs is what a kernel runs


@pytest.mark.parametrize(
    ("notebook", "shown"),
    [
        ("scenarios/planner.ipynb", ("<caption>quiet_week: 10 replications", "<caption>other less base: ", "<Figure")),
        (
            "scenarios/manager.ipynb",
            ("<caption>volatility_spike: 5 replications", "complaints_without_waits_per_day: "),
        ),
    ],
)
def test_every_cell_runs(notebook: str, shown: tuple[str, ...], tmp_path: Path) -> None:
    out = executed(notebook, tmp_path)
    assert [words for words in shown if words not in out] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.servers
def test_every_cell_of_the_engineer_runs_against_the_reference_server(tmp_path: Path) -> None:
    out = executed("loadtests/engineer.ipynb", tmp_path)
    assert "http://127.0.0.1:" in out
    assert "acknowledged" in out
    assert "records right: True" in out


def test_a_cell_that_fails_is_not_passed_over(tmp_path: Path) -> None:
    cells = [{"cell_type": "code", "source": [text]} for text in ("x = 1", "x / 0", "print('after')")]
    broken = tmp_path / "broken.ipynb"
    broken.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    with pytest.raises(AssertionError, match="cell 1"):
        executed(str(broken), tmp_path)
