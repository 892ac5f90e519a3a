"""What Ctrl-C does to an injection: once, it ends after the case under way and judges; twice, at once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers.loadtest_run import LONGEST_S, interrupt, run_of
from tests.support.servers.staging_client import ENVIRON, ROOT, staging, wait_until
from tests.support.servers.tiny_server import Reply, TinyServer, forgetful

pytestmark = pytest.mark.servers

WRITES = {"withdrawal": 20.0, "ticket": 20.0}
N_IN_SEQUENCE = 3
DIALECT = f"""
import os, signal
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Interrupted(reference.Reference):
    n_answers = 0

    def outcome(self, arrival, answer):
        self.n_answers += 1
        if self.n_answers == {N_IN_SEQUENCE + 2}:
            os.kill(os.getpid(), signal.SIGINT)
        return super().outcome(arrival, answer)

create = Interrupted
"""


def inject(run: Path, url: str, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "loadtests", "inject", str(run), "--host", url, *options]
    env = {**ENVIRON, "PATH": ""}
    return subprocess.Popen(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def result_of(run: Path) -> dict[str, Any]:
    """Return what is in the one folder that an injection left, which is whole."""
    (folder,) = (run / "loadtest").iterdir()
    assert folder.name.endswith("-inject")
    found: dict[str, Any] = json.loads((folder / "inject.json").read_text())
    junit = (folder / "junit.xml").read_text()
    assert "not all cases were sent: interrupted" in junit
    assert "<failure" not in junit
    return found


def test_an_interrupt_lets_the_case_under_way_end_and_judges_what_there_is(tmp_path: Path) -> None:
    run, dialect = run_of(tmp_path, WRITES, 1.0), tmp_path / "interrupted.py"
    dialect.write_text(DIALECT)
    with staging("--payment-s", "0.3", "--review-share", "0") as (client, _):
        url = str(client.http.base_url).rstrip("/")
        with inject(run, url, "--dialect", str(dialect)) as process:
            out, err = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 3, out + err
    assert "Traceback" not in err
    result = result_of(run)
    passed = {case["name"]: case["passed"] for case in result["cases"]}
    sent = {name for name, is_passed in passed.items() if is_passed}
    assert {"I1 withdrawal", "I2 withdrawal"} <= sent <= {"I1 withdrawal", "I2 withdrawal", "I3 withdrawal"}
    assert {case["count"] for case in result["cases"] if case["name"] not in sent} == {0}
    assert set(passed.values()) == {True, None}
    assert "not checked  I5 withdrawal  not sent: interrupted" in out
    assert (result["exit_code"], result["reconciliation"]["passed"]) == (3, True), "the books were read all the same"


def test_the_second_interrupt_waits_for_nothing(tmp_path: Path) -> None:
    run, hung = run_of(tmp_path, WRITES, 1.0), threading.Event()

    def reply(path: str, n: int) -> Reply:
        if path.startswith("/api/v4/withdrawals"):
            hung.set()
            return Reply(delay_s=600.0)
        return forgetful(path, n)

    with TinyServer(reply) as server, inject(run, server.url, "--timeout", "5 min") as process:
        wait_until(hung.is_set, "a withdrawal")
        interrupt(process)
        assert process.poll() is None, "the case under way is waited for"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 3, out + err
    assert "Traceback" not in err
    result = result_of(run)
    assert {case["passed"] for case in result["cases"]} == {None}
    found = result["reconciliation"]
    assert (found["done"], found["passed"], found["reason"]) == (False, None, "ended at once, as asked")
