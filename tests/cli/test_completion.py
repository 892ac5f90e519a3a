"""Completion scripts for shells, and ``python -m sim`` as another name of ``withstand``."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli_runs import LONGEST_S, ROOT, withstand

ASK = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"
$(complete -p withstand | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_script_knows_the_options_of_both_halves(shell: str) -> None:
    script = withstand("completion", shell)
    assert script.code == 0
    for word in ("--replications", "--speedup", "--allow-host", "--repeat", "selfcheck"):
        assert word in script.out, word


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["withstand", "loadt"], ["loadtest"]),
        (["withstand", "run", "--prec"], ["--precision"]),
        (["withstand", "loadtest", "--speed"], ["--speedup"]),
        (["withstand", "completion", "z"], ["zsh"]),
    ],
    ids=" ".join,
)
def test_bash_completes(words: list[str], completed: list[str], tmp_path: Path) -> None:
    (tmp_path / "withstand.bash").write_text(withstand("completion", "bash").out)
    (tmp_path / "ask.bash").write_text(ASK)
    done = subprocess.run(
        ["bash", "ask.bash", "withstand.bash", *words], cwd=tmp_path, capture_output=True, text=True, check=True,
        timeout=LONGEST_S,
    )  # fmt: skip
    assert [word.strip() for word in done.stdout.split()] == completed


def test_python_m_sim_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sim", "--help"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=LONGEST_S
    )
    assert done.stdout == withstand("--help").out
