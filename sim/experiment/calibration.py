"""Set the complaint hazards once: each category's hazard such that a scenario yields its ``p_public_if_unresolved``.

With D the times for which the complaint clocks of a category ran, in hours, and n its escalated tickets, the hazard h
solves sum(1 - exp(-h D)) = n p: the expected number of complaints of a constant hazard (complaint-hazard oracle).
Nothing else in the model depends on h while no feedback level listens to complaints. The effects of the scenario's
status messages and reply policy are removed from the hazard, since they are applied to it when it is used.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sim.core.clock import HOUR_MS, NEVER
from sim.demand import CHASE
from sim.drivers.policy import complaint_factor
from sim.engine.outcome import LEFT, clock_start_ms
from sim.experiment.replication import observe
from sim.metrics.observation.replication import Observation
from sim.model.model import Model, build
from sim.scenario.faults import ScenarioFaults
from sim.scenario.schema.scenario import Scenario


def hazards(
    scenario: Scenario, *, replications: int, seed: int, tick: Callable[[], None] = lambda: None
) -> dict[str, float]:
    """Return the hazard per hour of each category that has a ``p_public_if_unresolved``; ``tick`` after each run.

    Raises ScenarioFaults when no hazard yields that number of complaints.
    """
    model = build(scenario)
    clocks: dict[str, list[NDArray[np.float64]]] = {name: [] for name in scenario.categories}
    escalated = dict.fromkeys(scenario.categories, 0)
    for replication in range(replications):
        observed = observe(model, seed=seed, replication=replication)
        hours = _clock_hours(model, observed)
        for number, name in enumerate(scenario.categories):
            mine = observed.demand.category == number
            clocks[name].append(hours[mine & (hours > 0)])
            escalated[name] += int((observed.escalated & mine).sum())
        tick()
    found = {}
    for name, category in scenario.categories.items():
        if category.p_public_if_unresolved is not None:
            hours = np.concatenate(clocks[name])
            wanted = category.p_public_if_unresolved * escalated[name]
            if wanted and wanted >= len(hours):
                got = f"got {category.p_public_if_unresolved}; must be below {len(hours) / escalated[name]:.3g}"
                what = "the tickets whose complaint clock ran, of those escalated"
                raise ScenarioFaults([f"categories.{name}.p_public_if_unresolved: {got}, {what}"])
            found[name] = solve(hours, wanted) / complaint_factor(scenario, name)
    return found


def solve(clock_hours: NDArray[np.float64], complaints: float) -> float:
    """Return h with sum(1 - exp(-h D)) = complaints, by bisection; raises ValueError where none is high enough."""
    from scipy.optimize import brentq

    if complaints == 0:
        return 0.0
    if complaints >= (clock_hours > 0).sum():
        raise ValueError("p_public_if_unresolved: got more complaints than tickets whose complaint clock ran")

    def excess(h: float) -> float:
        return float(-np.expm1(-h * clock_hours).sum() - complaints)

    high = 1e-6
    while excess(high) < 0:
        high *= 2
    return float(brentq(excess, 0.0, high, xtol=1e-15, rtol=1e-12))


def _clock_hours(model: Model, observed: Observation) -> NDArray[np.float64]:
    """Return for how many measured hours each row's complaint clock ran; 0 where it did not."""
    outcome = observed.outcome
    start = clock_start_ms(
        observed.demand,
        opened_ms=outcome.opened_ms,
        first_start_ms=outcome.first_start_ms,
        first_end_ms=outcome.first_end_ms,
        left_ms=np.where(outcome.outcome >= LEFT, outcome.closed_ms, NEVER),
        at_opening=model.scenario.complaints.clock == "opening",
    )
    end = np.clip(outcome.resolved_ms, observed.from_ms, observed.to_ms)
    ran = np.where(observed.demand.kind == CHASE, 0, end - np.clip(start, observed.from_ms, observed.to_ms))
    return np.maximum(ran, 0) / HOUR_MS
