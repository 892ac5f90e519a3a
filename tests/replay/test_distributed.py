"""The load test on several processes: master and workers as child processes, against servers started here."""

from __future__ import annotations

import csv
import json
import re
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from loadtests.transport.recorder import merge
from sim.core.tables import REQUESTS, read
from tests.support.servers.loadtest_run import (
    LONGEST_S,
    MIXED,
    code_but_for_lateness,
    locust,
    results,
    run_of,
    start,
    start_locust,
)
from tests.support.servers.staging_client import staging, wait_until
from tests.support.servers.tiny_server import Reply, TinyServer

pytestmark = pytest.mark.servers

MARKED_DIALECT = """
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Marked(reference.Reference):
    def request(self, arrival, known):
        return self._signed("GET", reference.STATUS, f"withdraw_order_id={known.prefix}{arrival.idx}", b"", "")

create = Marked
"""
READS = {"withdrawal_status": 100.0}


def sent_idx(server: TinyServer) -> Counter[int]:
    """Return how often each request reached the server; every one of them tells its idx."""
    return Counter(int(target.rpartition("-")[2]) for target in server.targets)


def marked(tmp_path: Path) -> list[str]:
    path = tmp_path / "marked.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(MARKED_DIALECT)
    return ["--dialect", str(path), "--no-reconcile"]


