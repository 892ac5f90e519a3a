"""Run the command line: in this process, or as the installed ``withstand``."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from sim.cli import main

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(sys.executable).with_name("withstand")
QUICK = ("--set", "days=2", "--set", "warmup_days=1", "--replications", "2", "--jobs", "1")
LONGEST_S = 60
TINY_FAILING = """extends = "quiet_week"
title = "a small run whose expectation fails"
days = 1
warmup_days = 0
[expect]
tickets_new_per_day = "< 1"
"""


@dataclass(frozen=True)
class Told:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


def withstand(*arguments: str | Path | int) -> Told:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    return Told(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def installed(*arguments: str | Path | int, cwd: Path, **environment: str) -> Told:
    """Run the installed command as a process of its own, with more environment."""
    done = subprocess.run(
        [SCRIPT, *map(str, arguments)],
        cwd=cwd, env=os.environ | environment, capture_output=True, text=True, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    return Told(done.returncode, done.stdout, done.stderr)


def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the pictures out of run folders: they take twenty times as long as the simulation."""
    monkeypatch.setattr("sim.output.plots.figures", lambda *_: {})
