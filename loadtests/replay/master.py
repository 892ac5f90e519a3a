"""The master's side of a run on several workers: check, deal, start at once, merge, report what was lost.

The master itself only reads from the target, before and after the run.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import gevent
import numpy as np
from gevent.event import Event

from loadtests.core.faults import GeneratorError, InputError
from loadtests.dialect.contract import (
    ACKNOWLEDGED,
    NOT_SENT,
    RATE_LIMITED,
    REJECTED,
    SHED,
    UNKNOWN,
    WRITES,
    Arrival,
    Dialect,
    Known,
)
from loadtests.plan.plan import Plan
from loadtests.plan.preparation import prepare
from loadtests.replay import protocol
from loadtests.replay.protocol import MergedRows, Offset
from loadtests.replay.sender import JOURNAL, Sent
from loadtests.replay.worker import LEASE_S, READY_LIMIT_S
from loadtests.transport.driver import WATCH_S, Hook, Poller, Progress
from loadtests.transport.interruptible import Interruptible
from loadtests.transport.recorder import NEVER_US, Journal

HELLO_LIMIT_S = 20.0
LATE_END_S = 15.0
"""How much longer than schedule and time-out a worker may take to report that it is done."""
SYNC_PINGS = 20
START_S = 1.0
"""Between the order to start and the common start: it must reach every worker before."""
CLOCK_LIMIT_S, DRIFT_LIMIT_S = 0.005, 0.010
HURRY_S = 2.0


class Wire(Protocol):
    """How messages reach the workers."""

    def workers(self) -> list[str]:
        """Return the names of the workers that are connected."""

    def send(self, to: str, kind: str, data: dict[str, Any]) -> None:
        """Send a message to a worker."""


@dataclass
class Peer:
    """What the master knows of a worker."""

    name: str
    place: dict[str, Any]
    facts: dict[str, Any]
    heard_s: float
    number: int = -1
    pinged_s: float = 0.0
    pings: dict[int, float] = field(default_factory=dict)
    round_trips: list[tuple[float, float, float]] = field(default_factory=list)
    synced: Offset = field(default_factory=lambda: Offset(0.0, 0.0))
    ready: dict[str, Any] | None = None
    state: dict[str, Any] = field(default_factory=lambda: {"sent": 0, "closed": 0, "failed": 0, "behind_s": 0.0})
    journal_bytes: int = 0
    messages: int = 0
    done: dict[str, Any] | None = None
    failed: str = ""
    gone_s: float | None = None
    lost: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more is to be expected of it."""
        return self.done is not None or bool(self.lost)

    def __str__(self) -> str:
        number = f"worker {self.number}" if self.number >= 0 else "a worker"
        return f"{number} ({self.place['host']}, process {self.place['pid']})"