@contextmanager
def family(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """End a process and all its children, whatever becomes of the test."""
    parent = psutil.Process(process.pid)
    try:
        yield process
    finally:
        children = parent.children() if process.poll() is None else []
        for one in [*children, *([parent] if process.poll() is None else [])]:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        process.communicate(timeout=LONGEST_S)


def workers_of(process: subprocess.Popen[str], count: int) -> list[psutil.Process]:
    """Return the worker processes in the order of their start."""
    parent = psutil.Process(process.pid)
    return sorted(
        wait_until(lambda: len(found := parent.children()) == count and found, "workers"), key=lambda p: p.pid
    )


def verdict_of(run: Path) -> tuple[dict[str, Any], pl.DataFrame]:
    """Return the verdict and the rows; of an invalid run too, however late it was."""
    (folder,) = (run / "loadtest").iterdir()
    return json.loads((folder / "verdict.json").read_text()), read(folder / "requests.parquet", REQUESTS)


def idx_of(found: list[dict[str, int]], n_workers: int) -> set[int]:
    """Return the idx of stretches of a round-robin share."""
    return {idx for one in found for idx in range(one["first_idx"], one["last_idx"] + 1, n_workers)}


@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_any_number_of_workers_sends_each_request_once(tmp_path: Path, n_workers: int) -> None:
    run = run_of(tmp_path, MIXED, 3.0)
    with staging() as (client, _):
        url = str(client.http.base_url).rstrip("/")
        with family(start(run, url, "--window", "3 s", "--workers", str(n_workers))) as process:
            out, err = process.communicate(timeout=LONGEST_S)
        verdict, rows = results(run)
        prefix = verdict["key_prefix"]
        held = [row["withdraw_order_id"] for row in client.pages("withdrawals", prefix)]
        held += [row["external_id"] for row in client.pages("tickets", prefix)]
    assert code_but_for_lateness(run, process.returncode) == 0, out + err
    writes = rows.filter(pl.col("endpoint").is_in(["withdrawal", "ticket"]))
    assert sorted(held) == sorted(f"{prefix}{idx}" for idx in writes["idx"]) == sorted(writes["key"])
    assert set(rows["outcome"]) == {"acknowledged"}
    assert rows["idx"].to_list() == list(range(300))
    workers = verdict["generator"]["workers"]
    assert [worker["worker"] for worker in workers] == list(range(n_workers))
    assert {worker["planned"] for worker in workers} == {worker["ok"] for worker in workers} == {300 // n_workers}
    assert all(worker["clock"]["uncertainty_ms"] < 5 for worker in workers)
    assert len({worker["process"] for worker in workers}) == n_workers
    _must_be_merged(run, rows)


def _must_be_merged(run: Path, rows: pl.DataFrame) -> None:
    """Check that the workers' histograms and journals were put together, and that nothing is left behind."""
    (folder,) = (run / "loadtest").iterdir()
    histograms = json.loads((folder / "histograms.json").read_text())
    for kind in ("lateness", "service", "latency"):
        counts = {name: merge([text]).get_total_count() for name, text in histograms[kind].items()}
        assert counts == dict(rows.group_by("endpoint").len().iter_rows())
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    keys = rows.filter(pl.col("endpoint").is_in(["withdrawal", "ticket"]))["key"]
    assert sorted(line["key"] for line in lines if "key" in line) == sorted(keys)
    assert len(lines) == 2 * len(keys)
    assert not (run / "loadtest-workers").exists()


def test_a_worker_killed_in_the_middle_makes_the_run_invalid_and_says_what_was_not_sent(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 8.0)
    with TinyServer() as server:
        options = ["--window", "8 s", "--workers", "2", *marked(tmp_path)]
        with family(start(run, server.url, *options)) as process:
            wait_until(lambda: server.n_requests > 200, "200 requests")
            workers_of(process, 2)[0].kill()
            out, err = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 3, out + err
    verdict, rows = verdict_of(run)
    (lost,) = [worker for worker in verdict["generator"]["workers"] if worker["lost"]]
    not_sent, unknown = (idx_of(lost[name], 2) for name in ("not_sent", "unknown_fate"))
    share = set(range(lost["worker"], 800, 2))
    reached = sent_idx(server)
    assert (verdict["valid"], verdict["passed"]) == (False, None)
    assert set(reached.values()) == {1}
    assert not_sent | unknown <= share
    assert not not_sent & (set(reached) | unknown)
    assert share - not_sent - unknown <= set(reached) <= set(range(800)) - not_sent
    assert len(not_sent) > 100
    assert 0 < len(unknown) < 100
    assert set(rows.filter(pl.col("outcome") == "unknown")["idx"]) == unknown
    assert not_sent <= set(rows.filter(pl.col("outcome") == "not_sent")["idx"])
    assert sum(n for name, n in verdict["counts"].items() if name != "planned") == 800
    (reason,) = re.findall(r"worker \d .*? was lost \(its process ended\): not sent (\d+) \(idx", out)
    assert int(reason) == len(not_sent)
    assert "was lost" in rows.filter(pl.col("idx").is_in(list(not_sent)))["reason"][0]


def test_what_a_killed_worker_wrote_is_found_in_its_journal_and_in_the_server(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"withdrawal": 40.0, "ticket": 20.0}, 6.0)
    with staging() as (client, _):
        url = str(client.http.base_url).rstrip("/")
        with family(start(run, url, "--window", "6 s", "--workers", "2")) as process:
            victim = workers_of(process, 2)[1]
            wait_until(lambda: len(client.pages("tickets")) > 20, "20 tickets")
            victim.kill()
            out, err = process.communicate(timeout=LONGEST_S)
        prefix = verdict_of(run)[0]["key_prefix"]
        held = {row["withdraw_order_id"] for row in client.pages("withdrawals", prefix)}
        held |= {row["external_id"] for row in client.pages("tickets", prefix)}
    assert process.returncode == 3, out + err
    verdict, rows = verdict_of(run)
    assert verdict["reconciliation"]["passed"], out
    (folder,) = (run / "loadtest").iterdir()
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert held <= {line["key"] for line in lines if "key" in line}
    (lost,) = [worker for worker in verdict["generator"]["workers"] if worker["lost"]]
    assert lost["unknown_fate"][0]["count"] < 10 if lost["unknown_fate"] else True
    assert set(rows.filter(pl.col("outcome") == "acknowledged")["key"]) <= held
    assert Path(lost["journal"]).is_file(), "a lost worker's own journal stays where it is"


def test_a_worker_that_hangs_is_lost_and_sends_nothing_when_it_wakes(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 15.0)
    with TinyServer() as server:
        options = ["--window", "15 s", "--workers", "2", *marked(tmp_path)]
        with family(start(run, server.url, *options)) as process:
            wait_until(lambda: server.n_requests > 100, "100 requests")
            victim = workers_of(process, 2)[0]
            victim.suspend()
            wait_until(lambda: list((run / "loadtest").glob("*Z/verdict.json")), "the verdict")
            victim.resume()
            out, err = process.communicate(timeout=LONGEST_S)
        reached = sent_idx(server)
    assert process.returncode == 3, out + err
    verdict, _ = verdict_of(run)
    (lost,) = [worker for worker in verdict["generator"]["workers"] if worker["lost"]]
    assert lost["lost"].startswith("silent for")
    not_sent, unknown = (idx_of(lost[name], 2) for name in ("not_sent", "unknown_fate"))
    assert set(reached.values()) == {1}
    assert set(range(lost["worker"], 1500, 2)) & set(reached) <= set(range(1500)) - not_sent
    assert unknown
    assert len(not_sent) > 100


def test_workers_without_their_master_stop_and_end(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 20.0)
    with TinyServer() as server:
        options = ["--window", "20 s", "--workers", "2", *marked(tmp_path)]
        with family(start(run, server.url, *options)) as process:
            wait_until(lambda: server.n_requests > 100, "100 requests")
            workers = workers_of(process, 2)
            process.kill()
            _, alive = psutil.wait_procs(workers, timeout=45)
            for one in alive:
                one.kill()
        assert not alive
        assert 100 < server.n_requests < 1200
        assert not list((run / "loadtest").glob("*Z/verdict.json"))


def test_an_interrupt_ends_all_of_them_in_good_order(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 30.0)
    with TinyServer(lambda path, n: Reply(body=[], delay_s=0.3)) as server:
        options = ["--window", "30 s", "--workers", "2", *marked(tmp_path)]
        with family(start(run, server.url, *options)) as process:
            wait_until(lambda: server.n_requests > 50, "50 requests")
            workers = workers_of(process, 2)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=LONGEST_S)
        assert process.returncode == 3, err
        assert not any(one.is_running() for one in workers)
    verdict, _ = results(run)
    assert "interrupted" in out
    assert verdict["counts"]["unknown"] == 0
    assert verdict["counts"]["acknowledged"] == server.n_requests
    assert set(sent_idx(server).values()) == {1}


