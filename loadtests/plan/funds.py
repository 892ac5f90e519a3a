"""The check that the test accounts hold enough for the withdrawals of a schedule."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import polars as pl

from loadtests.core.faults import InputError
from loadtests.core.schedule import Schedule
from loadtests.dialect.contract import Arrival, Dialect, Send, Spending
from loadtests.dialect.payload import plain
from loadtests.plan.pool import PooledDialect
from loadtests.transport.reader import why_unread


def needed(dialect: Dialect, schedule: Schedule) -> dict[str, dict[str, Decimal]]:
    """Return what each account must pay out, by currency and without fees; "" is the account without a name."""
    sums: dict[str, dict[str, Decimal]] = {}
    for name, arrival in _withdrawals(dialect, schedule):
        asked = dialect.withdrawal(arrival, "")
        account = sums.setdefault(name, {})
        account[asked.currency] = account.get(asked.currency, Decimal(0)) + asked.amount
    return sums


def check(dialect: Dialect, send: Send, schedule: Schedule) -> None:
    """Check the balance of every account, where the API reports it.

    Raises InputError with every shortage, or when the accounts cannot be read.
    """
    if not isinstance(dialect, Spending) or not _single_account(dialect):
        return
    first: dict[tuple[str, str], Arrival] = {}
    for name, arrival in _withdrawals(dialect, schedule):
        first.setdefault((name, dialect.withdrawal(arrival, "").currency), arrival)
    faults = []
    sums = needed(dialect, schedule)
    for (name, currency), arrival in sorted(first.items()):
        place = f"{dialect.pool.path}: accounts.{name}" if isinstance(dialect, PooledDialect) else "test account"
        try:
            held = dialect.available(send, arrival)
        except Exception as error:  # a dialect may be a user's file
            faults.append(f"{place}: got a balance that cannot be read ({why_unread(error)}); must be readable")
            continue
        if held is not None and held < sums[name][currency]:
            must = f"must hold at least {plain(sums[name][currency])} (the schedule's withdrawals) and the fees"
            faults.append(f"{place}: got {plain(held)} {currency}; {must}")
    if faults:
        raise InputError(faults)


def _single_account(dialect: Dialect) -> bool:
    one = dialect.members[0] if isinstance(dialect, PooledDialect) else dialect
    return bool(getattr(one, "single_account", False))


def _withdrawals(dialect: Dialect, schedule: Schedule) -> Iterator[tuple[str, Arrival]]:
    """Yield each withdrawal with the name of its account."""
    rows = schedule.arrivals.filter(pl.col("endpoint") == "withdrawal")
    rows = rows.select("idx", "endpoint", "kind", "customer", "amount", "payload_seed")
    for row in rows.iter_rows():
        arrival = Arrival(*row)
        pool = dialect.pool if isinstance(dialect, PooledDialect) else None
        yield (pool.accounts[pool.place_of(arrival.customer)].name if pool else ""), arrival
