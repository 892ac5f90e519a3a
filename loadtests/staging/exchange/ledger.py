"""The double-entry ledger: transfers between two accounts, and the balances that they make.

Each entry takes from one account what it gives to another, in integer units of one currency, so the balances of all
accounts, customers' and the house's, sum to zero in every currency. Customers' balances are kept beside the entries
and must equal what they add up to; ``sums`` compares the two. The house's balances are what its entries add up to: a
row that is kept for them would be one that all withdrawals wait for.
"""

from __future__ import annotations

from typing import Any

from loadtests.staging.exchange.assets import ASSETS
from loadtests.staging.storage.database import Connection

FUNDING, PENDING, PAID, FEES = -1, -2, -3, -4
HOUSE_ACCOUNTS = {"funding": FUNDING, "pending": PENDING, "paid": PAID, "fees": FEES}
"""Where opening balances come from; withdrawals under way; what left on a chain; what the exchange earned."""


def transfer(
    db: Connection,
    *,
    kind: str,
    from_account: int,
    to_account: int,
    currency: str,
    units: int,
    time_ms: int,
    withdrawal_id: int | None = None,
) -> None:
    """Write one entry and move the customers' balances, inside the caller's transaction.

    Raises the database's own error when a balance would become negative, and LookupError when a customer has no
    balance in that currency yet.
    """
    db.execute(
        "INSERT INTO transfers (time_ms, kind, from_account, to_account, currency, units, withdrawal_id)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (time_ms, kind, from_account, to_account, currency, units, withdrawal_id),
    )
    for account, change in ((from_account, -units), (to_account, units)):
        if account < 0:
            continue
        changed = db.execute(
            "UPDATE balances SET units = units + ? WHERE account = ? AND currency = ?", (change, account, currency)
        )
        if changed.rowcount != 1:
            raise LookupError(f"account {account} has no balance in {currency}")


def balance(db: Connection, account: int, currency: str) -> int | None:
    """Return the units of a customer in a currency, or None before the account was opened."""
    row = db.execute("SELECT units FROM balances WHERE account = ? AND currency = ?", (account, currency)).fetchone()
    return None if row is None else row[0]


def open_account(db: Connection, *, account: int, currency: str, units: int, time_ms: int) -> None:
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


def account_balances(db: Connection, account: int) -> list[tuple[str, int]]:
    """Return (currency, units) of every balance of an account."""
    return [tuple(row) for row in db.execute("SELECT currency, units FROM balances WHERE account = ?", (account,))]


def sums(db: Connection) -> list[dict[str, Any]]:
    """Return, per currency, what must hold of the whole ledger; all units are integers.

    ``sum_units`` is the sum of all balances (0), ``unequal_balances`` counts customers whose balance differs from their
    entries (0), ``negative_balances`` counts customers below zero (0), ``customers_units`` is what customers hold, and
    ``house`` what each house account holds.
    """
    return [_sums(db, currency) for currency in sorted(ASSETS)]


def _sums(db: Connection, currency: str) -> dict[str, Any]:
    customers, units, negative = db.execute(
        "SELECT count(*), coalesce(sum(units), 0), count(*) FILTER (WHERE units < 0) FROM balances WHERE currency = ?",
        (currency,),
    ).fetchone()
    n_transfers = db.execute("SELECT count(*) FROM transfers WHERE currency = ?", (currency,)).fetchone()[0]
    held = dict(
        db.execute(
            f"{_SIDES} SELECT account, sum(units) FROM sides WHERE account < 0 GROUP BY account", {"currency": currency}
        )
    )
    house = {name: held.get(account, 0) for name, account in HOUSE_ACCOUNTS.items()}
    return {
        "currency": currency,
        "sum_units": units + sum(house.values()),
        "customers_units": units,
        "customers": customers,
        "negative_balances": negative,
        "unequal_balances": _unequal_balances(db, currency),
        "transfers": n_transfers,
        "house": house,
    }


_SIDES = (
    "WITH sides (account, units) AS ("
    "  SELECT from_account, -units FROM transfers WHERE currency = :currency"
    "  UNION ALL SELECT to_account, units FROM transfers WHERE currency = :currency)"
)


def _unequal_balances(db: Connection, currency: str) -> int:
    """Return how many customers have a balance other than the sum of their entries."""
    row = db.execute(
        f"{_SIDES}, pairs (account, units) AS ("
        "  SELECT account, units FROM sides WHERE account >= 0"
        "  UNION ALL SELECT account, -units FROM balances WHERE currency = :currency)"
        " SELECT count(*) FROM (SELECT 1 FROM pairs GROUP BY account HAVING sum(units) <> 0) AS unequal",
        {"currency": currency},
    ).fetchone()
    return int(row[0])
