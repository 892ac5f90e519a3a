"""What the server holds against what it acknowledged: nothing lost, nothing twice, nothing invented.

The checks, on withdrawals (W) and tickets (T): W1 each acknowledged withdrawal is there exactly once, with the
amount, address, currency and id that were agreed. W2 no key twice, no id for two keys. W3 what was rejected is absent
or failed. W4 what is unknown is there 0 or 1 times, and counted. W5 nothing of this run that was never sent. W6
balances fell by exactly the amounts and fees of this run's withdrawals, others' spending excluded. W7 no balance below
zero in any read. W8 a status only moves forward, and a final one never changes. W9 each payment has its own chain
transaction. T1 and T3 are W1 and W2 for tickets. T2 the open count, others' tickets excluded, rose by acknowledged
to acknowledged + unknown, minus the tickets no longer open. T4 closed tickets stay closed.

A check that the API, the dialect or the run does not allow is listed with ``passed`` null and the reason.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl

from loadtests.dialect.contract import (
    ACKNOWLEDGED,
    REJECTED,
    UNKNOWN,
    Dialect,
    Holdings,
    Send,
    Ticket,
    Withdrawal,
    named,
)
from loadtests.reconciliation.observations import Observations

CHECKS = ("W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "T1", "T2", "T3", "T4")
EXAMPLES = 5
_TRIES = 10
_TRY_AGAIN_S = 0.3

_Rows = Mapping[str, dict[str, Any]]


class StoredEvidence(NamedTuple):
    """The input of a reconciliation.

    ``requests`` is the run's table of the schema REQUESTS, ``asked`` what each withdrawal's key asked for, ``held`` and
    ``before`` what the server held after and before the run, ``seen`` what was read on the way.
    """

    requests: pl.DataFrame
    asked: Mapping[str, Withdrawal]
    held: Holdings
    before: Holdings | None
    seen: Observations


def read_holdings(
    dialect: Dialect,
    send: Send,
    prefix: str,
    pause: Callable[[float], None] = time.sleep,
    keys: Mapping[str, str] | None = None,
) -> Holdings | None:
    """Return what the server holds of the run, read while no balance moved; None where the API does not report it.

    A payment that fails meanwhile is returned to its customer, so the balances are read before and after. Where they go
    on moving (others withdraw without a pause) the last reading is returned without what others spent. ``keys``
    are the run's keys by the server's id, for an API that knows no client ids.
    """
    found = None
    for _ in range(_TRIES):
        before = dialect.balances(send)
        found = dialect.holdings(send, prefix)
        if found is None:
            return None
        found = named(found, keys or {})
        if found.balances == before:
            return found
        pause(_TRY_AGAIN_S)
    assert found is not None
    return found._replace(spent_by_others=None)


def reconcile(evidence: StoredEvidence) -> dict[str, Any]:
    """Return ``checks`` (name, what, passed, reason, count, n_wrong, examples) and the fates of what is unknown.

    The held records count as the last sighting of each.
    """
    held, seen = evidence.held, evidence.seen
    seen.see(held.withdrawals, held.tickets, held.overdrawn is not None, held.overdrawn or ())
    money, desk = _rows(evidence.requests, "withdrawal"), _rows(evidence.requests, "ticket")
    checks = [
        *_withdrawal_checks(money, evidence.asked, held.withdrawals),
        *_common_checks([(money, _keys(held.withdrawals)), (desk, _keys(held.tickets))], held),
        _balance_check(held, evidence.before),
        *_state_checks(held, seen),
        *_ticket_checks(desk, held.tickets),
        _open_check(desk, held, evidence.before),
    ]
    unknown = {
        "withdrawal": _untold(money) if held.by_id else _unknown(money, _keys(held.withdrawals)),
        "ticket": _unknown(desk, _keys(held.tickets)),
    }
    return {
        "done": True,
        "passed": not any(check["passed"] is False for check in checks),
        "checks": sorted(checks, key=lambda check: CHECKS.index(check["name"])),
        "unknown": unknown,
        "watch": seen.told(),
    }


def not_done(reason: str, *, passed: bool) -> dict[str, Any]:
    """Return the result of a reconciliation that did not take place, and why."""
    return {"done": False, "passed": passed, "reason": reason, "checks": [], "unknown": {}, "watch": {}}


def _withdrawal_checks(money: _Rows, asked: Mapping[str, Withdrawal], held: list[Withdrawal]) -> list[dict[str, Any]]:
    found, by_key = _keys(held), {w.key: w for w in held}
    acknowledged = _with(money, ACKNOWLEDGED)
    lost = [fault for k in acknowledged if (fault := _fault(found[k], by_key.get(k), asked[k], money[k]))]
    ids = Counter(w.server_id for w in held)
    twice = [*(key for key, n in found.items() if n > 1), *(i for i, n in ids.items() if n > 1)]
    none = "" if money or held else "the run sent no withdrawals"
    what = "acknowledged withdrawals are in the server exactly once, as agreed"
    return [
        checked("W1", what, len(acknowledged), lost, none),
        checked("W2", "no withdrawal key twice, no id for two keys", len(held), twice, none),
    ]


def _ticket_checks(desk: _Rows, held: Sequence[Ticket]) -> list[dict[str, Any]]:
    found, ids = _keys(held), {t.key: t.server_id for t in held}
    acknowledged = _with(desk, ACKNOWLEDGED)
    lost = [f"{k}: is there {found[k]} times" for k in acknowledged if found[k] != 1]
    other = [k for k in acknowledged if found[k] == 1 and ids[k] != desk[k]["server_id"]]
    lost += [f"{k}: acknowledged as {desk[k]['server_id']}, is {ids[k]}" for k in other]
    none = "" if desk or held else "the run sent no tickets"
    return [
        checked("T1", "acknowledged tickets are in the server exactly once", len(acknowledged), lost, none),
        checked("T3", "no ticket marker twice", len(held), [key for key, n in found.items() if n > 1], none),
    ]


def _common_checks(kinds: list[tuple[_Rows, Counter[str]]], held: Holdings) -> list[dict[str, Any]]:
    """Return W3, W4 and W5, which tickets must keep too."""
    failed = {w.key for w in held.withdrawals if w.failed}
    taken = [k for rows, found in kinds for k in _with(rows, REJECTED) if found[k] and k not in failed]
    twice = [k for rows, found in kinds for k in _with(rows, UNKNOWN) if found[k] > 1]
    invented = [k for rows, found in kinds for k in found if k not in rows]
    n_rejected, n_unknown = (sum(len(_with(rows, fate)) for rows, _ in kinds) for fate in (REJECTED, UNKNOWN))
    none = "the API has no client ids, so only acknowledged withdrawals can be identified" if held.by_id else ""
    return [
        checked("W3", "rejected requests are absent or failed", n_rejected, taken, none),
        checked("W4", "requests of unknown fate are in the server at most once", n_unknown, twice, none),
        checked("W5", "each record of this run was sent by it", sum(len(found) for _, found in kinds), invented, none),
    ]


def _balance_check(held: Holdings, before: Holdings | None) -> dict[str, Any]:
    what = "balances fell by exactly the amounts and fees of this run's withdrawals"
    if held.balances is None or before is None or before.balances is None:
        return checked("W6", what, 0, [], "balances cannot be read, or were not read before the run")
    taken: dict[str, Decimal] = {}
    zero = Decimal(0)
    for w in held.withdrawals:
        if not w.failed:
            taken[w.currency] = taken.get(w.currency, zero) + w.amount + w.fee
    now, others = held.spent_by_others, before.spent_by_others
    wrong = []
    for currency in sorted({*before.balances, *held.balances, *taken}):
        left = before.balances.get(currency, zero) - held.balances.get(currency, zero)
        if now is not None and others is not None:
            left -= now.get(currency, zero) - others.get(currency, zero)
        if left != taken.get(currency, zero):
            wrong.append(f"{currency}: balances fell by {left}, not by {taken.get(currency, zero)}")
    if now is None or others is None:
        told = f" ({'; '.join(wrong[:EXAMPLES])})" if wrong else ""
        reason = "others' withdrawals cannot be separated, or balances kept changing while they were read"
        return checked("W6", what, 0, [], reason + told)
    return checked("W6", what, len(held.balances), wrong)


def _state_checks(held: Holdings, seen: Observations) -> list[dict[str, Any]]:
    """Return W7, W8, W9 and T4, which rest on what was read during the run and after it."""
    paid = [w for w in held.withdrawals if w.final and not w.failed]
    uses = Counter(w.chain_id for w in paid)
    unpaid = [
        f"{w.key}: {'transaction ' + w.chain_id + ' of another' if w.chain_id else 'no transaction'}"
        for w in paid
        if w.chain_id is not None and (not w.chain_id or uses[w.chain_id] > 1)
    ]
    told = any(w.chain_id is not None for w in paid)
    no_chain = "" if told else "the API reports no chain transactions" if paid else "nothing was paid when it was read"
    no_balance = "" if seen.n_balances else "balances of accounts cannot be read"
    no_status = "" if seen.n_withdrawals else "no withdrawal was read more than once"
    no_closed = "" if seen.n_closed else "no ticket was seen closed and read again"
    return [
        checked("W7", "no balance below zero in any read", seen.n_balances, seen.overdrawn, no_balance),
        checked("W8", "statuses only move forward, final ones never change", seen.n_withdrawals, seen.back, no_status),
        checked("W9", "each payment has its own chain transaction", len(paid), [*unpaid, *seen.paid_again], no_chain),
        checked("T4", "closed tickets stay closed", seen.n_closed, seen.reopened, no_closed),
    ]


def _open_check(desk: _Rows, held: Holdings, before: Holdings | None) -> dict[str, Any]:
    what = "the open count rose by the acknowledged tickets, up to the unknown ones more, minus those no longer open"
    if not desk:
        return checked("T2", what, 0, [], "the run sent no tickets")
    if held.open_tickets is None or before is None or before.open_tickets is None:
        return checked("T2", what, 0, [], "the open count cannot be read, or was not read before the run")
    rose = held.open_tickets - before.open_tickets
    n_done, n_known, n_unknown = (
        sum(not t.is_open for t in held.tickets), len(_with(desk, ACKNOWLEDGED)), len(_with(desk, UNKNOWN))
    )  # fmt: skip
    least, most = n_known - n_done, n_known + n_unknown - n_done
    if held.open_of_others is None or before.open_of_others is None:
        reason = f"others' tickets cannot be separated (the count rose by {rose}, expected {least} to {most})"
        return checked("T2", what, 0, [], reason)
    rose -= held.open_of_others - before.open_of_others
    wrong = [] if least <= rose <= most else [f"the count rose by {rose}, not by {least} to {most}"]
    return checked("T2", what, 1, wrong)


def _rows(requests: pl.DataFrame, endpoint: str) -> _Rows:
    """Return the sent requests of an endpoint by their key."""
    sent = requests.filter((pl.col("endpoint") == endpoint) & (pl.col("sent_us") >= 0))
    return {row["key"]: row for row in sent.iter_rows(named=True)}


def _keys(held: Sequence[Withdrawal] | Sequence[Ticket]) -> Counter[str]:
    return Counter(thing.key for thing in held)


def _with(rows: _Rows, outcome: str) -> list[str]:
    return [key for key, row in rows.items() if row["outcome"] == outcome]


def _fault(n_found: int, held: Withdrawal | None, asked: Withdrawal, row: Mapping[str, Any]) -> str:
    """Return what is wrong with an acknowledged withdrawal, nothing when it is there as agreed."""
    if n_found != 1 or held is None:
        return f"{asked.key}: is there {n_found} times"
    pairs = [
        (name, getattr(asked, name), getattr(held, name))
        for name in ("amount", "currency", "address")
        if getattr(asked, name) != getattr(held, name)
    ]
    if held.server_id != row["server_id"]:
        pairs.append(("id", row["server_id"], held.server_id))
    return f"{asked.key}: " + ", ".join(f"{name} {here}, not {agreed}" for name, agreed, here in pairs) if pairs else ""


def checked(name: str, what: str, count: int, wrong: Sequence[str], reason: str = "") -> dict[str, Any]:
    """Return one check; with a ``reason`` and nothing wrong it is not checked, and not passed."""
    unchecked = bool(reason) and not wrong
    return {
        "name": name,
        "what": what,
        "passed": None if unchecked else not wrong,
        "reason": reason if unchecked else "",
        "count": count,
        "n_wrong": len(wrong),
        "examples": list(wrong[:EXAMPLES]),
    }


def _untold(rows: _Rows) -> dict[str, int]:
    return {"untold": len(_with(rows, UNKNOWN))}


def _unknown(rows: _Rows, found: Counter[str]) -> dict[str, int]:
    keys = _with(rows, UNKNOWN)
    recorded = sum(found[key] > 0 for key in keys)
    return {"recorded": recorded, "absent": len(keys) - recorded}
