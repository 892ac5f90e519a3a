"""The feedback levels against exact answers: self-exciting posts, a run on the bank, a wallet's ruin, confirmations.

The step of the engines runs here without tickets, over rules and draws that say a textbook's process. Its minute
stands for whatever time the check names, short enough that the steps of the clock change the answer by less than the
standard error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from sim import theory
from sim.core.arrays import Floats, Ints
from sim.core.clock import MINUTE_MS
from sim.core.jit import compiled
from sim.demand.public import unit_times
from sim.feedback import (
    CopiesParameters,
    FeedbackInputs,
    FeedbackParameters,
    FeedbackState,
    PanicParameters,
    RailParameters,
    exhausted,
    state_of,
    step,
    tables_of,
)
from sim.feedback.columns import (
    CLASSES,
    CONTAGION,
    COPIES,
    EXOGENOUS_NAMES,
    FINAL,
    PAID,
    PANICKED,
    PASSING,
    SHORT,
    SPREADERS,
)
from sim.numerics.streams import Streams
from sim.selfcheck.check import Check, Compared

_SPARE = 10.0
HAWKES = "Hawkes 1971; Hawkes and Oakes 1974"
_MANY = 1e6


def checks() -> Iterator[Check]:
    """Yield the checks of the feedback levels."""
    yield _posts("hawkes-1", mu=50.0, alpha=0.5, beta=2.0)
    yield _posts("hawkes-2", mu=10.0, alpha=9.0, beta=10.0)
    yield _shock()
    yield _final_size("final-size-1.2", 1.2, runs=100)
    yield _final_size("final-size-1.5", 1.5, runs=100)
    yield _ruin()
    for blocks in (1, 2, 3):
        yield _confirmations(blocks)


@compiled
def advance(levels, first, last):  # type: ignore[no-untyped-def]
    """Step the levels through the minutes from ``first`` to before ``last``, without any complaint."""
    for minute in range(first, last):
        step(minute + 1, (0, 0, 0, 0), levels)


def run(parameters: FeedbackParameters, inputs: FeedbackInputs) -> FeedbackState:
    """Return the levels after all minutes. Raises ArithmeticError when the draws did not suffice."""
    levels = state_of(parameters, inputs, inputs.minutes)
    advance(levels, 0, inputs.minutes)
    if exhausted(levels):
        raise ArithmeticError("the levels used up their draws: draw more of them")
    return levels


def no_requests(minutes: int) -> Ints:
    """Return requests to withdraw, on one rail, of which there are none."""
    return np.zeros((1, CLASSES, 2, minutes), np.int64)


def _enough(expected: float, fano: float) -> int:
    """Return a number that a count of this mean and index of dispersion does not reach."""
    return math.ceil(expected + _SPARE * math.sqrt(expected * fano) + _SPARE)


# --- posts that bring posts ---------------------------------------------------------------------------------------


class Posts(NamedTuple):
    """Copies by the minute of posts at a constant rate, and of shocks of equal size every ``gap`` minutes."""

    constant: Ints
    shocks: Ints


def copies_of(streams: Streams, name: str, posts_ms: Ints, minutes: int, *, ratio: float, decay: float) -> Ints:
    """Return by the minute the copies of posts, each of which brings ``ratio`` on average, fading with ``decay``."""
    expected = len(posts_ms) * ratio / (1 - ratio)
    inputs = FeedbackInputs(
        requests=no_requests(minutes),
        posts_ms=posts_ms,
        copy_times=unit_times(streams, f"{name} copies", _enough(expected, (1 - ratio) ** -2)),
    )
    copies: Ints = tables_of(run(FeedbackParameters(copies=CopiesParameters(per_post=ratio, decay=decay)), inputs))[0][
        COPIES
    ]
    return copies


def shocks_of(streams: Streams, *, count: int, posts: int, gap: int, ratio: float, decay: float) -> Ints:
    """Return by shock and minute the copies after ``count`` shocks of ``posts`` posts, ``gap`` minutes apart."""
    at = np.repeat(np.arange(count) * gap * MINUTE_MS, posts)
    copies = copies_of(streams, "shocks", at, count * gap, ratio=ratio, decay=decay)
    return copies.reshape(count, gap)


def _posts(name: str, *, mu: float, alpha: float, beta: float) -> Check:
    """A minute is a tenth of the unit of time. Mean rate and clusters do not depend on it: a post brings alpha / beta
    others on average, Poisson, whenever they come. The index of dispersion follows from the clusters' two moments."""
    units, per_unit, posts, gap, count = 1_000, 10, 300, 200, 360
    ratio, decay = alpha / beta, math.exp(-beta / per_unit)
    q = theory.hawkes(mu=mu, alpha=alpha, beta=beta)

    def replicate(seed: int, number: int) -> Posts:
        streams, settling = Streams(seed, number), 20 * per_unit
        minutes = units * per_unit + settling
        times = unit_times(streams, "posts", _enough(minutes / per_unit * mu, 1.0)) / mu * per_unit * MINUTE_MS
        own = times[times < minutes * MINUTE_MS].astype(np.int64)
        copies = copies_of(streams, "constant", own, minutes, ratio=ratio, decay=decay)
        all_posts = copies + np.bincount(own // MINUTE_MS, minlength=minutes)
        shocks = shocks_of(streams, count=count, posts=posts, gap=gap, ratio=ratio, decay=decay)
        return Posts(all_posts[settling:], shocks.sum(axis=1) + posts)

    def variance(made: Posts) -> float:
        return float(((made.shocks - posts * q.cluster_mean) ** 2).mean()) / posts

    return Check(
        name=name,
        replicate=replicate,
        quantities=(
            Compared("posts per unit of time", q.mean_rate, lambda m: m.constant.sum() / units, f"{name}:mean_rate"),
            Compared("posts in a cluster", q.cluster_mean, lambda m: m.shocks.mean() / posts, f"{name}:cluster_mean"),
            Compared(
                "index of dispersion", q.fano, lambda m: variance(m) / q.cluster_mean + q.cluster_mean,
                f"{name}:fano_asymptotic",
            ),
        ),
        source=HAWKES,
    )  # fmt: skip


def _shock() -> Check:
    """A minute is 2 of the textbook's: that makes the copies by 12 h fewer by 0.13 %."""
    name, posts, per_hour, hours = "hawkes-shock", 30, 30, 90
    alpha, beta = 0.15, 0.25
    total, by_12 = theory.hawkes_shock(events=posts, alpha=alpha, beta=beta, time=12)

    def replicate(seed: int, number: int) -> Ints:
        decay = math.exp(-beta / per_hour)
        return shocks_of(
            Streams(seed, number), count=36, posts=posts, gap=hours * per_hour, ratio=alpha / beta, decay=decay
        )

    return Check(
        name=name,
        replicate=replicate,
        quantities=(
            Compared("posts in all", total, lambda m: posts + m.sum(axis=1).mean(), f"{name}:total"),
            Compared(
                "copies by 12 h", by_12, lambda m: m[:, : 12 * per_hour + 1].sum(axis=1).mean(),
                f"{name}:offspring_by_t12",
            ),
        ),
        source=HAWKES,
    )  # fmt: skip


# --- a run on the bank --------------------------------------------------------------------------------------------


class Runs(NamedTuple):
    """Runs that each began with one frightened depositor: the share of them that died out, how large the others got."""

    died_out: float
    sizes: Floats


def _final_size(name: str, contacts: float, *, runs: int) -> Check:
    """Someone is frightened for 2 minutes on average: of an exact epidemic, what happens in one minute is no matter.

    10,000 depositors, and not ever so many, make what does not die out smaller by 0.36 % at 1.2 contacts, 0.06 % at
    1.5 (the jump chain, solved).
    """
    depositors, calm, small = 10_000, 0.5, 600
    z = theory.final_size(contacts)

    def replicate(seed: int, number: int) -> Runs:
        streams = Streams(seed, number)
        sizes = [_run_size(streams, f"run {one}", contacts, (depositors, calm, small)) for one in range(runs)]
        share = np.array(sizes) / depositors
        large = share > z / 4
        return Runs(float(1 - large.mean()), share[large])

    return Check(
        name=name,
        replicate=replicate,
        quantities=(
            Compared(
                "share that dies out from one", 1 / contacts, lambda m: m.died_out, f"{name}:extinction_from_one_GI"
            ),
            Compared("final size of the others", z, lambda m: m.sizes.mean(), f"{name}:z"),
        ),
        source="Kermack and McKendrick 1927",
    )


def _run_size(streams: Streams, name: str, contacts: float, setting: tuple[int, float, int]) -> int:
    """Return how many panic; first with a few draws, which suffice for a run that dies out."""
    depositors, calm, small = setting
    for drawn in (small, depositors):
        frights = unit_times(streams, f"{name} fright", drawn)
        exogenous = np.zeros((len(EXOGENOUS_NAMES), round(200 / calm)))
        exogenous[CONTAGION, 0] = frights[0] * (1 + 1e-12)  # one depositor, and the next gap is whole
        inputs = FeedbackInputs(
            requests=no_requests(exogenous.shape[1]),
            exogenous=exogenous,
            panic_times=frights,
            calm_times=unit_times(streams, f"{name} calm", drawn),
            panic_rail=np.zeros(drawn, np.int64),
            panic_cents=np.ones(drawn, np.int64),
        )
        panic = PanicParameters(depositors=depositors, spread=contacts * calm, calm=calm)
        levels = state_of(FeedbackParameters(panic=panic), inputs, inputs.minutes)
        done = _until(levels, _all_calm, every=10)
        if not exhausted(levels):
            return int(levels.ints[done, PANICKED])
    raise ArithmeticError("more have panicked than there are")


def _all_calm(levels: FeedbackState, row: int) -> bool:
    return bool(levels.ints[row, SPREADERS] == 0)


def _was_short(levels: FeedbackState, row: int) -> bool:
    return bool(levels.ints[: row + 1, SHORT].any())


def _until(levels: FeedbackState, ended: Callable[[FeedbackState, int], bool], *, every: int) -> int:
    """Step on until something has ended, checked at intervals of some minutes; return the row reached."""
    last = levels.ints.shape[0] - 1
    for first in range(0, last, every):
        upto = min(first + every, last)
        advance(levels, first, upto)
        if ended(levels, upto):
            return upto
    return last


# --- money --------------------------------------------------------------------------------------------------------


def _ruin() -> Check:
    """Ruin is too rare to be waited for, so what is drawn are the larger and more frequent withdrawals of Lundberg's
    measure, under which it is certain; each path weighs e^(-R (u + its deficit)) (Siegmund 1976). 800 minutes are the
    textbook's hour: deposits count up to a minute early, which makes ruin rarer by a quarter of a percent."""
    name, per_hour, hours, paths = "hotwallet-ruin-500", 800, 150, 4
    reserve, rate, mean, premium = 500.0, 40.0, 10.0, 440.0
    q = theory.ruin(reserve=reserve, claim_rate=rate, claim_mean=mean, premium=premium)
    tilt = premium / (rate * mean)

    def replicate(seed: int, number: int) -> float:
        streams = Streams(seed, number)
        weights = [
            math.exp(
                -q.adjustment
                * _short_by(streams, f"path {path}", (reserve, rate * tilt, mean * tilt, premium), (per_hour, hours))
            )
            for path in range(paths)
        ]
        return sum(weights) / paths

    return Check(
        name=name,
        replicate=replicate,
        quantities=(
            Compared("probability that the wallet is ever short", q.probability, float, f"{name}:ruin_probability"),
        ),
        source="Cramer 1930; Asmussen and Albrecher 2010",
    )


def _short_by(streams: Streams, name: str, money: tuple[float, float, float, float], clock: tuple[int, int]) -> float:
    """Return how much more than a wallet's deposits has been asked for when it is first short, in dollars."""
    reserve, rate, mean, premium = money
    per_hour, hours = clock
    minutes = per_hour * hours
    times = unit_times(streams, f"{name} times", _enough(rate * hours, 1.0)) * per_hour / rate
    at = times[times < minutes].astype(np.int64)
    cents = np.rint(np.diff(unit_times(streams, f"{name} amounts", len(at) + 1)) * mean * 100).astype(np.int64)
    requests = no_requests(minutes)
    asked = requests[0, PASSING]
    asked[0] = np.bincount(at, minlength=minutes)
    np.add.at(asked[1], at, cents)
    paid_in: Ints = np.rint(np.arange(minutes + 1) * premium * 100 / per_hour).astype(np.int64)
    deposits = paid_in[1:] - paid_in[:-1]
    rail = RailParameters(payouts_per_minute=_MANY, final_minutes=1, hot_cents=round(reserve * 100))
    levels = state_of(
        FeedbackParameters(rails=(rail,)), FeedbackInputs(requests=requests, deposits=deposits[None]), minutes
    )
    _until(levels, _was_short, every=2_000)
    if not levels.ints[:, SHORT].any():
        raise ArithmeticError("a wallet was not short in the time given: the run is too short")
    tick = int(np.argmax(levels.ints[:, SHORT] > 0)) - 1  # it takes what was asked for, and paid in, before it
    return float(asked[1, :tick].sum() - deposits[:tick].sum()) / 100


def _confirmations(blocks: int) -> Check:
    """One payment a minute; the tick sees it final at the first whole minute at or after its last block."""
    name, block_min, minutes = f"btc-confirm-{blocks}", 10.0, 20_000
    at = blocks * round(block_min)

    def replicate(seed: int, number: int) -> Ints:
        requests = no_requests(minutes)
        requests[0, PASSING] = 1
        found = unit_times(Streams(seed, number), "blocks", _enough(minutes / block_min, 1.0)) * block_min
        rail = RailParameters(payouts_per_minute=_MANY, confirmations=blocks)
        inputs = FeedbackInputs(requests=requests, blocks=found[None].astype(np.int64))
        rails = tables_of(run(FeedbackParameters(rails=(rail,)), inputs))[2]
        final = np.searchsorted(rails[0, FINAL], rails[0, PAID])
        return (final - np.arange(minutes))[1 : minutes - round(30 * block_min)]  # the first tick pays nothing

    return Check(
        name=name,
        replicate=replicate,
        quantities=(
            # A time is rounded up to whole minutes, by half of one on average.
            Compared("mean minutes to be final", blocks * block_min, lambda m: m.mean() - 0.5, f"{name}:mean"),
            Compared(
                f"share not final after {at} min",
                theory.unconfirmed(blocks=blocks, block_time=block_min, after=at),
                lambda m: (m > at).mean(),
            ),
        ),
        source="Nakamoto 2008",
    )
