"""Every scenario of the catalogue, from before its story to when nothing new begins: both engines give the same.

The same tables, metrics and series, that is. The baseline runs at its full length.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim import load
from sim.core.clock import DAY_MS, NEVER, duration_ms
from sim.experiment.replication import ENGINES
from sim.metrics.hourly import hourly
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import measure
from sim.metrics.ticket_table import ticket_table
from sim.model.model import build
from sim.numerics.streams import Streams
from sim.scenario.loading.load import resolved
from tests.tools.swarm import differences

SCENARIOS = sorted((Path(__file__).resolve().parents[2] / "scenarios").glob("*.toml"))
SEED = 3
SHORT = ("days=12", "warmup_days=2")


def begins_ms(raw: Any) -> Iterator[int]:
    """Yield when each part of a scenario begins, from the end of the warm-up."""
    for name, value in raw.items() if isinstance(raw, dict) else ():
        yield from begins_ms(value)
        if name == "at" and value is not None:
            yield duration_ms(value)


def test_there_are_scenarios() -> None:
    assert {"baseline", "quiet_week", "volatility_spike"} <= {path.stem for path in SCENARIOS}


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_gives_the_same_tickets_levels_metrics_and_series_in_both_engines(path: Path) -> None:
    whole = load(str(path))
    short = path.stem != "baseline" and whole.days > 12
    world = build(load(str(path), sets=SHORT) if short else whole)
    assert max(begins_ms(resolved(whole)), default=0) < (world.scenario.days - 1) * DAY_MS
    demand = world.demand(seed=SEED, replication=0)
    at_opening = world.scenario.complaints.clock == "opening"
    outcomes = {
        name: simulate(demand, world.desk, world.parameters, complain_from_opening=at_opening)
        for name, simulate in ENGINES.items()
    }
    assert differences(outcomes["simpy"], outcomes["fast"]) == []
    assert (outcomes["simpy"].opened_ms < NEVER).sum() > 1000
    simpy, fast = (Observation(world, demand, outcomes[name], Streams(SEED, 0)) for name in ("simpy", "fast"))
    assert ticket_table(simpy).equals(ticket_table(fast), null_equal=True)
    assert measure(simpy) == measure(fast)
    one, other = hourly(simpy), hourly(fast)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name].tobytes() != other[name].tobytes()] == []
