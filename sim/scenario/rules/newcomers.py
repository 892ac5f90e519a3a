"""Rules for market regimes, tasks and newcomers that concern several keys."""

from __future__ import annotations

from collections.abc import Iterator

from sim.scenario.faults import Fault, among
from sim.scenario.feedback_tickets import feedback_tickets
from sim.scenario.schema.newcomers import Newcomers
from sim.scenario.schema.scenario import Market, Scenario

_JUMPS_MAX = 24.0


def newcomer_faults(scenario: Scenario) -> list[Fault]:
    """Return every fault of market regimes, tasks and newcomers: (key path, value found, rule)."""
    market, newcomers = scenario.market, scenario.newcomers
    return [
        *(_market_faults(market) if market else ()),
        *_task_faults(scenario),
        *(_newcomer_faults(scenario, newcomers) if newcomers else ()),
    ]


def _market_faults(market: Market) -> Iterator[Fault]:
    names = list(market.regimes)
    if market.begin is not None and market.begin.timestamp() % 86_400:
        rule = "must be 00:00 UTC of a day, for profile and shifts go by the day"
        yield "market.begin", market.begin.isoformat().replace("+00:00", "Z"), rule
    if market.path == "regimes" and not names:
        yield "market.path", "regimes", "must be given together with one or more tables market.regimes.NAME"
    if market.path == "regimes" and market.candles is not None:
        yield "market.path", "regimes", "must be flat where candles give the price"
    if market.ordinary_regime is not None and market.ordinary_regime not in names:
        yield "market.ordinary_regime", market.ordinary_regime, among("a regime", names)
    for name, regime in market.regimes.items():
        at = f"market.regimes.{name}"
        if regime.jumps_per_day > _JUMPS_MAX:
            yield f"{at}.jumps_per_day", regime.jumps_per_day, f"must be at most {_JUMPS_MAX:.0f} jumps a day"
        others = [other for other in names if other != name]
        for other in regime.next:
            if other not in others:
                yield f"{at}.next.{other}", other, among("another regime", others)
        total = sum(regime.next.values())
        if others and abs(total - 1) > 1e-9:
            yield f"{at}.next", f"shares that sum to {round(total, 9)}", "must sum to 1 over the other regimes"
    yield from _unreachable(market)


def _unreachable(market: Market) -> Iterator[Fault]:
    """Yield the regimes from which another is never reached, so that there is no single long-run distribution."""
    for name in market.regimes:
        seen, ahead = {name}, [name]
        while ahead:
            regime = market.regimes.get(ahead.pop())
            fresh = {other for other, share in regime.next.items() if share > 0} - seen if regime else set()
            seen |= fresh
            ahead += fresh
        for other in market.regimes:
            if other not in seen:
                yield f"market.regimes.{name}.next", f"no way to {other}", "must lead to every other regime eventually"


def _task_faults(scenario: Scenario) -> Iterator[Fault]:
    reviews = scenario.newcomers.review_category if scenario.newcomers else None
    for name, category in scenario.categories.items():
        if not category.task:
            continue
        at = f"categories.{name}"
        if category.share is not None:
            yield f"{at}.share", category.share, "must be absent for a task, which is no ticket"
        if name != reviews and category.arrivals_per_hour is None:
            rule = "must be given for a task that is not the newcomers' review_category"
            yield f"{at}.arrivals_per_hour", "nothing", rule
        if name == reviews and category.arrivals_per_hour is not None:
            rule = "must be absent for the newcomers' review_category, whose rate follows from the sign-ups"
            yield f"{at}.arrivals_per_hour", category.arrivals_per_hour, rule
        for key in ("bot_resolve", "complaint_hazard_per_hour", "p_public_if_unresolved"):
            if getattr(category, key):
                yield f"{at}.{key}", getattr(category, key), "must be 0 or absent for a task, which is no ticket"
    for asked in feedback_tickets(scenario):
        if asked.category in scenario.categories and scenario.categories[asked.category].task:
            yield asked.key, asked.category, "must be a category of tickets, not a task"


def _newcomer_faults(scenario: Scenario, newcomers: Newcomers) -> Iterator[Fault]:
    if scenario.population is None:
        yield "newcomers", "no population", "must be given together with a table population, which they join"
    if newcomers.trust_weight > 0 and scenario.trust is None:
        yield "newcomers.trust_weight", newcomers.trust_weight, "must be given together with a table trust, or be 0"
    tickets = [name for name, category in scenario.categories.items() if not category.task]
    for i, name in enumerate(newcomers.categories):
        if name not in tickets:
            yield f"newcomers.categories.{i}", name, among("a category of tickets", tickets)
    review = newcomers.review_category
    if review is None and newcomers.review_share > 0:
        rule = "must be a category with task = true where review_share is above 0"
        yield "newcomers.review_category", "nothing", rule
    if review is not None and (review not in scenario.categories or not scenario.categories[review].task):
        yield "newcomers.review_category", review, "must be a category with task = true"
