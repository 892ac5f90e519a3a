"""The lanes of both databases: jobs in transactions, and an answer only after the commit."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loadtests.staging.errors import ApiError
from loadtests.staging.storage import sqlite
from loadtests.staging.storage.database import Connection, Lane

Database = Path | str
BUSY_MS = 20


@pytest.fixture
def database(new_database: Callable[[], Database]) -> Database:
    made = new_database()
    with other(made) as db:
        db.execute("CREATE TABLE rows (name TEXT PRIMARY KEY)")
    return made


@contextlib.contextmanager
def other(database: Database) -> Iterator[Any]:
    """Connect as somebody else, each statement committed by itself."""
    if isinstance(database, Path):
        db: Any = sqlite3.connect(database, isolation_level=None)
        db.execute("PRAGMA journal_mode = WAL")
    else:
        import psycopg

        db = psycopg.connect(database, autocommit=True)
    with contextlib.closing(db):
        yield db


@contextlib.contextmanager
def lane_on(database: Database, *, writes: bool = True, queue_limit: int = 1000) -> Iterator[Lane]:
    if isinstance(database, Path):
        open_db = partial(sqlite.connect, database, busy_timeout_ms=BUSY_MS, synchronous="FULL")
        begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
        lane: Lane = sqlite.SqliteLane(open_db=open_db, begin=begin, queue_limit=queue_limit)
    else:
        from loadtests.staging.storage import postgres

        settings = {"busy_timeout_ms": BUSY_MS, "synchronous_commit": "on", "read_only": not writes}
        connect = partial(postgres.connect, database, **settings)
        lane = postgres.PostgresLane(open_db=connect, n_connections=1, queue_limit=queue_limit)
    lane.start()
    try:
        yield lane
    finally:
        lane.stop()


def insert(db: Connection, name: str) -> str:
    db.execute("INSERT INTO rows VALUES (?)", (name,))
    if name.startswith("refused"):
        raise ApiError(400, "REFUSED", name)
    return name


def names(db: Connection) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM rows ORDER BY name")]


def test_an_answer_comes_after_its_commit(database: Database) -> None:
    seen: list[bool] = []

    async def send(lane: Lane, reader: Any, name: str) -> None:
        await lane.run(insert, name)
        seen.append(name in names(reader))

    async def main() -> None:
        with lane_on(database) as lane, other(database) as reader:
            for start in range(0, 300, 30):
                await asyncio.gather(*[send(lane, reader, f"r{i}") for i in range(start, start + 30)])

    asyncio.run(main())
    assert seen == [True] * 300


def test_a_refused_job_leaves_nothing_and_its_neighbours_stand(database: Database) -> None:
    async def main() -> list[object]:
        with lane_on(database) as lane:
            hold = threading.Event()
            first = asyncio.create_task(lane.run(lambda _db: hold.wait(30)))  # the rest gathers in one batch
            jobs = [asyncio.create_task(lane.run(insert, name)) for name in ("a", "refused", "b", "a", "c")]
            await asyncio.sleep(0)
            hold.set()
            return await asyncio.gather(first, *jobs, return_exceptions=True)

    answers = asyncio.run(main())
    assert [answers[i] for i in (1, 3, 5)] == ["a", "b", "c"]
    assert isinstance(answers[2], ApiError)
    assert "integrity" in "".join(kind.__name__.lower() for kind in type(answers[4]).__mro__)
    with other(database) as db:
        assert names(db) == ["a", "b", "c"]


def test_a_locked_database_is_a_busy_server_and_nothing_is_kept(database: Database) -> None:
    async def main() -> None:
        with lane_on(database) as lane, other(database) as holder:
            for statement in ("BEGIN EXCLUSIVE",) if isinstance(database, Path) else ("BEGIN", "LOCK TABLE rows"):
                holder.execute(statement)
            answers = await asyncio.gather(*[lane.run(insert, f"r{i}") for i in range(5)], return_exceptions=True)
            assert [getattr(answer, "status", None) for answer in answers] == [503] * 5
            holder.execute("ROLLBACK")
            assert await lane.run(names) == []
            assert await lane.run(insert, "after") == "after"

    asyncio.run(main())


def test_a_full_queue_is_a_busy_server_at_once(database: Database) -> None:
    async def main() -> None:
        with lane_on(database, queue_limit=2) as lane:
            hold, begun = threading.Event(), threading.Event()

            def wait(_db: Connection) -> bool:
                begun.set()
                return hold.wait(30)

            first = asyncio.create_task(lane.run(wait))
            await asyncio.to_thread(begun.wait, 30)
            waiting = [asyncio.create_task(lane.run(insert, f"r{i}")) for i in range(3)]
            await asyncio.sleep(0)
            assert waiting[2].done()
            hold.set()
            answers = await asyncio.gather(first, *waiting, return_exceptions=True)
            assert answers[1:3] == ["r0", "r1"]
            assert isinstance(answers[3], ApiError)
            assert (answers[3].status, answers[3].retry_after_s) == (503, 1)

    asyncio.run(main())


def test_reads_go_on_beside_a_writer_and_see_what_was_answered(database: Database) -> None:
    async def main() -> None:
        with lane_on(database) as writes, lane_on(database, writes=False) as reads:
            for i in range(50):
                await writes.run(insert, f"r{i}")
                assert f"r{i}" in await reads.run(names)
            hold = threading.Event()
            writer = asyncio.create_task(writes.run(lambda db: (insert(db, "held"), hold.wait(30))))
            assert "held" not in await reads.run(names)
            hold.set()
            await writer
            assert "held" in await reads.run(names)

    asyncio.run(main())


def test_stopping_finishes_what_waits(database: Database) -> None:
    async def main() -> list[str]:
        with lane_on(database) as lane:
            jobs = [asyncio.create_task(lane.run(insert, f"r{i}")) for i in range(600)]
            await asyncio.sleep(0)
        return await asyncio.gather(*jobs)

    assert len(asyncio.run(main())) == 600
    with other(database) as db:
        assert len(names(db)) == 600


def test_a_lane_that_cannot_open_its_database_says_so(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"), lane_on(tmp_path / "no" / "x"):
        pass
