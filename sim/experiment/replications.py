"""Many replications of one scenario: on threads or processes, kept as they finish, the same for any number of workers.

The compiled engine leaves Python's lock alone for nearly all of its work, so its replications run on threads of this
process; SimPy holds it, so there each worker is a process.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    as_completed,
    wait,
)
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from multiprocessing import connection, get_context, parent_process

from sim.core.memory import release_memory
from sim.core.profiling import CpuProfile, StageTimer
from sim.experiment.analysis.precision import Goal
from sim.experiment.checkpoint import Checkpoint
from sim.experiment.replication import Finished, ReplicationPlan, finish
from sim.model.model import build
from sim.scenario.schema.scenario import Scenario


@dataclass(frozen=True)
class Replication:
    """A replication that counts: its number and its metrics."""

    number: int
    metrics: dict[str, float | None]


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def replicate(
    plan: ReplicationPlan,
    checkpoint: Checkpoint,
    goal: Goal,
    *,
    jobs: int,
    profile: CpuProfile,
    tick: Callable[[], None],
) -> tuple[Replication, ...]:
    """Return the replications that count, in order, after adding to the checkpoint what it lacks of them.

    ``tick`` is called as each is kept, in whatever order. An interrupt is raised once what is in flight is kept.
    """
    _hear_interrupts()
    if not goal.reached(checkpoint.store.finished):
        # Kept on a thread of its own, so that no interrupt falls into the middle of what is being kept.
        with ThreadPoolExecutor(1) as keeper, _workers(plan, jobs) as submit:
            keeper.submit(int).result()  # begins the thread: an interrupt amid that would leave it unknown to its pool
            gathering = _Gathering(submit, checkpoint, goal, profile=profile, tick=tick, ahead=2 * jobs)
            try:
                with _deaf_children() if plan.workers(jobs) == "processes" else nullcontext():
                    gathering.launch()
                keeper.submit(gathering.gather).result()
            finally:
                gathering.stop()
    return tuple(Replication(number, checkpoint.store.finished[number]) for number in range(goal.count))


def _hear_interrupts() -> None:
    """Put Python's own handling of an interrupt back in force: polars, from its import on, takes them for itself."""
    heard = signal.getsignal(signal.SIGINT)
    if heard is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, heard)


class _Gathering:
    """Replications on their way: launched in the order of their numbers, kept in whatever order they finish.

    The number that are ``ahead`` is limited, so memory does not grow with the number of replications.
    """

    def __init__(
        self,
        submit: Callable[[int], Future[Finished]],
        checkpoint: Checkpoint,
        goal: Goal,
        *,
        profile: CpuProfile,
        tick: Callable[[], None],
        ahead: int,
    ) -> None:
        self.submit, self.checkpoint, self.goal, self.profile, self.tick = submit, checkpoint, goal, profile, tick
        self.ahead = ahead
        self.due = (number for number in range(goal.most) if number not in checkpoint.store.finished)
        self.flying: set[Future[Finished]] = set()
        self.stopped, self.launching = threading.Event(), threading.Lock()

    def launch(self) -> None:
        """Send as many replications on their way as may be; none once it has been stopped."""
        with self.launching:
            while not self.stopped.is_set() and len(self.flying) < self.ahead:
                if (number := next(self.due, None)) is None:
                    break
                self.flying.add(self.submit(number))

    def stop(self) -> None:
        """Drop what no worker has begun, from another thread; what is in flight is still kept."""
        with self.launching:
            for one in self.flying:
                one.cancel()
            self.stopped.set()  # not before: a reader of it takes all that is not cancelled for in flight

    def gather(self) -> None:
        """Keep what finishes and launch others, until the goal is reached or it is stopped."""
        while not self.stopped.is_set() and not self.goal.reached(self.checkpoint.store.finished):
            done, self.flying = wait(self.flying, return_when=FIRST_COMPLETED)
            self._keep(done)
            self.launch()
        if self.stopped.is_set():
            self._keep(as_completed(one for one in self.flying if not one.cancelled()))

    def _keep(self, done: Iterable[Future[Finished]]) -> None:
        for future in done:
            if future.cancelled():
                continue
            one, timer = future.result(), StageTimer()
            self.checkpoint.add(one.number, one.metrics, one.series)
            timer.mark("keep")
            self.profile.add(one.cpu_s)
            self.profile.add(timer.cpu_s)
            self.tick()


@contextmanager
def _workers(plan: ReplicationPlan, jobs: int) -> Iterator[Callable[[int], Future[Finished]]]:
    """Yield a function that has a worker finish a replication; the end waits for all that was not cancelled."""
    pool: Executor
    if plan.workers(jobs) == "processes":
        # Spawned, not forked: a fork would copy the locks of other threads (polars') in whatever state they are.
        arguments = (plan.model.scenario, plan.seed, plan.engine)
        pool, task = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, arguments), _one
    else:
        pool, task = ThreadPoolExecutor(jobs), partial(finish, plan)
    try:
        yield lambda number: pool.submit(task, number)
    finally:
        # A dropped task stays in the pool's queue, so that a worker reports its cancellation to waiting callers.
        pool.shutdown()
        release_memory()


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Let processes that start now ignore an interrupt from the keyboard, which is the parent's to handle."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


class _Worker:
    """What a worker process holds between replications."""

    plan: ReplicationPlan


def _begin(scenario: Scenario, seed: int, engine: str) -> None:
    _Worker.plan = ReplicationPlan(build(scenario), seed, engine)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process with the one that started it, which may be killed without a word."""
    parent = parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)


def _one(number: int) -> Finished:
    return finish(_Worker.plan, number)
