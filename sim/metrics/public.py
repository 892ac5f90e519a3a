"""Metrics of the public: copies and campaigns, posts flagged by the platform, trust, and runs."""

from __future__ import annotations

import numpy as np

from sim.core.clock import DAY_MS, MINUTE_MS
from sim.feedback import columns
from sim.metrics.metric import Metric, Values
from sim.metrics.observation.counts import COMPLAINT
from sim.metrics.observation.replication import Observation


def background(observed: Observation) -> int:
    """Return the measured complaints that name no ticket; what campaigns post is none."""
    return int(observed.measured(observed.demand.inputs.posts_ms).sum())


def _campaigns(observed: Observation) -> int:
    return int(observed.measured(observed.demand.inputs.campaign_ms).sum())


def _written(observed: Observation) -> Values:
    return {"": _campaigns(observed) / observed.days if observed.model.scenario.campaigns else None}


def _minutes(observed: Observation, column: int) -> int:
    return int(observed.outcome.feedback_ints[column, observed.from_ms // MINUTE_MS :].sum())


def _copied(observed: Observation) -> Values:
    return {"": _minutes(observed, columns.COPIES) / observed.days if observed.model.scenario.copies else None}


def _cut(observed: Observation) -> Values:
    """Return 1 where the copies of the run came to the most that are drawn, so that none followed, 0 where not."""
    if observed.model.scenario.copies is None:
        return {"": 0.0}
    return {"": float(observed.outcome.feedback_ints[columns.COPIES].sum() >= columns.MOST_COPIES)}


def all_posts(observed: Observation) -> float:
    """Return all measured public posts: complaints, direct and background, campaigns' posts, and copies."""
    copies = _minutes(observed, columns.COPIES) if observed.model.scenario.copies else 0
    return complaints(observed) + _campaigns(observed) + copies


def complaints(observed: Observation) -> float:
    """Return all measured public complaints, direct and background."""
    return float(observed.totals[COMPLAINT].sum()) + background(observed)


def _public(observed: Observation) -> Values:
    return {"": all_posts(observed) / observed.days}


def _peak_day(observed: Observation) -> Values:
    """Return the posts of the day with the most of them."""
    days, inputs = observed.days, observed.demand.inputs
    by_day = np.zeros(days)
    for times in (observed.complaint_ms, inputs.posts_ms, inputs.campaign_ms):
        by_day += np.bincount((times[observed.measured(times)] - observed.from_ms) // DAY_MS, minlength=days)
    if observed.model.scenario.copies:
        copies = observed.outcome.feedback_ints[columns.COPIES, observed.from_ms // MINUTE_MS :]
        by_day += copies.reshape(days, -1).sum(axis=1)
    return {"": float(by_day.max())}


def flagged(observed: Observation) -> tuple[float, float] | None:
    """Return how many complaints, and how many other posts, the classifier takes for complaints; None without one.

    What campaigns post, and what is copied, reads like a complaint to it, and is none.
    """
    parameters = observed.model.scenario.listening
    if parameters is None:
        return None
    rightly = complaints(observed)
    noise = parameters.noise_per_day * observed.days * parameters.false_share
    return rightly * parameters.recall, (all_posts(observed) - rightly) * parameters.recall + noise


def _flagged(observed: Observation) -> Values:
    found = flagged(observed)
    return {"": sum(found) / observed.days if found else None}


def _precision(observed: Observation) -> Values:
    found = flagged(observed)
    return {"": found[0] / sum(found) if found and sum(found) else None}


def _perceived(observed: Observation) -> Values:
    """Return the share of what is read in public that reads like a complaint; None where that is unknown."""
    parameters = observed.model.scenario.listening
    read = all_posts(observed) + parameters.noise_per_day * observed.days if parameters else 0.0
    return {"": all_posts(observed) / read if read else None}


def _spam(observed: Observation) -> Values:
    some = bool(observed.model.scenario.campaigns)
    return {"": int(observed.measured(observed.demand.spam_ms).sum()) / observed.days if some else None}


def _trust_low(observed: Observation) -> Values:
    if observed.model.scenario.trust is None or not observed.outcome.feedback_floats.size:
        return {"": None}
    return {"": float(observed.outcome.feedback_floats[columns.TRUST, observed.from_ms // MINUTE_MS :].min())}


def _ran(observed: Observation) -> Values:
    parameters = observed.model.parameters
    if observed.model.scenario.run is None or parameters is None or not parameters.panic.depositors:
        return {"": None}
    return {"": int(observed.outcome.feedback_ints[columns.PANICKED, -1]) / parameters.panic.depositors}


METRICS: tuple[Metric, ...] = (
    Metric("campaign_posts_per_day", "posts/day", 0, "public posts that campaigns write: no complaints", _written),
    Metric("complaints_copied_per_day", "posts/day", -1, "copies of other posts (counted apart from direct)", _copied),
    Metric(
        "cascades_cut", "cascades", -1,
        f"whether copies came to {columns.MOST_COPIES:,}, the most of a run, and were cut there", _cut,
    ),
    Metric(
        "complaints_public_per_day", "posts/day", -1, "all public posts: complaints, campaigns' posts, and copies",
        _public,
    ),
    Metric("complaints_public_peak_day", "posts", -1, "all public posts of the worst day", _peak_day),
    Metric("complaints_flagged_per_day", "posts/day", 0, "posts that the classifier takes for complaints", _flagged),
    Metric(
        "complaints_perceived_share", "of what is read in public", -1,
        "reads like a complaint (of all users, see unharmed_share_of_active)", _perceived,
    ),
    Metric(
        "complaints_flagged_precision", "of the posts flagged", 1, "are complaints, no campaign's, copies or others",
        _precision,
    ),
    Metric(
        "tickets_spam_per_day", "tickets/day", 0, "campaigns' worthless tickets, which a filter ends", _spam,
    ),
    Metric("trust_low", "of full trust", 1, "lowest trust", _trust_low),
    Metric("ran_share", "of the depositors", -1, "took their money out in a run by the end", _ran),
)  # fmt: skip
