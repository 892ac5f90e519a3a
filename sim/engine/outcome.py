"""The outcome of an engine, and the public complaints: pure functions of the tables, the same for every engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Ints
from sim.core.clock import NEVER
from sim.core.jit import compiled
from sim.demand import Demand
from sim.feedback import FeedbackState, exhausted, tables_of

OPEN, RESOLVED, LEFT, TURNED_AWAY = range(4)
OUTCOMES = ("open", "resolved", "left", "turned away")
"""From LEFT on the customer has gone without an answer: patience was over, or a queue had no place."""


@dataclass(frozen=True)
class DeskOutcome:
    """One replication as it went: an element per ticket row, per leg, and per minute for the levels.

    Times are ms since the start, NEVER for what did not happen. ``moved_ms`` is when impatience first moved the ticket
    to another queue. ``leg_queue`` is the queue that a leg was last in, ``leg_entered_ms`` when it first entered one;
    ``leg_agent`` is who took it and ``leg_team`` his team, both -1 where nobody did.
    ``withdrawal_rows`` has the columns of ``sim.feedback.columns.ROW_NAMES`` for each withdrawal with an identity,
    ``withdrawal_classes`` those of ``CLASS_NAMES`` for the others, by rail and class.
    With ``exhausted`` the levels used up a process's drawn times; it then has to be done again, with more of them.
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
    leg_agent: Ints
    leg_team: Ints
    feedback_ints: Ints
    feedback_floats: NDArray[np.float64]
    feedback_rails: Ints
    withdrawal_rows: Ints
    withdrawal_classes: Ints
    exhausted: bool = False

    @property
    def resolved_ms(self) -> Ints:
        """When each ticket was resolved; NEVER for those still open and for those whose customer left."""
        return np.where(self.outcome == RESOLVED, self.closed_ms, NEVER)


def outcome_of_lists(
    demand: Demand,
    agent_team: Ints,
    levels: FeedbackState | None,
    *,
    gone: Mapping[int, int],
    moved: Mapping[int, int],
    **lists: Sequence[int],
) -> DeskOutcome:
    """Return the outcome whose columns are these ``lists``, ``gone`` the outcome of those who have, by row."""
    columns: dict[str, Any] = {name: _column(values) for name, values in lists.items()}
    outcome, moved_ms = np.where(columns["closed_ms"] < NEVER, RESOLVED, OPEN), np.full(demand.rows, NEVER)
    outcome[list(gone)], moved_ms[list(moved)] = list(gone.values()), list(moved.values())
    first = demand.legs_from[:-1]
    return DeskOutcome(
        **columns,
        first_start_ms=columns["leg_start_ms"][first],
        first_end_ms=columns["leg_end_ms"][first],
        outcome=outcome,
        moved_ms=moved_ms,
        leg_team=team_of_agent(agent_team, columns["leg_agent"]),
        **of_levels(levels),
    )


def of_levels(levels: FeedbackState | None) -> dict[str, Any]:
    """Return the fields of an outcome that feedback levels leave, by name."""
    ints, floats, rails, withdrawals, classes = tables_of(levels)
    return {
        "feedback_ints": ints,
        "feedback_floats": floats,
        "feedback_rails": rails,
        "withdrawal_rows": withdrawals,
        "withdrawal_classes": classes,
        "exhausted": exhausted(levels),
    }


def _column(values: Sequence[int]) -> Ints:
    """Return a list as an array (``np.fromiter`` is the fastest way there)."""
    return np.fromiter(values, np.int64, len(values)) if any(values) else np.zeros(len(values), np.int64)


def team_of_agent(agent_team: Ints, leg_agent: Ints) -> Ints:
    """Return the team of each leg's agent; -1 where nobody took it."""
    return np.append(agent_team, -1)[leg_agent]


def clock_start_ms(
    demand: Demand, *, opened_ms: Ints, first_start_ms: Ints, first_end_ms: Ints, left_ms: Ints, at_opening: bool
) -> Ints:
    """Return when each ticket's clock of public complaint starts; NEVER if it does not.

    It starts when the first-response target passes unanswered, when the customer goes (``left_ms``), or when the first
    handling ends with more to come, whichever is first; or at opening, where the scenario says so.
    """
    if at_opening:
        return opened_ms
    return _clock_starts(opened_ms, first_start_ms, first_end_ms, left_ms, demand.target_ms, demand.legs_from)


