"""What the public and a run on the platform are drawn from: copies, marks of posts, frightened depositors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sim.core.arrays import Floats
from sim.core.jit import compiled
from sim.feedback.columns import MOST_COPIES
from sim.numerics.streams import Streams
from sim.scenario.schema.scenario import Scenario

GRID = 2.0**-24
"""Times without a unit, and marks, are rounded to multiples of it: so no machine's own logarithm shows in them."""


def draw_public(scenario: Scenario, streams: Streams, most: int) -> dict[str, Any]:
    """Return by name the drawn inputs of copies; nothing where posts bring none.

    There are ``most`` marks, and as many times of copies, up to ``MOST_COPIES``.
    """
    copies = scenario.copies
    if copies is None:
        return {}
    u = streams.uniforms("posts", "mark", np.arange(most))
    return {
        "copy_times": unit_times(streams, "copies", min(most, MOST_COPIES)),
        "post_marks": _pareto(copies.mark_tail, u),
    }


@compiled
def _pareto(tail: float, u: Floats) -> Floats:
    """Return quantiles of the Pareto law of mean 1 with a tail index above 1, on the GRID."""
    out = np.empty(len(u))
    for i in range(len(u)):
        out[i] = np.rint((tail - 1.0) / tail * (1.0 - u[i]) ** (-1.0 / tail) / GRID) * GRID
    return out


def depositors_of(scenario: Scenario) -> int:
    """Return how many depositors may run."""
    people, run = scenario.population, scenario.run
    return round(people.registered * people.mau_share * run.depositors_share) if people and run else 0


def unit_times(streams: Streams, name: str, n: int) -> Floats:
    """Return the first n times of a Poisson process of rate 1, by name."""
    return _unit_times(streams.uniforms(name, "gap", np.arange(n)))


@compiled
def _unit_times(u: Floats) -> Floats:
    out, at = np.empty(len(u)), 0.0
    for i in range(len(u)):
        at += np.rint(-math.log(1.0 - u[i]) / GRID) * GRID
        out[i] = at
    return out
