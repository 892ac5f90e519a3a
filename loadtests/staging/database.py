"""SQLite in WAL mode behind lanes: one thread each, many jobs per transaction, an answer only after the commit.

A lane's thread takes all jobs that wait, runs them in one transaction and then delivers all results. On the write
lane that is a group commit: one fsync pays for many requests, and each job stands in a savepoint of its own, so that
a refused one leaves nothing behind. The event loop never touches SQLite.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from loadtests.staging.errors import busy

_BATCH_LIMIT = 256
_BUSY_CODES = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL)

T = TypeVar("T")


def connect(path: Path, *, busy_timeout_ms: int, synchronous: str) -> sqlite3.Connection:
    """Return a connection in WAL mode that commits only when told to."""
    db = sqlite3.connect(path, timeout=busy_timeout_ms / 1000, isolation_level=None)
    db.row_factory = sqlite3.Row
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    db.execute("PRAGMA foreign_keys = ON")
    return db


def is_busy(error: BaseException) -> bool:
    """Return whether the database could not take the work now, though it may later."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _BUSY_CODES


@dataclass(slots=True)
class _Job:
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None


class Lane:
    """One thread with one connection that runs jobs ``function(db, *arguments)`` in batches.

    ``begin`` is the statement that opens a batch's transaction; ``queue_limit`` jobs may wait, more are refused with
    the ApiError of a busy server (503).
    """

    def __init__(self, *, open_db: Callable[[], sqlite3.Connection], begin: str, queue_limit: int) -> None:
        self._open_db = open_db
        self._begin = begin
        self._isolated = begin != "BEGIN"
        self._queue_limit = queue_limit
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=f"sqlite {begin}", daemon=True)
        self._opened: Future[None] = Future()

    def start(self) -> None:
        """Open the connection and start; raise what opening it raised."""
        self._thread.start()
        self._opened.result()

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what ``function(db, *arguments)`` returned, once its transaction is committed.

        Raises what the function raised; ApiError (503) when the database is locked or the queue is full.
        """
        if self._jobs.qsize() >= self._queue_limit:
            raise busy()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(function, arguments, loop, future))
        return await future

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

    def _next_batch(self) -> tuple[list[_Job], bool]:
        """Return the jobs that wait, at least one, and whether the lane goes on."""
        batch: list[_Job] = []
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

    def _run_batch(self, db: sqlite3.Connection, batch: list[_Job]) -> None:
        try:
            db.execute(self._begin)
            for job in batch:
                self._run_job(db, job)
            db.execute("COMMIT")
        except BaseException as error:  # nothing of this batch is kept, so all of it is refused
            if db.in_transaction:
                db.execute("ROLLBACK")
            for job in batch:
                job.error = error
        for loop in {job.loop for job in batch}:
            try:
                loop.call_soon_threadsafe(_deliver, [job for job in batch if job.loop is loop])
            except RuntimeError:  # that loop ended, nobody waits there any more
                continue

    def _run_job(self, db: sqlite3.Connection, job: _Job) -> None:
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


def _deliver(batch: list[_Job]) -> None:
    for job in batch:
        if job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.value)
        elif is_busy(job.error):
            job.future.set_exception(busy())
        else:
            job.future.set_exception(job.error)
