"""The minute of the SimPy model: complaints are counted, the live levels stepped, the coming candidates admitted."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.clock import MINUTE_MS, NEVER, PHASE_LEVELS, PHASE_OPEN
from sim.demand import CANDIDATE, Demand
from sim.levels import FLOAT_NAMES, INT_NAMES, LEVEL_COLUMN, LevelRules, step
from sim.outcome import later

if TYPE_CHECKING:
    from sim.engine import Floor

ALWAYS = -1
"""Earlier than any time: nobody was answered by then."""


class Minute:
    """The minute clock: it steps the live levels and admits the coming minute's candidates under them."""

    def __init__(self, floor: Floor, rules: LevelRules, at_opening: bool) -> None:
        self.floor, self.rules, self.at_opening = floor, rules, at_opening
        demand = floor.demand
        self.horizon_ms = floor.desk.horizon_ms
        minutes = self.horizon_ms // MINUTE_MS
        self.auto, self.review = demand.flow.withdrawals_auto.tolist(), demand.flow.withdrawals_review.tolist()
        self.ints = [[0] * (minutes + 1) for _ in INT_NAMES]  # see sim.levels.step: row 0 is the time before
        self.floats = [[0.0] * (minutes + 1) for _ in FLOAT_NAMES]
        self.due: list[list[tuple[int, int, int, int]]] = [[] for _ in range(minutes)]  # by minute: see note
        self._clocks(demand)
        self.candidates = self._candidates(minutes)

    def _clocks(self, demand: Demand) -> None:
        """Set up when complaints of unanswered and of unsolved tickets are due; NEVER for those that never are."""
        after = np.where(demand.complaint_after_ms < self.horizon_ms, demand.complaint_after_ms, NEVER)
        silence = np.zeros_like(after) if self.at_opening else np.minimum(demand.target_ms, self.floor.leaving)
        several = np.diff(demand.legs_from) > 1
        self.silence_ms = silence.tolist()
        self.unanswered_ms = later(silence, after).tolist()
        self.unsolved_ms = np.where(several & (not self.at_opening), after, NEVER).tolist()

    def _candidates(self, minutes: int) -> list[tuple[list[float], list[int], list[int], list[float]]]:
        """Return for each stream its level, the first candidate of each minute, and rows and marks in order of time."""
        demand, out = self.floor.demand, []
        for stream, column in LEVEL_COLUMN.items():
            rows = np.flatnonzero((demand.stream == stream) & (demand.kind == CANDIDATE))
            first = np.searchsorted(demand.opened_ms[rows], np.arange(minutes + 1) * MINUTE_MS)
            out.append((self.floats[column], first.tolist(), rows.tolist(), demand.mark[rows].tolist()))
        return out

    def clock(self) -> Generator[Any, Any, None]:
        """Process: once a minute, before the minute's openings, count complaints, step the levels, admit."""
        at, due, rules, ints, floats = self.floor.env.at, self.due, self.rules, self.ints, self.floats
        late, rumour = self.candidates
        for minute, (auto, review) in enumerate(zip(self.auto, self.review, strict=True)):
            yield at(minute * MINUTE_MS, PHASE_LEVELS, 0, [])
            complaints = self.posted(due[minute - 1]) if minute and due[minute - 1] else 0
            step(minute + 1, complaints, auto, review, ints, floats, rules)
            if late[0][minute + 1] > 0.0:
                self.admit(0, minute)
            if rumour[0][minute + 1] > 0.0:
                self.admit(1, minute)

    def admit(self, stream: int, minute: int) -> None:
        """Open the stream's candidates of the coming minute whose mark is under its level, each at its time."""
        floor = self.floor
        levels, first, rows, marks = self.candidates[stream]
        level, begin, end = levels[minute + 1], first[minute], first[minute + 1]
        for i in range(begin, end):
            if marks[i] < level:
                floor.env.at(floor.drawn_ms[rows[i]], PHASE_OPEN, rows[i], floor.admitted, rows[i])

    def unanswered(self, row: int, leg: int) -> None:
        """Note when the customer of a ticket that must wait will complain, if nobody answers in time."""
        if self.unanswered_ms[row] == NEVER:
            return
        opened = self.floor.opened[row]
        silent_ms = ALWAYS if self.at_opening else opened + self.silence_ms[row]
        self.note(row, leg, silent_ms, opened + self.unanswered_ms[row])

    def unsolved(self, row: int, leg: int) -> None:
        """Note when the customer of a ticket not solved at first contact will complain, if answered in time."""
        floor = self.floor
        if floor.leg_start[leg] <= floor.opened[row] + self.silence_ms[row]:
            self.note(row, leg, ALWAYS, floor.env._now + self.unsolved_ms[row])

    def note(self, row: int, leg: int, silent_ms: int, due_ms: int) -> None:
        """Note a complaint that is due unless the ticket is answered by ``silent_ms`` or resolved by ``due_ms``."""
        if due_ms < self.horizon_ms:
            self.due[due_ms // MINUTE_MS].append((row, leg, silent_ms, due_ms))

    def posted(self, due: list[tuple[int, int, int, int]]) -> int:
        """Return how many of the noted complaints were made: the clock had started and nothing was resolved."""
        floor, count = self.floor, 0
        start, closed = floor.leg_start, floor.closed
        for row, leg, silent_ms, due_ms in due:
            if start[leg] > silent_ms and (closed[row] > due_ms or row in floor.left):
                count += 1
        return count
