"""The load test end to end, as a child process against servers started here."""

from __future__ import annotations

import csv
import re
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from tests.support.servers.loadtest_run import (
    LONGEST_S,
    MIXED,
    in_time,
    interrupt,
    load,
    locust,
    repeated_when_late,
    results,
    run_of,
    start,
    start_locust,
)
from tests.support.servers.staging_client import ENVIRON, staging, wait_until
from tests.support.servers.tiny_server import Reply, TinyServer, forgetful, good

pytestmark = pytest.mark.servers

READS = {"withdrawal_status": 100.0}
WITHIN_1_S = {"withdrawal_status": {"p99_ms": 1000.0}}
NO_ERRORS = {"withdrawal_status": {"error_share": 0.01}}


def replay(run: Path, server: TinyServer, *options: str) -> tuple[int, str]:
    """Return exit code and output of a load test of a server made for it, without reconciliation."""
    with server:
        code, out, _ = load(run, server.url, "--no-reconcile", *options)
    return code, out


def stall_at(number: int, seconds: float) -> Callable[[str, int], Reply]:
    return lambda path, n: Reply(body=[], block_s=seconds if n == number else 0.0)


@pytest.mark.load
@repeated_when_late
def test_a_stall_of_two_seconds_yields_the_quantiles_that_arithmetic_says(tmp_path: Path) -> None:
    # 600 requests, one each 10 ms. Number 100 is answered after 2 s; each one due meanwhile waits 10 ms less than the
    # one before. So the k-th largest latency is 2 s - (k - 1) 10 ms; p99 is the 7th largest of 600, p95 the 31st. A
    # busy machine wakes the server later than after 2 s: how long it really stood still is measured there.
    run = run_of(tmp_path, READS, 6.0, WITHIN_1_S)
    server = TinyServer(stall_at(100, 2.0))
    code, out = replay(run, server, "--window", "6 s")
    in_time(run)
    verdict, rows = results(run)
    latency = verdict["measured"]["endpoints"]["withdrawal_status"]["latency_ms"]
    assert verdict["valid"], verdict["reasons"]
    stall_ms = 1000 * server.blocked_s
    assert stall_ms >= 2000
    assert latency["p99"]["value"] == pytest.approx(stall_ms - 60, rel=0.05)
    assert latency["p95"]["value"] == pytest.approx(stall_ms - 300, rel=0.05)
    assert code == 1
    assert "broken: withdrawal_status.p99_ms" in out
    assert server.n_requests == len(rows) == 600


@pytest.mark.load
@repeated_when_late
def test_a_server_too_small_fails(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 2.5, WITHIN_1_S)
    server = TinyServer(one_at_a_time_s=1 / 50)
    code, out = replay(run, server, "--window", "2500 ms")
    in_time(run)
    verdict, _ = results(run)
    assert (code, verdict["valid"], verdict["passed"]) == (1, True, False)
    assert out.startswith("FAILED")


def test_a_host_that_is_not_allowed_is_refused_before_one_connection(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 1.0)
    with TinyServer(host="127.0.0.2") as server:
        code, _, err = load(run, server.url, "--window", "1 s", "--no-reconcile")
        assert server.n_connections == 0
        assert code == 2
        assert err.startswith("--host: got 127.0.0.2; must be one of")
        assert not (run / "loadtest").exists()
        code, _, _ = load(run, server.url, "--window", "1 s", "--no-reconcile", "--allow-host", "127.0.0.2")
        assert (code, server.n_requests) == (0, 100)


def test_a_run_that_sheds_is_invalid_and_loses_no_row(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 2.0)
    server = TinyServer(lambda path, n: Reply(body=[], delay_s=0.2))
    code, out = replay(run, server, "--window", "2 s", "--in-flight", "5")
    verdict, rows = results(run)
    counts = verdict["counts"]
    assert (code, verdict["valid"]) == (3, False)
    assert counts["shed"] > 50
    assert counts["planned"] == 200 == len(rows) == sum(n for name, n in counts.items() if name != "planned")
    assert server.n_requests == counts["acknowledged"] == 200 - counts["shed"]
    assert "requests were shed" in out


