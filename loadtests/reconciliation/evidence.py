"""What a run leaves in its folder so that it can be reconciled: at its end, or later, also when it crashed.

``start.json``: what was tested, under which prefix, and what the server held before. ``asked*.parquet``: what each
write asks for. ``journal*.jsonl``: what was about to be sent and what came back. ``sightings.jsonl``: what was read on
the way. All of it is on disk before the first request leaves, or as it happens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

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
    Withdrawal,
)
from loadtests.reconciliation import checks
from loadtests.reconciliation.observations import Observations, replay
from loadtests.reconciliation.poller import UNREADABLE
from loadtests.verdict.files import without_secrets, write_json
from sim.core.tables import REQUESTS, dtypes

START, ASKED, JOURNAL = "start.json", "asked*.parquet", "journal*.jsonl"
SIGHTINGS, RESULT = "sightings.jsonl", "reconcile.json"
_DAMAGED = (OSError, ValueError, KeyError, TypeError, InvalidOperation, pl.exceptions.PolarsError)
_RANKS = (ACKNOWLEDGED, UNKNOWN, RATE_LIMITED, REJECTED)
_ASKED_COLUMNS = dict.fromkeys(("endpoint", "key", "currency", "address", "amount"), pl.String)


@dataclass(frozen=True)
class Books:
    """What is known of one run, without its server."""

    start: Mapping[str, Any]
    requests: pl.DataFrame
    asked: Mapping[str, Withdrawal]
    before: Holdings | None
    seen: Observations


def begin(folder: Path, *, start: Mapping[str, Any], before: Holdings | None) -> None:
    """Write ``start.json``: ``start``, a plan's identity, and what the server held before the run."""
    held = None if before is None else before._asdict() | {"withdrawals": [], "tickets": []}
    write_json(folder / START, {**start, "started_utc": datetime.now(UTC).isoformat(), "before": held})


def note_asked(folder: Path, dialect: Dialect, arrivals: Iterable[Arrival], prefix: str) -> dict[str, Withdrawal]:
    """Write one more ``asked*.parquet``, and return what each withdrawal's key asks for.

    Raises InputError when the dialect cannot say it.
    """
    found: list[tuple[Arrival, Withdrawal | None]] = []
    try:
        for arrival in arrivals:
            if arrival.endpoint in WRITES:
                money = arrival.endpoint == "withdrawal"
                found.append((arrival, dialect.withdrawal(arrival, prefix) if money else None))
    except Exception as error:  # a dialect may be a user's file
        fault = f"--dialect: got one whose withdrawal() failed ({type(error).__name__}: {error})"
        raise InputError([f"{fault}; must say what each withdrawal asks for"]) from None
    table = [
        (arrival.idx, arrival.endpoint, *((one.key, one.currency, one.address, str(one.amount)) if one else [""] * 4))
        for arrival, one in found
    ]
    n = len(list(folder.glob(ASKED)))
    path = folder / ASKED.replace("*", f"-{n}" if n else "")
    asked = pl.DataFrame(table, schema={"idx": pl.Int64, **_ASKED_COLUMNS}, orient="row")
    without_secrets(asked).write_parquet(path)
    return {one.key: one for _, one in found if one is not None}


def read_books(folder: Path) -> Books:
    """Return what a run left in ``folder``, whether it ended or not.

    Raises InputError when something is missing or damaged; only the last line of a journal may be cut short.
    """
    try:
        start = json.loads((folder / START).read_text(encoding="utf-8"))
        table = pl.concat([pl.read_parquet(path) for path in sorted(folder.glob(ASKED))])
        asked = {
            row["key"]: Withdrawal(row["key"], row["currency"], row["address"], Decimal(row["amount"]))
            for row in table.filter(pl.col("endpoint") == "withdrawal").iter_rows(named=True)
        }
        requests = _requests(folder, dict(table.select("idx", "endpoint").iter_rows()))
        path = folder / SIGHTINGS
        seen = replay(_lines(path) if path.exists() else (), path)
        return Books(start, requests, asked, _held_before(start["before"]), seen)
    except _DAMAGED as error:
        told = f"{type(error).__name__}: {error}"
        rule = "must be the folder of a load test that was reconciled or could have been, also NAME.part of one"
        raise InputError([f"FOLDER: got {folder}, which cannot be read ({told}); {rule}"]) from None


def settle(
    books: Books, dialect: Dialect, send: Send, pause: Callable[[float], None], *, patience_s: float = 0.0
) -> tuple[dict[str, Any], Holdings | None]:
    """Return the reconciliation of a run with what the server holds now, and that, None where it cannot be read.

    A server that cannot be read is asked again every second for ``patience_s``: it may be coming back.
    """
    prefix, waited_s = str(books.start["key_prefix"]), 0.0
    rows = books.requests.filter((pl.col("endpoint") == "withdrawal") & (pl.col("server_id") != ""))
    acknowledged = dict(rows.select("server_id", "key").iter_rows())
    while True:
        try:
            held = checks.read_holdings(dialect, send, prefix, pause, acknowledged)
            break
        except UNREADABLE as error:
            if waited_s >= patience_s:
                told = f"the server could not be read after the run: {error}"
                return _signed(checks.not_done(told, passed=False), books.start), None
        pause(1.0)
        waited_s += 1.0
    if held is None:
        told = "this dialect cannot read what the server holds"
        return _signed(checks.not_done(told, passed=True), books.start), None
    evidence = checks.StoredEvidence(books.requests, books.asked, held, books.before, books.seen)
    return _signed(checks.reconcile(evidence), books.start), held


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


def _requests(folder: Path, endpoints: Mapping[int, str]) -> pl.DataFrame:
    """Return the writes in the folder's journals as a table of the schema REQUESTS, a row for each key.

    A key that was sent more than once was acknowledged if one of its requests was, and is unknown if one has no end.
    """
    sent: dict[int, list[dict[str, Any]]] = {}
    ended: dict[int, list[dict[str, Any]]] = {}
    journals = sorted(folder.glob(JOURNAL))
    if not journals:
        raise FileNotFoundError("there is no journal")
    for line in (line for path in journals for line in _lines(path)):
        (sent if "key" in line else ended).setdefault(line["idx"], []).append(line)
    rows = [_row(endpoints[idx], lines, ended.get(idx, [])) for idx, lines in sent.items()]
    return pl.DataFrame(rows, schema=dtypes(REQUESTS), orient="row")


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
