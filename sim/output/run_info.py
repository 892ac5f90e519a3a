"""The content of run.json: enough to repeat a run."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sim.core.at_least import is_censored
from sim.experiment.analysis.expectations import Expectation
from sim.experiment.results import RunResult
from sim.scenario.loading.load import resolved

_PACKAGES = ("withstand", "numba", "numpy", "polars", "scipy", "simpy")


def describe(run: RunResult, *, source: str | None, sets: Sequence[str], notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the content of ``run.json``: enough to repeat the run."""
    return {
        "name": run.name,
        "title": run.scenario.title,
        "seed": run.seed,
        "replications": len(run.replications),
        "engine": run.engine,
        "precision": run.precision and run.precision.as_json(),
        "source": source,
        "sets": list(sets),
        "scenario": resolved(run.scenario),
        "scenario_sha256": run.sha256,
        "customers": run.customers,
        "started_utc": run.started.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "finished_utc": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "versions": versions(),
        "commit": _commit(),
        "notes": [*run.notes, *notes],
        "expect": [_judged(one, judged=not sets) for one in run.expectations()],
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that the figures depend on."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _judged(one: Expectation, *, judged: bool) -> dict[str, Any]:
    verdict = ("passed" if one.passed else "failed") if judged else "not judged"
    known = None if is_censored(one.value) else one.value
    return {"metric": one.metric, "limit": one.limit, "value": known, "measured": one.measured, "verdict": verdict}


def _commit() -> str | None:
    """Return the commit of the source tree, marked when it has changes; None outside a checkout."""
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return None
    try:
        done = subprocess.run(
            ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