@repeated_when_late
def test_a_threshold_broken_by_what_was_sent_fails_even_an_invalid_run(tmp_path: Path) -> None:
    strict = {"withdrawal_status": {"p99_ms": 100.0, "error_share": None}}
    run = run_of(tmp_path, READS, 2.0, strict)
    server = TinyServer(lambda path, n: Reply(body=[], delay_s=0.2))
    code, _ = replay(run, server, "--window", "2 s", "--in-flight", "10")
    in_time(run)
    verdict, _ = results(run)
    assert (code, verdict["valid"], verdict["passed"]) == (1, False, False)


def test_no_server_is_one_sentence(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 1.0)
    with TinyServer() as server:
        url = server.url
    code, _, err = load(run, url, "--window", "1 s")
    assert code == 2
    assert err.count("\n") == 1
    assert "connection refused" in err
    assert not (run / "loadtest").exists()


def test_a_target_that_does_not_call_itself_a_test_system_is_refused(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 1.0)
    with TinyServer(health=Reply(body={"status": "ok"})) as server:
        code, _, err = load(run, server.url, "--window", "1 s")
    assert (code, server.n_requests) == (2, 0)
    assert "does not say that it is a test system" in err


def test_redirects_are_not_followed(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 1.0)
    with TinyServer() as other:
        there = {"Location": f"{other.url}/api/v4/wallet/withdrawals"}
        with TinyServer(lambda path, n: Reply(307, headers=there)) as server:
            code, _, _ = load(run, server.url, "--window", "1 s", "--no-reconcile")
    _, rows = results(run)
    assert code == 1
    assert other.n_connections == 0
    assert rows["outcome"].to_list() == ["rejected"] * 100


def test_a_rate_limit_is_neither_success_nor_error(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 1.0, {"withdrawal_status": {"error_share": 0.5}})
    limited = Reply(429, headers={"Retry-After": "7"})
    server = TinyServer(lambda path, n: limited if n % 4 == 0 else good(path, n))
    code, _ = replay(run, server, "--window", "1 s")
    verdict, rows = results(run)
    measured = verdict["measured"]["endpoints"]["withdrawal_status"]
    assert code == 0
    assert (measured["error_share"], measured["rate_limited_share"]) == (0.0, 0.25)
    assert "Retry-After 7" in rows.filter(pl.col("outcome") == "rate_limited")["reason"][0]


@repeated_when_late
def test_resets_and_time_outs_are_unknown_and_nothing_is_sent_twice(tmp_path: Path) -> None:
    def reply(path: str, n: int) -> Reply:
        return Reply(reset=n % 10 == 0, delay_s=3.0 if n % 10 == 5 else 0.0, body=[])

    run = run_of(tmp_path, READS, 1.0, NO_ERRORS)
    server = TinyServer(reply)
    code, _ = replay(run, server, "--window", "1 s", "--timeout", "500 ms")
    in_time(run)
    verdict, rows = results(run)
    assert code == 1
    assert verdict["counts"]["unknown"] == 20
    assert server.n_requests == 100
    unknown = rows.filter(pl.col("outcome") == "unknown")
    assert unknown["done_us"].to_list() == [-1] * 20
    assert unknown["reason"].str.contains("time-out after 0.5 s").sum() == 10


def test_a_target_that_keeps_failing_ends_the_run_early(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"login": 40.0}, 20.0, {"login": {"error_share": None}})
    server = TinyServer(lambda path, n: Reply(500))
    code, out = replay(run, server, "--window", "20 s")
    verdict, _ = results(run)
    assert (code, verdict["valid"]) == (1, False)
    assert verdict["counts"]["not_sent"] > 400
    assert "requests failed" in out


def test_a_server_that_refuses_everybody_fails_whatever_the_objectives(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"login": 5.0}, 4.0, {})
    code, out = replay(run, TinyServer(lambda path, n: Reply(401)), "--window", "4 s")
    assert code == 1
    assert "broken: login.acknowledged_share is 0, limit at least 0.5" in out
    assert re.search(r"not acknowledged, login: 20 rejected: 401", out)


