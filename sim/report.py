"""The report of a run: one page of HTML that opens from disk, prints well and needs nothing else."""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from sim.estimate import Estimate
from sim.expect import Expectation
from sim.metrics import metric_of
from sim.plots import NAMES, findings
from sim.plots.view import View, day_text, estimate_text, humane, quantile_text, share_text
from sim.scenario.model import Scenario
from sim.scenario.provenance import KINDS, Provenance
from sim.statistics import half_width, significant

_TEMPLATE = "report_template.html.j2"
_SVG_AT_MOST = 250_000
_TITLE = re.compile(r"<dc:title>(.*?)</dc:title>", re.DOTALL)
_FUNNEL = (
    ("tickets_new_per_day", "tickets opened", ""),
    ("tickets_bot_per_day", "ended by the bot", "tickets_new_per_day"),
    ("tickets_human_per_day", "handled by people", "tickets_new_per_day"),
    ("tickets_first_contact_per_day", "solved at first contact", "tickets_human_per_day"),
    ("tickets_escalated_per_day", "not solved at first contact (escalated)", "tickets_human_per_day"),
    ("complaints_direct_per_day", "direct public complaints", "tickets_new_per_day"),
    ("complaints_regulator_per_day", "complaints to a regulator", "tickets_new_per_day"),
)
_WHOLE = {"tickets_new_per_day": "of the tickets opened", "tickets_human_per_day": "of those handled by people"}


