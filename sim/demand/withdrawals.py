"""The flow into the feedback levels: withdrawal requests with their money, blocks, posts, and potential panic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sim.core.arrays import Floats, Ints
from sim.core.clock import MINUTE_MS
from sim.demand.durations import draw_ms
from sim.demand.public import depositors_of, draw_public, unit_times
from sim.demand.requests import Drawn, RequestLaw, draw_frights, draw_requests, request_law_of
from sim.drivers.policy import Policy
from sim.feedback import FeedbackInputs
from sim.feedback.columns import LET_OFF, NEWCOMERS, OTHERS
from sim.numerics.streams import Streams, name_keys, stream_keys
from sim.scenario.schema.scenario import Scenario
from sim.scenario.schema.withdrawals import Withdrawals

REFILLS = 64
_FIRST_TIMES = 1 << 14
_SPARE_DEVIATIONS = 10.0


class Blockchain(NamedTuple):
    """A chain whose blocks are drawn: the expected number of them by the minute, summed up."""

    rail: int
    cum_blocks: Floats


@dataclass(frozen=True)
class ExpectedWithdrawals:
    """What all replications' flows have in common: rails and their amounts, minutes in which nothing is paid, deposits.

    ``per_minute`` are the requests expected by the minute, before a day's busyness, and ``review`` the share of them
    that people review; of those of a minute the share ``deferred`` makes up for a closure. ``frights`` is the law of
    those who run, where some may. ``exogenous`` has the lines of ``sim.feedback.columns.EXOGENOUS_NAMES``, but for
    the requests to other endpoints.
    """

    law: RequestLaw
    frights: RequestLaw | None
    per_minute: Floats
    review: Floats
    deferred: Floats
    request_tick: Ints
    closed: Ints
    deposits: Ints
    chains: tuple[Blockchain, ...]
    exogenous: Floats


def expected_withdrawals_of(
    scenario: Scenario,
    policy: Policy,
    *,
    usual: Floats,
    per_minute: Floats,
    review: Floats,
    deferred: Floats,
    exogenous: Floats,
) -> ExpectedWithdrawals:
    """Return the withdrawals expected of a scenario; ``usual`` are the requests of each minute on ordinary days."""
    withdrawals, run, minutes, none = scenario.withdrawals, scenario.run, len(usual), np.empty(0, np.int64)
    if run and review.any():
        exogenous[LET_OFF] = 1.0 - review / review.max()
    mean_usd, cv = (withdrawals.amount_mean_usd, withdrawals.amount_cv) if withdrawals else (1.0, 1.0)
    return ExpectedWithdrawals(
        law=request_law_of(scenario, mean_usd=mean_usd, cv=cv),
        frights=request_law_of(scenario, mean_usd=run.amount_mean_usd, cv=run.amount_cv) if run else None,
        per_minute=per_minute,
        review=review,
        deferred=deferred,
        request_tick=_request_ticks(policy, minutes),
        closed=_closed(scenario, withdrawals, minutes) if withdrawals else none,
        deposits=_deposits(withdrawals, usual) if withdrawals else none,
        chains=tuple(_chains(scenario, withdrawals, minutes)) if withdrawals else (),
        exogenous=exogenous,
    )


def _request_ticks(policy: Policy, minutes: int) -> Ints:
    """Return by minute the tick at which is requested what would be at this one: in a closure the first after it."""
    ticks, until = np.arange(minutes), -1
    closed = np.zeros(minutes, np.bool_)
    for begin, end in policy.closed_minutes("withdrawals"):
        closed[begin:end] = True  # closures that touch are one
    for minute in range(minutes - 1, 0, -1):  # the tick of a minute takes the requests of the one before
        until = minute if not closed[minute - 1] else until if until >= 0 else minutes
        ticks[minute] = until
    return ticks


def _windows(scenario: Scenario, at: int, length: int) -> slice:
    """Return the minutes of a time that is counted from the end of the warm-up."""
    begin = scenario.warmup_days * 1440 + at // MINUTE_MS
    return slice(begin, begin + max(length // MINUTE_MS, 1))


def _closed(scenario: Scenario, withdrawals: Withdrawals, minutes: int) -> Ints:
    if not withdrawals.pauses:
        return np.empty(0, np.int64)
    closed = np.zeros((len(withdrawals.assets), minutes), np.int64)
    for pause in withdrawals.pauses.values():
        for rail, name in enumerate(withdrawals.assets):
            if not pause.assets or name in pause.assets:
                closed[rail, _windows(scenario, pause.at, pause.length)] = 1
    return closed


def feared(withdrawals: Withdrawals, warmup_days: int, minutes: int) -> Floats:
    """Return by the minute the factor on withdrawals that pauses leave behind them, once over."""
    factor = np.ones(minutes)
    for pause in withdrawals.pauses.values():
        over = warmup_days * 1440 + (pause.at + pause.length) // MINUTE_MS
        if pause.fear > 1 and over < minutes:
            decay = np.full(minutes - over, 0.5 ** (MINUTE_MS / pause.fear_half_life))
            decay[0] = 1.0
            factor[over:] *= 1.0 + (pause.fear - 1.0) * np.cumprod(decay)
    return factor


def _deposits(withdrawals: Withdrawals, usual: Floats) -> Ints:
    """Return by rail and minute the cents paid into its hot wallet: a share of what usually leaves."""
    if not any(rail.wallet for rail in withdrawals.rails.values()):
        return np.empty(0, np.int64)
    deposits = np.zeros((len(withdrawals.assets), len(usual)), np.int64)
    for rail, (name, share) in enumerate(withdrawals.assets.items()):
        own = withdrawals.rails.get(name)
        if own and own.wallet:
            running = np.cumsum(usual * (share * withdrawals.amount_mean_usd * 100 * own.wallet.deposits_share))
            deposits[rail] = np.diff(np.rint(running).astype(np.int64), prepend=0)
    return deposits


def _chains(scenario: Scenario, withdrawals: Withdrawals, minutes: int) -> list[Blockchain]:
    chains = []
    for rail, name in enumerate(withdrawals.assets):
        own = withdrawals.rails.get(name)
        if own and own.confirmations and own.block_time:
            per_minute = np.full(minutes, MINUTE_MS / own.block_time)
            for slow in withdrawals.congestion.values():
                if not slow.assets or name in slow.assets:
                    per_minute[_windows(scenario, slow.at, slow.length)] /= slow.factor
            chains.append(Blockchain(rail, np.append(0.0, np.cumsum(per_minute))))
    return chains


def draw_inputs(
    expected: ExpectedWithdrawals,
    scenario: Scenario,
    streams: Streams,
    *,
    counts: Ints,
    posts_ms: tuple[Ints, Ints],
    others: tuple[Ints, Ints] | None,
    extra_draws: int,
) -> FeedbackInputs:
    """Return the inputs of one replication: ``counts`` withdrawals by the minute, ``posts_ms`` posts of the background
    and of campaigns, ``others`` the requests to other endpoints, and those of newcomers.

    Each ``extra_draws`` draws 8 times as many of what the levels may use without limit.
    """
    exogenous, most = expected.exogenous, _FIRST_TIMES << 3 * extra_draws
    if others is not None:
        exogenous = exogenous.copy()
        exogenous[OTHERS], exogenous[NEWCOMERS] = others
    drawn = draw_requests(expected.law, streams, counts, expected.review)
    return FeedbackInputs(
        requests=drawn.requests,
        mark_keys=np.array(stream_keys(streams.root, *name_keys("withdrawal marks")), np.uint64),
        request_tick=expected.request_tick,
        posts_ms=posts_ms[0],
        campaign_ms=posts_ms[1],
        closed=expected.closed,
        deposits=expected.deposits,
        blocks=_blocks(expected, scenario, streams, len(counts)),
        refill_minutes=_refills(scenario, streams),
        exogenous=exogenous,
        **draw_public(scenario, streams, most),
        **_run(expected, scenario, streams, drawn, most),
    )


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
    withdrawals = scenario.withdrawals
    if withdrawals is None or not any(rail.wallet for rail in withdrawals.rails.values()):
        return np.empty(0, np.int64)
    minutes = np.ones((len(withdrawals.assets), REFILLS), np.int64)
    for rail, name in enumerate(withdrawals.assets):
        own = withdrawals.rails.get(name)
        if own and own.wallet:
            u = streams.uniforms(f"refill {name}", "time", np.arange(REFILLS))
            minutes[rail] = np.maximum(draw_ms(own.wallet.refill, u) // MINUTE_MS, 1)
    return minutes


def _run(
    expected: ExpectedWithdrawals, scenario: Scenario, streams: Streams, drawn: Drawn, most: int
) -> dict[str, Any]:
    """Return by name the rows of all requests, and the drawn inputs of a run on the platform, if there may be one."""
    if scenario.run is None or scenario.population is None or expected.frights is None:
        return {"rows": drawn.rows}
    n = min(most, depositors_of(scenario))
    review = float(expected.review.max(initial=0.0))
    asked = draw_frights(expected.frights, streams, n, review=review, first_row=len(drawn.rows.keys))
    return {
        "rows": drawn.rows.and_then(asked.rows),
        "panic_times": unit_times(streams, "fright", n),
        "calm_times": unit_times(streams, "calm", n),
        "panic_rail": asked.rail,
        "panic_cents": asked.cents,
        "panic_class": asked.kind,
        "panic_row": asked.row,
    }
