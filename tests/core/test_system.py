"""Commands in real processes: with readers that leave, disks that are full, streams that are closed or lack letters."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from polars.exceptions import ComputeError

from sim.core.system import parented, refusal
from tests.support.cli_runs import ROOT, SCRIPT, TINY_FAILING

PATIENCE_S = 300
COMMANDS = {
    "list": (SCRIPT, "list"),
    "schema": (SCRIPT, "schema"),
    "loadtest --help": (SCRIPT, "loadtest", "--help"),
    "checklist": (sys.executable, "-m", "sim.studies.checklist"),
}

EACH = [*((name, "") for name in COMMANDS), ("list", "1"), ("loadtest --help", "1")]
"""Commands, and whether Python writes each line at once."""


def command(*words: str | Path, **how: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        list(words), cwd=how.pop("cwd", ROOT), stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=False, **how
    )


def unread(*words: str | Path, cwd: Path = ROOT, unbuffered: str = "") -> tuple[int, str]:
    """Return the code of a command whose reader has left before it begins, and what it says on standard error."""
    reader, writer = os.pipe()
    os.close(reader)
    done = command(*words, stdout=writer, cwd=cwd, env=os.environ | {"PYTHONUNBUFFERED": unbuffered})
    os.close(writer)
    return done.returncode, done.stderr


# --- a reader that leaves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "unbuffered"), EACH)
def test_a_reader_that_leaves_changes_nothing(name: str, unbuffered: str) -> None:
    assert unread(*COMMANDS[name], unbuffered=unbuffered) == (0, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_fault_keeps_its_code_without_a_reader(unbuffered: str) -> None:
    code, told = unread(SCRIPT, "check", "quiet_week", "nosuch.toml", unbuffered=unbuffered)
    assert code == 2
    assert told.startswith("nosuch.toml: got no such file;")
    assert told.count("\n") == 1


def test_a_failed_expectation_keeps_its_code_without_a_reader(tmp_path: Path) -> None:
    (tmp_path / "story.toml").write_text(TINY_FAILING)
    run = (SCRIPT, "run", "story.toml", "--replications", "1", "--out", "run")
    assert unread(*run, cwd=tmp_path, unbuffered="1")[0] == 1
    assert (tmp_path / "run" / "report.html").is_file()


# --- streams that refuse, or lack letters -------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "unbuffered"), EACH)
def test_a_full_disk_behind_standard_output_is_a_sentence(name: str, unbuffered: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = command(*COMMANDS[name], stdout=full, env=os.environ | {"PYTHONUNBUFFERED": unbuffered})
    assert (done.returncode, done.stderr) == (2, "standard output: got No space left on device; must be writable\n")


@pytest.mark.parametrize("name", ["list", "loadtest --help"])
def test_a_closed_standard_output_is_a_sentence(name: str) -> None:
    done = command(*COMMANDS[name], preexec_fn=lambda: os.close(1))
    rule = "must be open (>/dev/null drops what is printed)"
    assert (done.returncode, done.stderr) == (2, f"standard output: got a closed stream; {rule}\n")


def test_a_closed_standard_error_is_no_fault() -> None:
    done = subprocess.run(COMMANDS["list"], stdout=subprocess.PIPE, preexec_fn=lambda: os.close(2), check=False)
    assert done.returncode == 0
    assert b"quiet_week " in done.stdout


@pytest.mark.parametrize(
    "letters",
    [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}],
    ids=["ascii", "C"],
)
def test_letters_that_a_console_lacks_become_plainer(letters: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "story.toml").write_text(TINY_FAILING)
    run = (SCRIPT, "run", "story.toml", "--replications", "2", "--out", "run")
    done = command(*run, stdout=subprocess.PIPE, cwd=tmp_path, env=os.environ | letters)
    assert done.returncode == 1, done.stderr
    assert "+-" in done.stdout
    shown = command(SCRIPT, "show", "run", stdout=subprocess.PIPE, cwd=tmp_path, env=os.environ | letters)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.isascii()


# --- what the system refuses --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "any words", "a/file"), "a/file: got No space left on device; must have room"),
        (OSError(errno.EMFILE, ""), "the system: got Too many open files; must allow more open files (ulimit -n)"),
        (ComputeError("No space left on device (os error 28)"), "the system: got No space left on device; must have"),
        (MemoryError(), "memory: got no more; must have room for the work"),
        (FileNotFoundError(errno.ENOENT, "", "a/file"), None),
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), None),
        (ValueError("No space left on device (os error 28)"), None),
    ],
)
def test_what_the_system_refuses_is_a_sentence(error: Exception, sentence: str | None) -> None:
    told = refusal(error)
    assert told is None if sentence is None else told is not None and told.startswith(sentence)


# --- signals ------------------------------------------------------------------------------------------------------

SLOW = """
import sys, time
from sim.core.system import displayed
def forever():
    print("begun", flush=True)
    while True:
        time.sleep(1)
sys.exit(displayed(forever))
"""
PARENT = """
import os, subprocess, sys
from sim.core.system import parented
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], **parented(os.environ))
child.wait()
"""
STARTS = {
    "from a terminal": partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    "with &": partial(signal.signal, signal.SIGINT, signal.SIG_IGN),  # what a shell without job control does
}
CHILD = "from sim.core.system import end_with_parent\nend_with_parent()\n" + SLOW


@pytest.mark.parametrize("start", ["from a terminal", "with &"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_stopped_says_so_by_its_code(number: int, code: int, start: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLOW], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=STARTS[start],  # noqa: PLW1509 - it only sets a signal's handler
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        _, told = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, told) == (code, "stopped; unfinished work was not written\n")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_however_a_process_ends_what_it_started_ends_too(number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        _, told = process.communicate(timeout=PATIENCE_S)  # until the child has closed its streams, too
    assert told == "stopped; unfinished work was not written\n"


def test_a_child_that_ends_with_its_parent_can_still_import_what_patches_locks(tmp_path: Path) -> None:
    """The watch on the parent ran before gevent patched locks, and the installed load test waited for ever."""
    script = "from sim.core.system import end_with_parent\nend_with_parent()\nimport locust"
    done = subprocess.run(
        [sys.executable, "-c", script], **parented(os.environ), cwd=tmp_path, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
