"""What Ctrl-C does to a search, once and twice, with a client in place of the network."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import pytest

from loadtests import dialects
from loadtests.capacity.bench import Bench, BenchSettings
from loadtests.capacity.search import Search, Stop
from loadtests.capacity.step import CapacityObjective
from loadtests.dialect.contract import Answer, Request
from loadtests.transport import guard
from loadtests.transport.guard import Caps
from tests.support.servers.staging_client import ENVIRON

LONGEST_S = 20
"""What only ends by itself much later (a request has 1,000 s) ends here, as a failure."""


class Client:
    """Answers nobody before ``then`` returns, which is called for each request."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then
        self.n_sent = 0

    def encoded(self, request: Request) -> bytes:
        return request.body

    def exchange(self, wire: bytes, method: str, timeout_s: float) -> Answer:
        self.n_sent += 1
        self._then()
        return Answer(200, {}, b"{}")

    def close(self) -> None: ...


class ToldBench(Bench):
    """Keeps the lines that it tells."""

    told: list[str]


def bench_of(
    monkeypatch: pytest.MonkeyPatch, folder: Path, then: Callable[[ToldBench], None], *, step_s: float = 60.0
) -> tuple[ToldBench, Client]:
    told: list[str] = []
    client = Client(lambda: then(bench))
    monkeypatch.setattr(guard, "client_of", lambda url, concurrency: client)
    settings = BenchSettings(
        step_s=step_s, step_requests=100, timeout_s=1000.0,
        objective=CapacityObjective(p99_ms=1_000_000.0, error_share=0.01),
        caps=Caps(rate_per_s=5000, requests=500_000, duration_s=3600),
    )  # fmt: skip
    bench = ToldBench(
        url="http://127.0.0.1:1", dialect=dialects.load("reference", ENVIRON), settings=settings, folder=folder,
        prefix="ws-1-", tell=told.append,
    )  # fmt: skip
    bench.told = told
    return bench, client


def test_the_first_interrupt_sends_nothing_more_and_waits_for_what_is_under_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ended: list[int] = []

    def then(bench: Bench) -> None:
        if client.n_sent == 1:
            bench.interrupt("interrupted")
        for _ in range(5):
            gevent.sleep(0)  # others go on meanwhile
        ended.append(1)

    bench, client = bench_of(monkeypatch, tmp_path, then)
    with gevent.Timeout(LONGEST_S), pytest.raises(Stop, match="interrupted in the middle of a step"):
        bench.measure("login", 100.0)
    assert client.n_sent == len(ended)
    (told,) = bench.told
    assert re.fullmatch(rf"login at 100/s: interrupted after {client.n_sent} of [56],\d\d\d requests; not judged", told)
    assert client.n_sent < 10  # of 6,000
    assert not bench.hurry.is_set()


def test_the_second_interrupt_waits_for_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def then(bench: Bench) -> None:
        bench.interrupt("interrupted")
        bench.interrupt("interrupted")
        gevent.sleep(1000)

    bench, _ = bench_of(monkeypatch, tmp_path, then)
    with gevent.Timeout(LONGEST_S), pytest.raises(Stop, match="interrupted"):
        bench.measure("login", 100.0)
    assert bench.hurry.is_set()


def test_after_an_interrupt_no_other_step_is_sent_and_the_search_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bench, client = bench_of(monkeypatch, tmp_path, lambda bench: None)
    bench.interrupt("interrupted")
    with gevent.Timeout(LONGEST_S):
        found = Search(
            measure=lambda rate: bench.measure("login", rate), start_per_s=100.0, most_per_s=1000.0, resolution=0.1,
            least_held=1,
        ).run()  # fmt: skip
    assert (found.steps, found.ended, client.n_sent) == ((), "interrupted", 0)


def test_a_step_that_failed_is_kept_when_the_recovery_after_it_is_interrupted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def then(bench: ToldBench) -> None:
        if bench.told:  # the step has been judged, so this is of the recovery
            bench.interrupt("interrupted")

    bench, client = bench_of(monkeypatch, tmp_path, then, step_s=1.0)
    monkeypatch.setattr(client, "exchange", failing(client.exchange))
    with gevent.Timeout(LONGEST_S):
        found = Search(
            measure=lambda rate: bench.measure("login", rate), start_per_s=100.0, most_per_s=1000.0, resolution=0.1,
            least_held=1,
        ).run()  # fmt: skip
    assert [step.passed for step in found.steps] == [False]
    assert found.ended == "interrupted"


def failing(exchange: Callable[..., Answer]) -> Callable[..., Answer]:
    """Return an exchange whose answers are failures."""

    def fail(*asked: Any) -> Answer:
        exchange(*asked)
        return Answer(500, {}, b"{}")

    return fail
