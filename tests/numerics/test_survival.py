"""Kaplan-Meier against textbook answers and a twin in exact fractions, alone and by group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.numerics.survival import NOT_REACHED, group_bits, quantiles
from tests.support.twins.slow_survival import slow_kaplan_meier


def quantile(durations: Sequence[int] | np.ndarray, observed: Sequence[bool] | np.ndarray, p: float) -> float | None:
    """Return the p-quantile of one group, as ``quantiles`` gives it."""
    event = np.asarray(observed, dtype=bool)
    keys = (np.asarray(durations, dtype=np.int64) * 2 + ~event) << group_bits(1)
    alone, together = quantiles(keys, 1, (p,))[:, 0].tolist()
    assert alone == together
    return None if alone == NOT_REACHED else float(alone)


def test_kaplan_meier_by_hand() -> None:
    # At risk 6, 5, 3, 2 at the events 1, 2, 4, 5: S = 5/6, 4/6, 4/9, 2/9.
    durations = np.array([1, 2, 2, 4, 5, 6])
    observed = np.array([True, True, False, True, True, False])
    wanted = {1 / 6: 1.0, 0.17: 2.0, 1 / 3: 2.0, 0.34: 4.0, 5 / 9: 4.0, 0.56: 5.0, 7 / 9: 5.0, 0.78: None, 1.0: None}
    assert {p: quantile(durations, observed, p) for p in wanted} == wanted


def test_kaplan_meier_of_the_leukaemia_remissions() -> None:
    # 6-MP arm of Freireich et al. 1963, weeks; S(23) = 0.448, so the median is 23 (Kalbfleisch and Prentice 1980).
    weeks = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    relapsed = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    assert quantile(weeks, relapsed, 0.5) == 23.0
    assert quantile(weeks, relapsed, 0.25) == 13.0
    assert quantile(weeks, relapsed, 0.75) is None


@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans()), max_size=40),
    st.one_of(st.floats(0.01, 1.0), st.sampled_from([0.1, 0.25, 0.5, 0.9, 1.0])),
)
def test_kaplan_meier_equals_its_exact_twin(rows: list[tuple[int, bool]], p: float) -> None:
    durations, observed = [d for d, _ in rows], [o for _, o in rows]
    fast = quantile(np.array(durations, dtype=np.int64), np.array(observed, dtype=bool), p)
    assert fast == slow_kaplan_meier(durations, observed, p)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), st.integers(1, 100))
def test_without_censoring_it_is_the_smallest_duration_with_a_share_p_at_or_below(
    durations: list[int], percent: int
) -> None:
    rank = -(-percent * len(durations) // 100)
    fast = quantile(durations, np.ones(len(durations), dtype=bool), percent / 100)
    assert fast == sorted(durations)[rank - 1]


def test_every_rank_of_every_small_sample_is_hit_despite_the_rounding_of_products() -> None:
    for n in range(1, 80):
        found = [quantile(range(n), [True] * n, rank / n) for rank in range(1, n + 1)]
        assert found == list(range(n))


def test_censored_tickets_pull_the_quantile_up_and_never_down() -> None:
    rng = np.random.default_rng(3)
    durations = rng.exponential(3_600_000, 4000).astype(np.int64)
    seen = rng.random(4000) < 0.6
    closed_only = quantile(durations[seen], np.ones(seen.sum(), dtype=bool), 0.5)
    honest = quantile(durations, seen, 0.5)
    assert honest is not None
    assert closed_only is not None
    assert honest > 1.5 * closed_only


@given(
    st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.integers(0, 3)), max_size=60),
    st.lists(st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9, 1.0]), min_size=1, max_size=3, unique=True).map(sorted),
)
def test_each_group_and_all_together_are_their_own_estimates(
    rows: list[tuple[int, bool, int]], shares: list[float]
) -> None:
    keys = np.array([(d * 2 + (not o)) << group_bits(4) | g for d, o, g in rows], dtype=np.int64)
    found = quantiles(keys, 4, tuple(shares))
    for group in range(5):
        mine = [(d, o) for d, o, g in rows if group in (g, 4)]
        wanted = [slow_kaplan_meier([d for d, _ in mine], [o for _, o in mine], p) for p in shares]
        assert [None if ms == NOT_REACHED else ms for ms in found[group].tolist()] == wanted


def test_the_estimate_stays_exact_over_many_thousands() -> None:
    """With every second duration censored the product has 50,000 factors; here in 80 bits."""
    n = 100_000
    durations, observed = np.arange(n), np.arange(n) % 2 == 0
    survival = np.cumprod(np.where(observed, 1 - 1 / np.arange(n, 0, -1, dtype=np.longdouble), 1))
    for p in (0.5, 0.9, 0.99):
        assert quantile(durations, observed, p) == np.flatnonzero(survival <= 1 - p)[0]
