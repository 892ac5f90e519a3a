"""The checks of the run's own reads: R1 to R4, by what each answer showed of what had been acknowledged before it.

R1 a read of an acknowledged record finds it. R2 it shows the one that was asked for, as agreed. R3 what later reads
show of a record never goes back: a status that was shown, or is held at the end, never comes before an earlier one, and
a final one never changes. R4 a login is answered with a token of the account that logs in.

Reads overlap: one comes after another when it was sent after the other's answer was there. ``key`` of a read's row is
what it asked for, ``server_id`` what it showed (``loadtests.dialect.reads``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import polars as pl

from loadtests.dialect.contract import ACKNOWLEDGED, WRITES, Holdings, Ticket, Withdrawal
from loadtests.dialect.reads import Read, brief, contents, differences, read_of
from loadtests.reconciliation.check import Asked, checked

_GONE = (404, 410)
_OR = ", or did not live to note them"
_AT_THE_END_US = 2**62
_READS = {"withdrawal_status": "withdrawal", "ticket_view": "ticket"}


class Record(NamedTuple):
    """An acknowledged record: its key, the server's id, and when that was known."""

    key: str
    server_id: str
    done_us: int


class Sight(NamedTuple):
    """What one read showed, and when it was asked and answered."""

    sent_us: int
    done_us: int
    read: Read


class Told(NamedTuple):
    """What all reads together tell: how many could be judged by each check, and what was wrong."""

    n_found: int
    lost: list[str]
    n_shown: int
    other: list[str]
    sights: dict[str, list[Sight]]


def read_checks(requests: pl.DataFrame, asked: Asked, held: Holdings) -> list[dict[str, Any]]:
    """Return R1 to R4."""
    told, last = _told(requests, {**asked.withdrawals, **asked.tickets}), _held_sights(held)
    sights = {key: of + last.get(key, []) for key, of in told.sights.items()}
    back = [fault for key, of in sights.items() for fault in _back(key, of)]
    n_again = sum(len(of) > 1 for of in sights.values())
    n_login, strangers = _logins(requests)
    sent = set(requests["endpoint"].unique())
    none = (
        "the dialect's reads do not tell what they show"
        if sent & _READS.keys()
        else "the run sent no reads, or did not live to note them"
    )
    no_more = "no record was read more than once" if told.n_shown else none
    no_login = (
        "the answers do not tell whose login it is"
        if "login" in sent
        else "the run sent no logins, or did not live to note them"
    )
    what = "reads show the record that was asked for, as agreed"
    return [
        checked("R1", "reads find what was acknowledged", told.n_found, told.lost, "" if told.n_found else none),
        checked("R2", what, told.n_shown, told.other, "" if told.n_shown else none),
        checked("R3", "what reads show never goes back", n_again, back, "" if n_again else no_more),
        checked("R4", "logins are answered for their own account", n_login, strangers, "" if n_login else no_login),
    ]


def _told(requests: pl.DataFrame, wanted: Mapping[str, Withdrawal | Ticket]) -> Told:
    lost, other, n_found, n_shown = [], [], 0, 0
    sights: dict[str, list[Sight]] = defaultdict(list)
    for row, record in _reads(requests):
        endpoint, gone = row["endpoint"], row["status"] in _GONE
        if not gone and not row["server_id"]:
            continue  # it does not tell
        shown = None if gone else read_of(row["server_id"])
        n_found += 1
        if not isinstance(shown, Read):
            lost.append(f"{record.key}: a {endpoint} found nothing, status {row['status']}")
            continue
        n_shown += 1
        if faults := _faults(shown, record, wanted):
            other.append(f"{record.key}: a {endpoint} showed {', '.join(faults)}")
        else:
            sights[record.key].append(Sight(row["sent_us"], row["done_us"], shown))
    return Told(n_found, lost, n_shown, other, sights)


def _logins(requests: pl.DataFrame) -> tuple[int, list[str]]:
    """Return how many logins tell whose they are, and those that are another's than asked for."""
    told = (pl.col("endpoint") == "login") & (pl.col("outcome") == ACKNOWLEDGED) & (pl.col("server_id") != "")
    pairs = [(key, read_of(line)) for key, line in requests.filter(told).select("key", "server_id").iter_rows()]
    wrong = [f"account {mine}: the token is of account {theirs}" for mine, theirs in pairs if mine != theirs]
    return len(pairs), wrong


def _reads(requests: pl.DataFrame) -> Iterator[tuple[dict[str, Any], Record]]:
    """Yield each answered read of a record that had been acknowledged before, with that record."""
    known: dict[tuple[str, str], list[Record]] = defaultdict(list)
    writes = requests.filter(pl.col("endpoint").is_in(WRITES) & (pl.col("outcome") == ACKNOWLEDGED))
    for row in writes.iter_rows(named=True):
        record = Record(row["key"], row["server_id"], row["done_us"])
        for name in {record.key, record.server_id}:
            known[row["endpoint"], name].append(record)
    answered = (pl.col("outcome") == ACKNOWLEDGED) | pl.col("status").is_in(_GONE)
    reads = requests.filter(pl.col("endpoint").is_in(list(_READS)) & answered & (pl.col("key") != ""))
    for row in reads.iter_rows(named=True):
        records = known.get((_READS[row["endpoint"]], row["key"]), [])
        earlier = [record for record in records if record.done_us <= row["sent_us"]]
        if earlier:  # an id that was given twice is the later one's
            yield row, max(earlier, key=lambda record: record.done_us)


def _faults(shown: Read, record: Record, wanted: Mapping[str, Withdrawal | Ticket]) -> list[str]:
    if shown.server_id != record.server_id or shown.key not in (record.key, ""):
        return [f"{shown.key or 'no key'} (id {shown.server_id}), not id {record.server_id}"]
    return differences(brief(contents(wanted[record.key])), shown.said) if record.key in wanted else []


def _held_sights(held: Holdings) -> dict[str, list[Sight]]:
    """Return what the server holds of each withdrawal after the run, as the last sight of it."""
    at = _AT_THE_END_US
    return {
        one.key: [Sight(at, at, Read(one.key, one.server_id, one.status, one.stage, one.final, {}))]
        for one in held.withdrawals
    }


def _back(key: str, sights: list[Sight]) -> Iterator[str]:
    """Yield where a later sight of a record goes back behind an earlier one."""
    ended = sorted(sights, key=lambda one: one.done_us)
    at, best, final = 0, None, None
    for later in sorted(sights, key=lambda one: one.sent_us):
        while at < len(ended) and ended[at].done_us <= later.sent_us:
            seen = ended[at].read
            best = seen if best is None or seen.stage > best.stage else best
            final = seen if seen.final and final is None else final
            at += 1
        now = later.read
        if final is not None and now.status != final.status:
            yield f"{key}: {final.status} is final, then {now.status}"
        elif best is not None and 0 <= now.stage < best.stage:
            yield f"{key}: {best.status}, then {now.status}"
