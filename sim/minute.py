"""The minute of the SimPy model: complaints are counted, the live levels stepped, the coming candidates admitted."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.clock import MINUTE_MS, PHASE_LEVELS, PHASE_OPEN
from sim.demand import Demand
from sim.levels import FLOAT_NAMES, INT_NAMES, LATE_STREAM, LEVEL_COLUMN, RUMOUR_STREAM, LevelRules, step
from sim.prepared import candidates, clocks

if TYPE_CHECKING:
    from sim.engine import Floor

ALWAYS = -1
"""Earlier than any time: nobody was answered by then."""
Note = tuple[int, int, int, int]
"""A complaint in its minute: ticket, first leg, time by which an answer prevents it, time that it is due."""


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
        self.due: list[list[Note]] = [[] for _ in range(minutes)]
        self._clocks(demand)
        self.candidates = self._candidates(minutes)

    def _clocks(self, demand: Demand) -> None:
        """Set up when complaints of unanswered and of unsolved tickets are due; NEVER for those that never are."""
        due = clocks(demand, self.floor.leaving, horizon_ms=self.horizon_ms, at_opening=self.at_opening)
        self.silence_ms = due.silence_ms.tolist()
        self.unanswered_ms = due.unanswered_ms.tolist()
        self.unsolved_ms = due.unsolved_ms.tolist()

    def _candidates(self, minutes: int) -> list[tuple[list[float], list[int], list[int], list[float]]]:
        """Return for each stream its level, the first candidate of each minute, and rows and marks in order of time."""
        demand, out = self.floor.demand, []
        for stream, column in LEVEL_COLUMN.items():
            rows = candidates(demand, stream)
            first = np.searchsorted(demand.opened_ms[rows], np.arange(minutes + 1) * MINUTE_MS)
            out.append((self.floats[column], first.tolist(), rows.tolist(), demand.mark[rows].tolist()))
        return out

    def clock(self) -> Generator[Any, Any, None]:
        """Process: once a minute, before the minute's openings, count complaints, step the levels, admit."""
        env, rules, ints, floats = self.floor.env, self.rules, self.ints, self.floats
        start, closed, left = self.floor.leg_start, self.floor.closed, self.floor.left
        (late, *_), (rumour, *_) = self.candidates
        due: list[Note] = []
        at_opening = self.at_opening
        for minute, (auto, review) in enumerate(zip(self.auto, self.review, strict=True)):
            if not env.advance(minute * MINUTE_MS):
                yield env.at(minute * MINUTE_MS, PHASE_LEVELS, 0, [])
            complaints = 0
            for row, leg, silent_ms, due_ms in due:  # made if the clock had started and nothing was resolved
                if (start[leg] > silent_ms or at_opening) and (closed[row] > due_ms or row in left):
                    complaints += 1
            step(minute + 1, complaints, auto, review, ints, floats, rules)
            if late[minute + 1] > 0.0:
                self.admit(LATE_STREAM, minute)
            if rumour[minute + 1] > 0.0:
                self.admit(RUMOUR_STREAM, minute)
            due = self.due[minute]

    def admit(self, stream: int, minute: int) -> None:
        """Open the stream's candidates of the coming minute whose mark is under its level, each at its time."""
        floor = self.floor
        levels, first, rows, marks = self.candidates[stream]
        level, begin, end = levels[minute + 1], first[minute], first[minute + 1]
        for i in range(begin, end):
            if marks[i] < level:
                floor.env.at(floor.drawn_ms[rows[i]], PHASE_OPEN, rows[i], floor.admitted, rows[i])

    def note(self, row: int, leg: int, silent_ms: int, due_ms: int) -> None:
        """Note a complaint that is due before the horizon, unless its ticket is answered by ``silent_ms``."""
        self.due[due_ms // MINUTE_MS].append((row, leg, silent_ms, due_ms))

    def unsolved(self, row: int, leg: int) -> None:
        """Note when the customer of a ticket not solved at first contact will complain, if answered in time."""
        floor = self.floor
        due_ms = floor.env._now + self.unsolved_ms[row]
        if due_ms < self.horizon_ms and floor.leg_start[leg] <= floor.opened[row] + self.silence_ms[row]:
            self.note(row, leg, ALWAYS, due_ms)
