"""The rule that whoever has a hazard of complaining can come to complain: something starts the complaint clock."""

from __future__ import annotations

from collections.abc import Iterator

from sim.scenario.faults import Fault
from sim.scenario.schema.routes import may_leave, path_of, queues_of
from sim.scenario.schema.scenario import Category, Scenario, Step


def clock_faults(scenario: Scenario) -> Iterator[Fault]:
    """Yield the hazards that nothing ever starts the clock of, however long the tickets wait."""
    for name, category, first in _silent(scenario):
        if not _has_more(scenario, category, first):
            yield (
                f"categories.{name}.complaint_hazard_per_hour",
                category.complaint_hazard_per_hour,
                "must be 0 where nothing starts the complaint clock: give a queue of its first step a target or a "
                'patience, or set complaints.clock = "opening"',
            )


def clock_notes(scenario: Scenario) -> Iterator[str]:
    """Yield the hazards whose clock a first answer starts, and nothing before it."""
    for name, category, first in _silent(scenario):
        if _has_more(scenario, category, first):
            yield (
                f"categories.{name}.complaint_hazard_per_hour: nobody complains who waits for a first answer, since "
                "no queue of its first step has a target or a patience"
            )


def _silent(scenario: Scenario) -> Iterator[tuple[str, Category, Step]]:
    """Yield the categories with a hazard whose clock no wait for a first answer starts, with their first step."""
    for name, category in scenario.categories.items():
        first = category.steps.get(path_of(category)[0])
        if not category.complaint_hazard_per_hour or first is None or scenario.complaints.clock == "opening":
            continue
        queues = queues_of(first)
        targets = [scenario.queues[queue].target for queue in queues if queue in scenario.queues]
        if all(target is None for target in targets) and not any(may_leave(scenario, queue) for queue in queues):
            yield name, category, first


def _has_more(scenario: Scenario, category: Category, first: Step) -> bool:
    """Return whether a first handling may end with more to come."""
    proof = bool(first.evidence and scenario.evidence and scenario.evidence.share)
    return proof or first.hold is not None or (len(path_of(category)) > 1 and first.solved != 1.0)
