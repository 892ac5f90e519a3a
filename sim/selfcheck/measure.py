"""Quantities that a check measures in one replication. Times in hours, as in the textbooks' rates per hour.

Customers count who came after the warm-up and at least as long before the end as the warm-up lasts, so that who was
served last has been served: counting only those who were served in time would favour short waits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats
from sim.core.clock import HOUR_MS, NEVER
from sim.engine.outcome import LEFT, TURNED_AWAY
from sim.metrics.observation.replication import Mask, Observation
from sim.metrics.registry import METRICS


def counted(observed: Observation, category: str | None = None) -> Mask:
    """Return the rows of the customers who count, of one category or of all."""
    rows = observed.human & (observed.outcome.opened_ms < observed.to_ms - observed.from_ms)
    if category is not None:
        rows &= observed.demand.category == observed.demand.categories.index(category)
    return rows


def waits(observed: Observation, category: str | None = None) -> Floats:
    """Return how long each customer waited, until served or gone. Raises ArithmeticError if one still waits."""
    rows = counted(observed, category)
    left_ms = np.where(observed.outcome.outcome >= LEFT, observed.outcome.closed_ms, NEVER)
    return _hours(observed, np.minimum(observed.outcome.first_start_ms, left_ms), rows)


def sojourns(observed: Observation) -> Floats:
    """Return the time of each customer from opening to the end. Raises ArithmeticError if one is still there."""
    return _hours(observed, observed.outcome.closed_ms, counted(observed))


def _hours(observed: Observation, end_ms: NDArray[np.int64], rows: Mask) -> Floats:
    if (end_ms[rows] == NEVER).any():
        raise ArithmeticError("a customer who counts is still there at the end: the warm-up is too short")
    return (end_ms[rows] - observed.outcome.opened_ms[rows]) / HOUR_MS


def mean_wait(observed: Observation, category: str | None = None) -> float:
    """Return the mean wait, h, of all customers, those who leave included."""
    return float(waits(observed, category).mean())


def mean_sojourn(observed: Observation) -> float:
    """Return the mean time from opening to the end, h."""
    return float(sojourns(observed).mean())


def share_waiting(observed: Observation, longer_than: float = 0.0) -> float:
    """Return the share of all customers who wait longer than the given hours, served in the end or not."""
    return float((waits(observed) > longer_than).mean())


def share_served(observed: Observation, within: float) -> float:
    """Return the share of all customers who are served within the given hours."""
    stayed = observed.outcome.outcome[counted(observed)] < LEFT
    return float((stayed & (waits(observed) <= within)).mean())


def share_left(observed: Observation) -> float:
    """Return the share of all customers who leave unserved."""
    return float((observed.outcome.outcome[counted(observed)] == LEFT).mean())


def share_turned_away(observed: Observation) -> float:
    """Return the share of all customers who find no place to wait."""
    return float((observed.outcome.outcome[counted(observed)] == TURNED_AWAY).mean())


def mean_wait_of_served(observed: Observation) -> float:
    """Return the mean wait, h, of the customers who are served."""
    return float(_waits_of_served(observed).mean())


def share_waiting_of_served(observed: Observation) -> float:
    """Return the share of the customers who are served that wait before."""
    return float((_waits_of_served(observed) > 0).mean())


def _waits_of_served(observed: Observation) -> Floats:
    return waits(observed)[observed.outcome.outcome[counted(observed)] < LEFT]


def share_public(observed: Observation) -> float:
    """Return the share of all customers who complain in public."""
    return float((observed.complaint_ms[counted(observed)] < NEVER).mean())


def occupancy(observed: Observation, team: str) -> float:
    """Return the share of a team's time on duty that is spent on customers, as the run's metrics have it."""
    return of_metric(observed, "occupancy", team)


def of_metric(observed: Observation, name: str, part: str) -> float:
    """Return a metric of a run, of one of its parts."""
    (metric,) = (one for one in METRICS if one.name == name)
    value = metric.of(observed)[part]
    assert value is not None
    return value


def mean_at(observed: Observation, team: str) -> float:
    """Return the mean number of customers who wait for a team or are served by it, over time."""
    span_ms = observed.to_ms - observed.from_ms
    return observed.team_backlog(observed.desk.teams.index(team)).held_ms(observed.from_ms, observed.to_ms) / span_ms


def share_waiting_at(observed: Observation, team: str) -> float:
    """Return the share of the visits to a team that have to wait."""
    entered, end = observed.outcome.leg_entered_ms, observed.to_ms - observed.from_ms
    visits = (observed.leg_home == observed.desk.teams.index(team)) & observed.measured(entered) & (entered < end)
    return float((observed.outcome.leg_start_ms > entered)[visits].mean())
