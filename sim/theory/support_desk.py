"""The desk's own arithmetic: the funnel, complaints, busy days, a lognormal by mean and cv."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Funnel:
    """A day's funnel from users to public complaints."""

    active: float
    tickets: float
    unresolved: float
    public: float


def funnel(
    *, users: float, active_share: float, issues_per_day: float, resolved_at_once: float, public_share: float
) -> Funnel:
    """Return users x active share x issues a day, of which 1 - resolved_at_once stay, of which some go public."""
    active = users * active_share
    tickets = active * issues_per_day
    unresolved = tickets * (1 - resolved_at_once)
    return Funnel(active=active, tickets=tickets, unresolved=unresolved, public=unresolved * public_share)


def agent_first_contact(*, bot_share: float, resolved_at_once: float) -> float:
    """Return the share of human tickets solved at first contact that bot share and overall share imply.

    1 - (1 - d)(1 - f) = r, so f = 1 - (1 - r) / (1 - d).
    """
    return 1 - (1 - resolved_at_once) / (1 - bot_share)


@dataclass(frozen=True, kw_only=True)
class ByType:
    """Tickets a day of one type, or of all: to people, solved at first contact, escalated, gone public."""

    tickets: float
    human: float
    first_contact: float
    escalated: float
    public: float


def funnel_by_type(
    *, tickets_per_day: float, types: Mapping[str, Mapping[str, float]]
) -> tuple[dict[str, ByType], ByType]:
    """Return each type's row and the total. A type has ``share``, ``bot``, ``fcr`` (of human) and ``p_public``."""
    rows = {}
    for name, kind in types.items():
        tickets = tickets_per_day * kind["share"]
        human = tickets * (1 - kind["bot"])
        escalated = human * (1 - kind["fcr"])
        rows[name] = ByType(
            tickets=tickets,
            human=human,
            first_contact=human - escalated,
            escalated=escalated,
            public=escalated * kind["p_public"],
        )
    total = ByType(
        tickets=math.fsum(row.tickets for row in rows.values()),
        human=math.fsum(row.human for row in rows.values()),
        first_contact=math.fsum(row.first_contact for row in rows.values()),
        escalated=math.fsum(row.escalated for row in rows.values()),
        public=math.fsum(row.public for row in rows.values()),
    )
    return rows, total


def complaint_hazard_exponential(*, p: float, mean_time: float) -> float:
    """Return the hourly hazard at which a share p complains while an exponential time lasts: p / ((1 - p) E[T])."""
    return p / ((1 - p) * mean_time)


def complaint_hazard_deterministic(*, p: float, time: float) -> float:
    """Return the hazard at which a share p complains within a fixed time: -ln(1 - p) / T."""
    return -math.log1p(-p) / time


def complaint_probability_exponential(*, hazard: float, mean_time: float) -> float:
    """Return the share that complains before an exponential time ends: h E[T] / (1 + h E[T])."""
    return hazard * mean_time / (1 + hazard * mean_time)


def complaint_probability_deterministic(*, hazard: float, time: float) -> float:
    """Return the share that complains within a fixed time: 1 - exp(-h T)."""
    return -math.expm1(-hazard * time)


def complaint_probability_mmc(*, hazard: float, p_wait: float, spare_rate: float, service_rate: float) -> float:
    """Return the share that complains before wait and service of an M/M/c end.

    1 - ((1 - C) + C d / (d + h)) mu / (mu + h), d = c mu - lambda: the Laplace transforms of wait and service at h.
    """
    waiting = (1 - p_wait) + p_wait * spare_rate / (spare_rate + hazard)
    return 1 - waiting * service_rate / (service_rate + hazard)


@dataclass(frozen=True, kw_only=True)
class PoissonGamma:
    """Moments of a count whose rate carries a gamma busyness of mean 1."""

    shape: float
    variance: float
    deviation: float
    index_of_dispersion: float


def poisson_gamma(*, mean: float, cv_busyness: float) -> PoissonGamma:
    """Return the moments of N | B ~ Poisson(m B), B ~ Gamma(1 / cv^2): Var = m + m^2 cv^2 (negative binomial).

    Source: Jongbloed and Koole 2001; Avramidis, Deslauriers and L'Ecuyer 2004.
    """
    variance = mean + mean**2 * cv_busyness**2
    return PoissonGamma(
        shape=1 / cv_busyness**2,
        variance=variance,
        deviation=math.sqrt(variance),
        index_of_dispersion=variance / mean,
    )


def lognormal_parameters(*, mean: float, cv: float) -> tuple[float, float]:
    """Return mu and sigma of the logarithm: sigma^2 = ln(1 + cv^2), mu = ln(mean) - sigma^2 / 2.

    Source: Brown et al. 2005, JASA 100:36-50.
    """
    variance = math.log1p(cv**2)
    return math.log(mean) - variance / 2, math.sqrt(variance)
