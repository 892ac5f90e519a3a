"""Agents who hold several chats at once, each of which shares his attention: the Markov chain of the exact rule.

A state is how many agents have 0, 1, 2, ... chats in hand, and how many customers wait. Chats come as a Poisson
process and bring exponential work. A new chat goes to an agent with the fewest in hand; none is ever handed over, so
that an agent with one chat and an agent with three is a state of its own. With k in hand an agent finishes each at the
service rate over ``stretch[k - 1]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.linalg import spsolve

from sim.theory.queues import Floats, StationaryQueue, stable

Hands = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class SharedAttention(StationaryQueue):
    """The means of the stationary desk, the probability of a wait, and the share of agents by chats in hand.

    ``occupancy`` is an agent's chats in hand over the most that he may hold.
    """

    p_wait: float
    agents_with: tuple[float, ...]


def shared_attention(
    *, arrival_rate: float, service_rate: float, agents: int, stretch: Sequence[float]
) -> SharedAttention:
    """Return the stationary desk of agents who hold up to ``len(stretch)`` chats each.

    The global balance equations p Q = 0 (Kolmogorov 1931; Asmussen 2003, ch. II.4) of the states without waiters;
    where all hands are full, departures have one rate and waiters are geometric, as in M/M/c (Erlang 1917). The
    probability of a wait is the time's share, since Poisson arrivals see time averages (Wolff 1982); mean times are
    by Little's law. Raises ValueError for chats that the agents cannot carry.
    """
    most = len(stretch)
    full_rate = agents * most * service_rate / stretch[-1]
    rho = stable(arrival_rate, full_rate, 1)
    states = [
        tuple(hands.count(k) for k in range(most + 1))
        for hands in combinations_with_replacement(range(most + 1), agents)
    ]
    share = _stationary(states, arrival_rate, [service_rate * k / s for k, s in enumerate(stretch, start=1)])
    full = states.index((0,) * most + (agents,))
    # From full hands on each further waiter is rho times as likely: together 1 / (1 - rho) of full without waiters.
    waiting = share[full] * rho / (1 - rho)
    share[full] += waiting
    share /= 1 + waiting
    in_queue = float(share[full]) * rho / (1 - rho)
    with_hands = np.array(states).T @ share / agents
    in_hand = float(with_hands @ np.arange(most + 1)) * agents
    return SharedAttention(
        occupancy=in_hand / agents / most,
        mean_wait=in_queue / arrival_rate,
        mean_in_queue=in_queue,
        mean_sojourn=(in_queue + in_hand) / arrival_rate,
        mean_in_system=in_queue + in_hand,
        throughput=arrival_rate,
        p_wait=float(share[full]),
        agents_with=tuple(with_hands.tolist()),
    )


def _stationary(states: list[Hands], arrival_rate: float, rates: list[float]) -> Floats:
    """Return the probability of each state, given that nobody waits; ``rates`` are an agent's, by chats in hand."""
    number = {state: i for i, state in enumerate(states)}
    flows = [(i, number[to], rate) for i, state in enumerate(states) for to, rate in _moves(state, arrival_rate, rates)]
    source, target, rate = (np.array(column) for column in zip(*flows, strict=True))
    n = len(states)
    balance = csr_array((np.append(rate, -rate), (np.append(target, source), np.append(source, source))), shape=(n, n))
    # One equation follows from the others: the probabilities' sum takes its place.
    balance = balance.tolil()
    balance[0, :] = 1.0
    return np.asarray(spsolve(balance.tocsc(), np.eye(n)[0]))


def _moves(state: Hands, arrival_rate: float, rates: list[float]) -> Iterator[tuple[Hands, float]]:
    """Yield the states that follow on one in which nobody waits, none of them with a waiter, and at which rates."""
    fewest = next(k for k, agents in enumerate(state) if agents)
    if fewest < len(rates):
        yield _one_moved(state, fewest, fewest + 1), arrival_rate
    for k, rate in enumerate(rates, start=1):
        if state[k]:
            yield _one_moved(state, k, k - 1), state[k] * rate


def _one_moved(state: Hands, held: int, holds: int) -> Hands:
    """Return a state in which one agent holds so many instead."""
    hands = list(state)
    hands[held] -= 1
    hands[holds] += 1
    return tuple(hands)
