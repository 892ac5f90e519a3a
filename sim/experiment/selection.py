"""The best of several plans, by as many replications of each as it takes to tell them apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from sim.core.at_least import is_censored
from sim.experiment.replication import observe
from sim.metrics.registry import metric_of
from sim.model.model import build
from sim.numerics import selection
from sim.scenario.schema.scenario import Scenario


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The plan that was chosen, and how many replications each was given before it dropped out."""

    best: str
    replications: dict[str, int]


def select(
    plans: Mapping[str, Scenario],
    metric: str,
    *,
    indifference: float,
    confidence: float = 0.95,
    first: int = 10,
    seed: int = 1,
) -> Chosen:
    """Return the plan with the best mean of a metric, with that probability if the next is ``indifference`` worse.

    All plans meet the same customers, and who is clearly worse drops out early (Kim and Nelson 2001: the metric is
    taken for normal over replications). ``indifference`` is the smallest difference that matters, in the metric's
    unit; if others are closer to the best, one that is within it is chosen.

    Raises ValueError for a metric of which neither less nor more is better, or that has no exact value in a
    replication, and for numbers that make no sense; KeyError for a metric that is none.
    """
    names, (what, _, part) = list(plans), metric.partition(".")
    one = metric_of(what)
    if not one.better:
        raise ValueError(f"metric: got {metric}; must be one of which less or more is better")
    model = cache(lambda name: build(plans[name]))

    def sample(system: int, number: int) -> float:
        value = one.of(observe(model(names[system]), seed=seed, replication=number))[part]
        if value is None or is_censored(value):
            known = "nothing" if value is None else f"at least {value}"
            rule = "must have a value in every replication"
            raise ValueError(f"{names[system]}: {metric}: got {known} in replication {number}; {rule}")
        return one.better * value

    found = selection.select(sample, len(names), indifference=indifference, confidence=confidence, first=first)
    return Chosen(best=names[found.best], replications=dict(zip(names, found.samples, strict=True)))
