"""The size of a replication, known before it is drawn: what no memory holds is refused, not tried."""

from __future__ import annotations

import os

from sim.demand import ExpectedDemand
from sim.scenario.faults import ScenarioFaults

TICKET_BYTES = 400
"""What a ticket takes at least, drawn and served."""


def must_fit(expected: ExpectedDemand) -> None:
    """Raise ScenarioFaults where the tickets of one replication do not fit into this machine's memory."""
    tickets = sum(float(sources.expected.sum()) for sources in (expected.roots, expected.candidates, expected.posts))
    need, have = tickets * TICKET_BYTES / 1e9, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    if not need <= have:
        got = f"{tickets:,.0f} tickets and candidates in a replication, {need:,.0f} GB"
        rule = f"must fit into the machine's {have:,.0f} GB: give fewer arrivals or days, or a lower ceiling_per_hour"
        raise ScenarioFaults([f"scenario: got {got}; {rule}"])
