"""Metrics of the platform's levers: agents present, called in and lost, and contacts prevented."""

from __future__ import annotations

from sim.core.clock import HOUR_MS
from sim.metrics.metric import Metric, Values
from sim.metrics.observation.replication import Observation


def _agents_on_duty(observed: Observation) -> Values:
    measured_ms = observed.to_ms - observed.from_ms
    return _with_sum(observed, [duty_ms / measured_ms for duty_ms in observed.measurement.duty_ms])


def _agents_lost(observed: Observation) -> Values:
    return _with_sum(observed, list(observed.desk.lost or [0.0] * len(observed.desk.teams)))


def surge_hours(observed: Observation) -> list[float]:
    """Return by team the measured hours of the agents called in."""
    return _by_team(observed, cost=False)


def surge_cost(observed: Observation) -> list[float]:
    """Return by team the cost of the agents called in, in the measured period, US dollars."""
    return _by_team(observed, cost=True)


def _by_team(observed: Observation, *, cost: bool) -> list[float]:
    hours = dict.fromkeys(observed.desk.teams, 0.0)
    for one in observed.desk.surges:
        there_ms = max(min(one.end_ms, observed.to_ms) - max(one.begin_ms, observed.from_ms), 0)
        hours[one.team] += there_ms / HOUR_MS * one.agents * (one.cost_per_hour if cost else 1.0)
    return list(hours.values())


def _with_sum(observed: Observation, by_team: list[float]) -> Values:
    out: Values = {"": sum(by_team)}
    return out | dict(zip(observed.desk.teams, by_team, strict=True))


def _prevented(observed: Observation) -> Values:
    expected = observed.expected_demand.prevented[:, observed.model.scenario.warmup_days :].sum(axis=1) / observed.days
    out: Values = {"": float(expected.sum())}
    return out | dict(zip(observed.demand.categories, expected.tolist(), strict=True))


def _warnings(observed: Observation) -> Values:
    alarms = observed.expected_demand.policy.alarms
    counts = {name: sum(observed.from_ms <= at < observed.to_ms for at in times) for name, times in alarms.items()}
    out: Values = {"": sum(counts.values())}
    return out | counts


POLICY_METRICS: tuple[Metric, ...] = (
    Metric("agents_on_duty", "agents", 0, "on duty, averaged over time", _agents_on_duty, parts="team"),
    Metric("agents_lost", "agents", -1, "planned for, but not there at the end since they quit", _agents_lost,
        parts="team"),
    Metric(
        "surge_agent_hours", "h", -1, "hours of agents called in, breaks included",
        lambda observed: _with_sum(observed, surge_hours(observed)), parts="team",
    ),
    Metric("warnings_raised", "alarms", 0, "alarms of early warnings", _warnings, parts="early warning"),
    Metric(
        "tickets_prevented_per_day", "tickets/day", 1,
        "that announcements and education prevent, as expected (tickets of feedback levels apart)", _prevented,
        parts="category",
    ),
)  # fmt: skip
