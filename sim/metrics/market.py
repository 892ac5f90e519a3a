"""Metrics of the market and of the newcomers that it brings: one function each, and their rows in a table.

All are None where the scenario has no newcomers, or no prices that move.
"""

from __future__ import annotations

import numpy as np

from sim.core.clock import HOUR_MS, MINUTE_MS
from sim.demand import CHASE, onboarding
from sim.metrics.metric import Metric, Values
from sim.metrics.observation.counts import BOT, HUMAN
from sim.metrics.observation.replication import Observation


def _price_low(observed: Observation) -> Values:
    market = observed.expected_demand.market
    prices = market.price[observed.from_ms // HOUR_MS :]
    return {"": min(float(prices.min()), market.price_end) / float(prices[0])}


def _volatility_peak(observed: Observation) -> Values:
    volatility = observed.expected_demand.market.volatility
    return {"": None if volatility is None else float(volatility[observed.from_ms // HOUR_MS :].max())}


def _signups(observed: Observation) -> Values:
    if observed.model.scenario.newcomers is None:
        return {"": None}
    return {"": int(observed.measured_requests["signup"].sum()) / observed.days}


def _signups_lost(observed: Observation) -> Values:
    """Return the sign-ups that full trust would have brought besides, of the same newcomers."""
    newcomers = observed.model.scenario.newcomers
    if newcomers is None or not newcomers.trust_weight:
        return {"": None if newcomers is None else 0.0}
    lost = onboarding(observed.expected_demand, observed.streams)["signup"] - observed.requests["signup"]
    return {"": int(lost[observed.from_ms // MINUTE_MS :].sum()) / observed.days}


def _review_category(observed: Observation) -> str | None:
    newcomers = observed.model.scenario.newcomers
    return newcomers.review_category if newcomers else None


def _reviews(observed: Observation) -> Values:
    category = _review_category(observed)
    if category is None:
        return {"": None}
    return {"": int(observed.measured(observed.tasks(category).begin_ms).sum()) / observed.days}


def _kyc_backlog_peak(observed: Observation) -> Values:
    category = _review_category(observed)
    return {"": None if category is None else observed.tasks(category).peak(observed.from_ms, observed.to_ms)[0]}


def _kyc_questions(observed: Observation) -> Values:
    category = _review_category(observed)
    if category is None:
        return {"": None}
    mine = observed.demand.category == observed.demand.categories.index(category)
    asked = observed.measured(observed.outcome.opened_ms) & (observed.demand.kind == CHASE) & mine
    return {"": int(asked.sum()) / observed.days}


def _mistake_share(observed: Observation) -> Values:
    """Return the mean, over the tickets that came, of the chance that inexperience opened them."""
    newcomers = observed.expected_demand.newcomer_flows
    if newcomers is None:
        return {"": None}
    new = (observed.counted.by_hour[HUMAN] + observed.counted.by_hour[BOT]).astype(np.float64)
    chance = newcomers.mistake_share()[observed.from_ms // HOUR_MS :]
    errs = np.isin(observed.demand.categories, newcomers.categories)
    return {"": float((new[errs] @ chance).sum() / new.sum()) if new.sum() else None}


METRICS: tuple[Metric, ...] = (
    Metric("price_low", "price / price at the start", 0, "lowest market price at a full hour", _price_low),
    Metric("volatility_peak", "of the ordinary", 0, "highest realised volatility of market prices", _volatility_peak),
    Metric("signups_per_day", "sign-ups/day", 0, "new customers", _signups),
    Metric(
        "signups_lost_per_day", "sign-ups/day", -1, "new customers who stay away for want of trust", _signups_lost,
    ),
    Metric("kyc_reviews_per_day", "cases/day", 0, "newcomers' documents that a person reviews", _reviews),
    Metric("kyc_backlog_peak", "cases", -1, "most documents unjudged at once, of those for people", _kyc_backlog_peak),
    Metric(
        "kyc_questions_per_day", "questions/day", -1, "newcomers who ask what became of their documents",
        _kyc_questions,
    ),
    Metric(
        "newcomer_mistakes_share", "of root tickets", -1, "opened because newcomers err more than others",
        _mistake_share,
    ),
)  # fmt: skip
