"""Metrics of the withdrawal pipeline: requested, refused, paid and final withdrawals, and wallet minima."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim.core.arrays import Ints
from sim.core.at_least import AtLeast
from sim.core.clock import MINUTE_MS
from sim.feedback import columns as level
from sim.metrics.metric import Metric, Values
from sim.metrics.observation.replication import Observation
from sim.metrics.observation.requests import made_up


def _first(observed: Observation) -> int:
    """Return the first measured minute."""
    return observed.from_ms // MINUTE_MS


def _grown(observed: Observation, line: Ints) -> Ints:
    """Return by how much running sums grew in the measured period; the last axis is the minute."""
    first = _first(observed)
    return line[..., -1] - (line[..., first - 1] if first else 0)


def _known(observed: Observation) -> bool:
    return observed.model.scenario.withdrawals is not None and observed.outcome.feedback_ints.size > 0


def _daily(*columns: int) -> Callable[[Observation], Values]:
    """Return the growth of running sums by the day."""

    def daily(observed: Observation) -> Values:
        if not _known(observed):
            return {"": None}
        return {"": sum(int(_grown(observed, observed.outcome.feedback_ints[one])) for one in columns) / observed.days}

    return daily


def _requests(observed: Observation) -> Values:
    if not _known(observed):
        return {"": None}
    return {"": int(observed.measured_requests["withdrawal"].sum()) / observed.days}


def _deferred(observed: Observation) -> Values:
    """Return who asked within a closure, and of those drawn after it who would have."""
    if not _known(observed):
        return {"": None}
    put_off = int(_grown(observed, observed.outcome.feedback_ints[level.DEFERRED]))
    return {"": (put_off + int(made_up(observed)[_first(observed) :].sum())) / observed.days}


def _by_asset(observed: Observation, values: list[float | None], whole: float | None) -> Values:
    money = observed.model.scenario.withdrawals
    return {"": whole} | dict(zip(money.assets if money else [], values, strict=True))


def _paid(column: int, unit: float) -> Callable[[Observation], Values]:
    def paid(observed: Observation) -> Values:
        if not _known(observed):
            return {"": None}
        by_rail = _grown(observed, observed.outcome.feedback_rails[:, column]) * unit / observed.days
        return _by_asset(observed, by_rail.tolist(), float(by_rail.sum()))

    return paid


def _wallets(observed: Observation) -> list[int]:
    """Return the rails that have a hot wallet."""
    money = observed.model.scenario.withdrawals
    names = list(money.assets) if money else []
    return [i for i, name in enumerate(names) if money and name in money.rails and money.rails[name].wallet]


def _wallet_low(observed: Observation) -> Values:
    """Return the least money in a hot wallet, as a share of what it should hold."""
    rails, parameters = _wallets(observed), observed.model.parameters
    if not rails or parameters is None:
        return {"": None}
    hot = observed.outcome.feedback_rails[:, level.HOT_C, _first(observed) :].min(axis=-1)
    low: list[float | None] = [None] * len(hot)
    for rail in rails:
        low[rail] = int(hot[rail]) / parameters.rails[rail].target_cents
    return _by_asset(observed, low, min(one for one in low if one is not None))


def _short(observed: Observation) -> Values:
    if not _wallets(observed):
        return {"": None}
    return {"": int((observed.outcome.feedback_ints[level.SHORT, _first(observed) :] > 0).sum()) / 60}


def _stuck(observed: Observation) -> Values:
    """Return the time in which a rail's first in line asked for more than all of its wallets' money."""
    if not _wallets(observed):
        return {"": None}
    return {"": int((observed.outcome.feedback_ints[level.STUCK, _first(observed) :] > 0).sum()) / 60}


def _row_share(observed: Observation) -> Values:
    """Return the share of the requests, each counted once, that are rows with an identity."""
    if not _known(observed):
        return {"": None}
    rows, drawn = observed.demand.inputs.rows.drawn, observed.demand.inputs.withdrawals[_first(observed) :]
    measured = int((rows[:, level.ROW_MINUTE] >= _first(observed)).sum())
    return {"": measured / int(drawn.sum()) if drawn.any() else None}


def _assets_left(observed: Observation) -> Values:
    """Return what is in the wallets at the end, hot, cold and on the way between, as a share of the start."""
    rails, parameters = _wallets(observed), observed.model.parameters
    if not rails or parameters is None:
        return {"": None}
    before = sum(parameters.rails[rail].hot_cents + parameters.rails[rail].cold_cents for rail in rails)
    last = observed.outcome.feedback_rails[rails, :, -1]
    return {"": int(last[:, [level.HOT_C, level.COLD_C, level.TRANSIT_C]].sum()) / before if before else None}


def _failed(observed: Observation) -> Values:
    if not _known(observed) or observed.model.scenario.gateway is None:
        return {"": None}
    asked = int(observed.outcome.feedback_ints[level.REQUESTS, _first(observed) :].sum())
    return {"": int(_grown(observed, observed.outcome.feedback_ints[level.FAILED])) / asked if asked else None}


def _final(p: float) -> Callable[[Observation], Values]:
    """Return the p-quantile of the minutes from acceptance to the final state, through review, hold and payout.

    Those not final at the end count as longer than any.
    """

    def quantile(observed: Observation) -> Values:
        if not _known(observed):
            return {"": None}
        waits = observed.final_waits
        together = np.zeros(max(map(len, waits)), np.int64)
        for counts in waits:
            together[: len(counts) - 1] += counts[:-1]
            together[-1] += counts[-1]
        return _by_asset(observed, [_quantile(counts, p) for counts in waits], _quantile(together, p))

    return quantile


def _quantile(counts: Ints, p: float) -> float | None:
    """Return the p-quantile of waits, given the counts of 0, 1, 2 ... minutes, and of those that had no end.

    Where it is one of these, only that it is at least the longest known is known; None without any wait.
    """
    sums = np.cumsum(counts)
    if not sums[-1]:
        return None
    at = int(np.searchsorted(sums, p * sums[-1]))
    longest = len(counts) - 2
    return AtLeast(longest) if at > longest else float(at)


METRICS: tuple[Metric, ...] = (
    Metric("withdrawals_requests_per_day", "requests/day", 0, "requests to withdraw, each time", _requests),
    Metric("withdrawals_paid_per_day", "withdrawals/day", 1, "withdrawals paid", _paid(level.PAID, 1.0), parts="asset"),
    Metric(
        "withdrawals_failed_share", "of the requests to withdraw", -1, "failed at the gateway", _failed,
    ),
    Metric(
        "withdrawals_given_up_per_day", "withdrawals/day", -1, "customers who gave up after a failure",
        _daily(level.GAVE_UP),
    ),
    Metric(
        "withdrawals_refused_per_day", "withdrawals/day", -1, "requests refused for a limit, each time",
        _daily(level.OVER_LIMIT),
    ),
    Metric(
        "withdrawals_dropped_per_day", "withdrawals/day", 0, "requests that customers did not confirm",
        _daily(level.DROPPED),
    ),
    Metric(
        "withdrawals_held_per_day", "withdrawals/day", -1, "reviewed withdrawals held for a while", _daily(level.HELD),
    ),
    Metric(
        "withdrawal_final_p50", "min", -1,
        "median from acceptance to the final state, by the ticks of the minute: up to a minute late each", _final(0.5),
        parts="asset",
    ),
    Metric("withdrawal_final_p95", "min", -1, "95 % quantile of the same", _final(0.95), parts="asset"),
    Metric("outflow_usd_per_day", "US dollars/day", 0, "money paid out", _paid(level.PAID_C, 0.01), parts="asset"),
    Metric(
        "assets_left_share", "of the wallets' money at the start", 1, "money in the wallets at the end", _assets_left,
    ),
    Metric("wallet_low_share", "of what the hot wallet should hold", 1, "least money in a hot wallet", _wallet_low,
        parts="wallet"),
    Metric(
        "wallet_short_hours", "h", -1, "time in which a hot wallet held less than the first in line asked for", _short,
    ),
    Metric(
        "wallet_stuck_hours", "h", -1,
        "time in which the first in line asked for more than is left of its asset's money", _stuck,
    ),
    Metric(
        "withdrawals_deferred_per_day", "withdrawals/day", -1,
        "requests that a closure put off, those that customers then make up for counted as they come", _deferred,
    ),
    Metric(
        "withdrawals_individual_share", "of the requests to withdraw, those of a run left out", 0,
        "withdrawals that their own draws treat differently, and that the model follows one by one", _row_share,
    ),
)  # fmt: skip
