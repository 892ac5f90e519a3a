"""SQLite in WAL mode behind lanes: one thread each, many jobs per transaction.

A lane's thread takes all jobs that wait, runs them in one transaction and then delivers all results. On the write
lane that is a group commit: one fsync pays for many requests, and each job stands in a savepoint of its own, so that
a refused one leaves nothing behind.
"""

from __future__ import annotations

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

from loadtests.staging.errors import busy
from loadtests.staging.settings import Settings
from loadtests.staging.storage.database import Job, Lane, Lanes, deliver
from loadtests.staging.storage.schema import SCHEMA_VERSION, SQLITE_TABLES

_BATCH_LIMIT = 256
_BUSY_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)


class SqliteConnection(sqlite3.Connection):
    """A connection of the standard library's."""

    def lock(self, what: str) -> None:
        """Return at once: a transaction that began IMMEDIATE holds the whole database."""


def open_lanes(settings: Settings, path: Path) -> Lanes:
    """Return the lanes to the file at ``path``, whose tables are created if needed.

    Raises ValueError when the file cannot be used.
    """
    open_db = partial(connect, path, busy_timeout_ms=settings.busy_timeout_ms, synchronous=settings.synchronous.upper())
    try:
        with contextlib.closing(open_db()) as db:
            create_schema(db)
    except sqlite3.Error as error:
        raise ValueError(str(error)) from None
    lane = partial(SqliteLane, open_db=open_db, queue_limit=settings.write_queue_limit)
    return Lanes(writes=lane(begin="BEGIN IMMEDIATE"), reads=lane(begin="BEGIN"), admin_reads=lane(begin="BEGIN"))


def connect(path: Path, *, busy_timeout_ms: int, synchronous: str) -> SqliteConnection:
    """Return a connection in WAL mode that commits only on COMMIT."""
    db = sqlite3.connect(path, timeout=busy_timeout_ms / 1000, isolation_level=None, factory=SqliteConnection)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    db.execute("PRAGMA foreign_keys = ON")
    return db


def create_schema(db: sqlite3.Connection) -> None:
    """Create the tables unless the file has them; all of them or nothing.

    Raises ValueError when the file holds something else.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0 and db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            _create(db)
        elif version != SCHEMA_VERSION:
            raise ValueError("the file is no database of this version of the staging server")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _create(db: sqlite3.Connection) -> None:
    statement = ""
    for line in SQLITE_TABLES.splitlines(keepends=True):  # executescript would commit by itself
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def is_busy(error: BaseException) -> bool:
    """Return whether the database could not take the work now, though it may later."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _BUSY_CODES


class SqliteLane(Lane):
    """One thread with one connection that runs jobs in batches; ``begin`` opens a batch's transaction."""

    def __init__(self, *, open_db: Callable[[], SqliteConnection], begin: str, queue_limit: int) -> None:
        super().__init__(queue_limit)
        self._open_db = open_db
        self._begin = begin
        self._isolated = begin != "BEGIN"
        self._thread = threading.Thread(target=self._work, name=f"sqlite {begin}", daemon=True)
        self._opened: Future[None] = Future()

    def start(self) -> None:
        """Open the connection and start; raise what opening it raised."""
        self._thread.start()
        self._opened.result()

    def stop(self) -> None:
        """Finish the jobs that wait, fold the WAL into the database file and end the thread."""
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        try:
            db = self._open_db()
        except BaseException as error:
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        running = True
        while running:
            batch, running = self._next_batch()
            if batch:
                self._run_batch(db, batch)
        if self._isolated:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()

    def _next_batch(self) -> tuple[list[Job], bool]:
        """Return the jobs that wait, at least one, and whether the lane goes on."""
        batch: list[Job] = []
        job = self._jobs.get()
        while job is not None:
            batch.append(job)
            if len(batch) == _BATCH_LIMIT:
                return batch, True
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, True
        return batch, False

    def _run_batch(self, db: SqliteConnection, batch: list[Job]) -> None:
        try:
            db.execute(self._begin)
            for job in batch:
                self._run_job(db, job)
            db.execute("COMMIT")
        except BaseException as error:  # nothing of this batch is kept, so all of it is refused
            if db.in_transaction:
                db.execute("ROLLBACK")
            for job in batch:
                job.error = busy() if is_busy(error) else error
        deliver(batch)

    def _run_job(self, db: SqliteConnection, job: Job) -> None:
        """Run one job; raise only what ends the whole batch."""
        if self._isolated:
            db.execute("SAVEPOINT job")
        try:
            job.value = job.function(db, *job.arguments)
        except Exception as error:
            if not db.in_transaction or is_busy(error):
                raise
            job.error = error
            if self._isolated:
                db.execute("ROLLBACK TO job")
        if self._isolated:
            db.execute("RELEASE job")
