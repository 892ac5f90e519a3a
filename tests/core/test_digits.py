"""Numbers as text: each mean with the digits that its half-width leaves it."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sim.core.digits import significant


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
        (10_000.0, 0.0, "10,000 ± 0"),
        (1_234_560.0, 0.0, "1,234,560 ± 0"),
        (1_234_567.5, 0.0, "1,234,567.5 ± 0"),
        (1 / 3, 0.0, "0.333333 ± 0"),
        (12_345.6, None, "12,300 ± ?"),
        (0.0, None, "0 ± ?"),
        (69_250.285714285696, 1.7e-11, "69,250.3 ± 0"),
        (0.0, 0.0, "0 ± 0"),
        (None, None, "undefined"),
        (math.nan, 1.0, "undefined"),
    ],
)
def test_a_mean_is_shown_with_the_digits_it_has(mean: float, half_width: float | None, text: str) -> None:
    assert significant(mean, half_width, plus_minus=True) == text
    assert significant(mean, half_width) == text.split(" ±", maxsplit=1)[0]


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9))
def test_rounding_costs_at_most_half_of_the_half_width(mean: float, half_width: float) -> None:
    assume(half_width > 1e-11 * abs(mean))  # below, it is a rounding error and counts as none
    shown = float(significant(mean, half_width).replace(",", ""))
    assert abs(shown - mean) <= half_width / 2 * (1 + 1e-9) + 1e-6
