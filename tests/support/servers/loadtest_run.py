"""Load tests as child processes against a server of the test; what this machine was late for is repeated."""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import psutil

from sim.core.tables import REQUESTS, read
from tests.support.servers.staging_client import ENVIRON, ROOT, wait_until
from tests.support.trace_factory import make_run, steady

MIXED = {"withdrawal": 20.0, "withdrawal_status": 40.0, "ticket": 10.0, "ticket_view": 20.0, "login": 10.0}
EASY = {name: {"p50_ms": 1000.0, "p95_ms": None, "p99_ms": None, "error_share": 0.4} for name in MIXED}
"""Objectives that a second or two of requests can decide."""
LONGEST_S = 60


def start(run: Path, url: str, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "loadtests", "run", str(run), "--host", url, "--no-plots", *options]
    env = {**ENVIRON, "PATH": "", "HOME": str(run)}
    return subprocess.Popen(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class LateError(Exception):
    """The machine was too busy for this run to say anything: its requests left late."""


LATE = ("requests left late", "requests were sent in time", "the clocks contradict each other")
"""Why a run is invalid on a machine too busy to send in time, whatever the target did."""


def was_late(verdict: dict[str, Any]) -> bool:
    """Return whether nothing but lateness made a run invalid."""
    reasons = verdict["reasons"]
    return bool(reasons) and all(any(words in reason for words in LATE) for reason in reasons)


def judged(run: Path) -> dict[str, Any]:
    """Return the verdict of the one load test of a run."""
    (folder,) = (run / "loadtest").iterdir()
    verdict: dict[str, Any] = json.loads((folder / "verdict.json").read_text())
    return verdict


def in_time(run: Path) -> None:
    """Raise LateError where a run was late: for what measures time, or is conclusive only in time."""
    reasons = judged(run)["reasons"]
    if any(reason.startswith(LATE[0]) for reason in reasons):
        raise LateError(reasons)


def code_but_for_lateness(run: Path, code: int) -> int:
    """Return the exit code of a load test as it would be on a machine that sends in time: 0 for a 3 by lateness."""
    return 0 if code == 3 and not judged(run)["valid"] and was_late(judged(run)) else code


def repeated_when_late(test: Callable[[Path], None]) -> Callable[[Path], None]:
    """Repeat a test whose run was late, twice at most, each time with everything new."""

    @functools.wraps(test)
    def repeat(tmp_path: Path) -> None:
        for attempt in range(2):
            with contextlib.suppress(LateError):
                return test(tmp_path / f"attempt-{attempt}")
        return test(tmp_path / "last-attempt")

    return repeat


def load(run: Path, url: str, *options: str) -> tuple[int, str, str]:
    """Return exit code (but for lateness), standard output and standard error of one load test."""
    with start(run, url, *options) as process:
        try:
            out, err = process.communicate(timeout=LONGEST_S)
        except BaseException:
            process.kill()
            raise
    assert "Traceback" not in err, err
    return code_but_for_lateness(run, process.returncode), out, err


def run_of(tmp_path: Path, rates: dict[str, float], seconds: float, objectives: Any = EASY) -> Path:
    folder = tmp_path / "results" / "run"
    return make_run(folder, steady(rates, seconds), window_ms=round(seconds * 1000), objectives=objectives)


def results(run: Path) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return verdict and rows of a load test; its being valid, but for lateness."""
    (folder,) = (run / "loadtest").iterdir()
    verdict = judged(run)
    return verdict | {"valid": verdict["valid"] or was_late(verdict)}, read(folder / "requests.parquet", REQUESTS)


def locust(run: Path, url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run Locust's own command with our locustfile and the run in the environment."""
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--headless"]
    env = {**ENVIRON, "PATH": "", "WITHSTAND_RUN": str(run)}
    arguments = [*command, "--host", url, "--no-reconcile", "--no-plots", *options]
    return subprocess.run(arguments, cwd=ROOT, env=env, text=True, capture_output=True, timeout=LONGEST_S, check=False)


def load_bare(run: Path, url: str, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "loadtests", "run", str(run), "--host", url, "--no-plots", "--no-reconcile"]
    window = () if "--window" in options else ("--window", "2 s")
    env = {**ENVIRON, "PATH": "", "HOME": str(run)}
    done = subprocess.run(
        [*command, *window, *options], cwd=ROOT, env=env, text=True, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def interrupt(process: subprocess.Popen[str]) -> None:
    """Interrupt a process, and return when it has taken that and waits again: two interrupts that wait are one."""
    child = psutil.Process(process.pid)
    before = child.num_ctx_switches().voluntary
    process.send_signal(signal.SIGINT)
    wait_until(lambda: child.num_ctx_switches().voluntary > before, "the interrupt to be taken")


def start_locust(run: Path, url: str, *options: str) -> subprocess.Popen[str]:
    """Start Locust's own command with our locustfile."""
    command = [sys.executable, "-m", "locust", "-f", str(ROOT / "loadtests" / "locustfile.py"), "--headless"]
    env = {**ENVIRON, "PATH": "", "WITHSTAND_RUN": str(run)}
    arguments = [*command, "--host", url, "--no-reconcile", "--no-plots", *options]
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
