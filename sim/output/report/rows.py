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

from PIL import Image

from sim.core.proven import PLURALS
from sim.experiment.analysis.estimate import Estimate
from sim.experiment.analysis.expectations import Expectation, expected_text
from sim.experiment.analysis.words import amount, error_text, mean_text
from sim.metrics.registry import metric_of
from sim.output.plots import NAMES
from sim.output.presentation import findings
from sim.output.presentation.view import View
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
    "occupancy", "load_share", "backlog_waiting_peak", "backlog_waiting_mean", "backlog_waiting_end", "oldest_age_peak",
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
        if of is not None and of.mean and part.mean:
            shares = findings.shares_of(part, of)
            # Three digits, so that 75 and 25 % do not become 75 and 24.
            share = f"{' or '.join(f'{100 * one:.3g} %' for one in shares)} {_WHOLE[whole]}"
        rows.append({"what": what, "told": amount(part, unit=False), "share": share})
    return rows


def by_category(view: View) -> list[dict[str, str]]:
    """Return waits and complaints of each ticket category, and of all together."""
    return [_row(view, "category", name, _OF_CATEGORY) for name in [*view.scenario.categories, ""]]


def by_team(view: View) -> list[dict[str, str]]:
    """Return load, backlog and cost of each team, and of all together."""
    rows = []
    for name in [*view.scenario.teams, ""]:
        rows.append(_row(view, "team", name, _OF_TEAM))
    return rows


def _row(view: View, kind: str, name: str, wanted: Sequence[str]) -> dict[str, str]:
    row = {"name": view.label(kind, name) if name else "all together"}
    for metric in wanted:
        estimate = view.metrics.get(f"{metric}.{name}" if name else metric)
        row[metric] = "–" if estimate is None or estimate.mean is None else amount(estimate, unit=False)
    return row


def endpoints(view: View) -> list[dict[str, str]]:
    """Return the busiest minute of each endpoint that gets requests, over the replications."""
    rows = []
    for name in findings.active_endpoints(view):
        peak = view.metrics[f"requests_peak_per_s.{name}"]
        p95 = findings.upper(peak) if view.replications > 1 else "–"
        rows.append({"name": PLURALS[name], "told": amount(peak, unit=False), "p95": p95})
    return rows


def expected(each: Expectation) -> dict[str, Any]:
    """Return one expectation and what came out."""
    return {
        "expected": expected_text(each.metric, each.limit),
        "measured": each.measured,
        "passed": each.passed,
    }


def all_metrics(view: View) -> list[dict[str, Any]]:
    """Return every metric that has a value in some replication, its parts below it."""
    rows = []
    for name, estimate in view.metrics.items():
        metric, _, part = name.partition(".")
        if estimate.mean is None:
            continue
        rows.append(
            {
                "name": name,
                "part": view.label(metric_of(metric).parts, part) if part else "",
                "meaning": metric_of(name).meaning,
                "unit": estimate.unit,
                "told": amount(estimate, unit=False),
                "error": error_text(estimate),
                "mean": mean_text(estimate, unit=False),
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
