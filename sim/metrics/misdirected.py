"""The numbers of withdrawals that a law forbids, and of those that customers send astray."""

from __future__ import annotations

from collections.abc import Callable

from sim.core.clock import MINUTE_MS
from sim.demand import CANDIDATE
from sim.feedback import columns as level
from sim.metrics.metric import Metric, Values
from sim.metrics.observation.replication import Facts
from sim.scenario.schema.withdrawals import Mistakes


def _grown(facts: Facts, column: int) -> float:
    """Return by how much a running sum grew in a measured day."""
    line, first = facts.outcome.level_ints[column], facts.from_ms // MINUTE_MS
    return int(line[-1] - (line[first - 1] if first else 0)) / facts.days


def _lawful(value: Callable[[Facts], float]) -> Callable[[Facts], Values]:
    """Return the metric of what only jurisdictions bring; None without any."""

    def values(facts: Facts) -> Values:
        money = facts.world.scenario.withdrawals
        return {"": value(facts) if money and money.jurisdictions else None}

    return values


def _breach_cost(facts: Facts) -> float:
    rules = facts.world.rules
    return _grown(facts, level.BREACHES) * rules.countries.cents_per_breach / 100 if rules else 0.0


def _mistakes(facts: Facts) -> Mistakes:
    money = facts.world.scenario.withdrawals
    return (money.mistakes if money else None) or Mistakes()


def _astray(facts: Facts) -> Values:
    """Return the money of both kinds together, and of each that the scenario has."""
    kinds = {"address": level.WRONG_ADDRESS_C, "network": level.WRONG_NETWORK_C}
    usd = {kind: _grown(facts, kinds[kind]) / 100 for kind in kinds if getattr(_mistakes(facts), kind)}
    return {"": sum(usd.values()) if usd else None} | usd


def _recovered(facts: Facts) -> Values:
    """Return what comes back of the money sent over a wrong network: of each ticket resolved by people, as expected.

    A ticket stands for one withdrawal of the mean amount of those that went astray in the run.
    """
    network = _mistakes(facts).network
    if network is None:
        return {"": None}
    mine = (facts.demand.kind == CANDIDATE) & (facts.demand.stream == level.NETWORK_STREAM)
    resolved = int(facts.measured(facts.outcome.resolved_ms[mine]).sum())
    n, cents = (int(facts.outcome.level_ints[one, -1]) for one in (level.WRONG_NETWORK, level.WRONG_NETWORK_C))
    return {"": resolved * network.recovered_share * cents / n / 100 / facts.days if n else 0.0}


METRICS: tuple[Metric, ...] = (
    Metric(
        "withdrawals_barred_per_day", "withdrawals/day", -1, "requests refused for the customer's country",
        _lawful(lambda facts: _grown(facts, level.BARRED)),
    ),
    Metric(
        "compliance_breaches_per_day", "breaches/day", -1, "requests that a country forbids and that passed its check",
        _lawful(lambda facts: _grown(facts, level.BREACHES)),
    ),
    Metric(
        "compliance_cost_per_day", "US dollars/day", -1, "fines and legal costs of those breaches",
        _lawful(_breach_cost),
    ),
    Metric(
        "astray_usd_per_day", "US dollars/day", -1, "money confirmed to a wrong address or over a wrong network",
        _astray,
    ),
    Metric(
        "recovered_usd_per_day", "US dollars/day", 1,
        "money sent over a wrong network that comes back, as people resolve its tickets", _recovered,
    ),
)  # fmt: skip
