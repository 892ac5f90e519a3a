"""Two clusters are found where there are two, and hardly ever where there is one; probabilities and medians by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sim.numerics.outcomes import median_ranks, probability_interval, two_clusters

SIZES = (10, 20, 50, 100)
Law = Callable[[np.random.Generator, int], np.ndarray]
ONE_PEAK: dict[str, Law] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "uniform": lambda rng, n: rng.uniform(size=n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "lognormal, cv 1.3": lambda rng, n: rng.lognormal(sigma=1.0, size=n),
    "lognormal, cv 7": lambda rng, n: rng.lognormal(sigma=2.0, size=n),
    "student, 3": lambda rng, n: rng.standard_t(3, size=n),
    "rare counts": lambda rng, n: rng.poisson(0.5, n) / 28,
    "counts": lambda rng, n: rng.poisson(3.0, n) / 28,
    "many counts": lambda rng, n: rng.poisson(300.0, n) / 28,
    "geometric": lambda rng, n: rng.geometric(0.3, n).astype(float),
    "nothing or something": lambda rng, n: rng.exponential(size=n) * (rng.uniform(size=n) < 0.5),
    "all the same": lambda rng, n: np.full(n, 3.0),
}


@pytest.mark.parametrize("law", ONE_PEAK)
@pytest.mark.parametrize("n", SIZES)
def test_one_peak_is_hardly_ever_taken_for_two(law: str, n: int) -> None:
    """In 500 samples of each size at most 3, where 1 in 500 is the rate that the rule is made for."""
    rng = np.random.default_rng([n, *law.encode()])
    found = sum(two_clusters(ONE_PEAK[law](rng, n)) is not None for _ in range(500))
    assert found <= 3


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
@pytest.mark.parametrize("n", [20, 50, 100])
def test_two_peaks_are_found_and_cut_between(n: int, share: float) -> None:
    """A run dies out, or takes about 65 %: missed in at most 8 of 100 (of 20, too few are of a kind in 3.5)."""
    rng = np.random.default_rng([n, round(10 * share)])
    missed = 0
    for _ in range(100):
        ran = rng.uniform(size=n) < share
        samples = np.where(ran, rng.normal(0.65, 0.03, n), rng.exponential(0.002, n))
        between = two_clusters(samples)
        missed += between is None
        assert between is None or ((samples > between) == ran).all()
    assert missed <= 8


def test_too_few_samples_and_too_few_of_a_kind_tell_nothing() -> None:
    low, high = [0.0, 0.001, 0.002], [0.64, 0.65, 0.66]
    assert two_clusters(np.array(low * 2 + high)) is None  # 9
    assert two_clusters(np.array(low * 2 + [0.0015] + high)) == pytest.approx((0.002 + 0.64) / 2)
    assert two_clusters(np.array(low * 4 + high[:2])) is None


def test_neighbouring_counts_are_no_clusters() -> None:
    assert two_clusters(np.array([0.0] * 12 + [1.0] * 8)) is None
    assert two_clusters(np.array([0.0] * 6 + [1.0] * 4 + [3.0] * 6 + [4.0] * 4)) is None


@pytest.mark.parametrize(
    ("happened", "of", "low", "high"),
    # R: binom.test(10, 20), (0, 20), (20, 20), (3, 10)
    [(10, 20, 0.2719578, 0.7280422), (0, 20, 0.0, 0.1684335), (20, 20, 0.8315665, 1.0), (3, 10, 0.0667395, 0.6524529)],
)
def test_the_interval_of_a_probability_is_clopper_and_pearson_s(
    happened: int, of: int, low: float, high: float
) -> None:
    assert probability_interval(happened, of) == pytest.approx((low, high), abs=1e-6)


def test_more_than_all_is_refused() -> None:
    with pytest.raises(ValueError, match="must be at most as many"):
        probability_interval(4, 3)


@pytest.mark.parametrize(("n", "ranks"), [(5, None), (6, (0, 5)), (10, (1, 8)), (20, (5, 14)), (100, (39, 60))])
def test_the_median_lies_between_these_ranks(n: int, ranks: tuple[int, int] | None) -> None:
    """Conover, table of the sign test: for 20, P(fewer than 6 below) = 0.0207; for 10, P(fewer than 2) = 0.0107."""
    assert median_ranks(n) == ranks
