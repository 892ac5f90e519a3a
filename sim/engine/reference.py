"""The SimPy model: the readable definition of the desk.

``simulate`` is a deterministic function of drawn demand, desk and level rules. Within one instant: work done, shift
change, feedback levels, complaint, opening or return from a pause, by row number; then the decision, once; patience
is lost last. SimPy's event priority carries phase and row. Arrivals, shifts and the minute are processes; a piece of
work is one event with one callback; patience and complaints need no events.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterable
from heapq import heapify, heappop, heappush
from typing import Any

from simpy.events import Event

from sim.core.clock import NEVER, PHASE_DECIDE, PHASE_DONE, PHASE_OPEN, PHASE_SHIFT
from sim.demand import Demand
from sim.engine.crew import Agent, Crew
from sim.engine.feedback_clock import Minute
from sim.engine.outcome import LEFT, TURNED_AWAY, DeskOutcome, outcome_of_lists
from sim.engine.setup import LONGEST_WORK_MS, NO_TICKET, leaving_ms, roots, takers, takes
from sim.engine.simpy_clock import Callbacks, SimpyClock
from sim.feedback import FeedbackParameters
from sim.staffing.desk import Desk
from sim.staffing.skills import AGE_PRIORITY, ENDLESS, LEAVE, WORK_UNITS

_STATE = """
_aged _back _child _decided _done admitted after_ms agenda agent_of chase closed closed_ms crew deciding demand desk
drawn_ms entered env finite first_leg handle_ms horizon_ms leaving leaving_ms left leg leg_end leg_start lines minute
moved moved_patience_ms opened parent patience_ms pause_ms priority queue_of reopen restless standing takers takes
teams_of
"""
Waiter = tuple[int, int, int]  # priority, time it entered the queue, row


def simulate(
    demand: Demand, desk: Desk, parameters: FeedbackParameters | None, *, complain_from_opening: bool = False
) -> DeskOutcome:
    """Return what became of every ticket of ``demand`` at ``desk``.

    ``parameters`` are those of feedback, None for none (then no minute clock runs and no candidate is admitted).
    ``complain_from_opening`` starts complaint clocks at opening, where levels listen to complaints.
    """
    collecting = gc.isenabled()
    gc.disable()  # nothing here is garbage before the end, and looking for it costs a tenth of the time
    try:
        state = DeskState(demand, desk)
        state.env.process(state.arrivals())
        state.env.process(state.shifts())
        if parameters is not None:
            state.minute = Minute(state, parameters, complain_from_opening)
            state.env.process(state.minute.clock())
        state.env.run_to(desk.horizon_ms)
        return state.result()
    finally:
        if collecting:
            gc.enable()


class DeskState:
    """Queues, teams and tickets in motion. Lists, not arrays: they are read and written one element at a time."""

    __slots__ = tuple(_STATE.split())  # too many for the interpreter's fast dictionaries

    def __init__(self, demand: Demand, desk: Desk) -> None:
        self.env = SimpyClock(initial_time=0)
        self.agenda = self.env._queue
        self.env.at(desk.horizon_ms, 0, 0, [])  # so that the agenda is never empty: the horizon stands in it
        self.demand, self.desk, self.horizon_ms = demand, desk, desk.horizon_ms
        self.minute: Minute | None = None
        n, legs = demand.rows, len(demand.leg_queue)
        self.first_leg, self.handle_ms = demand.legs_from.tolist(), demand.leg_handle_ms.tolist()
        self.pause_ms, self.queue_of = demand.leg_pause_ms.tolist(), demand.leg_queue.tolist()
        self.drawn_ms, self.priority = demand.opened_ms.tolist(), demand.priority.tolist()
        self.patience_ms, self.after_ms = demand.patience_ms.tolist(), demand.after_ms.tolist()
        self.chase, self.reopen, self.parent = demand.chase.tolist(), demand.reopen.tolist(), demand.parent.tolist()
        self.opened, self.closed = [NEVER] * n, [NEVER] * n
        self.left: dict[int, int] = {}
        self.closed_ms = demand.closed_ms.tolist()
        self.moved: dict[int, int] = {}
        self.leg = self.first_leg[:n]  # the leg that each ticket is on, or goes to next
        self.entered, self.leg_start, self.leg_end = [NEVER] * legs, [NEVER] * legs, [NEVER] * legs
        self.agent_of = [-1] * legs
        self.standing: list[Waiter | None] = [None] * n  # the place in line that counts; others are stale
        self.lines: list[list[Waiter]] = [[] for _ in desk.queues]
        self.crew = Crew(desk, n)
        self.leaving = leaving_ms(demand, desk)
        self.leaving_ms = self.leaving.tolist()
        self.moved_patience_ms = dict(zip(demand.moved_to, demand.moved_patience_ms.tolist(), strict=True))
        self.restless = [bool(ages) or to != LEAVE for ages, to in zip(desk.ages, desk.patience_to, strict=True)]
        self.finite = [queue for queue, places in enumerate(desk.places) if places != ENDLESS]
        self.takers, self.takes = takers(desk), takes(desk)
        self.teams_of = [[(t, desk.concurrency[t][q]) for _, _, t in able] for q, able in enumerate(self.takers)]
        self.deciding = False
        self._done: Callbacks = [self.on_done]
        self._back: Callbacks = [self.on_back]
        self._child: Callbacks = [self.on_child]
        self.admitted: Callbacks = [self.on_admitted]
        self._aged: Callbacks = [self.on_age]
        self._decided: Callbacks = [self.on_decide]

    # --- time ---------------------------------------------------------------------------------------------

    def arrivals(self) -> Generator[Event, Any, None]:
        """Process: open the drawn tickets, each at its time; one that comes before all else needs no event."""
        rows = roots(self.demand).tolist()
        times = [*(self.drawn_ms[row] for row in rows), NEVER]
        env, open_ticket, tied = self.env, self.open, None
        for position, row in enumerate(rows):
            time_ms = times[position]
            if tied is not None or not env.advance(time_ms):
                yield tied or env.at(time_ms, PHASE_OPEN, row, [])
            tied = None
            if times[position + 1] == time_ms:  # a ticket that opens now must see that another is due
                tied = env.at(time_ms, PHASE_OPEN, rows[position + 1], [])
            open_ticket(row)

    def shifts(self) -> Generator[Event, Any, None]:
        """Process: let agents come and go. Who goes takes nothing more and finishes what he holds."""
        crew = self.crew
        for time_ms, number, duty, productivity in self.desk.changes.tolist():
            yield self.env.at(time_ms, PHASE_SHIFT, number, [])
            agent = crew.agents[number]
            crew.leaves(agent)
            crew.settle(agent, time_ms)
            agent.duty, agent.productivity = duty, productivity
            crew.returns(agent)
            self.reckon(agent)
            if agent.able:
                self.decide_soon()

    def on_done(self, event: Event) -> None:
        """Work done: out of hand, then send the ticket on or resolve it (one to be reopened comes back)."""
        row: int = event._value
        leg, now = self.leg[row], self.env._now
        if self.crew.due_ms[row] != now:  # its agent's hand has changed since
            return
        agent = self.crew.agents[self.agent_of[leg]]
        self.release(agent, row)
        self.leg_end[leg] = now
        quiet = self.agenda[0][0] > now and not self.deciding
        if leg + 1 == self.first_leg[row + 1]:
            self.closed[row] = now
            if self.minute is not None and self.minute.sees[row] != NO_TICKET:
                self.minute.unresolved -= 1
            child = self.reopen[row]
            if child >= 0:
                self.env.at(now + self.after_ms[child], PHASE_OPEN, child, self._child, child)
        else:
            if self.minute is not None and leg == self.first_leg[row]:
                self.minute.unsolved(row, leg)
            self.leg[row] = leg + 1
            queue, pause_ms = self.queue_of[leg + 1], self.pause_ms[leg]
            if quiet and pause_ms == 0 and self.desk.ranks[agent.team][queue] < 0:
                self.entered[leg + 1] = now
                self.wait(row, leg + 1, queue)  # nothing else is due and this team cannot take it: no event needed
            else:
                self.env.at(now + pause_ms, PHASE_OPEN, row, self._back, row)
                quiet = quiet and pause_ms > 0
        if agent.able:
            if quiet:
                self.serve_with(agent.team)
            else:
                self.decide_soon()

    def on_back(self, event: Event) -> None:
        """Return from a pause (or at once, where there was none): wait for the next leg."""
        row: int = event._value
        leg = self.leg[row]
        self.entered[leg] = self.env._now
        self.wait(row, leg, self.queue_of[leg])

    def on_child(self, event: Event) -> None:
        """Open a chase unless its parent is resolved by now, a reopening in any case; in a closure, at its end."""
        row: int = event._value
        for begin, end in self.closed_ms:
            if begin <= self.env._now < end:
                self.env.at(end, PHASE_OPEN, row, self._child, row)
                return
        parent = self.parent[row]
        if self.chase[parent] != row or not self.resolved(parent):
            self.open(row)

    def on_admitted(self, event: Event) -> None:
        """Open a candidate that the feedback level has admitted."""
        self.open(event._value)

    # --- tickets ------------------------------------------------------------------------------------------

    def open(self, row: int) -> None:
        """Open a ticket now and queue it for its first leg."""
        now = self.env._now
        self.opened[row] = now
        if self.minute is not None:
            self.minute.sees_opening(row)
        leg = self.first_leg[row]
        child = self.chase[row]
        if child >= 0:
            self.env.at(now + self.after_ms[child], PHASE_OPEN, child, self._child, child)
        self.entered[leg] = now
        self.wait(row, leg, self.queue_of[leg])
        minute = self.minute
        if minute is not None and (self.standing[row] is not None or minute.at_opening):
            due_ms = now + minute.unanswered_ms[row]
            if due_ms < self.horizon_ms:
                minute.note(row, leg, now + minute.silence_ms[row], due_ms)

    def resolved(self, row: int) -> bool:
        """Return whether a ticket has been resolved by now."""
        return self.closed[row] <= self.env._now and row not in self.left

    def deadline(self, row: int) -> int:
        """Return when the customer of a waiting ticket leaves for good: only the wait for a first answer has an end."""
        if self.leaving_ms[row] == NEVER or self.leg[row] != self.first_leg[row]:
            return NEVER
        return self.opened[row] + self.leaving_ms[row]

    def wait(self, row: int, leg: int, queue: int) -> None:
        """Put a ticket into a queue now; where nothing else is due and a slot is free it starts at once."""
        now = self.env._now
        line, teams = self.lines[queue], self.teams_of[queue]
        quiet = self.agenda[0][0] > now and not self.deciding
        if quiet and not line:
            for team, places in teams:
                if self.crew.can_take(team, places):
                    self.start(row, leg, team, places)
                    return
        place = (self.priority[row], now, row)
        self.standing[row] = place
        heappush(line, place)
        if not quiet:
            self.decide_soon()
        else:
            if len(line) > 1:  # who stands before may have left
                self.serve(queue)
            self.turn_away(queue)
        if self.restless[queue] and self.standing[row] is place:
            self._grow_old(row, queue, now)

    def wait_anew(self, row: int, queue: int) -> None:
        """Give a ticket that a wait moves, if it has had no answer, the patience with the queue that it now enters."""
        if self.leg[row] == self.first_leg[row]:
            own, now = self.moved_patience_ms.get(queue), self.env._now
            patience_ms = self.patience_ms[row] = NEVER if own is None else own[row]
            leaves = self.desk.patience_to[queue] == LEAVE and patience_ms != NEVER
            self.leaves_at(row, now + patience_ms if leaves else NEVER)

    def leaves_at(self, row: int, deadline: int) -> None:
        """Change the deadline of a ticket that waits for its first answer, and what hangs on it."""
        leaving_ms = NEVER if deadline == NEVER else deadline - self.opened[row]
        if self.minute is not None:
            self.minute.sees_new_deadline(row, self.leg[row], leaving_ms)
        self.leaving_ms[row] = leaving_ms

    def _grow_old(self, row: int, queue: int, entered: int) -> None:
        """Schedule what a long wait in this queue will do to a ticket."""
        first = self.leg[row] == self.first_leg[row]
        if first and self.patience_ms[row] != NEVER and self.desk.patience_to[queue] != LEAVE:
            due = entered + max(self.patience_ms[row], 1)
            self.env.at(due, PHASE_OPEN, row, self._aged, (row, queue, entered, None))
        for number, (after_ms, _, _) in enumerate(self.desk.ages[queue]):
            self.env.at(entered + after_ms, PHASE_OPEN, row, self._aged, (row, queue, entered, number))

    def on_age(self, event: Event) -> None:
        """A ticket still waiting moves to its next queue (entry time now) or next priority (entry time kept)."""
        row, queue, entered, number = event._value
        standing, leg = self.standing[row], self.leg[row]
        if standing is None or standing[1] != entered or self.queue_of[leg] != queue:
            return
        if self.deadline(row) < self.env._now:
            self.leave(row)
            return
        if number is None:
            self.moved.setdefault(row, self.env._now)
            to = self.desk.patience_to[queue]
            if queue in self.moved_patience_ms:
                self.moved_patience_ms[queue][row] = NEVER  # back here it waits without end
        else:
            _, kind, to = self.desk.ages[queue][number]
            if kind == AGE_PRIORITY:
                self.standing[row] = moved = (min(to, standing[0]), entered, row)  # never a worse one
                heappush(self.lines[queue], moved)
                return
        self.standing[row] = None
        self.queue_of[leg] = to
        self.wait_anew(row, to)
        self.wait(row, leg, to)

    # --- decisions ----------------------------------------------------------------------------------------

    def head(self, queue: int) -> Waiter | None:
        """Return who stands first in a queue; stale places and customers who have left are dropped on the way."""
        line, standing = self.lines[queue], self.standing
        while line:
            place = line[0]
            row = place[2]
            if standing[row] is place:
                leaving_ms = self.leaving_ms[row]
                if leaving_ms == NEVER or self.opened[row] + leaving_ms >= self.env._now:
                    return place
                if self.leg[row] != self.first_leg[row]:  # patience ends with the first answer
                    return place
                self.leave(row)
            heappop(line)
        return None

    def leave(self, row: int) -> None:
        """Let an impatient customer go: stamped with the deadline, however late it is noticed."""
        self.closed[row] = self.deadline(row)
        self.left[row] = LEFT
        self.standing[row] = None

    def start(self, row: int, leg: int, team: int, places: int) -> None:
        """Begin work: the agent of the team who takes the ticket has one more in hand."""
        if self.minute is not None and leg == self.first_leg[row]:
            self.minute.sees_start(row)
        crew = self.crew
        agent = crew.chosen(team)
        crew.leaves(agent)
        crew.settle(agent, self.env._now)
        crew.takes(agent, row, places, min(self.handle_ms[leg], LONGEST_WORK_MS) * WORK_UNITS)
        crew.returns(agent)
        self.leg_start[leg], self.agent_of[leg] = self.env._now, agent.number
        self.reckon(agent)

    def release(self, agent: Agent, row: int) -> None:
        """Take a ticket, whose work is done, out of its agent's hand; what he still holds goes faster."""
        crew = self.crew
        crew.leaves(agent)
        crew.settle(agent, self.env._now)
        crew.drops(agent, row)
        crew.returns(agent)
        self.reckon(agent)

    def reckon(self, agent: Agent) -> None:
        """Schedule the end of work on each ticket in an agent's hand, settled to now; what was due before is void."""
        for row, due_ms in self.crew.reckon(agent):
            self.env.at(due_ms, PHASE_DONE, row, self._done, row)

    def start_first(self, team: int, queue: int, place: Waiter) -> None:
        """Begin work on the first of a queue."""
        heappop(self.lines[queue])
        row = place[2]
        self.standing[row] = None
        self.start(row, self.leg[row], team, self.desk.concurrency[team][queue])

    def serve(self, queue: int) -> None:
        """Decide for one queue: the only one with both a waiter and a team that can take him."""
        for team, places in self.teams_of[queue]:
            while self.crew.can_take(team, places):
                place = self.head(queue)
                if place is None:
                    return
                self.start_first(team, queue, place)

    def serve_with(self, team: int) -> None:
        """Decide for one team: the only one that can take a ticket and has a waiter for it."""
        takes, places, can_take = self.takes[team], self.desk.concurrency[team], self.crew.can_take
        if len(takes) == 1:
            queue = takes[0][1]
            while can_take(team, places[queue]) and (place := self.head(queue)) is not None:
                self.start_first(team, queue, place)
            return
        while True:
            best_rank, best, best_queue = 0, None, -1
            for rank, queue in takes:
                if best is not None and rank > best_rank:
                    break
                if self.lines[queue] and can_take(team, places[queue]):
                    place = self.head(queue)
                    if place is not None and (best is None or place < best):
                        best_rank, best, best_queue = rank, place, queue
            if best is None:
                return
            self.start_first(team, best_queue, best)

    def decide_soon(self) -> None:
        """Decide once, when all else that is due at this instant has happened."""
        if not self.deciding:
            self.deciding = True
            self.env.at(self.env._now, PHASE_DECIDE, 0, self._decided)

    def on_decide(self, event: Event) -> None:
        """While a team has an agent who can take from a queue with a waiter, start the best pair of them."""
        self.deciding = False
        while True:
            best = min(self._pairs(), default=None)
            if best is None:
                break
            _, place, _, team, queue = best
            self.start_first(team, queue, place)
        for queue in self.finite:
            self.turn_away(queue)

    def turn_away(self, queue: int) -> None:
        """Turn away, the highest row first, who came at this instant for a first answer and finds no place to wait."""
        line, places = self.lines[queue], self.desk.places[queue]
        if len(line) <= places:
            return
        line[:] = [place for place in line if self.standing[place[2]] is place and not self._gone(place[2])]
        heapify(line)
        now = self.env._now
        came = sorted(row for _, at, row in line if at == now and self.leg[row] == self.first_leg[row])
        for row in came[::-1][: max(len(line) - places, 0)]:
            self.leaves_at(row, now)
            self.leave(row)
            self.left[row] = TURNED_AWAY

    def _gone(self, row: int) -> bool:
        gone = self.deadline(row) < self.env._now
        if gone:
            self.leave(row)
        return gone

    def _pairs(self) -> Iterable[tuple[int, Waiter, int, int, int]]:
        """Yield (rank, first waiter, the queue's preference, team, queue) of each pair that can start."""
        for queue, able in enumerate(self.takers):
            for rank, preference, team in able:
                if self.crew.can_take(team, self.desk.concurrency[team][queue]):
                    place = self.head(queue)
                    if place is None:
                        break
                    yield rank, place, preference, team, queue

    # --- the end ------------------------------------------------------------------------------------------

    def result(self) -> DeskOutcome:
        """Return the tables; waiters whose patience ended before the horizon are flushed as left."""
        for row in [place[2] for place in self.standing if place is not None]:
            if self.deadline(row) < self.horizon_ms:
                self.leave(row)
        return outcome_of_lists(
            self.demand,
            self.desk.agent_team,
            self.minute.levels if self.minute else None,
            gone=self.left,
            moved=self.moved,
            opened_ms=self.opened,
            closed_ms=self.closed,
            leg_entered_ms=self.entered,
            leg_start_ms=self.leg_start,
            leg_end_ms=self.leg_end,
            leg_queue=self.queue_of,
            leg_agent=self.agent_of,
        )
