"""The minute of the SimPy model: it counts complaints, steps the feedback levels, and admits the coming candidates."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.core.clock import MINUTE_MS, NEVER, PHASE_LEVELS, PHASE_OPEN
from sim.demand import Demand
from sim.engine.setup import NO_TICKET, SENT_TICKET, candidates, clocks, ticket_kinds
from sim.feedback import ADMISSION_COLUMNS, FeedbackParameters, state_of, ticks

if TYPE_CHECKING:
    from sim.engine.reference import DeskState

ALWAYS = -1
"""Earlier than any time: no one was answered by then."""
Note = tuple[int, int, int, int]
"""A complaint in its minute: ticket, first leg, time by which an answer prevents it, time that it is due."""


class Minute:
    """The minute clock: it steps the feedback levels and admits the coming minute's candidates under them."""

    def __init__(self, state: DeskState, parameters: FeedbackParameters, at_opening: bool) -> None:
        self.state, self.at_opening = state, at_opening
        demand = state.demand
        self.horizon_ms = state.desk.horizon_ms
        minutes = self.horizon_ms // MINUTE_MS
        self.levels = state_of(parameters, demand.inputs, minutes)
        self.quiet = demand.quiet.tolist()
        self.due: list[list[Note]] = [[] for _ in range(minutes)]
        self.sent = self.unresolved = 0
        self.noted: dict[int, Note | None] = {}  # the complaint of a ticket whose deadline has changed; others are void
        self.gone = [0] * (minutes + 2)  # by minute, tickets whose customer's patience has ended by its tick
        self.sees = ticket_kinds(demand).tolist()
        self._clocks(demand)
        self.candidates = self._candidates(minutes)

    def _clocks(self, demand: Demand) -> None:
        """Set up when complaints of unanswered and of unsolved tickets are due; NEVER for those that never are."""
        due = clocks(demand, self.state.leaving, horizon_ms=self.horizon_ms, at_opening=self.at_opening)
        self.silence_ms = due.silence_ms.tolist()
        self.unanswered_ms = due.unanswered_ms.tolist()
        self.unsolved_ms = due.unsolved_ms.tolist()
        self.target_ms, self.complains_ms = demand.target_ms.tolist(), demand.complaint_after_ms.tolist()

    def _candidates(self, minutes: int) -> list[tuple[NDArray[np.float64], list[int], list[int], list[float]]]:
        """Return for each stream that has any its level, the first of each minute, rows and marks in order of time."""
        demand, out = self.state.demand, []
        for stream, column in enumerate(ADMISSION_COLUMNS):
            rows = candidates(demand, stream)
            if len(rows):
                first = np.searchsorted(demand.opened_ms[rows], np.arange(minutes + 1) * MINUTE_MS)
                level = self.levels.floats[:, column]
                out.append((level, first.tolist(), rows.tolist(), demand.mark[rows].tolist()))
        return out

    def clock(self) -> Generator[Any, Any, None]:
        """Process: once a minute, before the minute's openings, count complaints, step the levels, admit."""
        env, quiet, posted = self.state.env, self.quiet, np.zeros(4, np.int64)
        steps = ticks(self.levels, posted)
        start, closed, left = self.state.leg_start, self.state.closed, self.state.left
        due: list[Note] = []
        at_opening = self.at_opening
        for minute in range(len(self.due)):
            if not env.advance(minute * MINUTE_MS):
                yield env.at(minute * MINUTE_MS, PHASE_LEVELS, 0, [])
            complaints = unanswerable = 0
            for note in due:  # made if the clock had started and nothing was resolved
                row, leg, silent_ms, due_ms = note
                if silent_ms != ALWAYS and self.noted.get(row, note) is not note:
                    continue
                if (start[leg] > silent_ms or at_opening) and (closed[row] > due_ms or row in left):
                    complaints += 1
                    unanswerable += quiet[row]
            self.unresolved -= self.gone[minute]
            posted[:] = complaints, unanswerable, self.sent, self.unresolved
            self.sent = 0
            next(steps)
            for stream in self.candidates:
                if stream[1][minute] < stream[1][minute + 1]:
                    self.admit(*stream, minute)
            due = self.due[minute]

    def admit(
        self, level: NDArray[np.float64], first: list[int], rows: list[int], marks: list[float], minute: int
    ) -> None:
        """Open a stream's candidates of the coming minute whose mark is under its level, each at its time."""
        state, now, end = self.state, level[minute + 1], first[minute + 1]
        for i in range(first[minute], end):
            if marks[i] < now:
                state.env.at(state.drawn_ms[rows[i]], PHASE_OPEN, rows[i], state.admitted, rows[i])

    def sees_opening(self, row: int) -> None:
        """Count a ticket that opens now, and when its customer's patience will have ended."""
        if self.sees[row] != NO_TICKET:
            self.sent += self.sees[row] == SENT_TICKET
            self.unresolved += 1
            self._expect_to_leave(row, self.state.leaving_ms[row], 1)

    def sees_start(self, row: int) -> None:
        """Count a ticket that is taken up for the first time: its customer will not leave."""
        if self.sees[row] != NO_TICKET:
            self._expect_to_leave(row, self.state.leaving_ms[row], -1)

    def sees_new_deadline(self, row: int, leg: int, leaving_ms: int) -> None:
        """Note when the customer of a ticket that waits for its first answer will complain, since its deadline changes.

        A complaint that was due by now was due under the target, which does not change.
        """
        if self.sees[row] != NO_TICKET:
            self._expect_to_leave(row, self.state.leaving_ms[row], -1)
            self._expect_to_leave(row, leaving_ms, 1)
        silence_ms, after_ms = min(self.target_ms[row], leaving_ms), self.complains_ms[row]
        due_ms = NEVER if NEVER in (silence_ms, after_ms) else self.state.opened[row] + silence_ms + after_ms
        if self.at_opening or due_ms <= self.state.env._now:
            return
        self.silence_ms[row], self.noted[row] = silence_ms, None
        if due_ms < self.horizon_ms:
            self.note(row, leg, self.state.opened[row] + silence_ms, due_ms)
            self.noted[row] = self.due[due_ms // MINUTE_MS][-1]

    def _expect_to_leave(self, row: int, leaving_ms: int, change: int) -> None:
        if leaving_ms < self.horizon_ms - self.state.opened[row]:
            self.gone[(self.state.opened[row] + leaving_ms) // MINUTE_MS + 1] += change

    def note(self, row: int, leg: int, silent_ms: int, due_ms: int) -> None:
        """Note a complaint that is due before the horizon, unless its ticket is answered by ``silent_ms``."""
        self.due[due_ms // MINUTE_MS].append((row, leg, silent_ms, due_ms))

    def unsolved(self, row: int, leg: int) -> None:
        """Note when the customer of a ticket not solved at first contact will complain, if answered in time."""
        state = self.state
        due_ms = state.env._now + self.unsolved_ms[row]
        if due_ms < self.horizon_ms and state.leg_start[leg] <= state.opened[row] + self.silence_ms[row]:
            self.note(row, leg, ALWAYS, due_ms)
