"""What the load test makes of a server that breaks HTTP: each mode, the requests counted, and the verdict on them.

``python -m tests.tools.proxies.hostile_modes`` sends a few withdrawals in each mode through the load test's own driver
and prints the table.
"""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from loadtests import dialects
from loadtests.core.schedule import Window, cut, read_trace
from loadtests.dialect.contract import ACKNOWLEDGED, RATE_LIMITED, REJECTED, UNKNOWN
from loadtests.transport.client import Client
from loadtests.transport.driver import Driver, SendLimits
from loadtests.transport.recorder import Journal, Recorder
from tests.support.servers.hostile import (
    PIECE,
    Behaviour,
    HostileServer,
    answer,
    drips,
    repeats,
    resets,
    says,
    waits,
)
from tests.support.servers.staging_client import ENVIRON
from tests.support.trace_factory import arrivals_at, make_run

N_REQUESTS, GAP_US = 4, 50_000
TIMEOUT_S = 1.0
PATIENT_S = 30.0
GOOD = answer()
CHUNKED = b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
UNREAD = "202 with an answer that cannot be read"


@dataclass(frozen=True)
class Mode:
    """A way to break HTTP, and what must be said of each request. ``reason`` is how the reason begins."""

    name: str
    make: Callable[[threading.Event], Behaviour]
    outcome: str
    reason: str = ""
    timeout_s: float = TIMEOUT_S


def _mode(name: str, behaviour: Behaviour, outcome: str, reason: str = "", timeout_s: float = PATIENT_S) -> Mode:
    return Mode(name, lambda ended: behaviour, outcome, reason, timeout_s)


def modes() -> list[Mode]:
    """Return every mode; those with a time-out of ``PATIENT_S`` must end long before it."""
    cut_short = "connection closed before the answer was complete"
    away = "Location: http://127.0.0.2:9/api/v4/withdrawals\r\n"
    long = f"Retry-After: {'y' * 60_000}\r\n"
    return [
        _mode("answers well", says(GOOD, then=True), ACKNOWLEDGED),
        Mode("answers after 6 s of 30", lambda ended: waits(ended, 6.0, GOOD), ACKNOWLEDGED, "", PATIENT_S),
        Mode("hangs", lambda ended: waits(ended, PATIENT_S), UNKNOWN, "time-out after 1 s"),
        Mode("drips a byte at a time", lambda ended: drips(GOOD, ended, 0.2), UNKNOWN, "time-out after 1 s"),
        Mode("hangs in the middle", lambda ended: waits_after(ended, GOOD[:30]), UNKNOWN, "time-out after 1 s"),
        _mode("chunks without end", repeats(CHUNKED, b"10000\r\n" + PIECE + b"\r\n"), UNKNOWN, "answer above 8 MB"),
        _mode("a body without end", repeats(b"HTTP/1.1 202 A\r\n\r\n", PIECE), UNKNOWN, "answer above 8 MB"),
        _mode("headers without end", repeats(b"HTTP/1.1 202 A\r\n", b"a: b\r\n" * 100), UNKNOWN, "headers above 64 kB"),
        _mode("one header without end", repeats(b"HTTP/1.1 202 A\r\na: ", PIECE), UNKNOWN, "headers above 64 kB"),
        _mode("interim answers without end", repeats(b"", HINT * 100), UNKNOWN, "headers above 64 kB"),
        _mode("one interim answer, then the final one", says(HINT, GOOD, then=True), ACKNOWLEDGED),
        _mode("interim and final in one packet", says(HINT + HINT + GOOD, then=True), ACKNOWLEDGED),
        _mode("100 Continue, unasked", says(b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD, then=True), ACKNOWLEDGED),
        _mode("an interim answer and no more", says(HINT), UNKNOWN, cut_short),
        _mode("another protocol (101)", says(SWITCH), UNKNOWN, "101: the protocol was switched"),
        _mode("says less than it announced", says(GOOD[:-2]), UNKNOWN, cut_short),
        _mode("says more than it announced", says(GOOD + b"more", then=True), ACKNOWLEDGED),
        _mode("a second answer that nobody asked for", says(GOOD + FORGED, then=True), ACKNOWLEDGED),
        _mode("two lengths", says(answer(head="Content-Length: 3\r\n")), UNKNOWN, "not HTTP: "),
        _mode("length and chunks", says(answer(head="Transfer-Encoding: chunked\r\n")), UNKNOWN, "not HTTP: "),
        _mode("a chunk of no size", says(CHUNKED + b"zz\r\n"), UNKNOWN, "not HTTP: "),
        _mode("a status beyond three digits", says(answer(status="20200 A")), UNKNOWN, "not HTTP: "),
        _mode("another greeting", says(b"SSH-2.0-OpenSSH_9.6\r\n"), UNKNOWN, "not HTTP: "),
        _mode("closes without a word", says(), UNKNOWN, "connection closed before any answer"),
        _mode("resets without a word", resets(), UNKNOWN, "connection "),
        _mode("resets in the middle", resets(GOOD[:30]), UNKNOWN, "connection "),
        _mode("closes after a whole answer", says(GOOD), ACKNOWLEDGED),
        _mode("no length, ends by closing", says(b'HTTP/1.1 202 A\r\n\r\n{"id":"w1"}'), ACKNOWLEDGED),
        _mode("redirects elsewhere (307)", says(answer(b"", status="307 T", head=away), then=True), REJECTED, "307: "),
        _mode("deep JSON", says(answer(b"[" * 200_000), then=True), UNKNOWN, UNREAD),
        _mode("a body in gzip, unasked", says(answer(gzip.compress(b'{"id":"w1"}')), then=True), UNKNOWN, UNREAD),
        _mode("an id of 100,000 characters", says(LONG_ID, then=True), UNKNOWN, "the answer's id"),
        _mode("an error of 4 MB", says(LONG_ERROR, then=True), REJECTED, "400 e"),
        _mode("Retry-After of 60 kB", says(answer(status="429 T", head=long), then=True), RATE_LIMITED, "429, "),
    ]  # fmt: skip


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"
FORGED = answer(b'{"id":"forged"}')
LONG_ID = answer(json.dumps({"id": "w" * 100_000}).encode())
LONG_ERROR = answer(json.dumps({"label": "e" * 4_000_000}).encode(), status="400 Bad")


