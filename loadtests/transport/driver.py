"""The open loop: each arrival leaves when it is due, whatever the target does.

One greenlet paces, one is made for each arrival. Due times are absolute (start + offset), so no delay accumulates; a
late arrival leaves at once, as far as the cap on the rate allows; none is skipped. At the in-flight cap an arrival is
shed and counted, never queued here.
"""

from __future__ import annotations

import gc
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import gevent
import polars as pl
from gevent.event import Event

from loadtests.core.schedule import Schedule
from loadtests.dialect.contract import (
    ACKNOWLEDGED,
    NOT_SENT,
    REJECTED,
    UNKNOWN,
    WRITES,
    Arrival,
    Dialect,
    Known,
    Outcome,
    Request,
)
from loadtests.dialect.reads import shown_by
from loadtests.transport.client import Client, NoAnswerError
from loadtests.transport.echoes import failure, outcome_of, showing
from loadtests.transport.http1 import ForbiddenError
from loadtests.transport.recorder import Journal, Recorder

LEAD_S = 0.1
"""Between the start and the first due time, so that nothing is late from the beginning."""
WATCH_S = 0.25
CATCHES_UP_S = 0.05
"""How late an arrival is when the generator is catching up, rather than only jittering."""


@dataclass(frozen=True)
class SendLimits:
    """When an arrival is shed, when a request has waited enough, and when the whole run is ended early.

    ``rate_per_s`` requests leave in any second at most, also when the generator catches up after it stood still.
    """

    in_flight: int
    in_flight_wanted: int
    timeout_s: float
    abort_failure_share: float = 0.5
    abort_lateness_s: float = 1.0
    abort_after_s: float = 5.0
    abort_min_requests: int = 50
    rate_per_s: int = 5000


@dataclass(frozen=True)
class Ended:
    """What the event hook learns of one request."""

    endpoint: str
    method: str
    latency_us: int
    length_bytes: int
    outcome: Outcome


Hook = Callable[[Ended], None]
Progress = Callable[[int, int], None]


class Poller:
    """Decides when a run should end early: the target keeps failing, or the generator stays late."""

    def __init__(self, limits: SendLimits) -> None:
        self._limits = limits
        self._ticks = max(1, round(limits.abort_after_s / WATCH_S))
        self._past: deque[tuple[int, int]] = deque()
        self._in_time_s = time.perf_counter()
        self.failing_share: float | None = None

    def look(self, closed: int, failed: int, behind_s: float) -> str:
        """Return why the run must end, empty when it may go on; to be called each ``WATCH_S``.

        ``closed`` and ``failed`` count all requests so far; ``behind_s`` is how late the next one already is. At a low
        rate it looks back further, until there are enough requests.
        """
        limits, past, now_s = self._limits, self._past, time.perf_counter()
        while len(past) > self._ticks and closed - past[1][0] >= limits.abort_min_requests:
            past.popleft()
        if len(past) >= self._ticks:
            new, bad = closed - past[0][0], failed - past[0][1]
            if new >= limits.abort_min_requests and bad > limits.abort_failure_share * new:
                if self.failing_share is None:
                    self.failing_share = bad / new
                return f"{bad} of the last {new} requests failed"
        past.append((closed, failed))
        if behind_s <= limits.abort_lateness_s:
            self._in_time_s = now_s
        elif now_s - self._in_time_s >= limits.abort_after_s:
            return f"the generator stayed more than {limits.abort_lateness_s:g} s late"
        return ""


