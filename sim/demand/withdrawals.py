"""The flow into the feedback levels: withdrawal requests with their money, blocks, posts, and potential panic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats, Ints
from sim.core.clock import MINUTE_MS
from sim.core.jit import compiled
from sim.demand.durations import draw_ms
from sim.feedback import FeedbackInputs
from sim.feedback.columns import OTHERS
from sim.numerics.lognormal import Amounts, amount, amounts_at, amounts_of
from sim.numerics.streams import Key, Streams, name_keys, purpose_key, stream_keys, ticket_key, uniform
from sim.scenario.schema.scenario import Scenario
from sim.scenario.schema.withdrawals import Withdrawals

MINUTE_STRIDE = 1 << 24
"""Ordinals of one minute's withdrawals start at minute * MINUTE_STRIDE."""
REFILLS = 64
MARKS = 1 << 13
GRID = 2.0**-24
"""Times without a unit, and marks, are rounded to multiples of it: so no machine's own logarithm shows in them."""
_FIRST_TIMES = 1 << 14
_ASSET, _AMOUNT = purpose_key("asset"), purpose_key("amount")
_SPARE_DEVIATIONS = 10.0


class Blockchain(NamedTuple):
    """A chain whose blocks are drawn: the expected number of them by the minute, summed up."""

    rail: int
    cum_blocks: Floats


@dataclass(frozen=True)
class ExpectedWithdrawals:
    """What all replications' flows have in common: rails and their amounts, minutes in which nothing is paid, deposits.

    ``frights`` are the amounts of those who run, where some may. ``exogenous`` has the lines of
    ``sim.feedback.columns.EXOGENOUS_NAMES``, but for the requests of other endpoints.
    """

    edges: Floats
    amounts: Amounts
    frights: Amounts | None
    closed: Ints
    deposits: Ints
    chains: tuple[Blockchain, ...]
    exogenous: Floats


def money_recipe(scenario: Scenario, *, usual: Floats, exogenous: Floats) -> ExpectedWithdrawals:
    """Return the withdrawals expected of a scenario; ``usual`` are the requests of each minute on ordinary days."""
    money, run, minutes = scenario.withdrawals, scenario.run, len(usual)
    frights = amounts_of(mean_usd=run.amount_mean_usd, cv=run.amount_cv) if run else None
    if money is None:
        none = np.empty(0, np.int64)
        return ExpectedWithdrawals(np.zeros(0), amounts_of(mean_usd=1.0, cv=1.0), frights, none, none, (), exogenous)
    return ExpectedWithdrawals(
        edges=np.cumsum(list(money.assets.values()))[:-1],
        amounts=amounts_of(mean_usd=money.amount_mean_usd, cv=money.amount_cv),
        frights=frights,
        closed=_closed(scenario, money, minutes),
        deposits=_deposits(money, usual),
        chains=tuple(_chains(scenario, money, minutes)),
        exogenous=exogenous,
    )


