"""What the checks share: the run's rows by key, what was asked for, and the form of a check's result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from loadtests.dialect.contract import Holdings, Ticket, Withdrawal
from loadtests.dialect.reads import contents, differences
from loadtests.reconciliation.observations import Observations

EXAMPLES = 5


class Row(NamedTuple):
    """What the checks need of one write's row in the run's table."""

    outcome: str
    server_id: str
    done_us: int


Rows = Mapping[str, Row]


class Asked(NamedTuple):
    """What the run's writes ask for, by key."""

    withdrawals: dict[str, Withdrawal]
    tickets: dict[str, Ticket]


class StoredEvidence(NamedTuple):
    """The input of a reconciliation.

    ``requests`` is the run's table of the schema REQUESTS, ``asked`` what each write's key asked for, ``held`` and
    ``before`` what the server held after and before the run, ``seen`` what was read on the way. ``promise_us`` is the
    time within which an acknowledged withdrawal must have ended, None without a promise; ``read_us`` is when ``held``
    was read, on the run's own clock.
    """

    requests: pl.DataFrame
    asked: Asked
    held: Holdings
    before: Holdings | None
    seen: Observations
    promise_us: int | None = None
    read_us: int = 0


def rows_of(requests: pl.DataFrame, endpoint: str) -> Rows:
    """Return the sent requests of an endpoint that writes, by their key."""
    sent = requests.filter((pl.col("endpoint") == endpoint) & (pl.col("sent_us") >= 0))
    return {key: Row(*rest) for key, *rest in sent.select("key", *Row._fields).iter_rows()}


def with_outcome(rows: Rows, outcome: str) -> list[str]:
    """Return the keys of the rows that ended so."""
    return [key for key, row in rows.items() if row.outcome == outcome]


def keys_of(held: Sequence[Withdrawal] | Sequence[Ticket]) -> Counter[str]:
    """Return how often each key is held."""
    return Counter(thing.key for thing in held)


class Compared(NamedTuple):
    """Records compared with what was asked for: what is wrong, and the names of what could not be compared."""

    wrong: list[str]
    not_compared: list[str]


def compare(
    keys: Iterable[str],
    asked: Mapping[str, Withdrawal] | Mapping[str, Ticket],
    held: Sequence[Withdrawal] | Sequence[Ticket],
    rows: Rows,
) -> Compared:
    """Return what is wrong with acknowledged records: lost, twice, under another id, or of other contents."""
    found, by_key = keys_of(held), {one.key: one for one in held}
    wrong, untold = [], set[str]()
    for key in keys:
        one = by_key.get(key)
        if one is None or found[key] != 1:
            wrong.append(f"{key}: is there {found[key]} times")
            continue
        mine = contents(asked[key]) if key in asked else {}
        theirs = contents(one)
        untold |= mine.keys() - theirs.keys()
        faults = differences(mine, theirs)
        if one.server_id != rows[key].server_id:
            faults.append(f"id {one.server_id}, not {rows[key].server_id}")
        if faults:
            wrong.append(f"{key}: {', '.join(faults)}")
    return Compared(wrong, sorted(untold))


def checked(
    name: str, what: str, count: int, wrong: Sequence[str], reason: str = "", *, not_compared: Sequence[str] = ()
) -> dict[str, Any]:
    """Return one check; with a ``reason`` and nothing wrong it is not checked, and not passed, nor is one of nothing.

    ``not_compared`` names what was sent and cannot be compared, since the API does not return it.
    """
    reason = reason or ("" if count else "there was nothing to check")
    unchecked = bool(reason) and not wrong
    return {
        "name": name,
        "what": what,
        "passed": None if unchecked else not wrong,
        "reason": reason if unchecked else "",
        "count": count,
        "n_wrong": len(wrong),
        "examples": list(wrong[:EXAMPLES]),
        "not_compared": list(not_compared),
    }
