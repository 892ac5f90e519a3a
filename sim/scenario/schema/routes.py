"""The routes that a scenario describes: the steps of a category, the queues of a step, the ranks of a team."""

from __future__ import annotations

from sim.scenario.schema.scenario import Category, Scenario, Step, Team


def may_leave(scenario: Scenario, queue: str) -> bool:
    """Return whether who begins to wait in a queue may go without an answer: there, or where a long wait leads."""
    seen: set[str] = set()
    going = [queue]
    while going:
        name = going.pop()
        one = scenario.queues.get(name)
        if name in seen or one is None:
            continue
        seen.add(name)
        if one.places is not None or (one.patience is not None and one.then == "leave"):
            return True
        going += [one.then, *(age.to for age in one.age if age.to is not None)]
    return False


def path_of(category: Category) -> list[str]:
    """Return the names of a category's steps in the order in which a ticket climbs them."""
    return category.path or list(category.steps)


def queues_of(step: Step) -> dict[str, float]:
    """Return the share of each queue in which tickets of this step land."""
    return {step.queue: 1.0} if isinstance(step.queue, str) else dict(step.queue)


def starting_queues(scenario: Scenario) -> list[str]:
    """Return the queues in which tickets, or tasks, start; of a path whose first step does not exist, none."""
    firsts = [one.steps.get(step) for one in scenario.categories.values() for step in path_of(one)[:1]]
    return list(dict.fromkeys(queue for step in firsts if step is not None for queue in queues_of(step)))


def served_by(team: Team) -> list[list[str]]:
    """Return the queues of a team by rank: the preferred first, equals together."""
    return [[rank] if isinstance(rank, str) else list(rank) for rank in team.serves]


def queue_names(scenario: Scenario) -> list[str]:
    """Return every queue of the scenario, those declared first, each once."""
    names = dict.fromkeys(scenario.queues)
    for category in scenario.categories.values():
        for step in category.steps.values():
            names.update(dict.fromkeys(queues_of(step)))
    if scenario.recontact:
        names[scenario.recontact.queue] = None
    return list(names)
