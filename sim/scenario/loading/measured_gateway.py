"""What ``withstand capacity`` measured, as a scenario's gateway: the settings that stand for ``--capacity FILE``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sim.scenario.faults import Finding, ScenarioFaults
from sim.scenario.loading.load import load
from sim.scenario.schema.scenario import Scenario

FORMAT = 1
PREFERRED = ("all", "withdrawal")
"""The measured mix of all endpoints, or else withdrawals alone: the gateway's load is that of all."""
LOST = 0.01
"""Least share of the offered requests not completed that counts as lost: less is the noise of a short step."""
DEFAULTS = {
    "retry_share": "0.6",
    "retry_after": '"2 min"',
    "tickets_per_failure": "0.05",
    "ceiling_per_hour": "1000",
}
"""A gateway's other keys where the scenario has no gateway; the tickets are those about late withdrawals."""


def capacity_sets(file: str | Path, source: str | Path, sets: Sequence[str] = ()) -> tuple[list[str], str]:
    """Return the settings that lay the capacity in ``file`` over a scenario, and a sentence about them.

    Raises ScenarioFaults when the file is not as ``withstand capacity`` writes it, or nothing is withdrawn.
    """
    name, host, points = _read(Path(file))
    own = [one for one in sets if one.split("=")[0].strip().startswith("gateway.")]
    scenario = load(source, sets=[one for one in sets if one not in own])
    found = {
        "loads_per_s": json.dumps([load_per_s for load_per_s, _ in points]),
        "error_shares": json.dumps([share for _, share in points]),
    }
    if scenario.gateway is None:
        found |= _defaults(scenario, str(source))
        for one in own:
            key = one.split("=")[0].strip().removeprefix("gateway.")
            if key not in ("loads_per_s", "error_shares"):
                found.pop(key, None)
    note = f"{file}: the gateway is as {host} was measured ({name}): {points[0][0]:g} to {points[-1][0]:g} requests/s"
    return [f"gateway.{key}={value}" for key, value in found.items()], note


def _defaults(scenario: Scenario, source: str) -> dict[str, str]:
    if scenario.withdrawals is None:
        rule = "must have a table withdrawals, which pass the gateway whose capacity is given"
        raise ScenarioFaults([f"{source}: withdrawals: got nothing; {rule}"])
    return {**DEFAULTS, "category": json.dumps(scenario.withdrawals.late_category)}


def _read(file: Path) -> tuple[str, str, list[tuple[float, float]]]:
    """Return which endpoint's curve is taken, whose it is, and its points: load, requests/s, and share that fails."""
    try:
        data = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        rule = "must be a capacity.json, as withstand capacity writes"
        raise ScenarioFaults([f"command line: --capacity: got {file}; {rule}"]) from None
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        got = data.get("format") if isinstance(data, dict) else data
        raise ScenarioFaults([Finding(("format",), got, f"must be {FORMAT}").sentence(str(file))])
    endpoints = data.get("endpoints")
    known = endpoints if isinstance(endpoints, dict) else {}
    name = next((one for one in PREFERRED if one in known), None)
    if name is None:
        rule = 'must have "all", a run\'s mix, or "withdrawal"'
        raise ScenarioFaults([Finding(("endpoints",), sorted(known), rule).sentence(str(file))])
    return name, str(data.get("host", "")), _points(file, name, known[name])


def _points(file: Path, name: str, endpoint: Any) -> list[tuple[float, float]]:
    """Return the curve by rising load; steps at one load count by their requests."""
    curve = endpoint.get("curve") if isinstance(endpoint, dict) else None
    if not isinstance(curve, list) or not curve:
        rule = "must be the steps of the curve, one or more"
        raise ScenarioFaults([Finding(("endpoints", name, "curve"), curve, rule).sentence(str(file))])
    faults = [each for i, step in enumerate(curve) for each in _step_faults(("endpoints", name, "curve", i), step)]
    if faults:
        raise ScenarioFaults([each.sentence(str(file)) for each in faults])
    sums: dict[float, list[float]] = {}
    for step in curve:
        failed, n = sums.setdefault(float(step["offered_per_s"]), [0.0, 0.0])
        sums[float(step["offered_per_s"])] = [failed + step["n"] * _failing(step), n + step["n"]]
    return [(load_per_s, round(failed / n, 6)) for load_per_s, (failed, n) in sorted(sums.items())]


def _failing(step: dict[str, float]) -> float:
    """Return the share of a step's requests that failed or were not completed in its time (and are not awaited)."""
    lost = 1 - step["throughput_per_s"] / step["offered_per_s"]
    return max(step["error_share"], lost if lost > LOST else 0.0)


def _step_faults(at: tuple[str | int, ...], step: Any) -> list[Finding]:
    if not isinstance(step, dict):
        return [Finding(at, step, "must be a step of the curve")]
    rules = {
        "offered_per_s": ("must be a number above 0, requests/s", lambda x: x > 0),
        "throughput_per_s": ("must be a number, 0 or more, requests/s", lambda x: x >= 0),
        "error_share": ("must be a number from 0 to 1", lambda x: 0 <= x <= 1),
        "n": ("must be a number above 0, requests", lambda x: x > 0),
    }
    return [
        Finding((*at, key), step.get(key), rule) for key, (rule, fits) in rules.items()
        if not (_is_number(step.get(key)) and fits(step[key]))
    ]  # fmt: skip


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
