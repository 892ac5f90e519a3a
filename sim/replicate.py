"""Many replications of one scenario: in order, on one core or several, the same for any number of workers."""

from __future__ import annotations

import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context

from sim.engine import simulate
from sim.facts import Facts
from sim.metrics import measure
from sim.scenario.model import Scenario
from sim.series import Series, hourly
from sim.streams import Streams
from sim.world import World, build


@dataclass(frozen=True)
class Replication:
    """What is kept of one replication: its metrics and its hourly series."""

    number: int
    metrics: dict[str, float | None]
    series: Series


def facts_of(world: World, *, seed: int, replication: int) -> Facts:
    """Return one replication, drawn and simulated."""
    demand = world.demand(seed=seed, replication=replication)
    outcome = simulate(
        demand, world.desk, world.rules, complain_from_opening=world.scenario.complaints.clock == "opening"
    )
    return Facts(world, demand, outcome, Streams(seed, replication))


def replicate(
    world: World, *, replications: int, seed: int, jobs: int = 1, tick: Callable[[], None] = lambda: None
) -> list[Replication]:
    """Return the replications 0, 1, ... in order; ``tick`` is called as each is ready.

    ``jobs`` above 1 starts that many processes (from a script of your own, under ``if __name__ == "__main__"``).
    """
    done = []
    for one in _stream(world, replications, seed, min(jobs, replications)):
        done.append(one)
        tick()
    return done


def _stream(world: World, replications: int, seed: int, jobs: int) -> Iterator[Replication]:
    if jobs <= 1:
        for number in range(replications):
            yield _keep(facts_of(world, seed=seed, replication=number))
        return
    # Spawned, not forked: a fork would copy the locks of other threads (polars') in whatever state they are.
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (world.scenario, seed))
    try:
        with _deaf_children():
            ahead = deque(pool.submit(_one, number) for number in range(jobs))
        for number in range(jobs, replications + jobs):
            yield ahead.popleft().result()
            if number < replications:
                ahead.append(pool.submit(_one, number))
    finally:
        pool.shutdown(cancel_futures=True)


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


def _keep(facts: Facts) -> Replication:
    return Replication(facts.streams.replication, measure(facts), hourly(facts))


class _Worker:
    """What a worker process holds between replications."""

    world: World
    seed: int


def _begin(scenario: Scenario, seed: int) -> None:
    _Worker.world, _Worker.seed = build(scenario), seed


def _one(number: int) -> Replication:
    return _keep(facts_of(_Worker.world, seed=_Worker.seed, replication=number))
