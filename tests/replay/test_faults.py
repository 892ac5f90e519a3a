"""Faults from outside under load: the journal stays complete, the unknown are counted, nothing acknowledged is lost."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import polars as pl
import pytest

from sim.core.tables import REQUESTS, read
from tests.support.servers.loadtest_run import (
    LONGEST_S,
    code_but_for_lateness,
    in_time,
    load,
    repeated_when_late,
    run_of,
    start,
)
from tests.support.servers.staging_client import ENVIRON, ROOT, staging, wait_until
from tests.support.servers.tcp_proxy import WELL, Fate, TcpProxy

pytestmark = pytest.mark.servers

WRITES = {"withdrawal": 60.0, "ticket": 40.0}
NO_OBJECTIVES: dict[str, Any] = {name: {"error_share": None} for name in WRITES}
SECONDS = 4.0
WINDOW = ("--window", f"{SECONDS:g} s")


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def outcome_of(run: Path) -> tuple[dict[str, Any], pl.DataFrame, dict[str, Any]]:
    """Return verdict, rows and reconciliation, whose journal and counts must be complete."""
    (folder,) = (run / "loadtest").iterdir()
    verdict = json.loads((folder / "verdict.json").read_text())
    found = json.loads((folder / "reconcile.json").read_text())
    rows = read(folder / "requests.parquet", REQUESTS)
    assert verdict["counts"]["planned"] == len(rows) == round(sum(WRITES.values()) * SECONDS)
    journal = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    sent = rows.filter(pl.col("sent_us") >= 0)
    assert sorted(line["key"] for line in journal if "key" in line) == sorted(sent["key"])
    ended = {line["idx"]: line["outcome"] for line in journal if "outcome" in line}
    assert ended == dict(sent.select("idx", "outcome").iter_rows()), "each request has its end in the journal"
    unknown = Counter(sum(one.values()) for one in found["unknown"].values())
    assert sum(n * count for n, count in unknown.items()) == verdict["counts"]["unknown"]
    return verdict, rows, found


def checks_of(found: dict[str, Any]) -> dict[str, bool | None]:
    return {check["name"]: check["passed"] for check in found["checks"]}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def served(port: int, database: Path) -> subprocess.Popen[bytes]:
    """Start a server on a port and a database, and return it once it answers."""
    command = [sys.executable, "-m", "loadtests.staging", "--port", str(port), "--database", str(database)]
    process = subprocess.Popen(command, cwd=ROOT, env=ENVIRON, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"staging: http://")
    return process


def test_a_server_that_is_killed_and_restarted_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    run = run_of(tmp_path, WRITES, SECONDS, NO_OBJECTIVES)
    port, database = free_port(), tmp_path / "staging.sqlite"
    server = served(port, database)
    try:
        with start(run, f"http://127.0.0.1:{port}", *WINDOW, "--abort-failure-share", "1") as process:
            journal = run / "loadtest"
            wait_until(lambda: any(p.read_text().count('"key"') > 100 for p in journal.glob("*/journal.jsonl")), "load")
            server.send_signal(signal.SIGKILL)
            server.communicate()
            server = served(port, database)
            out, err = process.communicate(timeout=LONGEST_S)
    finally:
        server.kill()
        server.communicate()
    verdict, rows, found = outcome_of(run)
    assert found["passed"], found
    assert {checks_of(found)[name] for name in ("W1", "W6", "T1", "T2")} == {True}
    assert verdict["counts"]["rejected"] > 0, "somebody called while nobody listened"
    assert set(rows.filter(pl.col("outcome") == "rejected")["reason"]) <= {"connection refused"}
    assert process.returncode == verdict["exit_code"] in (0, 3), out + err


def test_a_locked_database_refuses_and_loses_nothing(tmp_path: Path) -> None:
    run = run_of(tmp_path, WRITES, SECONDS, {name: {"error_share": 0.01} for name in WRITES})
    database = tmp_path / "staging.sqlite"
    with (
        staging(database=database) as (client, _),
        start(run, str(client.http.base_url).rstrip("/"), *WINDOW) as process,
    ):
        wait_until(lambda: list((run / "loadtest").glob("*/journal.jsonl")), "the journal")
        locker = sqlite3.connect(database, isolation_level=None)
        locker.execute("BEGIN IMMEDIATE")
        threading.Event().wait(1.0)  # the lock lasts this long: the test's own fault, not a wait for anything
        locker.execute("ROLLBACK")
        locker.close()
        out, err = process.communicate(timeout=LONGEST_S)
    verdict, rows, found = outcome_of(run)
    assert found["passed"], found
    refused = rows.filter(pl.col("outcome") == "rejected")
    assert set(refused["reason"]) == {"503 TOO_BUSY"}
    assert len(refused) > 20
    assert checks_of(found)["W3"]
    assert process.returncode == verdict["exit_code"] == 1, out + err
    assert "withdrawal.error_share" in out


def through(tmp_path: Path, fate: Callable[[str, int], Fate], *options: str, objectives: Any = NO_OBJECTIVES) -> Any:
    """Return exit code, verdict, rows and reconciliation of a load test through a proxy."""
    run = run_of(tmp_path, WRITES, SECONDS, objectives)
    with staging() as (client, _), TcpProxy(address_of(str(client.http.base_url)), fate) as proxy:
        code, out, err = load(run, proxy.url, *WINDOW, *options)
    verdict, rows, found = outcome_of(run)
    assert code == code_but_for_lateness(run, verdict["exit_code"]), out + err
    return code, verdict, rows, found


def writes(fate: Fate, every: int) -> Callable[[str, int], Fate]:
    return lambda head, number: fate if head.startswith("POST") and number % every == 0 else WELL


@pytest.mark.load
@repeated_when_late
def test_latency_is_measured_and_breaks_its_objective(tmp_path: Path) -> None:
    strict = {name: {"p95_ms": 100.0, "error_share": 0.01} for name in WRITES}
    slow = writes(Fate(delay_s=0.3), 2)
    code, verdict, rows, found = through(tmp_path, slow, objectives=strict)
    in_time(tmp_path / "results" / "run")
    p95_ms = verdict["measured"]["endpoints"]["withdrawal"]["latency_ms"]["p95"]["value"]
    assert 300 <= p95_ms < 600
    assert (code, found["passed"], set(rows["outcome"])) == (1, True, {"acknowledged"})


def test_answers_that_come_too_late_are_unknown_and_found(tmp_path: Path) -> None:
    code, verdict, _, found = through(tmp_path, writes(Fate(delay_s=1.5), 10), "--timeout", "500 ms")
    n_unknown = verdict["counts"]["unknown"]
    assert (code, found["passed"]) == (0, True)
    assert n_unknown >= 30
    assert sum(one["recorded"] for one in found["unknown"].values()) == n_unknown, "each was taken before its answer"


def test_a_reset_before_the_target_leaves_nothing_and_one_after_it_leaves_a_record(tmp_path: Path) -> None:
    def fate(head: str, number: int) -> Fate:
        if not head.startswith("POST") or number % 10:
            return WELL
        return Fate(reset="before" if number % 20 else "after")

    code, verdict, rows, found = through(tmp_path, fate)
    unknown = rows.filter(pl.col("outcome") == "unknown")
    recorded = sum(one["recorded"] for one in found["unknown"].values())
    absent = sum(one["absent"] for one in found["unknown"].values())
    assert (code, found["passed"]) == (0, True)
    assert recorded >= 15
    assert absent >= 15
    assert recorded + absent == len(unknown) == verdict["counts"]["unknown"]


def test_half_an_answer_is_unknown_and_half_a_body_too(tmp_path: Path) -> None:
    def fate(head: str, number: int) -> Fate:
        if not head.startswith("POST") or number % 10:
            return WELL
        return Fate(keep_bytes=20 if number % 20 else 200)

    code, verdict, rows, found = through(tmp_path, fate)
    reasons = set(rows.filter(pl.col("outcome") == "unknown")["reason"])
    assert (code, found["passed"]) == (0, True)
    assert reasons == {"connection closed before the answer was complete"}
    assert sum(one["recorded"] for one in found["unknown"].values()) == verdict["counts"]["unknown"] >= 30


def test_somebody_else_who_withdraws_and_writes_is_not_held_against_the_run(tmp_path: Path) -> None:
    run = run_of(tmp_path, WRITES, SECONDS)
    with staging("--payment-s", "0.2", "--fail-share", "0.2") as (client, _):
        client.withdraw("before-1")
        with start(run, str(client.http.base_url).rstrip("/"), *WINDOW) as process:
            wait_until(lambda: list((run / "loadtest").glob("*/journal.jsonl")), "the first request")
            for number in range(60):  # within the four seconds, so that the books rest when they are read
                client.withdraw(f"other-{number}", account=1000 + number)
                if number % 10 == 0:
                    client.create_ticket(f"theirs-{number}")
            out, err = process.communicate(timeout=LONGEST_S)
    assert code_but_for_lateness(run, process.returncode) == 0, out + err
    _, _, found = outcome_of(run)
    untold = dict.fromkeys(("T4", "W3", "W4", "W10", "W11", "R1", "R2", "R3", "R4"))
    assert checks_of(found) == {**dict.fromkeys(checks_of(found), True), **untold}
