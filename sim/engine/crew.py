"""The agents of the SimPy model: who can take a ticket, and how fast each works on what he holds."""

from __future__ import annotations

from heapq import heappop, heappush

from sim.core.clock import NEVER
from sim.staffing.desk import Desk
from sim.staffing.skills import ON_DUTY, WORK_UNITS


class Agent:
    """One agent: what he has in hand, by row how many tickets he may hold beside it, and when that was last settled."""

    __slots__ = ("able", "duty", "hand", "number", "productivity", "room", "settled_ms", "stands", "team")

    def __init__(self, number: int, team: int, most: int) -> None:
        self.number, self.team = number, team
        self.duty, self.productivity = -1, WORK_UNITS
        self.hand: dict[int, int] = {}
        self.room = most
        self.settled_ms = 0
        self.able = False
        self.stands = [False] * most


class Crew:
    """All agents, and by team and number of tickets in hand those who could take one more.

    By ticket, ``work_left`` are the units of work left when the hand it is in was last settled, and ``due_ms`` is when
    it is due, NEVER when nobody works on it. ``idle`` holds heaps of agents' numbers, in which each stands once, beside
    others who are not able any more.
    """

    def __init__(self, desk: Desk, rows: int) -> None:
        self.work_left, self.due_ms = [0] * rows, [NEVER] * rows
        self.most, self.speeds = desk.most, desk.speeds
        self.agents = [Agent(i, team, desk.most[team]) for i, team in enumerate(desk.agent_team.tolist())]
        self.able = [[0] * most for most in self.most]
        self.idle: list[list[list[int]]] = [[[] for _ in range(most)] for most in self.most]

    def can_take(self, team: int, places: int) -> bool:
        """Return whether an agent of a team can take a ticket beside which, itself included, ``places`` may be held."""
        able = self.able[team]
        return able[0] > 0 or (places > 1 and any(able[1:places]))

    def chosen(self, team: int) -> Agent:
        """Return who takes a ticket: of those who can, the one with the fewest in hand, then the lowest number."""
        held = next(k for k, able in enumerate(self.able[team]) if able)
        line = self.idle[team][held]
        while True:
            agent = self.agents[heappop(line)]
            agent.stands[held] = False
            if agent.able and len(agent.hand) == held:
                return agent

    def speed(self, agent: Agent) -> int:
        """Return the units of work that each ticket in an agent's hand, which is not empty, loses in a ms."""
        full = self.speeds[agent.team][len(agent.hand) - 1]
        return max(full * agent.productivity // WORK_UNITS, 1)

    def leaves(self, agent: Agent) -> None:
        """Count an agent, whose hand or duty is about to change, no more among the able."""
        if agent.able:
            self.able[agent.team][len(agent.hand)] -= 1
            agent.able = False

    def returns(self, agent: Agent) -> None:
        """Count an agent, whose hand or duty has changed, among the able if he is."""
        held = len(agent.hand)
        if agent.duty == ON_DUTY and held < agent.room:
            agent.able = True
            self.able[agent.team][held] += 1
            if not agent.stands[held]:
                agent.stands[held] = True
                heappush(self.idle[agent.team][held], agent.number)

    def takes(self, agent: Agent, row: int, places: int, work: int) -> None:
        """Put a ticket into an agent's hand, with so many units of work."""
        agent.hand[row], self.work_left[row] = places, work
        agent.room = min(agent.room, places)

    def drops(self, agent: Agent, row: int) -> None:
        """Take a ticket out of an agent's hand."""
        del agent.hand[row]
        self.due_ms[row] = NEVER
        agent.room = min(agent.hand.values(), default=self.most[agent.team])

    def settle(self, agent: Agent, now: int) -> None:
        """Take the work done up to now off what an agent has in hand."""
        if agent.hand:
            done = (now - agent.settled_ms) * self.speed(agent)
            for row in agent.hand:
                self.work_left[row] -= done
        agent.settled_ms = now

    def reckon(self, agent: Agent) -> list[tuple[int, int]]:
        """Return when the work on each ticket in an agent's hand, just settled, is due, where that has changed."""
        due: list[tuple[int, int]] = []
        if agent.hand:
            speed = self.speed(agent)
            for row in agent.hand:
                due_ms = agent.settled_ms + max(-(-self.work_left[row] // speed), 0)
                if due_ms != self.due_ms[row]:
                    self.due_ms[row] = due_ms
                    due.append((row, due_ms))
        return due
