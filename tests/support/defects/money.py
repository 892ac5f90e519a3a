"""Defects in what the reference server keeps of withdrawals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from loadtests.staging.errors import ApiError
from loadtests.staging.exchange import ledger, payments, withdrawals
from loadtests.staging.exchange.assets import ASSETS, Currency
from tests.support.defects.planting import EVERY, change, forget, meets, take, weaken

BACK_AFTER_MS = 1_500


def lost() -> None:
    """Plant: a withdrawal is acknowledged and then not kept."""
    forget(withdrawals, lambda order, *_: order.client_id)


def paid_twice() -> None:
    """Plant: a withdrawal is debited, recorded and paid twice."""
    weaken("UNIQUE (account, client_id)", "CHECK (1)")

    def twice(create: Any, db: Any, order: Any, settings: Any, now_ms: int) -> Any:
        record, is_new = create(db, order, settings, now_ms)
        if is_new and meets(order.client_id):
            take(db, order, settings, now_ms)
        return record, is_new

    change(withdrawals, "create", twice)


def status_back() -> None:
    """Plant: a paid withdrawal goes back to pending a while later."""
    trigger = "CREATE TRIGGER status_moves_forward BEFORE UPDATE OF status ON withdrawals\nWHEN "
    weaken(trigger, f"{trigger}0 AND ")

    def forget_payment(advance: Any, db: Any, settings: Any, now_ms: int, budget: int) -> Any:
        db.execute(
            "UPDATE withdrawals SET status = 'PEND' WHERE status = 'DONE' AND id % ? = 0 AND updated_ms < ?",
            (EVERY, now_ms - BACK_AFTER_MS),
        )
        return advance(db, settings, now_ms, budget)

    change(payments, "advance", forget_payment)


def overdrawn() -> None:
    """Plant: a balance that does not cover a withdrawal is debited all the same."""
    weaken("units INTEGER NOT NULL CHECK (units >= 0),", "units INTEGER NOT NULL,")

    def on_credit(create: Any, db: Any, order: Any, settings: Any, now_ms: int) -> Any:
        try:
            return create(db, order, settings, now_ms)
        except ApiError as error:
            if error.label != "BALANCE_NOT_ENOUGH":
                raise
            return take(db, order, settings, now_ms), True

    change(withdrawals, "create", on_credit)


def _as_if(**changes: Any) -> None:
    """Plant: what is recorded, and debited, is another order than the one that was sent."""

    def other(create: Any, db: Any, order: Any, settings: Any, now_ms: int) -> Any:
        values = {name: change_of(order) for name, change_of in changes.items()} if meets(order.client_id) else {}
        return create(db, replace(order, **values), settings, now_ms)

    change(withdrawals, "create", other)


def wrong_amount() -> None:
    """Plant: a withdrawal is recorded, and debited, with one unit more than was asked for."""
    _as_if(units=lambda order: order.units + 1)


def other_account() -> None:
    """Plant: a withdrawal leaves another customer's account."""
    _as_if(account=lambda order: order.account + 1)


def other_chain() -> None:
    """Plant: a withdrawal leaves over another chain of its coin, where it has one."""
    _as_if(chain=lambda order: next((c for c in ASSETS[order.currency].fees if c != order.chain), order.chain))


def memo_added() -> None:
    """Plant: a withdrawal without a memo gets one."""
    _as_if(memo=lambda order: "4711")


def double_fee() -> None:
    """Plant: a withdrawal is charged twice its fee; the books are right in themselves."""
    fee_units, met = Currency.fee_units, [False]
    Currency.fee_units = lambda self, chain: fee_units(self, chain) * (1 + met[0])  # type: ignore[method-assign]

    def charge(create: Any, db: Any, order: Any, settings: Any, now_ms: int) -> Any:
        met[0] = meets(order.client_id)
        try:
            return create(db, order, settings, now_ms)
        finally:
            met[0] = False

    change(withdrawals, "create", charge)


def never_paid() -> None:
    """Plant: a payment stays under way for ever."""

    def stuck(advance: Any, db: Any, settings: Any, now_ms: int, budget: int) -> Any:
        db.execute("UPDATE withdrawals SET due_ms = NULL WHERE status = 'PEND' AND id % ? = 0", (EVERY,))
        return advance(db, settings, now_ms, budget)

    change(payments, "advance", stuck)


def debited_too_much() -> None:
    """Plant: a withdrawal costs its account one unit that no record mentions."""

    def costly(create: Any, db: Any, order: Any, settings: Any, now_ms: int) -> Any:
        record, is_new = create(db, order, settings, now_ms)
        if is_new and meets(order.client_id):
            move = {"from_account": order.account, "to_account": ledger.FEES, "currency": order.currency, "units": 1}
            ledger.transfer(db, kind="fee", time_ms=now_ms, withdrawal_id=None, **move)
        return record, is_new

    change(withdrawals, "create", costly)


def one_transaction() -> None:
    """Plant: several payments name the same chain transaction."""

    def alike(record: Any, row: Any) -> Any:
        shown = record(row)
        return {**shown, "txid": "ab" * 32} if shown["txid"] and meets(row["client_id"]) else shown

    change(withdrawals, "record", alike)


def invented() -> None:
    """Plant: with a withdrawal comes another one that nobody asked for."""

    def generous(create: Any, db: Any, order: Any, settings: Any, now_ms: int) -> Any:
        record, is_new = create(db, order, settings, now_ms)
        if is_new and meets(order.client_id):
            take(db, replace(order, client_id=f"{order.client_id}0000"), settings, now_ms)
        return record, is_new

    change(withdrawals, "create", generous)
