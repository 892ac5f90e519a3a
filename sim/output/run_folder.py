"""A run's folder: written beside its place and renamed when whole, so that what looks whole is whole."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sim.core import tables
from sim.core.tables import ARRIVALS, REPLICATIONS, TICKETS
from sim.experiment import hourly_table as series_table
from sim.experiment.analysis.estimate import Estimate
from sim.experiment.analysis.expectations import Expectation, judge
from sim.experiment.checkpoint import refusal_told
from sim.experiment.hourly_table import Hourly
from sim.experiment.replications import Replication
from sim.experiment.request_trace import arrivals, busiest_window, header
from sim.experiment.results import RunResult
from sim.metrics.ticket_table import ticket_table
from sim.scenario.faults import ScenarioFaults
from sim.scenario.loading.load import from_resolved, resolved
from sim.scenario.schema.scenario import Scenario

_PACKAGES = ("withstand", "numba", "numpy", "polars", "scipy", "simpy")


def must_be_free(folder: Path) -> None:
    """Raise ScenarioFaults unless a run folder can be written there: absent, or an empty folder."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        got = "a folder with files in it" if folder.is_dir() else "a file"
        raise ScenarioFaults([f"{folder}: --out: got {got}; must be absent or an empty folder"])
    nearest = next(parent for parent in folder.absolute().parents if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ScenarioFaults(
            [f"{folder}: --out: got {nearest}, where nothing can be written; must be a folder of yours"]
        )


def default_folder(name: str, seed: int, started: datetime) -> Path:
    """Return the place of a run that names none: ``results/<scenario>/<time>-<seed>``.

    The time is ``started``, or the first second after it that no other run has taken.
    """
    place = Path("results") / name
    folder = place / f"{started:%Y%m%dT%H%M%S}-{seed}"
    if folder.exists() or any(place.glob(partial_of(folder, "*").name)):
        return default_folder(name, seed, started + timedelta(seconds=1))
    return folder


def partial_of(folder: Path, process: object = None) -> Path:
    """Return where this process (or another) writes what becomes ``folder`` once it is whole."""
    return folder.parent / f".{folder.name}.partial-{process or os.getpid()}"


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``folder`` at the end, or is removed when anything goes wrong.

    Raises ScenarioFaults when the folder is taken, or the system refuses to write there.
    """
    must_be_free(folder)
    partial = partial_of(folder)
    shutil.rmtree(partial, ignore_errors=True)
    with refusal_told(folder):
        partial.mkdir(parents=True)
        try:
            yield partial
            if folder.is_dir():
                folder.rmdir()
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def write_run(
    run: RunResult,
    folder: Path,
    *,
    source: str | None = None,
    sets: Sequence[str] = (),
    notes: Sequence[str] = (),
    all_tickets: bool = False,
) -> Path:
    """Write everything of a run into ``folder`` and return it.

    ``source`` is the scenario's file or catalogue name, for the origin of its numbers; ``sets`` what was changed;
    ``notes`` are sentences about the run beside its own.
    Raises ScenarioFaults when the folder is taken or cannot be written.
    """
    from sim.output.plots import figures, save

    booked = run.profile.station
    with whole(folder) as place:
        info = describe(run, source=source, sets=sets, notes=notes)
        _json(place / "run.json", info)
        with booked("write metrics"):
            _json(place / "metrics.json", {"metrics": {name: one.as_json() for name, one in run.metrics.items()}})
            tables.write(replication_table(run.replications), place / "replications.parquet", REPLICATIONS)
        with booked("write series"):
            series_table.write(run.hourly, place / "series.parquet")
        with booked("write tickets"):
            shown = range(len(run.replications) if all_tickets else 1)
            tables.stream((ticket_table(run.facts(index)) for index in shown), place / "tickets.parquet", TICKETS)
        with booked("write arrivals"):
            _write_arrivals(run, place / "arrivals.parquet")
        with booked("write plots"):
            (place / "plots").mkdir()
            save(figures(run.hourly, run.metrics, run.scenario), place / "plots")
        with booked("write report"):
            page = report_page(place, info, run.scenario, run.metrics, run.hourly)
            (place / "report.html").write_text(page, encoding="utf-8")
    return folder


def _write_arrivals(run: RunResult, path: Path) -> None:
    peak = run.peak_facts()
    window = busiest_window(peak)
    trace = header(peak, window, run.metrics, run.sha256)
    tables.write(arrivals(peak, window), path, ARRIVALS, header=trace)


def report_page(
    folder: Path,
    info: Mapping[str, Any],
    scenario: Scenario,
    metrics: Mapping[str, Estimate],
    hourly: Hourly,
    *,
    verdict: Mapping[str, Any] | None = None,
) -> str:
    """Return the report of a run whose plots lie in ``folder``."""
    from sim.output.report import report_html
    from sim.scenario.reference.provenance import provenance_of

    return report_html(
        run_info=info,
        scenario=scenario,
        hourly=hourly,
        metrics=metrics,
        plots=sorted((folder / "plots").iterdir()),
        expectations=None if info["sets"] else judge(scenario.expect, metrics),
        provenance=provenance_of(info["source"]) if info["source"] else None,
        verdict=verdict,
    )


def add_verdict(folder: Path, verdict: Mapping[str, Any]) -> None:
    """Write the report of a saved run anew, with the verdict of a load test in it."""
    from sim.output.saved_run import read_run

    saved = read_run(folder)
    scenario = from_resolved(saved.info["scenario"], file=str(folder / "run.json"))
    hourly = series_table.of_file(folder / "series.parquet")
    page = report_page(folder, saved.info, scenario, saved.metrics, hourly, verdict=verdict)
    fresh = folder / ".report.partial"
    fresh.write_text(page, encoding="utf-8")
    fresh.replace(folder / "report.html")


def describe(run: RunResult, *, source: str | None, sets: Sequence[str], notes: Sequence[str] = ()) -> dict[str, Any]:
    """Return what ``run.json`` holds: enough to do the run again."""
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
    return {"metric": one.metric, "limit": one.limit, "mean": one.measured.mean, "verdict": verdict}


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


def _json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def replication_table(replications: Sequence[Replication]) -> pl.DataFrame:
    """Return every metric of every replication, long (``sim.core.tables.REPLICATIONS``)."""
    names = list(replications[0].metrics)
    columns = {
        "replication": np.repeat([one.number for one in replications], len(names)),
        "name": names * len(replications),
        "value": [one.metrics[name] for one in replications for name in names],
    }
    return pl.DataFrame(columns, schema=tables.dtypes(REPLICATIONS))
