"""The rows of the report's tables, as texts."""

from __future__ import annotations

import base64
import io
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sim.core.digits import significant
from sim.core.proven import PLURALS
from sim.experiment.analysis.estimate import Estimate
from sim.experiment.analysis.expectations import Expectation
from sim.metrics.registry import metric_of
from sim.numerics.statistics import half_width
from sim.output.plots import NAMES
from sim.output.presentation import findings
from sim.output.presentation.view import View, estimate_text, humane, quantile_text
from sim.scenario.reference.provenance import KINDS, Provenance

_SVG_AT_MOST = 120_000
_PNG_SCALE, _COLOURS = 0.7, 64
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
_OF_CATEGORY = (
    "tickets_new_per_day", "tickets_human_per_day", "first_response_p50", "first_response_p90", "resolution_p90",
    "within_target_share", "complaints_direct_per_day", "complaints_without_waits_per_day",
)  # fmt: skip
_OF_TEAM = (
    "occupancy", "backlog_waiting_peak", "backlog_waiting_mean", "backlog_waiting_end", "oldest_age_peak",
    "agent_cost_per_day",
)  # fmt: skip


def pictures(plots: Sequence[Path]) -> dict[str, dict[str, str]]:
    """Return by name the picture as a data address, and its title: SVG where it is small enough, else a smaller PNG.

    So the report, which must be fit for e-mail, stays below 1 MB.
    """
    found = {}
    for name in sorted({path.stem for path in plots}, key=lambda stem: (stem not in NAMES, stem)):
        files = {path.suffix: path.read_bytes() for path in plots if path.stem == name}
        svg, png = files.get(".svg"), files.get(".png")
        data, kind = svg, "svg+xml"
        if png is not None and (svg is None or len(svg) > _SVG_AT_MOST):
            data, kind = _smaller(png), "png"
        if data is None:
            continue
        title = _TITLE.search(svg.decode()) if svg is not None else None
        source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        found[name] = {"source": source, "title": unescape(title[1]) if title else name}
    return found


def _smaller(png: bytes) -> bytes:
    """Return a picture with fewer pixels and colours."""
    picture, out = Image.open(io.BytesIO(png)).convert("RGB"), io.BytesIO()
    size = (round(picture.width * _PNG_SCALE), round(picture.height * _PNG_SCALE))
    picture = picture.resize(size, Image.Resampling.LANCZOS).quantize(_COLOURS, dither=Image.Dither.NONE)
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def funnel(metrics: Mapping[str, Estimate]) -> list[dict[str, str]]:
    """Return the stages of the funnel: each a day, and as a share of a stage that is named."""
    rows = []
    for name, what, whole in _FUNNEL:
        part, of = metrics.get(name), metrics.get(whole)
        if part is None or part.mean is None:
            continue
        share = ""
        if of is not None and of.mean and part.mean and part.summary == "mean":
            error = None if part.half_width is None else 100 * part.half_width / of.mean
            share = f"{significant(100 * part.mean / of.mean, error)} % {_WHOLE[whole]}"
        rows.append({"what": what, "mean": estimate_text(part), "range": _range(part), "share": share})
    return rows


def _range(estimate: Estimate) -> str:
    """Return the 5 and 95 % quantiles, if there is more than one replication."""
    if estimate.replications < 2:
        return "–"
    return " … ".join(quantile_text(q, estimate.half_width) for q in (estimate.p05, estimate.p95))


def by_category(view: View) -> list[dict[str, str]]:
    """Return waits and complaints of each ticket category, and of all together."""
    return [_row(view, name, _OF_CATEGORY) for name in [*view.scenario.categories, ""]]


def by_team(view: View) -> list[dict[str, str]]:
    """Return load, backlog and cost of each team, and of all together."""
    rows = []
    for name in [*view.scenario.teams, ""]:
        row = _row(view, name, _OF_TEAM) | {"load": ""}
        if name and view.get(f"team:{name}", "agents_needed") is not None:
            load = findings.run_load(view, name)
            row["load"] = view.share_text(load) if len(load) else "no agent on duty"
        rows.append(row)
    return rows


def _row(view: View, name: str, wanted: Sequence[str]) -> dict[str, str]:
    row = {"name": name or "all together"}
    for metric in wanted:
        estimate = view.metrics.get(f"{metric}.{name}" if name else metric)
        row[metric] = humane(estimate) if estimate is not None else "–"
    return row


def endpoints(view: View) -> list[dict[str, str]]:
    """Return the busiest minute of each endpoint that gets requests, over the replications."""
    rows = []
    for name in findings.active_endpoints(view):
        peaks = findings.endpoint_peaks(view, name)
        p50, p95 = (quantile_text(float(np.quantile(peaks, p)), half_width(peaks)) for p in (0.5, 0.95))
        many = len(peaks) > 1
        words = {"name": PLURALS[name], "mean": findings.endpoint_peak(view, name)}
        rows.append(words | {"p50": p50 if many else "–", "p95": p95 if many else "–"})
    return rows


def expected(each: Expectation) -> dict[str, Any]:
    """Return one expectation and what came out."""
    return {
        "metric": each.metric,
        "limit": each.limit,
        "measured": estimate_text(each.measured),
        "unit": each.measured.unit,
        "passed": each.passed,
    }


def all_metrics(metrics: Mapping[str, Estimate]) -> list[dict[str, Any]]:
    """Return every metric, its parts below it."""
    rows = []
    for name, estimate in metrics.items():
        quantiles = (estimate.p05, estimate.p50, estimate.p95)
        rows.append(
            {
                "name": name,
                "part": name.partition(".")[2],
                "meaning": metric_of(name).meaning,
                "unit": estimate.unit,
                "mean": estimate_text(estimate),
                "quantiles": [quantile_text(q, estimate.half_width) for q in quantiles],
                "replications": estimate.replications,
                "undefined": estimate.undefined,
                "censored": estimate.censored,
            }
        )
    return rows


def origins(provenance: Mapping[str, Provenance] | None) -> dict[str, int] | None:
    """Return how many numbers there are of each kind of origin; None when it is not known."""
    if provenance is None:
        return None
    counts = Counter(each.kind for each in provenance.values())
    return {kind: counts[kind] for kind in KINDS}


def reproduce(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return the command that repeats the run, and what must be the same for the same bits."""
    words = ["withstand", "run", str(info.get("source") or info.get("name") or "scenario.toml")]
    for change in info.get("sets") or ():
        words += ["--set", str(change)]
    for key in ("replications", "seed"):
        if info.get(key) is not None:
            words += [f"--{key}", str(info[key])]
    keys = ("scenario_sha256", "engine", "seed", "replications", "commit", "started_utc")
    facts = [(key.replace("_", " "), str(info[key])) for key in keys if info.get(key) is not None]
    versions = ", ".join(f"{what} {version}" for what, version in (info.get("versions") or {}).items())
    return {"command": shlex.join(words), "facts": [*facts, *([("versions", versions)] if versions else [])]}