def report_html(
    *,
    run_info: Mapping[str, Any],
    scenario: Scenario,
    series: pl.DataFrame,
    metrics: Mapping[str, Estimate],
    plots: Sequence[Path],
    expectations: Sequence[Expectation] | None,
    provenance: Mapping[str, Provenance] | None = None,
    verdict: Mapping[str, Any] | None = None,
) -> str:
    """Return the page, under 3 MB.

    ``run_info``: as in run.json, with ``notes`` (a list of sentences) if there are any. ``plots``: the files that
    ``sim.plots.save`` wrote. ``expectations``: None when they were not judged. ``provenance``: as of
    ``sim.scenario.provenance_of``. ``verdict``: as in a load test's verdict.json.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    view = View(series, metrics, scenario)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(_TEMPLATE).render(
        scenario=scenario,
        reproduce=_reproduce(run_info),
        seed=run_info.get("seed"),
        period=f"{day_text(view.start)} {view.start:%Y}",
        replications=view.replications,
        headlines=findings.headlines(view),
        pictures=_pictures(plots),
        funnel=_funnel(metrics),
        complaints=findings.complaints_in_words(view),
        by_category=_by_entity(view, "category", scenario.categories),
        by_team=_by_entity(view, "team", scenario.teams),
        endpoints=_endpoints(view),
        expectations=None if expectations is None else [_expected(each) for each in expectations],
        metrics=_metric_rows(metrics),
        provenance=_provenance(provenance),
        verdict=None if verdict is None else _verdict(verdict),
        notes=run_info.get("notes", ()),
    )


def _pictures(plots: Sequence[Path]) -> dict[str, dict[str, str]]:
    """Return by name the picture as a data address, and its title: SVG where it is small enough, else the smaller."""
    found = {}
    for name in sorted(
        {path.stem for path in plots}, key=lambda stem: (NAMES.index(stem) if stem in NAMES else 99, stem)
    ):
        files = {path.suffix: path.read_bytes() for path in plots if path.stem == name}
        svg, png = files.get(".svg"), files.get(".png")
        small = svg is not None and (len(svg) <= _SVG_AT_MOST or png is None or len(svg) <= len(png))
        data, kind = (svg, "svg+xml") if small else (png, "png")
        if data is None:
            continue
        title = _TITLE.search(svg.decode()) if svg is not None else None
        source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        found[name] = {"source": source, "title": unescape(title[1]) if title else name}
    return found


def _funnel(metrics: Mapping[str, Estimate]) -> list[dict[str, str]]:
    rows = []
    for name, what, whole in _FUNNEL:
        part, of = metrics.get(name), metrics.get(whole)
        if part is None or part.mean is None:
            continue
        share = ""
        if of is not None and of.mean:
            error = None if part.half_width is None else 100 * part.half_width / of.mean
            share = f"{significant(100 * part.mean / of.mean, error)} % {_WHOLE[whole]}"
        rows.append({"what": what, "mean": estimate_text(part), "range": _range(part), "share": share})
    return rows


def _range(estimate: Estimate) -> str:
    """Return the 5 and 95 % quantiles, if there is more than one replication."""
    if estimate.replications < 2:
        return "–"
    return " … ".join(quantile_text(q, estimate.half_width) for q in (estimate.p05, estimate.p95))


def _by_entity(view: View, kind: str, names: Iterable[str]) -> list[dict[str, str]]:
    """Return a row of texts for each team or category, by metric name."""
    wanted = {
        "team": ("occupancy", "backlog_peak", "backlog_mean", "backlog_end", "agent_cost_per_day"),
        "category": (
            "tickets_new_per_day", "tickets_human_per_day", "first_response_p50", "first_response_p90",
            "resolution_p90", "within_target_share", "complaints_direct_per_day", "complaints_floor_per_day",
        ),
    }[kind]  # fmt: skip
    rows = []
    for name in [*names, ""]:
        row = {"name": name or "all together"}
        for metric in wanted:
            estimate = view.metrics.get(f"{metric}.{name}" if name else metric)
            row[metric] = humane(estimate) if estimate is not None else "–"
        if kind == "team" and name and view.get(f"team:{name}", "agents_needed") is not None:
            row["load"] = share_text(load) if len(load := findings.run_load(view, name)) else "nobody on duty"
        rows.append(row)
    return rows


def _endpoints(view: View) -> list[dict[str, str]]:
    """Return the busiest minute of each endpoint that gets requests, over the replications."""
    rows = []
    for name in findings.active_endpoints(view):
        peaks = findings.endpoint_peaks(view, name)
        error = half_width(peaks)
        rows.append(
            {
                "name": findings.ENDPOINT_NAMES[name],
                "mean": findings.endpoint_peak(view, name),
                "p50": quantile_text(float(np.quantile(peaks, 0.5)), error),
                "p95": quantile_text(float(np.quantile(peaks, 0.95)), error) if len(peaks) > 1 else "–",
            }
        )
    return rows


def _metric_rows(metrics: Mapping[str, Estimate]) -> list[dict[str, Any]]:
    rows = []
    for name, estimate in metrics.items():
        metric, part = metric_of(name), name.partition(".")[2]
        error = estimate.half_width
        rows.append(
            {
                "name": name,
                "part": part,
                "meaning": metric.meaning,
                "unit": estimate.unit,
                "mean": estimate_text(estimate),
                "quantiles": [quantile_text(q, error) for q in (estimate.p05, estimate.p50, estimate.p95)],
                "replications": estimate.replications,
                "undefined": estimate.undefined,
            }
        )
    return rows


def _provenance(provenance: Mapping[str, Provenance] | None) -> dict[str, int] | None:
    """Return how many numbers there are of each kind; None when it is not known."""
    if provenance is None:
        return None
    counts = Counter(each.kind for each in provenance.values())
    return {kind: counts[kind] for kind in KINDS}


def _expected(each: Expectation) -> dict[str, Any]:
    measured = each.measured
    return {
        "metric": each.metric,
        "limit": each.limit,
        "measured": estimate_text(measured),
        "unit": measured.unit,
        "passed": each.passed,
    }


def _verdict(verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Return a load test's verdict as texts."""
    valid, passed = bool(verdict.get("valid")), bool(verdict.get("passed"))
    if passed:
        sentence = "The endpoints met every objective under the predicted load."
    elif valid:
        sentence = "The endpoints did not meet every objective under the predicted load."
    else:
        sentence = "The run is not valid: the load generator, not the endpoints, fell short. It says nothing good."
    rates = (verdict.get("headroom") or {}).get("rate_over_predicted_p95_peak") or {}
    return {
        "passed": passed,
        "sentence": sentence,
        "reasons": list(verdict.get("reasons") or ()),
        "rates": [
            {
                "name": findings.METRIC_ENDPOINTS.get(name, name),
                "sent": _three(row.get("sent_per_s")),
                "predicted": _three(row.get("predicted_p95_per_s")),
                "ratio": _three(row.get("ratio")),
            }
            for name, row in rates.items()
        ],
        "thresholds": [
            {**row, "limit": _three(row.get("limit")), "measured": _three(row.get("measured"))}
            for row in verdict.get("thresholds") or ()
        ],
    }


def _three(value: float | None) -> str:
    """Return a measured number with three digits."""
    return "–" if value is None else significant(value, None) if value else "0"


def _reproduce(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the command that repeats the run, and what must be the same for the same bits."""
    name, seed, count = info.get("name", "scenario"), info.get("seed"), info.get("replications")
    command = info.get("command") or f"withstand run {name} --replications {count} --seed {seed}"
    keys = ("scenario_sha256", "engine", "seed", "replications", "commit", "started_utc")
    facts = [(key.replace("_", " "), str(info[key])) for key in keys if info.get(key) is not None]
    versions = ", ".join(f"{what} {version}" for what, version in (info.get("versions") or {}).items())
    return {"command": command, "facts": [*facts, *([("versions", versions)] if versions else [])]}
