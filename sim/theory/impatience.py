"""One station whose customers lose patience: Erlang A, M/M/n+G."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr

from sim.theory.queues import birth_death, erlang_b
from sim.theory.support_desk import lognormal_parameters


@dataclass(frozen=True, kw_only=True)
class ErlangA:
    """M/M/c+M; ``mean_wait`` is over all customers, those who leave included."""

    p_wait: float
    p_abandon: float
    mean_wait: float
    mean_in_queue: float
    occupancy: float


def erlang_a(*, arrival_rate: float, service_rate: float, abandon_rate: float, servers: int) -> ErlangA:
    """Return M/M/c+M, exponential patience with mean 1 / abandon_rate (above 0), from its birth-death chain.

    Deaths min(n, c) mu + (n - c)^+ theta; P(abandon) = theta Lq / lambda. Source: Palm 1957; Garnett, Mandelbaum
    and Reiman 2002; Mandelbaum and Zeltyn 2007.
    """
    if abandon_rate <= 0:
        raise ValueError(f"abandon_rate: got {abandon_rate}; must be above 0 (without it: erlang_c)")
    places, tail = 128, 1.0
    while tail > 1e-17:
        places *= 2
        n = np.arange(servers + places + 1)
        queue = np.maximum(n - servers, 0)
        death = np.minimum(n, servers) * service_rate + queue * abandon_rate
        p = birth_death(np.full(servers + places, arrival_rate), death[1:])
        # What lies behind the last state is less than a geometric series, once that converges.
        tail = float(p[-1]) * death[-1] / (death[-1] - arrival_rate) if death[-1] > arrival_rate else 1.0
    in_queue = float(queue @ p)
    return ErlangA(
        p_wait=float(p[servers:].sum()),
        p_abandon=abandon_rate * in_queue / arrival_rate,
        mean_wait=in_queue / arrival_rate,
        mean_in_queue=in_queue,
        occupancy=float(np.minimum(n, servers) @ p) / servers,
    )


@dataclass(frozen=True, kw_only=True)
class Patience:
    """A distribution of patience: P(patience > x), its integral from 0 to x, and where its survival jumps, if any."""

    survival: Callable[[float], float]
    integral: Callable[[float], float]
    jump: float | None = None


def exponential_patience(*, mean: float) -> Patience:
    """Return exponential patience."""
    return Patience(
        survival=lambda x: math.exp(-x / mean),
        integral=lambda x: -mean * math.expm1(-x / mean),
    )


def deterministic_patience(*, value: float) -> Patience:
    """Return the patience of people who all leave after exactly ``value``."""
    return Patience(survival=lambda x: float(x < value), integral=lambda x: min(x, value), jump=value)


def lognormal_patience(*, mean: float, cv: float) -> Patience:
    """Return lognormal patience with that mean and coefficient of variation (above 0).

    The integral is E[min(X, x)] = m Phi(z - sigma) + x (1 - Phi(z)), z = (ln x - mu) / sigma.
    """
    mu, sigma = lognormal_parameters(mean=mean, cv=cv)

    def z(x: float) -> float:
        return (math.log(x) - mu) / sigma if x > 0 else -math.inf

    return Patience(
        survival=lambda x: float(ndtr(-z(x))),
        integral=lambda x: mean * float(ndtr(z(x) - sigma)) + x * float(ndtr(-z(x))),
    )


@dataclass(frozen=True, kw_only=True)
class ImpatientQueue:
    """M/M/n+G. ``mean_wait`` is over all customers; the virtual wait is that of someone who never leaves."""

    p_wait: float
    p_abandon: float
    mean_wait: float
    mean_in_queue: float
    mean_virtual_wait: float
    p_wait_beyond_target: float
    p_served_within_target: float


def mmn_g(
    *, arrival_rate: float, service_rate: float, servers: int, patience: Patience, target: float
) -> ImpatientQueue:
    """Return M/M/n+G by quadrature, with P(wait > target) and P(served within target).

        f(x) = exp(lambda H(x) - n mu x), H(x) = integral from 0 to x of P(patience > y) dy, J = integral of f
        D = 1 / B(n - 1, lambda / mu) + lambda J;  P(wait) = lambda J / D
        P(abandon) = lambda integral of P(patience <= x) f dx / D;  E[W] = lambda integral of H f dx / D

    Source: Baccelli and Hebuterne 1981; Zeltyn and Mandelbaum 2005, QUESTA 51:361-402. Their epsilon, the integral
    of e^-t (1 + t mu / lambda)^(n - 1), is 1 / B(n - 1). Patience must be finite, or the servers enough.
    """
    capacity = servers * service_rate

    def exponent(x: float) -> float:
        return arrival_rate * patience.integral(x) - capacity * x

    peak, end = _support(exponent, start=1 / capacity)
    top = exponent(peak)
    jump = peak if patience.jump is None else patience.jump
    corners = sorted({x for x in (jump, target) if 0 < x < end})

    def integral(weight: Callable[[float], float], start: float = 0.0) -> float:
        edges = [start, *(x for x in corners if x > start), end]
        pieces = pairwise(edges)

        def density(x: float) -> float:
            return weight(x) * math.exp(exponent(x) - top)

        return sum(quad(density, a, b, epsabs=0, epsrel=1e-11, limit=400)[0] for a, b in pieces if b > a)

    one = math.exp(-top)
    area = integral(lambda x: 1.0)
    whole = one / erlang_b(load=arrival_rate / service_rate, servers=servers - 1) + arrival_rate * area
    beyond = integral(lambda x: 1.0, start=target) if target < end else 0.0
    # From f' = (lambda P(patience > x) - n mu) f, integrated from the target on.
    served_later = capacity * beyond - math.exp(exponent(target) - top)
    p_abandon = arrival_rate * integral(lambda x: 1 - patience.survival(x)) / whole
    mean_wait = arrival_rate * integral(patience.integral) / whole
    return ImpatientQueue(
        p_wait=arrival_rate * area / whole,
        p_abandon=p_abandon,
        mean_wait=mean_wait,
        mean_in_queue=arrival_rate * mean_wait,
        mean_virtual_wait=arrival_rate * integral(lambda x: x) / whole,
        p_wait_beyond_target=arrival_rate * patience.survival(target) * beyond / whole,
        p_served_within_target=1 - p_abandon - served_later / whole,
    )


def _support(exponent: Callable[[float], float], start: float) -> tuple[float, float]:
    """Return where a concave exponent peaks, and from where on it lies 60 below its peak (e^-60 is nothing).

    Raises ValueError when it never falls: the queue grows without end.
    """
    x = start
    while exponent(2 * x) > exponent(x):
        x *= 2
        if x > 1e12 * start:
            raise ValueError("arrival_rate: the queue grows without end; patience or capacity must be finite")
    low, high = 0.0, 2 * x
    for _ in range(200):
        a, b = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, b) if exponent(a) >= exponent(b) else (a, high)
    peak, end = low, 2 * x
    while exponent(end) > exponent(peak) - 60:
        end *= 2
    return peak, end
