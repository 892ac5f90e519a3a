"""What the staging exchange asks of a database: connections that take SQL, and lanes that run jobs in transactions.

A job is a function ``function(db, *arguments)``. It runs in a transaction of its own or in a savepoint, alone or as if
alone for what it has locked, and is answered after its commit. The event loop never touches a database.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from loadtests.staging.errors import busy

T = TypeVar("T")
Parameters = Sequence[Any] | Mapping[str, Any]


class Row(Protocol):
    """A row's values in the order of its columns, by place and by the column's name."""

    def __getitem__(self, key: int | str, /) -> Any: ...

    def __iter__(self) -> Iterator[Any]: ...


class Cursor(Protocol):
    """The rows of one statement."""

    @property
    def rowcount(self) -> int:
        """Return how many rows a statement changed."""

    def fetchone(self) -> Any:
        """Return the next row, None when there is none."""

    def fetchall(self) -> list[Any]:
        """Return all Rows that are left."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection inside a transaction. SQL is what SQLite and PostgreSQL both know, with ``?`` or ``:name``."""

    def execute(self, query: str, parameters: Parameters = (), /) -> Cursor:
        """Run one statement."""

    def lock(self, what: str) -> None:
        """Return when no other transaction holds the lock named ``what``; hold it to the end of this one.

        Who reads something to decide what to write locks it first, by name: later reads see what former holders wrote.
        """


@dataclass(slots=True)
class Job:
    """A function to run, who waits for it, and what came of it."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    value: Any = None
    error: BaseException | None = None


class Lane:
    """Threads of its own that take jobs from one queue; ``queue_limit`` jobs may wait, more are refused."""

    def __init__(self, queue_limit: int) -> None:
        self._queue_limit = queue_limit
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Connect and start the threads; raise what connecting raised."""
        raise NotImplementedError

    def stop(self) -> None:
        """Finish the jobs that wait, disconnect and end the threads."""
        raise NotImplementedError

    async def run(self, function: Callable[..., T], *arguments: Any) -> T:
        """Return what ``function(db, *arguments)`` returned, once its transaction is committed.

        Raises what the function raised; ApiError: 503 when the database cannot take it now or the queue is full, and
        nothing is kept then; 500 when the database was lost just as it may have kept it.
        """
        if self._jobs.qsize() >= self._queue_limit:
            raise busy()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(Job(function, arguments, loop, future))
        return await future


class Lanes(NamedTuple):
    """A service's ways to its database: for what is written, for customers' reads, for the administrator's."""

    writes: Lane
    reads: Lane
    admin_reads: Lane


def deliver(batch: Sequence[Job]) -> None:
    """Hand each job's result to who waits for it, on that one's own event loop."""
    for loop in {job.loop for job in batch}:
        try:
            loop.call_soon_threadsafe(_deliver, [job for job in batch if job.loop is loop])
        except RuntimeError:  # that loop ended, so no request waits there any more
            continue


def _deliver(batch: Sequence[Job]) -> None:
    for job in batch:
        if job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.value)
        else:
            job.future.set_exception(job.error)
