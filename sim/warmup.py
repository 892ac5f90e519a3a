"""Everything compiled once, before the work: one short replication through every station that is compiled."""

from __future__ import annotations

from sim.arrivals import arrivals, busiest_window
from sim.compiled import warm, warmed
from sim.metrics import measure
from sim.replicate import facts_of
from sim.scenario.intake import load
from sim.series import hourly
from sim.world import build

__all__ = ["warm", "warm_up"]

_SHORT = ("days=1", "warmup_days=1", "population.registered=100000")


def warm_up() -> None:
    """Compile all that replications need and note it; takes some 40 s unless it has been done before."""
    facts = facts_of(build(load("volatility_spike", sets=_SHORT)), seed=1, replication=0)
    measure(facts)
    hourly(facts)
    arrivals(facts, busiest_window(facts))
    warmed()
