"""A scenario made ready to run: what stays the same in all its replications."""

from __future__ import annotations

from dataclasses import dataclass

from sim.clock import HOUR_MS, MINUTE_MS
from sim.demand import Demand, Recipe, draw, recipe_of
from sim.givens import Givens, givens_of
from sim.levels import LevelRules
from sim.market import Market, market_of
from sim.once import once
from sim.scenario.model import Scenario
from sim.staffing import Desk, desk_of


@dataclass(frozen=True)
class World:
    """A scenario with its market, desk and level rules (None when no live level is in use)."""

    scenario: Scenario
    market: Market
    desk: Desk
    rules: LevelRules | None

    @once
    def givens(self) -> Givens:
        """What the metrics and series of all replications have in common."""
        return givens_of(self.scenario, self.desk, self.market.price)

    @once
    def recipe(self) -> Recipe:
        """What the draws of all replications have in common."""
        return recipe_of(self.scenario, self.market)

    def demand(self, *, seed: int, replication: int) -> Demand:
        """Return every draw of one replication."""
        return draw(self.recipe, seed=seed, replication=replication)


def build(scenario: Scenario) -> World:
    """Return the world of a scenario. Raises ScenarioFaults when its candle file does not serve."""
    return World(scenario, market_of(scenario), desk_of(scenario), rules_of(scenario))


def rules_of(scenario: Scenario) -> LevelRules | None:
    """Return the level rules of a scenario, or None when no live level is in use and no minute clock runs."""
    money, rumour = scenario.withdrawals, scenario.rumour
    if money is None and rumour is None:
        return None
    rules: dict[str, float | int] = {}
    if money:
        rules |= {
            "reviews_per_minute": money.reviews_per_hour * MINUTE_MS / HOUR_MS,
            "payouts_per_minute": money.payouts_per_minute,
            "promise_minutes": max(money.promise // MINUTE_MS, 1),
            "confirmation_minutes": max(money.confirmation // MINUTE_MS, 1),
            "late_level_per_withdrawal": money.late_tickets_per_hour / money.late_ceiling_per_hour,
        }
    if rumour:
        rules |= {
            "rumour_decay": 0.5 ** (MINUTE_MS / rumour.half_life),
            "rumour_threshold": rumour.threshold,
            "rumour_level_per_complaint": rumour.tickets_per_hour / rumour.ceiling_per_hour,
        }
    return LevelRules(**rules)  # type: ignore[arg-type]
