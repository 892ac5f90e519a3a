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
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import polars as pl

from loadtests.dialect import ACKNOWLEDGED, REJECTED, UNKNOWN, Dialect, Holdings, Send, Ticket, Withdrawal

_ORDER = ("W1", "W2", "W3", "W4", "W5", "W6", "T1", "T3")
_TRIES = 10
_TRY_AGAIN_S = 0.3

_Rows = Mapping[str, dict[str, Any]]


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
    checks = [
        *_withdrawal_checks(money, asked, held.withdrawals),
        *_balance_checks(held, balances_before),
        *_ticket_checks(desk, held.tickets),
        *_common_checks([(money, _keys(held.withdrawals)), (desk, _keys(held.tickets))], held.withdrawals),
    ]
    unknown = {
        "withdrawal": _unknown(money, _keys(held.withdrawals)),
        "ticket": _unknown(desk, _keys(held.tickets)),
    }
    return {
        "done": True,
        "passed": all(check["passed"] for check in checks),
        "checks": sorted(checks, key=lambda check: _ORDER.index(check["name"])),
        "unknown": unknown,
    }


def not_done(reason: str, *, passed: bool) -> dict[str, Any]:
    """Return the result of a reconciliation that did not take place, and why."""
    return {"done": False, "passed": passed, "reason": reason, "checks": [], "unknown": {}}


def _withdrawal_checks(money: _Rows, asked: Mapping[str, Withdrawal], held: list[Withdrawal]) -> list[dict[str, Any]]:
    found, by_key = _keys(held), {w.key: w for w in held}
    acknowledged = _with(money, ACKNOWLEDGED)
    lost = [k for k in acknowledged if found[k] != 1 or not _equal(by_key[k], asked[k], money[k])]
    ids = Counter(w.server_id for w in held)
    twice = [*(key for key, n in found.items() if n > 1), *(i for i, n in ids.items() if n > 1)]
    return [
        _check("W1", "acknowledged withdrawals are in the server exactly once, as agreed", len(acknowledged), lost),
        _check("W2", "no withdrawal key twice, no id for two keys", len(held), twice),
    ]


def _ticket_checks(desk: _Rows, held: list[Ticket]) -> list[dict[str, Any]]:
    found, ids = _keys(held), {t.key: t.server_id for t in held}
    acknowledged = _with(desk, ACKNOWLEDGED)
    lost = [k for k in acknowledged if found[k] != 1 or ids[k] != desk[k]["server_id"]]
    return [
        _check("T1", "acknowledged tickets are in the server exactly once", len(acknowledged), lost),
        _check("T3", "no ticket marker twice", len(held), [key for key, n in found.items() if n > 1]),
    ]


def _common_checks(kinds: list[tuple[_Rows, Counter[str]]], withdrawals: list[Withdrawal]) -> list[dict[str, Any]]:
    """Return W3, W4 and W5, which tickets must keep too."""
    failed = {w.key for w in withdrawals if w.failed}
    taken = [k for rows, found in kinds for k in _with(rows, REJECTED) if found[k] and k not in failed]
    twice = [k for rows, found in kinds for k in _with(rows, UNKNOWN) if found[k] > 1]
    invented = [k for rows, found in kinds for k in found if k not in rows]
    n_rejected, n_unknown = (sum(len(_with(rows, fate)) for rows, _ in kinds) for fate in (REJECTED, UNKNOWN))
    return [
        _check("W3", "rejected requests are absent or failed", n_rejected, taken),
        _check("W4", "requests of unknown fate are in the server at most once", n_unknown, twice),
        _check("W5", "nothing of this run that it never sent", sum(len(found) for _, found in kinds), invented),
    ]


def _balance_checks(held: Holdings, before: Mapping[str, Decimal] | None) -> list[dict[str, Any]]:
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


def _rows(requests: pl.DataFrame, endpoint: str) -> _Rows:
    """Return the sent requests of an endpoint by their key."""
    sent = requests.filter((pl.col("endpoint") == endpoint) & (pl.col("sent_us") >= 0))
    return {row["key"]: row for row in sent.iter_rows(named=True)}


def _keys(held: Sequence[Withdrawal] | Sequence[Ticket]) -> Counter[str]:
    return Counter(thing.key for thing in held)


def _with(rows: _Rows, outcome: str) -> list[str]:
    return [key for key, row in rows.items() if row["outcome"] == outcome]


def _equal(held: Withdrawal, asked: Withdrawal, row: Mapping[str, Any]) -> bool:
    same = (held.amount, held.address, held.currency) == (asked.amount, asked.address, asked.currency)
    return same and held.server_id == row["server_id"]


def _check(name: str, what: str, count: int, wrong: Sequence[str]) -> dict[str, Any]:
    return {
        "name": name,
        "what": what,
        "passed": not wrong,
        "count": count,
        "n_wrong": len(wrong),
        "examples": list(wrong[:5]),
    }


def _unknown(rows: _Rows, found: Counter[str]) -> dict[str, int]:
    keys = _with(rows, UNKNOWN)
    recorded = sum(found[key] > 0 for key in keys)
    return {"recorded": recorded, "absent": len(keys) - recorded}
