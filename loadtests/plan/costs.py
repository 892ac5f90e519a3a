"""What a shortage of capacity costs: the same scenario and customers, without the capacity and with it, paired."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomlkit

from loadtests.core.faults import InputError
from loadtests.plan.plan import Plan
from loadtests.verdict.shortage import Amount, costs_of, shortage
from sim import load, run
from sim.experiment.analysis.comparison import Samples, compare
from sim.numerics.statistics import paired_difference
from sim.output.saved_run import read_run
from sim.scenario.faults import ScenarioFaults
from sim.scenario.loading.measured_gateway import capacity_sets

FAILED = "failed withdrawals"
PAIRS = 20
"""Most replications that are run again with a capacity."""


def falls_short(plan: Plan) -> bool:
    """Return whether the capacity that a plan was given is less than what is predicted."""
    found = shortage(plan.capacity, plan.schedule.trace.predicted) if plan.capacity else None
    return found is not None and (found.surely_short or found.mix is not None)


def of_pair(without: Path, limited: Path) -> Mapping[str, Amount]:
    """Return what a run with a capacity costs beyond the same run without it. Raises InputError for another pair."""
    try:
        one, other = read_run(without), read_run(limited)
    except ScenarioFaults as error:
        raise InputError([f"--with-capacity: {fault}" for fault in error.faults]) from None
    same = ("seed", "name")
    if any(one.info.get(key) != other.info.get(key) for key in same):
        raise InputError([f"--with-capacity: got {limited}; must be a run of the same scenario and seed as RUN"])
    return _costs(one, other, one.info["scenario"]["days"])


def of_capacity(without: Path, capacity: Path) -> Mapping[str, Amount] | None:
    """Return what the capacity in a file costs: the run's scenario is run again with it, for up to PAIRS replications.

    None where there is no pair to make: a run of one replication, or a trace without its run. Raises InputError when
    the capacity cannot be used.
    """
    try:
        base = read_run(without)
    except ScenarioFaults:
        return None
    replications = min(int(base.info["replications"]), PAIRS)
    if replications < 2:
        return None
    try:
        with tempfile.TemporaryDirectory() as place:
            source = Path(place) / f"{base.info['name']}.toml"
            source.write_text(tomlkit.dumps(_without_nulls(base.info["scenario"])), encoding="utf-8")
            sets, _ = capacity_sets(capacity, source)
            scenario = load(source, sets=sets)
        limited = run(scenario, replications=replications, seed=base.seed, name=str(base.info["name"]))
    except ScenarioFaults as error:
        raise InputError([f"--capacity: {fault}" for fault in error.faults]) from None
    return _costs(base, limited, scenario.days)


def _costs(without: Samples, limited: Samples, days: float) -> Mapping[str, Amount]:
    differences: dict[str, Any] = dict(compare(without, limited).differences)
    before, after = _failed_per_day(without), _failed_per_day(limited)
    both = sorted(before.keys() & after.keys())
    if len(both) > 1 and any(after[number] is not None for number in both):
        a, b = ([found[number] or 0.0 for number in both] for found in (after, before))
        differences["withdrawals_failed_per_day"] = paired_difference(a, b)
    found = costs_of(differences, days)
    failed = found.get(FAILED)
    if failed is not None and failed.low is not None and not any(before.values()):
        found[FAILED] = replace(failed, low=max(failed.low, 0.0))  # none failed before, so there cannot be fewer
    return found


def _failed_per_day(found: Samples) -> dict[int, float | None]:
    """Return how many requests to withdraw failed a day, by replication; None without a gateway, where none can."""
    requests = found.samples("withdrawals_requests_per_day")
    share = found.samples("withdrawals_failed_share")
    return {n: None if share.get(n) is None else (share[n] or 0.0) * (count or 0.0) for n, count in requests.items()}


def _without_nulls(value: Any) -> Any:
    """Return a table without the keys that have no value, which TOML cannot write."""
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return [_without_nulls(one) for one in value] if isinstance(value, list) else value
