"""Where everything must run, a skip is a failure; only the real data may be absent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
SKIPPING = """
import pytest
from tests.support.real_data import real_file

def test_runs(): pass
def test_skips(): pytest.skip("no such server")
@pytest.mark.skipif(True, reason="not here")
def test_is_marked(): pass
@pytest.fixture
def server(): pytest.skip("no server to set up")
def test_has_no_fixture(server): pass
def test_needs_data(): real_file("absent.csv")
@pytest.mark.xfail(strict=True)
def test_is_known_to_fail(): assert False
"""
SKIPPED_WHOLE = "import pytest\npytest.importorskip('no_such_module')\ndef test_never(): pass\n"


def run(folder: Path, require_all: str) -> tuple[int, str]:
    """Run those tests with this project's conftest and nothing else of it; return exit code and output."""
    shutil.copy(TESTS / "conftest.py", folder / "conftest.py")
    (folder / "test_skipping.py").write_text(SKIPPING)
    (folder / "test_whole.py").write_text(SKIPPED_WHOLE)
    options = ["-p", "no:cacheprovider", "-rA", "--import-mode=importlib", "--continue-on-collection-errors"]
    (folder / "pytest.ini").write_text(f"[pytest]\npythonpath = {TESTS.parent}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=folder, env={**os.environ, "WITHSTAND_REQUIRE_ALL": require_all, "WITHSTAND_DATA": "nowhere"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize("off", ["", "0"])
def test_a_skip_is_a_skip_on_a_machine_that_lacks_something(tmp_path: Path, off: str) -> None:
    code, out = run(tmp_path, off)
    assert (code, "1 passed, 5 skipped, 1 xfailed" in out) == (0, True), out


def test_a_skip_is_a_failure_where_everything_must_run(tmp_path: Path) -> None:
    code, out = run(tmp_path, "1")
    assert (code, "1 failed, 1 passed, 1 skipped, 1 xfailed, 3 errors" in out) == (1, True), out
    for why in ("no such server", "not here", "no server to set up", "could not import 'no_such_module'"):
        assert f"WITHSTAND_REQUIRE_ALL is set, and this was skipped: Skipped: {why}" in out


def test_only_absent_real_data_may_be_skipped(tmp_path: Path) -> None:
    _, out = run(tmp_path, "1")
    (skipped,) = [line for line in out.splitlines() if line.startswith("SKIPPED")]
    assert "set WITHSTAND_DATA" in skipped
