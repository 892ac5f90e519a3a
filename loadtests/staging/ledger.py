"""The double-entry ledger: transfers between two accounts, and the balances that they make.

Each entry takes from one account what it gives to another, in integer units of one currency, so the balances of all
accounts, customers' and the house's, sum to zero in every currency. ``balances`` is kept beside the entries and must
equal what they add up to; ``sums`` compares the two.
"""

from __future__ import annotations

import sqlite3
from typing import Any

FUNDING, PENDING, PAID, FEES = -1, -2, -3, -4
HOUSE_ACCOUNTS = {"funding": FUNDING, "pending": PENDING, "paid": PAID, "fees": FEES}
"""Where opening balances come from; withdrawals under way; what left on a chain; what the exchange earned."""


def transfer(
    db: sqlite3.Connection,
    *,
    kind: str,
    from_account: int,
    to_account: int,
    currency: str,
    units: int,
    time_ms: int,
    withdrawal_id: int | None = None,
) -> None:
    """Write one entry and move both balances, inside the caller's transaction.

    Raises sqlite3.IntegrityError when a customer's balance would become negative, and LookupError when one of the
    accounts has no balance in that currency yet.
    """
    db.execute(
        "INSERT INTO transfers (time_ms, kind, from_account, to_account, currency, units, withdrawal_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (time_ms, kind, from_account, to_account, currency, units, withdrawal_id),
    )
    for account, change in ((from_account, -units), (to_account, units)):
        changed = db.execute(
            "UPDATE balances SET units = units + ? WHERE account = ? AND currency = ?", (change, account, currency)
        )
        if changed.rowcount != 1:
            raise LookupError(f"account {account} has no balance in {currency}")


def balance(db: sqlite3.Connection, account: int, currency: str) -> int | None:
    """Return the units of an account in a currency, or None before it was opened."""
    row = db.execute("SELECT units FROM balances WHERE account = ? AND currency = ?", (account, currency)).fetchone()
    return None if row is None else row[0]


def open_account(db: sqlite3.Connection, *, account: int, currency: str, units: int, time_ms: int) -> None:
    """Give a customer a balance in a currency, with its opening entry (none when ``units`` is 0)."""
    db.execute("INSERT INTO balances VALUES (?, ?, 0)", (account, currency))
    if units:
        transfer(
            db,
            kind="opening",
            from_account=FUNDING,
            to_account=account,
            currency=currency,
            units=units,
            time_ms=time_ms,
        )


def account_balances(db: sqlite3.Connection, account: int) -> list[tuple[str, int]]:
    """Return (currency, units) of every balance of an account."""
    return [tuple(row) for row in db.execute("SELECT currency, units FROM balances WHERE account = ?", (account,))]


def sums(db: sqlite3.Connection) -> list[dict[str, Any]]:
    """Return, per currency, what must hold of the whole ledger; all units are integers.

    ``sum_units`` is the sum of all balances (0), ``unequal_balances`` counts balances that differ from their entries
    (0), ``negative_balances`` counts customers below zero (0), ``customers_units`` is what customers hold, and
    ``house`` what each house account holds.
    """
    rows = []
    for (currency,) in db.execute("SELECT DISTINCT currency FROM balances ORDER BY currency").fetchall():
        totals = db.execute(
            "SELECT sum(units), coalesce(sum(units) FILTER (WHERE account >= 0), 0), count(*) FILTER (WHERE account"
            " >= 0), count(*) FILTER (WHERE account >= 0 AND units < 0) FROM balances WHERE currency = ?",
            (currency,),
        ).fetchone()
        rows.append(
            {
                "currency": currency,
                "sum_units": totals[0],
                "customers_units": totals[1],
                "customers": totals[2],
                "negative_balances": totals[3],
                "unequal_balances": _unequal_balances(db, currency),
                "transfers": db.execute("SELECT count(*) FROM transfers WHERE currency = ?", (currency,)).fetchone()[0],
                "house": {name: balance(db, account, currency) for name, account in HOUSE_ACCOUNTS.items()},
            }
        )
    return rows


def _unequal_balances(db: sqlite3.Connection, currency: str) -> int:
    """Return how many accounts have a balance other than the sum of their entries."""
    row = db.execute(
        "WITH sides (account, units) AS ("
        "  SELECT from_account, -units FROM transfers WHERE currency = :currency"
        "  UNION ALL SELECT to_account, units FROM transfers WHERE currency = :currency"
        "  UNION ALL SELECT account, -units FROM balances WHERE currency = :currency)"
        " SELECT count(*) FROM (SELECT 1 FROM sides GROUP BY account HAVING sum(units) <> 0)",
        {"currency": currency},
    ).fetchone()
    return int(row[0])
