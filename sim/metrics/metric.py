"""The definition of a metric: name, unit, better direction, meaning, and the function that yields it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.metrics.observation.replication import Observation

Values = dict[str, float | None]
"""A value by entity: ``""`` for the whole, and the names of teams, categories or endpoints where it makes sense."""


@dataclass(frozen=True)
class Metric:
    """A number of a run: its unit, which way is better (-1 less, 1 more, 0 neither), its meaning, and its function.

    ``parts`` says by what it is counted apart as well: category, team, asset ...; nothing for one of the whole alone.
    ``none`` says what a value of 0 means, where that is an outcome of its own and no small number.
    """

    name: str
    unit: str
    better: int
    meaning: str
    of: Callable[[Observation], Values]
    parts: str = ""
    none: str = ""
