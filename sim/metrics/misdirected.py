"""Metrics of withdrawals that a law forbids, and of those that customers misdirect."""

from __future__ import annotations

from collections.abc import Callable

from sim.core.clock import MINUTE_MS
from sim.demand import CANDIDATE
from sim.feedback import columns
from sim.metrics.metric import Metric, Values
from sim.metrics.observation.replication import Observation
from sim.scenario.schema.withdrawals import Mistakes


def _grown(observed: Observation, column: int) -> float:
    """Return by how much a running sum grew in a measured day."""
    line, first = observed.outcome.feedback_ints[column], observed.from_ms // MINUTE_MS
    return int(line[-1] - (line[first - 1] if first else 0)) / observed.days


def _lawful(value: Callable[[Observation], float]) -> Callable[[Observation], Values]:
    """Return the metric of what only jurisdictions bring; None without any."""

    def values(observed: Observation) -> Values:
        withdrawals = observed.model.scenario.withdrawals
        return {"": value(observed) if withdrawals and withdrawals.jurisdictions else None}

    return values


def _mistakes(observed: Observation) -> Mistakes:
    withdrawals = observed.model.scenario.withdrawals
    return (withdrawals.mistakes if withdrawals else None) or Mistakes()


def _misdirected(observed: Observation) -> Values:
    """Return the money of both kinds together, and of each that the scenario has."""
    kinds = {"address": columns.WRONG_ADDRESS_C, "network": columns.WRONG_NETWORK_C}
    usd = {kind: _grown(observed, kinds[kind]) / 100 for kind in kinds if getattr(_mistakes(observed), kind)}
    return {"": sum(usd.values()) - (_twice(observed) if len(usd) > 1 else 0.0) if usd else None} | usd


def _twice(observed: Observation) -> float:
    """Return the US dollars a day to a wrong address and over a wrong network, which both kinds count."""
    drawn, rows = observed.demand.inputs.rows.drawn, observed.outcome.withdrawal_rows
    both = columns.ADDRESS_ROW | columns.NETWORK_ROW
    twice = (drawn[:, columns.ROW_FLAGS] & both == both) & (rows[columns.STAGE] != columns.UNCONFIRMED)
    twice &= rows[columns.ACCEPTED] >= observed.from_ms // MINUTE_MS
    return int(drawn[twice, columns.ROW_CENTS].sum()) / 100 / observed.days


def _recovered(observed: Observation) -> Values:
    """Return what comes back of the money sent over a wrong network: of each ticket resolved by people, as expected.

    A ticket stands for one withdrawal of the mean amount of those that were misdirected in the run.
    """
    network = _mistakes(observed).network
    if network is None:
        return {"": None}
    mine = (observed.demand.kind == CANDIDATE) & (observed.demand.stream == columns.NETWORK_STREAM)
    resolved = int(observed.measured(observed.outcome.resolved_ms[mine]).sum())
    n, cents = (
        int(observed.outcome.feedback_ints[one, -1]) for one in (columns.WRONG_NETWORK, columns.WRONG_NETWORK_C)
    )
    return {"": resolved * network.recovered_share * cents / n / 100 / observed.days if n else 0.0}


METRICS: tuple[Metric, ...] = (
    Metric(
        "withdrawals_barred_per_day", "withdrawals/day", -1, "requests refused for the customer's country",
        _lawful(lambda observed: _grown(observed, columns.BARRED)),
    ),
    Metric(
        "compliance_breaches_per_day", "breaches/day", -1, "withdrawals that a country forbids, accepted all the same",
        _lawful(lambda observed: _grown(observed, columns.BREACHES)),
    ),
    Metric(
        "compliance_cost_per_day", "US dollars/day", -1, "fines and legal costs of those breaches",
        _lawful(lambda observed: _grown(observed, columns.BREACH_COST_C) / 100),
    ),
    Metric(
        "astray_usd_per_day", "US dollars/day", -1, "money confirmed to a wrong address or over a wrong network",
        _misdirected, parts="mistake",
    ),
    Metric(
        "recovered_usd_per_day", "US dollars/day", 1,
        "money sent over a wrong network that comes back, as people resolve its tickets", _recovered,
    ),
)  # fmt: skip
