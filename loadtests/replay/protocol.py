"""One plan on several workers, as plain functions: which worker sends what, what workers report, how it is merged.

The master alone has the run's folder. Each worker has a copy of the trace and sends the rows of its shard; it reports
its rows as they change, so that little is unknown when it is lost. Reads that ask for what the run has had acknowledged
know what their own worker had acknowledged: each worker reads its own writes back, never those of another.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from loadtests.core.faults import InputError, LawError
from loadtests.core.schedule import SECOND_US, Schedule, in_flight_cap
from loadtests.dialect.contract import NOT_SENT, OUTCOMES, UNKNOWN, Arrival, Dialect, InOrder, Outcome
from loadtests.plan.plan import Plan
from loadtests.transport.recorder import Journal, Recorder, merge

PROTOCOL = 1
ROWS_A_MESSAGE = 2000
Rows = dict[str, list[Any]]


def facts(plan: Plan) -> dict[str, Any]:
    """Return what must be the same on every machine, by the name of the option or file that it comes from."""
    schedule = plan.schedule
    return {
        "arrivals.parquet": schedule.trace.sha256,
        "--window": f"{schedule.start_us}+{schedule.length_us} us",
        "--speedup": schedule.speedup,
        "--host": plan.url,
        "--timeout": f"{plan.limits.timeout_s:g} s",
        "--dialect": f"{Path(plan.dialect_name).name} {_source_sha256(plan.dialect)[:12]}",
        "--accounts": _accounts(plan.dialect),
        "requests": _rows_sha256(schedule),
        "withstand's protocol": PROTOCOL,
    }


def identity(of: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a plan's facts."""
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()


def mismatches(mine: Mapping[str, Any], theirs: Mapping[str, Any], who: str) -> list[str]:
    """Return a sentence for each fact in which a worker differs from the master."""
    return [
        f"{who}: {name}: got {theirs.get(name, 'nothing')}; must be the master's {value}"
        for name, value in mine.items()
        if theirs.get(name) != value
    ]


def _source_sha256(dialect: Dialect) -> str:
    members = getattr(dialect, "members", [dialect])
    source = inspect.getsourcefile(type(members[0]))
    return hashlib.sha256(Path(source).read_bytes() if source else b"").hexdigest()


def _accounts(dialect: Dialect) -> str:
    pool = getattr(dialect, "pool", None)
    return "none" if pool is None else ", ".join(account.name for account in pool.accounts)


def _rows_sha256(schedule: Schedule) -> str:
    rows = np.stack([schedule.arrivals["idx"].to_numpy(), schedule.due_us])
    return hashlib.sha256(np.ascontiguousarray(rows, dtype="<i8").tobytes()).hexdigest()


def deal(schedule: Schedule, n_workers: int, dialect: Dialect) -> np.ndarray:
    """Return the number of the worker, from 0, that sends each row: round robin.

    Where order matters within an account, rows of one lane go to one worker, and the lanes are dealt round robin.
    """
    if not isinstance(dialect, InOrder):
        return np.arange(len(schedule.due_us)) % n_workers
    rows = schedule.arrivals.select("idx", "endpoint", "kind", "customer", "amount", "payload_seed").iter_rows()
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(dialect.lane(Arrival(*row)), len(numbers)) for row in rows]) % n_workers


def part_of(schedule: Schedule, own: np.ndarray) -> Schedule:
    """Return the schedule of the rows at the positions ``own``; its time 0 is that of the whole."""
    return replace(schedule, arrivals=schedule.arrivals[own], due_us=schedule.due_us[own])


def in_flight_shares(plan: Plan, shards: np.ndarray, n_workers: int) -> list[int]:
    """Return each worker's in-flight cap; a cap below peak rate x time-out is split, for it holds for the whole.

    Raises InputError when there is less than one for each.
    """
    limits, schedule = plan.limits, plan.schedule
    if limits.in_flight >= limits.in_flight_wanted:
        parts = [part_of(schedule, np.flatnonzero(shards == k)) for k in range(n_workers)]
        return [max(1, in_flight_cap(part, limits.timeout_s)) for part in parts]
    if limits.in_flight < n_workers:
        raise InputError([f"--in-flight: got {limits.in_flight}; must be at least 1 for each of {n_workers} workers"])
    each, rest = divmod(limits.in_flight, n_workers)
    return [each + (k < rest) for k in range(n_workers)]


@dataclass(frozen=True)
class Offset:
    """How far a worker's clock is ahead of the master's, in seconds, to within ``uncertainty_s`` either way."""

    ahead_s: float
    uncertainty_s: float


def offset(round_trips: Sequence[tuple[float, float, float]]) -> Offset:
    """Return a worker's clock offset from round trips: (sent, the worker's clock, received), in seconds.

    The quickest one counts. The worker read its clock somewhere between sent and received, so the middle is off by at
    most half the round trip, however unlike the two ways were (Cristian, "Probabilistic clock synchronization", 1989).
    """
    sent_s, theirs_s, received_s = min(round_trips, key=lambda trip: trip[2] - trip[0])
    return Offset(theirs_s - (sent_s + received_s) / 2, (received_s - sent_s) / 2)