def _windows(scenario: Scenario, at: int, length: int) -> slice:
    """Return the minutes of a time that is counted from the end of the warm-up."""
    begin = scenario.warmup_days * 1440 + at // MINUTE_MS
    return slice(begin, begin + max(length // MINUTE_MS, 1))


def _closed(scenario: Scenario, money: Withdrawals, minutes: int) -> Ints:
    if not money.pauses:
        return np.empty(0, np.int64)
    closed = np.zeros((len(money.assets), minutes), np.int64)
    for pause in money.pauses.values():
        for rail, name in enumerate(money.assets):
            if not pause.assets or name in pause.assets:
                closed[rail, _windows(scenario, pause.at, pause.length)] = 1
    return closed


def feared(money: Withdrawals, warmup_days: int, minutes: int) -> Floats:
    """Return by the minute the factor on withdrawals that pauses leave behind them, once over."""
    factor = np.ones(minutes)
    for pause in money.pauses.values():
        over = warmup_days * 1440 + (pause.at + pause.length) // MINUTE_MS
        if pause.fear > 1 and over < minutes:
            decay = np.full(minutes - over, 0.5 ** (MINUTE_MS / pause.fear_half_life))
            decay[0] = 1.0
            factor[over:] *= 1.0 + (pause.fear - 1.0) * np.cumprod(decay)
    return factor


def _deposits(money: Withdrawals, usual: Floats) -> Ints:
    """Return by rail and minute the cents paid into its hot wallet: a share of what usually leaves."""
    if not any(rail.wallet for rail in money.rails.values()):
        return np.empty(0, np.int64)
    deposits = np.zeros((len(money.assets), len(usual)), np.int64)
    for rail, (name, share) in enumerate(money.assets.items()):
        own = money.rails.get(name)
        if own and own.wallet:
            running = np.cumsum(usual * (share * money.amount_mean_usd * 100 * own.wallet.deposits_share))
            deposits[rail] = np.diff(np.rint(running).astype(np.int64), prepend=0)
    return deposits


def _chains(scenario: Scenario, money: Withdrawals, minutes: int) -> list[Blockchain]:
    chains = []
    for rail, name in enumerate(money.assets):
        own = money.rails.get(name)
        if own and own.confirmations and own.block_time:
            per_minute = np.full(minutes, MINUTE_MS / own.block_time)
            for slow in money.congestion.values():
                if not slow.assets or name in slow.assets:
                    per_minute[_windows(scenario, slow.at, slow.length)] /= slow.factor
            chains.append(Blockchain(rail, np.append(0.0, np.cumsum(per_minute))))
    return chains


def flow_of(
    expected: ExpectedWithdrawals,
    scenario: Scenario,
    streams: Streams,
    *,
    automatic: Ints,
    reviewed: Ints,
    posts_ms: tuple[Ints, Ints],
    others: Ints | None,
    extra_draws: int,
) -> FeedbackInputs:
    """Return the inputs of one replication: its ``automatic`` and ``reviewed`` withdrawals by the minute, ``posts_ms``
    posts of the background and of campaigns, ``others`` the requests to other endpoints.

    Each ``extra_draws`` draws 8 times as many of what the levels may use without limit.
    """
    exogenous = expected.exogenous
    if others is not None:
        exogenous = np.concatenate([exogenous[:OTHERS], [others.astype(np.float64)], exogenous[OTHERS + 1 :]])
    return FeedbackInputs(
        requests=_requests(expected, streams, automatic, reviewed),
        posts_ms=posts_ms[0],
        campaign_ms=posts_ms[1],
        closed=expected.closed,
        deposits=expected.deposits,
        blocks=_blocks(expected, scenario, streams, len(automatic)),
        refill_minutes=_refills(scenario, streams),
        exogenous=exogenous,
        **_public(scenario, streams, _FIRST_TIMES << 3 * extra_draws),
        **_run(expected, scenario, streams, _FIRST_TIMES << 3 * extra_draws),
    )


def _requests(expected: ExpectedWithdrawals, streams: Streams, automatic: Ints, reviewed: Ints) -> Ints:
    requests = np.zeros((len(expected.edges) + 1, 4, len(automatic)), np.int64)
    if automatic.any() or reviewed.any():
        _spread(automatic, reviewed, streams.root, name_keys("withdrawal"), expected.edges, expected.amounts, requests)
    return requests


@compiled
def _spread(
    automatic: Ints, reviewed: Ints, root: NDArray[Key], name: NDArray[Key], edges: Floats, law: Amounts, requests: Ints
) -> None:
    """Give each withdrawal its rail and its amount, and add up those of a minute: the reviewed come last in it."""
    k0, k1 = stream_keys(root, name[0], name[1])
    for minute in range(len(automatic)):
        first = minute * MINUTE_STRIDE
        for what, begin, n in ((0, first, automatic[minute]), (2, first + automatic[minute], reviewed[minute])):
            for ordinal in range(begin, begin + n):
                key = ticket_key(k0, k1, ordinal)
                u, rail = uniform(key, _ASSET), 0
                for edge in edges:  # to the end, not as far as needed: a mispredicted branch costs more
                    rail += int(u >= edge)
                requests[rail, what, minute] += 1
                requests[rail, what + 1, minute] += amount(law, uniform(key, _AMOUNT))


def _blocks(expected: ExpectedWithdrawals, scenario: Scenario, streams: Streams, minutes: int) -> Ints:
    """Return the minute of each block by rail: a Poisson process on the scale of the expected blocks."""
    if not expected.chains:
        return np.empty(0, np.int64)
    assert scenario.withdrawals is not None
    names, found = list(scenario.withdrawals.assets), []
    for rail, cum in expected.chains:
        most = math.ceil(cum[-1] + _SPARE_DEVIATIONS * math.sqrt(cum[-1]) + _SPARE_DEVIATIONS)
        times = unit_times(streams, f"blocks {names[rail]}", most)
        found.append((rail, np.floor(np.interp(times[times < cum[-1]], cum, np.arange(minutes + 1)))))
    blocks = np.full((len(names), max(len(at) for _, at in found)), minutes + 1)
    for rail, at in found:
        blocks[rail, : len(at)] = at
    return blocks


def _refills(scenario: Scenario, streams: Streams) -> Ints:
    money = scenario.withdrawals
    if money is None or not any(rail.wallet for rail in money.rails.values()):
        return np.empty(0, np.int64)
    minutes = np.ones((len(money.assets), REFILLS), np.int64)
    for rail, name in enumerate(money.assets):
        own = money.rails.get(name)
        if own and own.wallet:
            u = streams.uniforms(f"refill {name}", "time", np.arange(REFILLS))
            minutes[rail] = np.maximum(draw_ms(own.wallet.refill, u) // MINUTE_MS, 1)
    return minutes


def _public(scenario: Scenario, streams: Streams, most: int) -> dict[str, Any]:
    copies = scenario.copies
    if copies is None:
        return {}
    u = streams.uniforms("posts", "mark", np.arange(MARKS))
    return {"copy_times": unit_times(streams, "copies", most), "post_marks": _pareto(copies.mark_tail, u)}


@compiled
def _pareto(tail: float, u: Floats) -> Floats:
    """Return quantiles of the Pareto law of mean 1 with a tail index above 1, on the GRID."""
    out = np.empty(len(u))
    for i in range(len(u)):
        out[i] = np.rint((tail - 1.0) / tail * (1.0 - u[i]) ** (-1.0 / tail) / GRID) * GRID
    return out


def _run(expected: ExpectedWithdrawals, scenario: Scenario, streams: Streams, most: int) -> dict[str, Any]:
    run, people = scenario.run, scenario.population
    if run is None or people is None or expected.frights is None:
        return {}
    at = np.arange(min(most, depositors_of(scenario)))
    rail = np.searchsorted(expected.edges, streams.uniforms("fright", "asset", at), side="right")
    return {
        "panic_times": unit_times(streams, "fright", len(at)),
        "calm_times": unit_times(streams, "calm", len(at)),
        "panic_rail": rail.astype(np.int64),
        "panic_cents": amounts_at(expected.frights, streams.uniforms("fright", "amount", at)),
    }


def depositors_of(scenario: Scenario) -> int:
    """Return how many depositors may run."""
    people, run = scenario.population, scenario.run
    return round(people.registered * people.mau_share * run.depositors_share) if people and run else 0


def unit_times(streams: Streams, name: str, n: int) -> Floats:
    """Return the first n times of a Poisson process of rate 1, by name."""
    return _unit_times(streams.uniforms(name, "gap", np.arange(n)))


@compiled
def _unit_times(u: Floats) -> Floats:
    out, at = np.empty(len(u)), 0.0
    for i in range(len(u)):
        at += np.rint(-math.log(1.0 - u[i]) / GRID) * GRID
        out[i] = at
    return out