def test_a_target_that_fails_all_workers_together_ends_the_run_early(tmp_path: Path) -> None:
    # 20 requests/s: too few within 5 s for either worker to say anything, but not for both together.
    run = run_of(tmp_path, {"login": 16.0}, 20.0, {"login": {"error_share": None}})
    with TinyServer(lambda path, n: Reply(500)) as server:
        options = ["--window", "20 s", "--workers", "2", "--no-reconcile"]
        with family(start(run, server.url, *options)) as process:
            out, err = process.communicate(timeout=LONGEST_S)
    verdict, _ = results(run)
    assert (process.returncode, verdict["valid"]) == (1, False), out + err
    assert verdict["counts"]["not_sent"] > 100
    assert "requests failed" in out


def test_the_in_flight_cap_holds_for_all_workers_together(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 2.0)
    with TinyServer(lambda path, n: Reply(body=[], delay_s=0.5)) as server:
        options = ["--window", "2 s", "--workers", "2", "--in-flight", "5", *marked(tmp_path)]
        with family(start(run, server.url, *options)) as process:
            process.communicate(timeout=LONGEST_S)
    verdict, _ = results(run)
    assert (process.returncode, verdict["valid"]) == (3, False)
    assert server.n_requests <= 5 * 5
    assert verdict["counts"]["shed"] == 200 - server.n_requests


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def test_locusts_own_processes_send_each_request_once_and_show_all_of_them(tmp_path: Path) -> None:
    run, port = run_of(tmp_path, READS, 3.0), free_port()
    options = ["--window", "3 s", "--processes", "2", "--master-bind-port", port, "--master-port", port]
    with TinyServer() as server:
        table = ["--only-summary", "--csv", str(tmp_path / "stats")]
        done = locust(run, server.url, *options, *table, *marked(tmp_path))
    verdict, _ = results(run)
    with (tmp_path / "stats_stats.csv").open() as file:
        (line,) = [row for row in csv.DictReader(file) if row["Name"] == "withdrawal_status"]
    assert (code_but_for_lateness(run, done.returncode), verdict["valid"]) == (0, True), done.stderr
    assert sent_idx(server) == Counter(range(300))
    assert line["Request Count"] == "300"


def test_a_master_and_workers_of_their_own_and_the_loss_of_one(tmp_path: Path) -> None:
    run, port = run_of(tmp_path, READS, 8.0), free_port()
    common = ["--window", "8 s", *marked(tmp_path)]
    with TinyServer() as server:
        master = start_locust(run, server.url, *common, "--master", "--expect-workers", "2", "--master-bind-port", port)
        worker = ["--worker", "--master-port", port]
        with (
            family(master),
            family(start_locust(run, server.url, *common, *worker)) as one,
            family(start_locust(run, server.url, *common, *worker)) as other,
        ):
            wait_until(lambda: server.n_requests > 100, "100 requests")
            with socket.socket() as stranger:  # bound to one address, so not to the others
                assert stranger.connect_ex(("127.0.0.2", int(port))) != 0
                assert stranger.connect_ex(("127.0.0.1", int(port))) == 0
            one.kill()
            _, err = master.communicate(timeout=LONGEST_S)
            other.communicate(timeout=LONGEST_S)
    verdict, _ = verdict_of(run)
    assert (master.returncode, other.returncode) == (3, 0), err
    assert set(sent_idx(server).values()) == {1}
    assert sum(bool(line["lost"]) for line in verdict["generator"]["workers"]) == 1


def test_a_worker_with_another_plan_is_refused(tmp_path: Path) -> None:
    other = ["--window", "1 s", "--speedup", "2", "--timeout", "3 s"]
    run, port = run_of(tmp_path, READS, 2.0), free_port()
    with TinyServer() as server:
        options = ["--window", "2 s", *marked(tmp_path)]
        expected = ["--master", "--expect-workers", "1", "--master-bind-port", port]
        with (
            family(start_locust(run, server.url, *options, *expected)) as master,
            family(start_locust(run, server.url, *options, "--worker", "--master-port", port, *other)) as worker,
        ):
            _, err = master.communicate(timeout=LONGEST_S)
            _, told = worker.communicate(timeout=LONGEST_S)
        assert server.n_requests == 0
    assert (master.returncode, worker.returncode) == (2, 2), err + told
    for text in (err, told):
        for name in other[::2]:
            assert re.search(rf"{name}: got .*must be the master's", text), text
    assert not (run / "loadtest").exists()
    assert not (run / "loadtest-workers").exists()


def test_a_number_of_workers_that_is_none_is_refused(tmp_path: Path) -> None:
    with family(start(run_of(tmp_path, READS, 1.0), "http://127.0.0.1:1", "--workers", "x")) as process:
        _, err = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 2
    assert err.startswith("--workers: got x; must be a whole number")
