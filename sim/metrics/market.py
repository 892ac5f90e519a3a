"""The numbers of the market and of the newcomers that it brings: one function each, and their rows in a table.

All are None where the scenario has no newcomers, or no prices that move.
"""

from __future__ import annotations

import numpy as np

from sim.core.clock import HOUR_MS, MINUTE_MS
from sim.demand import CHASE, onboarding
from sim.metrics.metric import Metric, Values
from sim.metrics.observation.counts import BOT, HUMAN
from sim.metrics.observation.replication import Facts


def _price_low(facts: Facts) -> Values:
    prices = facts.recipe.market.price[facts.from_ms // HOUR_MS :]
    return {"": float(prices.min() / prices[0])}


def _volatility_peak(facts: Facts) -> Values:
    volatility = facts.recipe.market.volatility
    return {"": None if volatility is None else float(volatility[facts.from_ms // HOUR_MS :].max())}


def _signups(facts: Facts) -> Values:
    if facts.world.scenario.newcomers is None:
        return {"": None}
    return {"": int(facts.measured_requests["signup"].sum()) / facts.days}


def _signups_lost(facts: Facts) -> Values:
    """Return the sign-ups that full trust would have brought besides, of the same newcomers."""
    newcomers = facts.world.scenario.newcomers
    if newcomers is None or not newcomers.trust_weight:
        return {"": None if newcomers is None else 0.0}
    lost = onboarding(facts.recipe, facts.streams)["signup"] - facts.requests["signup"]
    return {"": int(lost[facts.from_ms // MINUTE_MS :].sum()) / facts.days}


def _review_category(facts: Facts) -> str | None:
    newcomers = facts.world.scenario.newcomers
    return newcomers.review_category if newcomers else None


def _reviews(facts: Facts) -> Values:
    category = _review_category(facts)
    if category is None:
        return {"": None}
    return {"": int(facts.measured(facts.tasks(category).begin_ms).sum()) / facts.days}


def _kyc_backlog_peak(facts: Facts) -> Values:
    category = _review_category(facts)
    return {"": None if category is None else facts.tasks(category).peak(facts.from_ms, facts.to_ms)[0]}


def _kyc_questions(facts: Facts) -> Values:
    category = _review_category(facts)
    if category is None:
        return {"": None}
    mine = facts.demand.category == facts.demand.categories.index(category)
    asked = facts.measured(facts.outcome.opened_ms) & (facts.demand.kind == CHASE) & mine
    return {"": int(asked.sum()) / facts.days}


def _mistake_share(facts: Facts) -> Values:
    """Return the mean, over the tickets that came, of the chance that inexperience opened them."""
    growth = facts.recipe.growth
    if growth is None:
        return {"": None}
    new = (facts.counted.by_hour[HUMAN] + facts.counted.by_hour[BOT]).astype(np.float64)
    chance = growth.mistake_share()[facts.from_ms // HOUR_MS :]
    errs = np.isin(facts.demand.categories, growth.categories)
    return {"": float((new[errs] @ chance).sum() / new.sum()) if new.sum() else None}


METRICS: tuple[Metric, ...] = (
    Metric("price_low", "price / price at the start", 0, "lowest market price", _price_low),
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
