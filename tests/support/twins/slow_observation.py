"""What is counted of a replication, written as slowly and plainly as it is defined: the twin of the compiled passes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from math import ceil
from random import Random

import numpy as np

from sim.core.clock import DAY_MS, HOUR_MS, MINUTE_MS, NEVER
from sim.demand import CANDIDATE, REOPEN, ROOT, Demand
from sim.drivers.market import MarketPath
from sim.engine.outcome import LEFT, RESOLVED, TURNED_AWAY
from sim.engine.reference import simulate
from sim.feedback import FeedbackInputs
from sim.feedback.columns import CLASSES
from sim.metrics.observation.counts import (
    BOT,
    COMPLAINT,
    DUE,
    ESCALATED,
    FIRST_CONTACT,
    HUMAN,
    IN_TIME,
    REGULATOR,
    UNLIMITED,
)
from sim.metrics.observation.replication import Observation
from sim.numerics.streams import Streams
from sim.staffing.desk import Desk
from sim.staffing.skills import AGE_QUEUE, LEAVE
from tests.support.stories import category, model_with, story
from tests.support.worlds import random_world

INFINITE = float("inf")


def random_facts(rng: Random) -> Observation:
    """Return a small random world full of ties whose measured day begins just as one of its tickets opens."""
    small = random_world(rng)
    drawn = small.demand.opened_ms[small.demand.opened_ms < NEVER].tolist()
    later_ms = DAY_MS - rng.choice(drawn[: 1 + len(drawn) // 2])
    demand = _demand(rng, small.demand, later_ms)
    desk = _desk(small.desk, later_ms)
    scenario = story(
        days=1,
        warmup_days=1,
        categories={name: category(queue={queue: 1 / len(desk.queues) for queue in desk.queues}) for name in "abc"},
        teams={"all": {"serves": list(desk.queues), "agents": 1}},
        complaints={"clock": "opening" if small.at_opening else "unanswered"},
        regulator={"after": rng.choice(["1 min", "3 min"]), "share": 0.5},
    )
    outcome = simulate(demand, desk, small.parameters, complain_from_opening=small.at_opening)
    return Observation(
        model_with(scenario, MarketPath(scenario, np.ones(48)), desk, small.parameters), demand, outcome, Streams(1, 0)
    )


def _demand(rng: Random, drawn: Demand, later_ms: int) -> Demand:
    """Return a demand that comes later, with categories, regulators and tickets for the bot."""
    never = drawn.opened_ms == NEVER
    bot = tuple(_times(rng, rng.randint(0, 4)) for _ in range(3))
    return replace(
        drawn,
        categories=("a", "b", "c"),
        category=np.array([rng.randint(0, 2) for _ in range(drawn.rows)], dtype=np.int64),
        opened_ms=np.where(never, NEVER, np.where(never, 0, drawn.opened_ms) + later_ms),
        regulator=np.array([rng.random() < 0.5 for _ in range(drawn.rows)], dtype=bool),
        closed_ms=drawn.closed_ms + later_ms,
        inputs=FeedbackInputs(
            requests=np.zeros((len(drawn.inputs.requests), CLASSES, 2, 2880), np.int64), posts_ms=_times(rng, 5)
        ),
        bot_opened_ms=bot,
        bot_ordinals=tuple(np.arange(len(times)) for times in bot),
        leg_hold_ms=np.array([rng.choice((0, pause // 2, pause)) for pause in drawn.leg_pause_ms.tolist()], np.int64),
    )


def _desk(desk: Desk, later_ms: int) -> Desk:
    """Return a desk whose agents change later and that has somebody for every queue, as a scenario's has."""
    ranks, changes, scheduled = [list(row) for row in desk.ranks], desk.changes.copy(), desk.scheduled.copy()
    for queue in range(len(desk.queues)):
        if max(row[queue] for row in ranks) < 0:
            ranks[0][queue] = 9
    for table in (changes, scheduled):
        table[:, 0] += np.where(table[:, 0] > 0, later_ms, 0)
    ages = tuple(tuple((max(after, MINUTE_MS), *to) for after, *to in one) for one in desk.ages)  # or they go on and on
    return replace(
        desk, ranks=tuple(map(tuple, ranks)), ages=ages, changes=changes, scheduled=scheduled, horizon_ms=2 * DAY_MS
    )


