"""One replication as its metrics and series see it: who is open when, who went public, what each endpoint got.

Everything is a pure function of the drawn demand and the outcome. Counts are filtered by time (the warm-up is
simulated but not measured); no row is ever removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.clock import DAY_MS, MINUTE_MS, NEVER
from sim.curve import poisson_count
from sim.demand import CANDIDATE, ROOT, Demand, logins
from sim.floor import floor_complaints_ms
from sim.levels import LEVEL_COLUMN, STREAMS, waiting_and_confirming
from sim.outcome import LEFT, Outcome, complaints_ms, regulator_ms
from sim.staffing import Desk
from sim.streams import Streams
from sim.tables import ENDPOINTS
from sim.world import World

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Stay:
    """Things that begin and end: how many are there at any time."""

    begin_ms: Ints
    end_ms: Ints

    @cached_property
    def _sorted(self) -> tuple[Ints, Ints]:
        return np.sort(self.begin_ms[self.begin_ms < NEVER]), np.sort(self.end_ms[self.begin_ms < NEVER])

    def at(self, time_ms: Ints) -> Ints:
        """Return count(begin <= t) - count(end <= t) for each t."""
        begin, end = self._sorted
        return np.searchsorted(begin, time_ms, side="right") - np.searchsorted(end, time_ms, side="right")

    def peak(self, from_ms: int, to_ms: int) -> tuple[int, int]:
        """Return the largest count in [from, to) and the first time of it."""
        begin, _ = self._sorted
        times = np.concatenate([[from_ms], begin[(begin > from_ms) & (begin < to_ms)]])
        levels = self.at(times)
        where = int(np.argmax(levels))
        return int(levels[where]), int(times[where])

    def held_ms(self, from_ms: int, to_ms: int) -> float:
        """Return the total time spent within [from, to), ms."""
        begin, end = np.clip(self.begin_ms, from_ms, to_ms), np.clip(self.end_ms, from_ms, to_ms)
        return float((end - begin).sum())


@dataclass(frozen=True)
class Facts:
    """One replication: its world, demand and outcome, and what follows from them (computed once, when asked for)."""

    world: World
    demand: Demand
    outcome: Outcome
    streams: Streams

    @cached_property
    def from_ms(self) -> int:
        """The end of the warm-up."""
        return self.world.market.horizon_ms - self.days * DAY_MS

    @property
    def to_ms(self) -> int:
        """The horizon."""
        return self.desk.horizon_ms

    @property
    def days(self) -> int:
        """Measured days."""
        return self.world.scenario.days

    @property
    def desk(self) -> Desk:
        """The desk."""
        return self.world.desk

    def measured(self, time_ms: Ints) -> Mask:
        """Return which of the times lie in the measured period."""
        return (time_ms >= self.from_ms) & (time_ms < self.to_ms)

    # --- tickets ------------------------------------------------------------------------------------------

    @cached_property
    def root(self) -> Mask:
        """Rows that are tickets of their own, not reopened ones or questions about one."""
        return (self.demand.kind == ROOT) | (self.demand.kind == CANDIDATE)

    @cached_property
    def human(self) -> Mask:
        """Root rows that people handle and that were opened in the measured period."""
        return self.root & self.measured(self.outcome.opened_ms)

    @cached_property
    def bot_roots(self) -> tuple[tuple[Ints, Ints, str], ...]:
        """The root tickets that the bot ended, in no order: by category times and ordinals, and the stream of each set.

        Candidates are there when their mark lies under the level of their minute, as the engine admits those that
        people handle.
        """
        sets = [
            (times, ordinals, name)
            for name, times, ordinals in zip(
                self.demand.categories, self.demand.bot_opened_ms, self.demand.bot_ordinals, strict=True
            )
        ]
        for one in self.demand.bot_candidates:
            level = self.outcome.level_floats[LEVEL_COLUMN[one.stream]]
            came = one.mark < level[one.opened_ms // MINUTE_MS]
            name = self.demand.categories[one.category]
            sets.append((one.opened_ms[came], one.ordinals[came], f"{STREAMS[one.stream]} {name}"))
        return tuple(sets)

    @cached_property
    def bot_opened_ms(self) -> tuple[Ints, ...]:
        """By category, when the root tickets were opened that the bot ended; in no order."""
        times = [one[0] for one in self.bot_roots]
        more: list[list[Ints]] = [[] for _ in self.demand.categories]
        for candidates, came in zip(self.demand.bot_candidates, times[len(more) :], strict=True):
            more[candidates.category].append(came)
        return tuple(np.concatenate([own, *extra]) for own, extra in zip(times[: len(more)], more, strict=True))

    @cached_property
    def first_contact(self) -> Mask:
        """Root rows whose first handling ended in the measured period and solved them."""
        return self.root & self.measured(self.outcome.first_end_ms) & (np.diff(self.demand.legs_from) == 1)

    @cached_property
    def escalated(self) -> Mask:
        """Root rows whose first handling ended in the measured period with more to come."""
        return self.root & self.measured(self.outcome.first_end_ms) & (np.diff(self.demand.legs_from) > 1)

    @cached_property
    def asked_again(self) -> Mask:
        """Human rows whose customer asked again while waiting."""
        chase = self.demand.chase
        return self.human & (chase >= 0) & (self.outcome.opened_ms[chase] < NEVER)

    @cached_property
    def abandoned(self) -> Mask:
        """Human rows whose customer lost patience: left for good, or left the chat for the inbox."""
        return self.human & ((self.outcome.outcome == LEFT) | (self.outcome.moved_ms < NEVER))

    # --- backlog ------------------------------------------------------------------------------------------

    @cached_property
    def backlog(self) -> Stay:
        """Open tickets that people handle: roots, reopened ones and questions, pauses included."""
        return Stay(self.outcome.opened_ms, self.outcome.closed_ms)

    @cached_property
    def home_team(self) -> Ints:
        """By queue, the team that it counts for: the first that would take from it."""
        ranks, prefers = np.array(self.desk.ranks), np.array(self.desk.prefers)
        homes = []
        for queue in range(len(self.desk.queues)):
            skilled = [t for t in range(len(self.desk.teams)) if ranks[t, queue] >= 0]
            homes.append(min(skilled, key=lambda t: (ranks[t, queue], prefers[queue, t], t)))
        return np.array(homes)

    @cached_property
    def leg_home(self) -> Ints:
        """By leg, the team that it counts for: who works on it, else the home of its queue."""
        return np.where(self.outcome.leg_team >= 0, self.outcome.leg_team, self.home_team[self.outcome.leg_queue])

    @cached_property
    def leg_left_ms(self) -> Ints:
        """By leg, when it ended, by its work or by the customer's leaving."""
        row = np.repeat(np.arange(self.demand.rows), np.diff(self.demand.legs_from))
        gone = (self.outcome.outcome == LEFT)[row]
        return np.where(gone, np.minimum(self.outcome.closed_ms[row], self.outcome.leg_end_ms), self.outcome.leg_end_ms)

    def team_backlog(self, team: int) -> Stay:
        """Return the tickets that wait for a team or are in its hands."""
        mine = self.leg_home == team
        return Stay(self.outcome.leg_entered_ms[mine], self.leg_left_ms[mine])

    def team_busy(self, team: int) -> Stay:
        """Return the pieces of work in a team's hands."""
        mine = self.outcome.leg_team == team
        return Stay(self.outcome.leg_start_ms[mine], self.outcome.leg_end_ms[mine])

    # --- the public ---------------------------------------------------------------------------------------

    @cached_property
    def complaint_ms(self) -> Ints:
        """By row, when its customer complained in public; NEVER if not."""
        return complaints_ms(self.demand, self.outcome, at_opening=self._at_opening, horizon_ms=self.to_ms)

    @cached_property
    def floor_ms(self) -> Ints:
        """By row, when its customer would have complained with unlimited agents; NEVER if not."""
        return floor_complaints_ms(
            self.demand, self.outcome, self.desk, at_opening=self._at_opening, horizon_ms=self.to_ms
        )

    @cached_property
    def regulator_ms(self) -> Ints:
        """By row, when its customer turned to a regulator; NEVER if not."""
        rule = self.world.scenario.regulator
        after_ms = rule.after if rule else NEVER
        return regulator_ms(self.demand, self.outcome, after_ms=after_ms, horizon_ms=self.to_ms)

    @property
    def _at_opening(self) -> bool:
        return self.world.scenario.complaints.clock == "opening"

    # --- endpoints ----------------------------------------------------------------------------------------

    @cached_property
    def ticket_opened_ms(self) -> Ints:
        """When each root ticket was created, bot-ended ones included, over the whole run; in no order."""
        people = self.outcome.opened_ms[self.root]
        return np.concatenate([people[people < self.to_ms], *self.bot_opened_ms])

    @cached_property
    def requests(self) -> dict[str, Ints]:
        """By endpoint, the requests of each minute of the run."""
        minutes = np.arange(self.to_ms // MINUTE_MS)
        flow = self.demand.flow
        tickets = np.bincount(self.ticket_opened_ms // MINUTE_MS, minlength=len(minutes))
        out = dict.fromkeys(ENDPOINTS, np.zeros(len(minutes), dtype=np.int64))
        out |= {"withdrawal": flow.withdrawals_auto + flow.withdrawals_review, "ticket": tickets}
        out["login"] = logins(self.world.market, self.streams)
        readers = self.world.scenario.readers
        if readers:
            views = self.backlog.at(minutes * MINUTE_MS) * (MINUTE_MS / readers.view_every)
            out["ticket_view"] = self._counts(views, "views")
            if self.world.rules and self.world.scenario.withdrawals:
                waiting, confirming = waiting_and_confirming(self.outcome.level_ints, self.world.rules)
                polls = (waiting + confirming) * (readers.poll_share * MINUTE_MS / readers.poll_every)
                out["withdrawal_status"] = self._counts(polls, "polls")
        return out

    def _counts(self, expected: NDArray[np.floating], purpose: str) -> Ints:
        return poisson_count(expected, self.streams.uniforms("", purpose, np.arange(len(expected))))

    @cached_property
    def measured_requests(self) -> dict[str, Ints]:
        """By endpoint, the requests of each measured minute."""
        return {name: counts[self.from_ms // MINUTE_MS :] for name, counts in self.requests.items()}
