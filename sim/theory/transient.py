"""Demand that changes with time: M_t/G/infinity, the fluid picture of a surge, and M_t/M/c exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp

from sim.theory.queues import birth_death

Floats = NDArray[np.float64]


def mtginf_sinusoid(
    *, mean_rate: float, amplitude: float, period: float, mean_service: float, exponential: bool = True
) -> tuple[Callable[[ArrayLike], Floats], float]:
    """Return m(t) for the rate mean_rate (1 + amplitude sin(2 pi t / period)), and how far its peak lags the rate's.

    With w = 2 pi / period: exponential service gives mean_rate E[S] (1 + amplitude (sin wt - wE[S] cos wt) /
    (1 + (wE[S])^2)) and a lag of arctan(wE[S]) / w; a deterministic one (``exponential=False``) the same mean
    times 1 + amplitude sin(w (t - S/2)) sin(wS/2) / (wS/2) and a lag of S/2 (while S is below the period). Source:
    Eick, Massey and Whitt 1993, Management Science 39:241-252.
    """
    w = 2 * math.pi / period
    x = w * mean_service
    swing, lag = (
        (amplitude / math.hypot(1, x), math.atan(x) / w)
        if exponential
        else (amplitude * math.sin(x / 2) / (x / 2), mean_service / 2)
    )

    def mean_number(t: ArrayLike) -> Floats:
        return mean_rate * mean_service * (1 + swing * np.sin(w * (np.asarray(t) - lag)))

    return mean_number, lag


@dataclass(frozen=True, kw_only=True)
class FluidSurge:
    """A surge as a fluid: the peak of the backlog, how long it takes to clear, and what it costs in waiting."""

    peak: float
    clear_time: float
    ticket_time: float
    max_wait: float


def fluid_surge(*, base_rate: float, surge_rate: float, duration: float, capacity: float) -> FluidSurge:
    """Return the backlog of a surge at a desk of fixed capacity, without abandonment.

    Peak (surge - capacity) D at the end of the surge; cleared peak / (capacity - base) later; ``ticket_time`` is
    the area under the backlog; the longest first-come-first-served wait is peak / capacity. Source: Newell 1982.
    Raises ValueError unless base < capacity <= surge.
    """
    if not base_rate < capacity <= surge_rate:
        raise ValueError(f"capacity: got {capacity}; must be above {base_rate} and at most {surge_rate}")
    peak = (surge_rate - capacity) * duration
    clear = peak / (capacity - base_rate)
    return FluidSurge(peak=peak, clear_time=clear, ticket_time=peak * (duration + clear) / 2, max_wait=peak / capacity)


@dataclass(frozen=True, kw_only=True)
class TransientQueue:
    """At each time asked for: mean number in system, mean number waiting, probability that an arrival waits.

    ``p_last`` is the largest probability of the last state kept: how much the cut may have cost.
    """

    t: Floats
    mean_in_system: Floats
    mean_in_queue: Floats
    p_wait: Floats
    p_last: float


def mt_mmc(
    *,
    changes: Sequence[float],
    rates: Sequence[float],
    service_rate: float,
    servers: int,
    times: Sequence[float],
    abandon_rate: float = 0.0,
    states: int = 1000,
) -> TransientQueue:
    """Return M_t/M/c(+M) through time from its Kolmogorov forward equations, integrated by LSODA.

    ``rates[0]`` holds before ``changes[0]``, ``rates[i]`` from ``changes[i - 1]`` on; it starts at 0 in the
    stationary state of ``rates[0]``, which must exist. ``times``: increasing, 0 or more. The chain is cut at
    ``states``. Good to 7 or 8 digits; relative tolerance 1e-10. Source: Kolmogorov 1931.
    """
    n = np.arange(states + 1)
    death = np.minimum(n, servers) * service_rate + np.maximum(n - servers, 0) * abandon_rate
    if abandon_rate == 0 and rates[0] >= death[-1]:
        raise ValueError(f"rates: got {rates[0]} first; must be below the capacity, {death[-1]}")
    p = birth_death(np.full(states, float(rates[0])), death[1:])
    rows: list[Floats] = []
    clock = 0.0
    for rate, until in zip(rates, [*changes, math.inf], strict=True):
        inside = [t for t in times if clock <= t < until]
        stop = until if math.isfinite(until) else max(times)
        if stop > clock:
            points = sorted({*inside, stop})
            solved = _forward(p, rate, death, (clock, stop), points)
            rows += [solved[:, points.index(t)] if t > clock else p for t in inside]
            p, clock = solved[:, -1], stop
        else:
            rows += [p for _ in inside]
    state = np.array(rows)
    return TransientQueue(
        t=np.asarray(times, dtype=np.float64),
        mean_in_system=state @ n,
        mean_in_queue=state @ np.maximum(n - servers, 0),
        p_wait=state[:, servers:].sum(axis=1),
        p_last=float(np.abs(state[:, -1]).max()),
    )


def _forward(p: Floats, rate: float, death: Floats, span: tuple[float, float], points: list[float]) -> Floats:
    """Return the state probabilities at the points of a span with one arrival rate, one column each."""

    def slope(_: float, p: Floats) -> Floats:
        # Net flow from state i to i + 1; what a state gains its neighbour loses.
        flow = rate * p[:-1] - death[1:] * p[1:]
        change = np.zeros_like(p)
        change[:-1] -= flow
        change[1:] += flow
        return change

    solution = solve_ivp(slope, span, p, method="LSODA", t_eval=points, rtol=1e-10, atol=1e-13, lband=1, uband=1)
    if not solution.success:
        raise ArithmeticError(f"forward equations: {solution.message}")
    return np.asarray(solution.y)
