"""What a run leaves in its folder so that it can be reconciled: at its end, or later, also when it crashed.

``start.json``: what was tested, when, under which prefix, what was promised, and what the server held before.
``asked*.parquet``: what each write asks for. ``journal*.jsonl``: what was about to be sent and what came back.
``sightings.jsonl``: what was read on the way. All of it is on disk before the first request leaves, or as it happens;
``requests.parquet``, which has the reads too, is there when the run has ended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from loadtests.core.exits import FAILED, PASSED
from loadtests.core.faults import InputError
from loadtests.dialect.contract import (
    ACKNOWLEDGED,
    RATE_LIMITED,
    REJECTED,
    UNKNOWN,
    WRITES,
    Arrival,
    Dialect,
    Holdings,
    Send,
    Submitting,
    Ticket,
    Withdrawal,
)
from loadtests.dialect.exact import exact
from loadtests.reconciliation import checks
from loadtests.reconciliation.check import Asked, StoredEvidence
from loadtests.reconciliation.observations import Observations, replay
from loadtests.transport.reader import why_unread
from loadtests.verdict.files import without_secrets, write_json
from sim.core.tables import REQUESTS, dtypes, read

START, ASKED, JOURNAL = "start.json", "asked*.parquet", "journal*.jsonl"
SIGHTINGS, RESULT, REQUESTS_FILE, LOST = "sightings.jsonl", "reconcile.json", "requests.parquet", "journal-lost.jsonl"
_BACK_S = 3600.0
_UNSURE_S = 60.0
"""How much later than noted the sending of a run may have begun that did not live to note it."""
_DAMAGED = (OSError, ValueError, KeyError, TypeError, InvalidOperation, pl.exceptions.PolarsError)
_RANKS = (ACKNOWLEDGED, UNKNOWN, RATE_LIMITED, REJECTED)
_ASKED_COLUMNS = dict.fromkeys(("endpoint", "key", "currency", "address", "amount", "fields"), pl.String)


@dataclass(frozen=True)
class Books:
    """What is known of one run, without its server."""

    start: Mapping[str, Any]
    requests: pl.DataFrame
    asked: Asked
    before: Holdings | None
    seen: Observations


def begin(
    folder: Path,
    *,
    start: Mapping[str, Any],
    before: Holdings | None,
    dialect: Dialect,
    promise_ms: int | None = None,
    by_workers: bool = False,
) -> dict[str, Any]:
    """Write ``start.json``, and return it: ``start``, a plan's identity, and what the server held before the run.

    ``promise_ms`` is the time within which withdrawals are promised to end; ``by_workers``: others than this process
    send, so that a crash may leave writes of which no journal here knows.
    """
    held = None if before is None else before._asdict() | {"withdrawals": [], "tickets": []}
    known = {
        **start,
        "started_utc": datetime.now(UTC).isoformat(),
        "sending_utc": None,
        "since_ms": getattr(dialect, "since_ms", None),
        "promise_ms": promise_ms,
        "by_workers": by_workers,
        "before": held,
    }
    write_json(folder / START, known)
    return known


def started(start: Mapping[str, Any], sending: datetime) -> dict[str, Any]:
    """Return a run's start with the moment at which its sending began."""
    return {**start, "sending_utc": sending.isoformat()}


