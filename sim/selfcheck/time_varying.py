"""Demand that changes: a daily wave, a spike, a surge, and days that differ in busyness."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from sim import theory
from sim.core.clock import DAY_MS, HOUR_MS, NEVER
from sim.metrics.observation.replication import Observation
from sim.numerics.intervals import Intervals
from sim.selfcheck.check import Check, Compared
from sim.selfcheck.queues import deterministic, exponential

_MINUTES = 1440
_WAVE = """
title = "M_t/G with an agent for everybody"
days = {days}
warmup_days = 1
profile.weights = {weights}
[categories.caller]
arrivals_per_hour = 100
steps.call = {{ queue = "line", handle = {handle} }}
[teams.agents]
serves = ["line"]
agents = 1000
"""
_SPIKE = """
title = "{title}"
days = {days}
warmup_days = 1
[shocks.spike]
at = "{at}"
length = "{length}"
tickets = {factor}
[categories.caller]
arrivals_per_hour = {rate}
steps.call = {{ queue = "line", handle = {handle} }}
[teams.agents]
serves = ["line"]
agents = {agents}
"""
_BUSY = """
title = "Poisson counts with a gamma busyness that all categories share"
days = 80
busyness.cv = 0.1
bot.handle = { law = "deterministic", value = "1 min" }
[categories.some]
arrivals_per_hour = 250
bot_resolve = 0.99
steps.call = { queue = "line", handle = { law = "deterministic", value = "1 min" } }
[categories.others]
arrivals_per_hour = 166.66666666666667
bot_resolve = 0.99
steps.call = { queue = "line", handle = { law = "deterministic", value = "1 min" } }
[teams.agents]
serves = ["line"]
agents = 100
"""


def checks() -> Iterator[Check]:
    """Yield the checks of demand that changes."""
    yield _wave("mtginf-1-exponential", 0.5, exponential(0.5), exponentially=True)
    yield _wave("mtginf-2-deterministic", 2.0, deterministic(2), exponentially=False)
    yield _spike()
    yield _surge()
    yield _busyness()


def _wave(name: str, mean: float, handle: str, *, exponentially: bool) -> Check:
    """A sinusoid as 1,440 constant pieces, each the mean of its minute."""
    number, _ = theory.mtginf_sinusoid(
        mean_rate=100, amplitude=0.6, period=24, mean_service=mean, exponential=exponentially
    )
    turns = 2 * math.pi * np.arange(_MINUTES + 1) / _MINUTES
    weights = 1 + 0.6 * -np.diff(np.cos(turns)) / np.diff(turns)
    hours = (0, 6, 12, 18)
    return Check(
        name=name,
        scenario=_WAVE.format(days=10 if exponentially else 6, weights=weights.tolist(), handle=handle),
        quantities=tuple(
            Compared(
                f"mean number in service at {hour:02}:00", float(number(hour)),
                partial(_daily_mean, hour=hour), f"{name}:m_t.{i}",
            )
            for i, hour in enumerate(hours)
        ),
        source="Eick, Massey and Whitt 1993",
    )  # fmt: skip


def _daily_mean(observed: Observation, hour: float) -> float:
    times = np.arange(observed.from_ms, observed.to_ms, DAY_MS) + round(hour * HOUR_MS)
    return float(observed.backlog.at(times).mean())


def _spike() -> Check:
    """A spike against the exact transient solution. One replication is one spike, hence their number."""
    name, times = "mt-spike-erlangC", (3.0, 8.0, 12.0)
    q = theory.mt_mmc(changes=(1.0, 3.0), rates=(40, 160, 40), service_rate=4, servers=12, times=times)
    return Check(
        name=name,
        scenario=_SPIKE.format(
            title="M/M/12 through a spike", days=1, at="1 h", length="2 h", factor=4, rate=40,
            handle=exponential(0.25), agents=12,
        ),
        quantities=tuple(
            Compared(
                f"mean number there at {hour:g} h", float(q.mean_in_system[i]),
                partial(_daily_mean, hour=hour),
                f"{name}:L.{i + 1}" if hour < 12 else "",
            )
            for i, hour in enumerate(times)
        ),
        source="Kolmogorov's forward equations",
        replications=200,
    )  # fmt: skip


def _surge() -> Check:
    """The fluid picture, at a tenth of its numbers: with fixed handling times the law of large numbers is near.

    The time to clear is that of a random walk with drift (Wald 1944: its mean is the fluid's exactly); the peak is
    above the fluid's by the walk's excess after the surge, about 0.1 %.
    """
    name, scale = "fluid-surge-backlog", 0.1
    q = theory.fluid_surge(base_rate=417 * scale, surge_rate=1250 * scale, duration=24, capacity=500 * scale)
    return Check(
        name=name,
        scenario=_SPIKE.format(
            title="A surge as a fluid", days=16, at="0 h", length="24 h", factor=1250 / 417, rate=417 * scale,
            handle=deterministic(0.2), agents=10,
        ),
        quantities=(
            Compared("peak of the backlog / scale", q.peak / scale, lambda f: _peak(f)[0] / scale, f"{name}:peak"),
            Compared("time from peak to clear, h", q.clear_time, _clear_hours, f"{name}:clear"),
            Compared("longest wait, h", q.max_wait, _longest_wait, f"{name}:max_fifo_delay"),
        ),
        source="Newell 1982",
    )  # fmt: skip


def _waiting(observed: Observation) -> Intervals:
    return Intervals(observed.outcome.opened_ms, observed.outcome.first_start_ms)


def _peak(observed: Observation) -> tuple[int, int]:
    return _waiting(observed).peak(observed.from_ms, observed.to_ms)


def _clear_hours(observed: Observation) -> float:
    """Return the time from the end of the surge until no one waits. Raises ArithmeticError if that never comes."""
    surge_end = observed.from_ms + DAY_MS
    starts = np.sort(observed.outcome.first_start_ms)
    starts = starts[(starts > surge_end) & (starts < NEVER)]
    empty = np.flatnonzero(_waiting(observed).at(starts) == 0)
    if not len(empty):
        raise ArithmeticError("the surge has not cleared before the end: the run is too short")
    return float(starts[empty[0]] - surge_end) / HOUR_MS


def _longest_wait(observed: Observation) -> float:
    served = observed.outcome.first_start_ms < NEVER
    return float((observed.outcome.first_start_ms - observed.outcome.opened_ms)[served].max()) / HOUR_MS


def _busyness() -> Check:
    name = "poisson-gamma-1"
    q = theory.poisson_gamma(mean=10_000, cv_busyness=0.1)
    return Check(
        name=name,
        scenario=_BUSY,
        quantities=(
            Compared("mean tickets a day", 10_000, lambda observed: float(_by_day(observed).mean())),
            # About the known mean, so that a replication's value has no bias but that of the root, 0.3 %.
            Compared(
                "standard deviation of tickets a day", q.deviation,
                lambda observed: float(np.sqrt(((_by_day(observed) - 10_000.0) ** 2).mean())), f"{name}:sd",
            ),
        ),
        source="Jongbloed and Koole 2001; Avramidis, Deslauriers and L'Ecuyer 2004",
    )  # fmt: skip


def _by_day(observed: Observation) -> NDArray[np.int64]:
    return np.bincount(observed.ticket_opened_ms // DAY_MS, minlength=observed.days)
