"""Half-widths, differences and quantiles against textbook answers and slow twins."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstat, skew

from sim.numerics import statistics
from tests.bench import bench_intervals

ORACLES = {o["id"]: o for o in json.loads((Path(__file__).parents[1] / "support" / "oracles.json").read_text())}


def oracle(name: str) -> tuple[dict, dict]:
    return ORACLES[name]["parameters"], ORACLES[name]["answer"]


@pytest.mark.parametrize("name", ["tcrit-5", "tcrit-10", "tcrit-30", "tcrit-100"])
def test_student_t(name: str) -> None:
    parameters, answer = oracle(name)
    assert statistics.t_critical(parameters["n"] - 1) == pytest.approx(answer["t"], rel=1e-10)


def test_student_t_tends_to_the_normal_and_widens_with_confidence() -> None:
    assert statistics.t_critical(1e9) == pytest.approx(1.959963984540054, rel=1e-8)
    assert statistics.t_critical(1, 0.5) == pytest.approx(1.0, rel=1e-12)
    assert statistics.t_critical(9, 0.99) > statistics.t_critical(9, 0.95) > statistics.t_critical(9, 0.9)


def test_paired_and_welch_differences() -> None:
    parameters, answer = oracle("paired-vs-welch")
    a, b = parameters["A"], parameters["B"]
    paired, welch = statistics.paired_difference(a, b), statistics.welch_difference(a, b)
    assert paired.mean == pytest.approx(answer["mean_diff"], rel=1e-12)
    # The table has Student's half-widths; they are widened by 3 x third cumulant^2 / variance^3 of the mean.
    apart = np.subtract(a, b)
    widened = 1 + 3 * skew(apart, bias=False) ** 2 / 10
    assert widened > 1.001
    assert paired.half_width == pytest.approx(answer["paired_halfwidth"] * widened, rel=1e-10)
    assert paired.degrees_of_freedom == 9
    assert welch.mean == pytest.approx(answer["mean_diff"], rel=1e-12)
    third = (kstat(a, 3) - kstat(b, 3)) / 10**2
    widened = 1 + 3 * third**2 / ((np.var(a, ddof=1) + np.var(b, ddof=1)) / 10) ** 3
    assert widened > 1.0001
    assert welch.half_width == pytest.approx(answer["welch_halfwidth"] * widened, rel=1e-10)
    assert welch.degrees_of_freedom == pytest.approx(answer["welch_df"], rel=1e-10)
    assert paired.clear
    assert welch.clear


def test_half_width_by_hand() -> None:
    # 1, 2, 3: s = 1, t_2 = 4.302652729749, n = 3, no skewness.
    assert statistics.half_width([1, 2, 3]) == pytest.approx(4.302652729749 / math.sqrt(3), rel=1e-12)
    # 0, 0, 3: mean 1, s = sqrt(3), third cumulant 3 / (2 x 1) x (8 - 1 - 1) = 9, and G^2 = 81 / 27 = 3: four times.
    assert statistics.half_width([0, 0, 3]) == pytest.approx(4 * 4.302652729749, rel=1e-12)
    assert statistics.half_width([0, 3]) == pytest.approx(12.7062047361747 * 1.5, rel=1e-12), "two have no skewness"
    assert statistics.half_width([5.0]) is None
    assert statistics.half_width([]) is None
    assert statistics.half_width([7, 7, 7]) == 0.0


@pytest.mark.parametrize("n", bench_intervals.SIZES)
@pytest.mark.parametrize("law", [name for name in bench_intervals.LAWS if name != bench_intervals.BEYOND])
@pytest.mark.parametrize("kind", bench_intervals.KINDS)
def test_half_widths_hold_the_truth_as_often_as_they_say(kind: str, law: str, n: int) -> None:
    """Within the aim, but for three standard errors."""
    trials = 600
    rng = np.random.default_rng([11, n])
    low, high = bench_intervals.AIM
    share = bench_intervals.KINDS[kind](bench_intervals.LAWS[law], n, trials, rng)
    assert low - 3 * math.sqrt(low * (1 - low) / trials) <= share <= high + 3 * math.sqrt(high * (1 - high) / trials)


def test_student_s_half_widths_alone_would_not() -> None:
    law = bench_intervals.LAWS["exponential"]
    rows = law.draw(np.random.default_rng(12), (4000, 10))
    plain = statistics.t_critical(9) * rows.std(axis=1, ddof=1) / math.sqrt(10)
    assert (abs(rows.mean(axis=1) - law.mean) <= plain).mean() < bench_intervals.AIM[0] - 0.01


def test_a_difference_of_single_replications_has_no_half_width() -> None:
    for difference in (statistics.paired_difference([3.0], [1.0]), statistics.welch_difference([3.0], [1.0, 1.0])):
        assert difference.mean == 2.0
        assert difference.half_width is None
        assert not difference.clear


def test_welch_of_constant_samples_is_exact() -> None:
    assert statistics.welch_difference([2, 2], [1, 1]).half_width == 0.0


finite = st.floats(-1e6, 1e6)


@given(st.lists(finite, min_size=2, max_size=20), finite)
def test_a_shift_moves_the_mean_and_not_the_half_width(samples: list[float], shift: float) -> None:
    shifted = statistics.paired_difference(np.array(samples) + shift, np.zeros(len(samples)))
    plain = statistics.half_width(samples)
    assert plain is not None
    assert shifted.half_width == pytest.approx(plain, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: statistics.half_width([1.0, math.nan]), "samples: got nan; must be finite numbers"),
        (lambda: statistics.half_width([[1.0], [2.0]]), "samples: got 2 dimensions; must be one row of numbers"),
        (lambda: statistics.paired_difference([1, 2], [1]), "got 2 and 1 samples; must be as many, and at least 1"),
        (lambda: statistics.welch_difference([], [1]), "got 0 and 1 samples; must be at least 1 each"),
        (lambda: statistics.quantile([1.0], 1.5), r"p: got 1.5; must be in \[0, 1\]"),
        (lambda: statistics.t_critical(0), "degrees_of_freedom: got 0; must be above 0"),
        (lambda: statistics.t_critical(5, 95), "confidence: got 95; must be above 0 and below 1"),
        (lambda: statistics.precise_enough([1, 2], 0.0), "relative_error: got 0.0; must be a number above 0"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_quantile_interpolates_between_neighbours() -> None:
    assert statistics.quantile([10, 20, 30, 40, 50], 0.05) == pytest.approx(12.0)
    assert statistics.quantile([40, 10], 0.25) == pytest.approx(17.5)
    assert statistics.quantile([7], 0.95) == 7.0
    assert statistics.quantile([], 0.5) is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30), st.floats(0, 1))
def test_quantile_is_numpy_s(samples: list[float], p: float) -> None:
    assert statistics.quantile(samples, p) == float(np.quantile(samples, p))
    assert statistics.quantile_of_sorted(np.sort(samples), p) == float(np.quantile(samples, p))


def test_sequential_rule() -> None:
    parameters, answer = oracle("sequential-relative")
    s, mean, n0 = (parameters[key] for key in ("s", "xbar", "n0"))
    half_width = statistics.t_critical(n0 - 1) * s / math.sqrt(n0)
    assert half_width == pytest.approx(answer["halfwidth_n0"], rel=1e-10)
    assert statistics.relative_precision(mean, half_width) == pytest.approx(answer["relative_n0"], rel=1e-10)


def spread(n: int, mean: float, deviation: float) -> np.ndarray:
    """Samples that have exactly this mean and standard deviation."""
    z = np.linspace(-1, 1, n)
    return mean + deviation * z / z.std(ddof=1)


def test_replication_stops_exactly_when_planned() -> None:
    parameters, answer = oracle("sequential-relative")
    s, mean, gamma, planned = *(parameters[key] for key in ("s", "xbar", "gamma")), answer["planned_n"]
    assert not statistics.precise_enough(spread(planned - 1, mean, s), gamma)
    assert statistics.precise_enough(spread(planned, mean, s), gamma)


def test_what_has_no_precision_never_stops() -> None:
    assert not statistics.precise_enough([1.0], 0.5)
    assert not statistics.precise_enough([-1.0, 1.0], 0.5)
    assert statistics.precise_enough([0.0, 0.0], 0.5)
    assert statistics.relative_precision(5.0, None) == math.inf


def test_importing_it_does_not_import_scipy() -> None:
    code = "import sim.numerics.statistics, sys; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0
