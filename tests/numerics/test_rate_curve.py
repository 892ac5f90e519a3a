"""The arrival-rate curve against a slow exact twin."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.numerics.rate_curve import Curve, paced

HOUR = 3_600_000

widths = st.one_of(st.integers(1, 5), st.integers(1, 10 * HOUR), st.just(HOUR))
rates = st.one_of(st.just(0.0), st.sampled_from([1.0, 0.5, 417.0, 36_000.0]), st.floats(1e-3, 1e7))


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    pieces = draw(st.lists(st.tuples(widths, rates), min_size=1, max_size=8))
    first = draw(st.one_of(st.just(0), st.integers(0, 40 * 24 * HOUR)))
    edges = np.cumsum([first] + [width for width, _ in pieces])
    return Curve(edges, np.array([rate for _, rate in pieces]))


def exact_cumulative(curve: Curve, t: float) -> Fraction:
    """The slow twin: every piece's area, one after the other, in exact fractions."""
    area = Fraction(0)
    for left, right, rate in zip(curve.edges_ms[:-1], curve.edges_ms[1:], curve.rate_per_hour, strict=True):
        inside = min(max(Fraction(t), Fraction(int(left))), Fraction(int(right))) - int(left)
        area += inside * Fraction(float(rate)) / HOUR
    return area


def exact_inverse(curve: Curve, count: float) -> Fraction | None:
    """The slow twin: walk the pieces until the count is reached; None when it never is."""
    left_over = Fraction(count)
    if left_over <= 0:
        return Fraction(int(curve.edges_ms[0]))
    for left, right, rate in zip(curve.edges_ms[:-1], curve.edges_ms[1:], curve.rate_per_hour, strict=True):
        area = int(right - left) * Fraction(float(rate)) / HOUR
        if area >= left_over:
            return int(left) + left_over * HOUR / Fraction(float(rate))
        left_over -= area
    return None


def tolerance(curve: Curve, t: float) -> float:
    """What one step of a float64 time is worth in arrivals, times two, and 1e-9 of the count."""
    return 1e-9 * curve.total + 2 * math.ulp(t) * float(curve.rate_per_hour.max()) / HOUR


@given(curves(), st.floats(-0.2, 1.2))
def test_cumulative_equals_the_exact_area(curve: Curve, share: float) -> None:
    span = float(curve.edges_ms[-1] - curve.edges_ms[0])
    t = float(curve.edges_ms[0]) + share * span
    exact = exact_cumulative(curve, t)
    assert float(curve.cumulative(t)) == pytest.approx(float(exact), rel=1e-12, abs=1e-15)


@given(curves(), st.floats(0, 1))
def test_cumulative_of_inverse_is_the_count(curve: Curve, share: float) -> None:
    count = share * curve.total
    t = float(curve.inverse(count))
    resolution = 2 * math.ulp(t) * float(curve.rate_per_hour.max()) / HOUR
    assert abs(float(curve.cumulative(t)) - count) <= 1e-9 * count + resolution


@given(curves(), st.floats(0, 0.999))
def test_inverse_is_where_the_exact_twin_says(curve: Curve, share: float) -> None:
    count = share * curve.total
    exact = exact_inverse(curve, count)
    assert exact is not None
    t = float(curve.inverse(count))
    # Both are near in arrivals, if not in time: a nearly flat piece turns a rounding into hours.
    assert abs(float(exact_cumulative(curve, t)) - count) <= tolerance(curve, t)
    steep = curve.rate_per_hour[curve.rate_per_hour > 0]
    slack = 2 * tolerance(curve, t) * HOUR / float(steep.min()) if steep.size else 0.0
    crosses_a_flat = bool((curve.rate_per_hour == 0).any())
    assert crosses_a_flat or abs(t - float(exact)) <= slack + 2 * math.ulp(t)


