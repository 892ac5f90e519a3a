"""What the server holds against what it acknowledged: nothing lost, nothing twice, nothing invented.

The checks, on withdrawals (W) and tickets (T): W1 each acknowledged withdrawal is there exactly once, with the
amount, address, currency and id that were agreed. W2 no key twice, no id for two keys. W3 what was rejected is absent
or failed. W4 what is unknown is there 0 or 1 times, and counted. W5 nothing of this run that was never sent. W6 what
left the customers' balances is the sum of amount and fee of what has not failed (it holds only while nobody else
withdraws). T1 and T3 are W1 and W2 for tickets.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import polars as pl

from loadtests.dialect import ACKNOWLEDGED, REJECTED, UNKNOWN, Dialect, Holdings, Send, Withdrawal

_TRIES = 10
_TRY_AGAIN_S = 0.3


def read_holdings(
    dialect: Dialect, send: Send, prefix: str, pause: Callable[[float], None] = time.sleep
) -> Holdings | None:
    """Return what the server holds of the run, read while no balance moved; None where the API cannot tell.

    A payment that fails meanwhile is returned to its customer, so the balances are read before and after. They may go
    on moving (somebody else withdraws): after some tries the last reading is returned.
    """
    found = None
    for _ in range(_TRIES):
        before = dialect.balances(send)
        found = dialect.holdings(send, prefix)
        if found is None or found.balances == before:
            break
        pause(_TRY_AGAIN_S)
    return found


def reconcile(
    *,
    requests: pl.DataFrame,
    asked: Mapping[str, Withdrawal],
    held: Holdings,
    balances_before: Mapping[str, Decimal] | None,
) -> dict[str, Any]:
    """Return ``checks`` (name, what, passed, count, examples) and the unknown requests that are recorded or absent.

    ``requests`` is the run's table of the schema REQUESTS, ``asked`` what each withdrawal's key asked for.
    """
    money, desk = _rows(requests, "withdrawal"), _rows(requests, "ticket")
    held_money = Counter(w.key for w in held.withdrawals)
    held_desk = Counter(t.key for t in held.tickets)
    failed = {w.key for w in held.withdrawals if w.failed}
    by_key = {w.key: w for w in held.withdrawals}
    tickets = {t.key: t.server_id for t in held.tickets}
    n_acknowledged = sum(row["outcome"] == ACKNOWLEDGED for row in money.values())
    t_acknowledged = sum(row["outcome"] == ACKNOWLEDGED for row in desk.values())
    checks = [
        _check(
            "W1",
            "acknowledged withdrawals are in the server exactly once, as agreed",
            n_acknowledged,
            (k for k in _with(money, ACKNOWLEDGED) if held_money[k] != 1 or not _equal(by_key[k], asked[k], money[k])),
        ),
        _check("W2", "no withdrawal key twice, no id for two keys", len(held.withdrawals), _repeated(held.withdrawals)),
        _check(
            "W3",
            "rejected requests are absent or failed",
            sum(row["outcome"] == REJECTED for row in (*money.values(), *desk.values())),
            [
                *(k for k in _with(money, REJECTED) if held_money[k] and k not in failed),
                *(k for k in _with(desk, REJECTED) if held_desk[k]),
            ],
        ),
        _check(
            "W4",
            "requests of unknown fate are in the server at most once",
            sum(row["outcome"] == UNKNOWN for row in (*money.values(), *desk.values())),
            [
                *(k for k in _with(money, UNKNOWN) if held_money[k] > 1),
                *(k for k in _with(desk, UNKNOWN) if held_desk[k] > 1),
            ],
        ),
        _check(
            "W5",
            "nothing of this run that it never sent",
            len(held_money) + len(held_desk),
            [*(k for k in held_money if k not in money), *(k for k in held_desk if k not in desk)],
        ),
        *_balance_check(held, balances_before),
        _check(
            "T1",
            "acknowledged tickets are in the server exactly once",
            t_acknowledged,
            (k for k in _with(desk, ACKNOWLEDGED) if held_desk[k] != 1 or tickets[k] != desk[k]["server_id"]),
        ),
        _check("T3", "no ticket marker twice", len(held.tickets), (k for k, n in held_desk.items() if n > 1)),
    ]
    unknown = {name: _unknown(rows, found) for name, rows, found in _pairs(money, held_money, desk, held_desk)}
    return {"done": True, "passed": all(check["passed"] for check in checks), "checks": checks, "unknown": unknown}


def not_done(reason: str, *, passed: bool) -> dict[str, Any]:
    """Return the result of a reconciliation that did not take place, and why."""
    return {"done": False, "passed": passed, "reason": reason, "checks": [], "unknown": {}}


def _rows(requests: pl.DataFrame, endpoint: str) -> dict[str, dict[str, Any]]:
    """Return the sent requests of an endpoint by their key."""
    sent = requests.filter((pl.col("endpoint") == endpoint) & (pl.col("sent_us") >= 0))
    return {row["key"]: row for row in sent.iter_rows(named=True)}


def _with(rows: Mapping[str, dict[str, Any]], outcome: str) -> list[str]:
    return [key for key, row in rows.items() if row["outcome"] == outcome]


def _equal(held: Withdrawal, asked: Withdrawal, row: Mapping[str, Any]) -> bool:
    same = (held.amount, held.address, held.currency) == (asked.amount, asked.address, asked.currency)
    return same and held.server_id == row["server_id"]


def _repeated(withdrawals: Iterable[Withdrawal]) -> list[str]:
    """Return keys that are there twice, and ids that stand for two keys."""
    rows = list(withdrawals)
    keys, ids = Counter(w.key for w in rows), Counter(w.server_id for w in rows)
    return [*(key for key, n in keys.items() if n > 1), *(i for i, n in ids.items() if n > 1)]


def _balance_check(held: Holdings, before: Mapping[str, Decimal] | None) -> list[dict[str, Any]]:
    if held.balances is None or before is None:
        return []
    spent: dict[str, Decimal] = {}
    for w in held.withdrawals:
        if not w.failed:
            spent[w.currency] = spent.get(w.currency, Decimal(0)) + w.amount + w.fee
    wrong = []
    for currency in sorted({*before, *held.balances, *spent}):
        left = before.get(currency, Decimal(0)) - held.balances.get(currency, Decimal(0))
        if left != spent.get(currency, Decimal(0)):
            wrong.append(f"{currency}: {left} left, {spent.get(currency, Decimal(0))} was withdrawn")
    return [_check("W6", "what left the balances is what was withdrawn, with fees", len(held.balances), wrong)]


def _check(name: str, what: str, count: int, wrong: Iterable[str]) -> dict[str, Any]:
    faults = list(wrong)
    return {
        "name": name,
        "what": what,
        "passed": not faults,
        "count": count,
        "n_wrong": len(faults),
        "examples": faults[:5],
    }


def _pairs(
    money: dict[str, Any], held_money: Counter[str], desk: dict[str, Any], held_desk: Counter[str]
) -> list[tuple[str, dict[str, Any], Counter[str]]]:
    return [("withdrawal", money, held_money), ("ticket", desk, held_desk)]


def _unknown(rows: Mapping[str, dict[str, Any]], found: Counter[str]) -> dict[str, int]:
    keys = _with(rows, UNKNOWN)
    recorded = sum(found[key] > 0 for key in keys)
    return {"recorded": recorded, "absent": len(keys) - recorded}
