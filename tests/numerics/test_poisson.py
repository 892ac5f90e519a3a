"""Poisson counts against exact tails, and the expansion from which they come against the solution that it expands."""

from __future__ import annotations

import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammainc, gammaincc, ndtr

from sim.numerics.poisson import expansion, poisson_count


def exact_poisson(mean: float, u: float) -> int:
    """The slow twin: add terms of the series in 60 digits until the sum reaches u.

    A step within 1e-12 of u, relative to the smaller tail, is where float64 may fall on either side: -1.
    """
    with localcontext() as context:
        context.prec = 60
        m, target = Decimal(mean), Decimal(u)
        margin = min(target, 1 - target) * Decimal("1e-12")
        term = total = (-m).exp()
        k = 0
        while total < target - margin:
            k += 1
            term = term * m / k
            total += term
        return k if total > target + margin or not target else -1


uniforms = st.one_of(
    st.floats(2.0**-64, 1, exclude_max=True),
    st.sampled_from([0.0, 2.0**-53, 0.5, 1 - 2.0**-53, 1 - 2.0**-24]),
)


@settings(max_examples=300)
@given(st.one_of(st.floats(0, 50), st.floats(0, 800), st.sampled_from([0.0, 1e-300, 1e-9])), uniforms)
def test_poisson_counts_equal_the_exact_series(mean: float, u: float) -> None:
    assert int(poisson_count(mean, u)) == exact_poisson(mean, u) or exact_poisson(mean, u) == -1


def test_the_exact_series_nearly_always_decides() -> None:
    rng = np.random.default_rng(5)
    pairs = zip(rng.uniform(0, 60, 300), rng.random(300), strict=True)
    assert all(int(poisson_count(m, u)) == exact_poisson(m, u) for m, u in pairs)


def tail(mean: float, k: int, *, upper: bool) -> float:
    """The slow twin for large means: P(N > k) or P(N <= k), by Stirling's series and the ratios of the terms."""
    first = k + 1 if upper else k
    with localcontext() as context:
        context.prec = 40
        n, m, pi = Decimal(first + 1), Decimal(mean), Decimal("3.141592653589793238462643383279502884197")
        log_factorial = (n - Decimal("0.5")) * n.ln() - n + (2 * pi).ln() / 2 + 1 / (12 * n) - 1 / (360 * n**3)
        term = float((first * m.ln() - m - log_factorial).exp())
    steps = np.arange(1, int(12 * np.sqrt(mean)))
    ratios = mean / (first + steps) if upper else (first + 1 - steps) / mean
    return term * (1 + np.cumprod(ratios).sum())


@pytest.mark.parametrize("mean", [1e4, 0.9e5, 1.1e5, 1e6, 1e9])
def test_poisson_counts_of_large_means_bracket_the_uniform(mean: float) -> None:
    for u in (2.0**-60, 1e-9, 1e-6, 1e-3, 0.1, 0.4, 0.5):
        k = int(poisson_count(mean, u))
        assert tail(mean, k, upper=False) >= u * (1 - 1e-7)
        assert tail(mean, k - 1, upper=False) <= u * (1 + 1e-7)
    for about in (2.0**-53, 1e-9, 1e-6, 1e-3, 0.1, 0.4, 0.49):
        u = 1 - about
        k, rest = int(poisson_count(mean, u)), 1 - u
        assert tail(mean, k, upper=True) <= rest * (1 + 1e-7)
        assert tail(mean, k - 1, upper=True) >= rest * (1 - 1e-7)


def test_a_count_is_the_step_that_the_tails_say() -> None:
    """Means of all sizes and uniforms out to both ends, half a million of them."""
    rng = np.random.default_rng(6)
    means = np.concatenate([np.exp(rng.uniform(np.log(1e-3), np.log(1e5), 250_000)), rng.uniform(0, 60, 250_000)])
    u = rng.random(len(means))
    u[::3] = np.exp(-rng.uniform(0, 40, len(u[::3])))
    u[1::3] = 1 - np.exp(-rng.uniform(0, 36, len(u[1::3])))
    k = poisson_count(means, u)

    def reached(k: np.ndarray) -> np.ndarray:
        return np.where(u > 0.5, gammainc(k + 1.0, means) <= 1 - u, gammaincc(k + 1.0, means) >= u)

    assert reached(k).all()
    assert not reached(np.maximum(k, 1) - 1)[k > 0].any()


def test_the_expansion_leaves_out_less_than_half_of_what_is_allowed_for() -> None:
    """x solves Q(x, m) = u; bisected by the smaller tail, for means and w from end to end of where it is used."""
    w = np.linspace(-9, 9, 721)
    for mean in [8.0, 8.5, 10.0, 13.0, 17.0, 22.0, 28.0, 35.0, 50.0, 81.0, 120.0, 250.0, 600.0, 2e3, 1e4, 1e5]:
        inside = w[np.abs(w) < np.sqrt(mean)]
        low, high = np.full(len(inside), 1e-9), np.full(len(inside), mean + 12 * np.sqrt(mean) + 60)
        for _ in range(90):
            x = (low + high) / 2
            above = np.where(inside > 0, gammainc(x, mean) <= ndtr(-inside), gammaincc(x, mean) >= ndtr(inside))
            low, high = np.where(above, low, x), np.where(above, x, high)
        found = [expansion(mean, float(one)) for one in inside]
        left_out = np.abs(np.array([one[0] for one in found]) - x)
        # The solution itself is known to some 1e-13 of its spread only.
        assert (left_out <= np.array([one[1] for one in found]) / 2 + 1e-12 * mean).all(), mean


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=30), uniforms)
def test_a_busier_plan_never_has_fewer_arrivals_of_the_same_uniform(means: list[float], u: float) -> None:
    assert (np.diff(poisson_count(np.sort(means), u)) >= 0).all()


def test_poisson_counts_have_the_mean_and_variance_of_the_law() -> None:
    u = (np.arange(200_000) + 0.5) / 200_000
    for mean in (0.3, 7.0, 1234.5):
        k = poisson_count(mean, u)
        assert k.dtype == np.int64
        assert k.mean() == pytest.approx(mean, rel=1e-3)
        assert k.var() == pytest.approx(mean, rel=5e-3)


def test_poisson_counts_broadcast_and_keep_the_shape() -> None:
    k = poisson_count(np.array([[0.0], [5.0]]), np.array([0.0, 0.5, 0.999]))
    assert k.tolist() == [[0, 0, 0], [0, 5, 13]]
    assert poisson_count(np.empty(0), np.empty(0)).shape == (0,)


def test_the_count_does_not_jump_where_the_way_to_find_it_changes() -> None:
    u = (np.arange(20_000) + 0.5) / 20_000
    counts = [poisson_count(mean, u) for mean in (8 - 1e-9, 8.0, 8 + 1e-9)]
    assert (counts[0] == counts[1]).all()
    assert (counts[1] == counts[2]).all()


@pytest.mark.parametrize(
    ("mean", "u", "message"),
    [
        (-1.0, 0.5, r"mean: must be a number of arrivals in \[0, 1e12\]"),
        (math.nan, 0.5, "mean: must be"),
        (math.inf, 0.5, "mean: must be"),
        (1.0, 1.0, r"u: must be in \[0, 1\)"),
        (1.0, -0.1, "u: must be"),
        (1.0, math.nan, "u: must be"),
    ],
)
def test_what_is_no_mean_or_uniform_is_refused(mean: float, u: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        poisson_count(mean, u)
    with pytest.raises(ValueError, match=message):
        poisson_count(np.array([1.0, mean]), np.array([0.5, u]))
