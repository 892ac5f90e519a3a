"""One row per scheduled request, whatever became of it; the journal of writes; the histograms.

A row begins as not sent and changes only forward, so none is ever lost: planned = the sum of all outcomes, always.
Times are microseconds on the run's own clock, 0 at the moment the first window begins.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path

import numpy as np
import polars as pl
from hdrh.histogram import HdrHistogram

from loadtests.core.faults import LawError
from loadtests.core.redact import REDACTOR
from loadtests.core.schedule import Schedule
from loadtests.dialect.contract import NOT_SENT, OUTCOMES, SHED, UNKNOWN, Outcome
from sim.core.tables import REQUESTS, check

NEVER_US = -1
LONGEST_US = 3_600_000_000
"""The largest time that a histogram can hold; longer ones count as this."""


class Journal:
    """What was about to be sent and what came back, for writes: a JSON line each, handed over before it leaves.

    The system has the line then, and keeps it when this process dies. It is not forced to the disk, so a machine that
    loses its power may lose the last seconds: a disk that takes 10 ms for that would make every write leave late.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("x", encoding="utf-8", buffering=1)
        self.fault = ""
        """Why the system refused a line; none is written from then on, so that only the last may be cut short."""

    def sent(self, idx: int, key: str, body: bytes, due_us: int) -> bool:
        """Note a request that is about to be sent; return whether it is on record. What is not must not leave."""
        digest = hashlib.sha256(body).hexdigest()
        return self._line({"idx": idx, "key": key, "body_sha256": digest, "due_us": due_us})

    def done(self, idx: int, sent_us: int, done_us: int, outcome: Outcome) -> bool:
        """Note how a request ended; return whether that is on record."""
        return self._line(
            {"idx": idx, "sent_us": sent_us, "done_us": done_us, "outcome": outcome.outcome, "id": outcome.server_id}
        )

    def append(self, lines: str) -> bool:
        """Append whole lines, such as those of another journal; return whether they are on record."""
        if not self.fault:
            try:
                self._write(lines)
            except OSError as error:
                self.fault = f"the journal could not be written: {error.strerror}"
        return not self.fault

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # each line has been handed over or refused by now
            self._file.close()

    def _line(self, value: dict[str, object]) -> bool:
        return self.append(REDACTOR.clean(json.dumps(value, separators=(",", ":"))) + "\n")

    def _write(self, line: str) -> None:
        self._file.write(line)


class Recorder:
    """The rows of one run."""

    def __init__(self, schedule: Schedule) -> None:
        n = len(schedule.due_us)
        self._schedule = schedule
        self.due_us = schedule.due_us
        self.sent_us = np.full(n, NEVER_US, dtype=np.int64)
        self.done_us = np.full(n, NEVER_US, dtype=np.int64)
        self.closed_us = np.full(n, NEVER_US, dtype=np.int64)
        self.status = np.zeros(n, dtype=np.int32)
        self.outcome = [NOT_SENT] * n
        self.reason = ["the run ended first"] * n
        self.key = [""] * n
        self.server_id = [""] * n
        self.n_sent = 0
        self.n_closed = 0
        self.n_failed = 0
        self.n_shed = 0
        self.n_refused = 0

    def shed(self, i: int, reason: str) -> None:
        """Note that request ``i`` was due while the in-flight cap was reached."""
        self.outcome[i], self.reason[i] = SHED, reason
        self.n_shed += 1

    def refuse(self, i: int, reason: str) -> None:
        """Note that request ``i`` was not sent, and why."""
        self.reason[i] = reason
        self.n_refused += 1

    def sent(self, i: int, now_us: int, key: str) -> None:
        """Note that request ``i`` leaves now; until it ends its fate is unknown."""
        self.sent_us[i], self.key[i] = now_us, key
        self.outcome[i], self.reason[i] = UNKNOWN, "still under way when the run ended"
        self.n_sent += 1

    def take_back(self, i: int, reason: str) -> None:
        """Take back that request ``i`` was sent: the load generator could not send it."""
        self.sent_us[i], self.key[i] = NEVER_US, ""
        self.outcome[i], self.reason[i] = NOT_SENT, reason
        self.n_sent -= 1
        self.n_refused += 1

    def ended(self, i: int, now_us: int, status: int, outcome: Outcome) -> None:
        """Note how request ``i`` ended; status 0 says that no answer came."""
        self.closed_us[i] = now_us
        if status:
            self.done_us[i] = now_us
        self.status[i] = status
        self.outcome[i], self.reason[i], self.server_id[i] = outcome
        self.n_closed += 1
        self.n_failed += outcome.outcome in ("rejected", "unknown")

    def counts(self) -> dict[str, int]:
        """Return the number of requests by outcome, with the planned number; they must agree.

        Raises LawError when a request was lost.
        """
        found = {name: self.outcome.count(name) for name in OUTCOMES}
        if sum(found.values()) != len(self.due_us):
            raise LawError(f"planned {len(self.due_us)} requests but recorded {found}")
        return {"planned": len(self.due_us), **found}

    def frame(self) -> pl.DataFrame:
        """Return all rows as a table of the schema REQUESTS."""
        arrivals = self._schedule.arrivals
        columns = {
            "idx": arrivals["idx"],
            "endpoint": arrivals["endpoint"],
            "due_us": self.due_us,
            "sent_us": self.sent_us,
            "done_us": self.done_us,
            "status": self.status,
            "outcome": self.outcome,
            "reason": self.reason,
            "key": self.key,
            "server_id": self.server_id,
        }
        return check(pl.DataFrame(columns), REQUESTS, "requests")

    def histograms(self) -> dict[str, dict[str, str]]:
        """Return encoded HdrHistograms (us, 3 digits) of lateness, service and latency by endpoint.

        They can be added up across runs and workers. Service ends when the wait was given up, where no answer came.
        """
        endpoints = self._schedule.arrivals["endpoint"].to_numpy()
        ended = self.closed_us >= 0
        times = {
            "lateness": (self.sent_us >= 0, self.sent_us - self.due_us),
            "service": (ended, self.closed_us - self.sent_us),
            "latency": (ended, self.closed_us - self.due_us),
        }
        return {
            name: {endpoint: encode(values[mask & (endpoints == endpoint)]) for endpoint in self._schedule.counts()}
            for name, (mask, values) in times.items()
        }


def encode(values_us: np.ndarray) -> str:
    """Return an HdrHistogram of times in microseconds, in its own compressed text form."""
    histogram = HdrHistogram(1, LONGEST_US, 3)
    values, counts = np.unique(np.clip(values_us, 1, LONGEST_US), return_counts=True)
    for value, count in zip(values.tolist(), counts.tolist(), strict=True):
        histogram.record_value(value, count)
    return str(histogram.encode().decode())


def merge(encoded: list[str]) -> HdrHistogram:
    """Return the sum of histograms in their text form."""
    total = HdrHistogram(1, LONGEST_US, 3)
    for text in encoded:
        total.decode_and_add(text)
    return total
