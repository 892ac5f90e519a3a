"""Laws of the staging exchange's books, on thousands of mixed operations with a clock of the test's own."""

from __future__ import annotations

import contextlib
import random
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from staging_client import order

from loadtests.staging import ledger, payments, tickets, withdrawals
from loadtests.staging.addresses import sample_address
from loadtests.staging.assets import ASSETS, format_units
from loadtests.staging.database import connect
from loadtests.staging.errors import ApiError
from loadtests.staging.schema import create_schema
from loadtests.staging.settings import Settings

SMALL = Settings(
    opening_balance_usd=100,
    withdrawal_limit_usd=60,
    daily_limit_usd=150,
    review_share=0.2,
    fail_share=0.3,
    review_s=0.05,
    payment_s=0.03,
)
NEXT = {"REQUEST": {"MANUAL", "PEND"}, "MANUAL": {"PEND"}, "PEND": {"DONE", "FAIL"}, "DONE": set(), "FAIL": set()}
ROUTES = [("USDT", "TRX"), ("USDT", "ETH"), ("USDC", "ETH"), ("BTC", "BTC"), ("ETH", "ETH")]


class Exchange:
    """The exchange's functions on a database of their own, each operation in a transaction, as the lane does it."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self.db = connect(Path(path), busy_timeout_ms=0, synchronous="OFF")
        create_schema(self.db)
        self.now_ms = 10**12
        self.statuses: dict[int, str] = {}

    def do(self, function: Any, *arguments: Any) -> Any:
        """Return what an operation returned, or the status it was refused with."""
        self.db.execute("BEGIN IMMEDIATE")
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

    def check_statuses(self) -> None:
        for row_id, status in self.db.execute("SELECT id, status FROM withdrawals").fetchall():
            before = self.statuses.get(row_id, "REQUEST")
            allowed = {before} | NEXT[before] | {after for middle in NEXT[before] for after in NEXT[middle]}
            assert status in allowed, f"{row_id} went from {before} to {status}"
            self.statuses[row_id] = status

    def check_books(self) -> None:
        for row in ledger.sums(self.db):
            assert (row["sum_units"], row["unequal_balances"], row["negative_balances"]) == (0, 0, 0), row
            held = self.units(row["currency"], "'REQUEST', 'MANUAL', 'PEND'", "units + fee_units")
            assert row["house"]["pending"] == held
            assert row["house"]["paid"] == self.units(row["currency"], "'DONE'", "units")
            assert row["house"]["fees"] == self.units(row["currency"], "'DONE'", "fee_units")

    def units(self, currency: str, statuses: str, what: str) -> int:
        query = f"SELECT coalesce(sum({what}), 0) FROM withdrawals WHERE currency = ? AND status IN ({statuses})"
        return int(self.db.execute(query, (currency,)).fetchone()[0])


def test_the_books_balance_after_thousands_of_mixed_operations() -> None:
    exchange, draw, answers = Exchange(), random.Random(1), []
    with contextlib.closing(exchange.db):
        for i in range(4000):
            client_id = f"c-{draw.randrange(3000)}"
            answers.append(exchange.withdraw(client_id, draw.randrange(300), draw.randrange(1, 7000), i))
            if i % 10 == 0:
                exchange.work(draw.randrange(100), draw.randrange(20))
            if i % 500 == 0:
                exchange.check_books()
        for _ in range(200):
            exchange.work(1000, 100)
        exchange.check_books()
        # Everything that can happen did, or the test would show nothing.
        assert {400, 409} <= {answer for answer in answers if isinstance(answer, int)}
        assert set(exchange.statuses.values()) == {"DONE", "FAIL"}
        assert exchange.db.execute("SELECT count(*) FROM withdrawals WHERE review = 1").fetchone()[0] > 100
        n_refused = sum(isinstance(answer, int) for answer in answers)
        assert len(exchange.statuses) == len(answers) - n_refused


STEP = st.one_of(
    st.tuples(st.just("withdraw"), st.integers(0, 15), st.integers(0, 2), st.integers(1, 8000), st.integers(0, 4)),
    st.tuples(st.just("work"), st.integers(0, 200), st.integers(0, 3)),
)


@settings(deadline=None)
@given(st.lists(STEP, max_size=40))
def test_the_books_balance_after_any_few_operations(steps: list[tuple[Any, ...]]) -> None:
    exchange = Exchange()
    with contextlib.closing(exchange.db):
        for step in steps:
            if step[0] == "withdraw":
                exchange.withdraw(f"c-{step[1]}", *step[2:])
            else:
                exchange.work(*step[1:])
            exchange.check_books()
            daily = exchange.db.execute("SELECT account, day, cents FROM daily_withdrawn").fetchall()
            for account, day, cents in daily:
                (counted,) = exchange.db.execute(
                    "SELECT coalesce(sum(value_cents), 0) FROM withdrawals"
                    " WHERE account = ? AND day = ? AND status <> 'FAIL'",
                    (account, day),
                ).fetchone()
                assert cents == counted <= SMALL.daily_limit_usd * 100


def test_payments_are_taken_up_in_order_and_no_more_than_the_budget() -> None:
    exchange = Exchange()
    plain = Settings(review_share=0.0, payment_s=1.0)
    with contextlib.closing(exchange.db):
        for i in range(10):
            parsed = withdrawals.parse_order(order(f"c-{i}", account=i), plain)
            exchange.do(withdrawals.create, parsed, plain, exchange.now_ms + i)
        assert exchange.do(payments.advance, plain, exchange.now_ms + 100, 4)[0] == 4
        rows = exchange.db.execute("SELECT status FROM withdrawals ORDER BY id").fetchall()
        assert [row[0] for row in rows] == ["PEND"] * 4 + ["REQUEST"] * 6


def test_a_step_of_the_paying_worker_costs_the_same_however_many_wait() -> None:
    plain, steps = Settings(review_share=0.1, review_s=1e6, payment_s=1e6), []
    for n_waiting in (200, 5000):
        exchange = Exchange()
        with contextlib.closing(exchange.db) as db:
            for i in range(n_waiting):
                parsed = withdrawals.parse_order(order(f"c-{i}", account=i), plain)
                exchange.do(withdrawals.create, parsed, plain, exchange.now_ms)
            while exchange.do(payments.advance, plain, exchange.now_ms, 0)[1]:
                pass  # all reviews have begun
            count: list[None] = []
            db.set_progress_handler(partial(count.append, None), 10)
            assert exchange.do(payments.advance, plain, exchange.now_ms, 10)[0] == 10
            steps.append(len(count))
    assert steps[1] < 1.5 * steps[0]


def test_the_database_itself_refuses_a_status_that_moves_back() -> None:
    exchange = Exchange()
    with contextlib.closing(exchange.db) as db:
        exchange.withdraw("c-1", 1, 100, 0)
        exchange.do(tickets.create, tickets.parse_new({"ticket": {"comment": {"body": "b"}}}), None, b"", 0)
        for back in ("REQUEST", "DONE", "FAIL"):
            with pytest.raises(sqlite3.IntegrityError, match="only moves forward"):
                db.execute("UPDATE withdrawals SET status = ?", (back,))
        db.execute("UPDATE tickets SET status = 'solved'")
        with pytest.raises(sqlite3.IntegrityError, match="only moves forward"):
            db.execute("UPDATE tickets SET status = 'open'")


def test_the_database_itself_refuses_an_overdraft_and_a_second_client_id() -> None:
    exchange = Exchange()
    with contextlib.closing(exchange.db) as db:
        exchange.withdraw("c-1", 1, 100, 0)
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            ledger.transfer(
                db, kind="x", from_account=1, to_account=ledger.PAID, currency="USDT", units=10**9, time_ms=0
            )
        with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
            db.execute(
                "INSERT INTO withdrawals SELECT NULL, account, client_id, currency, chain, address, memo, units,"
                " fee_units, value_cents, day, status, review, fails, created_ms, updated_ms, due_ms FROM withdrawals"
            )


def test_the_sums_notice_a_balance_that_no_entry_explains() -> None:
    exchange = Exchange()
    with contextlib.closing(exchange.db) as db:
        exchange.withdraw("c-1", 1, 100, 0)
        db.execute("UPDATE balances SET units = units + 1 WHERE account = 1")
        (row,) = [row for row in ledger.sums(db) if row["currency"] == "USDT"]
        assert (row["sum_units"], row["unequal_balances"]) == (1, 1)


def test_an_idempotency_key_is_forgotten_after_two_hours() -> None:
    exchange = Exchange()
    ticket = tickets.parse_new({"ticket": {"comment": {"body": "b"}}})
    with contextlib.closing(exchange.db):
        new = [exchange.do(tickets.create, ticket, "k", b"body", hour * 3_600_000)[1] for hour in (0, 1, 2, 3)]
        assert new == [True, False, True, False]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "x")) as db:
        db.execute("CREATE TABLE other (a)")
    with pytest.raises(ValueError, match="no database of this version"):
        Exchange(tmp_path / "x")
