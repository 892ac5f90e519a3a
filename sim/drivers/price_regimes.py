"""Price paths of a market that moves between regimes: hourly log returns, drawn for each replication.

Within a regime the log return of an hour is normal, and a compound Poisson sum of normal jumps comes on top (Merton
1976, Journal of Financial Economics 3); the regimes are a Markov chain in hours (Hamilton 1989, Econometrica 57):

    r = drift / 24 + volatility / 24^(1/2) Z + (sum of N jumps),  N Poisson(jumps / 24),  jump normal(m, s^2)
    P(leave in an hour) = 1 h / dwell

Each number is a pure function of seed, replication and hour, so a longer run begins as a shorter one does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from sim.core.arrays import Floats, Ints
from sim.core.clock import HOUR_MS
from sim.core.jit import compiled
from sim.numerics.normal import normal_quantile
from sim.numerics.poisson import count
from sim.numerics.streams import Streams
from sim.scenario.schema.newcomers import Regime

Regimes = Mapping[str, Regime]
_HOURS_PER_DAY = 24
_FIRST_ORDINAL = 1 << 40
"""The ordinal of the run's first hour; those before have smaller ones."""


class MarkovChain(NamedTuple):
    """The regimes as compiled code reads them, one row each; ``below`` holds running sums of where each goes next."""

    leave: Floats
    below: Floats
    drift: Floats
    volatility: Floats
    jumps: Floats
    jump_mean: Floats
    jump_sd: Floats


def chain_of(regimes: Regimes) -> MarkovChain:
    """Return the regimes in units of an hour."""
    each = list(regimes.values())
    return MarkovChain(
        leave=np.array([HOUR_MS / one.dwell if one.next else 0.0 for one in each]),
        below=np.cumsum(_next(regimes), axis=1),
        drift=np.array([one.drift_per_day / _HOURS_PER_DAY for one in each]),
        volatility=np.array([one.volatility_per_day / math.sqrt(_HOURS_PER_DAY) for one in each]),
        jumps=np.array([one.jumps_per_day / _HOURS_PER_DAY for one in each]),
        jump_mean=np.array([one.jump_mean for one in each]),
        jump_sd=np.array([one.jump_sd for one in each]),
    )


def stationary(regimes: Regimes) -> Floats:
    """Return the share of its time that the market spends in each regime in the long run.

    It is in proportion to v dwell, where v solves v = v P and P holds the shares of ``next``. The rules of a scenario
    see to it that every regime leads to every other.
    """
    n = len(regimes)
    if n == 1:
        return np.ones(1)
    balance = np.vstack([_next(regimes).T - np.eye(n), np.ones(n)])
    visits = np.linalg.lstsq(balance, np.append(np.zeros(n), 1.0), rcond=None)[0]
    time = np.maximum(visits, 0.0) * np.array([one.dwell for one in regimes.values()])
    return time / time.sum()


def draw_path(regimes: Regimes, streams: Streams, *, history: int, hours: int) -> tuple[Floats, Ints]:
    """Return the log returns of ``history`` hours before the run and ``hours`` of it, and the regime of each.

    The first regime comes from the stationary distribution.
    """
    ordinals = _FIRST_ORDINAL + np.arange(-history, hours)
    purposes = ("leave", "next", "return", "jumps", "jump")
    uniforms = np.array([streams.uniforms("market", purpose, ordinals) for purpose in purposes])
    u = streams.uniforms("market", "first regime", np.zeros(1, dtype=np.int64))[0]
    first = int(np.searchsorted(np.cumsum(stationary(regimes))[:-1], u, side="right"))
    return _path(chain_of(regimes), uniforms, np.int64(first))  # type: ignore[arg-type]


def _next(regimes: Regimes) -> Floats:
    names = list(regimes)
    table = np.zeros((len(names), len(names)))
    for row, regime in enumerate(regimes.values()):
        for name, share in regime.next.items():
            table[row, names.index(name)] = share
    return table


@compiled
def _path(chain: MarkovChain, uniforms: Floats, first: int) -> tuple[Floats, Ints]:
    """Return log return and regime by the hour; the market may leave a regime at the end of each hour."""
    hours = uniforms.shape[1]
    returns, states = np.empty(hours), np.empty(hours, np.int64)
    state = first
    for hour in range(hours):
        states[hour] = state
        move = chain.drift[state] + chain.volatility[state] * normal_quantile(uniforms[2, hour])
        if chain.jumps[state] > 0.0:
            n = count(chain.jumps[state], uniforms[3, hour])
            if n > 0:
                z = normal_quantile(uniforms[4, hour])
                move += n * chain.jump_mean[state] + math.sqrt(n) * chain.jump_sd[state] * z
        returns[hour] = move
        if uniforms[0, hour] < chain.leave[state]:
            i, last = 0, -1
            while i < chain.below.shape[1]:
                if chain.below[state, i] > (chain.below[state, i - 1] if i > 0 else 0.0):
                    last = i
                    if uniforms[1, hour] < chain.below[state, i]:
                        break
                i += 1
            state = last
    return returns, states
