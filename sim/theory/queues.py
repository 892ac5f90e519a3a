"""One station in its stationary state, all customers patient: Erlang B and C, M/M/c/K, M/G/1."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StationaryQueue:
    """Means of a stationary queue. Times in the unit of 1 / rate; ``mean_wait`` is until service starts."""

    occupancy: float
    mean_wait: float
    mean_in_queue: float
    mean_sojourn: float
    mean_in_system: float
    throughput: float


@dataclass(frozen=True, kw_only=True)
class ErlangC(StationaryQueue):
    """M/M/c: the means, the probability of a wait, and the distribution of the wait."""

    p_wait: float
    service_rate: float
    spare_rate: float
    """servers x service rate - arrival rate: at which a queue drains."""

    def service_level(self, target: float) -> float:
        """Return P(wait <= target) = 1 - C exp(-(c mu - lambda) target)."""
        return 1 - self.p_wait * math.exp(-self.spare_rate * target)


def birth_death(birth: ArrayLike, death: ArrayLike) -> Floats:
    """Return the stationary probabilities of states 0..N: p[n + 1] / p[n] = birth[n] / death[n], n = 0..N-1.

    In logarithms, so that no population is too large. A birth of 0 cuts off the states above it.
    """
    with np.errstate(divide="ignore"):
        log_weight = np.concatenate(([0.0], np.cumsum(np.log(np.asarray(birth) / np.asarray(death)))))
    weight = np.exp(log_weight - log_weight.max())
    return weight / weight.sum()


def erlang_b(*, load: float, servers: int) -> float:
    """Return the share of arrivals that M/M/c/c (or M/G/c/c) loses at ``load`` erlangs.

    B(0) = 1, B(k) = a B(k-1) / (k + a B(k-1)). Source: Erlang 1917; Cooper 1981, ch. 3.
    """
    loss = 1.0
    for k in range(1, servers + 1):
        loss = load * loss / (k + load * loss)
    return loss


def erlang_c(*, arrival_rate: float, service_rate: float, servers: int) -> ErlangC:
    """Return M/M/c: C = B / (1 - rho (1 - B)), Wq = C / (c mu - lambda), Lq = lambda Wq.

    Source: Erlang 1917; Gans, Koole and Mandelbaum 2003, section 4. Raises ValueError for a load that the servers
    cannot carry.
    """
    rho = stable(arrival_rate, service_rate, servers)
    loss = erlang_b(load=arrival_rate / service_rate, servers=servers)
    p_wait = loss / (1 - rho * (1 - loss))
    spare = servers * service_rate - arrival_rate
    wait = p_wait / spare
    return ErlangC(
        occupancy=rho,
        p_wait=p_wait,
        mean_wait=wait,
        mean_in_queue=arrival_rate * wait,
        mean_sojourn=wait + 1 / service_rate,
        mean_in_system=arrival_rate * (wait + 1 / service_rate),
        throughput=arrival_rate,
        service_rate=service_rate,
        spare_rate=spare,
    )


@dataclass(frozen=True, kw_only=True)
class FiniteQueue:
    """M/M/c/K: the share of arrivals that find no place, and of the others the share that waits and the mean wait."""

    p_blocked: float
    p_wait: float
    mean_wait: float
    mean_in_system: float


def mmck(*, arrival_rate: float, service_rate: float, servers: int, places: int) -> FiniteQueue:
    """Return M/M/c/K from its birth-death chain, with K = servers + ``places``, which may carry any load.

    Who arrives sees the stationary state (Wolff 1982), so P(blocked) = p[K]. Source: Cooper 1981, ch. 3; Gross et al.
    2008, section 2.5.
    """
    n = np.arange(servers + places + 1)
    p = birth_death(np.full(servers + places, arrival_rate), np.minimum(n[1:], servers) * service_rate)
    comes = 1 - float(p[-1])
    in_queue = float(np.maximum(n - servers, 0) @ p)
    return FiniteQueue(
        p_blocked=float(p[-1]),
        p_wait=float(p[servers:-1].sum()) / comes,
        mean_wait=in_queue / (arrival_rate * comes),
        mean_in_system=float(n @ p),
    )


def mg1(*, arrival_rate: float, mean_service: float, cv: float) -> StationaryQueue:
    """Return M/G/1 by Pollaczek and Khinchine: Wq = lambda E[S^2] / (2 (1 - rho)), E[S^2] = m^2 (1 + cv^2).

    ``cv`` is the coefficient of variation of the service time: 0 deterministic, 1 exponential or any other.
    Source: Pollaczek 1930, Khinchine 1932.
    """
    rho = stable(arrival_rate, 1 / mean_service, 1)
    wait = arrival_rate * mean_service**2 * (1 + cv**2) / (2 * (1 - rho))
    return StationaryQueue(
        occupancy=rho,
        mean_wait=wait,
        mean_in_queue=arrival_rate * wait,
        mean_sojourn=wait + mean_service,
        mean_in_system=arrival_rate * (wait + mean_service),
        throughput=arrival_rate,
    )


def mean_residual(*, mean: float, cv: float) -> float:
    """Return what is left on average of a time that is inspected long after the first began: E[S^2] / (2 E[S]).

    ``cv`` is the coefficient of variation of the times, which follow on each other. Source: Feller 1971, ch. XI.4.
    """
    return mean * (1 + cv**2) / 2


def mm1_run_length(*, occupancy: float, relative_width: float, confidence: float = 0.95) -> float:
    """Return how long to simulate M/M/1, in mean service times, for a full interval width of that share of L.

    8 (1 + rho) z^2 / (rho (1 - rho)^2 eps^2), from the asymptotic variance 2 rho (1 + rho) / (1 - rho)^4 of the
    number in system. Source: Whitt 1989, Management Science 35:1341-1366.
    """
    rho, z = occupancy, float(ndtri((1 + confidence) / 2))
    return 8 * (1 + rho) * z**2 / (rho * (1 - rho) ** 2 * relative_width**2)


def stable(arrival_rate: float, service_rate: float, servers: int) -> float:
    """Return the occupancy lambda / (c mu). Raises ValueError when it is not below 1."""
    rho = arrival_rate / (servers * service_rate)
    if not 0 <= rho < 1:
        capacity = servers * service_rate
        raise ValueError(f"arrival_rate: got {arrival_rate}; must be 0 or more and below the capacity, {capacity}")
    return rho