def here() -> dict[str, Any]:
    """Return where this process runs: host, process id, and the boot and process namespace that give it meaning."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        boot = space = ""
    return {"host": platform.node(), "pid": os.getpid(), "space": f"{boot} {space}".strip()}


def is_dead(place: Mapping[str, Any]) -> bool:
    """Return whether the process is certainly dead: only of one that runs beside this one can that be said."""
    if not place["space"] or place["space"] != here()["space"]:
        return False
    try:
        stat = Path(f"/proc/{place['pid']}/stat").read_text()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in "ZX"


class Feed(Recorder):
    """A worker's rows, which remembers what has changed since the last report."""

    def __init__(self, schedule: Schedule, own: np.ndarray) -> None:
        super().__init__(schedule)
        self.own = own
        self._fresh: dict[int, None] = {}

    def shed(self, i: int, reason: str) -> None:
        """See Recorder."""
        super().shed(i, reason)
        self._fresh[i] = None

    def refuse(self, i: int, reason: str) -> None:
        """See Recorder."""
        super().refuse(i, reason)
        self._fresh[i] = None

    def sent(self, i: int, now_us: int, key: str) -> None:
        """See Recorder."""
        super().sent(i, now_us, key)
        self._fresh[i] = None

    def take_back(self, i: int, reason: str) -> None:
        """See Recorder."""
        super().take_back(i, reason)
        self._fresh[i] = None

    def ended(self, i: int, now_us: int, status: int, outcome: Outcome) -> None:
        """See Recorder."""
        super().ended(i, now_us, status, outcome)
        self._fresh[i] = None

    def news(self) -> Rows:
        """Return rows that have changed, by their position in the whole schedule; none when all have been reported."""
        chosen = list(self._fresh)[:ROWS_A_MESSAGE]
        for i in chosen:
            del self._fresh[i]
        at = np.array(chosen, dtype=np.int64)
        return {
            "at": self.own[at].tolist(),
            "sent_us": self.sent_us[at].tolist(),
            "closed_us": self.closed_us[at].tolist(),
            "status": self.status[at].tolist(),
            "outcome": [OUTCOMES.index(self.outcome[i]) for i in chosen],
            "reason": [self.reason[i] for i in chosen],
            "key": [self.key[i] for i in chosen],
            "server_id": [self.server_id[i] for i in chosen],
        }

    def totals(self) -> dict[str, Any]:
        """Return the counts and the requests sent in each second since the start, by which the rows are checked."""
        sent = self.sent_us[self.sent_us >= 0]
        return {"counts": self.counts(), "sent_per_second": np.bincount(sent // SECOND_US).tolist()}


class JournalFeed(Journal):
    """A worker's own journal, on its own disk; remembers what it has not yet reported."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        super().__init__(path)
        self.path = path
        self._fresh: list[str] = []

    def news(self) -> str:
        """Return the lines that have not been reported."""
        lines, self._fresh = "".join(self._fresh), []
        return lines

    def remove(self) -> None:
        """Delete the file, when the master has all of it; and the folder after the last one."""
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.path.parent.rmdir()

    def remove_empty(self) -> None:
        """Delete the file when nothing was written."""
        if not self.path.stat().st_size:
            self.remove()

    def _write(self, line: str) -> None:
        super()._write(line)
        self._fresh.append(line)


class MergedRows(Recorder):
    """All rows of a run, merged from the reports of its workers; each row belongs to one worker."""

    def __init__(self, schedule: Schedule, shards: np.ndarray) -> None:
        super().__init__(schedule)
        self.shards = shards
        self.told = np.zeros(len(shards), dtype=bool)
        self.lost = np.zeros(len(shards), dtype=bool)

    def own(self, worker: int) -> np.ndarray:
        """Return the positions of a worker's rows."""
        return np.flatnonzero(self.shards == worker)

    def take(self, worker: int, rows: Rows) -> None:
        """Take over rows as their worker reported them. Raises LawError when one is not its own, or goes back."""
        at = np.array(rows["at"], dtype=np.int64)
        if np.any(self.shards[at] != worker):
            raise LawError(f"worker {worker} reported rows that another one sends")
        if np.any(self.closed_us[at] >= 0):
            raise LawError(f"worker {worker} reported the end of a row twice")
        self.told[at] = True
        self.sent_us[at], self.closed_us[at], self.status[at] = rows["sent_us"], rows["closed_us"], rows["status"]
        self.done_us[at] = np.where(self.status[at] > 0, self.closed_us[at], self.done_us[at])
        columns = (rows[name] for name in ("at", "outcome", "reason", "key", "server_id"))
        for i, outcome, reason, key, server_id in zip(*columns, strict=True):
            self.outcome[i], self.reason[i] = OUTCOMES[outcome], reason
            self.key[i], self.server_id[i] = key, server_id

    def must_agree(self, worker: int, totals: Mapping[str, Any]) -> None:
        """Raise LawError unless a worker's rows add up to what it counted itself."""
        own = self.own(worker)
        found = dict.fromkeys(OUTCOMES, 0)
        for i in own:
            found[self.outcome[i]] += 1
        sent = self.sent_us[own]
        per_second = np.bincount(sent[sent >= 0] // SECOND_US).tolist()
        if {"planned": len(own), **found} != totals["counts"] or per_second != totals["sent_per_second"]:
            raise LawError(f"worker {worker} counted {totals['counts']} but reported {found}")

    def lose(self, worker: int, until_us: int, written: Mapping[int, Mapping[str, Any]] | None) -> None:
        """Settle the rows of a worker that was lost: what it cannot have sent, and what is of unknown fate.

        After ``until_us`` it sent nothing. ``written`` holds what its journal says by position, when it could be read:
        a write without a line there did not leave, for a line is written before its request leaves.
        """
        endpoints = self._schedule.arrivals["endpoint"]
        for i in self.own(worker).tolist():
            line = (written or {}).get(i)
            if line and "outcome" in line and self.closed_us[i] < 0:
                self._settle(i, line)
            elif self.sent_us[i] >= 0 and self.closed_us[i] < 0:
                self._lose(i, f"worker {worker} was lost before it reported how this ended")
            elif not self.told[i] and (line or self._may_have_left(i, endpoints[i], until_us, written)):
                self.key[i] = str(line["key"]) if line else ""
                self._lose(i, f"worker {worker} was lost, and may have sent this")
            elif not self.told[i]:
                self.reason[i] = f"worker {worker} was lost"

    def _may_have_left(self, i: int, endpoint: str, until_us: int, written: object) -> bool:
        journalled = written is not None and endpoint in ("withdrawal", "ticket")
        return not journalled and int(self.due_us[i]) <= until_us

    def _lose(self, i: int, reason: str) -> None:
        self.lost[i] = True
        self.outcome[i], self.reason[i] = UNKNOWN, reason

    def _settle(self, i: int, line: Mapping[str, Any]) -> None:
        """Take over the end of a write from its journal, which does not hold the status or the reason."""
        self.sent_us[i], self.closed_us[i] = line["sent_us"], line["done_us"]
        if line["outcome"] != UNKNOWN:
            self.done_us[i] = line["done_us"]
        self.key[i], self.server_id[i] = line["key"], line["id"]
        self.outcome[i], self.reason[i] = line["outcome"], "" if line["outcome"] == "acknowledged" else "see journal"

    def finish(self) -> None:
        """Count what was sent, now that no row changes any more."""
        self.n_sent = int(np.count_nonzero(self.sent_us >= 0))

    def unsent(self, worker: int) -> dict[str, Any]:
        """Return which rows of a worker were certainly not sent, and which are of unknown fate, as stretches."""
        own, idx = self.own(worker), self._schedule.arrivals["idx"].to_numpy()
        lost = self.lost[own]
        not_sent = np.array([self.outcome[i] == NOT_SENT for i in own], dtype=bool)
        return {"not_sent": stretches(idx[own], not_sent), "unknown_fate": stretches(idx[own], lost)}


def stretches(idx: np.ndarray, marked: np.ndarray) -> list[dict[str, int]]:
    """Return the marked rows as stretches without a gap in a worker's own order: first and last idx, and how many."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], marked.astype(np.int8), [0]))))
    return [
        {"first_idx": int(idx[begin]), "last_idx": int(idx[end - 1]), "count": int(end - begin)}
        for begin, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def told(found: Sequence[Mapping[str, int]], most: int = 3) -> str:
    """Return stretches in words: how many, and where the first of them lie."""
    parts = [f"idx {one['first_idx']} to {one['last_idx']}" for one in found[:most]]
    parts += ["and more"] * (len(found) > most)
    return f"{sum(one['count'] for one in found)}" + (f" ({', '.join(parts)})" if parts else "")


def journalled(text: str, idx: np.ndarray) -> dict[int, dict[str, Any]]:
    """Return what a journal says of each row, by its position among the rising ``idx``.

    A line cut short at the end of the file says nothing.
    """
    rows: dict[int, dict[str, Any]] = {}
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            continue
        rows.setdefault(int(np.searchsorted(idx, value["idx"])), {}).update(value)
    return rows


def merged(parts: Sequence[Mapping[str, Mapping[str, str]]]) -> dict[str, dict[str, str]]:
    """Return the sums of workers' histograms by kind and endpoint, in their text form."""
    names = {kind: sorted({name for part in parts for name in part[kind]}) for kind in parts[0]}
    return {
        kind: {name: merge([part[kind][name] for part in parts if name in part[kind]]).encode().decode() for name in of}
        for kind, of in names.items()
    }
