"""Trust and newcomers: who stays away from a platform that many complain about, and whom good support wins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sim.api import run
from sim.core.tables import ENDPOINTS
from sim.demand import TASK
from sim.experiment.replication import observe
from sim.feedback.columns import ADMITTED_SIGNUP, SIGNUP_STREAM, TRUST
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import measure
from sim.model.model import build
from sim.numerics.statistics import paired_difference
from sim.scenario import Scenario, ScenarioFaults
from tests.support.stories import fixed, story

NEWCOMERS = {
    "industry_per_day": 48_000, "platform_share": 0.1, "kyc_share": 0.5, "kyc_delay": "30 min", "deposit_share": 0.5,
    "deposit_delay": "6 h", "review_share": 0.2, "review_category": "papers",
}  # fmt: skip
AUDITOR = {"half_life": "100 d", "loss_per_post": 0.0, "distrust_weight": 0.0,
           "events": {"auditor_leaves": {"at": "2 d", "change": -0.6}}}  # fmt: skip
VOICE = {"half_life": "5 d", "loss_per_post": 0.002, "distrust_weight": 0.0}
DAYS = 6


def scenario(*, weight: float, agents: int = 20, trust: dict[str, Any] | None = None) -> Scenario:
    """Return a story of customers with a question, who complain of a long wait, and of newcomers who may hear them."""
    return story(
        days=DAYS,
        population={"registered": 200_000, "mau_share": 0.1, "tickets_per_mau_day": 0.1},
        categories={
            "howto": {
                "share": 1.0,
                "complaint_hazard_per_hour": 0.02,
                "steps": {"front": {"queue": "inbox", "handle": fixed("8 min")}},
            },
            "papers": {"task": True, "steps": {"review": {"queue": "docs", "handle": fixed("10 min")}}},
        },
        teams={"front": {"serves": ["inbox"], "agents": agents}, "back": {"serves": ["docs"], "agents": 8}},
        queues={"inbox": {"target": "30 min"}},
        newcomers=NEWCOMERS | {"trust_weight": weight},
        trust=AUDITOR if trust is None else trust,
    )


def observed(weight: float) -> Observation:
    return observe(build(scenario(weight=weight)), seed=3, replication=0)


def by_day(of: Observation, endpoint: str) -> np.ndarray:
    return of.requests[endpoint].reshape(DAYS, -1).sum(axis=1)


def test_newcomers_stay_away_by_the_weight_of_the_trust_that_is_gone() -> None:
    """From the third day on trust is 0.4, so that with half the weight 1 - 0.5 x 0.6 = 0.7 of all newcomers come."""
    found, free = observed(0.5), observed(0.0)
    level = found.outcome.feedback_floats[ADMITTED_SIGNUP]
    assert (level == 1 - 0.5 * (1 - found.outcome.feedback_floats[TRUST])).all()
    assert level[0] == 1
    assert level[2 * 1440 + 1] == pytest.approx(0.7, rel=1e-4)
    for endpoint, per_day in (("signup", 4800), ("kyc", 2400), ("deposit", 1200)):
        kept, all_of_them = by_day(found, endpoint), by_day(free, endpoint)
        assert kept[:2].tolist() == all_of_them[:2].tolist(), endpoint
        expected = 4 * per_day * level[2 * 1440 :].mean()
        assert abs(kept[2:].sum() - expected) < 4 * expected**0.5, endpoint
    lost = (by_day(free, "signup") - by_day(found, "signup")).sum() / DAYS
    assert measure(found)["signups_lost_per_day"] == lost > 500
    assert measure(free)["signups_lost_per_day"] == 0
    assert measure(found)["signups_per_day"] == measure(free)["signups_per_day"] - lost  # type: ignore[operator]


def test_their_documents_are_thinned_and_no_other_is_drawn() -> None:
    found, free = observed(0.5), observed(0.0)
    mine = found.demand.kind == TASK
    assert (found.demand.stream[mine] == SIGNUP_STREAM).all()
    assert (free.demand.stream == -1).all()
    level = found.outcome.feedback_floats[ADMITTED_SIGNUP]
    admitted = found.demand.mark[mine] < level[found.demand.opened_ms[mine] // 60_000]
    drawn = free.outcome.opened_ms[free.demand.kind == TASK]
    assert found.demand.opened_ms[mine].tolist() == drawn.tolist()
    assert found.tasks("papers").begin_ms[admitted].tolist() == drawn[admitted].tolist()
    assert (found.outcome.opened_ms[mine][~admitted] > DAYS * 86_400_000).all()
    assert 0.6 < admitted[drawn >= 2 * 86_400_000].mean() < 0.8


def test_without_the_weight_trust_changes_nothing() -> None:
    """A weight of 0 leaves every ticket and request as it is where the platform has no name to lose."""
    free = observed(0.0)
    plain = observe(build(scenario(weight=0.0, trust={"half_life": "1 d", "loss_per_post": 0, "distrust_weight": 0})),
                     seed=3, replication=0)  # fmt: skip
    assert free.outcome.closed_ms.tobytes() == plain.outcome.closed_ms.tobytes()
    for endpoint in ENDPOINTS:
        assert free.requests[endpoint].tobytes() == plain.requests[endpoint].tobytes(), endpoint


def test_a_weight_without_trust_is_refused() -> None:
    with pytest.raises(ScenarioFaults) as refused:
        story(**(scenario(weight=0.5).model_dump(mode="json") | {"trust": None}))
    assert any(
        "newcomers.trust_weight: got 0.5; must be given together with a table trust" in one
        for one in refused.value.faults
    )


def won(weight: float) -> tuple[float, float]:
    """Return how many more sign-ups a day a well staffed desk has than a thin one, and the 95 % half-width."""
    thin, good = (
        run(scenario(weight=weight, agents=agents, trust=VOICE), replications=6, seed=1) for agents in (10, 20)
    )
    per_day = [[one.metrics["signups_per_day"] or 0.0 for one in each.replications] for each in (good, thin)]
    found = paired_difference(*per_day)
    assert found.half_width is not None
    return float(found.mean or 0.0), found.half_width


def test_good_support_wins_newcomers_and_not_without_the_weight() -> None:
    mean, half_width = won(0.5)
    assert mean - half_width > 10
    assert won(0.0) == (0.0, 0.0)