def complaints_ms(demand: Demand, outcome: DeskOutcome, *, at_opening: bool, horizon_ms: int) -> Ints:
    """Return when each ticket's customer complained in public; NEVER if not before the horizon.

    The timer posts unless the ticket is resolved at that instant, closing in the same instant included.
    """
    tickets = _ComplaintColumns(
        demand.target_ms,
        demand.complaint_after_ms,
        demand.legs_from,
        outcome.opened_ms,
        outcome.first_start_ms,
        outcome.first_end_ms,
        outcome.closed_ms,
        outcome.outcome,
    )
    return _complaints(tickets, at_opening, horizon_ms)


def regulator_ms(demand: Demand, outcome: DeskOutcome, *, after_ms: int, horizon_ms: int) -> Ints:
    """Return when each ticket's customer turned to a regulator: at the given age, unless resolved by then."""
    return _regulator(demand.regulator, outcome.opened_ms, outcome.closed_ms, outcome.outcome, after_ms, horizon_ms)


@compiled
def after(time_ms: int, delay_ms: int) -> int:
    """Return time + delay, NEVER where either is NEVER."""
    return NEVER if NEVER in (time_ms, delay_ms) else time_ms + delay_ms


@compiled
def clock_start(opened: int, first_start: int, first_end: int, left: int, target: int, several: bool) -> int:
    """Return when one ticket's clock of public complaint starts (``clock_start_ms``); all in ms."""
    silent = min(after(opened, target), left)
    start = silent if first_start > silent else NEVER
    return min(start, first_end) if several else start


@compiled
def _clock_starts(
    opened_ms: Ints, first_start_ms: Ints, first_end_ms: Ints, left_ms: Ints, target_ms: Ints, legs_from: Ints
) -> Ints:
    start = np.empty_like(opened_ms)
    for i in range(len(start)):
        several = legs_from[i + 1] - legs_from[i] > 1
        start[i] = clock_start(opened_ms[i], first_start_ms[i], first_end_ms[i], left_ms[i], target_ms[i], several)
    return start


class _ComplaintColumns(NamedTuple):
    """The columns of tickets that say who complains."""

    target_ms: Ints
    complaint_after_ms: Ints
    legs_from: Ints
    opened_ms: Ints
    first_start_ms: Ints
    first_end_ms: Ints
    closed_ms: Ints
    outcome: Ints


@compiled
def _complaints(tickets: _ComplaintColumns, at_opening: bool, horizon_ms: int) -> Ints:
    complaint_ms = np.full(len(tickets.opened_ms), NEVER, np.int64)
    for i in range(len(complaint_ms)):
        opened, closed, outcome = tickets.opened_ms[i], tickets.closed_ms[i], tickets.outcome[i]
        start = opened
        if not at_opening:
            left = closed if outcome >= LEFT else NEVER
            several = tickets.legs_from[i + 1] - tickets.legs_from[i] > 1
            first_start, first_end = tickets.first_start_ms[i], tickets.first_end_ms[i]
            start = clock_start(opened, first_start, first_end, left, tickets.target_ms[i], several)
        at = after(start, tickets.complaint_after_ms[i])
        if at < horizon_ms and (outcome != RESOLVED or at < closed):
            complaint_ms[i] = at
    return complaint_ms


@compiled
def _regulator(
    regulator: NDArray[np.bool_], opened_ms: Ints, closed_ms: Ints, outcome: Ints, after_ms: int, horizon_ms: int
) -> Ints:
    regulator_ms = np.full(len(opened_ms), NEVER, np.int64)
    for i in range(len(regulator_ms)):
        if regulator[i]:
            at = after(opened_ms[i], after_ms)
            if at < horizon_ms and (outcome[i] != RESOLVED or at < closed_ms[i]):
                regulator_ms[i] = at
    return regulator_ms
