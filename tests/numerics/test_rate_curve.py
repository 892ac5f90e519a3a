"""The arrival-rate curve against a slow exact twin."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.numerics.rate_curve import Curve

HOUR = 3_600_000

widths = st.one_of(st.integers(1, 5), st.integers(1, 10 * HOUR), st.just(HOUR))
rates = st.one_of(st.just(0.0), st.sampled_from([1.0, 0.5, 417.0, 36_000.0]), st.floats(1e-3, 1e7))


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    pieces = draw(st.lists(st.tuples(widths, rates), min_size=1, max_size=8))
    first = draw(st.one_of(st.just(0), st.integers(0, 40 * 24 * HOUR)))
    edges = np.cumsum([first] + [width for width, _ in pieces])
    return Curve(edges, np.array([rate for _, rate in pieces]))


def exact_between(curve: Curve, begin: int, end: int) -> Fraction:
    """The slow twin: every piece's area, one after the other, in exact fractions."""
    area = Fraction(0)
    for left, right, rate in zip(curve.edges_ms[:-1], curve.edges_ms[1:], curve.rate_per_hour, strict=True):
        inside = max(min(end, int(right)) - max(begin, int(left)), 0)
        area += inside * Fraction(float(rate)) / HOUR
    return area


@given(st.integers(1, 2 * HOUR), st.lists(st.tuples(st.integers(1, 9), rates), min_size=1, max_size=8), st.booleans())
def test_what_is_expected_in_a_step_is_its_exact_area(
    step_ms: int, pieces: list[tuple[int, float]], on_steps: bool
) -> None:
    unit = step_ms if on_steps else max(step_ms // 3, 1)
    edges = np.cumsum([0] + [width * unit for width, _ in pieces])
    curve = Curve(edges, np.array([rate for _, rate in pieces]))
    wanted = [float(exact_between(curve, a, a + step_ms)) for a in range(0, int(edges[-1]), step_ms)]
    assert curve.expected(step_ms).tolist() == pytest.approx(wanted, rel=1e-12, abs=1e-15)


def test_rate_at_belongs_to_the_piece_that_starts_and_is_zero_outside() -> None:
    curve = Curve(np.array([10, 20, 30]), np.array([5.0, 7.0]))
    assert curve.rate_at([9, 10, 19, 20, 29, 30, 1000]).tolist() == [0, 5, 5, 7, 7, 0, 0]


@given(curves(), st.lists(st.tuples(st.integers(1, HOUR), st.floats(0, 10)), min_size=1, max_size=5))
def test_a_product_has_the_product_of_both_rates_everywhere(curve: Curve, steps: list[tuple[int, float]]) -> None:
    inner = np.cumsum([0] + [width for width, _ in steps])
    edges = np.append(inner, max(inner[-1], curve.edges_ms[-1]) + 1)
    factor = Curve(edges, np.array([value for _, value in steps] + [1.5]))
    product = curve.times(factor)
    times = np.union1d(curve.edges_ms, edges)
    times = np.union1d(times, times - 1)
    assert product.rate_at(times).tolist() == (curve.rate_at(times) * factor.rate_at(times)).tolist()
    assert (product.edges_ms[0], product.edges_ms[-1]) == (curve.edges_ms[0], curve.edges_ms[-1])


def test_a_factor_that_does_not_cover_the_curve_is_refused() -> None:
    curve = Curve(np.array([0, 100]), np.array([1.0]))
    with pytest.raises(ValueError, match="other: got edges from 0 to 99 ms; must cover 0 to 100 ms"):
        curve.times(Curve(np.array([0, 99]), np.array([2.0])))


@pytest.mark.parametrize(
    ("edges", "rate", "message"),
    [
        ([0], [], r"edges_ms: got int64 \(1,\); must be 2 or more whole milliseconds in a row"),
        ([0.0, 1.5], [1.0], r"edges_ms: got float64 \(2,\); must be 2 or more whole milliseconds in a row"),
        ([0, 1], [1.0, 2.0], r"rate_per_hour: got float64 \(2,\); must be 1 numbers in a row"),
        ([-1, 1], [1.0], "edges_ms: got -1 first; must be 0 ms or more"),
        ([0, 5, 5], [1.0, 1.0], "edges_ms: got edges out of order; must strictly increase"),
        ([0, 1], [-4.0], "rate_per_hour: got -4.0; must be a finite rate per hour, 0 or more"),
        ([0, 1], [math.nan], "rate_per_hour: got nan; must be a finite rate per hour, 0 or more"),
        ([0, 1], [math.inf], "rate_per_hour: got inf; must be a finite rate per hour, 0 or more"),
        ([-1, -2], [math.nan], "must be 0 ms or more; edges_ms: .* must strictly increase; rate_per_hour"),
        ([0, 2**62], [1e308], "rate_per_hour: the total is infinite"),
    ],
)
def test_what_is_no_curve_is_refused(edges: list[float], rate: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Curve(np.array(edges), np.array(rate))


def test_a_curve_keeps_its_own_read_only_arrays() -> None:
    edges = np.array([0, 10])
    curve = Curve(edges, np.array([1.0]))
    edges[1] = 5
    assert curve.edges_ms.tolist() == [0, 10]
    with pytest.raises(ValueError, match="read-only"):
        curve.rate_per_hour[0] = 2.0
