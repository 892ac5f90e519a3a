"""How many candidates of each feedback stream are drawn per hour: as the scenario says, or as its clocks ask for."""

from __future__ import annotations

import math
from collections.abc import Iterator

from sim.core.clock import DAY_MS
from sim.feedback import STREAMS
from sim.numerics.lognormal import exceeding
from sim.scenario.feedback_tickets import feedback_tickets
from sim.scenario.schema.scenario import Scenario
from sim.scenario.schema.withdrawals import Withdrawals

LEAST_PER_HOUR = 1.0


def ceilings(scenario: Scenario) -> Iterator[tuple[int, str, float]]:
    """Yield each candidate stream in use: its number, its category, and its ceiling in tickets per hour."""
    for asked in feedback_tickets(scenario):
        per_hour = asked.ceiling_per_hour or _asked_per_hour(scenario, asked.stream)
        yield STREAMS.index(asked.stream), asked.category, per_hour


def _asked_per_hour(scenario: Scenario, stream: str) -> float:
    """Return the tickets that the events of a stream ask for in the busiest hour that the scenario itself brings.

    Events that end a request happen to it once at most; a refusal, as often as the customer comes back. What a drawn
    market, a busy day, or a run adds to that is asked for in later minutes.
    """
    money, gateway = scenario.withdrawals, scenario.gateway
    assert money is not None
    tickets = {
        "fault": lambda: gateway.tickets_per_failure if gateway else 0.0,
        "limited": lambda: _refusals(scenario, money),
        "barred": lambda: money.barred.tickets_per_refusal * _forbidden(money) if money.barred else 0.0,
        "address": lambda: money.mistakes.address.share if money.mistakes and money.mistakes.address else 0.0,
        "network": lambda: money.mistakes.network.share if money.mistakes and money.mistakes.network else 0.0,
    }
    return max(_requests_per_hour(scenario, money) * tickets[stream](), LEAST_PER_HOUR)


def _requests_per_hour(scenario: Scenario, money: Withdrawals) -> float:
    """Return the requests of the day's busiest hour under all shocks, and fear, together."""
    people, weights = scenario.population, scenario.profile.weights
    a_day = people.registered * people.mau_share * people.withdrawals_per_mau_day if people else 0.0
    factors = [one.withdrawals for one in scenario.shocks.values()] + [one.fear for one in money.pauses.values()]
    return a_day / 24 * max(weights) * len(weights) / sum(weights) * math.prod(max(one, 1.0) for one in factors)


def _refusals(scenario: Scenario, money: Withdrawals) -> float:
    """Return the tickets about limits for each request: of those above it, as often as they may be refused."""
    limits = money.limits
    if limits is None:
        return 0.0
    run_ms = (scenario.warmup_days + scenario.days) * DAY_MS
    times = min(
        1.0 / (1.0 - limits.back_share) if limits.back_share < 1.0 else math.inf, 1.0 + run_ms / limits.back_after
    )
    return limits.tickets_per_refusal * _above(money, limits.amount_usd) * times


def _forbidden(money: Withdrawals) -> float:
    """Return the share of requests that some country forbids."""
    share = {"allowed": 0.0, "banned": 1.0}
    return sum(
        one.share * share.get(one.rule, _above(money, one.limit_usd or 0.0)) for one in money.jurisdictions.values()
    )


def _above(money: Withdrawals, usd: float) -> float:
    return exceeding(usd, mean=money.amount_mean_usd, cv=money.amount_cv)[0] if usd > 0 else 1.0
