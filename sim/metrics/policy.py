"""The numbers of the platform's levers: who was there, who was called in, who quit, and what words prevented."""

from __future__ import annotations

from sim.core.clock import HOUR_MS
from sim.metrics.metric import Metric, Values
from sim.metrics.observation.replication import Facts


def _agents_on_duty(facts: Facts) -> Values:
    measured_ms = facts.to_ms - facts.from_ms
    slots = zip(facts.givens.slots_ms, facts.desk.concurrency, strict=True)
    return _with_sum(facts, [slots_ms / held / measured_ms for slots_ms, held in slots])


def _agents_lost(facts: Facts) -> Values:
    return _with_sum(facts, list(facts.desk.lost or [0.0] * len(facts.desk.teams)))


def surge_hours(facts: Facts) -> list[float]:
    """Return by team the measured hours of the agents called in."""
    return _by_team(facts, cost=False)


def surge_cost(facts: Facts) -> list[float]:
    """Return by team the cost of the agents called in, in the measured period, US dollars."""
    return _by_team(facts, cost=True)


def _by_team(facts: Facts, *, cost: bool) -> list[float]:
    hours = dict.fromkeys(facts.desk.teams, 0.0)
    for one in facts.desk.surges:
        there_ms = max(min(one.end_ms, facts.to_ms) - max(one.begin_ms, facts.from_ms), 0)
        hours[one.team] += there_ms / HOUR_MS * one.agents * (one.cost_per_hour if cost else 1.0)
    return list(hours.values())


def _with_sum(facts: Facts, by_team: list[float]) -> Values:
    out: Values = {"": sum(by_team)}
    return out | dict(zip(facts.desk.teams, by_team, strict=True))


def _prevented(facts: Facts) -> Values:
    expected = facts.recipe.prevented[:, facts.world.scenario.warmup_days :].sum(axis=1) / facts.days
    out: Values = {"": float(expected.sum())}
    return out | dict(zip(facts.demand.categories, expected.tolist(), strict=True))


def _warnings(facts: Facts) -> Values:
    alarms = facts.recipe.policy.alarms
    counts = {name: sum(facts.from_ms <= at < facts.to_ms for at in times) for name, times in alarms.items()}
    out: Values = {"": sum(counts.values())}
    return out | counts


POLICY_METRICS: tuple[Metric, ...] = (
    Metric("agents_on_duty", "agents", 0, "on duty, averaged over time", _agents_on_duty),
    Metric("agents_lost", "agents", -1, "planned for, but not there at the end since they quit", _agents_lost),
    Metric(
        "surge_agent_hours", "h", -1, "hours of agents called in, before shrinkage",
        lambda facts: _with_sum(facts, surge_hours(facts)),
    ),
    Metric("warnings_raised", "alarms", 0, "alarms of early warnings", _warnings),
    Metric(
        "tickets_prevented_per_day", "tickets/day", 1,
        "that announcements and education prevent, as expected (tickets of live levels apart)", _prevented,
    ),
)  # fmt: skip
