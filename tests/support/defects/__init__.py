"""Defects to plant in the reference server: in what it keeps of withdrawals and tickets, and in what its reads show."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.defects import desk, money, reads

PLANTED: dict[str, Callable[[], None]] = {
    "lost after acknowledging": money.lost,
    "paid twice": money.paid_twice,
    "status going back": money.status_back,
    "balance below zero": money.overdrawn,
    "wrong amount": money.wrong_amount,
    "ticket dropped": desk.dropped,
    "other account": money.other_account,
    "other chain": money.other_chain,
    "double fee": money.double_fee,
    "ticket of another customer": desk.other_customer,
    "other text": desk.other_text,
    "429 that took effect": reads.limited_but_done,
    "never paid": money.never_paid,
    "status empty": reads.status_empty,
    "status of another": reads.status_of_another,
    "status flipping": reads.status_flips,
    "view of another": reads.view_of_another,
    "token of another": reads.token_of_another,
}
FURTHER: dict[str, Callable[[], None]] = {
    "memo added": money.memo_added,
    "debited too much": money.debited_too_much,
    "one transaction for many": money.one_transaction,
    "withdrawal nobody asked for": money.invented,
    "refused and kept": reads.refused_but_done,
    "error and kept twice": reads.error_but_done_twice,
    "status of another amount": reads.status_of_another_amount,
    "view that finds nothing": reads.view_gone,
    "view of another subject": reads.view_of_another_subject,
    "ticket twice": desk.twice,
    "ticket of lower priority": desk.lower_priority,
    "closed ticket opened": desk.reopened,
}
