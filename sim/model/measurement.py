"""Values shared by the metrics and series of all replications of a model, computed once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.core.arrays import Floats, Ints
from sim.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from sim.scenario.schema.routes import starting_queues
from sim.scenario.schema.scenario import Scenario
from sim.staffing.desk import Desk


@dataclass(frozen=True)
class Measurement:
    """The measured period [``from_ms``, ``to_ms``), the desk in it, and the series that every replication shares.

    ``home_team`` and ``agents_per_work`` are those of its ``Skills``. By team: ``duty_ms`` is the time of its agents on
    duty, ``scheduled_ms`` that of those scheduled. ``first_queues`` are the queues in which tickets
    start. ``series`` holds prices, agents on duty and targets by (entity, name).
    """

    from_ms: int
    to_ms: int
    home_team: Ints
    duty_ms: tuple[int, ...]
    scheduled_ms: tuple[int, ...]
    agents_per_work: Floats
    first_queues: tuple[int, ...]
    series: dict[tuple[str, str], Floats]

    @property
    def hours(self) -> int:
        """Measured hours."""
        return (self.to_ms - self.from_ms) // HOUR_MS


def measurement_of(scenario: Scenario, desk: Desk, price: Floats) -> Measurement:
    """Return what all replications share; ``price`` is the price index by the hour of the run.

    Raises ValueError when the desk's horizon does not leave whole hours to measure.
    """
    from_ms, to_ms = scenario.warmup_days * DAY_MS, desk.horizon_ms
    if to_ms <= from_ms or to_ms % HOUR_MS:
        raise ValueError(f"horizon_ms: got {to_ms}; must be whole hours, and after the warm-up of {from_ms} ms")
    first = starting_queues(scenario)
    queues = tuple(number for number, name in enumerate(desk.queues) if name in first)
    planned = [desk.scheduled[desk.scheduled[:, 1] == team] for team in range(len(desk.teams))]
    return Measurement(
        from_ms=from_ms,
        to_ms=to_ms,
        home_team=desk.home_team,
        duty_ms=tuple(desk.duty_ms(from_ms, to_ms)),
        scheduled_ms=tuple(_area(rows[:, 0], rows[:, 2], from_ms, to_ms) for rows in planned),
        agents_per_work=desk.agents_per_work,
        first_queues=queues,
        series=_series(scenario, desk, price, from_ms, [desk.queues[number] for number in queues]),
    )


def _area(times_ms: Ints, values: Ints, from_ms: int, to_ms: int) -> int:
    """Return the integral of a step function over [from, to)."""
    ends = np.append(times_ms[1:], to_ms)
    spans = np.maximum(np.minimum(ends, to_ms) - np.maximum(times_ms, from_ms), 0)
    return int((spans * values).sum())


def _series(
    scenario: Scenario, desk: Desk, price: Floats, from_ms: int, first_queues: list[str]
) -> dict[tuple[str, str], Floats]:
    ends = np.arange(from_ms, desk.horizon_ms, HOUR_MS) + HOUR_MS
    series = {("all", "price_index"): price[from_ms // HOUR_MS :]}
    for name, by_hour in zip(desk.teams, desk.duty_ms_by_hour[:, from_ms // HOUR_MS :], strict=True):
        series[f"team:{name}", "agents_on_duty"] = by_hour / HOUR_MS
    for name in first_queues:
        target = scenario.queues[name].target if name in scenario.queues else None
        if target is not None:
            series[f"queue:{name}", "target_min"] = np.full(len(ends), target / MINUTE_MS)
    return series