def test_a_run_with_too_few_requests_is_undecided_and_says_how_many_it_needs(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 0.5, {"withdrawal_status": {"p99_ms": 5000.0}, "login": {"p99_ms": 5000.0}})
    code, out = replay(run, TinyServer(), "--window", "500 ms")
    verdict, _ = results(run)
    assert verdict["exit_code"] == 3
    assert verdict["passed"] is None
    if code == 3:  # and not late
        assert out.startswith("UNDECIDED")
        told = "undecided: withdrawal_status.p99_ms is "
        assert told in out
        assert "limit 5,000: needs 249 more requests" in out
    assert [line["state"] for line in verdict["thresholds"] if line["name"] == "login.p99_ms"] == ["skipped"]


def test_an_interrupt_ends_in_good_order(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 30.0)
    with TinyServer(lambda path, n: Reply(body=[], delay_s=0.3)) as server:
        with start(run, server.url, "--window", "30 s", "--no-reconcile") as process:
            wait_until(lambda: server.n_requests > 50, "50 requests")
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=LONGEST_S)
        assert process.returncode == 3, err
    verdict, rows = results(run)
    assert "interrupted" in out
    assert verdict["counts"]["unknown"] == 0
    assert verdict["counts"]["acknowledged"] == server.n_requests
    assert rows.filter(pl.col("outcome") == "not_sent").height > 2000


@pytest.mark.parametrize("program", ["ours", "locust"])
def test_a_second_interrupt_ends_at_once_with_what_is_there(tmp_path: Path, program: str) -> None:
    run = run_of(tmp_path, READS, 30.0)
    options = ("--window", "30 s", "--timeout", "5 min", "--no-plots", "--in-flight", "1000")
    with TinyServer(lambda path, n: Reply(body=[], delay_s=0.0 if n % 2 else 600.0)) as server:
        begun = start if program == "ours" else start_locust
        with begun(run, server.url, *options, "--no-reconcile") as process:
            wait_until(lambda: server.n_requests > 50, "50 requests")
            interrupt(process)
            wait_until(lambda: quiet(server), "no more requests")
            assert process.poll() is None, "what is under way is waited for"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=LONGEST_S)
        assert process.returncode == 3, err
        assert "Traceback" not in err
    verdict, rows = results(run)
    counts = verdict["counts"]
    assert counts["acknowledged"] + counts["unknown"] == server.n_requests
    assert set(rows.filter(pl.col("outcome") == "unknown")["reason"]) == {"still under way when the run ended"}
    assert "clocks" not in " ".join(verdict["reasons"]), "those that nobody waited for are no contradiction"


def quiet(server: TinyServer) -> bool:
    """Return whether no request has come for a while."""
    before = server.n_requests
    threading.Event().wait(0.3)
    return server.n_requests == before


def test_a_target_that_hangs_at_the_end_is_left_at_once_when_asked(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 1.0)
    hung = threading.Event()

    def reply(path: str, n: int) -> Reply:
        if path.startswith("/admin/") and n > 100:
            hung.set()
            return Reply(delay_s=600.0)
        return forgetful(path, n)

    def interrupted(process: subprocess.Popen[str]) -> bool:
        process.send_signal(signal.SIGINT)
        return process.poll() is not None

    with TinyServer(reply) as server, start(run, server.url, "--window", "1 s") as process:
        wait_until(hung.is_set, "the reads at the end")
        wait_until(lambda: interrupted(process), "the end")
        out, err = process.communicate(timeout=LONGEST_S)
    assert "not reconciled: ended at once, as asked" in out, out + err


INTERRUPTED_WITHIN = """
import os, signal
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Interrupted(reference.Reference):
    n_answers = 0

    def outcome(self, arrival, answer):
        self.n_answers += 1
        if self.n_answers == 50:
            os.kill(os.getpid(), signal.SIGINT)
        return super().outcome(arrival, answer)

create = Interrupted
"""


