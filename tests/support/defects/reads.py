"""Defects in the reference server's answers: of its reads, and of writes that it refuses and keeps."""

from __future__ import annotations

from typing import Any

from loadtests.staging.errors import ApiError
from loadtests.staging.exchange import tickets, withdrawals
from loadtests.staging.http import auth, gate_api
from tests.support.defects import money
from tests.support.defects.planting import EVERY, change, meets


def _answered_by(error: ApiError) -> None:
    """Plant: a withdrawal is recorded, and its request is answered with an error."""

    def refuse(answer: Any, value: Any, status: int = 200, *more: Any) -> Any:
        if status == 202 and meets(value["withdraw_order_id"]):
            raise error
        return answer(value, status, *more)

    change(gate_api, "answer", refuse)


def limited_but_done() -> None:
    """Plant: a withdrawal is answered with a rate limit, and recorded and paid all the same."""
    _answered_by(ApiError(429, "TOO_MANY_REQUESTS", "slow down", retry_after_s=1))


def refused_but_done() -> None:
    """Plant: a withdrawal is refused, and recorded and paid all the same."""
    _answered_by(ApiError(400, "BALANCE_NOT_ENOUGH", "the balance does not cover amount and fee"))


def error_but_done_twice() -> None:
    """Plant: a withdrawal is answered with an error of the server, and recorded and paid twice."""
    money.paid_twice()
    _answered_by(ApiError(500, "SERVER_ERROR", "internal error"))


def status_empty() -> None:
    """Plant: a status query finds nothing."""
    change(withdrawals, "find", lambda find, db, key, account: [] if meets(key) else find(db, key, account))


def status_of_another() -> None:
    """Plant: a status query shows another withdrawal."""

    def other(find: Any, db: Any, key: str, account: int | None) -> Any:
        row = db.execute("SELECT * FROM withdrawals WHERE client_id <> ? ORDER BY id", (key,)).fetchone()
        return [withdrawals.record(row)] if row is not None and meets(key) else find(db, key, account)

    change(withdrawals, "find", other)


def status_of_another_amount() -> None:
    """Plant: a status query shows the right withdrawal with another amount."""

    def other(find: Any, db: Any, key: str, account: int | None) -> Any:
        rows = find(db, key, account)
        return [{**row, "amount": f"1{row['amount']}"} for row in rows] if meets(key) else rows

    change(withdrawals, "find", other)


def status_flips() -> None:
    """Plant: a status query shows a paid withdrawal as paid and as pending by turns, as from a copy left behind."""
    turns: dict[str, int] = {}

    def flip(find: Any, db: Any, key: str, account: int | None) -> Any:
        rows = find(db, key, account)
        if rows and rows[0]["status"] == "DONE" and meets(key):
            turns[key] = turns.get(key, 0) + 1
            if turns[key] % 2 == 0:
                return [{**row, "status": "PEND", "txid": "", "block_number": "0"} for row in rows]
        return rows

    change(withdrawals, "find", flip)


def view_of_another() -> None:
    """Plant: a ticket view shows another ticket."""
    change(tickets, "view", lambda view, db, number: view(db, number - (number > 1 and number % EVERY == 0)))


def view_gone() -> None:
    """Plant: a ticket view finds nothing."""

    def gone(view: Any, db: Any, number: int) -> Any:
        if number % EVERY == 0:
            raise ApiError(404, "RecordNotFound", "Not found")
        return view(db, number)

    change(tickets, "view", gone)


def view_of_another_subject() -> None:
    """Plant: a ticket view shows the right ticket with another subject."""

    def other(view: Any, db: Any, number: int) -> Any:
        shown = view(db, number)
        return {**shown, "subject": "card"} if number % EVERY == 0 else shown

    change(tickets, "view", other)


def token_of_another() -> None:
    """Plant: a login is answered with the token of another account."""

    def other(login_token: Any, *, account: int, **rest: Any) -> Any:
        return login_token(account=account + (account % EVERY == 0), **rest)

    change(auth, "login_token", other)
