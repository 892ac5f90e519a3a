"""Several classes at one station (priorities), and several stations in a row or a loop (product form)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sim.theory.queues import ErlangC, erlang_c


@dataclass(frozen=True, kw_only=True)
class Priorities:
    """Mean wait of each class, highest first; the mean over all customers; the probability of a wait."""

    mean_wait: list[float]
    mean_wait_all: float
    p_wait: float


def cobham(*, arrival_rates: Sequence[float], service_rate: float, servers: int) -> Priorities:
    """Return M/M/c with non-preemptive priorities, highest class first, and one service rate for all.

    W_k = (C / (c mu)) / ((1 - s_(k-1)) (1 - s_k)), s_k = sum over j <= k of lambda_j / (c mu), C = Erlang C of the
    total. Source: Cobham 1954; Kella and Yechiali 1985.
    """
    rates = np.asarray(arrival_rates, dtype=np.float64)
    total = erlang_c(arrival_rate=float(rates.sum()), service_rate=service_rate, servers=servers)
    load = np.concatenate(([0.0], np.cumsum(rates) / (servers * service_rate)))
    wait = total.p_wait / (servers * service_rate) / ((1 - load[:-1]) * (1 - load[1:]))
    return Priorities(
        mean_wait=wait.tolist(),
        mean_wait_all=float(rates @ wait / rates.sum()),
        p_wait=total.p_wait,
    )


@dataclass(frozen=True, kw_only=True)
class Jackson:
    """An open network: each station on its own, the mean number in all, and the mean time from entry to exit."""

    stations: list[ErlangC]
    mean_in_system: float
    mean_sojourn: float


def jackson_open(
    *, external_rates: Sequence[float], routing: ArrayLike, service_rates: Sequence[float], servers: Sequence[int]
) -> Jackson:
    """Return an open Jackson network: the traffic equations lambda = gamma + lambda P, then M/M/c each.

    ``routing[i][j]``: probability that who leaves station i goes to j; the rest leaves the network. Source: Jackson
    1957, 1963. Raises ValueError when a station cannot carry its load.
    """
    gamma, p = np.asarray(external_rates, dtype=np.float64), np.asarray(routing, dtype=np.float64)
    rates = np.linalg.solve(np.eye(len(gamma)) - p.T, gamma)
    stations = [
        erlang_c(arrival_rate=float(rate), service_rate=mu, servers=c)
        for rate, mu, c in zip(rates, service_rates, servers, strict=True)
    ]
    in_system = sum(station.mean_in_system for station in stations)
    return Jackson(stations=stations, mean_in_system=in_system, mean_sojourn=in_system / float(gamma.sum()))
