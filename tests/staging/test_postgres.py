"""What only PostgreSQL can do to the staging server: circles of locks, connections that break, URLs of no use."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from loadtests.staging.errors import ApiError
from loadtests.staging.storage.database import Connection, Lane
from tests.support.servers import postgres_cluster
from tests.support.servers.postgres_cluster import Cluster
from tests.support.servers.staging_client import DEADLINE_S, ENVIRON, ROOT, staging, wait_until
from tests.support.trace_factory import make_run, steady

END_BACKENDS = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'tester'"
)


@contextlib.contextmanager
def lane_on(url: str, *, n_connections: int, busy_timeout_ms: int = 20_000) -> Iterator[Lane]:
    from loadtests.staging.storage import postgres

    options = {"busy_timeout_ms": busy_timeout_ms, "synchronous_commit": "on", "read_only": False}
    connect = partial(postgres.connect, url, **options)
    lane = postgres.PostgresLane(open_db=connect, n_connections=n_connections, queue_limit=100)
    lane.start()
    try:
        yield lane
    finally:
        lane.stop()


@pytest.fixture
def url(cluster: Cluster) -> str:
    made = cluster.new_schema()
    with cluster.connect(made) as db:
        db.execute("CREATE TABLE rows (name TEXT PRIMARY KEY, n BIGINT NOT NULL DEFAULT 0)")
    return made


def test_a_circle_of_locks_is_broken_and_both_jobs_are_done_once(cluster: Cluster, url: str) -> None:
    both = threading.Barrier(2)
    tries = []

    def crosswise(db: Connection, first: str, second: str) -> None:
        tries.append(first)
        db.lock(first)
        if len(tries) <= 2:
            both.wait(DEADLINE_S)
        db.lock(second)
        db.execute("INSERT INTO rows VALUES (?)", (first,))

    async def main() -> None:
        with lane_on(url, n_connections=2) as lane:
            await asyncio.gather(lane.run(crosswise, "a", "b"), lane.run(crosswise, "b", "a"))

    asyncio.run(main())
    with cluster.connect(url) as db:
        assert [name for (name,) in db.execute("SELECT name FROM rows ORDER BY name")] == ["a", "b"]
    assert len(tries) == 3


def test_jobs_that_lock_what_they_change_lose_no_change(cluster: Cluster, url: str) -> None:
    def add(db: Connection) -> None:
        db.lock("n")
        n = db.execute("SELECT n FROM rows").fetchone()[0]
        db.execute("UPDATE rows SET n = ?", (n + 1,))

    async def main() -> None:
        with lane_on(url, n_connections=8) as lane:
            await asyncio.gather(*[lane.run(add) for _ in range(80)])

    with cluster.connect(url) as db:
        db.execute("INSERT INTO rows VALUES ('x')")
        asyncio.run(main())
        assert db.execute("SELECT n FROM rows").fetchone() == (80,)


@pytest.mark.parametrize("times", [1, 4, 5])
def test_what_breaks_before_its_commit_runs_again_and_then_is_a_busy_server(
    cluster: Cluster, url: str, times: int
) -> None:
    tries = []

    def insert(db: Connection) -> None:
        tries.append(None)
        db.execute("INSERT INTO rows VALUES ('x')")
        if len(tries) <= times:
            db.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    async def main() -> None:
        with lane_on(url, n_connections=1) as lane:
            refused = pytest.raises(ApiError) if times == 5 else contextlib.nullcontext()
            with refused as told:
                await lane.run(insert)
            assert told is None or (told.value.status, told.value.retry_after_s) == (503, 1)
            await lane.run(lambda db: db.execute("INSERT INTO rows VALUES ('after')"))

    asyncio.run(main())
    with cluster.connect(url) as db:
        names = [name for (name,) in db.execute("SELECT name FROM rows ORDER BY name")]
    assert names == (["after"] if times == 5 else ["after", "x"])


def test_without_a_database_the_server_is_busy_and_comes_back_with_it() -> None:
    with postgres_cluster.running("fsync=off") as cluster, staging(database=cluster.new_schema()) as (client, _):
        assert client.withdraw("before").status_code == 202
        cluster.stop()
        answers = [client.withdraw("during"), client.create_ticket("during")]
        assert [(a.status_code, a.headers["Retry-After"]) for a in answers] == [(503, "1")] * 2
        cluster.start()
        assert [client.withdraw(name).status_code for name in ("before", "during")] == [409, 202]
        assert client.http.get("/health").json()["status"] == "ok"


def test_a_connection_that_breaks_during_the_commit_is_no_refusal(cluster: Cluster, url: str) -> None:
    with cluster.connect(url) as db:
        db.execute(
            "CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS"
            " 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END'"
        )
        db.execute(
            "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON rows DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW WHEN (NEW.name = 'x') EXECUTE FUNCTION break_off()"
        )

    async def main() -> None:
        with lane_on(url, n_connections=1) as lane:
            with pytest.raises(ApiError) as told:
                await lane.run(lambda db: db.execute("INSERT INTO rows VALUES ('x')"))
            assert (told.value.status, told.value.label) == (500, "OUTCOME_UNKNOWN")
            await lane.run(lambda db: db.execute("INSERT INTO rows VALUES ('after')"))

    asyncio.run(main())


def test_a_job_that_hides_an_error_of_the_database_is_not_acknowledged(cluster: Cluster, url: str) -> None:
    def hide(db: Connection) -> str:
        db.execute("INSERT INTO rows VALUES ('x')")
        with contextlib.suppress(Exception):
            db.execute("INSERT INTO rows VALUES ('x')")
        return "done"

    async def main() -> None:
        with lane_on(url, n_connections=1) as lane:
            with pytest.raises(RuntimeError, match="went on"):
                await lane.run(hide)
            await lane.run(lambda db: db.execute("INSERT INTO rows VALUES ('after')"))

    asyncio.run(main())
    with cluster.connect(url) as db:
        assert db.execute("SELECT name FROM rows").fetchall() == [("after",)]


def test_what_was_acknowledged_survives_the_loss_of_every_connection_under_load(cluster: Cluster) -> None:
    told: dict[int, list[str]] = {202: [], 500: [], 503: []}
    ended = 0
    with staging("--payment-s", "0.05", database=cluster.new_schema()) as (client, _):

        def send(sender: int) -> None:
            for i in range(40):
                name = f"k-{sender}-{i}"
                told[client.withdraw(name, account=sender, amount="1").status_code].append(name)

        with ThreadPoolExecutor(8) as pool, cluster.connect() as db:
            senders = [pool.submit(send, sender) for sender in range(8)]
            for level in (40, 120, 200):
                wait_until(lambda level=level: len(told[202]) >= level or all(s.done() for s in senders), "load")
                ended += db.execute(END_BACKENDS).fetchone()[0]
            for sender in senders:
                sender.result()
        assert ended > 11  # the pools' own, more than once
        held = [row["withdraw_order_id"] for row in client.pages("withdrawals")]
        assert len(held) == len(set(held))
        assert set(told[202]) <= set(held) <= {*told[202], *told[500]}
        books = client.ledger()
        assert (books["sum"], books["unequal_balances"], books["negative_balances"]) == ("0", 0, 0)
        assert client.http.get("/health").json()["status"] == "ok"


def test_two_servers_on_one_database_record_once_and_pay_once(cluster: Cluster) -> None:
    database = cluster.new_schema()
    options = ("--payment-s", "0.02", "--fail-share", "0.2")
    with staging(*options, database=database) as (one, _), staging(*options, database=database) as (two, _):
        with ThreadPoolExecutor(8) as pool:
            sent = [(client, f"t-{i}", i % 5) for i in range(60) for client in (one, two)]
            codes = list(pool.map(lambda s: s[0].withdraw(s[1], account=s[2], amount="1").status_code, sent))
        assert (codes.count(202), codes.count(409)) == (60, 60)
        wait_until(lambda: {r["status"] for r in one.pages("withdrawals")} == {"DONE", "FAIL"}, "all final")
        books = two.ledger()
        assert (books["sum"], books["unequal_balances"], books["house"]["pending"]) == ("0", 0, "0")
        assert [c.http.get("/health").json()["status"] for c in (one, two)] == ["ok", "ok"]


def serve(database: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtests.staging", "--port", "0", "--database", database]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **ENVIRON},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_an_unusable_database_is_refused_with_exit_2(cluster: Cluster, tmp_path: Path, url: str) -> None:
    for database, why in (
        (f"postgresql://tester@/postgres?host={tmp_path}", "No such file"),
        (f"postgresql://nobody-known@/postgres?host={cluster.folder}", "nobody-known"),
        (url, "not empty"),
        (cluster.url("no_such_schema"), "no schema"),
    ):
        ended = serve(database)
        assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
        (line,) = ended.stderr.splitlines()
        assert line.startswith(f"staging: database: got {database}; must be usable (")
        assert why in line


@pytest.mark.servers
def test_a_load_test_of_it_is_reconciled(cluster: Cluster, tmp_path: Path) -> None:
    rates = {"withdrawal": 40.0, "withdrawal_status": 20.0, "ticket": 20.0, "ticket_view": 10.0, "login": 10.0}
    run, out = make_run(tmp_path / "run", steady(rates, 4.0), window_ms=4000), tmp_path / "out"
    with staging("--payment-s", "0.1", "--fail-share", "0.2", database=cluster.new_schema()) as (client, _):
        command = [sys.executable, "-m", "loadtests", "run", run, "--host", str(client.http.base_url).rstrip("/")]
        done = subprocess.run(
            [*command, "--window", "4 s", "--no-plots", "--out", out],
            cwd=ROOT, env={"PATH": "", **ENVIRON}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        verdict = json.loads((out / "verdict.json").read_text())
        late = all(reason.startswith("requests left late") for reason in verdict["reasons"])
        assert (done.returncode, late) == (3 if verdict["reasons"] else 0, True), done.stdout + done.stderr
        found = {check["name"]: check for check in verdict["reconciliation"]["checks"]}
        assert [name for name, check in found.items() if check["passed"] is False] == []
        assert (found["W1"]["count"], found["T1"]["count"]) == (160, 80)
        assert len(client.pages("withdrawals")) == 160
