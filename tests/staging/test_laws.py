"""Laws of the staging exchange's books, on thousands of mixed operations with a clock of the test's own."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.staging.errors import ApiError
from loadtests.staging.exchange import ledger, payments, tickets, withdrawals
from loadtests.staging.exchange.assets import ASSETS, format_units
from loadtests.staging.settings import Settings
from loadtests.staging.storage import sqlite
from tests.support.servers.addresses import sample_address
from tests.support.servers.staging_client import order

SMALL = Settings(
    opening_balance_usd=100,
    withdrawal_limit_usd=60,
    daily_limit_usd=150,
    review_share=0.2,
    fail_share=0.3,
    review_s=0.05,
    payment_s=0.03,
)
NewDatabase = Callable[[], Path | str]
NEXT: dict[str, set[str]] = {
    "REQUEST": {"MANUAL", "PEND", "CANCEL"},
    "MANUAL": {"PEND", "CANCEL"},
    "PEND": {"DONE", "FAIL"},
    "DONE": set(),
    "FAIL": set(),
    "CANCEL": set(),
}
ROUTES = [("USDT", "TRX"), ("USDT", "ETH"), ("USDC", "ETH"), ("BTC", "BTC"), ("ETH", "ETH")]


class Exchange:
    """The exchange's functions on a database of their own, each operation in a transaction, as a lane does it."""

    def __init__(self, database: Path | str) -> None:
        self.now_ms = 10**12
        self.statuses: dict[int, str] = {}
        self.db: Any
        if isinstance(database, Path):
            self.db = sqlite.connect(database, busy_timeout_ms=0, synchronous="OFF")
            create_schema: Any = sqlite.create_schema
            self._begin, self.refused = "BEGIN IMMEDIATE", sqlite3.IntegrityError
        else:
            from psycopg import IntegrityError

            from loadtests.staging.storage import postgres

            self.db = postgres.connect(database, busy_timeout_ms=0, synchronous_commit="off", read_only=False)
            create_schema = postgres.create_schema
            self._begin, self.refused = "", IntegrityError  # psycopg begins by itself
        try:
            create_schema(self.db)
        except ValueError:
            self.db.close()
            raise

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *_: object) -> None:
        self.db.close()

    def do(self, function: Any, *arguments: Any) -> Any:
        """Return what an operation returned, or the status it was refused with."""
        if self._begin:
            self.db.execute(self._begin)
        try:
            value = function(self.db, *arguments)
        except ApiError as error:
            self.db.execute("ROLLBACK")
            return error.status
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")
        return value

    def rows(self, query: str, *parameters: Any) -> list[Any]:
        """Return the rows of a query."""
        return list(self.do(lambda db: db.execute(query, parameters).fetchall()))

    def change(self, query: str) -> None:
        """Change something behind the exchange's back."""
        self.do(lambda db: db.execute(query))

    def withdraw(self, client_id: str, account: int, cents: int, route: int) -> Any:
        currency, chain = ROUTES[route % len(ROUTES)]
        asset = ASSETS[currency]
        amount = format_units(max(1, cents * asset.units_per_coin // asset.price_cents), asset)
        body = order(
            client_id, account=account, amount=amount, currency=currency, chain=chain, address=sample_address(chain, 1)
        )
        return self.do(withdrawals.create, withdrawals.parse_order(body, SMALL), SMALL, self.now_ms)

    def work(self, elapsed_ms: int, budget: int) -> None:
        self.now_ms += elapsed_ms
        self.do(payments.advance, SMALL, self.now_ms, budget)
        self.check_statuses()

    def cancel(self, withdrawal_id: int, account: int) -> Any:
        return self.do(payments.cancel, withdrawal_id, account, self.now_ms)

    def cancel_recent(self, back: int) -> Any:
        """Cancel one of the newest withdrawals; return its record or the status of the refusal."""
        rows = self.rows("SELECT id, account FROM withdrawals ORDER BY id DESC LIMIT ?", back + 1)
        return self.cancel(*rows[-1]) if rows else None

    def check_statuses(self) -> None:
        for row_id, status in self.rows("SELECT id, status FROM withdrawals"):
            before = self.statuses.get(row_id, "REQUEST")
            allowed = {before} | NEXT[before] | {after for middle in NEXT[before] for after in NEXT[middle]}
            assert status in allowed, f"{row_id} went from {before} to {status}"
            self.statuses[row_id] = status

    def check_books(self) -> None:
        for row in self.do(ledger.sums):
            assert (row["sum_units"], row["unequal_balances"], row["negative_balances"]) == (0, 0, 0), row
            held = self.units(row["currency"], "'REQUEST', 'MANUAL', 'PEND'", "units + fee_units")
            assert row["house"]["pending"] == held
            assert row["house"]["paid"] == self.units(row["currency"], "'DONE'", "units")
            assert row["house"]["fees"] == self.units(row["currency"], "'DONE'", "fee_units")

    def units(self, currency: str, statuses: str, what: str) -> int:
        query = f"SELECT coalesce(sum({what}), 0) FROM withdrawals WHERE currency = ? AND status IN ({statuses})"
        return int(self.rows(query, currency)[0][0])


def test_the_books_balance_after_thousands_of_mixed_operations(new_database: NewDatabase) -> None:
    draw, draw_cancels, answers, cancels = random.Random(1), random.Random(2), [], []
    with Exchange(new_database()) as exchange:
        for i in range(4000 if isinstance(exchange.db, sqlite3.Connection) else 1500):
            client_id = f"c-{draw.randrange(3000)}"
            answers.append(exchange.withdraw(client_id, draw.randrange(300), draw.randrange(1, 7000), i))
            if i % 7 == 0:
                cancels.append(exchange.cancel_recent(draw_cancels.randrange(40)))
            if i % 10 == 0:
                exchange.work(draw.randrange(100), draw.randrange(20))
            if i % 500 == 0:
                exchange.check_books()
        for _ in range(200):
            exchange.work(1000, 100)
        exchange.check_books()
        # Everything that can happen did, or the test would show nothing.
        assert {400, 409} <= {answer for answer in answers if isinstance(answer, int)}
        assert set(exchange.statuses.values()) == {"DONE", "FAIL", "CANCEL"}
        assert 400 in cancels
        assert exchange.rows("SELECT count(*) FROM withdrawals WHERE review = 1")[0][0] > 100
        n_refused = sum(isinstance(answer, int) for answer in answers)
        assert len(exchange.statuses) == len(answers) - n_refused


STEP = st.one_of(
    st.tuples(st.just("withdraw"), st.integers(0, 15), st.integers(0, 2), st.integers(1, 8000), st.integers(0, 4)),
    st.tuples(st.just("work"), st.integers(0, 200), st.integers(0, 3)),
    st.tuples(st.just("cancel"), st.integers(1, 10), st.integers(0, 2)),
)


@settings(max_examples=30)
@given(steps=st.lists(STEP, max_size=40))
def test_the_books_balance_after_any_few_operations(new_database: NewDatabase, steps: list[tuple[Any, ...]]) -> None:
    with Exchange(new_database()) as exchange:
        for step in steps:
            if step[0] == "withdraw":
                exchange.withdraw(f"c-{step[1]}", *step[2:])
            else:
                getattr(exchange, step[0])(*step[1:])
            exchange.check_books()
            for account, day, cents in exchange.rows("SELECT account, day, cents FROM daily_withdrawn"):
                counted = exchange.rows(
                    "SELECT coalesce(sum(value_cents), 0) FROM withdrawals"
                    " WHERE account = ? AND day = ? AND status NOT IN ('FAIL', 'CANCEL')",
                    account,
                    day,
                )[0][0]
                assert cents == counted <= SMALL.daily_limit_usd * 100


def test_payments_are_taken_up_in_order_and_no_more_than_the_budget(new_database: NewDatabase) -> None:
    plain = Settings(review_share=0.0, payment_s=1.0)
    with Exchange(new_database()) as exchange:
        for i in range(10):
            parsed = withdrawals.parse_order(order(f"c-{i}", account=i), plain)
            exchange.do(withdrawals.create, parsed, plain, exchange.now_ms + i)
        assert exchange.do(payments.advance, plain, exchange.now_ms + 100, 4)[0] == 4
        rows = exchange.rows("SELECT status FROM withdrawals ORDER BY id")
        assert [row[0] for row in rows] == ["PEND"] * 4 + ["REQUEST"] * 6


def test_a_step_of_the_paying_worker_costs_the_same_however_many_wait() -> None:
    plain, steps = Settings(review_share=0.1, review_s=1e6, payment_s=1e6), []
    for n_waiting in (200, 5000):
        with Exchange(Path(":memory:")) as exchange:
            for i in range(n_waiting):
                parsed = withdrawals.parse_order(order(f"c-{i}", account=i), plain)
                exchange.do(withdrawals.create, parsed, plain, exchange.now_ms)
            while exchange.do(payments.advance, plain, exchange.now_ms, 0)[1]:
                pass  # all reviews have begun
            count: list[None] = []
            exchange.db.set_progress_handler(partial(count.append, None), 10)
            assert exchange.do(payments.advance, plain, exchange.now_ms, 10)[0] == 10
            steps.append(len(count))
    assert steps[1] < 1.5 * steps[0]


def test_the_database_itself_refuses_a_status_that_moves_back(new_database: NewDatabase) -> None:
    with Exchange(new_database()) as exchange:
        exchange.withdraw("c-1", 1, 100, 0)
        exchange.do(tickets.create, tickets.parse_new({"ticket": {"comment": {"body": "b"}}}), None, b"", 0)
        for back in ("REQUEST", "DONE", "FAIL"):
            with pytest.raises(exchange.refused, match="withdrawal only moves forward"):
                exchange.change(f"UPDATE withdrawals SET status = '{back}'")
        exchange.change("UPDATE tickets SET status = 'solved'")
        with pytest.raises(exchange.refused, match="ticket only moves forward"):
            exchange.change("UPDATE tickets SET status = 'open'")


def test_the_database_itself_refuses_an_overdraft_and_a_second_client_id(new_database: NewDatabase) -> None:
    columns = (
        "account, client_id, currency, chain, address, memo, units, fee_units, value_cents, day, status, review, fails,"
        " created_ms, updated_ms, due_ms"
    )
    overdraft = partial(ledger.transfer, kind="x", from_account=1, to_account=ledger.PAID, currency="USDT")
    with Exchange(new_database()) as exchange:
        exchange.withdraw("c-1", 1, 100, 0)
        with pytest.raises(exchange.refused, match=r"(?i)check"):
            exchange.do(partial(overdraft, units=10**9, time_ms=0))
        with pytest.raises(exchange.refused, match=r"(?i)unique"):
            exchange.change(f"INSERT INTO withdrawals ({columns}) SELECT {columns} FROM withdrawals")


def test_the_sums_notice_a_balance_that_no_entry_explains(new_database: NewDatabase) -> None:
    with Exchange(new_database()) as exchange:
        exchange.withdraw("c-1", 1, 100, 0)
        exchange.change("UPDATE balances SET units = units + 1 WHERE account = 1")
        (row,) = [row for row in exchange.do(ledger.sums) if row["currency"] == "USDT"]
        assert (row["sum_units"], row["unequal_balances"]) == (1, 1)


def test_an_idempotency_key_is_forgotten_after_two_hours(new_database: NewDatabase) -> None:
    ticket = tickets.parse_new({"ticket": {"comment": {"body": "b"}}})
    with Exchange(new_database()) as exchange:
        new = [exchange.do(tickets.create, ticket, "k", b"body", hour * 3_600_000)[1] for hour in (0, 1, 2, 3)]
        assert new == [True, False, True, False]


def tables(database: Path | str, *changes: str) -> list[str]:
    """Return the names of a database's tables, after changes by somebody else."""
    query, db = "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace", None
    if isinstance(database, Path):
        query, db = "SELECT name FROM sqlite_schema", sqlite3.connect(database, isolation_level=None)
    else:
        import psycopg

        db = psycopg.connect(database, autocommit=True)
    with contextlib.closing(db) as other:
        for change in changes:
            other.execute(change)
        return [name for (name,) in other.execute(query)]


def test_a_database_of_something_else_is_refused_and_left_alone(new_database: NewDatabase) -> None:
    database = new_database()
    assert tables(database, "CREATE TABLE other (a INTEGER)") == ["other"]
    with pytest.raises(ValueError, match="of this version"):
        Exchange(database)
    assert tables(database) == ["other"]


def test_a_database_of_another_version_is_refused(new_database: NewDatabase) -> None:
    database = new_database()
    with Exchange(database):
        pass
    with Exchange(database):
        pass
    sqlites = isinstance(database, Path)
    tables(database, "PRAGMA user_version = 1" if sqlites else "UPDATE staging_version SET version = 1")
    with pytest.raises(ValueError, match="of this version"):
        Exchange(database)
