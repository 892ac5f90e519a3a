"""The checks of tickets: T1 to T4."""

from __future__ import annotations

from typing import Any

from loadtests.dialect.contract import ACKNOWLEDGED, UNKNOWN, Holdings
from loadtests.reconciliation.check import Rows, StoredEvidence, checked, compare, keys_of, with_outcome
from loadtests.reconciliation.observations import Observations


def record_checks(desk: Rows, evidence: StoredEvidence) -> list[dict[str, Any]]:
    """Return T1 and T3."""
    held, acknowledged = evidence.held.tickets, with_outcome(desk, ACKNOWLEDGED)
    found = compare(acknowledged, evidence.asked.tickets, held, desk)
    twice = [key for key, n in keys_of(held).items() if n > 1]
    none = "" if desk or held else "the run sent no tickets"
    what = "acknowledged tickets are in the server exactly once, as sent"
    return [
        checked("T1", what, len(acknowledged), found.wrong, none, not_compared=found.not_compared),
        checked("T3", "no ticket marker twice", len(held), twice, none),
    ]


def open_check(desk: Rows, held: Holdings, before: Holdings | None) -> dict[str, Any]:
    """Return T2."""
    what = "the open count rose by the acknowledged tickets, up to the unknown ones more, minus those no longer open"
    if not desk:
        return checked("T2", what, 0, [], "the run sent no tickets")
    if held.open_tickets is None or before is None or before.open_tickets is None:
        return checked("T2", what, 0, [], "the open count cannot be read, or was not read before the run")
    rose = held.open_tickets - before.open_tickets
    n_known, n_unknown = len(with_outcome(desk, ACKNOWLEDGED)), len(with_outcome(desk, UNKNOWN))
    n_done = sum(not t.is_open for t in held.tickets)
    least, most = n_known - n_done, n_known + n_unknown - n_done
    if held.open_of_others is None or before.open_of_others is None:
        reason = f"others' tickets cannot be separated (the count rose by {rose}, expected {least} to {most})"
        return checked("T2", what, 0, [], reason)
    rose -= held.open_of_others - before.open_of_others
    wrong = [] if least <= rose <= most else [f"the count rose by {rose}, not by {least} to {most}"]
    return checked("T2", what, 1, wrong)


def closed_check(seen: Observations) -> dict[str, Any]:
    """Return T4."""
    none = "" if seen.n_closed else "no ticket was seen closed and read again"
    return checked("T4", "closed tickets stay closed", seen.n_closed, seen.reopened, none)
