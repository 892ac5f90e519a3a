"""The chain of agents who hold several chats: against Erlang C, M/M/1, a chain of named agents, and known cells."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim import theory

CELLS = (  # agents, stretch, load, probability of a wait
    (20, (1.0, 1.25), 0.70, 0.0101),
    (20, (1.0, 1.25), 0.85, 0.182),
    (20, (1.0, 1.25), 0.93, 0.503),
    (10, (1.0, 1.25, 1.5625), 0.80, 0.085),
)


@pytest.mark.parametrize(("agents", "stretch", "load", "p_wait"), CELLS)
def test_the_known_cells(agents: int, stretch: Sequence[float], load: float, p_wait: float) -> None:
    rate = load * agents * len(stretch) / stretch[-1] / 10
    found = theory.shared_attention(arrival_rate=rate, service_rate=0.1, agents=agents, stretch=stretch)
    assert found.p_wait == pytest.approx(p_wait, abs=0.00051)


@settings(max_examples=50)
@given(st.integers(1, 6), st.integers(1, 4), st.floats(0.05, 0.98))
def test_chats_that_do_not_slow_each_other_are_agents_of_their_own(agents: int, most: int, load: float) -> None:
    one = theory.shared_attention(
        arrival_rate=load * agents * most, service_rate=1.0, agents=agents, stretch=[1.0] * most
    )
    other = theory.erlang_c(arrival_rate=load * agents * most, service_rate=1.0, servers=agents * most)
    for name in ("p_wait", "mean_wait", "mean_sojourn", "occupancy", "mean_in_system", "mean_in_queue"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-8), name


def test_one_agent_who_gets_no_more_done_with_many_chats_is_m_m_1() -> None:
    q = theory.shared_attention(arrival_rate=0.8, service_rate=1.0, agents=1, stretch=(1.0, 2.0, 3.0))
    assert q.p_wait == pytest.approx(0.8**3)
    assert q.mean_sojourn == pytest.approx(1 / (1 - 0.8))
    assert q.agents_with == pytest.approx((0.2, 0.2 * 0.8, 0.2 * 0.64, 0.8**3))


@pytest.mark.parametrize(
    ("agents", "stretch", "rate"), [(2, (1.0, 1.25), 2.4), (3, (1.0, 1.7), 2.9), (2, (1.0, 1.1, 2.0), 2.5)]
)
def test_agents_told_apart_give_the_same(agents: int, stretch: Sequence[float], rate: float) -> None:
    """A chain in which every agent has a number and the lowest of those with the fewest takes, solved densely."""
    q = theory.shared_attention(arrival_rate=rate, service_rate=1.0, agents=agents, stretch=stretch)
    share, states = named_agents(agents, stretch, rate, waiters=150)
    most = len(stretch)
    full = np.array([min(hands) == most for hands, _ in states])
    waiting = np.array([queue for _, queue in states])
    in_hand = np.array([sum(hands) for hands, _ in states])
    assert q.p_wait == pytest.approx(share @ full, rel=1e-7)
    assert q.mean_wait == pytest.approx(share @ waiting / rate, rel=1e-7)
    assert q.mean_sojourn == pytest.approx(share @ (waiting + in_hand) / rate, rel=1e-7)
    assert q.occupancy == pytest.approx(share @ in_hand / agents / most, rel=1e-7)


State = tuple[tuple[int, ...], int]


def named_agents(agents: int, stretch: Sequence[float], rate: float, waiters: int) -> tuple[np.ndarray, list[State]]:
    """Return the stationary probabilities and the states, (chats of each agent, waiters), with so many at most."""
    most = len(stretch)
    hands_of_all = list(product(range(most + 1), repeat=agents))
    states = [(hands, 0) for hands in hands_of_all] + [((most,) * agents, queue) for queue in range(1, waiters + 1)]
    number = {state: i for i, state in enumerate(states)}
    generator = np.zeros((len(states), len(states)))

    def flow(start: State, end: State, speed: float) -> None:
        generator[number[start], number[end]] += speed
        generator[number[start], number[start]] -= speed

    for hands, queue in states:
        if min(hands) < most:
            taker = hands.index(min(hands))
            flow((hands, queue), (changed(hands, taker, 1), 0), rate)
        elif queue < waiters:
            flow((hands, queue), (hands, queue + 1), rate)
        for agent, held in enumerate(hands):
            if held:
                left: State = (hands, queue - 1) if queue else (changed(hands, agent, -1), 0)
                flow((hands, queue), left, held / stretch[held - 1])
    balance = np.vstack([generator.T, np.ones(len(states))])
    share, *_ = np.linalg.lstsq(balance, np.append(np.zeros(len(states)), 1.0), rcond=None)
    return share, states


def changed(hands: tuple[int, ...], agent: int, by: int) -> tuple[int, ...]:
    return (*hands[:agent], hands[agent] + by, *hands[agent + 1 :])


def test_chats_that_the_agents_cannot_carry_are_refused() -> None:
    with pytest.raises(ValueError, match=r"below the capacity, 3\.2"):
        theory.shared_attention(arrival_rate=3.2, service_rate=1.0, agents=2, stretch=(1.0, 1.25))


def test_what_is_left_of_a_time_is_half_of_a_fixed_one_and_all_of_an_exponential_one() -> None:
    assert theory.mean_residual(mean=3.0, cv=0.0) == 1.5
    assert theory.mean_residual(mean=3.0, cv=1.0) == 3.0
    assert theory.mean_residual(mean=3.0, cv=2.0) == 7.5
