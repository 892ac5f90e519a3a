"""What a user's dialect raises or returns is said in a sentence, wherever it happens: no traceback, no row lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers.staging_client import ENVIRON, ROOT
from tests.support.servers.tiny_server import TinyServer, forgetful
from tests.support.trace_factory import make_run, steady

FAULTY = """
from loadtests.dialect import Outcome, Request
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Faulty(reference.Reference):
    {method}

def create(values):
    Faulty.begun = False
    return Faulty(values)
"""

pytestmark = pytest.mark.servers


def run(folder: Path, method: str, *options: str) -> tuple[int, str]:
    """Return exit code and output of a short load test whose dialect has this method."""
    mine = folder / "mine.py"
    mine.write_text(FAULTY.format(method=method))
    make_run(folder / "run", steady({"withdrawal": 10.0, "login": 10.0}, 1.0), window_ms=1000)
    with TinyServer(forgetful) as server:
        command = [sys.executable, "-m", "loadtests", "run", str(folder / "run"), "--host", server.url, "--window"]
        command += ["1 s", "--no-plots", "--dialect", str(mine), *options]
        env = {**ENVIRON, "PATH": "", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert not any(value in done.stdout + done.stderr for value in ENVIRON.values())
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("def health(self): raise RuntimeError(self._secret)", "RuntimeError: [redacted]"),
        ('def health(self): return Request("GET", "/health", {"X": 7})', "header X is int, must be text"),
        ("def health(self): return None", "AttributeError"),
        ("def is_test_system(self, answer): return nothing", "NameError: name 'nothing' is not defined"),
        ("def holdings(self, send, prefix): raise RuntimeError(self._secret)", "RuntimeError: [redacted]"),
        ("def balances(self, send): raise NotImplementedError", "NotImplementedError"),
        ("def holdings(self, send, prefix): return []", "AttributeError"),
    ],
)
def test_a_fault_before_the_start_refuses_it(tmp_path: Path, method: str, told: str) -> None:
    code, out = run(tmp_path, method)
    assert code == 2, out
    assert told in out
    assert not list((tmp_path / "run" / "loadtest").glob("*"))


def verdict(folder: Path) -> dict[str, Any]:
    (found,) = (folder / "run" / "loadtest").iterdir()
    value: dict[str, Any] = json.loads((found / "verdict.json").read_text())
    return value


def test_a_read_that_fails_meanwhile_ends_no_watch(tmp_path: Path) -> None:
    code, out = run(tmp_path, "def glance(self, send, prefix, more): raise RuntimeError(self._secret)")
    assert code == 1, out  # the server forgets
    watched = verdict(tmp_path)["reconciliation"]["watch"]
    assert (watched["reads"], watched["failed_reads"] > 0) == (0, True)


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ('def outcome(self, arrival, answer): return Outcome("fine")', "'fine' is no outcome"),
        ("def outcome(self, arrival, answer): return None", "AttributeError"),
        ('def outcome(self, arrival, answer): return Outcome("shed")', "'shed' is no outcome"),
    ],
)
def test_an_outcome_that_is_none_is_unknown(tmp_path: Path, method: str, told: str) -> None:
    code, out = run(tmp_path, method, "--no-reconcile")
    assert code in (1, 3), out  # 3 where this machine was too busy to be on time
    assert told in out
    assert verdict(tmp_path)["counts"]["unknown"] == 20


@pytest.mark.parametrize("key", ["7", "None", "b'a'"])
def test_a_key_that_is_no_text_is_not_sent(tmp_path: Path, key: str) -> None:
    asked = f"def request(self, arrival, known): return super().request(arrival, known)._replace(key={key})"
    code, out = run(tmp_path, asked, "--no-reconcile")
    assert code == 3, out
    assert "its key is " in out
    assert verdict(tmp_path)["counts"]["not_sent"] == 20
