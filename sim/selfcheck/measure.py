"""What a check measures in one replication. Times in hours, as in the textbooks' rates per hour.

Customers count who came after the warm-up and at least as long before the end as the warm-up lasts, so that who was
served last has been served: counting only those who were served in time would favour short waits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats
from sim.core.clock import HOUR_MS, NEVER
from sim.engine.outcome import LEFT
from sim.metrics.observation.replication import Facts, Mask


def counted(facts: Facts, category: str | None = None) -> Mask:
    """Return the rows of the customers who count, of one category or of all."""
    rows = facts.human & (facts.outcome.opened_ms < facts.to_ms - facts.from_ms)
    if category is not None:
        rows &= facts.demand.category == facts.demand.categories.index(category)
    return rows


def waits(facts: Facts, category: str | None = None) -> Floats:
    """Return how long each customer waited, until served or gone. Raises ArithmeticError if one still waits."""
    rows = counted(facts, category)
    left_ms = np.where(facts.outcome.outcome == LEFT, facts.outcome.closed_ms, NEVER)
    return _hours(facts, np.minimum(facts.outcome.first_start_ms, left_ms), rows)


def sojourns(facts: Facts) -> Floats:
    """Return the time of each customer from opening to the end. Raises ArithmeticError if one is still there."""
    return _hours(facts, facts.outcome.closed_ms, counted(facts))


def _hours(facts: Facts, end_ms: NDArray[np.int64], rows: Mask) -> Floats:
    if (end_ms[rows] == NEVER).any():
        raise ArithmeticError("a customer who counts is still there at the end: the warm-up is too short")
    return (end_ms[rows] - facts.outcome.opened_ms[rows]) / HOUR_MS


def mean_wait(facts: Facts, category: str | None = None) -> float:
    """Return the mean wait, h, of all customers, those who leave included."""
    return float(waits(facts, category).mean())


def mean_sojourn(facts: Facts) -> float:
    """Return the mean time from opening to the end, h."""
    return float(sojourns(facts).mean())


def share_waiting(facts: Facts, longer_than: float = 0.0) -> float:
    """Return the share of all customers who wait longer than so many hours, served in the end or not."""
    return float((waits(facts) > longer_than).mean())


def share_served(facts: Facts, within: float) -> float:
    """Return the share of all customers who are served within so many hours."""
    stayed = facts.outcome.outcome[counted(facts)] != LEFT
    return float((stayed & (waits(facts) <= within)).mean())


def share_left(facts: Facts) -> float:
    """Return the share of all customers who leave unserved."""
    return float((facts.outcome.outcome[counted(facts)] == LEFT).mean())


def share_public(facts: Facts) -> float:
    """Return the share of all customers who complain in public."""
    return float((facts.complaint_ms[counted(facts)] < NEVER).mean())


def occupancy(facts: Facts, team: str) -> float:
    """Return the share of a team's time that is spent on customers."""
    number = facts.desk.teams.index(team)
    span_ms = facts.to_ms - facts.from_ms
    _, slots = facts.desk.slots()[number]
    return facts.team_busy(number).held_ms(facts.from_ms, facts.to_ms) / (span_ms * int(slots[0]))


def mean_at(facts: Facts, team: str) -> float:
    """Return the mean number of customers who wait for a team or are served by it, over time."""
    span_ms = facts.to_ms - facts.from_ms
    return facts.team_backlog(facts.desk.teams.index(team)).held_ms(facts.from_ms, facts.to_ms) / span_ms


def share_waiting_at(facts: Facts, team: str) -> float:
    """Return the share of the visits to a team that have to wait."""
    entered, end = facts.outcome.leg_entered_ms, facts.to_ms - facts.from_ms
    visits = (facts.leg_home == facts.desk.teams.index(team)) & facts.measured(entered) & (entered < end)
    return float((facts.outcome.leg_start_ms > entered)[visits].mean())
