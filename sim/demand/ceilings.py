"""How many candidates of each feedback stream are drawn per hour: as the scenario says, or as its clocks ask for.

Of a stream that nothing bounds, and whose ceiling the scenario leaves out, candidates are drawn in layers: the first at
a ceiling with marks in [0, 1); where the admission share exceeds what is drawn, the replication is done again with one
layer more. Up to layer k there are 8^k times as many candidates, whose marks lie in [0, 8^k).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from sim.core.arrays import Floats
from sim.core.clock import DAY_MS, HOUR_MS
from sim.demand.demand import share_held
from sim.feedback import ADMISSION_COLUMNS, STREAMS
from sim.numerics.lognormal import exceeding
from sim.scenario.feedback_tickets import feedback_tickets
from sim.scenario.schema.scenario import Scenario
from sim.scenario.schema.withdrawals import Withdrawals

LEAST_PER_HOUR = 1.0
MOST_CANDIDATES = 1 << 22
"""Of one stream in a run: no layer is drawn that would exceed it."""
UNBOUNDED = ("late", "rumour")
"""Streams that no number of events bounds: all that wait may be late together, and posts breed posts."""


def ceilings(scenario: Scenario) -> Iterator[tuple[int, str, float]]:
    """Yield each candidate stream in use: its number, its category, and its ceiling in tickets per hour."""
    for asked in feedback_tickets(scenario):
        per_hour = asked.ceiling_per_hour or _asked_per_hour(scenario, asked.stream)
        yield STREAMS.index(asked.stream), asked.category, per_hour


def extra_layers(scenario: Scenario, extra_draws: int) -> dict[int, int]:
    """Return by the number of each stream in layers how many are drawn beyond the first, one for each extra draw."""
    hours, out = (scenario.warmup_days + scenario.days) * 24, {}
    limitless = {one.stream for one in feedback_tickets(scenario) if one.ceiling_per_hour is None} & {*UNBOUNDED}
    for number, _, per_hour in ceilings(scenario):
        if STREAMS[number] in limitless:
            fitting = (n for n in range(extra_draws, 0, -1) if per_hour * hours * share_held(n) <= MOST_CANDIDATES)
            out[number] = next(fitting, 0)
    return out


def candidates_exhausted(scenario: Scenario, floats: Floats, extra_draws: int) -> bool:
    """Return whether an admission share exceeded the candidates drawn for it, and more can be drawn; ``floats`` are the
    columns of the levels by the minute."""
    now, more = (extra_layers(scenario, n) for n in (extra_draws, extra_draws + 1))
    return any(
        more[number] > layers and floats[ADMISSION_COLUMNS[number]].max(initial=0.0) > share_held(layers)
        for number, layers in now.items()
    )


def _asked_per_hour(scenario: Scenario, stream: str) -> float:
    """Return the tickets that a stream asks for in an hour.

    For single events that is the busiest hour that the scenario itself brings. Those that end a request happen to it
    once at most; a refusal, as often as the customer comes back. What a drawn market, a busy day, or a run adds to that
    is asked for in later minutes. For the first layer of late withdrawals, it is as if all that ordinary customers ask
    for within the promise were late; of rumour, as if it were at twice its threshold.
    """
    if stream == "rumour":
        assert scenario.rumour is not None
        return max(scenario.rumour.tickets_per_hour * max(scenario.rumour.threshold, 1.0), LEAST_PER_HOUR)
    money, gateway = scenario.withdrawals, scenario.gateway
    assert money is not None
    if stream == "late":
        waiting = _requests_per_day(scenario) / 24 * money.promise / HOUR_MS
        return max(waiting * money.late_tickets_per_hour, LEAST_PER_HOUR)
    tickets = {
        "fault": lambda: gateway.tickets_per_failure if gateway else 0.0,
        "limited": lambda: _refusals(scenario, money),
        "barred": lambda: money.barred.tickets_per_refusal * _forbidden(money) if money.barred else 0.0,
        "address": lambda: money.mistakes.address.share if money.mistakes and money.mistakes.address else 0.0,
        "network": lambda: money.mistakes.network.share if money.mistakes and money.mistakes.network else 0.0,
    }
    return max(_requests_per_hour(scenario, money) * tickets[stream](), LEAST_PER_HOUR)


def _requests_per_day(scenario: Scenario) -> float:
    """Return the requests to withdraw of an ordinary day."""
    people = scenario.population
    return people.registered * people.mau_share * people.withdrawals_per_mau_day if people else 0.0


def _requests_per_hour(scenario: Scenario, money: Withdrawals) -> float:
    """Return the requests of the day's busiest hour under all shocks, and fear, together."""
    a_day, weights = _requests_per_day(scenario), scenario.profile.weights
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
