"""What a scenario says that is hardly meant, in sentences: no faults, for a short run of a long story may be meant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from sim.core.clock import DAY_MS
from sim.scenario.faults import path_text
from sim.scenario.rules.complaints import clock_notes
from sim.scenario.schema.quantities import exact_duration_text
from sim.scenario.schema.scenario import WEEKDAYS, Scenario


def notes_of(scenario: Scenario) -> list[str]:
    """Return a sentence for each thing after the run's end, each shift that is never in it or longer than its days, and
    each category whose customers complain only after an answer."""
    return [
        *_late(scenario, scenario, ()),
        *_idle_shifts(scenario),
        *_overlapping_shifts(scenario),
        *clock_notes(scenario),
    ]


def _late(scenario: Scenario, part: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(part, BaseModel):
        at = getattr(part, "at", None)
        if isinstance(at, int) and at >= scenario.days * DAY_MS:
            end = f"the run ends at {scenario.days} d, so it has no effect"
            yield f"{path_text((*path, 'at'))}: {exact_duration_text(at)}; {end}"
        for name in type(part).model_fields:
            yield from _late(scenario, getattr(part, name), (*path, name))
    elif isinstance(part, dict):
        for name, inner in part.items():
            yield from _late(scenario, inner, (*path, name))


def _idle_shifts(scenario: Scenario) -> Iterator[str]:
    for name, shift in scenario.shifts.items():
        before = -((shift.start + shift.length - 1) // DAY_MS)  # one that began earlier may reach into the run
        days = range(before, scenario.warmup_days + scenario.days)
        begun = {WEEKDAYS[(scenario.start + timedelta(days=day)).weekday()] for day in days}
        if shift.days and not begun & set(shift.days):
            yield f"shifts.{name}.days: none of the run's days, so the shift has no effect"


def _overlapping_shifts(scenario: Scenario) -> Iterator[str]:
    for name, shift in scenario.shifts.items():
        starts = sorted({WEEKDAYS.index(day) for day in shift.days} or range(7))
        apart = min(later - day for day, later in zip(starts, [*starts[1:], starts[0] + 7], strict=True))
        if shift.length > apart * DAY_MS:
            again = f"it begins again after {24 * apart} h, so that it overlaps itself"
            yield f"shifts.{name}.length: {exact_duration_text(shift.length)}; {again}"
