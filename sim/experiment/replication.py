"""One replication: drawn, simulated by either engine, checked for conservation, measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sim.core.profiling import StageTimer
from sim.demand import candidates_exhausted, draw
from sim.engine import compiled, reference
from sim.engine.conservation import check_conservation
from sim.engine.outcome import DeskOutcome
from sim.metrics.hourly import Series, hourly
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import measure
from sim.model.model import Model
from sim.numerics.streams import Streams

ENGINES: dict[str, Callable[..., DeskOutcome]] = {"simpy": reference.simulate, "fast": compiled.simulate}
AUTO = "fast"


@dataclass(frozen=True)
class ReplicationPlan:
    """What is replicated, and by which engine."""

    model: Model
    seed: int
    engine: str = AUTO

    def workers(self, jobs: int) -> str:
        """Return who works: ``threads`` or ``processes``."""
        return "processes" if self.engine == "simpy" and jobs > 1 else "threads"


@dataclass(frozen=True)
class Finished:
    """What comes out of one replication: its metrics, its hourly series, and the CPU seconds of each stage."""

    number: int
    metrics: dict[str, float | None]
    series: Series
    cpu_s: dict[str, float]


def observe(
    model: Model, *, seed: int, replication: int, engine: str = AUTO, timer: StageTimer | None = None
) -> Observation:
    """Return one replication, drawn and simulated; ``timer`` books the time of both.

    Raises ConservationError when tickets, withdrawals or money got lost on the way.
    """
    timer, extra_draws = timer or StageTimer(), 0
    streams = Streams(seed, replication)
    expected = model.expected_in(streams)
    model = model.staffed_in(expected, streams)
    at_opening = model.scenario.complaints.clock == "opening"
    while True:
        demand = draw(expected, seed=seed, replication=replication, extra_draws=extra_draws)
        timer.mark("draw")
        outcome = ENGINES[engine](demand, model.desk, model.parameters, complain_from_opening=at_opening)
        timer.mark("engine")
        if not (outcome.exhausted or candidates_exhausted(model.scenario, outcome.feedback_floats, extra_draws)):
            break
        extra_draws += 1  # the first of the draws stay the same, so what went before goes the same way again
    check_conservation(outcome, demand.inputs, model.parameters)
    return Observation(model, demand, outcome, streams, expected)


def finish(plan: ReplicationPlan, number: int) -> Finished:
    """Return one replication, drawn, simulated and measured."""
    timer = StageTimer()
    observed = observe(plan.model, seed=plan.seed, replication=number, engine=plan.engine, timer=timer)
    metrics, series = measure(observed), hourly(observed)
    timer.mark("metrics")
    return Finished(number, metrics, series, timer.cpu_s)
