"""Changes of a scenario whose effect is known without knowing its results: the same, swapped, or on one side."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sim import load, run
from sim.experiment.replication import ENGINES, observe
from sim.metrics.observation.replication import Observation
from sim.metrics.registry import measure
from sim.model.model import build
from sim.numerics.statistics import paired_difference, welch_difference
from sim.numerics.streams import Streams
from sim.scenario.loading import catalogue
from sim.scenario.loading.load import from_resolved, resolved
from sim.scenario.schema.scenario import Scenario
from tests.support.paired import SEED
from tests.support.stories import story
from tests.tools.swarm import differences

SHORT = ("days=3", "warmup_days=1")

# --- limits off = the same fall without them ----------------------------------------------------------------------

UNLIMITED = """
extends = "dynamic_limits"
title = "The same fall of 25 %, its limits taken away again"
remove = ["withdrawals.limits"]
"""


def measured(scenario: Scenario, engine: str) -> Observation:
    """Return the first replication of a scenario, by either engine."""
    world = build(scenario)
    demand = world.demand(seed=SEED, replication=0)
    at_opening = scenario.complaints.clock == "opening"
    outcome = ENGINES[engine](demand, world.desk, world.parameters, complain_from_opening=at_opening)
    return Observation(world, demand, outcome, Streams(SEED, 0))


@pytest.mark.parametrize("engine", ENGINES)
def test_without_its_limits_a_limited_fall_is_the_fall_to_the_last_bit(engine: str, tmp_path: Path) -> None:
    file = tmp_path / "unlimited.toml"
    file.write_text(UNLIMITED, encoding="utf-8")
    fall, off, on = (
        measured(load(name, sets=SHORT), engine) for name in ("volatility_spike", str(file), "dynamic_limits")
    )
    assert differences(fall.outcome, off.outcome) == []
    assert measure(fall) == measure(off)
    assert measure(fall) != measure(on)


# --- the time unit ------------------------------------------------------------------------------------------------

DURATION = re.compile(r"([0-9]+) (ms|s|min|h|d)")
UNIT_MS = {"ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def in_ms(raw: Any) -> Any:
    """Return a scenario's JSON with every duration in milliseconds."""
    if isinstance(raw, dict):
        return {key: value if key == "period" else in_ms(value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [in_ms(one) for one in raw]
    if isinstance(raw, str) and (match := DURATION.fullmatch(raw)):
        return f"{int(match[1]) * UNIT_MS[match[2]]} ms"
    return raw


@pytest.mark.parametrize("name", catalogue.names())
def test_the_unit_in_which_times_are_written_changes_nothing(name: str) -> None:
    scenario = load(name)
    written = in_ms(resolved(scenario))
    assert written != resolved(scenario)
    assert from_resolved(written) == scenario


# --- labels -------------------------------------------------------------------------------------------------------

QUICK = {"queue": "inbox", "handle": {"law": "exponential", "mean": "4 min"}}
SLOW = {"queue": "inbox", "handle": {"law": "exponential", "mean": "15 min"}}
KINDS = {
    "calm": {"arrivals_per_hour": 9.0, "steps": {"front": QUICK}, "complaint_hazard_per_hour": 0.02},
    "angry": {"arrivals_per_hour": 3.0, "steps": {"front": SLOW}, "complaint_hazard_per_hour": 0.4},
}
RATES = ("tickets_new_per_day", "complaints_direct_per_day", "resolution_p50")


@cache
def labelled(first: str, second: str) -> list[dict[str, float | None]]:
    """Return the metrics of a small loaded desk whose two kinds of tickets bear the names a and b."""
    rumour = {"half_life": "6 h", "threshold": 5.0, "tickets_per_hour": 0.05, "ceiling_per_hour": 30.0,
              "category": "a" if first == "calm" else "b"}  # fmt: skip
    world = build(
        story(days=6, warmup_days=1, categories={"a": KINDS[first], "b": KINDS[second]}, rumour=rumour,
              complaints={"background_per_day": 10.0, "clock": "opening"})
    )  # fmt: skip
    return [measure(observe(world, seed=SEED, replication=number)) for number in range(20)]


@pytest.mark.parametrize("metric", RATES)
def test_swapped_labels_swap_the_results(metric: str) -> None:
    """In law, not in bits: draws are addressed by name, so the kinds meet other customers under the other's name."""
    here, there = labelled("calm", "angry"), labelled("angry", "calm")
    for mine, other in (("a", "b"), ("b", "a")):
        one, same, unlike = (
            [float(replication[f"{metric}.{name}"] or 0) for replication in runs]
            for runs, name in ((here, mine), (there, other), (there, mine))
        )
        alike, swapped = welch_difference(one, same), welch_difference(one, unlike)
        assert abs(alike.mean) < 2 * alike.half_width, f"{metric}.{mine}: {alike}"
        assert abs(swapped.mean) > 4 * swapped.half_width, f"{metric}.{mine}: {swapped}"


# --- economies of scale -------------------------------------------------------------------------------------------

SCALED = ("population.registered", "withdrawals.payouts_per_minute", "withdrawals.reviews_per_hour",
          "withdrawals.late_ceiling_per_hour", "rumour.ceiling_per_hour", "complaints.background_per_day",
          "rumour.threshold")  # fmt: skip


def grown(times: int) -> Scenario:
    """Return the baseline's exchange and all that serves it, so many times as large."""
    sets, small = [], load("baseline")
    for path in SCALED:
        value: Any = small
        for key in path.split("."):
            value = getattr(value, key)
        sets.append(f"{path}={value * times}")
    for name, team in small.teams.items():
        assert isinstance(team.agents, dict)
        sets += [f"teams.{name}.agents.{shift}={n * times}" for shift, n in team.agents.items()]
    return load("baseline", sets=[*SHORT, "busyness.cv=0", *sets])


def falls(metric: str, small: Scenario, large: Scenario) -> None:
    """Assert that a metric is clearly lower in the larger of two."""
    before, after = (
        [float(value or 0) for value in run(one, replications=6, seed=SEED).samples(metric).values()]
        for one in (small, large)
    )
    less = paired_difference(after, before)
    assert less.clear, f"{metric}: {less}"
    assert less.mean < 0, f"{metric}: {less}"


def test_an_exchange_twice_the_size_with_twice_the_staff_loses_fewer_who_wait() -> None:
    falls("abandoned_share", grown(1), grown(2))


def test_a_desk_four_times_the_size_with_four_times_the_staff_waits_less() -> None:
    quiet = load("quiet_week")
    more = [f"categories.{name}.arrivals_per_hour={4 * one.arrivals_per_hour}" for name, one in quiet.categories.items()
            if one.arrivals_per_hour]  # fmt: skip
    falls("first_response_p90", quiet, load("quiet_week", sets=[*more, "teams.front.agents=8"]))