def note_sent(folder: Path, start: Mapping[str, Any], *, requests: pl.DataFrame, lost: np.ndarray | None) -> None:
    """Write the start anew, now that the sending began, and the writes that went down with a worker.

    ``requests`` is the run's table, ``lost`` marks its rows that may have been sent.
    """
    write_json(folder / START, start)
    if lost is not None and lost.any():
        rows = requests.filter(pl.lit(pl.Series(lost)) & pl.col("endpoint").is_in(WRITES) & (pl.col("key") != ""))
        lines = rows.select("idx", "key", "due_us").iter_rows(named=True)
        (folder / LOST).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def note_asked(folder: Path, dialect: Dialect, arrivals: Iterable[Arrival], prefix: str) -> Asked:
    """Write one more ``asked*.parquet``, and return what each write's key asks for, as it was written.

    Secrets are taken out of both, as they are taken out of every answer, so that what is compared is alike. Raises
    InputError when the dialect cannot say it.
    """
    table = []
    try:
        for arrival in arrivals:
            if arrival.endpoint == "withdrawal":
                one = exact(dialect.withdrawal(arrival, prefix))
                sent = (one.key, one.currency, one.address, str(one.amount), json.dumps(dict(one.fields)))
                table.append((arrival.idx, arrival.endpoint, *sent))
            elif arrival.endpoint in WRITES:
                ticket = exact(dialect.ticket(arrival, prefix)) if isinstance(dialect, Submitting) else Ticket("", "")
                table.append((arrival.idx, arrival.endpoint, ticket.key, "", "", "", json.dumps(dict(ticket.fields))))
    except Exception as error:  # a dialect may be a user's file
        fault = f"--dialect: got one whose withdrawal() or ticket() failed ({type(error).__name__}: {error})"
        raise InputError([f"{fault}; must say what each write asks for"]) from None
    n = len(list(folder.glob(ASKED)))
    path = folder / ASKED.replace("*", f"-{n}" if n else "")
    frame = without_secrets(pl.DataFrame(table, schema={"idx": pl.Int64, **_ASKED_COLUMNS}, orient="row"))
    frame.write_parquet(path)
    return _asked(frame)


def read_books(folder: Path) -> Books:
    """Return what a run left in ``folder``, whether it ended or not.

    Raises InputError when something is missing or damaged; only the last line of a journal may be cut short.
    """
    try:
        start = json.loads((folder / START).read_text(encoding="utf-8"))
        table = pl.concat([pl.read_parquet(path) for path in sorted(folder.glob(ASKED))])
        path = folder / SIGHTINGS
        seen = replay(_lines(path) if path.exists() else (), path)
        return Books(start, _requests(folder, start, table), _asked(table), _held_before(start["before"]), seen)
    except _DAMAGED as error:
        told = f"{type(error).__name__}: {error}"
        rule = "must be the folder of a load test that was reconciled or could have been, also NAME.part of one"
        raise InputError([f"FOLDER: got {folder}, which cannot be read ({told}); {rule}"]) from None


def _asked(table: pl.DataFrame) -> Asked:
    asked = Asked({}, {})
    for row in table.iter_rows(named=True):
        key, fields = row["key"], json.loads(row["fields"])
        if row["endpoint"] == "withdrawal":
            amount = Decimal(row["amount"])
            asked.withdrawals[key] = Withdrawal(key, row["currency"], row["address"], amount, fields=fields)
        elif key:
            asked.tickets[key] = Ticket(key, "", fields=fields)
    return asked


def settle(
    books: Books, dialect: Dialect, send: Send, pause: Callable[[float], None], *, patience_s: float = 0.0
) -> dict[str, Any]:
    """Return the reconciliation of a run with what the server holds now.

    A server that cannot be read is asked again every second for ``patience_s``: it may be coming back.
    """
    prefix, waited_s, start = str(books.start["key_prefix"]), 0.0, books.start
    if hasattr(dialect, "since_ms"):
        dialect.since_ms = _since_ms(start)
    rows = books.requests.filter((pl.col("endpoint") == "withdrawal") & (pl.col("server_id") != ""))
    acknowledged = dict(rows.select("server_id", "key").iter_rows())
    while True:
        now = datetime.now(UTC)
        try:
            held = checks.read_holdings(dialect, send, prefix, pause, acknowledged)
            break
        except Exception as error:  # a dialect may be a user's file
            if waited_s >= patience_s:
                told = f"the server could not be read after the run: {why_unread(error)}"
                return _signed(checks.not_done(told, passed=False), start)
        pause(1.0)
        waited_s += 1.0
    if held is None:
        told = "this dialect cannot read what the server holds"
        return _signed(checks.not_done(told, passed=True), start)
    promise_us = None if start.get("promise_ms") is None else round(start["promise_ms"]) * 1000
    evidence = StoredEvidence(
        *(books.requests, books.asked, held, books.before, books.seen),
        promise_us=promise_us,
        read_us=round((now - _sending(start)) / timedelta(microseconds=1)),
    )
    return _signed(checks.reconcile(evidence), start)


