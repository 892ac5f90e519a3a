"""The numbers of the public voice: copies and campaigns, what the platform hears of it, trust, and who ran."""

from __future__ import annotations

import numpy as np

from sim.core.clock import DAY_MS, MINUTE_MS
from sim.feedback import columns as level
from sim.metrics.metric import Metric, Values
from sim.metrics.observation.counts import COMPLAINT
from sim.metrics.observation.replication import Facts


def posts(facts: Facts) -> int:
    """Return the measured posts that name no ticket: background and campaigns."""
    flow = facts.demand.flow
    return sum(int(facts.measured(times).sum()) for times in (flow.posts_ms, flow.campaign_ms))


def _minutes(facts: Facts, column: int) -> int:
    return int(facts.outcome.level_ints[column, facts.from_ms // MINUTE_MS :].sum())


def _copied(facts: Facts) -> Values:
    return {"": _minutes(facts, level.COPIES) / facts.days if facts.world.scenario.copies else None}


def all_posts(facts: Facts) -> float:
    """Return all measured public posts: direct complaints, posts that name no ticket, and copies."""
    copies = _minutes(facts, level.COPIES) if facts.world.scenario.copies else 0
    return float(facts.totals[COMPLAINT].sum()) + posts(facts) + copies


def _public(facts: Facts) -> Values:
    return {"": all_posts(facts) / facts.days}


def _peak_day(facts: Facts) -> Values:
    """Return the posts of the day with the most of them."""
    days, flow = facts.days, facts.demand.flow
    by_day = np.zeros(days)
    for times in (facts.complaint_ms, flow.posts_ms, flow.campaign_ms):
        by_day += np.bincount((times[facts.measured(times)] - facts.from_ms) // DAY_MS, minlength=days)
    if facts.world.scenario.copies:
        copies = facts.outcome.level_ints[level.COPIES, facts.from_ms // MINUTE_MS :]
        by_day += copies.reshape(days, -1).sum(axis=1)
    return {"": float(by_day.max())}


def flagged(facts: Facts) -> tuple[float, float] | None:
    """Return how many complaints, and how many other posts, the classifier takes for complaints; None without one."""
    rules = facts.world.scenario.listening
    if rules is None:
        return None
    return all_posts(facts) * rules.recall, rules.noise_per_day * facts.days * rules.false_share


def _flagged(facts: Facts) -> Values:
    found = flagged(facts)
    return {"": sum(found) / facts.days if found else None}


def _precision(facts: Facts) -> Values:
    found = flagged(facts)
    return {"": found[0] / sum(found) if found and sum(found) else None}


def _perceived(facts: Facts) -> Values:
    """Return the share of complaints in what is read in public, where the content write nothing; None where unknown."""
    rules = facts.world.scenario.listening
    read = all_posts(facts) + rules.noise_per_day * facts.days if rules else 0.0
    return {"": all_posts(facts) / read if read else None}


def _spam(facts: Facts) -> Values:
    some = bool(facts.world.scenario.campaigns)
    return {"": int(facts.measured(facts.demand.spam_ms).sum()) / facts.days if some else None}


def _trust_low(facts: Facts) -> Values:
    if facts.world.scenario.trust is None or not facts.outcome.level_floats.size:
        return {"": None}
    return {"": float(facts.outcome.level_floats[level.TRUST, facts.from_ms // MINUTE_MS :].min())}


def _ran(facts: Facts) -> Values:
    rules = facts.world.rules
    if facts.world.scenario.run is None or rules is None or not rules.panic.depositors:
        return {"": None}
    return {"": int(facts.outcome.level_ints[level.PANICKED, -1]) / rules.panic.depositors}


METRICS: tuple[Metric, ...] = (
    Metric("complaints_copied_per_day", "posts/day", -1, "copies of other posts (counted apart from direct)", _copied),
    Metric(
        "complaints_public_per_day", "posts/day", -1, "all public posts: direct, naming no ticket, and copies", _public,
    ),
    Metric("complaints_public_peak_day", "posts", -1, "all public posts of the worst day", _peak_day),
    Metric("complaints_flagged_per_day", "posts/day", 0, "posts that the classifier takes for complaints", _flagged),
    Metric(
        "complaints_perceived_share", "of what is read in public", -1,
        "are complaints (of all users, see unharmed_share_of_active)", _perceived,
    ),
    Metric(
        "complaints_flagged_precision", "of the posts flagged", 1, "are complaints", _precision,
    ),
    Metric(
        "tickets_spam_per_day", "tickets/day", 0, "campaigns' worthless tickets, which a filter ends", _spam,
    ),
    Metric("trust_low", "of full trust", 1, "lowest trust", _trust_low),
    Metric("ran_share", "of the depositors", -1, "took their money out in a run", _ran),
)  # fmt: skip