def waits_after(ended: threading.Event, part: bytes) -> Behaviour:
    """Return a behaviour that says a part and then nothing more."""

    def behave(connection: object, number: int) -> bool:
        return says(part, then=True)(connection, number) and not ended.wait(PATIENT_S)  # type: ignore[arg-type]

    return behave


@dataclass(frozen=True)
class Met:
    """What became of a mode's requests: how many reached the server, and the rows."""

    counted: int
    outcomes: set[str]
    reasons: set[str]
    ids: set[str]


def meet(mode: Mode, folder: Path) -> Met:
    """Send a few withdrawals to a server in this mode and return what became of them."""
    run = make_run(folder / "run", arrivals_at(np.arange(N_REQUESTS) * GAP_US, ["withdrawal"] * N_REQUESTS))
    schedule = cut(read_trace(run / "arrivals.parquet"), Window(1_000_000))
    ended = threading.Event()
    with HostileServer(mode.make(ended)) as server:
        client = Client(scheme="http", host="127.0.0.1", port=server.port, address="127.0.0.1", concurrency=4)
        recorder, journal = Recorder(schedule), Journal(folder / "journal.jsonl")
        driver = Driver(
            schedule=schedule,
            dialect=dialects.load("reference", ENVIRON),
            client=client,
            recorder=recorder,
            journal=journal,
            limits=SendLimits(N_REQUESTS, N_REQUESTS, mode.timeout_s),
            prefix="ws-0a1b2c3d4e-",
        )
        driver.run(lambda ended: None)
        ended.set()
        journal.close()
        client.close()
    return Met(server.n_requests, set(recorder.outcome), set(recorder.reason), set(recorder.server_id))


def kept(mode: Mode, met: Met) -> bool:
    """Return whether each request was counted once and judged as it must be, in few words."""
    reasons_fit = all(reason.startswith(mode.reason) and len(reason) <= 200 for reason in met.reasons)
    once = met.counted == N_REQUESTS and met.outcomes == {mode.outcome} and reasons_fit
    return once and met.ids == ({"w1"} if mode.outcome == ACKNOWLEDGED else {""})


def main() -> None:
    """Print the table."""
    print(f"{'mode':40} | counted of {N_REQUESTS} | {'verdict':12} | as it must be | why")
    for mode in modes():
        with TemporaryDirectory() as folder:
            met = meet(mode, Path(folder))
        told = "; ".join(sorted(met.reasons))[:60]
        right = "yes" if kept(mode, met) else "NO"
        print(f"{mode.name:40} | {met.counted:12} | {', '.join(met.outcomes):12} | {right:13} | {told}")


if __name__ == "__main__":
    main()
