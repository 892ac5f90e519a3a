"""The best of several plans: the same as the comparison of their means, with fewer replications of the worse."""

from __future__ import annotations

import pytest

from sim import load, select
from sim.scenario import Scenario

METRIC = "first_response_p50"


def plan(agents: int) -> Scenario:
    return load("quiet_week", sets=["days=2", "warmup_days=1", f"teams.front.agents={agents}"])


def test_the_plan_that_answers_sooner_is_chosen_as_soon_as_that_is_clear() -> None:
    found = select({"few": plan(1), "many": plan(4)}, METRIC, indifference=5.0)
    assert found.best == "many"
    assert found.replications["few"] == found.replications["many"] <= 20


def test_more_is_better_where_it_is() -> None:
    found = select({"few": plan(1), "many": plan(4)}, "within_target_share", indifference=0.05)
    assert found.best == "many"


def test_a_metric_that_cannot_be_chosen_by_is_refused() -> None:
    plans = {"a": plan(2), "b": plan(2)}
    with pytest.raises(ValueError, match=r"metric: got occupancy\.front; must be one of which less or more is better"):
        select(plans, "occupancy.front", indifference=0.1)
    with pytest.raises(ValueError, match="a: trust_low: got nothing in replication 0; must have a value"):
        select(plans, "trust_low", indifference=0.1)
    with pytest.raises(KeyError):
        select(plans, "no_such_metric", indifference=0.1)
