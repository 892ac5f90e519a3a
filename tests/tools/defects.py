"""The reference server with one of six defects planted, as a real server process, and the checks that catch each.

``python -m tests.tools.defects serve NAME [options of the staging server]`` serves one; without arguments the table of
defects and checks is printed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any

from loadtests.staging import __main__ as server
from loadtests.staging.errors import ApiError
from loadtests.staging.exchange import ledger, payments, tickets, withdrawals
from loadtests.staging.exchange.assets import ASSETS, value_cents
from loadtests.staging.storage import sqlite
from tests.support.servers.staging_client import staging
from tests.support.trace_factory import make_run, steady

EVERY = 5
"""Every fifth request meets the defect; the others are served rightly."""
BACK_AFTER_MS = 1_500
RATES = {"withdrawal": 40.0, "ticket": 20.0, "withdrawal_status": 10.0}
SECONDS = 4.0
SERVER = ("--payment-s", "0.2", "--review-share", "0")


def lost() -> None:
    """Plant: a withdrawal is acknowledged and then not kept."""
    _forget(withdrawals, lambda order, *_: order.client_id)


def paid_twice() -> None:
    """Plant: a withdrawal is debited, recorded and paid twice."""
    _weaken("UNIQUE (account, client_id)", "CHECK (1)")
    create = withdrawals.create

    @wraps(create)
    def twice(db: Any, order: Any, settings: Any, now_ms: int) -> Any:
        record, is_new = create(db, order, settings, now_ms)
        if is_new and _meets(order.client_id):
            _take(db, order, settings, now_ms)
        return record, is_new

    withdrawals.create = twice


def status_back() -> None:
    """Plant: a paid withdrawal goes back to pending a while later."""
    trigger = "CREATE TRIGGER status_moves_forward BEFORE UPDATE OF status ON withdrawals\nWHEN "
    _weaken(trigger, f"{trigger}0 AND ")
    advance = payments.advance

    @wraps(advance)
    def forget_payment(db: Any, settings: Any, now_ms: int, budget: int) -> Any:
        db.execute(
            "UPDATE withdrawals SET status = 'PEND' WHERE status = 'DONE' AND id % ? = 0 AND updated_ms < ?",
            (EVERY, now_ms - BACK_AFTER_MS),
        )
        return advance(db, settings, now_ms, budget)

    payments.advance = forget_payment


def overdrawn() -> None:
    """Plant: a balance that does not cover a withdrawal is debited all the same."""
    _weaken("units INTEGER NOT NULL CHECK (units >= 0),", "units INTEGER NOT NULL,")
    create = withdrawals.create

    @wraps(create)
    def on_credit(db: Any, order: Any, settings: Any, now_ms: int) -> Any:
        try:
            return create(db, order, settings, now_ms)
        except ApiError as error:
            if error.label != "BALANCE_NOT_ENOUGH":
                raise
            return _take(db, order, settings, now_ms), True

    withdrawals.create = on_credit


def wrong_amount() -> None:
    """Plant: a withdrawal is recorded, and debited, with one unit more than was asked for."""
    create = withdrawals.create

    @wraps(create)
    def rounded(db: Any, order: Any, settings: Any, now_ms: int) -> Any:
        return create(db, replace(order, units=order.units + _meets(order.client_id)), settings, now_ms)

    withdrawals.create = rounded


def ticket_dropped() -> None:
    """Plant: a ticket is acknowledged and then not kept."""
    _forget(tickets, lambda ticket, *_: ticket.external_id)


PLANTED: dict[str, Callable[[], None]] = {
    "lost after acknowledging": lost,
    "paid twice": paid_twice,
    "status going back": status_back,
    "balance below zero": overdrawn,
    "wrong amount": wrong_amount,
    "ticket dropped": ticket_dropped,
}
OPTIONS = {"balance below zero": ("--opening-balance-usd", "1000")}


def _meets(key: str) -> bool:
    return int(key.rpartition("-")[2]) % EVERY == 0


def _weaken(text: str, weaker: str) -> None:
    """Have the database hold one law less, by which it would refuse the defect."""
    assert sqlite.SQLITE_TABLES.count(text) == 1, text
    sqlite.SQLITE_TABLES = sqlite.SQLITE_TABLES.replace(text, weaker)


def _forget(module: Any, key_of: Callable[..., str]) -> None:
    create = module.create

    @wraps(create)
    def forget(db: Any, *arguments: Any) -> Any:
        db.execute("SAVEPOINT defect")
        result = create(db, *arguments)
        if _meets(key_of(*arguments)):
            db.execute("ROLLBACK TO defect")
        db.execute("RELEASE defect")
        return result

    module.create = forget


def _take(db: Any, order: Any, settings: Any, now_ms: int) -> dict[str, Any]:
    """Record and debit an order without a question."""
    asset = ASSETS[order.currency]
    fee_units, cents = asset.fee_units(order.chain), value_cents(order.units, asset)
    row = withdrawals._insert(db, order=order, fee_units=fee_units, cents=cents, settings=settings, now_ms=now_ms)
    ledger.transfer(
        db,
        kind="withdrawal",
        from_account=order.account,
        to_account=ledger.PENDING,
        currency=order.currency,
        units=order.units + fee_units,
        time_ms=now_ms,
        withdrawal_id=row["id"],
    )
    return withdrawals.record(row)


def reconciled(defect: str | None, folder: Path) -> tuple[int, dict[str, Any]]:
    """Return exit code and reconciliation of a load test against a server with a defect, or without."""
    from tests.support.servers.loadtest_run import LONGEST_S, start

    run = make_run(folder / "run", steady(RATES, SECONDS), window_ms=round(SECONDS * 1000))
    program = ("-m", "loadtests.staging") if defect is None else ("-m", __spec__.name, "serve", defect)
    with staging(*SERVER, *OPTIONS.get(defect or "", ()), program=program) as (client, _):
        url = str(client.http.base_url).rstrip("/")
        with start(run, url, "--window", f"{SECONDS:g} s", "--abort-failure-share", "1") as process:
            _, err = process.communicate(timeout=LONGEST_S)
        assert "Traceback" not in err, err
    (out,) = (run / "loadtest").iterdir()
    found: dict[str, Any] = json.loads((out / "reconcile.json").read_text(encoding="utf-8"))
    return process.returncode, found


def caught(found: dict[str, Any]) -> list[str]:
    """Return the names of the checks that failed."""
    return [check["name"] for check in found["checks"] if check["passed"] is False]


def table(rows: Iterable[tuple[str, int, dict[str, Any]]]) -> str:
    """Return defects against checks: X where a check failed, dot where it passed, blank where it was not checked."""
    lines: list[str] = []
    for name, code, found in rows:
        if not lines:
            lines = [f"{'defect':26}" + "".join(f"{check['name']:>4}" for check in found["checks"]) + "  exit code"]
        marks = {False: "X", True: ".", None: " "}
        lines.append(f"{name:26}" + "".join(f"{marks[c['passed']]:>4}" for c in found["checks"]) + f"  {code}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Serve a defect, or print the table."""
    if arguments[:1] == ["serve"]:
        PLANTED[arguments[1]]()
        return server.main(arguments[2:])
    rows = []
    for name in (None, *PLANTED):
        with tempfile.TemporaryDirectory() as folder:
            rows.append((name or "none", *reconciled(name, Path(folder))))
    sys.stdout.write(table(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