@given(curves(), st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_cumulative_and_inverse_never_decrease(curve: Curve, shares: list[float]) -> None:
    ordered = np.sort(shares)
    span = curve.edges_ms[-1] - curve.edges_ms[0]
    assert (np.diff(curve.cumulative(curve.edges_ms[0] + ordered * span)) >= 0).all()
    assert (np.diff(curve.inverse(ordered * curve.total)) >= 0).all()


@given(curves())
def test_every_edge_has_its_running_total_and_the_last_is_the_total(curve: Curve) -> None:
    assert curve.cumulative(curve.edges_ms).tolist() == curve.cum.tolist()
    assert curve.cumulative(curve.edges_ms[-1]) == curve.total


def test_inverse_returns_the_start_of_a_flat_stretch_and_skips_it_afterwards() -> None:
    curve = Curve(np.array([0, HOUR, 3 * HOUR, 4 * HOUR]), np.array([2.0, 0.0, 2.0]))
    assert curve.inverse([0.0, 1.0, 2.0, 3.0, 4.0]).tolist() == [0, HOUR / 2, HOUR, 3.5 * HOUR, 4 * HOUR]
    assert float(curve.inverse(np.nextafter(2.0, 3.0))) >= 3 * HOUR


def test_inverse_of_a_leading_flat_stretch_starts_behind_it() -> None:
    curve = Curve(np.array([10, 20, 20 + HOUR]), np.array([0.0, 1.0]))
    assert curve.inverse([0.0, -1.0]).tolist() == [10.0, 10.0]
    assert float(curve.inverse(0.25)) == 20 + HOUR / 4


def test_a_count_above_the_total_is_never_due() -> None:
    curve = Curve(np.array([0, HOUR]), np.array([3.0]))
    assert float(curve.inverse(3.0)) == HOUR
    assert math.isinf(float(curve.inverse(3.0000001)))
    assert math.isinf(float(Curve(np.array([0, 1]), np.array([0.0])).inverse(1e-300)))
    with pytest.raises(ValueError, match="count: got nan; must be a number of arrivals"):
        curve.inverse([1.0, math.nan])


def test_rate_at_belongs_to_the_piece_that_starts_and_is_zero_outside() -> None:
    curve = Curve(np.array([10, 20, 30]), np.array([5.0, 7.0]))
    assert curve.rate_at([9, 10, 19, 20, 29, 30, 1000]).tolist() == [0, 5, 5, 7, 7, 0, 0]


@given(curves(), st.floats(0, 100))
def test_scaling_scales_the_total_and_moves_no_arrival_share(curve: Curve, factor: float) -> None:
    scaled = curve.scaled(factor)
    assert scaled.total == pytest.approx(curve.total * factor, rel=1e-12)
    assert scaled.edges_ms.tolist() == curve.edges_ms.tolist()


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


@given(curves(), st.floats(0, 1), st.floats(0, 1))
def test_means_of_neighbouring_spans_add_up(curve: Curve, one: float, two: float) -> None:
    first, last = curve.edges_ms[0], curve.edges_ms[-1]
    a, b = first + min(one, two) * (last - first), first + max(one, two) * (last - first)
    parts = float(curve.mean_between(first, a) + curve.mean_between(a, b) + curve.mean_between(b, last))
    assert parts == pytest.approx(curve.total, rel=1e-12, abs=1e-12)
    assert curve.mean_between(a, b) >= 0


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


@pytest.mark.parametrize("factor", [-1.0, math.nan, math.inf])
def test_what_is_no_factor_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match=r"factor: got .*; must be a finite number, 0 or more"):
        Curve(np.array([0, 1]), np.array([1.0])).scaled(factor)


def test_a_curve_keeps_its_own_read_only_arrays() -> None:
    edges = np.array([0, 10])
    curve = Curve(edges, np.array([1.0]))
    edges[1] = 5
    assert curve.edges_ms.tolist() == [0, 10]
    with pytest.raises(ValueError, match="read-only"):
        curve.rate_per_hour[0] = 2.0


def test_paced_arrivals_stand_in_the_middle_of_their_share() -> None:
    curve = Curve(np.array([0, HOUR, 2 * HOUR]), np.array([2.0, 4.0]))
    quarters = [HOUR // 4, 3 * HOUR // 4, 9 * HOUR // 8, 11 * HOUR // 8, 13 * HOUR // 8, 15 * HOUR // 8]
    assert paced(curve).tolist() == quarters


@given(st.one_of(st.floats(0, 2000), st.integers(0, 4000).map(lambda n: n / 2)))
def test_paced_arrivals_are_as_many_as_the_rounded_total_and_ordered(total: float) -> None:
    curve = Curve(np.array([0, HOUR, 3 * HOUR]), np.array([total / 2, total / 4]))
    due = paced(curve)
    assert due.dtype == np.int64
    assert len(due) == sum(i + 0.5 < curve.total for i in range(2002))
    assert (np.diff(due) >= 0).all()
    assert due.size == 0 or (due[0] >= 0 and due[-1] < 3 * HOUR)
