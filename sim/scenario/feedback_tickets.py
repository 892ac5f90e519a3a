"""The tickets that a feedback level opens: for each of its streams, its key, its category, and its ceiling."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from sim.scenario.schema.scenario import Scenario


class FeedbackTickets(NamedTuple):
    """A stream of candidates in use, the key of its category, the category, and the most that are drawn per hour.

    The last is None where it follows from what else the scenario says (``sim.demand.ceilings``).
    """

    stream: str
    key: str
    category: str
    ceiling_per_hour: float | None


def feedback_tickets(scenario: Scenario) -> Iterator[FeedbackTickets]:
    """Yield every stream in use of tickets that feedback opens."""
    money = scenario.withdrawals
    if money:
        yield FeedbackTickets("late", "withdrawals.late_category", money.late_category, money.late_ceiling_per_hour)
    mistakes = money and money.mistakes
    for stream, key, part in (
        ("rumour", "rumour", scenario.rumour),
        ("fault", "gateway", scenario.gateway),
        ("limited", "withdrawals.limits", money and money.limits),
        ("address", "withdrawals.mistakes.address", mistakes and mistakes.address),
        ("network", "withdrawals.mistakes.network", mistakes and mistakes.network),
        ("barred", "withdrawals.barred", money and money.barred),
    ):
        if part:
            yield FeedbackTickets(stream, f"{key}.category", part.category, part.ceiling_per_hour)
