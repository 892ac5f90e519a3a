"""Withdrawals move on, and the ledger follows: REQUEST -> (MANUAL ->) PEND -> DONE or FAIL, or CANCEL before PEND.

The paying worker takes up withdrawals in the order in which they became ready, as many a second as its capacity, and
keeps each in PEND for the payment's time. A failed payment and a cancelled withdrawal return amount and fee to the
customer, and the daily limit with them.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from loadtests.staging.errors import ApiError
from loadtests.staging.exchange import ledger, withdrawals
from loadtests.staging.settings import Settings
from loadtests.staging.storage.database import Connection, Lane, Row

_TICK_S = 0.05
_ROWS_A_STEP = 100  # keeps the write lane free for requests


class PaymentWorker:
    """Moves withdrawals on, every ``_TICK_S`` seconds, until it is cancelled."""

    def __init__(self, *, lane: Lane, settings: Settings) -> None:
        self._lane = lane
        self._settings = settings
        self._allowance = 0.0
        self._last_s = time.monotonic()

    async def run(self) -> None:
        """Work until cancelled; a busy database only delays it."""
        while True:
            await asyncio.sleep(_TICK_S)
            self._earn()
            try:
                while await self._step():
                    await asyncio.sleep(0)
            except ApiError:
                continue

    def _earn(self) -> None:
        """Add the payments that the time since the last tick allows; at most one second's worth is saved up."""
        now_s = time.monotonic()
        capacity_per_s = self._settings.payment_capacity_per_s
        if capacity_per_s is not None:
            earned = self._allowance + (now_s - self._last_s) * capacity_per_s
            self._allowance = min(earned, max(1.0, capacity_per_s))
        self._last_s = now_s

    async def _step(self) -> bool:
        """Move up to ``_ROWS_A_STEP`` withdrawals of each kind; return whether more may be ready."""
        unlimited = self._settings.payment_capacity_per_s is None
        budget = _ROWS_A_STEP if unlimited else min(int(self._allowance), _ROWS_A_STEP)
        n_taken, more = await self._lane.run(advance, self._settings, time.time_ns() // 1_000_000, budget)
        if not unlimited:
            self._allowance -= n_taken
        return more


def advance(db: Connection, settings: Settings, now_ms: int, budget: int) -> tuple[int, bool]:
    """Move what is due at ``now_ms``, taking up at most ``budget`` payments.

    Returns how many payments were taken up and whether a step was full. Runs in one transaction.
    """
    db.lock("payments")
    reviews = db.execute(
        "SELECT id FROM withdrawals INDEXED BY reviews_due WHERE status = 'REQUEST' AND due_ms <= ? AND review = 1"
        " ORDER BY due_ms, id LIMIT ?",
        (now_ms, _ROWS_A_STEP),
    ).fetchall()
    for (row_id,) in reviews:
        _move(db, row_id=row_id, status="MANUAL", now_ms=now_ms, due_ms=now_ms + round(settings.review_s * 1000))
    ready = db.execute(
        "SELECT due_ms, id FROM withdrawals WHERE status = 'REQUEST' AND due_ms <= :now AND review = 0"
        " UNION ALL SELECT due_ms, id FROM withdrawals WHERE status = 'MANUAL' AND due_ms <= :now"
        " ORDER BY due_ms, id LIMIT :budget",
        {"now": now_ms, "budget": budget},
    ).fetchall()
    for _, row_id in ready:
        _move(db, row_id=row_id, status="PEND", now_ms=now_ms, due_ms=now_ms + round(settings.payment_s * 1000))
    ended = db.execute(
        "SELECT * FROM withdrawals WHERE status = 'PEND' AND due_ms <= ? ORDER BY due_ms, id LIMIT ?",
        (now_ms, _ROWS_A_STEP),
    ).fetchall()
    for account in sorted({row["account"] for row in ended if row["fails"]}):  # in order: no two wait in a circle
        db.lock(f"account {account}")
    for row in ended:
        _end(db, row, now_ms)
    return len(ready), _ROWS_A_STEP in (len(reviews), len(ready), len(ended))


def _move(db: Connection, *, row_id: int, status: str, now_ms: int, due_ms: int | None) -> None:
    db.execute(
        "UPDATE withdrawals SET status = ?, updated_ms = ?, due_ms = ? WHERE id = ?", (status, now_ms, due_ms, row_id)
    )


def _end(db: Connection, row: Row, now_ms: int) -> None:
    """End a payment: what was pending is paid out, or goes back to the customer."""
    _move(db, row_id=row["id"], status="FAIL" if row["fails"] else "DONE", now_ms=now_ms, due_ms=None)
    if row["fails"]:
        _give_back(db, row, now_ms)
        return
    _from_pending(db, row, kind="paid", to_account=ledger.PAID, units=row["units"], now_ms=now_ms)
    if row["fee_units"]:
        _from_pending(db, row, kind="fee", to_account=ledger.FEES, units=row["fee_units"], now_ms=now_ms)


def cancel(db: Connection, withdrawal_id: int, account: int, now_ms: int) -> dict[str, Any]:
    """Cancel a withdrawal of an account and return its record.

    Raises ApiError: 404 when the account has no such withdrawal, 400 when its payment was taken up or it has ended.
    """
    db.lock("payments")  # nobody takes it up meanwhile
    db.lock(f"account {account}")
    row = db.execute("SELECT * FROM withdrawals WHERE id = ? AND account = ?", (withdrawal_id, account)).fetchone()
    if row is None:
        raise ApiError(404, "INVALID_WITHDRAW_ID", "no such withdrawal")
    if row["status"] not in ("REQUEST", "MANUAL"):
        raise ApiError(400, "INVALID_WITHDRAW_CANCEL_STATUS", f"it cannot be cancelled: it is {row['status']}")
    _move(db, row_id=row["id"], status="CANCEL", now_ms=now_ms, due_ms=None)
    _give_back(db, row, now_ms)
    return withdrawals.record(db.execute("SELECT * FROM withdrawals WHERE id = ?", (withdrawal_id,)).fetchone())


def _give_back(db: Connection, row: Row, now_ms: int) -> None:
    """Return amount and fee to the customer, and the share of the daily limit."""
    db.execute(
        "UPDATE daily_withdrawn SET cents = cents - ? WHERE account = ? AND day = ?",
        (row["value_cents"], row["account"], row["day"]),
    )
    units = row["units"] + row["fee_units"]
    _from_pending(db, row, kind="returned", to_account=row["account"], units=units, now_ms=now_ms)


def _from_pending(db: Connection, row: Row, *, kind: str, to_account: int, units: int, now_ms: int) -> None:
    ledger.transfer(
        db,
        kind=kind,
        from_account=ledger.PENDING,
        to_account=to_account,
        currency=row["currency"],
        units=units,
        time_ms=now_ms,
        withdrawal_id=row["id"],
    )
