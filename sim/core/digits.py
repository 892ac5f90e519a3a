"""Numbers as text, with only the digits that they have."""

from __future__ import annotations

import math

from sim.core.at_least import AtLeast

_ROUNDING = 1e-12
"""Half-widths below this share of the mean are what summing floats leaves: no uncertainty at all."""


def significant(mean: float | None, half_width: float | None, *, plus_minus: bool = False) -> str:
    """Return a mean for people, with only the digits that its uncertainty leaves it: "10,000" or "10,000 ± 400".

    The last digit shown is the first of the half-width, or its second when the first is 1. Without a half-width
    (None) the mean has three digits and "± ?"; with one of 0 it has up to six, whole numbers all; a mean that does
    not exist is "undefined". Of a mean that is only known to be at least something, that is shown, rounded down:
    "> 7,190".
    """
    if mean is None or not math.isfinite(mean):
        return "undefined"
    if isinstance(mean, AtLeast):
        return f"> {_rounded_down(mean, _place(mean) - 2 if mean else 0)}"
    if half_width is None or not math.isfinite(half_width):
        return _rounded(mean, _place(mean) - 2 if mean else 0) + (" ± ?" if plus_minus else "")
    if half_width <= _ROUNDING * abs(mean):
        exact = _rounded(mean, min(_place(mean) - 5, -1)).rstrip("0").rstrip(".")
        return exact + (" ± 0" if plus_minus else "")
    place = _place(half_width)
    if half_width < 2 * 10.0**place:
        place -= 1
    return _rounded(mean, place) + (f" ± {_rounded(half_width, place)}" if plus_minus else "")


def quantiles_text(low: float | None, middle: float | None, high: float | None) -> str:
    """Return a median with its 5 and 95 % quantiles for people, "12,000 (0 to 58,000)": the digits that their width
    leaves, and "undefined" without a value."""
    if low is None or middle is None or high is None:
        return "undefined"
    digits = (high - low) / 10
    texts = [significant(one, digits) for one in (middle, low, high)]
    return f"{texts[0]} ({texts[1]} to {texts[2]})"


def _place(x: float) -> int:
    """Return the power of ten of the first digit of x; 0 for 0."""
    return math.floor(math.log10(abs(x))) if x else 0


def _rounded(x: float, place: int) -> str:
    """Return x rounded to the digit worth 10^place, with thousands separated."""
    return f"{round(x, -place) + 0.0:,.{max(-place, 0)}f}"


def _rounded_down(x: float, place: int) -> str:
    """Return the largest number of that many digits that is not above x."""
    return _rounded(math.floor(x / 10.0**place + 1e-9) * 10.0**place, place)
