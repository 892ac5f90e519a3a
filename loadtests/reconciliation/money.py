"""The checks of withdrawals: W1, W2, W6 to W10."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from loadtests.dialect.contract import ACKNOWLEDGED, Holdings, Withdrawal, spent
from loadtests.reconciliation.check import EXAMPLES, Rows, StoredEvidence, checked, compare, keys_of, with_outcome
from loadtests.reconciliation.observations import Observations

SLACK_US = 1_000_000
"""How much later than promised a withdrawal may end: so well the start of a run is known."""


def record_checks(money: Rows, evidence: StoredEvidence) -> list[dict[str, Any]]:
    """Return W1 and W2."""
    held, acknowledged = evidence.held.withdrawals, with_outcome(money, ACKNOWLEDGED)
    found = compare(acknowledged, evidence.asked.withdrawals, held, money)
    ids = Counter(one.server_id for one in held)
    twice = [*(key for key, n in keys_of(held).items() if n > 1), *(i for i, n in ids.items() if n > 1)]
    none = "" if money or held else "the run sent no withdrawals"
    what = "acknowledged withdrawals are in the server exactly once, as agreed"
    return [
        checked("W1", what, len(acknowledged), found.wrong, none, not_compared=found.not_compared),
        checked("W2", "no withdrawal key twice, no id for two keys", len(held), twice, none),
    ]


def balance_check(held: Holdings, before: Holdings | None) -> dict[str, Any]:
    """Return W6."""
    what = "balances fell by exactly the amounts and fees of this run's withdrawals"
    if held.balances is None or before is None or before.balances is None:
        return checked("W6", what, 0, [], "balances cannot be read, or were not read before the run")
    taken, zero = spent(held.withdrawals), Decimal(0)
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


def state_checks(held: Holdings, seen: Observations) -> list[dict[str, Any]]:
    """Return W7, W8 and W9, which rest on what was read during the run and after it."""
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
    return [
        checked("W7", "no balance below zero in any read", seen.n_balances, seen.overdrawn, no_balance),
        checked("W8", "statuses only move forward, final ones never change", seen.n_withdrawals, seen.back, no_status),
        checked("W9", "each payment has its own chain transaction", len(paid), [*unpaid, *seen.paid_again], no_chain),
    ]


def promise_check(money: Rows, evidence: StoredEvidence) -> dict[str, Any]:
    """Return W10: what was acknowledged longer ago than promised has ended, paid or failed."""
    what = "acknowledged withdrawals end within the promised time"
    if evidence.promise_us is None:
        return checked("W10", what, 0, [], "the scenario promises no time (withdrawals.promise)")
    held = {one.key: one for one in evidence.held.withdrawals}
    mine = [key for key in with_outcome(money, ACKNOWLEDGED) if key in held]
    ranked = [key for key in mine if _says_when(held[key])]
    late_us = evidence.promise_us + SLACK_US
    due = [key for key in ranked if evidence.read_us - money[key].done_us > late_us]
    overdue = [key for key in due if not (held[key].final or held[key].failed)]
    promised_s = f"{evidence.promise_us / 1e6:g} s"
    wrong = [f"{key}: is {held[key].status}, more than {promised_s} after it was acknowledged" for key in overdue]
    none = "" if due else f"none was acknowledged more than {promised_s} before it was read"
    if not ranked:
        none = "the API reports no status that ends" if held else "the server holds none"
    unknown = Counter(held[key].status for key in mine if held[key].status and not _says_when(held[key]))
    untold = [f"{n:,} in the unknown state {word}" for word, n in unknown.most_common(EXAMPLES)]
    return checked("W10", what, len(due), wrong, none, not_compared=untold)


def pending(money: Rows, held: Holdings) -> dict[str, int]:
    """Return how many of the acknowledged withdrawals that the server holds had not ended when it was read.

    ``untold``: how many of them are in a state that the dialect does not know. Empty where no state tells anything.
    """
    by_key = {one.key: one for one in held.withdrawals}
    mine = [by_key[key] for key in with_outcome(money, ACKNOWLEDGED) if key in by_key]
    telling = [one for one in mine if _says_when(one)]
    if not any(one.status for one in mine) and not telling:
        return {}
    untold = len(mine) - len(telling)
    return {"withdrawals": sum(not (one.final or one.failed) for one in telling), "of": len(mine), "untold": untold}


def _says_when(one: Withdrawal) -> bool:
    """Return whether a status can tell that a withdrawal has ended: an unknown word says nothing."""
    return one.final or one.failed or one.stage >= 0
