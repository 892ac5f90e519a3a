"""The product's own gate and zendesk dialects, with the keys of a reference server, and one request at a time to it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from loadtests import dialects
from loadtests.core.schedule import Window, cut, read_trace
from loadtests.dialect.contract import Answer, Arrival, Known, Outcome, Request
from loadtests.transport.client import Client
from loadtests.transport.driver import Driver, SendLimits
from loadtests.transport.recorder import Journal, Recorder
from tests.support.servers.staging_client import SECRETS
from tests.support.servers.strangers import AGENT
from tests.support.trace_factory import arrivals_at, make_run

PREFIX = "ws-0a1b2c3d4e-"
ENVIRONS = {
    "gate": {
        "WITHSTAND_GATE_KEY": SECRETS.api_key,
        "WITHSTAND_GATE_SECRET": SECRETS.api_secret,
        "WITHSTAND_GATE_FEE": "beside",
    },
    "zendesk": {"WITHSTAND_ZENDESK_EMAIL": AGENT, "WITHSTAND_ZENDESK_TOKEN": SECRETS.ticket_token},
}
WRITES = {"gate": "withdrawal", "zendesk": "ticket"}
READS = {"gate": "withdrawal_status", "zendesk": "ticket_view"}


def spoken(name: str, **changes: str) -> Any:
    """Return a dialect with the reference server's keys, or with others."""
    return dialects.load(name, {**ENVIRONS[name], **changes})


def arrival(endpoint: str, idx: int = 3, cents: int = 12_345) -> Arrival:
    return Arrival(idx, endpoint, "USDT" if endpoint == "withdrawal" else "kyc", 42, cents, 7)


class Line:
    """The load test's own way to a server: its client, and its driver's judgement of one request."""

    def __init__(self, folder: Path, url: str, timeout_s: float) -> None:
        run = make_run(folder / "run", arrivals_at(np.array([0]), ["login"]))
        self._schedule = cut(read_trace(run / "arrivals.parquet"), Window(1_000_000))
        self._journal = Journal(folder / "journal")
        self._timeout_s = timeout_s
        port = urlsplit(url).port or 0
        self._client = Client(scheme="http", host="127.0.0.1", port=port, address="127.0.0.1", concurrency=4)

    def send(self, request: Request) -> Answer:
        """Return the answer to a read around a run."""
        return self._client.send(request, self._timeout_s)

    def outcome(self, dialect: Any, asked: Arrival, known: Known | None = None) -> Outcome:
        """Return how the driver says that the request of one arrival ended."""
        driver = Driver(
            schedule=self._schedule,
            dialect=dialect,
            client=self._client,
            recorder=Recorder(self._schedule),
            journal=self._journal,
            limits=SendLimits(4, 4, self._timeout_s),
            prefix=PREFIX,
        )
        request = dialect.request(asked, known or Known(PREFIX))
        return driver._exchange(request, self._client.encoded(request), asked)[1]

    def close(self) -> None:
        self._client.close()
        self._journal.close()


@contextlib.contextmanager
def line(folder: Path, url: str, timeout_s: float = 20.0) -> Iterator[Line]:
    """Yield a line to a server."""
    made = Line(folder, url, timeout_s)
    try:
        yield made
    finally:
        made.close()


def environ_of(name: str, folder: Path) -> Mapping[str, str]:
    """Return the environment of a load test's process that speaks one dialect, and nothing else."""
    return {**ENVIRONS[name], "PATH": "", "HOME": str(folder)}
