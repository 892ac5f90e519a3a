"""Numbers as text: each with its own digits, and words where a number is silly."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sim.core.at_least import AtLeast
from sim.core.digits import exact_text, range_text, significant, two_digits


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (210.4, "210"),
        (2531.0, "2,500"),
        (49.0, "49"),
        (5.0, "5"),
        (4.96, "5.0"),
        (9.96, "10"),
        (0.655, "0.66"),
        (0.0, "0"),
        (0.00000020, "under 0.001"),
        (-0.0004, "above -0.001"),
        (AtLeast(7190.0), "> 7,100"),
        (None, "undefined"),
        (math.nan, "undefined"),
    ],
)
def test_a_number_has_two_digits_of_its_own(x: float | None, text: str) -> None:
    assert two_digits(x) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (141.0, 326.0, "140 to 330"),
        (49.0, 2531.0, "49 to 2,500"),
        (150.0, 5100.0, "150 to 5,100"),
        (9700.0, 10_300.0, "9,700 to 10,300"),
        (9960.0, 10_066.0, "9,960 to 10,100"),
        (0.0, 0.655, "0 to 0.66"),
        (1e-7, 0.655, "under 0.001 to 0.66"),
        (1e-7, 2e-7, "under 0.001"),
        (5.0, 5.0, "5"),
    ],
)
def test_each_end_of_an_interval_has_its_own_digits(low: float, high: float, text: str) -> None:
    """The faults: "1,200 (0 to 2,500)" for 49 to 2,531, and "200 (100 to 5,100)" for 150."""
    assert range_text(low, high) == text


@given(st.floats(0.01, 1e9), st.floats(1.03, 1e4))
def test_no_end_is_further_off_than_half_of_its_second_digit_and_two_apart_stay_apart(low: float, ratio: float) -> None:
    high = low * ratio
    texts = range_text(low, high).split(" to ")
    shown = [float(text.replace(",", "")) for text in texts]
    assert len(texts) == 2
    for told, true in zip(shown, (low, high), strict=True):
        assert abs(told - true) <= 0.051 * true
        assert abs(told - true) <= 0.3 * (high - low)


def test_ends_that_differ_only_in_the_fourth_digit_are_one_number() -> None:
    assert range_text(127.3, 129.0) == "127 to 129"
    assert range_text(10_001.0, 10_009.0) == "10,000"


def test_what_is_nearly_all_has_a_digit_of_the_rest() -> None:
    assert two_digits(99.9995, top=100.0) == "99.9995"
    assert two_digits(48.2, top=100.0) == "48"
    assert two_digits(100.0, top=100.0) == "100"


@pytest.mark.parametrize(
    ("x", "text"), [(67_373.7, "67,374"), (69_250.285714, "69,250"), (1 / 3, "0.333"), (0.5, "0.5"), (7.0, "7")]
)
def test_what_is_exact_is_whole_or_has_three_digits(x: float, text: str) -> None:
    """The fault: "$67,373.7 ± 0"."""
    assert exact_text(x) == text


@pytest.mark.parametrize(
    ("mean", "half_width", "text"),
    [
        (9983.2, 402.0, "10,000 ± 400"),
        (512.3, 10.95, "512 ± 11"),
        (38.3, 3.37, "38 ± 3"),
        (0.0012345, 0.000096, "0.00123 ± 0.00010"),
        (9.99, 0.96, "10.0 ± 1.0"),
        (-0.3, 2.0, "0 ± 2"),
        (-1234.56, 0.2, "-1,234.6 ± 0.2"),
        (10_000_000.0, 12_345.0, "10,000,000 ± 12,000"),
        (67_373.7, 0.0, "67,374"),
        (69_250.285714285696, 1.7e-11, "69,250"),
        (12_345.6, None, "12,000"),
        (0.0, None, "0"),
        (0.0, 0.0, "0"),
        (None, None, "undefined"),
        (math.nan, 1.0, "undefined"),
    ],
)
def test_a_mean_is_shown_with_the_digits_that_its_half_width_leaves(
    mean: float, half_width: float | None, text: str
) -> None:
    assert significant(mean, half_width, plus_minus=True) == text
    assert significant(mean, half_width) == text.split(" ±", maxsplit=1)[0]


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_rounding_costs_at_most_half_of_the_half_width(mean: float, half_width: float) -> None:
    assume(half_width > 1e-11 * abs(mean))  # below, it is a rounding error and counts as none
    shown = float(significant(mean, half_width).replace(",", ""))
    assert abs(shown - mean) <= half_width / 2 * (1 + 1e-9) + 1e-6
