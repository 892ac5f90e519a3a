"""PostgreSQL behind lanes: a pool of connections, each with a thread that runs one job in one transaction.

Transactions that write are READ COMMITTED and take named locks (``pg_advisory_xact_lock``, held to their end) on the
account, ticket or key that they decide about, before they read it; each statement then sees what former holders wrote.
Accounts are locked in ascending order and no row is shared by accounts, so they do not deadlock; should the
database find a deadlock nevertheless, the job runs again. Reads are REPEATABLE READ: a page or a sum is of one moment.

What broke before its commit has kept nothing: it runs again on a new connection, and without one it is a busy server's
503. A connection that breaks during the commit may have kept it all: that is answered 500, which no client may take
for a refusal.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import lru_cache, partial
from typing import Any

import psycopg
from psycopg.types.numeric import IntLoader

from loadtests.staging.errors import busy, uncertain
from loadtests.staging.settings import Settings
from loadtests.staging.storage.database import Cursor, Job, Lane, Lanes, Parameters, deliver
from loadtests.staging.storage.schema import POSTGRES_TABLES, SCHEMA_VERSION

_CONNECT_TIMEOUT_S = 5
_TRIES = 5
_READERS = 2
_AGAIN = ("40001", "40P01", "57P01", "57P02")  # serialization failure, deadlock, a backend that was ended
_BUSY_CLASSES = ("08", "53", "55", "57")  # connection, resources, locks, shutdown or cancel
_INDEX_HINT = re.compile(r" INDEXED BY \w+")
_NAMED = re.compile(r"(?<!:):([a-z_]+)")


class PostgresRow(tuple[Any, ...]):
    """A row's values by place and by the column's name."""

    names: dict[str, int]

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self.names[key] if isinstance(key, str) else key)


class PostgresConnection:
    """A connection that takes SQL in SQLite's words; ``raw`` is psycopg's."""

    def __init__(self, raw: psycopg.Connection[PostgresRow]) -> None:
        self.raw = raw

    def execute(self, query: str, parameters: Parameters = (), /) -> Cursor:
        """Run one statement."""
        return self.raw.execute(_translated(query), parameters, prepare=True)

    def close(self) -> None:
        """Disconnect; what is not committed is undone."""
        self.raw.close()

    def lock(self, what: str) -> None:
        """Return when no other transaction holds the lock named ``what``; hold it to the end of this one."""
        number = int.from_bytes(hashlib.blake2b(what.encode(), digest_size=8).digest(), "big", signed=True)
        self.raw.execute("SELECT pg_advisory_xact_lock(%b::bigint)", (number,), prepare=True)


def open_lanes(settings: Settings, url: str) -> Lanes:
    """Return the lanes to the database at ``url``, whose tables are created if needed.

    Raises ValueError when the database cannot be used.
    """
    open_db = partial(
        connect,
        url,
        busy_timeout_ms=settings.busy_timeout_ms,
        synchronous_commit="on" if settings.synchronous == "full" else "off",
    )
    try:
        with contextlib.closing(open_db(read_only=False)) as db:
            create_schema(db)
    except psycopg.Error as error:
        raise ValueError(" ".join(str(error).split())) from None
    lane = partial(PostgresLane, queue_limit=settings.write_queue_limit)
    read = partial(open_db, read_only=True)
    return Lanes(
        writes=lane(open_db=partial(open_db, read_only=False), n_connections=settings.database_connections),
        reads=lane(open_db=read, n_connections=_READERS),
        admin_reads=lane(open_db=read, n_connections=1),
    )


def connect(url: str, *, busy_timeout_ms: int, synchronous_commit: str, read_only: bool) -> PostgresConnection:
    """Return a connection that waits for a lock no longer than ``busy_timeout_ms`` (at least 1)."""
    raw = psycopg.Connection[PostgresRow].connect(url, connect_timeout=_CONNECT_TIMEOUT_S, row_factory=_rows)
    raw.adapters.register_loader("numeric", IntLoader)  # the sums of integers, which are integers
    raw.execute("SELECT set_config('lock_timeout', %s, false)", (str(max(busy_timeout_ms, 1)),))
    raw.execute("SELECT set_config('synchronous_commit', %s, false)", (synchronous_commit,))
    raw.execute("SET client_encoding TO 'UTF8'")
    raw.commit()
    level = psycopg.IsolationLevel
    raw.isolation_level = level.REPEATABLE_READ if read_only else level.READ_COMMITTED
    raw.read_only = read_only
    return PostgresConnection(raw)


def create_schema(db: PostgresConnection) -> None:
    """Create the tables unless the current schema has them; all of them or nothing.

    Raises ValueError when the schema holds something else, or the database does not hold all of Unicode.
    """
    with db.raw.transaction():
        db.lock("schema")
        if db.execute("SHOW server_encoding").fetchall()[0][0] != "UTF8":
            raise ValueError("the database's encoding is not UTF8")
        tables = db.execute("SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace")
        found = {name for (name,) in tables}
        if not found:
            db.raw.execute(POSTGRES_TABLES.encode())
            db.raw.execute(f"CREATE TABLE staging_version AS SELECT {SCHEMA_VERSION} AS version".encode())
        elif "staging_version" not in found or _version(db) != SCHEMA_VERSION:
            raise ValueError("the schema is not empty, and is none of this version of the staging server")


def _version(db: PostgresConnection) -> Any:
    return db.execute("SELECT version FROM staging_version").fetchall()[0][0]


class PostgresLane(Lane):
    """Threads with a connection each, which is made anew when it broke."""

    def __init__(self, *, open_db: Callable[[], PostgresConnection], n_connections: int, queue_limit: int) -> None:
        super().__init__(queue_limit)
        self._open_db = open_db
        self._opened: list[Future[None]] = [Future() for _ in range(n_connections)]
        self._threads = [
            threading.Thread(target=self._work, args=[opened], name=f"postgres {i}", daemon=True)
            for i, opened in enumerate(self._opened)
        ]

    def start(self) -> None:
        """Open the connections and start; raise what opening one raised."""
        for thread in self._threads:
            thread.start()
        for opened in self._opened:
            opened.result()

    def stop(self) -> None:
        """Finish the jobs that wait, close the connections and end the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _work(self, opened: Future[None]) -> None:
        try:
            db = self._open_db()
        except BaseException as error:
            opened.set_exception(error)
            return
        opened.set_result(None)
        while (job := self._jobs.get()) is not None:
            for _ in range(_TRIES):
                db = self._run_job(db, job)
                if not _may_run_again(job.error):
                    break
            job.error = busy() if _is_busy(job.error) else job.error
            deliver([job])
        db.close()

    def _run_job(self, db: PostgresConnection, job: Job) -> PostgresConnection:
        """Run a job in a transaction, set its value or error, and return the connection for the next one."""
        job.error = None
        try:
            if db.raw.closed:
                db = self._reopened()
            job.value = job.function(db, *job.arguments)
            _commit(db.raw)
        except Exception as error:
            job.error = error
            if not db.raw.closed:
                _undo(db.raw)
        return db

    def _reopened(self) -> PostgresConnection:
        try:
            return self._open_db()
        except psycopg.OperationalError:
            raise busy() from None


