"""Shrinkage: the part of the scheduled time that is not worked, as absence of whole turns and as breaks within them."""

from __future__ import annotations

from typing import NamedTuple

from sim.scenario.schema.scenario import Scenario, Staffing, Team


class Shrinkage(NamedTuple):
    """The share of turns from which an agent is absent, that of a turn in breaks, and how many, if it is said."""

    absence: float
    breaks: float
    blocks: int | None

    @property
    def mean_duty(self) -> float:
        """The share of the scheduled time on duty, on average."""
        return (1.0 - self.absence) * (1.0 - self.breaks)


def shrinkage_of(scenario: Scenario) -> list[Shrinkage]:
    """Return the shrinkage of each team: its own where it says anything of it, else that of the staffing."""
    return [_of(team if _says(team) else scenario.staffing) for team in scenario.teams.values()]


def _says(part: Team | Staffing) -> bool:
    return not (part.shrinkage is part.absence is part.breaks is None)


def _of(part: Team | Staffing) -> Shrinkage:
    """Return absence and breaks; of shrinkage alone a third is absence, and breaks are what remains."""
    if part.shrinkage is None:
        return Shrinkage(part.absence or 0.0, part.breaks or 0.0, part.break_blocks)
    absence = part.shrinkage / 3
    breaks = 1.0 - (1.0 - part.shrinkage) / (1.0 - absence)
    return Shrinkage(absence, breaks, part.break_blocks)
