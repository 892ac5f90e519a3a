"""Attrition: the share of a team's agents who stay, week by week, under the load that is planned for them."""

from __future__ import annotations

import numpy as np

from sim.core.arrays import Floats
from sim.core.clock import DAY_MS, WEEK_MS
from sim.scenario.schema.policy import Attrition
from sim.staffing.roster import Roster

_YEAR_MS = 365 * DAY_MS


def full_strength(roster: Roster, team: int, from_ms: int) -> Floats:
    """Return by week from ``from_ms`` on the mean agents on duty of a team if no one quits, in expectation.

    An agent in training counts for his productivity. Who is called in does not count.
    """
    turns, horizon_ms, total = roster.turns, roster.horizon_ms, np.zeros(-(-(roster.horizon_ms - from_ms) // WEEK_MS))
    for number, group in enumerate(roster.groups):
        if group.team != team or group.called:
            continue
        mine = turns.group == number
        begin, end = turns.begin_ms[mine], turns.end_ms[mine]
        trained = np.array(group.joins_ms)[turns.ordinal[mine]] + group.training_ms
        for week in range(len(total)):
            first = from_ms + week * WEEK_MS
            last = min(first + WEEK_MS, horizon_ms)
            all_ms = np.clip(np.minimum(end, last) - np.maximum(begin, first), 0, None)
            full_ms = np.clip(np.minimum(end, last) - np.maximum(np.maximum(begin, trained), first), 0, None)
            work_ms = full_ms + (all_ms - full_ms) * group.productivity / 10**6
            total[week] += work_ms.sum() / (last - first)
    return total * roster.shrinkage[team].mean_duty


def heads_at(roster: Roster, team: int, at_ms: int) -> int:
    """Return how many agents a team has planned for, over all shifts: its own, and those hired by then."""
    return sum(group.joined(at_ms) for group in roster.groups if group.team == team and not group.called)


def share_staying(attrition: Attrition, offered: Floats, full: Floats, heads: list[int]) -> Floats:
    """Return the share of a team's planned agents who are there, by week; 1 in the first.

    ``offered`` is the load in agents, ``full`` the agents on duty at full strength, ``heads`` the agents planned for,
    each by week. The planned occupancy of a week is the load over those who stayed, so each leaver raises it for
    the others; the queue that then grows does not feed back. Who quits in a week is replaced as far as the hiring
    allows, and replacements work at once. With quits that rise steeply enough there are two equilibria: full
    strength, and one where hiring only just replaces those who flee the load.
    """
    share = np.ones(len(offered))
    for week in range(len(offered) - 1):
        there = share[week] * full[week]
        occupancy = min(offered[week] / there, 1.0) if there > 0 else 1.0
        strain = max(occupancy - attrition.knee, 0.0) / (1.0 - attrition.knee)
        rate = attrition.quits_per_year + (attrition.quits_per_year_at_1 - attrition.quits_per_year) * strain
        left = share[week] * heads[week] * np.exp(-rate * WEEK_MS / _YEAR_MS)
        found = min(attrition.replacements_per_year * heads[week] * WEEK_MS / _YEAR_MS, heads[week] - left)
        share[week + 1] = (left + found + heads[week + 1] - heads[week]) / max(heads[week + 1], 1)
    return share
