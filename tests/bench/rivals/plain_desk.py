"""The bench desk as a plain SimPy model: the yardstick that the engines are timed against.

Written the way SimPy's own documentation writes such a model (its "Bank Renege" example): one process a ticket,
`request | timeout` for patience, `with` to give a seat or a place in the queue back, random numbers drawn one at a
time where they are needed. Time is in minutes.

The desk: 10,000 tickets a day with an hourly profile, 80 % ended by the bot; a front line and, for 15 % of those
it has handled, a second pool; four priorities, not preemptive; exponential patience until the first answer; 10 % of
those who leave complain. (Only the first wait ends in leaving, as in the engine, so that both are the same desk; with
patience in the second queue too the plain model would do more work.)

SimPy's resources have a fixed capacity, so a pool has the seats of all its shifts, and a process takes those of absent
agents with the best priority. The next shift brings its own people: whoever is at work when his shift ends finishes the
ticket at hand and then leaves his seat to nobody.
"""

import math
import random
from collections.abc import Generator
from dataclasses import dataclass, field

import simpy

HOUR = 60
DAY = 24 * HOUR
SHIFT = 8 * HOUR

PROFILE = (0.5, 0.4, 0.4, 0.4, 0.5, 0.6, 0.8, 1.0, 1.3, 1.5, 1.6, 1.6,
           1.5, 1.5, 1.6, 1.6, 1.5, 1.3, 1.1, 1.0, 0.9, 0.8, 0.6, 0.5)  # fmt: skip
PRIORITIES = (0, 1, 2, 3)
PRIORITY_SHARES = (0.05, 0.15, 0.40, 0.40)
ABSENT = -1
PATIENCE_MEAN = 6 * HOUR
FRONT_MEAN, SECOND_MEAN = 12, 45
HANDLE_CV = 1.0
ESCALATED_SHARE = 0.15
COMPLAINT_SHARE = 0.10

SIGMA = math.sqrt(math.log(1 + HANDLE_CV**2))

Process = Generator[simpy.Event, dict, None]


@dataclass(frozen=True)
class Setting:
    """How many come, how many of them the bot ends, and the agents of each shift."""

    tickets_per_day: int = 10_000
    bot_share: float = 0.8
    front_agents: tuple[int, ...] = (10, 25, 21)
    second_agents: tuple[int, ...] = (6, 13, 12)


WHOLE = Setting()
REDUCED = Setting(tickets_per_day=2000, bot_share=0.0, front_agents=(19,), second_agents=(10,))
"""Without the bot's tickets, and as many agents at any hour: what Ciw can express (``ciw_desk.py``)."""


@dataclass
class PlainResult:
    """Counts of tickets, and the waits in minutes of those that were served, in each queue."""

    opened: int = 0
    bot: int = 0
    handled_front: int = 0
    handled_second: int = 0
    left: int = 0
    complaints: int = 0
    waits_front_min: list[float] = field(default_factory=list)
    waits_second_min: list[float] = field(default_factory=list)


class Pool(simpy.PriorityResource):
    """A seat for each agent of every shift; those of absent agents are held."""

    def __init__(self, env: simpy.Environment, agents: tuple[int, ...]) -> None:
        super().__init__(env, capacity=sum(agents))
        self.agents = agents
        self.absent: list[simpy.Event] = []
        self.changes = 0

    def shifts(self) -> Process:
        """Let the people of one shift after another come, beside those who are still at work; or all stay for good."""
        while True:
            for on_duty in self.agents:
                at_work = self.count - len(self.absent)
                self.changes += 1
                while len(self.absent) < self.capacity - on_duty - at_work:
                    self.leave()
                while len(self.absent) > self.capacity - on_duty - at_work:
                    self.release(self.absent.pop())
                if len(self.agents) == 1:
                    return
                yield self._env.timeout(SHIFT)

    def leave(self) -> None:
        """Hold the next free seat for an agent who is absent."""
        self.absent.append(self.request(priority=ABSENT))

    def work(self, minutes: float) -> Process:
        """Spend minutes on a ticket, and go home if the shift is over then."""
        began = self.changes
        yield self._env.timeout(minutes)
        if self.changes != began:
            self.leave()


class PlainDesk:
    """The desk's two pools, its random numbers and what it counts."""

    def __init__(self, env: simpy.Environment, seed: int, setting: Setting) -> None:
        self.env, self.setting = env, setting
        self.random = random.Random(seed)
        self.result = PlainResult()
        self.front, self.second = Pool(env, setting.front_agents), Pool(env, setting.second_agents)
        env.process(self.front.shifts())
        env.process(self.second.shifts())
        env.process(self.arrivals())

    def arrivals(self) -> Process:
        """Open tickets as a Poisson process with hourly rates, by thinning."""
        mean = sum(PROFILE) / len(PROFILE)
        peak = max(PROFILE)
        peak_rate = self.setting.tickets_per_day / DAY * peak / mean
        while True:
            yield self.env.timeout(self.random.expovariate(peak_rate))
            hour = int(self.env.now // HOUR) % 24
            if self.random.random() * peak < PROFILE[hour]:
                self.env.process(self.ticket())

    def ticket(self) -> Process:
        """Live one ticket: the bot, the front line, perhaps the second pool."""
        result = self.result
        result.opened += 1
        if self.random.random() < self.setting.bot_share:
            result.bot += 1
            return
        priority = self.random.choices(PRIORITIES, PRIORITY_SHARES)[0]

        with self.front.request(priority=priority) as request:
            asked = self.env.now
            served = yield request | self.env.timeout(self.random.expovariate(1 / PATIENCE_MEAN))
            if request not in served:
                self.leave()
                return
            result.waits_front_min.append(self.env.now - asked)
            yield from self.front.work(self.handling(FRONT_MEAN))
            result.handled_front += 1

        if self.random.random() >= ESCALATED_SHARE:
            return
        with self.second.request(priority=priority) as request:
            asked = self.env.now
            yield request
            result.waits_second_min.append(self.env.now - asked)
            yield from self.second.work(self.handling(SECOND_MEAN))
            result.handled_second += 1

    def leave(self) -> None:
        """Count a customer who lost patience, and perhaps the complaint."""
        self.result.left += 1
        if self.random.random() < COMPLAINT_SHARE:
            self.result.complaints += 1

    def handling(self, mean: float) -> float:
        """Draw a lognormal handling time with this mean."""
        return self.random.lognormvariate(math.log(mean) - SIGMA**2 / 2, SIGMA)


def run(days: int, seed: int, setting: Setting = WHOLE) -> PlainResult:
    """Simulate so many days, starting empty at midnight, and return what was counted."""
    env = simpy.Environment()
    desk = PlainDesk(env, seed, setting)
    env.run(until=days * DAY)
    return desk.result
