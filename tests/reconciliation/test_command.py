"""Reconciling again: after a run, after its payments, after it crashed; and what is refused."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import psutil
import pytest

from loadtests.core.faults import InputError
from loadtests.dialect.contract import ACKNOWLEDGED, UNKNOWN
from loadtests.reconciliation.evidence import read_books
from tests.support.servers.loadtest_run import LONGEST_S, load, run_of, start
from tests.support.servers.staging_client import ENVIRON, ROOT, staging, wait_until
from tests.support.servers.tiny_server import Reply, TinyServer, forgetful

pytestmark = pytest.mark.servers

WRITES = {"withdrawal": 40.0, "ticket": 20.0}


def again(folder: Path, url: str, *options: str) -> tuple[int, str, str]:
    """Return exit code and output of ``withstand reconcile``."""
    command = [sys.executable, "-c", "from sim.cli import main; main()", "reconcile", str(folder), "--host", url]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, env={**ENVIRON, "PATH": ""}, text=True, capture_output=True,
        timeout=LONGEST_S, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def folder_of(run: Path) -> Path:
    (folder,) = (run / "loadtest").iterdir()
    return folder


def test_payments_that_took_longer_than_the_run_are_judged_later(tmp_path: Path) -> None:
    run = run_of(tmp_path, WRITES, 2.0)
    with staging("--payment-s", "2.5", "--review-share", "0") as (client, _):
        url = str(client.http.base_url).rstrip("/")
        code, _, _ = load(run, url, "--window", "2 s")
        first = json.loads((folder_of(run) / "reconcile.json").read_text())
        wait_until(lambda: all(row["status"] == "DONE" for row in client.pages("withdrawals")), "the payments")
        later, out, _ = again(folder_of(run), url)
    second = json.loads((folder_of(run) / "reconcile.json").read_text())
    paid = [{c["name"]: c["count"] for c in found["checks"]}["W9"] for found in (first, second)]
    assert (code, later) == (0, 0)
    assert paid[0] < paid[1] == 80
    assert "passed       W9  each payment has its own chain transaction: 80 checked" in out
    assert second["run"] == first["run"]


def test_a_load_test_that_was_killed_is_reconciled_from_its_journal(tmp_path: Path) -> None:
    run = run_of(tmp_path, WRITES, 20.0)
    with staging() as (client, _):
        url = str(client.http.base_url).rstrip("/")
        with start(run, url, "--window", "20 s") as process:
            wait_until(lambda: len(client.pages("withdrawals")) > 60, "some load")
            process.send_signal(signal.SIGKILL)
            process.communicate()
        folder = folder_of(run)
        assert folder.suffix == ".part"
        code, out, err = again(folder, url)
        held = {row["withdraw_order_id"]: row["id"] for row in client.pages("withdrawals")}
    books, found = read_books(folder), json.loads((folder / "reconcile.json").read_text())
    acknowledged = books.requests.filter((pl.col("outcome") == ACKNOWLEDGED) & (pl.col("endpoint") == "withdrawal"))
    unknown = books.requests.filter(pl.col("outcome") == UNKNOWN)
    assert code == 0, out + err
    assert dict(acknowledged.select("key", "server_id").iter_rows()).items() <= held.items()
    assert len(acknowledged) > 50
    assert sum(sum(one.values()) for one in found["unknown"].values()) == len(unknown)
    assert {c["name"] for c in found["checks"] if c["passed"]} >= {"W1", "W2", "W5", "W6", "W7", "T1", "T2", "T3"}


def test_what_a_worker_sent_that_hangs_is_not_called_invented_later(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"withdrawal": 60.0, "ticket": 20.0}, 15.0)
    with staging() as (client, _):
        url = str(client.http.base_url).rstrip("/")
        with start(run, url, "--window", "15 s", "--workers", "2") as process:
            parent = psutil.Process(process.pid)
            wait_until(lambda: len(client.pages("withdrawals")) > 60, "some load")
            victim = max(parent.children(), key=lambda one: one.pid)
            victim.suspend()
            wait_until(lambda: list((run / "loadtest").glob("*Z/verdict.json")), "the verdict")
            victim.kill()
            out, err = process.communicate(timeout=LONGEST_S)
        assert process.returncode == 3, out + err
        first = json.loads((folder_of(run) / "reconcile.json").read_text())
        code, out, err = again(folder_of(run), url)
    second = json.loads((folder_of(run) / "reconcile.json").read_text())
    assert code == 0, out + err
    assert first["passed"]
    assert second["passed"]
    assert first["unknown"] == second["unknown"]


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """Return the folder of a load test of a tiny server, which holds nothing of what it acknowledged."""
    run = run_of(tmp_path, {"withdrawal": 20.0}, 0.5)
    with TinyServer() as server:
        load(run, server.url, "--window", "500 ms", "--no-reconcile")
    return folder_of(run)


def test_what_was_lost_is_found_later_too(finished: Path) -> None:
    with staging() as (client, _):
        url = str(client.http.base_url).rstrip("/")
        code, out, _ = again(finished, url)
        _, told, _ = again(finished, url, "--json")
    found = json.loads((finished / "reconcile.json").read_text())
    assert json.loads(told) == found
    wrong = {check["name"]: check["n_wrong"] for check in found["checks"] if check["passed"] is False}
    assert (code, found["exit_code"], wrong) == (1, 1, {"W1": 10})
    assert "not checked  W6" in out


def test_a_line_cut_short_by_a_crash_is_no_fault_and_one_in_the_middle_is(finished: Path) -> None:
    journal = finished / "journal.jsonl"
    text = journal.read_text()
    whole = len(read_books(finished).requests)
    journal.write_text(text[:-20])
    books = read_books(finished)
    assert len(books.requests) == whole
    assert (books.requests["outcome"] == UNKNOWN).sum() == 1
    journal.write_text(text[:20] + text[40:])
    with pytest.raises(InputError, match="cannot be read"):
        read_books(finished)


def test_what_is_no_load_test_or_no_test_system_is_refused(finished: Path, tmp_path: Path) -> None:
    code, _, err = again(tmp_path / "nothing", "http://127.0.0.1:1")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"FOLDER: got {tmp_path / 'nothing'}, which cannot be read")
    code, _, err = again(finished, "http://192.0.2.1:1")
    assert (code, err.startswith("--host: got 192.0.2.1; must be one of")) == (2, True)
    with TinyServer(health=Reply(body={"status": "ok"})) as server:
        code, _, err = again(finished, server.url)
    assert (code, server.n_requests) == (2, 0)
    shutil.copytree(finished, tmp_path / "copy")
    (tmp_path / "copy" / "journal.jsonl").unlink()
    code, _, err = again(tmp_path / "copy", "http://127.0.0.1:1")
    assert (code, "there is no journal" in err) == (2, True)
    assert not (finished / "reconcile.json").exists()


def test_an_interrupt_ends_it_at_once_and_leaves_the_folder_as_it_was(tmp_path: Path) -> None:
    run, asked = run_of(tmp_path, WRITES, 1.0), threading.Event()

    def reply(path: str, number: int) -> Reply:
        if path.startswith("/admin/") and asked.is_set():
            hung.set()
            return Reply(delay_s=600.0)
        return forgetful(path, number)

    hung = threading.Event()
    with TinyServer(reply) as server:
        load(run, server.url, "--window", "1 s")
        folder = folder_of(run)
        before = {path: path.read_bytes() for path in folder.iterdir()}
        asked.set()
        command = [sys.executable, "-m", "loadtests", "reconcile", str(folder), "--host", server.url]
        env = {**ENVIRON, "PATH": ""}
        with subprocess.Popen(command, cwd=ROOT, env=env, text=True, stderr=subprocess.PIPE) as process:
            wait_until(hung.is_set, "the reads")
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 3, err
    assert err == f"no verdict: interrupted; {folder} is as it was\n"
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