class Driver:
    """Sends one schedule, once."""

    def __init__(
        self,
        *,
        schedule: Schedule,
        dialect: Dialect,
        client: Client,
        recorder: Recorder,
        journal: Journal,
        limits: SendLimits,
        prefix: str,
        forbidden: Callable[[], str] = lambda: "",
    ) -> None:
        """``forbidden`` is asked before each request why it must not be sent; empty when it may."""
        self._schedule, self._dialect, self._client = schedule, dialect, client
        self._recorder, self._journal, self._limits = recorder, journal, limits
        self._forbidden = forbidden
        self._watch = Poller(limits)
        self._known = Known(prefix)
        self._n_planned = len(schedule.due_us)
        self._hook: Hook = lambda ended: None
        self._under_way = 0
        self._in_system = 0
        self._area_us = 0
        self._area_at_us = 0
        self._start_s = 0.0
        self._idle = Event()
        self._over = False
        self._pacer: gevent.Greenlet | None = None
        self.aborted = ""
        self.started_utc = datetime.now(UTC)
        self.cpu_s = 0.0
        self.elapsed_s = 0.0
        self.wall_drift_ms = 0.0

    def run(self, hook: Hook, progress: Progress = lambda sent, planned: None, start_s: float | None = None) -> None:
        """Send everything, then wait until what is under way has ended.

        The run's time 0 is ``start_s`` of ``time.perf_counter``, or a moment from now.
        """
        gc.collect()
        gc.freeze()  # what lives already is out of the garbage collector's way: its pauses are lateness
        try:
            self._run(hook, progress, start_s)
        finally:
            gc.unfreeze()

    def _run(self, hook: Hook, progress: Progress, start_s: float | None) -> None:
        self._hook = hook
        self.started_utc, cpu_s = datetime.now(UTC), time.process_time()
        now_s, wall_s = time.perf_counter(), time.time()
        self._start_s = now_s + LEAD_S if start_s is None else start_s
        self._pacer = gevent.spawn(self._pace)
        if self.aborted:
            self._pacer.kill()
        watcher = gevent.spawn(self._look_after, progress)
        self._pacer.join()
        self._drain()
        watcher.kill()
        self.elapsed_s = self._now_us() / 1e6
        self.cpu_s = time.process_time() - cpu_s
        self.wall_drift_ms = (time.time() - wall_s - (time.perf_counter() - now_s)) * 1000
        progress(self._recorder.n_sent, self._n_planned)

    def abort(self, reason: str) -> None:
        """Send nothing more; what is under way may end. Safe to call from a signal handler."""
        if not self.aborted:
            self.aborted = reason
            if self._pacer is not None:
                gevent.spawn(self._pacer.kill)

    def end_now(self) -> None:
        """Wait for nothing more: what is under way stays of unknown fate."""
        self.abort("ended at once")
        self._over = True
        self._idle.set()

    @property
    def failing_share(self) -> float | None:
        """The share of failed requests that ended the run early, if it did."""
        return self._watch.failing_share

    @property
    def area_us(self) -> tuple[int, int]:
        """The integral of the number of requests between sent and ended, and the time it extends over."""
        return self._area_us, self._area_at_us

    def behind_s(self) -> float:
        """Return how late the next arrival already is."""
        handled = self._recorder.n_sent + self._recorder.n_shed + self._recorder.n_refused
        if handled >= self._n_planned:
            return 0.0
        return (self._now_us() - int(self._schedule.due_us[handled])) / 1e6

    def _now_us(self) -> int:
        return int((time.perf_counter() - self._start_s) * 1e6)

    def _pace(self) -> None:
        start_s, cap = self._start_s, self._limits.in_flight
        left_s: deque[float] = deque(maxlen=self._limits.rate_per_s)
        for i, arrival in enumerate(arrivals_of(self._schedule.arrivals)):
            due_us = int(self._schedule.due_us[i])
            wait_s = start_s + due_us / 1e6 - time.perf_counter()
            if wait_s > 0:
                gevent.sleep(wait_s)
            elif i % 16 == 0:
                gevent.sleep(0)  # far behind: yield to the requests that were made
            if self._under_way >= cap:
                self._recorder.shed(i, f"{cap} requests were under way, the cap")
                continue
            self._keep_rate(left_s, wait_s)
            self._under_way += 1
            gevent.spawn(self._one, i, due_us, arrival)

    def _keep_rate(self, left_s: deque[float], wait_s: float) -> None:
        """Wait until one more may leave. A generator that catches up sends evenly: a server sees bursts as one."""
        now_s = time.perf_counter()
        next_s = left_s[0] + 1 if len(left_s) == left_s.maxlen else now_s
        if wait_s < -CATCHES_UP_S and left_s:
            next_s = max(next_s, left_s[-1] + 1 / self._limits.rate_per_s)
        if next_s > now_s:
            gevent.sleep(next_s - now_s)
            now_s = time.perf_counter()
        left_s.append(now_s)

    def _one(self, i: int, due_us: int, arrival: Arrival) -> None:
        try:
            self._send(i, due_us, arrival)
        finally:
            self._under_way -= 1
            if self._under_way == 0:
                self._idle.set()

    def _send(self, i: int, due_us: int, arrival: Arrival) -> None:
        if reason := self._forbidden():
            self._recorder.refuse(i, reason)
            return
        found = self._request(i, arrival)
        if found is None:
            return
        request, wire = found
        write = arrival.endpoint in WRITES
        if write:
            if not self._journal.sent(arrival.idx, request.key, request.body, due_us):
                self._recorder.refuse(i, self._journal.fault)
                self.abort(self._journal.fault)
                return
            if arrival.endpoint == "withdrawal":
                self._known.newest_key = request.key
        sent_us = self._now_us()
        self._recorder.sent(i, sent_us, request.key)
        self._step(+1, sent_us)
        status, outcome, length = self._exchange(request, wire, arrival)
        if self._over:  # nobody waited for this: the rows are being judged
            return
        done_us = self._now_us()
        self._step(-1, done_us)
        if outcome.outcome == NOT_SENT:
            self._not_sent(i, arrival, sent_us, outcome)
            return
        self._recorder.ended(i, done_us, status, outcome)
        if write:
            self._note_end(arrival, sent_us, done_us, outcome)
            self._learn(arrival.endpoint, request.key, outcome)
        self._hook(Ended(arrival.endpoint, request.method, done_us - due_us, length, outcome))

    def _not_sent(self, i: int, arrival: Arrival, sent_us: int, outcome: Outcome) -> None:
        """Take back that a request was sent: this machine could not. The journal says that no record can be there."""
        self._recorder.take_back(i, outcome.reason)
        if arrival.endpoint in WRITES:
            self._note_end(arrival, sent_us, sent_us, Outcome(REJECTED, outcome.reason))

    def _note_end(self, arrival: Arrival, sent_us: int, done_us: int, outcome: Outcome) -> None:
        """Note in the journal how a write ended; where that is refused, send nothing more."""
        if not self._journal.done(arrival.idx, sent_us, done_us, outcome):
            self.abort(self._journal.fault)

    def _request(self, i: int, arrival: Arrival) -> tuple[Request, bytes] | None:
        """Return the request and its bytes, or None, with the reason noted, when it must not or cannot be sent."""
        try:
            request = self._dialect.request(arrival, self._known)
            return request, self._client.encoded(request)
        except ForbiddenError as error:
            self._recorder.refuse(i, str(error))
        except Exception as error:  # a dialect may be a user's file: its faults must not lose a row
            self._recorder.refuse(i, failure(error))
        return None

    def _exchange(self, request: Request, wire: bytes, arrival: Arrival) -> tuple[int, Outcome, int]:
        """Return status, outcome and length of the answer; status 0 when none came."""
        try:
            answer = self._client.exchange(wire, request.method, self._limits.timeout_s)
        except NoAnswerError as error:
            return 0, Outcome(NOT_SENT if error.ours else UNKNOWN if error.taken else REJECTED, str(error)), 0
        try:
            outcome = outcome_of(self._dialect, arrival, request, answer)
            if outcome.outcome == ACKNOWLEDGED and arrival.endpoint not in WRITES:
                outcome = showing(outcome, shown_by(self._dialect, arrival, request, answer), request)
        except Exception as error:  # as above; the request was answered, but its outcome is unknown
            outcome = Outcome(UNKNOWN, failure(error))
        return answer.status, outcome, len(answer.body)

    def _learn(self, endpoint: str, key: str, outcome: Outcome) -> None:
        if outcome.outcome == ACKNOWLEDGED and endpoint == "withdrawal":
            self._known.withdrawal_keys.append(key)
            self._known.withdrawal_ids[key] = outcome.server_id
        elif outcome.outcome == ACKNOWLEDGED:
            self._known.ticket_ids.append(outcome.server_id)

    def _step(self, change: int, now_us: int) -> None:
        """Add to the area under the number of requests in the system."""
        self._area_us += self._in_system * (now_us - self._area_at_us)
        self._area_at_us = now_us
        self._in_system += change

    def _drain(self) -> None:
        """Wait for what is under way; each request has its own deadline, so this ends."""
        gevent.sleep(0)
        with gevent.Timeout(self._limits.timeout_s + 2.0, False):
            while self._under_way and not self._over:
                self._idle.clear()
                self._idle.wait()
        self._over = True

    def _look_after(self, progress: Progress) -> None:
        """Show the progress, and abort when the target keeps failing or the generator stays late."""
        recorder = self._recorder
        while True:
            gevent.sleep(WATCH_S)
            progress(recorder.n_sent, self._n_planned)
            if reason := self._watch.look(recorder.n_closed, recorder.n_failed, self.behind_s()):
                self.abort(reason)


def arrivals_of(table: pl.DataFrame) -> Iterator[Arrival]:
    """Yield the arrivals of a table as they are needed: a million at once are 300 MB."""
    rows = table.select("idx", "endpoint", "kind", "customer", "amount", "payload_seed")
    return (Arrival(*row) for row in rows.iter_rows())
