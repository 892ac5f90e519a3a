"""A property that is worked out once for each instance."""

from __future__ import annotations

from dataclasses import dataclass

from sim.core.lazy import lazy_property


@dataclass(frozen=True)
class Square:
    side: int

    @lazy_property
    def area(self) -> list[int]:
        """The area."""
        return [self.side**2]


def test_each_instance_works_it_out_once() -> None:
    small, large = Square(2), Square(3)
    assert (small.area, large.area) == ([4], [9])
    assert small.area is small.area
    assert small == Square(2)
    assert Square.__dict__["area"].__doc__ == "The area."
