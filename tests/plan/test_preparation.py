"""The first step of a two-step flow, without a server: what a dialect is given, and what its failure says."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from gevent.event import Event

from loadtests import dialects
from loadtests.capacity import command as capacity
from loadtests.core.faults import InputError
from loadtests.dialect.contract import Answer, Arrival, Dialect, Request, Send
from loadtests.injection import command as injection
from loadtests.plan.preparation import prepare_dialect
from loadtests.transport import guard
from tests.support.servers.staging_client import ENVIRON
from tests.support.trace_factory import make_run, steady

URL = "http://127.0.0.1:1"
ARRIVAL = Arrival(2, "withdrawal", "USDT", 7, 12_345, 7)


class Client:
    """Answers every request with 403, and counts them."""

    n_sent = 0

    def send(self, request: Request, timeout_s: float) -> Answer:
        self.n_sent += 1
        return Answer(403, {}, b"")

    def close(self) -> None: ...


class Closed:
    """A dialect that opens a session first, and gets none."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.given: list[tuple[Sequence[Arrival], str]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dialect, name)

    def prepare(self, send: Send, arrivals: Sequence[Arrival], prefix: str) -> None:
        self.given.append((arrivals, prefix))
        answer = send(Request("POST", "/sessions", {}))
        raise ValueError(f"session: {answer.status}")


def reference() -> Dialect:
    return dialects.load("reference", ENVIRON)


def test_a_dialect_gets_what_is_known_and_its_failure_names_the_host() -> None:
    dialect, client = Closed(reference()), Client()
    with pytest.raises(InputError) as caught:
        prepare_dialect(dialect, client=client, url=URL, arrivals=[ARRIVAL], prefix="ws-1-", hurry=Event())  # type: ignore[arg-type]
    told = "must let the dialect prepare for the run (ValueError: session: 403)"
    assert caught.value.faults == [f"--host: got {URL}; {told}"]
    assert (dialect.given, client.n_sent) == ([([ARRIVAL], "ws-1-")], 1)


def test_a_dialect_that_needs_no_preparation_is_left_alone() -> None:
    client = Client()
    prepare_dialect(reference(), client=client, url=URL, arrivals=[ARRIVAL], prefix="ws-1-", hurry=Event())  # type: ignore[arg-type]
    assert client.n_sent == 0


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    monkeypatch.setattr(guard, "client_of", lambda url, concurrency: client)
    monkeypatch.setattr(guard, "check_health", lambda client, dialect, url: None)
    return client


def parsed(add_arguments: Any, *given: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser.add_argument)
    return parser.parse_args(given)


def test_a_search_whose_preparation_fails_sends_and_writes_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dialect = Closed(reference())
    monkeypatch.setattr(capacity, "load", lambda name, environ, samples: dialect)
    options = parsed(capacity.add_arguments, "--host", URL, "--endpoint", "login", "--out", str(tmp_path / "out"))
    order = capacity.make_order(options, ENVIRON)
    with pytest.raises(InputError, match="must let the dialect prepare"):
        capacity.measure(order, print, lambda abort: None)
    ((arrivals, _),) = dialect.given
    assert {one.endpoint for one in arrivals} == {"login"}
    assert len(arrivals) > 100
    assert client.n_sent == 1
    assert list(tmp_path.iterdir()) == []


def test_an_injection_whose_preparation_fails_sends_and_writes_nothing(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    dialect = Closed(reference())
    monkeypatch.setattr(injection.target, "choose", lambda options, run, environ: dialect)
    run = make_run(tmp_path / "run", steady({"withdrawal": 20.0, "ticket": 20.0}, 2.0), window_ms=2000)
    plan = injection.make_injection(parsed(injection.add_arguments, str(run), "--host", URL), ENVIRON)
    with pytest.raises(InputError, match="must let the dialect prepare"):
        injection.run(plan)
    ((arrivals, prefix),) = dialect.given
    assert prefix == plan.start["key_prefix"]
    assert {one.idx for one in arrivals} >= {0, 1, 1000}  # the spender's number as well
    assert client.n_sent == 1
    assert not plan.out_dir.exists()
