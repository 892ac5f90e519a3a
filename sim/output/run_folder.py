"""A run's folder: its tables, figures and report, written together; and its report, rewritten with its load tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sim.core import tables
from sim.core.at_least import is_censored
from sim.core.tables import ARRIVALS, REPLICATIONS, TICKETS
from sim.experiment import hourly_table
from sim.experiment.analysis.expectations import judge
from sim.experiment.hourly_table import Hourly
from sim.experiment.replications import Replication
from sim.experiment.request_trace import arrivals, busiest_window, header
from sim.experiment.results import RunResult
from sim.metrics.ticket_table import ticket_table
from sim.output.run_info import describe
from sim.output.run_place import whole
from sim.output.saved_run import SavedRun, read_run
from sim.scenario.faults import ScenarioFaults
from sim.scenario.reference.provenance import Provenance, provenance_of


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

    booked = run.profile.stage
    with whole(folder) as place:
        info = describe(run, source=source, sets=sets, notes=notes)
        _json(place / "run.json", info)
        with booked("write metrics"):
            found = {"metrics": {name: one.as_json() for name, one in run.metrics.items()}}
            kinds = {"second_kind": run.metrics.second_kind} if run.metrics.second_kind else {}
            _json(place / "metrics.json", found | kinds)
            tables.write(replication_table(run.replications), place / "replications.parquet", REPLICATIONS)
        with booked("write series"):
            hourly_table.write(run.hourly, place / "series.parquet")
        with booked("write tickets"):
            shown = range(len(run.replications) if all_tickets else 1)
            tables.stream((ticket_table(run.observed(index)) for index in shown), place / "tickets.parquet", TICKETS)
        with booked("write arrivals"):
            _write_arrivals(run, place / "arrivals.parquet")
        with booked("write plots"):
            (place / "plots").mkdir()
            save(figures(run.hourly, run.metrics, run.scenario), place / "plots")
        with booked("write report"):
            page = report_page(place, info, run, run.hourly)
            (place / "report.html").write_text(page, encoding="utf-8")
    return folder


def _write_arrivals(run: RunResult, path: Path) -> None:
    peak = run.peak_observation()
    window = busiest_window(peak)
    trace = header(peak, window, run.metrics, run.sha256)
    tables.write(arrivals(peak, window), path, ARRIVALS, header=trace)


def report_page(
    folder: Path,
    info: Mapping[str, Any],
    run: RunResult | SavedRun,
    hourly: Hourly,
    *,
    verdicts: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the report of a run whose plots lie in ``folder``."""
    from sim.output.report import report_html

    return report_html(
        run_info=info,
        scenario=run.scenario,
        hourly=hourly,
        metrics=run.metrics,
        plots=sorted((folder / "plots").iterdir()),
        expectations=None if info["sets"] else judge(run.scenario.expect, run),
        provenance=_provenance(info["source"]),
        verdicts=verdicts,
    )


def _provenance(source: str | None) -> dict[str, Provenance] | None:
    """Return the origin of a scenario's numbers; None without a source, or where it is gone (moved, or a pipe)."""
    try:
        return provenance_of(source) if source else None
    except ScenarioFaults:
        return None


def add_verdicts(folder: Path) -> None:
    """Write the report of a saved run anew, with the verdicts of all its load tests in it."""
    saved = read_run(folder)
    hourly = hourly_table.of_file(folder / "series.parquet")
    paths = sorted(folder.glob("loadtest/*/verdict.json"))
    verdicts = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    page = report_page(folder, saved.info, saved, hourly, verdicts=verdicts)
    fresh = folder / ".report.partial"
    fresh.write_text(page, encoding="utf-8")
    fresh.replace(folder / "report.html")


def _json(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def replication_table(replications: Sequence[Replication]) -> pl.DataFrame:
    """Return every metric of every replication, long (``sim.core.tables.REPLICATIONS``)."""
    names = list(replications[0].metrics)
    columns = {
        "replication": np.repeat([one.number for one in replications], len(names)),
        "name": names * len(replications),
        "value": [one.metrics[name] for one in replications for name in names],
        "censored": [is_censored(one.metrics[name]) for one in replications for name in names],
    }
    return pl.DataFrame(columns, schema=tables.dtypes(REPLICATIONS))
