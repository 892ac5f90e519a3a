"""The report of a run: one self-contained page of HTML that opens from disk and prints well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sim.experiment.analysis.estimate import Estimate
from sim.experiment.analysis.expectations import Expectation
from sim.experiment.hourly_table import Hourly
from sim.output.presentation import findings
from sim.output.presentation.answer import answered
from sim.output.presentation.view import View, day_text
from sim.output.report import loadtest, rows
from sim.scenario.reference.provenance import Provenance
from sim.scenario.schema.scenario import Scenario


def report_html(
    *,
    run_info: Mapping[str, Any],
    scenario: Scenario,
    hourly: Hourly,
    metrics: Mapping[str, Estimate],
    plots: Sequence[Path],
    expectations: Sequence[Expectation] | None,
    provenance: Mapping[str, Provenance] | None = None,
    verdicts: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the page, under 3 MB: it needs no other file, no network and no JavaScript.

    ``run_info``: as in run.json, with ``notes`` (a list of sentences) if there are any. ``plots``: the files that
    ``sim.output.plots.save`` wrote. ``expectations``: None when they were not judged. ``provenance``: as of
    ``sim.scenario.reference.provenance.provenance_of``. ``verdicts``: as in the verdict.json of each load test.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    view = View(hourly, metrics, scenario)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("page.html.j2").render(
        scenario=scenario,
        reproduce=rows.reproduce(run_info),
        seed=run_info.get("seed"),
        period=f"{day_text(view.start)} {view.start:%Y}",
        replications=view.replications,
        answered=answered(view),
        headlines=findings.headlines(view),
        pictures=rows.pictures(plots),
        funnel=rows.funnel(metrics),
        complaints=findings.complaints_in_words(view),
        by_category=rows.by_category(view),
        by_team=rows.by_team(view),
        endpoints=rows.endpoints(view),
        expectations=None if expectations is None else [rows.expected(each) for each in expectations],
        metrics=rows.all_metrics(view),
        provenance=rows.origins(provenance),
        loadtests=loadtest.all_in_words(verdicts),
        notes=list(run_info.get("notes") or ()),
    )
