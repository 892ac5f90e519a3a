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
    """Return the shrinkage of each team: by its own keys, and by those of the staffing where it says nothing.

    Absence and breaks are parts of ``shrinkage``: who says one or the other sets the whole aside, and the reverse.
    """
    return [_of(_joined(team, scenario.staffing)) for team in scenario.teams.values()]


def _joined(team: Team, all_teams: Staffing) -> Staffing:
    own = team.model_dump(include=set(Staffing.model_fields), exclude_none=True)
    aside: tuple[str, ...] = ("absence", "breaks") if "shrinkage" in own else ()
    if "absence" in own or "breaks" in own:
        aside = ("shrinkage",)
    return all_teams.model_copy(update=dict.fromkeys(aside) | own)


def _of(part: Staffing) -> Shrinkage:
    """Return absence and breaks; of shrinkage alone a third is absence, and breaks are what remains."""
    if part.shrinkage is None:
        return Shrinkage(part.absence or 0.0, part.breaks or 0.0, part.break_blocks)
    absence = part.shrinkage / 3
    breaks = 1.0 - (1.0 - part.shrinkage) / (1.0 - absence)
    return Shrinkage(absence, breaks, part.break_blocks)
