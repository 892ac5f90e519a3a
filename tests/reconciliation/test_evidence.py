"""What a run leaves in its folder, read back: when it ran, what it asked for, what went down with a worker."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from loadtests import dialects
from loadtests.core.redact import Redactor
from loadtests.dialect.contract import ACKNOWLEDGED, UNKNOWN, Arrival, Holdings, Outcome, Shown, Withdrawal
from loadtests.dialect.reads import line_of
from loadtests.reconciliation import evidence
from loadtests.transport.recorder import Journal
from loadtests.verdict import files
from sim.core.tables import REQUESTS, dtypes
from tests.support.servers.staging_client import ENVIRON
from tests.tools.dialect_contract import ENVIRONS

PREFIX = "ws-1-"
ARRIVALS = [Arrival(i, "withdrawal", "USDT", 40 + i, 1_000, i) for i in range(3)] + [
    Arrival(3, "ticket", "kyc", 1, 0, 9)
]
START = {"key_prefix": PREFIX, "scenario": "test"}


def begun(folder: Path, **more: Any) -> dict[str, Any]:
    """Begin a run of three withdrawals and a ticket in a folder; the first withdrawal is sent and acknowledged."""
    dialect: Any = dialects.load("reference", ENVIRON)
    start = evidence.begin(folder, start=START, before=None, dialect=dialect, **more)
    evidence.note_asked(folder, dialect, ARRIVALS, PREFIX)
    journal = Journal(folder / "journal.jsonl")
    journal.sent(0, f"{PREFIX}0", b"", 10)
    journal.done(0, 10, 20, Outcome(ACKNOWLEDGED, "", "id0"))
    journal.close()
    return start


class Keeper:
    """A server that keeps what it is told to keep, and notes from when its history was asked for."""

    def __init__(self, withdrawals: list[Withdrawal], since_ms: int = 0) -> None:
        self.withdrawals, self.since_ms, self.asked = withdrawals, since_ms, list[int]()

    def balances(self, send: object) -> None:
        return None

    def holdings(self, send: object, prefix: str) -> Holdings:
        self.asked.append(self.since_ms)
        return Holdings(self.withdrawals)


def settled(folder: Path, keeper: Any) -> dict[str, Any]:
    books = evidence.read_books(folder)
    return evidence.settle(books, keeper, lambda request: pytest.fail(str(request)), lambda wait_s: None)


def judged(found: dict[str, Any]) -> dict[str, bool | None]:
    return {check["name"]: check["passed"] for check in found["checks"]}


def kept(i: int, **changes: Any) -> Withdrawal:
    asked = dialects.load("reference", ENVIRON).withdrawal(ARRIVALS[i], PREFIX)
    return asked._replace(**{"server_id": f"id{i}", "status": "PEND", "stage": 2, **changes})


class Loose:
    """A dialect whose file gives numbers where texts are due, and amounts in other forms."""

    def __init__(self) -> None:
        self._right: Any = dialects.load("reference", ENVIRON)

    def withdrawal(self, arrival: Arrival, prefix: str) -> Withdrawal:
        right: Withdrawal = self._right.withdrawal(arrival, prefix)
        amount: Any = float(right.amount)
        return right._replace(amount=amount, fields={**right.fields, "account": arrival.customer})  # type: ignore[dict-item]


def test_numbers_for_texts_and_amounts_in_other_forms_accuse_nobody(tmp_path: Path) -> None:
    loose: Any = Loose()
    evidence.begin(tmp_path, start=START, before=None, dialect=loose)
    evidence.note_asked(tmp_path, loose, ARRIVALS[:1], PREFIX)
    journal = Journal(tmp_path / "journal.jsonl")
    journal.sent(0, f"{PREFIX}0", b"", 10)
    journal.done(0, 10, 20, Outcome(ACKNOWLEDGED, "", "17"))
    journal.close()
    right = kept(0)
    odd: Any = {"server_id": 17, "amount": str(right.amount), "fields": {**right.fields, "account": 40, "memo": None}}
    found = settled(tmp_path, Keeper([right._replace(**odd)]))
    assert [check for check in found["checks"] if check["passed"] is False] == []
    assert judged(found)["W1"] is True


@pytest.mark.parametrize("amount", ["much", None, float("nan")])
def test_an_amount_that_is_no_number_is_said_to_be_the_dialect_s(tmp_path: Path, amount: Any) -> None:
    begun(tmp_path)
    found = settled(tmp_path, Keeper([kept(0, amount=amount)]))
    assert found["reason"] == (
        f"the server could not be read after the run: the dialect's record {PREFIX}0 has the amount {amount!r}, "
        "which is no number"
    )


def test_what_was_asked_for_is_read_back_whole(tmp_path: Path) -> None:
    begun(tmp_path)
    dialect: Any = dialects.load("reference", ENVIRON)
    asked = evidence.read_books(tmp_path).asked
    assert asked.withdrawals == {one.key: one for one in (dialect.withdrawal(a, PREFIX) for a in ARRIVALS[:3])}
    assert asked.tickets == {f"{PREFIX}3": dialect.ticket(ARRIVALS[3], PREFIX)}
    assert asked.tickets[f"{PREFIX}3"].fields["requester"] == "1"


def test_what_was_asked_for_is_without_secrets_as_every_answer_is(tmp_path: Path, monkeypatch: Any) -> None:
    secret = ENVIRON["WITHSTAND_TICKET_TOKEN"]
    monkeypatch.setattr(files, "REDACTOR", redactor := Redactor())
    redactor.derive(secret)
    dialect: Any = dialects.load("reference", ENVIRON, {"kyc": [f"My token is {secret}, and it does not work."]})
    asked = evidence.note_asked(tmp_path, dialect, ARRIVALS, PREFIX)
    (text,) = [one.fields["text"] for one in asked.tickets.values()]
    assert "My token is [redacted], and it does not work." in text
    evidence.begin(tmp_path, start=START, before=None, dialect=dialect)
    (tmp_path / "journal.jsonl").touch()
    assert evidence.read_books(tmp_path).asked == asked


def test_a_dialect_that_does_not_say_what_its_tickets_are_is_not_compared(tmp_path: Path) -> None:
    evidence.begin(tmp_path, start=START, before=None, dialect=dialects.load("gate", ENVIRONS["gate"]))
    assert evidence.note_asked(tmp_path, dialects.load("gate", ENVIRONS["gate"]), ARRIVALS[3:], PREFIX).tickets == {}


@pytest.mark.parametrize("name", ["gate", "mexc", "binance", "kraken", "zendesk"])
def test_a_later_reconciliation_reads_the_history_from_where_the_run_read_it(tmp_path: Path, name: str) -> None:
    dialect: Any = dialects.load(name, ENVIRONS[name])
    evidence.begin(tmp_path, start=START, before=None, dialect=dialect)
    evidence.note_asked(tmp_path, dialects.load("reference", ENVIRON), ARRIVALS, PREFIX)
    (tmp_path / "journal.jsonl").touch()
    two_hours_later = Keeper([], since_ms=dialect.since_ms + 7_200_000)
    settled(tmp_path, two_hours_later)
    assert two_hours_later.asked == [dialect.since_ms]


def test_a_folder_that_does_not_say_so_is_read_from_an_hour_before_its_start(tmp_path: Path) -> None:
    start = begun(tmp_path)
    started_s = datetime.fromisoformat(start["started_utc"]).timestamp()
    keeper = Keeper([kept(0)], since_ms=2**50)
    settled(tmp_path, keeper)
    assert keeper.asked[0] == pytest.approx((started_s - 3600) * 1000, abs=1)


def sent_rows(outcomes: list[str]) -> pl.DataFrame:
    rows = [
        (a.idx, a.endpoint, 10, 10, -1, 0, outcome, "", f"{PREFIX}{a.idx}", "")
        for a, outcome in zip(ARRIVALS, outcomes, strict=True)
    ]
    return pl.DataFrame(rows, schema=dtypes(REQUESTS), orient="row")


def test_the_keys_of_a_lost_worker_are_of_unknown_fate_later_too(tmp_path: Path) -> None:
    start = begun(tmp_path, by_workers=True)
    rows = sent_rows(["acknowledged", "unknown", "not_sent", "not_sent"])
    lost = np.array([False, True, False, False])
    evidence.note_sent(tmp_path, evidence.started(start, datetime.now(UTC)), requests=rows, lost=lost)
    found = settled(tmp_path, Keeper([kept(0), kept(1)]))
    assert found["passed"], found["checks"]
    assert found["unknown"]["withdrawal"] == {"recorded": 1, "absent": 0}
    found = settled(tmp_path, Keeper([kept(0), kept(1), kept(2)]))
    assert [name for name, passed in judged(found).items() if passed is False] == ["W5"], "this one was not sent"


@pytest.mark.parametrize(("by_workers", "wrong"), [(True, []), (False, ["W5"])])
def test_a_master_that_died_leaves_open_what_its_workers_sent(
    tmp_path: Path, by_workers: bool, wrong: list[str]
) -> None:
    begun(tmp_path, by_workers=by_workers)
    found = settled(tmp_path, Keeper([kept(0), kept(1)]))
    assert [name for name, passed in judged(found).items() if passed is False] == wrong
    unknown = (evidence.read_books(tmp_path).requests["outcome"] == UNKNOWN).sum()
    assert unknown == (3 if by_workers else 0)


def test_reads_of_a_run_that_ended_are_judged_later_too(tmp_path: Path) -> None:
    begun(tmp_path)
    shown = line_of(Shown(kept(1, key="other")))
    row = (7, "withdrawal_status", 30, 30, 40, 200, "acknowledged", "", f"{PREFIX}0", shown)
    pl.DataFrame([row], schema=dtypes(REQUESTS), orient="row").write_parquet(tmp_path / "requests.parquet")
    found = settled(tmp_path, Keeper([kept(0)]))
    assert judged(found)["R2"] is False


@pytest.mark.parametrize(
    ("age", "noted", "passed"),
    [(timedelta(seconds=70), True, False), (timedelta(seconds=50), True, None), (timedelta(seconds=70), False, None)],
)
def test_what_never_ends_is_overdue_by_the_runs_own_clock(
    tmp_path: Path, age: timedelta, noted: bool, passed: bool | None
) -> None:
    start = begun(tmp_path, promise_ms=60_000)
    then = datetime.now(UTC) - age
    if noted:
        rows = sent_rows(["acknowledged", "not_sent", "not_sent", "not_sent"])
        evidence.note_sent(tmp_path, evidence.started(start, then), requests=rows, lost=None)
    else:  # a run that crashed knows its start less well
        path = tmp_path / "start.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "started_utc": then.isoformat()}))
    found = settled(tmp_path, Keeper([kept(0)]))
    assert judged(found)["W10"] is passed
    assert found["pending"] == {"withdrawals": 1, "of": 1, "untold": 0}