@pytest.mark.parametrize("program", ["ours", "locust"])
def test_an_interrupt_in_the_middle_of_a_request_costs_no_row(tmp_path: Path, program: str) -> None:
    run, dialect = run_of(tmp_path, READS, 30.0), tmp_path / "interrupted.py"
    dialect.write_text(INTERRUPTED_WITHIN)
    with TinyServer() as server:
        begun = start if program == "ours" else start_locust
        options = ("--window", "30 s", "--no-plots", "--no-reconcile", "--dialect", str(dialect))
        with begun(run, server.url, *options) as process:
            _, err = process.communicate(timeout=LONGEST_S)
        assert process.returncode == 3, err
        assert "Traceback" not in err
    verdict, _ = results(run)
    assert verdict["counts"]["acknowledged"] == server.n_requests
    assert verdict["counts"]["unknown"] == 0


SLOW_DIALECT = """
from gevent.monkey import get_original
from loadtests.dialects import reference
SECRETS, block = reference.SECRETS, get_original("time", "sleep")

class Slow(reference.Reference):
    def request(self, arrival, known):
        block(0.05)
        return super().request(arrival, known)

create = Slow
"""


def test_a_generator_that_stays_late_gives_up(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 20.0)
    dialect = tmp_path / "slow.py"
    dialect.write_text(SLOW_DIALECT)
    with (
        TinyServer() as server,
        start(run, server.url, "--no-reconcile", "--window", "20 s", "--dialect", str(dialect)) as process,
    ):
        out, err = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 3, err
    assert "the generator stayed more than 1 s late" in out


BAD_DIALECT = """
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Stray(reference.Reference):
    def request(self, arrival, known):
        if arrival.idx % 10 == 0:
            return super().request(arrival, known)._replace(path="{elsewhere}/api/v1/login")
        if arrival.idx % 10 == 1:
            raise KeyError("no such field")
        return super().request(arrival, known)

create = Stray
"""


def test_an_absolute_url_is_refused_and_a_broken_dialect_loses_no_row(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 1.0)
    with TinyServer() as other, TinyServer() as server:
        dialect = tmp_path / "stray.py"
        dialect.write_text(BAD_DIALECT.format(elsewhere=other.url))
        code, _, _ = load(run, server.url, "--window", "1 s", "--no-reconcile", "--dialect", str(dialect))
    verdict, rows = results(run)
    assert (code, other.n_connections, server.n_requests) == (3, 0, 80)
    assert verdict["counts"]["not_sent"] == 20
    reasons = set(rows.filter(pl.col("outcome") == "not_sent")["reason"])
    assert reasons == {
        "absolute URL refused: a request must stay on the target's host",
        "the dialect failed: KeyError: 'no such field'",
    }


@pytest.mark.load
@repeated_when_late
def test_plain_locust_runs_the_same_test_and_shows_latency_from_due(tmp_path: Path) -> None:
    # 300 requests, one each 10 ms, a stall of 1 s: the third largest latency, p99, is 980 ms, and what the server needs
    # for those who stood before it when it woke. Locust rounds it to two digits.
    run = run_of(tmp_path, READS, 3.0, {"withdrawal_status": {"p99_ms": 3000.0}})
    with TinyServer(stall_at(100, 1.0)) as server:
        done = locust(run, server.url, "--window", "3 s", "--only-summary", "--csv", str(tmp_path / "stats"))
    in_time(run)
    verdict, rows = results(run)
    with (tmp_path / "stats_stats.csv").open() as file:
        (line,) = [row for row in csv.DictReader(file) if row["Name"] == "withdrawal_status"]
    assert (done.returncode, verdict["exit_code"], verdict["valid"]) == (0, 0, True), done.stderr
    assert line["Request Count"] == "300"
    third = float((rows["done_us"] - rows["due_us"]).sort(descending=True)[2]) / 1000
    assert third >= 978
    assert float(line["99%"]) == pytest.approx(third, rel=0.06)


def test_plain_locust_ends_with_our_exit_codes(tmp_path: Path) -> None:
    run = run_of(tmp_path, READS, 1.0)
    with TinyServer(lambda path, n: Reply(404)) as server:
        assert locust(run, server.url, "--window", "1 s").returncode == 1
        assert locust(run, server.url, "--window", "2 s").returncode == 2
        assert locust(run, "http://192.0.2.1", "--window", "1 s").returncode == 2
    with TinyServer(lambda path, n: Reply(body=[], delay_s=0.2)) as server:
        assert locust(run, server.url, "--window", "1 s", "--in-flight", "5").returncode == 3


