"""Small scenarios from a dictionary: ``story(days=3, teams={...})`` changes the keys that a test names, whole."""

from __future__ import annotations

from typing import Any

from sim.demand import Demand, draw, expected_demand_of
from sim.drivers.market import MarketPath, market_of
from sim.feedback import FeedbackParameters
from sim.model.model import Model
from sim.scenario import Scenario
from sim.scenario.loading.load import from_resolved
from sim.staffing.desk import Desk
from sim.staffing.roster import roster_of
from sim.staffing.skills import skills_of

EXPONENTIAL = {"law": "exponential", "mean": "8 min"}


def fixed(duration: str) -> dict[str, str]:
    """Return the law of a duration that is always the same."""
    return {"law": "deterministic", "value": duration}


def category(per_hour: float = 6.0, *, handle: Any = EXPONENTIAL, queue: str = "inbox", **more: Any) -> dict[str, Any]:
    """Return a category of one step."""
    return {"arrivals_per_hour": per_hour, "steps": {"front": {"queue": queue, "handle": handle}}} | more


def escalating(per_hour: float = 6.0, **more: Any) -> dict[str, Any]:
    """Return a category of two steps; the second may ask for proof and is in the queue ``finance``."""
    steps = {
        "front": {"queue": "inbox", "handle": fixed("7 min"), "solved": 0.6},
        "dept": {"queue": "finance", "handle": {"law": "lognormal", "mean": "30 min", "cv": 1.0}, "evidence": True},
    }
    return {"arrivals_per_hour": per_hour, "steps": steps} | more


def story(**changes: Any) -> Scenario:
    """Return a validated scenario of one category and one team; ``changes`` replace top-level keys."""
    base: dict[str, Any] = {
        "title": "small",
        "days": 2,
        "categories": {"howto": category()},
        "teams": {"front": {"serves": ["inbox"], "agents": 2}},
    }
    return from_resolved(base | changes)


def rich(**changes: Any) -> Scenario:
    """Return a scenario in which everything that is drawn is drawn."""
    base: dict[str, Any] = {
        "days": 3,
        "warmup_days": 1,
        "population": {
            "registered": 20_000,
            "mau_share": 0.1,
            "tickets_per_mau_day": 0.1,
            "withdrawals_per_mau_day": 0.5,
            "logins_per_mau_day": 1.0,
        },
        "profile": {"period": "1 d", "weights": [1.0, 2.0, 4.0, 2.0]},
        "busyness": {"cv": 0.2},
        "categories": {
            "howto": category(bot_resolve=0.5, complaint_hazard_per_hour=0.01),
            "payout": escalating(complaint_hazard_per_hour=0.02, bot_resolve=0.3),
        },
        "bot": {"handle": fixed("2 min")},
        "evidence": {"share": 0.5, "reply": {"law": "exponential", "mean": "3 h"}, "first_part": 0.4},
        "misroute": {"share": 0.2, "among": ["finance", "security"], "handle": fixed("3 min")},
        "reopen": {"share": 0.3, "after": {"law": "exponential", "mean": "10 h"}},
        "recontact": {"share": 0.4, "after": {"law": "exponential", "mean": "5 h"}, "queue": "inbox",
                      "handle": fixed("2 min")},
        "queues": {"inbox": {"target": "1 h", "patience": {"law": "exponential", "mean": "6 h"}}, "security": {}},
        "teams": {
            "front": {"serves": ["inbox"], "agents": 3},
            "back": {"serves": [["finance", "security"]], "agents": 4},
        },
        "complaints": {"background_per_day": 5.0},
        "regulator": {"after": "1 d", "share": 0.1},
        "withdrawals": {
            "payouts_per_minute": 2.0, "review_share": 0.1, "reviews_per_hour": 6.0, "confirmation": "10 min",
            "promise": "30 min", "late_tickets_per_hour": 0.1, "late_category": "payout",
            "late_ceiling_per_hour": 10.0, "amount_mean_usd": 500.0, "amount_cv": 2.0,
            "assets": {"BTC": 0.4, "USDT": 0.6},
        },
        "rumour": {"half_life": "6 h", "threshold": 1.0, "tickets_per_hour": 0.5, "category": "howto",
                   "ceiling_per_hour": 5.0},
        "readers": {"poll_every": "5 min", "poll_share": 0.3, "view_every": "4 h"},
        "newcomers": {"industry_per_day": 24_000, "platform_share": 0.1, "kyc_share": 0.8, "kyc_delay": "30 min",
                      "deposit_share": 0.6, "deposit_delay": "2 h"},
        "mfa": {"failure_share": 0.2},
    }  # fmt: skip
    return story(**(base | changes))


def drawn(scenario: Scenario, *, seed: int = 1, replication: int = 0) -> Demand:
    """Return one replication's demand."""
    return draw(expected_demand_of(scenario, market_of(scenario)), seed=seed, replication=replication)


def near(share: float, expected: float, n: int) -> bool:
    """Return whether an observed share of n, many, lies within 4 standard errors of what is expected."""
    return n > 500 and abs(share - expected) < 4 * (expected * (1 - expected) / n) ** 0.5


def model_with(scenario: Scenario, market: MarketPath, desk: Desk, parameters: FeedbackParameters | None) -> Model:
    """Return a model whose desk is one made by hand instead of that of its scenario's people."""
    return Model(scenario, market, skills_of(scenario), roster_of(scenario), desk, parameters)
