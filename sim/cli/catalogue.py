"""``withstand list``: the catalogue's questions and their recorded answers."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator

from sim.scenario import ScenarioFaults, load
from sim.scenario.loading.catalogue import names, story

COMMAND = "python -m sim.studies.answers"
_FOOT = f"""Changes are against the scenario named, over the same days: means, or the quantile named, of 20 replications
from seed 1, recorded by {COMMAND}."""


def catalogue(options: Namespace) -> int:
    """Print the scenarios of the catalogue, each with its question and, below it, the answer."""
    known = names()
    width = max(len(name) for name in known)
    for name in known:
        first, *rest = _entry(name)
        print(f"{name:{width}}  {first}")
        for line in rest:
            print(f"{'':{width}}  {line}")
    print(f"\n{_FOOT}")
    return 0


def _entry(name: str) -> Iterator[str]:
    """Yield a scenario's question (its title without one), then its answer, or why there is none."""
    from sim.experiment.analysis.answers import recorded

    one = story(name)
    yield one.question or one.title
    if not one.question:
        return
    try:
        record = recorded(load(name))
    except ScenarioFaults:
        yield "not answered: it has faults, which withstand check shows"
        return
    if record is None:
        yield f"not answered since it was changed: {COMMAND} {name}"
        return
    told = "; ".join(f"{answer.name} {answer.told()}" for answer in record.answers)
    yield f"against {record.base}: {told}" if record.base else told