class Master(Interruptible):
    """Sends a plan by its workers."""

    def __init__(self, plan: Plan, wire: Wire) -> None:
        super().__init__()
        self._plan, self._wire = plan, wire
        self._peers: dict[str, Peer] = {}
        self._team: list[Peer] = []
        self._changed = Event()
        self._whole: MergedRows | None = None
        self._journal: Journal | None = None
        self._aborted = ""
        self._error: Exception | None = None
        self._start_s: float | None = None
        self._pinger: gevent.Greenlet | None = None
        self._n_pings, self._hurry_until_s = 0, math.inf

    def receive(self, name: str, kind: str, data: dict[str, Any]) -> None:
        """Take a message from a worker: hello, pong, ready, report, rows, done or failed."""
        now_s = time.perf_counter()
        try:
            if kind == "hello":
                self._peers.setdefault(name, Peer(name, data["place"], data["facts"], now_s))
            elif (peer := self._peers.get(name)) is not None and not peer.lost:
                peer.heard_s = now_s
                self._take(peer, kind, data, now_s)
        except Exception as error:  # Locust would log it and go on: the run must end
            self._error = self._error or error
        self._changed.set()

    def _take(self, peer: Peer, kind: str, data: dict[str, Any], now_s: float) -> None:
        if kind == "pong":
            sent_s = peer.pings.pop(data["number"])
            peer.round_trips.append((sent_s, data["now_s"], now_s))
            return
        if kind == "ready":
            peer.ready = data
        elif kind == "failed":
            peer.failed = data["reason"]
        if kind == "report":
            peer.state = data
        if "journal" in data and kind != "ready" and self._journal is not None:
            self._keep(peer, data["journal"])
        if "rows" in data and self._whole is not None:
            self._whole.take(peer.number, data["rows"])
            peer.messages += kind != "done"
        if kind == "done":
            peer.done = data

    def _keep(self, peer: Peer, lines: str) -> None:
        peer.journal_bytes += len(lines)
        if self._journal is not None and not self._journal.append(lines):
            self.abort(self._journal.fault)

    def abort(self, reason: str) -> None:
        """Send nothing more; what is under way may end."""
        if not self._aborted:
            self._aborted = reason
            for peer in self._team:
                if not peer.ended:
                    self._wire.send(peer.name, "abort", {"reason": reason})
            self._changed.set()

    def end_now(self) -> None:
        """Wait for nothing more, but a moment for what the workers still have to report."""
        self._hurry_until_s = time.perf_counter() + HURRY_S
        for peer in self._team:
            if not peer.ended:
                self._wire.send(peer.name, "hurry", {})

    def close(self) -> None:
        """Release the workers: all that they reported has been written."""
        if self._pinger is not None:
            self._pinger.kill()
        for peer in self._team:
            if not peer.lost:
                self._wire.send(peer.name, "bye", {})

    def prepare(self) -> None:
        """Check the workers, measure their clocks and deal the rows.

        The dialect prepares here only to read: each worker prepares for what it sends. Raises InputError when a worker
        has another plan, GeneratorError when one cannot take part.
        """
        prepare(self._plan, (), prefix=self._plan.prefix, hurry=self.hurry)
        team = self._team = self._announced()
        faults = [fault for peer in team for fault in self._mismatches(peer)]
        try:
            if faults:
                raise InputError(faults)
            for peer in team:
                peer.synced = self._synced(peer)
            shards = protocol.deal(self._plan.schedule, len(team), self._plan.dialect)
            caps = protocol.in_flight_shares(self._plan, shards, len(team))
            self._whole = MergedRows(self._plan.schedule, shards)
            self._pinger = gevent.spawn(self._keep_pinging)
            for peer, cap in zip(team, caps, strict=True):
                peer.number = team.index(peer)
                order = {"worker": peer.number, "n_workers": len(team), "in_flight": cap, "prefix": self._plan.prefix}
                self._wire.send(peer.name, "prepare", order)
            self._until_ready(team)
        except (InputError, GeneratorError) as error:
            bad_input = isinstance(error, InputError)
            why = error.faults if isinstance(error, InputError) else [str(error)]
            for peer in team:
                self._wire.send(peer.name, "refuse", {"faults": why, "bad_input": bad_input})
            self.close()
            raise

    def _announced(self) -> list[Peer]:
        names, end_s = self._wire.workers(), time.perf_counter() + HELLO_LIMIT_S
        if not names:
            raise GeneratorError("no worker is connected; start some with --worker, or use --processes")
        while not all(name in self._peers for name in names):
            if time.perf_counter() > end_s:
                silent = [name for name in names if name not in self._peers]
                raise GeneratorError(
                    f"these workers announced no plan, so they run something else: {', '.join(silent)}"
                )
            self._wait()
        return [self._peers[name] for name in sorted(names)]

    def _mismatches(self, peer: Peer) -> list[str]:
        return protocol.mismatches(protocol.facts(self._plan), peer.facts, str(peer))

    def _synced(self, peer: Peer) -> Offset:
        end_s = time.perf_counter() + HELLO_LIMIT_S
        for _ in range(SYNC_PINGS):
            self._ping(peer)
            while peer.pings:
                if time.perf_counter() > end_s:
                    raise GeneratorError(f"{peer} does not answer")
                self._wait()
        found = protocol.offset(peer.round_trips)
        if found.uncertainty_s > CLOCK_LIMIT_S:
            raise GeneratorError(
                f"the clock of {peer} is known to {found.uncertainty_s * 1000:.1f} ms only, by the quickest of "
                f"{SYNC_PINGS} round trips; must be {CLOCK_LIMIT_S * 1000:g} ms or less for a common start"
            )
        return found

    def _until_ready(self, team: list[Peer]) -> None:
        end_s = time.perf_counter() + READY_LIMIT_S
        while not all(peer.ready for peer in team):
            for peer in team:
                if peer.failed or protocol.is_dead(peer.place) or time.perf_counter() > end_s:
                    raise GeneratorError(f"{peer} did not get ready: {peer.failed or 'it is gone'}")
            self._wait()

    def send(self, folder: Path, hook: Hook, progress: Progress) -> Sent:
        """See Sender; each worker calls a hook of its own."""
        try:
            return self._send(folder, progress)
        except Exception:
            self.abort("the master failed")
            raise

    def _send(self, folder: Path, progress: Progress) -> Sent:
        whole, watch = self._whole, Poller(self._plan.limits)
        assert whole is not None
        self._journal = Journal(folder / JOURNAL)
        with contextlib.closing(self._journal):
            started_utc, start_s = datetime.now(UTC) + timedelta(seconds=START_S), time.perf_counter() + START_S
            self._start_s = start_s
            for peer in self._team:
                lease = {"sent_s": self._lease_of(peer, time.perf_counter())}
                self._wire.send(peer.name, "go", {"start_s": start_s + peer.synced.ahead_s, **lease})
            if self._aborted:
                for peer in self._team:
                    self._wire.send(peer.name, "abort", {"reason": self._aborted})
            while not all(peer.ended for peer in self._team):
                gevent.sleep(WATCH_S)
                if self._error is not None:
                    raise self._error
                self._look(watch, progress)
            self._check_all_told(whole)
            whole.finish()
        return self._put_together(whole, watch, started_utc)

    def _look(self, watch: Poller, progress: Progress) -> None:
        """Show the progress, find lost workers, and end early when the run must."""
        assert self._start_s is not None
        states, now_s = [peer.state for peer in self._team], time.perf_counter()
        progress(sum(state["sent"] for state in states), len(self._plan.schedule.due_us))
        sends_s = self._plan.schedule.duration_us / 1e6
        longest_s = self._start_s + sends_s + self._plan.limits.timeout_s + LATE_END_S
        for peer in [one for one in self._team if not one.ended]:
            if peer.gone_s is not None:  # what it reported before it died has come in by now
                self._lose(peer, "its process ended", peer.gone_s)
            elif protocol.is_dead(peer.place):
                peer.gone_s = now_s
            elif peer.failed:
                self._lose(peer, peer.failed, now_s)
            elif now_s > self._hurry_until_s:
                self._lose(peer, "it did not end at once", peer.pinged_s + LEASE_S)
            elif now_s - peer.heard_s > LEASE_S or now_s > longest_s:
                self._lose(peer, f"silent for {now_s - peer.heard_s:.1f} s", peer.pinged_s + LEASE_S)
        closed, failed = (sum(state[name] for state in states) for name in ("closed", "failed"))
        behind_s = max((peer.state["behind_s"] for peer in self._team if not peer.ended), default=0.0)
        if reason := watch.look(closed, failed, behind_s):
            self.abort(reason)
        for peer in self._team:
            if peer.done is not None and peer.done["aborted"]:
                self.abort(peer.done["aborted"])

    def _lose(self, peer: Peer, why: str, until_s: float) -> None:
        """Settle the rows of a worker that sent nothing after ``until_s`` of this clock, and end the run."""
        assert self._whole is not None
        assert self._start_s is not None
        peer.lost = why
        until_us = round((until_s - self._start_s + peer.synced.uncertainty_s) * 1e6)
        text = self._rest_of_journal(peer)
        idx = self._plan.schedule.arrivals["idx"].to_numpy()
        written = None if text is None else protocol.journalled(text, idx)
        self._whole.lose(peer.number, until_us, written)
        keys_of_lost(self._plan, self._whole, peer.number)
        with contextlib.suppress(Exception):  # it may be alive, only unheard: then it must not go on
            self._wire.send(peer.name, "abort", {"reason": why})
        self.abort(f"{peer} was lost")

    def _check_all_told(self, whole: MergedRows) -> None:
        """Compare each worker's reported rows with its own counts; a worker with missing messages counts as lost.

        Raises LawError when no message is missing and the sums still differ.
        """
        for peer in self._team:
            if peer.done is None or peer.lost:
                continue
            if peer.done["messages"] == peer.messages:
                whole.must_agree(peer.number, peer.done)
            else:
                n_lost = peer.done["messages"] - peer.messages
                self._lose(peer, f"{n_lost} of its messages did not arrive", time.perf_counter())

    def _rest_of_journal(self, peer: Peer) -> str | None:
        """Return a dead worker's whole journal if it is on this machine, after recording the lines it had not reported.

        None for a worker that may be alive, because its file may be incomplete.
        """
        if not protocol.is_dead(peer.place) or peer.ready is None:
            return None
        with contextlib.suppress(OSError):
            text = Path(peer.ready["journal"]).read_text(encoding="utf-8")
            text = text[: text.rfind("\n") + 1]
            self._keep(peer, text[peer.journal_bytes :])
            return text
        return None

    def _put_together(self, whole: MergedRows, watch: Poller, started_utc: datetime) -> Sent:
        done = [peer.done for peer in self._team if peer.done is not None and not peer.lost]
        lost = len(done) < len(self._team)
        return Sent(
            recorder=whole,
            started_utc=started_utc,
            elapsed_s=max((one["elapsed_s"] for one in done), default=0.0),
            cpu_s=sum(one["cpu_s"] for one in done),
            wall_drift_ms=max((one["wall_drift_ms"] for one in done), key=abs, default=0.0),
            area_us=None if lost else sum(one["area_us"] for one in done),
            span_us=max((one["span_us"] for one in done), default=0),
            histograms=whole.histograms() if lost else protocol.merged([one["histograms"] for one in done]),
            aborted=self._aborted,
            failing_share=watch.failing_share,
            flaws=[flaw for peer in self._team for flaw in self._flaws(peer, whole)],
            lost=whole.lost,
            workers=[self._entry(peer, whole) for peer in self._team],
        )

    def _flaws(self, peer: Peer, whole: MergedRows) -> list[str]:
        if peer.lost:
            left = whole.unsent(peer.number)
            return [
                f"{peer} was lost ({peer.lost}): not sent {protocol.told(left['not_sent'])}, "
                f"of unknown fate {protocol.told(left['unknown_fate'])}"
            ]
        moved = self._drift(peer)
        if abs(moved.ahead_s) > DRIFT_LIMIT_S + moved.uncertainty_s:
            return [f"the clock of {peer} moved by {moved.ahead_s * 1000:.1f} ms during the run"]
        return []

    def _drift(self, peer: Peer) -> Offset:
        """Return by how much a worker's clock has moved since it was measured at first."""
        last = protocol.offset(peer.round_trips[-SYNC_PINGS:])
        return Offset(last.ahead_s - peer.synced.ahead_s, last.uncertainty_s + peer.synced.uncertainty_s)

    def _entry(self, peer: Peer, whole: MergedRows) -> dict[str, Any]:
        """Return a worker's line of the verdict."""
        own = whole.own(peer.number)
        outcomes = [whole.outcome[i] for i in own]
        n_lost, sent = int(np.count_nonzero(whole.lost[own])), whole.sent_us[own] >= 0
        lateness_ms = np.sort(whole.sent_us[own][sent] - whole.due_us[own][sent]) / 1000
        cpu_s, drift = (peer.done or {}).get("cpu_s"), self._drift(peer)
        return {
            "worker": peer.number,
            "host": peer.place["host"],
            "process": peer.place["pid"],
            "plan_sha256": protocol.identity(peer.facts),
            "planned": len(own),
            "sent": int(np.count_nonzero(sent)),
            "ok": outcomes.count(ACKNOWLEDGED),
            "rate_limited": outcomes.count(RATE_LIMITED),
            "failed": outcomes.count(REJECTED) + outcomes.count(UNKNOWN) - n_lost,
            "shed": outcomes.count(SHED),
            "not_sent": outcomes.count(NOT_SENT),
            "unfinished": int(np.count_nonzero(sent & (whole.closed_us[own] == NEVER_US))),
            "unknown_fate": n_lost,
            "lateness_p99_ms": float(np.quantile(lateness_ms, 0.99, method="higher")) if len(lateness_ms) else None,
            "cpu_ms_per_request": None if cpu_s is None else round(cpu_s * 1000 / max(np.count_nonzero(sent), 1), 4),
            "clock": {
                "ahead_ms": round(peer.synced.ahead_s * 1000, 3),
                "uncertainty_ms": round(peer.synced.uncertainty_s * 1000, 3),
                "moved_ms": round(drift.ahead_s * 1000, 3),
                "moved_uncertainty_ms": round(drift.uncertainty_s * 1000, 3),
            },
            "lost": peer.lost,
            **({"journal": (peer.ready or {}).get("journal"), **whole.unsent(peer.number)} if peer.lost else {}),
        }

    def _ping(self, peer: Peer) -> None:
        self._n_pings += 1
        peer.pinged_s = peer.pings[self._n_pings] = time.perf_counter()
        lease = {"sent_s": self._lease_of(peer, peer.pinged_s)} if peer.number >= 0 else {}
        self._wire.send(peer.name, "ping", {"number": self._n_pings, **lease})

    @staticmethod
    def _lease_of(peer: Peer, sent_s: float) -> float:
        """Return a moment of this clock in the worker's own, at the earliest."""
        return sent_s + peer.synced.ahead_s - peer.synced.uncertainty_s

    def _keep_pinging(self) -> None:
        """Keep the workers' leases, and measure their clocks on the way."""
        while True:
            for peer in self._team:
                if not peer.lost:
                    self._ping(peer)
            gevent.sleep(WATCH_S)

    def _wait(self) -> None:
        if self._error is not None:
            raise self._error
        self._changed.clear()
        self._changed.wait(WATCH_S)


def keys_of_lost(plan: Plan, whole: MergedRows, worker: int) -> None:
    """Restore the keys of writes that may have left unreported, so that the server can be asked about them."""
    arrivals = plan.schedule.arrivals.select("idx", "endpoint", "kind", "customer", "amount", "payload_seed")
    for i in whole.own(worker)[whole.lost[whole.own(worker)]].tolist():
        arrival = Arrival(*arrivals.row(i))
        if arrival.endpoint in WRITES and not whole.key[i]:
            whole.key[i] = _key(plan.dialect, arrival, plan.prefix)


def _key(dialect: Dialect, arrival: Arrival, prefix: str) -> str:
    with contextlib.suppress(Exception):  # a dialect may be a user's file
        return dialect.request(arrival, Known(prefix)).key
    return ""
