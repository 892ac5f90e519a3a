"""Newcomers over the run: sign-ups, their steps on the way in, and the mistakes that they make and unlearn.

Everything here is what is expected, before a day's busyness. With F(t) the factor of rally and shocks on sign-ups, each
step comes an exponential delay of mean d after the one before, so its own factor G follows

    d G'(t) = F(t) - G(t)

from G = F = 1, the ordinary flow, on; the daily rhythm stays that of all customers. The same equation with the learning
time L in place of d yields the stock of newcomers in which each counts exp(-age / L), as a multiple of the ordinary
stock. Their mistakes are part of the ordinary tickets, so only what the stock exceeds the ordinary one adds to them:

    tickets x (1 + e stock) / (1 + e),    e = (mistake factor - 1) x ordinary stock / active users

that is, an experienced user opens tickets at the scenario's rate / (1 + e), and a newcomer more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from sim.core.arrays import Floats
from sim.core.clock import DAY_MS, HOUR_MS
from sim.drivers.market import MarketPath
from sim.numerics.rate_curve import Curve
from sim.scenario.schema.newcomers import Newcomers
from sim.scenario.schema.scenario import Scenario


@dataclass(frozen=True)
class NewcomerFlows:
    """Newcomers in one market: the factor on each flow over the run, and by the hour their stock over the ordinary.

    ``excess`` is e: what inexperience opens in ordinary times, over all other tickets of ``categories``.
    """

    newcomers: Newcomers
    categories: tuple[str, ...]
    excess: float
    signups: Curve
    kyc: Curve
    deposits: Curve
    stock: Floats

    @property
    def signups_per_hour(self) -> float:
        """Sign-ups of an ordinary hour, averaged over the profile."""
        return self.newcomers.industry_per_day * self.newcomers.platform_share / 24

    @property
    def kyc_per_hour(self) -> float:
        """Customers of an ordinary hour who send their documents."""
        return self.signups_per_hour * self.newcomers.kyc_share

    @property
    def deposits_per_hour(self) -> float:
        """First deposits of an ordinary hour."""
        return self.kyc_per_hour * self.newcomers.deposit_share

    @property
    def reviews_per_hour(self) -> float:
        """Documents of an ordinary hour that a person reviews."""
        return self.kyc_per_hour * self.newcomers.review_share

    def errs(self, category: str) -> bool:
        """Return whether newcomers make the tickets of a category more or fewer than ordinary at some time."""
        return category in self.categories and self.excess > 0 and bool((self.stock != 1).any())

    def mistakes(self) -> Curve:
        """Return the factor on the tickets of the newcomers' categories."""
        return _hourly((1 + self.excess * self.stock) / (1 + self.excess))

    def mistake_share(self) -> Floats:
        """Return by the hour the share of the tickets of the newcomers' categories that inexperience opens."""
        return self.excess * self.stock / (1 + self.excess * self.stock)


def newcomer_flows_of(scenario: Scenario, market: MarketPath) -> NewcomerFlows | None:
    """Return the newcomers of a scenario in a market; None where there are none."""
    newcomers = scenario.newcomers
    if newcomers is None:
        return None
    signups = market.factor("signups")
    came = signups.expected(HOUR_MS)
    sent = delayed(came, newcomers.kyc_delay)
    paid = delayed(sent, newcomers.deposit_delay)
    tickets = [name for name, category in scenario.categories.items() if not category.task]
    return NewcomerFlows(
        newcomers=newcomers,
        categories=tuple(newcomers.categories or tickets),
        excess=_excess(scenario, newcomers),
        signups=signups,
        kyc=_hourly(sent),
        deposits=_hourly(paid),
        stock=delayed(paid, newcomers.learning),
    )


def _excess(scenario: Scenario, newcomers: Newcomers) -> float:
    """Return (factor - 1) times the ordinary stock per active user: the inflow counts for the learning time."""
    people = scenario.population
    active = people.registered * people.mau_share if people else 0.0
    steps = newcomers.platform_share * newcomers.kyc_share * newcomers.deposit_share
    stock = newcomers.industry_per_day * steps * newcomers.learning / DAY_MS
    return (newcomers.mistake_factor - 1) * stock / active if active else 0.0


def delayed(hourly: Floats, mean_ms: int) -> Floats:
    """Return by the hour what comes an exponential delay later, from a steady 1 on, when so much comes in each hour.

    Exact for an inflow that is constant within each hour: with q = exp(-1 h / d), the flow goes from y to
    x + (y - x) q, and its mean over the hour is x + (y - x) (1 - q) d / 1 h.
    """
    if mean_ms == 0 or (hourly == 1).all():
        return hourly
    hours = HOUR_MS / mean_ms
    decay, mean = math.exp(-hours), -math.expm1(-hours) / hours
    out, delayed_flow = [], 1.0
    for flow in hourly.tolist():
        out.append(flow + (delayed_flow - flow) * mean)
        delayed_flow = flow + (delayed_flow - flow) * decay
    return np.array(out)


def _hourly(factor: Floats) -> Curve:
    """Return a factor by the hour as a step function, with edges only where it changes."""
    edges = np.arange(len(factor) + 1) * HOUR_MS
    changes = np.append(True, np.diff(factor) != 0)
    return Curve(np.append(edges[:-1][changes], edges[-1]), factor[changes])
