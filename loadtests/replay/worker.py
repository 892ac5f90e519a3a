"""A worker's side of a run on several: announce, get a shard, send it from the common start, report every row.

``receive`` takes messages from its master, ``tell`` sends messages to the master. A worker sends nothing more when the
newest message that it has from its master was sent ``LEASE_S`` ago: so the master of a lost worker knows when it
stopped at the latest, however long messages are on their way.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gevent
import numpy as np
from gevent.event import Event

from loadtests.core.faults import GeneratorError, InputError
from loadtests.plan.plan import Plan
from loadtests.plan.preparation import prepare
from loadtests.replay import protocol
from loadtests.replay.protocol import Feed, JournalFeed
from loadtests.transport.driver import Driver, Hook, arrivals_of
from loadtests.transport.interruptible import Interruptible

LEASE_S = 3.0
HELLO_S = 0.5
MASTER_LOST = "the master was lost"
READY_LIMIT_S = 120.0
"""How long all workers may take to get ready, what their dialects prepare included."""
_PREPARED_S = READY_LIMIT_S - 5
PATIENCE_S = 30.0
"""How long a worker waits for its master's next message after the first one."""

Tell = Callable[[str, dict[str, Any]], None]


class Worker(Interruptible):
    """Sends its share of a plan, once."""

    def __init__(self, plan: Plan, tell: Tell, hook: Hook, *, forbidden: Callable[[], str] = lambda: "") -> None:
        super().__init__()
        self._plan, self._tell, self._hook, self._forbidden = plan, tell, hook, forbidden
        self._heard_s = math.inf
        self._lease_s = math.inf
        self._changed = Event()
        self._orders: dict[str, dict[str, Any]] = {}
        self._aborted = ""
        self._n_told = 0
        self._driver: Driver | None = None

    def receive(self, kind: str, data: dict[str, Any]) -> None:
        """Take a message from the master: ping, refuse, prepare, go, abort, hurry or bye."""
        self._heard_s = time.perf_counter()
        if "sent_s" in data:  # an order may have been long on its way: the lease began when it was sent
            self._lease_s = data["sent_s"] if self._lease_s == math.inf else max(self._lease_s, data["sent_s"])
        if kind == "ping":
            self._tell("pong", {"number": data["number"], "now_s": self._heard_s})
            return
        if kind == "abort":
            self.abort(data["reason"])
        if kind == "hurry":
            self.hurry.set()
            self.end_now()
        self._orders[kind] = data
        self._changed.set()

    def abort(self, reason: str) -> None:
        """Send nothing more; what is under way may end."""
        self._aborted = self._aborted or reason
        if self._driver is not None:
            self._driver.abort(reason)
        self._changed.set()

    def end_now(self) -> None:
        """Wait for nothing more, but for the master's farewell."""
        if self._driver is not None:
            self._driver.end_now()

    def run(self, announce_s: float = math.inf) -> None:
        """Do a worker's part from the announcement to the farewell.

        Raises InputError when the master refuses this worker, GeneratorError when there is no master, for
        ``announce_s`` at first, or any more.
        """
        try:
            self._announce(announce_s)
            order = self._order("prepare")
            if order is None:
                raise GeneratorError(self._aborted or "sent away")
            self._take_part(order)
        except Exception as error:
            self._tell("failed", {"reason": str(error)})
            raise

    def _take_part(self, order: dict[str, Any]) -> None:
        shards = protocol.deal(self._plan.schedule, order["n_workers"], self._plan.dialect)
        own = np.flatnonzero(shards == order["worker"])
        feed = Feed(protocol.part_of(self._plan.schedule, own), own)
        self._prepare(feed, order["prefix"])
        name = f"{order['prefix']}{order['worker']}.jsonl"
        journal = JournalFeed(self._plan.run_dir / "loadtest-workers" / name)
        client = self._plan.client()
        try:
            self._driver = self._made(feed, journal, client, order)
            self._tell("ready", {"planned": len(own), "journal": str(journal.path.resolve())})
            go = self._order("go")
            self._send(self._driver, feed, journal, go["start_s"] if go else None)
        finally:
            journal.close()
            client.close()
            journal.remove_empty()
        if self._aborted == MASTER_LOST:
            raise GeneratorError(MASTER_LOST)
        self._order("bye", even_aborted=True)
        journal.remove()

    def _prepare(self, feed: Feed, prefix: str) -> None:
        """Have the dialect prepare for this worker's share. Raises GeneratorError when the master would not wait."""
        mine = arrivals_of(self._plan.schedule.arrivals[feed.own])
        try:
            with gevent.Timeout(_PREPARED_S):
                prepare(self._plan, mine, prefix=prefix, hurry=self.hurry)
        except gevent.Timeout:
            raise GeneratorError(f"its dialect's preparation took more than {_PREPARED_S:g} s") from None

    def _announce(self, announce_s: float) -> None:
        end_s = time.perf_counter() + announce_s
        facts = protocol.facts(self._plan)
        while self._heard_s == math.inf:
            if time.perf_counter() > end_s:
                raise GeneratorError("the master gave no answer")
            self._tell("hello", {"facts": facts, "place": protocol.here()})
            self._changed.wait(HELLO_S)

    def _made(self, feed: Feed, journal: JournalFeed, client: Any, order: dict[str, Any]) -> Driver:
        # The master decides when to end early: it sees all workers.
        limits = replace(
            self._plan.limits,
            in_flight=order["in_flight"],
            rate_per_s=max(1, self._plan.limits.rate_per_s * len(feed.own) // len(self._plan.schedule.due_us)),
            abort_failure_share=math.inf,
            abort_lateness_s=math.inf,
        )
        return Driver(
            schedule=protocol.part_of(self._plan.schedule, feed.own),
            dialect=self._plan.dialect,
            client=client,
            recorder=feed,
            journal=journal,
            limits=limits,
            prefix=order["prefix"],
            forbidden=self._why_not,
        )

    def _send(self, driver: Driver, feed: Feed, journal: JournalFeed, start_s: float | None) -> None:
        if self._aborted:
            driver.abort(self._aborted)
        driver.run(self._hook, lambda sent, planned: self._report(driver, feed, journal), start_s)
        area_us, span_us = driver.area_us
        done = {
            "area_us": area_us,
            "span_us": span_us,
            "cpu_s": driver.cpu_s,
            "elapsed_s": driver.elapsed_s,
            "wall_drift_ms": driver.wall_drift_ms,
            "aborted": driver.aborted,
            "histograms": feed.histograms(),
            "messages": self._n_told,
            "journal": journal.news(),
            "rows": feed.news(),
            **feed.totals(),
        }
        self._tell("done", done)

    def _report(self, driver: Driver, feed: Feed, journal: JournalFeed) -> None:
        """Report what has changed; without a master, end."""
        if self._lease_is_out():
            self.abort(MASTER_LOST)
        state = {
            "sent": feed.n_sent,
            "closed": feed.n_closed,
            "failed": feed.n_failed,
            "behind_s": driver.behind_s(),
            "journal": journal.news(),
        }
        rows = feed.news()
        self._tell_rows("report", {**state, "rows": rows})
        while len(rows["at"]) == protocol.ROWS_A_MESSAGE:
            gevent.sleep(0)
            rows = feed.news()
            self._tell_rows("rows", {"rows": rows})

    def _tell_rows(self, kind: str, data: dict[str, Any]) -> None:
        self._n_told += 1
        self._tell(kind, data)

    def _why_not(self) -> str:
        return MASTER_LOST if self._lease_is_out() else self._forbidden()

    def _lease_is_out(self) -> bool:
        return time.perf_counter() - self._lease_s > LEASE_S

    def _silent_s(self) -> float:
        return time.perf_counter() - self._heard_s

    def _order(self, kind: str, *, even_aborted: bool = False) -> dict[str, Any] | None:
        """Return the master's order when it comes, None when the run is aborted before."""
        while kind not in self._orders:
            if "refuse" in self._orders:
                refused = self._orders["refuse"]
                raise InputError(refused["faults"]) if refused["bad_input"] else GeneratorError(refused["faults"][0])
            if self._aborted and not even_aborted:
                return None
            if self._silent_s() > PATIENCE_S:
                raise GeneratorError(MASTER_LOST)
            self._changed.clear()
            self._changed.wait(HELLO_S)
        return self._orders[kind]
