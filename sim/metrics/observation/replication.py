"""One replication as seen by its metrics and series: open tickets, public complaints, requests to endpoints.

Everything is a pure function of the drawn demand and the outcome. Counts are filtered by time (the warm-up is
simulated but not measured); no row is ever removed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.core.arrays import Floats, Ints, Mask
from sim.core.clock import MINUTE_MS, NEVER
from sim.core.lazy import lazy_property
from sim.demand import CANDIDATE, ROOT, TASK, Demand, ExpectedDemand, candidates_name
from sim.engine.outcome import TURNED_AWAY, DeskOutcome, complaints_ms, regulator_ms
from sim.feedback import ADMISSION_COLUMNS
from sim.feedback.columns import ACCEPTED, COUNTED_IN, FINAL, FINAL_AT, ROW_RAIL, ROWS_FINAL, STAGE, UNCONFIRMED
from sim.metrics.observation.counts import (
    BOT,
    ESCALATED,
    HUMAN,
    Group,
    Legs,
    Marks,
    Tickets,
    count_bot,
    count_legs,
    count_tickets,
)
from sim.metrics.observation.held_time import Duty, Held, held_time
from sim.metrics.observation.requests import requests_of
from sim.metrics.observation.stocks import Stocks, Turns, stocks_of
from sim.metrics.observation.unlimited_staffing import unlimited_complaints_ms
from sim.metrics.observation.waits import Waiting, Waits, add_row_waits, line_waits, waits_of
from sim.model.measurement import Measurement
from sim.model.model import Model
from sim.numerics.intervals import Intervals, Span, within
from sim.numerics.streams import Streams
from sim.scenario.rules.expectations import endpoints_of
from sim.staffing.desk import Desk


@dataclass(frozen=True)
class Counted:
    """What is counted of the tickets: by what, category and measured hour, by row, and root tickets by the minute."""

    by_hour: Ints
    marks: Marks
    opened_by_minute: Ints


@dataclass(frozen=True)
class Worked:
    """The legs: by leg, the team that it counts for and when it ended, by its work or by the customer's leaving; and by
    team and measured hour, the agents that the work needs which entered in it.
    """

    home: Group
    left_ms: Ints
    agents_needed: Floats


@dataclass(frozen=True)
class Observation:
    """One replication: its model, demand and outcome, and what follows from them (computed once, when asked for)."""

    model: Model
    demand: Demand
    outcome: DeskOutcome
    streams: Streams
    drawn_from: ExpectedDemand | None = None

    @lazy_property
    def expected_demand(self) -> ExpectedDemand:
        """What the demand was drawn from."""
        return self.drawn_from or self.model.expected_in(self.streams)

    @property
    def measurement(self) -> Measurement:
        """What all replications of the model have in common."""
        return self.model.measurement

    @property
    def from_ms(self) -> int:
        """The end of the warm-up."""
        return self.measurement.from_ms

    @property
    def to_ms(self) -> int:
        """The horizon."""
        return self.measurement.to_ms

    @property
    def days(self) -> int:
        """Measured days."""
        return self.model.scenario.days

    @property
    def desk(self) -> Desk:
        """The desk."""
        return self.model.desk

    def measured(self, time_ms: Ints) -> Mask:
        """Return which of the times lie in the measured period."""
        return (time_ms >= self.from_ms) & (time_ms < self.to_ms)

    # --- tickets ------------------------------------------------------------------------------------------

    @lazy_property
    def counted(self) -> Counted:
        """What is counted of the tickets, the bot's included."""
        demand, outcome = self.demand, self.outcome
        columns = Tickets(
            category=demand.category,
            kind=demand.kind,
            target_ms=demand.target_ms,
            legs_from=demand.legs_from,
            opened_ms=outcome.opened_ms,
            first_start_ms=outcome.first_start_ms,
            first_end_ms=outcome.first_end_ms,
            complaint_ms=self.complaint_ms,
            unlimited_ms=self.unlimited_ms,
            regulator_ms=self.regulator_ms,
        )
        counted = Counted(*count_tickets(columns, len(demand.categories), self.from_ms, self.to_ms))
        for category, (opened, *_) in zip(self._bot_category, self.bot_roots, strict=True):
            hours = counted.by_hour[BOT, category]
            count_bot(opened, hours, counted.opened_by_minute, self.from_ms, self.to_ms)
        return counted

    def marked(self, what: int) -> Mask:
        """Return the rows for whom something is counted (``counts``: HUMAN and the others, but for BOT)."""
        return (self.counted.marks & (1 << what)) != 0

    @lazy_property
    def totals(self) -> Ints:
        """What is counted in the measured period, by what and category."""
        return self.counted.by_hour.sum(axis=2)

    @property
    def root(self) -> Mask:
        """Rows that are tickets of their own, not reopened ones, questions about one, or tasks."""
        return (self.demand.kind == ROOT) | (self.demand.kind == CANDIDATE)

    @property
    def human(self) -> Mask:
        """Root rows that people handle and that were opened in the measured period."""
        return self.marked(HUMAN)

    @property
    def escalated(self) -> Mask:
        """Root rows whose first handling ended in the measured period with more to come."""
        return self.marked(ESCALATED)

    @lazy_property
    def bot_roots(self) -> tuple[tuple[Ints, Ints, str], ...]:
        """The root tickets that the bot ended, in no order: by category times and ordinals, and the stream of each set.

        A candidate is there when its mark lies under the admission share of its minute, as the engine admits those
        that people handle.
        """
        sets = [
            (times, ordinals, name)
            for name, times, ordinals in zip(
                self.demand.categories, self.demand.bot_opened_ms, self.demand.bot_ordinals, strict=True
            )
        ]
        for one in self.demand.bot_candidates:
            shares = self.outcome.feedback_floats[ADMISSION_COLUMNS[one.stream]]
            came = one.mark < shares[one.opened_ms // MINUTE_MS]
            name = self.demand.categories[one.category]
            stream = candidates_name(one.stream, name, one.layer)
            sets.append((one.opened_ms[came], one.ordinals[came], stream))
        return tuple(sets)

    @property
    def _bot_category(self) -> list[int]:
        """The category of each of the ``bot_roots``."""
        return [*range(len(self.demand.categories)), *(one.category for one in self.demand.bot_candidates)]

    @property
    def bot_opened_ms(self) -> tuple[Ints, ...]:
        """By category, when the root tickets were opened that the bot ended; in no order."""
        times: list[list[Ints]] = [[] for _ in self.demand.categories]
        for category, (opened, *_) in zip(self._bot_category, self.bot_roots, strict=True):
            times[category].append(opened)
        return tuple(np.concatenate(each) for each in times)

    @property
    def ticket_opened_ms(self) -> Ints:
        """When each root ticket was created, bot-ended ones included, over the whole run; in no order."""
        people = self.outcome.opened_ms[self.root]
        return np.concatenate([people[people < self.to_ms], *self.bot_opened_ms])

    @lazy_property
    def waits(self) -> Waits:
        """How long those waited that people handle."""
        demand, outcome = self.demand, self.outcome
        columns = Waiting(
            marks=self.counted.marks,
            category=demand.category,
            legs_from=demand.legs_from,
            leg_queue=demand.leg_queue,
            opened_ms=outcome.opened_ms,
            first_start_ms=outcome.first_start_ms,
            closed_ms=outcome.closed_ms,
            outcome=outcome.outcome,
            patient=self._patient,
            moved_ms=outcome.moved_ms,
            chase=demand.chase,
        )
        return waits_of(columns, len(demand.categories), len(self.desk.queues), self.from_ms, self.to_ms)

    @property
    def _patient(self) -> Mask:
        """Rows whose customers never leave the first queue, nor any that a wait may lead to from there."""
        demand = self.demand
        patient, first = demand.patience_ms == NEVER, demand.leg_queue[demand.legs_from[:-1]]
        for queue, patience_ms in zip(demand.moved_to, demand.moved_patience_ms, strict=True):
            comes = np.array([queue in led for led in self.desk.leads_to])
            patient &= ~comes[first] | (patience_ms == NEVER)
        return patient

    @property
    def turned_away_from(self) -> Ints:
        """The queue of each ticket that was turned away in the measured period."""
        away = (self.outcome.outcome == TURNED_AWAY) & self.measured(self.outcome.closed_ms)
        return self.outcome.leg_queue[self.demand.legs_from[:-1][away]]

    @lazy_property
    def final_waits(self) -> tuple[Ints, ...]:
        """By rail, the histogram of minutes from acceptance to final; the last bin counts those not final.

        The counted are final in the order in which they were accepted; each row has its own times.
        """
        rails, first = self.outcome.feedback_rails, self.from_ms // MINUTE_MS
        final = rails[:, FINAL] - rails[:, ROWS_FINAL]
        lines = zip(rails[:, COUNTED_IN], final, strict=True)
        # One layout, however many rails there are: for another, all would be compiled once more.
        flat = np.ascontiguousarray
        counted = [line_waits(flat(came), flat(gone), first) for came, gone in lines]
        return tuple(add_row_waits(counts, self._row_waits(rail)) for rail, counts in enumerate(counted))

    def _row_waits(self, rail: int) -> Ints:
        """Return the minutes from acceptance to final of a rail's rows accepted in the measured period; -1 for none.

        Those that their customers did not confirm are left out.
        """
        rows = self.outcome.withdrawal_rows
        mine = (self.demand.inputs.rows.drawn[:, ROW_RAIL] == rail) & (rows[STAGE] != UNCONFIRMED)
        mine &= rows[ACCEPTED] >= self.from_ms // MINUTE_MS
        return np.where(rows[FINAL_AT] >= 0, rows[FINAL_AT] - rows[ACCEPTED], -1)[mine]

    def tasks(self, category: str) -> Intervals:
        """Return the tasks of a category: work that no customer asked for."""
        mine = (self.demand.kind == TASK) & (self.demand.category == self.demand.categories.index(category))
        return Intervals(self.outcome.opened_ms[mine], self.outcome.closed_ms[mine])

    # --- backlog ------------------------------------------------------------------------------------------

    @property
    def backlog(self) -> Intervals:
        """What is open for people: tickets, reopened ones, questions and tasks, pauses included."""
        return Intervals(self.outcome.opened_ms, self.outcome.closed_ms)

    @property
    def open_tickets(self) -> Intervals:
        """The same without tasks, which no customer views."""
        if not any(category.task for category in self.model.scenario.categories.values()):
            return self.backlog
        tickets = self.demand.kind != TASK
        return Intervals(self.outcome.opened_ms[tickets], self.outcome.closed_ms[tickets])

    @lazy_property
    def spans(self) -> dict[str, Span]:
        """The backlog in the measured period: of the desk under ``""``, and of each team what waits or is in hand."""
        worked, from_ms, to_ms = self.worked, self.from_ms, self.to_ms
        teams = within(self.outcome.leg_entered_ms, worked.left_ms, worked.home, len(self.desk.teams), from_ms, to_ms)
        return {"": self.backlog.within(from_ms, to_ms)} | dict(zip(self.desk.teams, teams, strict=True))

    @lazy_property
    def stocks(self) -> Stocks:
        """The backlog by whose turn it is, in the measured period."""
        demand, outcome, worked = self.demand, self.outcome, self.worked
        columns = Turns(
            legs_from=demand.legs_from,
            opened_ms=outcome.opened_ms,
            entered_ms=outcome.leg_entered_ms,
            start_ms=outcome.leg_start_ms,
            left_ms=worked.left_ms,
            pause_ms=demand.leg_pause_ms,
            hold_ms=demand.leg_hold_ms,
            home=worked.home,
        )
        return stocks_of(columns, len(self.desk.teams), self.from_ms, self.to_ms)

    @lazy_property
    def worked(self) -> Worked:
        """What became of the legs."""
        demand, outcome = self.demand, self.outcome
        columns = Legs(
            legs_from=demand.legs_from,
            handle_ms=demand.leg_handle_ms,
            entered_ms=outcome.leg_entered_ms,
            end_ms=outcome.leg_end_ms,
            queue=outcome.leg_queue,
            team=outcome.leg_team,
            closed_ms=outcome.closed_ms,
            outcome=outcome.outcome,
        )
        measurement = self.measurement
        return Worked(
            *count_legs(columns, measurement.home_team, measurement.agents_per_work, self.from_ms, self.to_ms)
        )

    @lazy_property
    def held(self) -> tuple[Ints, Ints]:
        """The ms that tickets are held in the measured period, by duty, team and queue; and by team the overtime."""
        outcome, desk = self.outcome, self.desk
        legs = Held(outcome.leg_start_ms, outcome.leg_end_ms, outcome.leg_queue, outcome.leg_agent)
        rows, first = desk.by_agent
        duty = Duty(desk.agent_team, first, rows[:, 0].copy(), rows[:, 2].copy())
        return held_time(legs, duty, (len(desk.teams), len(desk.queues)), self.from_ms, self.to_ms)

    @property
    def leg_home(self) -> Group:
        """By leg, the team that it counts for: who works on it, else the home of its queue."""
        return self.worked.home

    def team_backlog(self, team: int) -> Intervals:
        """Return the tickets that wait for a team or are in its hands."""
        mine = self.leg_home == team
        return Intervals(self.outcome.leg_entered_ms[mine], self.worked.left_ms[mine])

    # --- the public ---------------------------------------------------------------------------------------

    @lazy_property
    def complaint_ms(self) -> Ints:
        """By row, when its customer complained in public; NEVER if not."""
        return complaints_ms(self.demand, self.outcome, at_opening=self._at_opening, horizon_ms=self.to_ms)

    @lazy_property
    def unlimited_ms(self) -> Ints:
        """By row, when its customer would have complained, had no ticket waited for an agent; NEVER if not."""
        return unlimited_complaints_ms(
            self.demand, self.outcome, self.desk, at_opening=self._at_opening, horizon_ms=self.to_ms
        )

    @lazy_property
    def regulator_ms(self) -> Ints:
        """By row, when its customer turned to a regulator; NEVER if not."""
        rule = self.model.scenario.regulator
        after_ms = rule.after if rule else NEVER
        return regulator_ms(self.demand, self.outcome, after_ms=after_ms, horizon_ms=self.to_ms)

    @property
    def _at_opening(self) -> bool:
        return self.model.scenario.complaints.clock == "opening"

    # --- endpoints ----------------------------------------------------------------------------------------

    @property
    def endpoints(self) -> tuple[str, ...]:
        """The endpoints that customers of this model may ask."""
        return endpoints_of(self.model.scenario)

    @lazy_property
    def requests(self) -> dict[str, Ints]:
        """By endpoint, the requests of each minute of the run."""
        return requests_of(self)

    @lazy_property
    def measured_requests(self) -> dict[str, Ints]:
        """By endpoint, the requests of each measured minute."""
        return {name: counts[self.from_ms // MINUTE_MS :] for name, counts in self.requests.items()}
