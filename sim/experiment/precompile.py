"""Everything compiled once, before the work: one short replication through every room that is compiled."""

from __future__ import annotations

from sim.core.jit import mark_compiled
from sim.experiment.replication import observe
from sim.experiment.request_trace import arrivals, busiest_window
from sim.metrics.hourly import hourly
from sim.metrics.registry import measure
from sim.model.model import build
from sim.scenario.loading.load import load

_SHORT = ("days=1", "warmup_days=1", "population.registered=100000")


def precompile() -> None:
    """Compile all that replications need and note it; takes some 40 s unless it has been done before."""
    observed = observe(build(load("volatility_spike", sets=_SHORT)), seed=1, replication=0)
    measure(observed)
    hourly(observed)
    arrivals(observed, busiest_window(observed))
    mark_compiled()
