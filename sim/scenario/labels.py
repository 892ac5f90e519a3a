"""The names of categories, queues, teams and shocks as people read them."""

from __future__ import annotations

from collections.abc import Mapping

from sim.scenario.schema.scenario import Category, Queue, Scenario, Shock, Team


def label_of(scenario: Scenario, kind: str, name: str) -> str:
    """Return the label of a category, queue, team or shock: what its ``label`` says, or its name in words.

    Whatever else there is, such as an asset, keeps its name.
    """
    tables: dict[str, Mapping[str, Category | Queue | Team | Shock]] = {
        "category": scenario.categories,
        "queue": scenario.queues,
        "starting queue": scenario.queues,
        "team": scenario.teams,
        "shock": scenario.shocks,
    }
    if kind not in tables:
        return name
    found = tables[kind].get(name)
    return (found and found.label) or name.replace("_", " ")
