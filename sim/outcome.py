"""What an engine returns, and who went public: pure functions of the tables, the same for every engine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.clock import NEVER
from sim.demand import Demand

Ints = NDArray[np.int64]
OPEN, RESOLVED, LEFT = range(3)
OUTCOMES = ("open", "resolved", "left")


@dataclass(frozen=True)
class Outcome:
    """One replication as it went: an element per ticket row, per leg, and per minute for the levels.

    Times are ms since the start, NEVER for what did not happen. ``moved_ms`` is when impatience moved the ticket to
    another queue. ``leg_queue`` is the queue that a leg was last in, ``leg_entered_ms`` when it first entered one.
    """

    opened_ms: Ints
    first_start_ms: Ints
    first_end_ms: Ints
    closed_ms: Ints
    outcome: Ints
    moved_ms: Ints
    leg_entered_ms: Ints
    leg_start_ms: Ints
    leg_end_ms: Ints
    leg_queue: Ints
    leg_team: Ints
    level_ints: Ints
    level_floats: NDArray[np.float64]

    @property
    def resolved_ms(self) -> Ints:
        """When each ticket was resolved; NEVER for those still open and for those whose customer left."""
        return np.where(self.outcome == RESOLVED, self.closed_ms, NEVER)


def later(time_ms: Ints, delay_ms: Ints) -> Ints:
    """Return time + delay, NEVER where either is NEVER."""
    never = (time_ms == NEVER) | (delay_ms == NEVER)
    return np.where(never, NEVER, np.where(never, 0, time_ms) + np.where(never, 0, delay_ms))


def clock_start_ms(
    demand: Demand, *, opened_ms: Ints, first_start_ms: Ints, first_end_ms: Ints, left_ms: Ints, at_opening: bool
) -> Ints:
    """Return when each ticket's clock of public complaint starts; NEVER if it does not.

    It starts when the first-response target passes unanswered, when the customer gives up, or when the first
    handling ends with more to come, whichever is first; or at opening, where the scenario says so.
    """
    if at_opening:
        return opened_ms
    silent = np.minimum(later(opened_ms, demand.target_ms), left_ms)
    unanswered = np.where(first_start_ms > silent, silent, NEVER)
    several = np.diff(demand.legs_from) > 1
    return np.minimum(unanswered, np.where(several, first_end_ms, NEVER))


def complaints_ms(demand: Demand, outcome: Outcome, *, at_opening: bool, horizon_ms: int) -> Ints:
    """Return when each ticket's customer complained in public; NEVER if not before the horizon.

    The timer posts unless the ticket is resolved at that instant, closing in the same instant included.
    """
    start = clock_start_ms(
        demand,
        opened_ms=outcome.opened_ms,
        first_start_ms=outcome.first_start_ms,
        first_end_ms=outcome.first_end_ms,
        left_ms=np.where(outcome.outcome == LEFT, outcome.closed_ms, NEVER),
        at_opening=at_opening,
    )
    at = later(start, demand.complaint_after_ms)
    return np.where((at < outcome.resolved_ms) & (at < horizon_ms), at, NEVER)


def regulator_ms(demand: Demand, outcome: Outcome, *, after_ms: int, horizon_ms: int) -> Ints:
    """Return when each ticket's customer turned to a regulator: at the given age, unless resolved by then."""
    at = later(np.where(demand.regulator, outcome.opened_ms, NEVER), np.full(demand.rows, after_ms))
    return np.where((at < outcome.resolved_ms) & (at < horizon_ms), at, NEVER)
