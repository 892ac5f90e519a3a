"""Many replications: the same for any number of workers, either engine and any order in which they finish."""

from __future__ import annotations

import concurrent.futures
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sim import load, run
from sim.api import Run, Work
from sim.core.profiling import CpuProfile
from sim.experiment import replications as replicate
from sim.experiment.analysis.precision import Goal
from sim.experiment.checkpoint import Checkpoint
from sim.experiment.replication import ENGINES, Finished, ReplicationPlan, finish
from sim.metrics.registry import measure

N = 7
TINY = load("quiet_week", sets=["days=1", "warmup_days=0"])
# A day of everything: departments, evidence, withdrawals, live levels, complaints.
FULL = load("volatility_spike", sets=["days=1", "warmup_days=1", "population.registered=100000"])


def same(one: Run, other: Run) -> bool:
    return one.replications == other.replications and one.metrics == other.metrics and one.series.equals(other.series)


@pytest.fixture(scope="module")
def tiny() -> Run:
    return run(TINY, replications=N, jobs=1, engine="simpy")


def hooked(monkeypatch: pytest.MonkeyPatch, hook: Callable[[int], Any]) -> None:
    """Have ``hook`` called by the worker before it finishes a replication."""

    def slowed(plan: ReplicationPlan, number: int) -> Finished:
        hook(number)
        return finish(plan, number)

    monkeypatch.setattr(replicate, "finish", slowed)


@contextmanager
def interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


# --- the same for all ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [1, 2, 3])
@pytest.mark.parametrize("engine", ENGINES)
def test_any_number_of_workers_and_either_engine_give_the_same(tiny: Run, jobs: int, engine: str) -> None:
    made = run(TINY, replications=N, jobs=jobs, engine=engine)
    assert same(made, tiny)
    assert made.engine == engine
    assert [one.number for one in made.replications] == list(range(N))


def test_so_they_do_where_every_feature_is_used() -> None:
    assert same(run(FULL, replications=2, jobs=1, engine="simpy"), run(FULL, replications=2, jobs=2, engine="fast"))


def test_auto_is_the_fast_one_and_replications_again_are_those_of_the_run(tiny: Run) -> None:
    made = run(TINY, replications=2)
    assert made.engine == "fast"
    for one in (made, tiny):
        assert [measure(one.observed(index)) for index in (0, 1)] == [done.metrics for done in one.replications[:2]]


@pytest.mark.parametrize("group", [2, 3])
def test_a_reversed_order_changes_nothing(tiny: Run, monkeypatch: pytest.MonkeyPatch, group: int) -> None:
    """Within each group of workers the later number is finished first."""
    kept: list[int] = []
    events = [threading.Event() for _ in range(N + group)]

    def wait_for_the_next(number: int) -> None:
        last_of_group = number % group == group - 1 or number == N - 1
        if not last_of_group:
            assert events[number + 1].wait(timeout=60)

    add = Checkpoint.add

    def noted(checkpoint: Checkpoint, number: int, *rest: Any) -> None:
        add(checkpoint, number, *rest)
        kept.append(number)
        events[number].set()

    hooked(monkeypatch, wait_for_the_next)
    monkeypatch.setattr(Checkpoint, "add", noted)
    made = run(TINY, replications=N, jobs=group, engine="fast")
    for number in range(N - 1):
        if number % group < group - 1:
            assert kept.index(number) > kept.index(number + 1), kept
    assert same(made, tiny)


@pytest.mark.parametrize(("wanted", "engine"), [(0.3, "fast"), (0.3, "simpy"), (0.25, "fast")])
def test_a_precision_stops_at_the_same_number_for_any_workers(wanted: float, engine: str) -> None:
    workers = (1, 2, 3) if engine == "fast" else (1, 2)  # processes take long to start
    runs = [run(TINY, precision=wanted, replications=60, jobs=jobs, engine=engine) for jobs in workers]
    counts = {len(one.replications) for one in runs}
    assert len(counts) == 1
    assert 10 <= counts.pop() < 60
    assert all(same(one, runs[0]) for one in runs)
    precision = runs[0].precision
    assert precision is not None
    assert precision.met
    assert precision.metric == "backlog_peak"
    estimate = runs[0].metrics["backlog_peak"]
    assert estimate.half_width is not None
    assert estimate.mean is not None
    assert precision.reached == estimate.half_width / estimate.mean <= wanted


def test_the_primary_metric_is_the_scenarios_own() -> None:
    scenario = load("quiet_week", sets=["days=1", "warmup_days=0", "primary=tickets_new_per_day"])
    precision = run(scenario, precision=0.02, replications=60).precision
    assert precision is not None
    assert precision.metric == "tickets_new_per_day"


# --- how they are carried out -------------------------------------------------------------------------------------


def test_only_a_few_are_ahead_so_that_memory_does_not_grow(tmp_path: Path) -> None:
    checkpoint, sent = Checkpoint(tmp_path / "place"), list[int]()
    checkpoint.open()

    def send(number: int) -> Future[Finished]:
        sent.append(number)
        return Future()

    goal = Goal(1000, metric="backlog_peak", wanted=None)
    gathering = replicate._Gathering(send, checkpoint, goal, profile=CpuProfile(), tick=lambda: None, ahead=4)
    gathering.launch()
    gathering.launch()
    assert sent == [0, 1, 2, 3]
    gathering.flying.pop()
    gathering.launch()
    assert sent == [0, 1, 2, 3, 4]
    checkpoint.close()


