"""The load expected of each team, before any queue: planned occupancy, and who quits under it.

Counted are first contacts with all their steps, wrong departments and reopened tickets, in expectation and on the day
of the first contact. Left out are what the live state decides (questions of those who wait, tickets of feedback levels)
and so every feedback of the queue: this is the load that a planner sees in advance.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sim.core.arrays import Floats
from sim.core.clock import DAY_MS, WEEK_MS
from sim.demand import ExpectedDemand, expected_demand_of
from sim.demand.durations import mean_ms
from sim.drivers.market import MarketPath
from sim.drivers.policy import policy_of
from sim.scenario.schema.policy import Attrition
from sim.scenario.schema.routes import path_of, queues_of
from sim.scenario.schema.scenario import Category, Scenario
from sim.staffing.attrition import full_strength, heads_at, share_staying
from sim.staffing.people import Called
from sim.staffing.roster import Extra, roster_of
from sim.staffing.skills import Skills, skills_of


def offered_agents(expected: ExpectedDemand, skills: Skills) -> Floats:
    """Return by team and day how many agents the expected work keeps busy, on the day's average."""
    scenario, home, per_work = expected.scenario, skills.home_team, skills.agents_per_work
    people = expected.roots.expected * (1.0 - expected.roots.bot)
    out = np.zeros((len(skills.teams), expected.days))
    for number, category in enumerate(scenario.categories.values()):
        for queue, work_ms in work_of(scenario, category):
            where = skills.queues.index(queue)
            out[home[where]] += people[number] * work_ms * per_work[home[where], where] / 24
    return out


def work_of(scenario: Scenario, category: Category) -> Iterator[tuple[str, float]]:
    """Yield (queue, ms) of the work that a ticket for people of a category brings on average, reopenings included."""
    reopen = scenario.reopen.share if scenario.reopen and not category.task else 0.0
    misroute = scenario.misroute
    reached = 1.0
    for position, name in enumerate(path_of(category)):
        step = category.steps[name]
        solved = 1.0 if step.solved is None else step.solved
        again = solved * reopen / (1.0 - reopen)
        for queue, share in queues_of(step).items():
            yield queue, reached * share * (1.0 + again) * mean_ms(step.handle)
        if misroute and position == 1:
            wrong = [queue for queue in misroute.among if queue not in queues_of(step)]
            for queue in wrong if len(wrong) < len(misroute.among) else []:
                yield queue, reached * misroute.share * mean_ms(misroute.handle) / len(wrong)
        reached *= 1.0 - solved


def extra_of(scenario: Scenario, market: MarketPath, expected: ExpectedDemand | None = None) -> Extra:
    """Return what changes a scenario's shifts in a market: the agents called in, and those who quit.

    The demand ``expected`` in that market is worked out where it is needed and not given.
    """
    policy = policy_of(scenario, market.price, market.volatility)
    surges = tuple(
        Called(one.team, begin, end, one.agents, one.cost_per_hour)
        for name, one in scenario.surges.items()
        for begin, end in policy.surge_turns(name)
    )
    if scenario.attrition is None:
        return Extra(surges)
    staying = staying_of(scenario.attrition, expected or expected_demand_of(scenario, market), skills_of(scenario))
    return Extra(surges, staying, scenario.warmup_days * DAY_MS)


def staying_of(attrition: Attrition, expected: ExpectedDemand, skills: Skills) -> dict[str, Floats]:
    """Return the share who stays of each team that attrition concerns, week by week from the end of the warm-up."""
    scenario = expected.scenario
    begin, horizon_ms = scenario.warmup_days * DAY_MS, expected.days * DAY_MS
    by_day, roster, found = offered_agents(expected, skills), roster_of(scenario), {}
    for number, team in enumerate(scenario.teams):
        if not attrition.teams or team in attrition.teams:
            days = by_day[number, scenario.warmup_days :]
            offered = np.array([days[first : first + 7].mean() for first in range(0, len(days), 7)])
            heads = [heads_at(roster, number, week) for week in range(begin, horizon_ms, WEEK_MS)]
            found[team] = share_staying(attrition, offered, full_strength(roster, number, begin), heads)
    return found
