"""Values of which only a lower bound is known."""

from __future__ import annotations


class AtLeast(float):
    """A value that is only known to be at least this: what it measures was not over at the horizon.

    The opposite of None, which is a value that does not exist. Arithmetic gives plain floats, the scaling to another
    unit apart.
    """

    def __mul__(self, factor: float) -> AtLeast:
        """Return the bound in a unit that is 1 / ``factor`` times as large; ``factor`` must be above 0."""
        return AtLeast(float(self) * factor)

    __rmul__ = __mul__


def is_censored(value: float | None) -> bool:
    """Return whether only a lower bound of the value is known."""
    return isinstance(value, AtLeast)