def test_against_the_staging_server_everything_acknowledged_is_there_exactly_once(tmp_path: Path) -> None:
    run = run_of(tmp_path, MIXED, 4.0)
    with staging() as (client, _):
        code, out, err = load(run, str(client.http.base_url).rstrip("/"), "--window", "4 s")
        prefix = results(run)[0]["key_prefix"]
        withdrawals, tickets = client.pages("withdrawals", prefix), client.pages("tickets", prefix)
    verdict, rows = results(run)
    assert code == 0, out + err
    checks = {c["name"]: c["passed"] for c in verdict["reconciliation"]["checks"]}
    untold = {name for name, passed in checks.items() if not passed}
    assert untold == {"T4", "W3", "W4", "W10", "W11"}, "none was refused, limited, promised a time, or closed"
    for endpoint, held, key in (("withdrawal", withdrawals, "withdraw_order_id"), ("ticket", tickets, "external_id")):
        sent = rows.filter(pl.col("endpoint") == endpoint)
        assert set(sent["outcome"]) == {"acknowledged"}
        assert sorted(sent["key"]) == sorted(row[key] for row in held)
        assert sorted(sent["server_id"]) == sorted(str(row["id"]) for row in held)
    assert set(rows["outcome"]) == {"acknowledged"}
    assert len(rows) == 400
    written = out + err + "".join(path.read_bytes().decode("latin-1") for path in run.rglob("*") if path.is_file())
    assert not [name for name, secret in ENVIRON.items() if secret in written]


def test_reads_ask_for_what_this_run_had_acknowledged(tmp_path: Path) -> None:
    run = run_of(tmp_path, MIXED, 1.0)
    server = TinyServer()
    code, _ = replay(run, server, "--window", "1 s")
    verdict, rows = results(run)
    keys = set(rows.filter(pl.col("endpoint") == "withdrawal")["key"])
    ids = set(rows.filter(pl.col("endpoint") == "ticket")["server_id"])
    asked = {t.partition("withdraw_order_id=")[2] for t in server.targets if "withdraw_order_id=" in t}
    viewed = {t.rpartition("/")[2] for t in server.targets if t.startswith("/api/v2/tickets/")}
    assert (code, len(keys), len(ids)) == (0, 20, 10)
    assert asked <= keys | {f"{verdict['key_prefix']}none"}
    assert viewed <= ids | {"count"}
    assert len(viewed) > 3
    numbers = [
        int(t.rpartition("-")[2]) for t in server.targets if "withdraw_order_id=" in t and not t.endswith("none")
    ]
    assert numbers != sorted(numbers), "always the newest key, never a choice of those that were acknowledged"


def test_a_server_that_loses_what_it_acknowledged_fails(tmp_path: Path) -> None:
    run = run_of(tmp_path, MIXED, 1.0)
    with TinyServer(forgetful) as server:
        code, out, _ = load(run, server.url, "--window", "1 s")
    verdict, _ = results(run)
    assert (code, verdict["valid"], verdict["passed"]) == (1, True, False)
    assert "reconciliation failed: W1" in out
    assert "T1 acknowledged tickets are in the server exactly once, as sent: 10 wrong" in out


@repeated_when_late
def test_what_a_small_server_took_after_the_time_out_is_found_and_counted(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"withdrawal": 20.0}, 2.0, {"withdrawal": {"error_share": 0.01}})
    with staging("--withdrawal-capacity-per-s", "10", "--service-slots", "1") as (client, _):
        url = str(client.http.base_url).rstrip("/")
        code, _, _ = load(run, url, "--window", "2 s", "--timeout", "500 ms")
    in_time(run)
    verdict, _ = results(run)
    unknown = verdict["reconciliation"]["unknown"]["withdrawal"]
    assert (code, verdict["valid"], verdict["reconciliation"]["passed"]) == (1, True, True)
    assert unknown["recorded"] > 0
    assert unknown["recorded"] + unknown["absent"] == verdict["counts"]["unknown"] > 10
