"""The staging server as a process: many clients at once, a locked database, overload, stalls, crashes, its end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.support.servers.staging_client import (
    DEADLINE_S,
    ENVIRON,
    ROOT,
    SECRETS,
    Client,
    order,
    signature_headers,
    staging,
    wait_until,
)

N_CLIENTS = 16
WITHDRAW = "/api/v4/withdrawals"
Database = Path | str


def test_sixteen_at_once_with_one_client_id_make_exactly_one(new_database: Callable[[], Database]) -> None:
    with staging(database=new_database()) as (client, _), ThreadPoolExecutor(N_CLIENTS) as pool:
        for i in range(5):
            barrier = threading.Barrier(N_CLIENTS)

            def send(client_id: str = f"same-{i}", barrier: threading.Barrier = barrier) -> int:
                barrier.wait(DEADLINE_S)
                return client.withdraw(client_id).status_code

            codes = sorted(future.result() for future in [pool.submit(send) for _ in range(N_CLIENTS)])
            assert codes == [202] + [409] * (N_CLIENTS - 1)
            key = {"Idempotency-Key": f"key-{i}"}
            tickets = pool.map(
                lambda _, key=key: client.create_ticket("same", **key).json()["ticket"]["id"], range(N_CLIENTS)
            )
            assert len(set(tickets)) == 1
        assert len(client.pages("withdrawals")) == len(client.pages("tickets")) == 5
        assert client.ledger()["customers_available"] == str(250_000 - 5 * 11)


def test_spending_to_zero_at_once_never_overdraws_and_conserves_the_sum(new_database: Callable[[], Database]) -> None:
    with (
        staging("--opening-balance-usd", "200", database=new_database()) as (client, _),
        ThreadPoolExecutor(N_CLIENTS) as pool,
    ):
        answers = list(pool.map(lambda i: client.withdraw(f"s-{i}", amount="9"), range(60)))
        codes = [response.status_code for response in answers]
        assert codes.count(202) == 20  # 200 / (9 + a fee of 1)
        assert codes.count(400) == 40
        assert {r.json()["label"] for r in answers if r.status_code == 400} == {"BALANCE_NOT_ENOUGH"}
        books = client.ledger()
        assert (books["customers_available"], books["negative_balances"], books["sum"]) == ("0", 0, "0")


@contextlib.contextmanager
def locked(database: Database) -> Iterator[None]:
    """Hold a lock that nobody can write beside: SQLite's own, or those of PostgreSQL's tables."""
    if isinstance(database, Path):
        with contextlib.closing(sqlite3.connect(database, isolation_level=None, timeout=DEADLINE_S)) as db:
            db.execute("BEGIN EXCLUSIVE")
            yield
            db.execute("ROLLBACK")
        return
    import psycopg

    with psycopg.connect(database) as other:
        other.execute("LOCK TABLE withdrawals IN EXCLUSIVE MODE")
        other.execute("LOCK TABLE tickets IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_locked_database_is_503_with_retry_after_and_then_works_again(new_database: Callable[[], Database]) -> None:
    database = new_database()
    with staging("--busy-timeout-ms", "20", database=database) as (client, _):
        assert client.withdraw("before-1").status_code == 202
        with locked(database), ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda i: client.withdraw(f"during-{i}", account=i), range(16)))
            answers += list(pool.map(lambda i: client.create_ticket(f"during-{i}"), range(16)))
            answers.append(client.ticket("PUT", "/api/v2/tickets/1", {"status": "solved"}))
            assert {response.status_code for response in answers} == {503}
            assert {response.headers["Retry-After"] for response in answers} == {"1"}
            assert client.withdrawals("before-1")  # readers do not wait for a writer
        assert client.pages("withdrawals", prefix="during-") == client.pages("tickets") == []
        assert client.withdraw("during-1").status_code == 202
        assert client.create_ticket("after").status_code == 201
        assert client.http.get("/health").json()["status"] == "ok"


def latencies_s(client: Client, *, prefix: str, n_requests: int, rate_per_s: float) -> list[float]:
    """Send withdrawals at a steady rate, whatever the answers do; return latencies from when each was due."""
    start_s = time.monotonic() + 0.1

    def send(i: int) -> float:
        due_s = start_s + i / rate_per_s
        time.sleep(max(0.0, due_s - time.monotonic()))
        assert client.withdraw(f"{prefix}-{i}", account=i).status_code == 202
        return time.monotonic() - due_s

    with ThreadPoolExecutor(n_requests) as pool:
        return list(pool.map(send, range(n_requests)))


def test_over_its_capacity_latency_rises_by_what_arithmetic_says() -> None:
    # 60 requests at 60 a second meet 20 a second: the last is due at 59/60 s and served at 60/20 s or later.
    with staging("--withdrawal-capacity-per-s", "20", "--service-slots", "2") as (client, _):
        rising = latencies_s(client, prefix="over", n_requests=60, rate_per_s=60)
        assert 60 / 20 - 59 / 60 - 0.01 < max(rising) < 60 / 20 - 59 / 60 + 1  # a busy machine adds its own


def test_under_its_capacity_latency_is_the_service_time() -> None:
    with staging("--withdrawal-capacity-per-s", "100", "--service-slots", "10") as (client, _):
        steady = sorted(latencies_s(client, prefix="under", n_requests=30, rate_per_s=30))
        assert steady[0] >= 0.1  # 10 slots / 100 a second
        assert steady[15] < 0.4


def test_a_full_queue_is_503_with_retry_after() -> None:
    options = ("--withdrawal-capacity-per-s", "1", "--service-slots", "1", "--queue-limit", "1")
    with staging(*options) as (client, _), ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: client.withdraw(f"q-{i}", account=i), range(8)))
        codes = [response.status_code for response in answers]
        assert codes.count(202) >= 2
        assert codes.count(503) >= 4
        assert all(int(r.headers["Retry-After"]) >= 1 for r in answers if r.status_code == 503)
        acknowledged = {f"q-{i}" for i, code in enumerate(codes) if code == 202}
        assert {row["withdraw_order_id"] for row in client.pages("withdrawals")} == acknowledged


def test_a_stall_makes_every_request_wait_until_it_ends() -> None:
    with staging() as (client, _), ThreadPoolExecutor(4) as pool:
        start_s = time.monotonic()
        assert client.admin("/admin/stall", "POST", {"seconds": 1}).status_code == 200
        assert time.monotonic() - start_s < 0.9  # its own answer leaves first

        def first_slow_answer(path: str) -> float:
            """Ask until an answer takes its time; return when it came."""
            while True:
                asked_s = time.monotonic()
                assert client.http.get(path).status_code in (200, 401)
                if time.monotonic() - asked_s > 0.5:
                    return time.monotonic() - start_s
                assert time.monotonic() - start_s < DEADLINE_S, f"{path} was answered all the time"

        ends = list(pool.map(first_slow_answer, ["/health", "/api/v2/tickets/1", "/health", "/admin/ledger"]))
        assert min(ends) >= 1.0
        assert max(ends) < 3.0


def test_what_was_acknowledged_survives_a_kill_exactly_once(new_database: Callable[[], Database]) -> None:
    database = new_database()
    acknowledged: list[str] = []
    with staging("--payment-s", "0.05", "--fail-share", "0.3", database=database) as (client, process):

        def send(sender: int) -> None:
            for i in range(10_000):
                name = f"k-{sender}-{i}"
                try:
                    codes = (
                        client.withdraw(name, account=sender, amount="1").status_code,
                        client.create_ticket(name).status_code,
                    )
                except httpx.HTTPError:
                    return
                if codes == (202, 201):
                    acknowledged.append(name)

        with ThreadPoolExecutor(8) as pool:
            senders = [pool.submit(send, sender) for sender in range(8)]
            wait_until(lambda: len(acknowledged) >= 200 or all(s.done() for s in senders), "200 acknowledged")
            process.send_signal(signal.SIGKILL)
        assert process.wait(DEADLINE_S) == -signal.SIGKILL
    assert len(acknowledged) >= 200
    with staging("--payment-s", "0.05", "--fail-share", "0.3", database=database) as (client, _):
        held = [row["withdraw_order_id"] for row in client.pages("withdrawals")]
        markers = [row["external_id"] for row in client.pages("tickets")]
        for names in (held, markers):
            assert len(names) == len(set(names))
            assert set(acknowledged) <= set(names)
        wait_until(lambda: {r["status"] for r in client.pages("withdrawals")} <= {"DONE", "FAIL"}, "all final")
        books = client.ledger()
        assert (books["sum"], books["unequal_balances"], books["house"]["pending"]) == ("0", 0, "0")
        assert client.withdraw(acknowledged[0], account=int(acknowledged[0].split("-")[1])).status_code == 409


def test_a_signal_lets_answers_in_flight_finish_and_folds_the_wal(tmp_path: Path) -> None:
    path = tmp_path / "staging.sqlite"
    options = ("--withdrawal-capacity-per-s", "2", "--service-slots", "2")  # each takes a second
    with staging(*options, database=path) as (client, process):
        url = client.http.base_url
        flights = [http.client.HTTPConnection(url.host, url.port or 0, timeout=DEADLINE_S) for _ in range(2)]
        for i, flight in enumerate(flights):
            body = json.dumps(order(f"g-{i}", account=i)).encode()
            flight.request("POST", WITHDRAW, body, signature_headers("POST", WITHDRAW, body=body))
        for _ in range(3):  # answered after the server has read what was sent before
            assert client.http.get("/health", headers={"Connection": "close"}).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert [flight.getresponse().status for flight in flights] == [202, 202]
        for flight in flights:
            flight.close()
        assert process.wait(DEADLINE_S) == 0
    assert [item.name for item in tmp_path.iterdir()] == ["staging.sqlite"]
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM withdrawals").fetchone() == (2,)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_temporary_database_is_gone_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with staging() as (client, process):
        assert client.withdraw("t-1").status_code == 202
        assert len(list(tmp_path.glob("withstand-staging-*/staging.sqlite"))) == 1
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 0
    assert list(tmp_path.iterdir()) == []


def run(*options: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtests.staging", *options]
    clean = {name: value for name, value in os.environ.items() if name not in ENVIRON}
    return subprocess.run(
        command, cwd=ROOT, env={**clean, **environ}, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


def test_without_secrets_it_refuses_to_start_with_exit_2() -> None:
    ended = run(environ={})
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 4
    assert all("must be set" in line for line in ended.stderr.splitlines())


def test_a_taken_port_and_an_unusable_database_are_refused_with_exit_2(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("this is no database, though it is long enough to be looked at\n" * 20)
    ended = run("--port", "0", "--database", str(tmp_path / "text"), environ=ENVIRON)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "must be usable" in ended.stderr
    with staging() as (client, _):
        ended = run("--port", str(client.http.base_url.port), environ=ENVIRON)
        assert (ended.returncode, ended.stdout) == (2, "")
        assert "free to bind" in ended.stderr


def test_secrets_are_in_no_output(new_database: Callable[[], Database]) -> None:
    with staging(database=new_database()) as (client, process):
        client.withdraw("a-1")
        client.signed("POST", "/api/v4/withdrawals", body=b"{")
        client.login(1, "wrong")
        process.send_signal(signal.SIGTERM)
        output = "".join(process.communicate(timeout=DEADLINE_S))
    assert not any(secret in output for secret in (SECRETS.api_secret, SECRETS.ticket_token, SECRETS.admin_token))