def test_an_interrupt_keeps_what_is_in_flight_and_begins_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint, stopped, kept_2 = Checkpoint(tmp_path / "place"), threading.Event(), threading.Event()
    both, add = threading.Barrier(2), Checkpoint.add

    class Watched(replicate._Gathering):
        def stop(self) -> None:
            super().stop()
            stopped.set()

    def noted(checkpoint: Checkpoint, number: int, *rest: Any) -> None:
        add(checkpoint, number, *rest)
        if number == 2:
            kept_2.set()

    def interrupt(number: int) -> None:
        if number in (2, 3):
            both.wait(timeout=60)
            if number == 2:
                os.kill(os.getpid(), signal.SIGINT)
            assert stopped.wait(timeout=60)
            assert number == 2 or kept_2.wait(timeout=60)

    monkeypatch.setattr(Checkpoint, "add", noted)
    monkeypatch.setattr(replicate, "_Gathering", Watched)
    hooked(monkeypatch, interrupt)
    with interruptible(), pytest.raises(KeyboardInterrupt):
        run(TINY, replications=N, jobs=2, engine="fast", work=Work(checkpoint))
    assert sorted(checkpoint.store.finished) == [0, 1, 2, 3]
    checkpoint.close()


def test_an_interrupt_between_two_replications_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one worker has finished the first and not yet begun the second, whose end the keeper waits for already."""
    checkpoint, sent, dropped, waits = Checkpoint(tmp_path / "place"), threading.Event(), threading.Event(), list[int]()

    class Held(ThreadPoolExecutor):
        def submit(self, task: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
            future = super().submit(task, *given, **named)
            if isinstance(task, partial):
                future.add_done_callback(lambda one: one.cancelled() or dropped.wait(timeout=60))
                sent.set()
            return future

        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            dropped.set()
            super().shutdown(wait=wait)

    def interrupted(flying: set[Future[Finished]], *, return_when: str) -> Any:
        if waits:
            os.kill(os.getpid(), signal.SIGINT)
            assert dropped.wait(timeout=60)
        done, left = concurrent.futures.wait(flying, timeout=30, return_when=return_when)
        waits.append(len(done))
        return done, left

    monkeypatch.setattr(replicate, "ThreadPoolExecutor", Held)
    monkeypatch.setattr(replicate, "wait", interrupted)
    hooked(monkeypatch, lambda _: sent.wait(timeout=60))
    with interruptible(), pytest.raises(KeyboardInterrupt):
        run(TINY, replications=N, jobs=1, engine="fast", work=Work(checkpoint))
    assert waits[0] == 1
    assert len(waits) == 2
    assert waits[1] >= 1, "the keeper was never told that what it waits for is dropped"
    assert sorted(checkpoint.store.finished) == [0]
    checkpoint.close()


def test_what_is_finished_is_not_done_again(tmp_path: Path, tiny: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    hooked(monkeypatch, begun.append)
    for replications, new in ((3, [0, 1, 2]), (N, [3, 4, 5, 6]), (2, [])):
        checkpoint, told = Checkpoint(tmp_path / "place"), list[tuple[int, int]]()
        work = Work(checkpoint, lambda *one, told=told: told.append(one))  # type: ignore[misc]
        made = run(TINY, replications=replications, jobs=2, engine="fast", work=work)
        assert sorted(begun) == new
        assert told == [(replications - len(new), replications)]
        assert made.replications == tiny.replications[:replications]
        assert made.series.equals(tiny.series.filter(pl.col("replication") < replications))
        begun.clear()
        checkpoint.close()


def test_a_fault_in_a_worker_is_raised_and_its_temporary_folder_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(number: int) -> None:
        if number == 3:
            raise ArithmeticError("planted")

    hooked(monkeypatch, broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ArithmeticError, match="planted"):
        run(TINY, replications=N, jobs=2, engine="fast")
    assert list(tmp_path.iterdir()) == []


def test_what_a_run_keeps_goes_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = run(TINY, replications=2)
    assert len(list(tmp_path.iterdir())) == 1
    assert made.series.height > 0
    del made
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_the_profile_books_every_station(tiny: Run) -> None:
    assert set(tiny.profile.cpu_s) == {"draw", "engine", "metrics", "keep"}
    assert all(seconds > 0 for seconds in tiny.profile.cpu_s.values())
    assert sum(tiny.profile.cpu_s.values()) < 1.1 * tiny.profile.wall_s["simulate"]
    assert tiny.profile.workers == "1 threads"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"replications": 0}, "got replications=0, seed=1, jobs=None; must be whole: 1 or more replications"),
        ({"jobs": 0}, "got replications=None, seed=1, jobs=0; must be whole: 1 or more replications and jobs"),
        ({"seed": -1}, "a seed of 0 or more"),
        ({"precision": 0.0}, "precision: got 0.0; must be above 0 and below 1"),
        ({"precision": 1.5}, "precision: got 1.5"),
        ({"precision": float("nan")}, "precision: got nan"),
        ({"engine": "magic"}, "engine: got 'magic'; must be auto or simpy, fast"),
    ],
)
def test_arguments_that_make_no_sense(given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        run(TINY, **given)
