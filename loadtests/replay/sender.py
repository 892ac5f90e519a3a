"""Sending a plan's requests: what it leaves behind, and how one process does it alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
from gevent.event import Event

from loadtests.dialect.contract import NOT_SENT, UNKNOWN
from loadtests.plan.plan import Plan
from loadtests.plan.preparation import prepare
from loadtests.transport.driver import Driver, Hook, Progress, arrivals_of
from loadtests.transport.interruptible import Interruptible
from loadtests.transport.recorder import NEVER_US, Journal, Recorder

JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Sent:
    """What the sending left behind: every row, and what only the senders themselves could measure.

    ``area_us`` is the integral of the number of requests between sent and ended, over ``span_us``; None where a part
    of it is not known. ``lost`` marks the rows that went down with a worker, their fate unknown. ``flaws`` are reasons
    why the run is invalid, beyond what the rows show.
    """

    recorder: Recorder
    started_utc: datetime
    elapsed_s: float
    cpu_s: float
    wall_drift_ms: float
    area_us: int | None
    span_us: int
    histograms: dict[str, dict[str, str]]
    aborted: str = ""
    failing_share: float | None = None
    flaws: Sequence[str] = ()
    lost: np.ndarray | None = None
    workers: Sequence[dict[str, Any]] = field(default_factory=list)

    def mean_in_flight(self) -> float | None:
        """Return the mean number of requests between sent and ended, over the whole run (Little's N)."""
        return None if self.area_us is None else self.area_us / max(self.span_us, 1)

    def throughput_times_residence(self) -> float:
        """Return X times R of the same run, from its rows: requests a second times their mean time until it ended.

        Those that nobody waited for have spent the time from which on nobody did.
        """
        rows = self.recorder
        sent = rows.sent_us >= 0
        until_us = np.where(rows.closed_us >= 0, rows.closed_us, self.span_us)[sent]
        return float((until_us - rows.sent_us[sent]).sum()) / max(self.span_us, 1)

    def to_judge(self) -> pl.DataFrame:
        """Return the rows by which the target is judged: what went down with a worker is not the target's fault."""
        return self._with_lost(NOT_SENT, lambda rows: pl.lit(NEVER_US))

    def to_reconcile(self) -> pl.DataFrame:
        """Return the rows by which the server's books are judged: what went down with a worker may be in them."""
        return self._with_lost(UNKNOWN, lambda rows: pl.max_horizontal("sent_us", "due_us"))

    def _with_lost(self, outcome: str, sent_us: Callable[[pl.DataFrame], pl.Expr]) -> pl.DataFrame:
        rows = self.recorder.frame()
        if self.lost is None or not self.lost.any():
            return rows
        lost = pl.lit(pl.Series(self.lost))
        return rows.with_columns(
            outcome=pl.when(lost).then(pl.lit(outcome)).otherwise("outcome"),
            sent_us=pl.when(lost).then(sent_us(rows)).otherwise("sent_us").cast(pl.Int64),
        )


class Sender(Protocol):
    """Sends a plan once. ``hurry`` is set when nobody should be waited for any more."""

    hurry: Event

    def prepare(self) -> None:
        """Make sure that the sending can begin.

        Raises InputError when it cannot, GeneratorError when the user did not wait for it; nothing has been sent then.
        """

    def send(self, folder: Path, hook: Hook, progress: Progress) -> Sent:
        """Send everything, wait until what is under way has ended, and return what is left; the journal is in folder.

        ``hook`` is called at the end of each request, where it is sent.
        """

    def abort(self, reason: str) -> None:
        """Send nothing more; what is under way may end. May be called at any time, from a signal handler too."""

    def interrupt(self, reason: str) -> None:
        """Abort; when asked a second time, wait for nothing more. For a user's signals."""

    def close(self) -> None:
        """Release the workers, if any: all that they know has been written."""


class Alone(Interruptible):
    """Sends a plan from this process."""

    def __init__(self, plan: Plan, *, forbidden: Callable[[], str] = lambda: "") -> None:
        super().__init__()
        self._plan, self._forbidden = plan, forbidden
        self._driver: Driver | None = None
        self._aborted = ""

    def prepare(self) -> None:
        """See Sender: have the dialect prepare for all that is sent."""
        plan = self._plan
        prepare(plan, arrivals_of(plan.schedule.arrivals), prefix=plan.prefix, hurry=self.hurry)

    def close(self) -> None:
        """Do nothing: there are no workers."""

    def abort(self, reason: str) -> None:
        """Send nothing more; what is under way may end."""
        self._aborted = self._aborted or reason
        if self._driver is not None:
            self._driver.abort(reason)

    def end_now(self) -> None:
        """Wait for nothing more."""
        if self._driver is not None:
            self._driver.end_now()

    def send(self, folder: Path, hook: Hook, progress: Progress) -> Sent:
        """See Sender."""
        plan = self._plan
        client = plan.client()
        recorder, journal = Recorder(plan.schedule), Journal(folder / JOURNAL)
        driver = Driver(
            schedule=plan.schedule,
            dialect=plan.dialect,
            client=client,
            recorder=recorder,
            journal=journal,
            limits=plan.limits,
            prefix=plan.prefix,
            forbidden=self._forbidden,
        )
        self._driver = driver
        if self._aborted:
            driver.abort(self._aborted)
        try:
            driver.run(hook, progress)
        finally:
            journal.close()
            client.close()
        area_us, span_us = driver.area_us
        return Sent(
            recorder=recorder,
            started_utc=driver.started_utc,
            elapsed_s=driver.elapsed_s,
            cpu_s=driver.cpu_s,
            wall_drift_ms=driver.wall_drift_ms,
            area_us=area_us,
            span_us=span_us,
            histograms=recorder.histograms(),
            aborted=driver.aborted,
            failing_share=driver.failing_share,
        )


def clock(sent: Sent) -> dict[str, Any]:
    """Return when the run began, how long it took, and how far wall clock and monotonic clock drifted apart."""
    info = time.get_clock_info("perf_counter")
    return {
        "source": info.implementation,
        "resolution_ns": info.resolution * 1e9,
        "started_utc": sent.started_utc.isoformat(),
        "elapsed_s": round(sent.elapsed_s, 6),
        "wall_drift_ms": round(sent.wall_drift_ms, 3),
    }
