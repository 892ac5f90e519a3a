"""A slow twin of the engine, written from the design's exact sentences alone: no heap, no laziness, no shortcut.

It walks from instant to instant, and follows each withdrawal by itself. Within an instant it does what is due by
(phase, row), then decides by the definition of DECIDE over every pair, then lets patience end. Complaints are timers
that fire, not times worked out afterwards.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np

from sim.core.clock import MINUTE_MS, NEVER
from sim.demand import CANDIDATE, CHASE, ROOT, TASK
from sim.engine.outcome import LEFT, OPEN, RESOLVED, TURNED_AWAY, DeskOutcome
from sim.feedback import ADMISSION_COLUMNS, FLOAT_NAMES, INT_NAMES, RAIL_NAMES
from sim.feedback.columns import CLASS_NAMES, CLASSES, ROW_NAMES
from sim.staffing.skills import AGE_PRIORITY, AWAY, LEAVE, ON_DUTY
from tests.support.twins.slow_feedback import SlowLevels
from tests.support.worlds import Small

DONE, SHIFT, LEVELS, COMPLAINT, OPENING = range(1, 6)
PATIENCE = 9  # after the decision
NO_ROWS = np.empty((len(ROW_NAMES), 0), np.int64)
NO_CLASSES = np.empty((0, CLASSES, len(CLASS_NAMES)), np.int64)


class Person:
    """An agent: his team, whether he is on duty, how fast he works, and the rows he has in hand."""

    def __init__(self, team: int) -> None:
        self.team, self.duty, self.productivity = team, AWAY, 10**6
        self.hand: list[int] = []


class SlowEngine:
    """One replication, an instant at a time."""

    def __init__(self, world: Small) -> None:
        self.world, self.d, self.desk = world, world.demand, world.desk
        rows, legs = self.d.rows, len(self.d.leg_queue)
        self.now = 0
        self.due: list[tuple[int, int, int, int, str, Any]] = []
        self.told = 0
        self.opened, self.start, self.first_end = [NEVER] * rows, [NEVER] * rows, [NEVER] * rows
        self.closed, self.moved, self.outcome = [NEVER] * rows, [NEVER] * rows, [OPEN] * rows
        self.leg_entered, self.leg_start, self.leg_end = [NEVER] * legs, [NEVER] * legs, [NEVER] * legs
        self.leg_queue, self.leg_agent = self.d.leg_queue.tolist(), [-1] * legs
        self.position = [int(self.d.legs_from[row]) for row in range(rows)]
        self.tired: set[tuple[int, int]] = set()  # (row, queue) from which its patience has moved it
        self.waiting: dict[int, tuple[int, int, int]] = {}  # row: (queue, priority, entered)
        self.agents = [Person(team) for team in self.desk.agent_team.tolist()]
        self.work: dict[int, Fraction] = {}  # row: the handling time that is left of it, ms
        self.holder: dict[int, Person] = {}
        self.clock_runs = [False] * rows
        self.complaint = [NEVER] * rows
        self.minutes = self.desk.horizon_ms // MINUTE_MS
        with_levels = self.minutes if world.parameters else 0
        self.ints: list[list[Any]] = [[0] * with_levels for _ in INT_NAMES]
        self.floats: list[list[Any]] = [[0.0] * with_levels for _ in FLOAT_NAMES]
        if world.parameters:
            self.slow_levels = SlowLevels(world.parameters, self.d.inputs)

    def tell(self, time: int, phase: int, row: int, what: str, data: Any = None) -> None:
        self.told += 1
        self.due.append((time, phase, row, self.told, what, data))

    def run(self) -> DeskOutcome:
        for row in range(self.d.rows):
            if self.d.stream[row] < 0 and self.d.parent[row] < 0:
                self.tell(int(self.d.opened_ms[row]), OPENING, row, "open")
        for time, agent, *to in self.desk.changes.tolist():
            self.tell(time, SHIFT, agent, "shift", to)
        if self.world.parameters:
            for minute in range(self.minutes):
                self.tell(minute * MINUTE_MS, LEVELS, 0, "levels", minute)
        while self.due and min(self.due)[0] < self.desk.horizon_ms:
            self.pass_time(min(self.due)[0])
            self.do_what_is_due(before=PATIENCE)
            self.decide()
            self.turn_away()
            self.say_when_work_is_done()
            self.do_what_is_due(before=PATIENCE + 1)
        return self.result()

    def pass_time(self, to: int) -> None:
        """Let everybody work on all that he has in hand, each ticket as fast as the number of them allows."""
        for row, person in self.holder.items():
            self.work[row] -= (to - self.now) * self.speed(person)
        self.now = to

    def speed(self, person: Person) -> Fraction:
        """Return the share of a ms that each ticket in hand gets of one: a whole number of millionths."""
        stretch = self.desk.stretch_ppm[person.team][len(person.hand) - 1]
        alone = Fraction(max(10**12 // stretch, 1), 10**6)
        return max(Fraction(int(alone * person.productivity), 10**6), Fraction(1, 10**6))

    def say_when_work_is_done(self) -> None:
        """Forget when work would have been done, and tell it anew of all that is in hand."""
        self.due = [event for event in self.due if event[4] != "done"]
        for row, person in self.holder.items():
            self.tell(self.now + ceil(self.work[row] / self.speed(person)), DONE, row, "done")

    def do_what_is_due(self, *, before: int) -> None:
        while self.due and min(self.due)[:2] < (self.now, before):
            event = min(self.due)
            self.due.remove(event)
            getattr(self, event[4])(event[2], event[5])

    # --- phases ---------------------------------------------------------------------------------------------------

    def done(self, row: int, _: Any) -> None:
        leg = self.position[row]
        first, end = int(self.d.legs_from[row]), int(self.d.legs_from[row + 1])
        self.holder.pop(row).hand.remove(row)
        self.leg_end[leg] = self.now
        if leg == first:
            self.first_end[row] = self.now
            if end - first > 1:
                self.start_complaint_clock(row)
        if leg + 1 < end:
            self.position[row] = leg + 1
            self.tell(self.now + int(self.d.leg_pause_ms[leg]), OPENING, row, "back")
            return
        self.closed[row], self.outcome[row] = self.now, RESOLVED
        if self.d.reopen[row] >= 0:
            child = int(self.d.reopen[row])
            self.tell(self.when_open(self.now + int(self.d.after_ms[child])), OPENING, child, "open")

    def shift(self, agent: int, to: Any) -> None:
        self.agents[agent].duty, self.agents[agent].productivity = to

    def levels(self, _: int, data: Any) -> None:
        m: int = data
        posted = [row for row, at in enumerate(self.complaint) if (m - 1) * MINUTE_MS <= at < m * MINUTE_MS]
        quiet = sum(int(self.d.category[row]) in self.d.unanswerable for row in posted)
        levels = self.slow_levels.step(m, len(posted), quiet, *self.tickets(m))
        for table, names in ((self.ints, INT_NAMES), (self.floats, FLOAT_NAMES)):
            for column, name in zip(table, names, strict=True):
                column[m] = levels[name]
        for row in range(self.d.rows):
            at = int(self.d.opened_ms[row])
            if self.d.stream[row] >= 0 and m * MINUTE_MS <= at < (m + 1) * MINUTE_MS:
                stream = int(self.d.stream[row])
                level = self.floats[ADMISSION_COLUMNS[stream]][m]
                if self.d.mark[row] < level:
                    self.tell(at, OPENING, row, "open")

    def tickets(self, m: int) -> tuple[int, int]:
        """Return the tickets of customers opened in the minute before a tick, and those that are open at it."""
        before = [row for row in range(self.d.rows) if self.opened[row] < m * MINUTE_MS and self.d.kind[row] != TASK]
        opened = [
            row for row in before if self.d.kind[row] in (ROOT, CANDIDATE) and self.opened[row] >= (m - 1) * MINUTE_MS
        ]
        return len(opened), sum(self.closed[row] == NEVER for row in before)

    def rails_table(self) -> np.ndarray:
        """Return the columns of each rail by the minute."""
        if not self.world.parameters or not self.minutes:
            rails = len(self.world.parameters.rails) if self.world.parameters else 0
            return np.empty((rails, len(RAIL_NAMES), 0), np.int64)
        rows = [[[rail[name] for name in RAIL_NAMES] for rail in rails] for _, rails in self.slow_levels.rows]
        return np.array(rows, np.int64).transpose(1, 2, 0)

    def complain(self, row: int, _: Any) -> None:
        if self.outcome[row] != RESOLVED:
            self.complaint[row] = self.now

    def open(self, row: int, _: Any) -> None:
        parent = int(self.d.parent[row])
        if parent >= 0 and self.d.kind[row] == CHASE and self.outcome[parent] == RESOLVED:
            return
        self.opened[row] = self.now
        first = int(self.d.legs_from[row])
        if self.d.chase[row] >= 0:
            child = int(self.d.chase[row])
            self.tell(self.when_open(self.now + int(self.d.after_ms[child])), OPENING, child, "open")
        if self.world.at_opening:
            self.start_complaint_clock(row)
        elif self.d.target_ms[row] != NEVER:
            self.tell(self.now + int(self.d.target_ms[row]), PATIENCE, row, "target")
        self.enter(row, self.leg_queue[first], int(self.d.patience_ms[row]))

    def when_open(self, at: int) -> int:
        """Return when a customer who would ask at a time can: then, or at the end of the closures around it."""
        ends = [end for begin, end in self.d.closed_ms.tolist() if begin <= at < end]
        return self.when_open(ends[0]) if ends else at

    def back(self, row: int, _: Any) -> None:
        self.enter(row, self.leg_queue[self.position[row]])

    def enter(self, row: int, queue: int, patience: int = NEVER) -> None:
        leg = self.position[row]
        self.waiting[row] = (queue, int(self.d.priority[row]), self.now)
        self.leg_entered[leg] = min(self.leg_entered[leg], self.now)
        self.leg_queue[leg] = queue
        to = self.desk.patience_to[queue]
        if patience != NEVER and to == LEAVE:
            self.tell(self.now + patience, PATIENCE, row, "leave", (queue, self.now))
        elif patience != NEVER and (row, queue) not in self.tired:
            self.tell(self.now + max(patience, 1), OPENING, row, "impatient", (queue, self.now, to))
        for after, kind, value in self.desk.ages[queue]:
            self.tell(self.now + after, OPENING, row, "age", (queue, self.now, kind, value))

    def impatient(self, row: int, data: Any) -> None:
        queue, entered, to = data
        if self.stands(row, queue, entered):
            self.moved[row] = min(self.moved[row], self.now)
            self.tired.add((row, queue))
            self.move(row, to)

    def move(self, row: int, queue: int) -> None:
        """Let a ticket wait in another queue; who has had no answer has a patience of his own with it."""
        unanswered = self.position[row] == self.d.legs_from[row]
        if unanswered and queue in self.d.moved_to:
            self.enter(row, queue, int(self.d.moved_patience_ms[self.d.moved_to.index(queue), row]))
        else:
            self.enter(row, queue)

    def age(self, row: int, data: Any) -> None:
        queue, entered, kind, value = data
        if not self.stands(row, queue, entered):
            return
        if kind == AGE_PRIORITY:
            self.waiting[row] = (queue, min(self.waiting[row][1], value), entered)
        else:
            self.move(row, value)

    def stands(self, row: int, queue: int, entered: int) -> bool:
        return row in self.waiting and self.waiting[row][0] == queue and self.waiting[row][2] == entered

    # --- the decision, and what comes after it --------------------------------------------------------------------

    def decide(self) -> None:
        while True:
            pairs = []
            for team, ranks in enumerate(self.desk.ranks):
                for queue, rank in enumerate(ranks):
                    line = [(p, entered, row) for row, (q, p, entered) in self.waiting.items() if q == queue]
                    if rank >= 0 and line and self.able(team, queue):
                        pairs.append((rank, min(line), self.desk.prefers[queue][team], team))
            if not pairs:
                return
            _, (_, _, row), _, team = min(pairs)
            self.begin(row, team)

    def able(self, team: int, queue: int) -> list[tuple[int, int]]:
        """Return (tickets in hand, number) of the agents of a team who can take from a queue."""
        held = self.desk.concurrency[team]
        can = []
        for number, person in enumerate(self.agents):
            beside = [queue, *(self.leg_queue[self.position[row]] for row in person.hand)]
            if person.team == team and person.duty == ON_DUTY and all(len(person.hand) < held[q] for q in beside):
                can.append((len(person.hand), number))
        return can

    def begin(self, row: int, team: int) -> None:
        queue, _, _ = self.waiting.pop(row)
        leg = self.position[row]
        _, number = min(self.able(team, queue))
        self.agents[number].hand.append(row)
        self.holder[row], self.work[row] = self.agents[number], Fraction(int(self.d.leg_handle_ms[leg]))
        self.leg_start[leg], self.leg_agent[leg] = self.now, number
        if leg == self.d.legs_from[row]:
            self.start[row] = self.now

    def leave(self, row: int, data: Any) -> None:
        if self.stands(row, *data) and self.position[row] == self.d.legs_from[row]:
            self.go(row, LEFT)

    def go(self, row: int, outcome: int) -> None:
        del self.waiting[row]
        self.closed[row], self.outcome[row] = self.now, outcome
        if not self.world.at_opening:
            self.start_complaint_clock(row)

    def turn_away(self) -> None:
        """Let go, the highest row first, who came to a queue just now for a first answer and finds no place."""
        for queue, places in enumerate(self.desk.places):
            line = [row for row, (q, _, _) in self.waiting.items() if q == queue]
            came = [
                row for row in line if self.waiting[row][2] == self.now and self.position[row] == self.d.legs_from[row]
            ]
            for row in sorted(came, reverse=True)[: max(len(line) - places, 0)]:
                self.go(row, TURNED_AWAY)

    def target(self, row: int, _: Any) -> None:
        if self.start[row] == NEVER:
            self.start_complaint_clock(row)

    def start_complaint_clock(self, row: int) -> None:
        after = int(self.d.complaint_after_ms[row])
        at_opening_and_later = self.world.at_opening and self.now > self.opened[row]
        if not self.clock_runs[row] and after != NEVER and not at_opening_and_later:
            self.clock_runs[row] = True
            self.tell(self.now + after, COMPLAINT, row, "complain")

    def result(self) -> DeskOutcome:
        def column(values: object) -> np.ndarray:
            return np.array(values, dtype=np.int64)

        return DeskOutcome(
            opened_ms=column(self.opened),
            first_start_ms=column(self.start),
            first_end_ms=column(self.first_end),
            closed_ms=column(self.closed),
            outcome=column(self.outcome),
            moved_ms=column(self.moved),
            leg_entered_ms=column(self.leg_entered),
            leg_start_ms=column(self.leg_start),
            leg_end_ms=column(self.leg_end),
            leg_queue=column(self.leg_queue),
            leg_agent=column(self.leg_agent),
            leg_team=column([self.agents[number].team if number >= 0 else -1 for number in self.leg_agent]),
            feedback_ints=column(self.ints).reshape(len(INT_NAMES), -1),
            feedback_floats=np.array(self.floats, dtype=np.float64).reshape(len(FLOAT_NAMES), -1),
            feedback_rails=self.rails_table(),
            withdrawal_rows=self.slow_levels.row_table().T if self.world.parameters else NO_ROWS,
            withdrawal_classes=self.slow_levels.class_table() if self.world.parameters else NO_CLASSES,
            exhausted=bool(self.world.parameters and self.slow_levels.exhausted),
        )
