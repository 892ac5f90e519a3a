"""The answers of the catalogue to its questions, each as a change against the scenario that it extends.

``python -m sim.studies.answers`` simulates every scenario of the catalogue and its base from one seed, over the same
days, and writes ``answers.json`` beside them: what ``withstand list`` and the reports tell. With names it does so for
these alone. A test repeats the first replications.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import lru_cache

from sim.api import Run, run
from sim.core.system import displayed
from sim.experiment.analysis.answers import FILE, Answer, Recorded, entry
from sim.experiment.analysis.estimate import estimate, value_of
from sim.experiment.analysis.expectations import frequency
from sim.numerics.statistics import paired_difference
from sim.scenario import load
from sim.scenario.loading import catalogue
from sim.scenario.schema.expectation import QUANTILE_SIGN, is_outcome, outcome_of

REPLICATIONS, FIRST, SEED = 20, 2, 1
Ran = Callable[[str, tuple[str, ...], int], Run]


@lru_cache(maxsize=4)
def ran(name: str, sets: tuple[str, ...], replications: int) -> Run:
    """Return a run of a scenario with --set arguments."""
    return run(load(name, sets=sets), replications=replications, seed=SEED)


def measured(name: str, *, replications: int = REPLICATIONS, ran: Ran = ran) -> Recorded:
    """Return the answers of a scenario of the catalogue by simulation: the base has its days, start and summary."""
    scenario, base = load(name), catalogue.story(name).extends
    same = tuple(f"{key}={getattr(scenario, key)}" for key in ("days", "warmup_days", "start", "summary"))
    own, other = ran(name, (), replications), ran(base, same, replications) if base else None
    answers = tuple(_answer(one, own, other) for one in scenario.answers)
    first = {one: (_first(one, own), _first(one, other) if other else None) for one in scenario.answers}
    expected = {one.metric: (one.value, _half_width(one.metric, own)) for one in own.expectations()}
    return Recorded(base, answers, first, expected)


def _answer(name: str, own: Run, base: Run | None) -> Answer:
    found = _figure(name, own)
    if base is None:
        return Answer(name, found)
    answer = Answer(name, found, _figure(name, base))
    if QUANTILE_SIGN in name or is_outcome(name) or answer.change is None:
        return answer
    mine, theirs = _known(own, name), _known(base, name)
    both = [number for number in mine if number in theirs]
    if len(both) < 2:
        return answer
    difference = paired_difference([mine[n] for n in both], [theirs[n] for n in both])
    return Answer(name, answer.own, answer.base, difference.half_width)


def _half_width(name: str, own: Run) -> float | None:
    """Return the half-width of an expected metric's mean; None of an outcome's probability."""
    return None if is_outcome(name) else own.metrics[name.partition(QUANTILE_SIGN)[0]].half_width


def _known(of: Run, name: str) -> dict[int, float]:
    """Return the replications that have a value."""
    return {number: value for number, value in of.samples(name).items() if value is not None}


def _figure(name: str, of: Run) -> float | None:
    """Return what an answer comes to: a mean, a quantile, or how often an outcome comes."""
    if is_outcome(name):
        return frequency(name, of.samples(outcome_of(name)[0]).values())[0]
    return value_of(of.metrics, name)


def _first(name: str, of: Run) -> float | None:
    """Return what an answer comes to in the first replications alone."""
    metric = outcome_of(name)[0] if is_outcome(name) else name.partition(QUANTILE_SIGN)[0]
    values = [value for number, value in of.samples(metric).items() if number < FIRST]
    return frequency(name, values)[0] if is_outcome(name) else value_of({metric: estimate(metric, values)}, name)


def main() -> int:
    """Record the answers of the scenarios named, or of all, print them, and return the exit code."""
    path = catalogue.folder() / FILE
    known = json.loads(path.read_text("utf-8"))["scenarios"] if path.is_file() else {}
    for name in sys.argv[1:] or catalogue.names():
        found = measured(name)
        known[name] = entry(load(name), found)
        told = "; ".join(f"{one.name} {one.told()}" for one in found.answers)
        sys.stdout.write(f"{name}: {told}\n")
        sys.stdout.flush()
    kept = {name: known[name] for name in catalogue.names() if name in known}
    how = {"made_by": "python -m sim.studies.answers", "replications": REPLICATIONS, "seed": SEED}
    path.write_text(json.dumps(how | {"scenarios": kept}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(displayed(main))