def _commit(raw: psycopg.Connection[PostgresRow]) -> None:
    """Commit; raise ApiError (500) when the connection broke, so that the outcome is unknown.

    Raises RuntimeError after a job that hid a database error: its COMMIT would roll back without an error.
    """
    if raw.info.transaction_status == psycopg.pq.TransactionStatus.INERROR:
        raise RuntimeError("the job went on after the database had refused a statement")
    try:
        raw.commit()
    except psycopg.OperationalError as error:
        if raw.closed:
            raise uncertain() from error
        raise


def _undo(raw: psycopg.Connection[PostgresRow]) -> None:
    try:
        raw.rollback()
    except psycopg.Error:
        raw.close()


def _may_run_again(error: BaseException | None) -> bool:
    """Return whether the transaction lost to another one, or its connection, before it could commit."""
    lost = isinstance(error, psycopg.OperationalError) and error.sqlstate is None
    return lost or (isinstance(error, psycopg.Error) and error.sqlstate in _AGAIN)


def _is_busy(error: BaseException | None) -> bool:
    """Return whether the database could not take the work now, though it may later."""
    code = (error.sqlstate or "") if isinstance(error, psycopg.Error) else ""
    return _may_run_again(error) or code[:2] in _BUSY_CLASSES


@lru_cache(maxsize=256)
def _translated(query: str) -> bytes:
    return _NAMED.sub(r"%(\1)s", _INDEX_HINT.sub("", query)).replace("?", "%s").encode()


def _rows(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], PostgresRow]:
    """Return what makes a PostgresRow of each of a result's rows."""
    names = {column.name: place for place, column in enumerate(cursor.description or ())}

    def row(values: Sequence[Any]) -> PostgresRow:
        made = PostgresRow(values)
        made.names = names
        return made

    return row
