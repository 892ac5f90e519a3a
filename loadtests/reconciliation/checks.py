"""What the server holds, and showed, against what it acknowledged: nothing lost, nothing twice, nothing else.

The checks, on withdrawals (W) and tickets (T): W1 each acknowledged withdrawal is there exactly once, with the id and
all contents that were agreed. W2 no key twice, no id for two keys. W3 what was rejected is absent or failed. W4 what is
unknown is there 0 or 1 times, as asked, and counted. W5 nothing of this run that was never sent. W6 balances fell by
exactly the amounts and fees of this run's withdrawals, others' spending excluded. W7 no balance below zero in any read.
W8 a status only moves forward, and a final one never changes. W9 each payment has its own chain transaction. W10 what
was acknowledged ends within the promised time. W11 what was rate limited is absent or failed. T1 and T3 are W1 and W2
for tickets. T2 the open count, others' tickets excluded, rose by acknowledged to acknowledged + unknown, minus the
tickets no longer open. T4 closed tickets stay closed. R1 to R4 judge the run's own reads (``reads.py``).

A check that the API, the dialect or the run does not allow is listed with ``passed`` null and the reason.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from loadtests.dialect.contract import (
    RATE_LIMITED,
    REJECTED,
    UNKNOWN,
    Dialect,
    Holdings,
    Send,
    Ticket,
    Withdrawal,
    named,
)
from loadtests.dialect.exact import exact_holdings, exact_sums
from loadtests.dialect.reads import contents, differences
from loadtests.reconciliation import desk as tickets
from loadtests.reconciliation import money as withdrawals
from loadtests.reconciliation.check import Rows, StoredEvidence, checked, keys_of, rows_of, with_outcome
from loadtests.reconciliation.reads import read_checks

CHECKS = (
    *("W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W10", "W11"),
    *("T1", "T2", "T3", "T4", "R1", "R2", "R3", "R4"),
)
_TRIES = 10
_TRY_AGAIN_S = 0.3


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
        before = exact_sums(dialect.balances(send))
        found = dialect.holdings(send, prefix)
        if found is None:
            return None
        found = named(exact_holdings(found), keys or {})
        if found.balances == before:
            return found
        pause(_TRY_AGAIN_S)
    assert found is not None
    return found._replace(spent_by_others=None)


def reconcile(evidence: StoredEvidence) -> dict[str, Any]:
    """Return ``checks`` (name, what, passed, reason, count, n_wrong, examples, not_compared), the fates of what is
    unknown, and how many withdrawals are still pending.

    The held records count as the last sighting of each.
    """
    held, seen = evidence.held, evidence.seen
    seen.see(held.withdrawals, held.tickets, held.overdrawn is not None, held.overdrawn or ())
    money, desk = rows_of(evidence.requests, "withdrawal"), rows_of(evidence.requests, "ticket")
    checks = [
        *withdrawals.record_checks(money, evidence),
        *_common_checks(money, desk, evidence),
        withdrawals.balance_check(held, evidence.before),
        *withdrawals.state_checks(held, seen),
        withdrawals.promise_check(money, evidence),
        *tickets.record_checks(desk, evidence),
        tickets.open_check(desk, held, evidence.before),
        tickets.closed_check(seen),
        *read_checks(evidence.requests, evidence.asked, held),
    ]
    unknown = {
        "withdrawal": _untold(money) if held.by_id else _unknown(money, keys_of(held.withdrawals)),
        "ticket": _unknown(desk, keys_of(held.tickets)),
    }
    return {
        "done": True,
        "passed": not any(check["passed"] is False for check in checks),
        "checks": sorted(checks, key=lambda check: CHECKS.index(check["name"])),
        "unknown": unknown,
        "pending": withdrawals.pending(money, held),
        "watch": seen.told(),
    }


def not_done(reason: str, *, passed: bool | None) -> dict[str, Any]:
    """Return the result of a reconciliation that did not take place, and why; None for what it would have decided."""
    return {"done": False, "passed": passed, "reason": reason, "checks": [], "unknown": {}, "pending": {}, "watch": {}}


def _common_checks(money: Rows, desk: Rows, evidence: StoredEvidence) -> list[dict[str, Any]]:
    """Return W3, W4, W5 and W11, which tickets must keep too."""
    held, asked = evidence.held, evidence.asked
    kinds = [(money, keys_of(held.withdrawals)), (desk, keys_of(held.tickets))]
    failed = {w.key for w in held.withdrawals if w.failed}

    def effects(outcome: str) -> list[str]:
        return [k for rows, found in kinds for k in with_outcome(rows, outcome) if found[k] and k not in failed]

    def count(outcome: str) -> int:
        return sum(len(with_outcome(rows, outcome)) for rows, _ in kinds)

    unknown = [(k, found[k]) for rows, found in kinds for k in with_outcome(rows, UNKNOWN) if found[k]]
    records: dict[str, Withdrawal | Ticket] = {one.key: one for one in held.withdrawals}
    records |= {one.key: one for one in held.tickets}
    wrong = [k for k, n in unknown if n > 1]
    for key in (k for k, n in unknown if n == 1):
        one = asked.withdrawals.get(key) or asked.tickets.get(key)
        faults = differences(contents(one), contents(records[key])) if one else []
        wrong += [f"{key}: {', '.join(faults)}"] if faults else []
    invented = [k for rows, found in kinds for k in found if k not in rows]
    n_found = sum(len(found) for _, found in kinds)
    none = "the API has no client ids, so only acknowledged withdrawals can be identified" if held.by_id else ""
    no_limit = none or ("" if count(RATE_LIMITED) else "no write was rate limited")
    what = "requests of unknown fate are in the server at most once, as asked"
    return [
        checked("W3", "rejected requests are absent or failed", count(REJECTED), effects(REJECTED), none),
        checked("W4", what, count(UNKNOWN), wrong, none),
        checked("W5", "each record of this run was sent by it", n_found, invented, none),
        checked("W11", "rate-limited requests took no effect", count(RATE_LIMITED), effects(RATE_LIMITED), no_limit),
    ]


def _untold(rows: Rows) -> dict[str, int]:
    return {"untold": len(with_outcome(rows, UNKNOWN))}


def _unknown(rows: Rows, found: Counter[str]) -> dict[str, int]:
    keys = with_outcome(rows, UNKNOWN)
    recorded = sum(found[key] > 0 for key in keys)
    return {"recorded": recorded, "absent": len(keys) - recorded}
