"""Numbers as text, each with its own digits: two that count, and more only where what stands beside it needs them."""

from __future__ import annotations

import math

from sim.core.at_least import AtLeast

_ROUNDING = 1e-12
"""Half-widths below this share of the mean are what summing floats leaves: no uncertainty at all."""
_PARTS = 4
"""An interval's ends are rounded by less than this part of its width, as far as three digits go."""
LEAST = 0.001
"""Numbers nearer to 0 than this are told in words."""


def two_digits(x: float | None, width: float = 0.0, *, top: float | None = None) -> str:
    """Return a number for people: "210", "2,500", "0.66".

    It has two digits of its own, a whole number below 100 none behind the point, and one nearer to 0 than ``LEAST`` is
    "under 0.001". ``width`` is that of the interval it belongs to: a third digit comes where it tells the ends apart.
    Where ``top`` is the most there can be, such as 100 %, what is nearer to it than a hundredth has a digit of the
    rest: "99.9995". Of a number that is only known to be at least something, that is shown, rounded down: "> 7,100".
    A number that does not exist is "undefined".
    """
    if x is None or not math.isfinite(x):
        return "undefined"
    place = _own_place(x)
    if isinstance(x, AtLeast):
        return f"> {_rounded_down(x, place)}"
    if 0 < abs(x) < LEAST:
        return f"under {LEAST}" if x > 0 else f"above -{LEAST}"
    if width > _ROUNDING * abs(x):
        place = min(place, max(_place(width / _PARTS), _place(abs(x)) - 2)) if x else place
    if top is not None and 0 < top - x < top / 100:
        place = min(place, _own_place(top - x) + 1)
    if x == round(x):
        place = max(place, 0)
    return _rounded(x, place)


def range_text(low: float | None, high: float | None, *, top: float | None = None) -> str:
    """Return "140 to 330", each end with its own digits; one of them where both read the same."""
    width = 0.0 if low is None or high is None else float(high) - float(low)
    texts = [two_digits(one, width, top=top) for one in (low, high)]
    return texts[0] if texts[0] == texts[1] else " to ".join(texts)


def exact_text(x: float) -> str:
    """Return a number that is the same in every replication: whole from 100 on, else with at most three digits."""
    if abs(x) >= 100 or x == round(x):
        return f"{x + 0.0:,.0f}"
    if abs(x) < LEAST:
        return two_digits(x)
    return _rounded(x, _own_place(x) - 1).rstrip("0").rstrip(".")


def significant(mean: float | None, half_width: float | None, *, plus_minus: bool = False) -> str:
    """Return a mean for people, with only the digits that its uncertainty leaves it: "10,000" or "10,000 ± 400".

    The last digit shown is the first of the half-width, or its second when the first is 1. Without a half-width
    (None) it has two digits, with one of 0 it is exact (``exact_text``), and neither has a "±"; a mean that does not
    exist is "undefined".
    """
    if mean is None or not math.isfinite(mean):
        return "undefined"
    if isinstance(mean, AtLeast) or half_width is None or not math.isfinite(half_width):
        return two_digits(mean)
    if half_width <= _ROUNDING * abs(mean):
        return exact_text(mean)
    place = _place(half_width)
    if half_width < 2 * 10.0**place:
        place -= 1
    return _rounded(mean, place) + (f" ± {_rounded(half_width, place)}" if plus_minus else "")


def _own_place(x: float) -> int:
    """Return the power of ten of the second digit of x, rounded to two; 0 for 0."""
    return int(f"{abs(x):.1e}".partition("e")[2]) - 1 if x else 0


def _place(width: float) -> int:
    """Return the power of ten of the first digit of a width."""
    return math.floor(math.log10(width))


def _rounded(x: float, place: int) -> str:
    """Return x rounded to the digit worth 10^place, with thousands separated."""
    return f"{round(x, -place) + 0.0:,.{max(-place, 0)}f}"


def _rounded_down(x: float, place: int) -> str:
    """Return the largest number of that many digits that is not above x."""
    return _rounded(math.floor(x / 10.0**place + 1e-9) * 10.0**place, place)
