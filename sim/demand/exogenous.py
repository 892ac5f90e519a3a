"""The exogenous inputs of the feedback levels, by the minute: the market's calls for limits, fright, amplification."""

from __future__ import annotations

import numpy as np

from sim.core.arrays import Floats
from sim.core.clock import MINUTE_MS
from sim.drivers.market import MarketPath
from sim.drivers.policy import Policy
from sim.feedback.columns import (
    BOOST,
    BOOST_UNANSWERED,
    CONTAGION,
    EXOGENOUS_NAMES,
    MARKET_TIGHTNESS,
    QUIET_FAULT,
    QUIET_LATE,
    QUIET_LIMITED,
    TICKETS_CLOSED,
    TRUST_SHOCK,
)
from sim.scenario.schema.scenario import Scenario

_DAY_MINUTES = 1440


def exogenous_of(scenario: Scenario, market: MarketPath, policy: Policy) -> Floats:
    """Return the table of ``columns.EXOGENOUS_NAMES`` over the minutes of a run; 0 where nothing happens."""
    minutes = (scenario.warmup_days + scenario.days) * _DAY_MINUTES
    exogenous = np.zeros((len(EXOGENOUS_NAMES), minutes))
    money, gateway = scenario.withdrawals, scenario.gateway
    if money:
        exogenous[QUIET_LATE] = 1 - policy.late_contact_factor(money.late_category)
    if money and money.limits:
        exogenous[QUIET_LIMITED] = 1 - policy.contact_factor(money.limits.category)
    if gateway:
        exogenous[QUIET_FAULT] = 1 - policy.contact_factor(gateway.category)
    for begin, end in policy.closed_minutes("tickets"):
        exogenous[TICKETS_CLOSED, begin:end] = 1
    exogenous[MARKET_TIGHTNESS] = _tightness(scenario, market, minutes)
    for one in scenario.amplification.values():
        _add(exogenous[BOOST if one.answered else BOOST_UNANSWERED], scenario, one.at, one.mark)
    if scenario.trust:
        for event in scenario.trust.events.values():
            _add(exogenous[TRUST_SHOCK], scenario, event.at, event.change)
    if scenario.run:
        for shock in scenario.run.shocks.values():
            begin = scenario.warmup_days * _DAY_MINUTES + shock.at // MINUTE_MS
            length = max(shock.length // MINUTE_MS, 1)
            exogenous[CONTAGION, begin : begin + length] += shock.frightened / length
    return exogenous


def _add(line: Floats, scenario: Scenario, at_ms: int, value: float) -> None:
    """Add a value to the minute of a time that is counted from the end of the warm-up, unless the run is over then."""
    minute = scenario.warmup_days * _DAY_MINUTES + at_ms // MINUTE_MS
    if minute < len(line):
        line[minute] += value


def _tightness(scenario: Scenario, market: MarketPath, minutes: int) -> Floats | float:
    """Return the share of accounts that the market alone puts under limits: a straight line between two stresses."""
    limits = scenario.withdrawals.limits if scenario.withdrawals else None
    if limits is None or limits.stress_from is None or limits.stress_to is None:
        return 0.0
    stress = market.factor("withdrawals").rate_at(np.arange(minutes) * MINUTE_MS)
    return np.clip((stress - limits.stress_from) / (limits.stress_to - limits.stress_from), 0.0, 1.0)