def _times(rng: Random, n: int) -> np.ndarray:
    choices = (0, DAY_MS - 1, DAY_MS, DAY_MS + HOUR_MS, 2 * DAY_MS - 1)
    return np.array([rng.choice(choices) for _ in range(n)], dtype=np.int64)


class SlowFacts:
    """Row by row, in Python's own numbers; what never happens is at infinity."""

    def __init__(self, observed: Observation) -> None:
        self.observed, self.demand, self.outcome = observed, observed.demand, observed.outcome
        self.from_ms, self.to_ms = observed.from_ms, observed.to_ms
        self.rows = range(observed.demand.rows)

    def at(self, column: np.ndarray, row: int) -> float:
        value = int(column[row])
        return INFINITE if value == NEVER else value

    def legs(self, row: int) -> range:
        return range(int(self.demand.legs_from[row]), int(self.demand.legs_from[row + 1]))

    def resolved(self, row: int) -> float:
        return self.at(self.outcome.closed_ms, row) if self.outcome.outcome[row] == RESOLVED else INFINITE

    def gone(self, row: int) -> float:
        return self.at(self.outcome.closed_ms, row) if self.outcome.outcome[row] in (LEFT, TURNED_AWAY) else INFINITE

    # --- whose turn it is -----------------------------------------------------------------------------------------

    def turn(self, row: int, at: float) -> tuple[str, int] | None:
        """Return whose turn an open ticket is at a time, and of which team (-1 in a pause); None of one not open."""
        o = self.outcome
        if not self.at(o.opened_ms, row) <= at < self.at(o.closed_ms, row):
            return None
        leg = max(leg for leg in self.legs(row) if self.at(o.leg_entered_ms, leg) <= at)
        if at < self.at(o.leg_start_ms, leg):
            return "waiting", int(self.observed.leg_home[leg])
        if at < self.at(o.leg_end_ms, leg):
            return "in hand", int(o.leg_team[leg])
        paused = self.at(o.leg_end_ms, leg) + int(self.demand.leg_pause_ms[leg])
        assert at < paused == self.at(o.leg_entered_ms, leg + 1) or paused >= self.to_ms
        return ("with customer" if at < paused - int(self.demand.leg_hold_ms[leg]) else "with others"), -1

    # --- complaints -----------------------------------------------------------------------------------------------

    def complaint(self, row: int) -> float:
        o = self.outcome
        at = self._complaint(
            row, self.at(o.opened_ms, row), self.at(o.first_start_ms, row), self.at(o.first_end_ms, row), self.gone(row)
        )
        return at if at < min(self.resolved(row), self.to_ms) else INFINITE

    def without_waits(self, row: int) -> float:
        opened, first_end, closed = self.unhindered(row)
        at = self._complaint(row, opened, opened, first_end, INFINITE)
        return at if at < min(closed, self.to_ms) else INFINITE

    def regulator(self, row: int) -> float:
        rule = self.observed.model.scenario.regulator
        if rule is None or not self.demand.regulator[row]:
            return INFINITE
        at = self.at(self.outcome.opened_ms, row) + rule.after
        return at if at < min(self.resolved(row), self.to_ms) else INFINITE

    def _complaint(self, row: int, opened: float, first_start: float, first_end: float, left: float) -> float:
        starts = [opened]
        if self.observed.model.scenario.complaints.clock == "unanswered":
            silent = min(opened + self.at(self.demand.target_ms, row), left)
            starts = [silent] if first_start > silent else []
            starts += [first_end] if len(self.legs(row)) > 1 else []
        return min(starts, default=INFINITE) + self.at(self.demand.complaint_after_ms, row)

    def unhindered(self, row: int) -> tuple[float, float, float]:
        """Return when a ticket opens, has its first handling ended, and is closed with unlimited agents."""
        d, desk = self.demand, self.observed.desk
        opened, parent = self.at(self.outcome.opened_ms, row), int(d.parent[row])
        if parent >= 0:
            opened = self.unhindered(parent)[2] + int(d.after_ms[row]) if d.kind[row] == REOPEN else INFINITE
            while any(begin <= opened < end for begin, end in d.closed_ms.tolist()):
                opened = next(end for begin, end in d.closed_ms.tolist() if begin <= opened < end)
        ends, at = [], opened
        for leg in self.legs(row):
            able = [t for t in range(len(desk.teams)) if desk.ranks[t][d.leg_queue[leg]] >= 0]
            fastest = 10**12 // min(desk.stretch_ppm[t][0] for t in able)
            at += ceil(Fraction(int(d.leg_handle_ms[leg]) * 10**6, fastest))
            ends.append(at)
            at += int(d.leg_pause_ms[leg])
        return opened, ends[0], at

    # --- counts ---------------------------------------------------------------------------------------------------

    def counted(self) -> Counter[tuple[int, int, int]]:
        """Return how often each (what, category, measured hour) was counted."""
        found: Counter[tuple[int, int, int]] = Counter()

        def note(what: int, category: int, at: float) -> None:
            if self.from_ms <= at < self.to_ms:
                found[what, category, int(at - self.from_ms) // HOUR_MS] += 1

        for number, times in enumerate(self.demand.bot_opened_ms):
            for at in times.tolist():
                note(BOT, number, at)
        for row in self.rows:
            for what, at in self._what(row):
                note(what, int(self.demand.category[row]), at)
        return found

    def _what(self, row: int) -> list[tuple[int, float]]:
        d, o = self.demand, self.outcome
        happened = [
            (COMPLAINT, self.complaint(row)),
            (UNLIMITED, self.without_waits(row)),
            (REGULATOR, self.regulator(row)),
        ]
        if d.kind[row] not in (ROOT, CANDIDATE):
            return happened
        solved = len(self.legs(row)) == 1
        opened, due = self.at(o.opened_ms, row), self.at(o.opened_ms, row) + self.at(d.target_ms, row)
        happened += [(FIRST_CONTACT if solved else ESCALATED, self.at(o.first_end_ms, row)), (HUMAN, opened)]
        if due < self.to_ms:
            happened.append((DUE, opened))
            if self.at(o.first_start_ms, row) <= due:
                happened.append((IN_TIME, opened))
        return happened

    # --- waits ----------------------------------------------------------------------------------------------------

    def humans(self) -> list[int]:
        """Return the rows of the root tickets that people handle and that were opened on the measured day."""
        roots = [row for row in self.rows if self.demand.kind[row] in (ROOT, CANDIDATE)]
        return [row for row in roots if self.from_ms <= self.at(self.outcome.opened_ms, row) < self.to_ms]

    def abandoned(self, row: int) -> tuple[int, str]:
        """Return how long it took until a customer left (or left the queue), was out of that, or was lost sight of."""
        opened, moved = self.at(self.outcome.opened_ms, row), self.at(self.outcome.moved_ms, row)
        if self.outcome.outcome[row] == TURNED_AWAY:
            return self._ending(opened, moved, self.gone(row))
        left, answered = min(self.gone(row), moved), self.at(self.outcome.first_start_ms, row)
        return self._ending(opened, left, opened if self.patient(row) else answered)

    def patient(self, row: int) -> bool:
        """Return whether a customer waits without end in the first queue, and wherever a wait may lead from it."""
        if int(self.demand.patience_ms[row]) < NEVER:
            return False
        seen, going = set(), [int(self.demand.leg_queue[self.demand.legs_from[row]])]
        while going:
            queue = going.pop()
            to = {value for _, kind, value in self.observed.desk.ages[queue] if kind == AGE_QUEUE}
            to |= {self.observed.desk.patience_to[queue]} - {LEAVE}
            going += to - seen
            seen |= to
        return all(
            int(self.demand.moved_patience_ms[line, row]) == NEVER
            for line, queue in enumerate(self.demand.moved_to)
            if queue in seen
        )

    def asked_again(self, row: int) -> tuple[int, str]:
        """Return the same of asking again."""
        opened, chase = self.at(self.outcome.opened_ms, row), int(self.demand.chase[row])
        if chase < 0:
            return 0, "other"
        return self._ending(opened, self.at(self.outcome.opened_ms, chase), self.resolved(row))

    def _ending(self, opened: float, event: float, other: float) -> tuple[int, str]:
        end = min(event, other, self.to_ms)
        return int(end - opened), "lost" if end == self.to_ms else "event" if event == end else "other"

    def durations(self, row: int, end: float) -> tuple[int, bool]:
        """Return how long a ticket was seen to wait for ``end``, and whether it came."""
        gone = min(self.gone(row), self.to_ms)
        return int(min(end, gone) - self.at(self.outcome.opened_ms, row)), end < gone