def _sending(start: Mapping[str, Any]) -> datetime:
    """Return when the run's own clock was 0, or rather a little later."""
    if start.get("sending_utc"):
        return datetime.fromisoformat(start["sending_utc"])
    return datetime.fromisoformat(start["started_utc"]) + timedelta(seconds=_UNSURE_S)


def _since_ms(start: Mapping[str, Any]) -> int:
    """Return from when the run read the server's history, whenever it is read again."""
    if start.get("since_ms") is not None:
        return int(start["since_ms"])
    return round((datetime.fromisoformat(start["started_utc"]).timestamp() - _BACK_S) * 1000)


def _signed(found: dict[str, Any], start: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result with its exit code and the identity of its load test."""
    code = PASSED if found["passed"] else FAILED
    whose = {name: start.get(name) for name in ("scenario", "dialect", "host", "key_prefix")}
    return {**found, "exit_code": code, "run": whose, "read_utc": datetime.now(UTC).isoformat()}


def _held_before(values: Mapping[str, Any] | None) -> Holdings | None:
    if values is None:
        return None
    sums = {
        name: None if values[name] is None else {currency: Decimal(text) for currency, text in values[name].items()}
        for name in ("balances", "spent_by_others")
    }
    counts = {name: values[name] for name in ("open_tickets", "open_of_others", "overdrawn")}
    return Holdings([], [], **sums, **counts)  # type: ignore[arg-type]


def _requests(folder: Path, start: Mapping[str, Any], asked: pl.DataFrame) -> pl.DataFrame:
    """Return the writes in the folder's journals as a table of the schema REQUESTS, a row for each key; and the reads.

    A key that was sent more than once was acknowledged if one of its requests was, and is unknown if one has no end.
    """
    sent: dict[int, list[dict[str, Any]]] = {}
    ended: dict[int, list[dict[str, Any]]] = {}
    journals = sorted(folder.glob(JOURNAL))
    if not journals:
        raise FileNotFoundError("there is no journal")
    for line in (line for path in journals for line in _lines(path)):
        (sent if "key" in line else ended).setdefault(line["idx"], []).append(line)
    if start.get("by_workers") and not start.get("sending_utc"):  # the master died: a worker may have sent anything
        for idx, key in asked.filter(pl.col("key") != "").select("idx", "key").iter_rows():
            sent.setdefault(idx, [{"idx": idx, "key": key, "due_us": 0}])
    endpoints = dict(asked.select("idx", "endpoint").iter_rows())
    rows = [_row(endpoints[idx], lines, ended.get(idx, [])) for idx, lines in sent.items()]
    table = pl.DataFrame(rows, schema=dtypes(REQUESTS), orient="row")
    path = folder / REQUESTS_FILE
    if not path.exists():
        return table
    return pl.concat([table, read(path, REQUESTS).filter(~pl.col("endpoint").is_in(WRITES))])


def _row(endpoint: str, sent: Sequence[Mapping[str, Any]], ended: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    first = sent[0]
    no_end = {"sent_us": max(first["due_us"], 0), "done_us": -1, "outcome": UNKNOWN, "id": ""}
    fates = [*ended, *[no_end] * (len(ended) < len(sent))]
    best = min(fates, key=lambda one: _RANKS.index(one["outcome"]))
    reason = "the journal ends first" if best is no_end else ""
    return (
        *(first["idx"], endpoint, first["due_us"], best["sent_us"], best["done_us"], 0),
        *(best["outcome"], reason, first["key"], best["id"]),
    )


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the JSON lines of a file whose last one may be cut short."""
    lines = path.read_text(encoding="utf-8").split("\n")
    for line in lines[:-1]:
        yield json.loads(line)
