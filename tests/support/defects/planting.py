"""How a defect is planted: which requests meet it, and the laws of the database that would refuse it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from loadtests.staging.exchange import ledger, withdrawals
from loadtests.staging.exchange.assets import ASSETS, value_cents
from loadtests.staging.storage import sqlite

EVERY = 5
"""Every fifth request meets the defect; the others are served rightly."""


def meets(key: str) -> bool:
    """Return whether the request with this key meets the defect."""
    return int(key.rpartition("-")[2]) % EVERY == 0


def weaken(text: str, weaker: str) -> None:
    """Have the database hold one law less, by which it would refuse the defect."""
    assert sqlite.SQLITE_TABLES.count(text) == 1, text
    sqlite.SQLITE_TABLES = sqlite.SQLITE_TABLES.replace(text, weaker)


def change(module: Any, name: str, changed: Callable[..., Any]) -> None:
    """Put ``changed(original, ...)`` in the place of a module's function."""
    original = getattr(module, name)

    @wraps(original)
    def instead(*arguments: Any, **options: Any) -> Any:
        return changed(original, *arguments, **options)

    setattr(module, name, instead)


def forget(module: Any, key_of: Callable[..., str]) -> None:
    """Plant: what a module creates is acknowledged and then not kept."""

    def forgetful(create: Any, db: Any, *arguments: Any) -> Any:
        db.execute("SAVEPOINT defect")
        result = create(db, *arguments)
        if meets(key_of(*arguments)):
            db.execute("ROLLBACK TO defect")
        db.execute("RELEASE defect")
        return result

    change(module, "create", forgetful)


def take(db: Any, order: Any, settings: Any, now_ms: int) -> dict[str, Any]:
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
