"""The pictures of one load test: what was sent against what was predicted, and the latency over time.

Draws what the rows and the verdict say and computes no result of its own. Colours are those of Okabe and Ito, which
colour-blind readers can distinguish; shape and line style repeat the distinction.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl

from loadtests.core.intervals import quantile
from loadtests.dialect.contract import ACKNOWLEDGED, RATE_LIMITED, REJECTED, UNKNOWN
from loadtests.verdict.measured import FAILURES
from sim.core.tables import ENDPOINTS

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

BLACK, ORANGE, SKY, GREEN, BLUE, RED = "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"
GREY = "#8A8A8A"
SECOND_US = 1_000_000
MOST_DOTS = 4000
FEW = 100
"""Requests below which single ones are shown larger, and no quantile over time."""
_FAULTS = {REJECTED: ("x", RED), UNKNOWN: ("v", ORANGE), RATE_LIMITED: ("s", BLUE)}


def write(folder: Path, *, requests: pl.DataFrame, verdict: dict[str, Any]) -> None:
    """Write sent.png, sent.svg, latency.png and latency.svg into ``folder``."""
    figures = {"sent": draw_sent(requests, verdict), "latency": draw_latency(requests, verdict)}
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=110)
        figure.savefig(folder / f"{name}.svg", dpi=110)
        plt.close(figure)


def draw_sent(requests: pl.DataFrame, verdict: dict[str, Any]) -> Figure:
    """Return predicted and sent requests per second, a panel for each endpoint."""
    names = _names(requests)
    n_bins = int(max(requests["due_us"].to_numpy().max(), requests["sent_us"].to_numpy().max()) // SECOND_US) + 1
    figure, axes = _panels(len(names))
    for axis, name in zip(axes, names, strict=True):
        rows = requests.filter(pl.col("endpoint") == name)
        due, sent = rows["due_us"].to_numpy(), rows["sent_us"].to_numpy()
        seconds = np.arange(n_bins) + 0.5
        planned = np.bincount(due // SECOND_US, minlength=n_bins)
        left = np.bincount(sent[sent >= 0] // SECOND_US, minlength=n_bins)
        axis.stairs(planned, np.arange(n_bins + 1), fill=True, color=GREY, alpha=0.35, label="predicted (due)")
        axis.plot(seconds, left, color=BLUE, lw=1.1, marker="o", ms=2.5, label="sent")
        axis.set_ylim(0, max(planned.max(), left.max()) * 1.25 + 1)
        axis.set_ylabel("requests/s")
        axis.set_title(f"{name}: {int((sent >= 0).sum()):,} of {len(due):,} sent", loc="left", fontsize=10)
    axes[0].legend(loc="upper right", ncols=2, fontsize=8, frameon=False)
    axes[-1].set_xlabel("time since the start of the run, s")
    _title(figure, _sent_finding(verdict))
    return figure


def draw_latency(requests: pl.DataFrame, verdict: dict[str, Any]) -> Figure:
    """Return the latency from the due time over time: requests, quantiles per second, and the objective."""
    names = _names(requests)
    figure, axes = _panels(len(names))
    for axis, name in zip(axes, names, strict=True):
        _latency_panel(axis, requests.filter(pl.col("endpoint") == name), verdict, name)
    handles, labels = axes[0].get_legend_handles_labels()
    for axis in axes[1:]:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            if label not in labels:
                handles.append(handle)
                labels.append(label)
    figure.legend(handles, labels, loc="lower center", ncols=3, fontsize=8, frameon=False, markerscale=2)
    axes[-1].set_xlabel("due time since the start of the run, s")
    _title(figure, _latency_finding(verdict))
    return figure


def _latency_panel(axis: Axes, rows: pl.DataFrame, verdict: dict[str, Any], name: str) -> None:
    timeout_us = verdict["timeout_s"] * SECOND_US
    rows = rows.filter(pl.col("sent_us") >= 0)
    due, sent, done = (rows[column].to_numpy() for column in ("due_us", "sent_us", "done_us"))
    latency_ms = (np.where(done >= 0, done, sent + timeout_us) - due) / 1000
    at_s, outcome = due / SECOND_US, rows["outcome"].to_numpy()
    good = outcome == ACKNOWLEDGED
    size = 4 if good.sum() > FEW else 16
    _dots(axis, at_s[good], latency_ms[good], s=size, color=SKY, alpha=0.55, lw=0, label="acknowledged request")
    for kind, (marker, colour) in _FAULTS.items():
        chosen = outcome == kind
        label = kind.replace("_", " ") + (" (drawn at the time-out)" if kind == UNKNOWN else "")
        _dots(axis, at_s[chosen], latency_ms[chosen], s=12, marker=marker, color=colour, lw=0.8, label=label)
    counted = good | np.isin(outcome, FAILURES)
    _quantile_lines(axis, at_s[counted], np.where(good, latency_ms, np.nan)[counted])
    limit = (verdict["objectives"].get(name) or {}).get("p99_ms")
    if limit is not None:
        axis.axhline(limit, color=RED, lw=1.2, ls=(0, (6, 3)), label="p99 objective")
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: _number(ms)))
    axis.yaxis.set_minor_formatter(NullFormatter())
    low, high = axis.get_ylim()
    axis.set_ylim(10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high)))
    axis.set_ylabel("latency, ms")
    axis.set_title(_panel_finding(verdict, name, limit), loc="left", fontsize=10)


def _dots(axis: Axes, at_s: np.ndarray, latency_ms: np.ndarray, **style: Any) -> None:
    """Draw one mark a request, and evenly fewer where they are very many."""
    if len(at_s):
        stride = max(1, len(at_s) // MOST_DOTS)
        axis.scatter(at_s[::stride], latency_ms[::stride], rasterized=True, **style)


def _quantile_lines(axis: Axes, at_s: np.ndarray, latency_ms: np.ndarray) -> None:
    """Draw the median and the 99th percentile of each second, or of longer spans where requests are few."""
    if len(at_s) < FEW:
        return
    span_s = max(1.0, np.ceil(20 * (at_s.max() + 1) / len(at_s)))
    bins = (at_s // span_s).astype(int)
    spans = [bins == b for b in np.unique(bins)]
    middle_s = [float(at_s[inside].mean()) for inside in spans]
    for q, colour, style, label in ((0.5, GREEN, "-", "median"), (0.99, BLACK, "-.", "99th percentile")):
        # A failure, NaN, sorts behind every answer; where the quantile is one, the line has a gap.
        line = np.array([quantile(np.sort(latency_ms[inside]), q) for inside in spans], dtype=float)
        axis.plot(middle_s, line, color=colour, lw=1.4, ls=style, label=f"{label} of each second or 20 requests")


def _panels(n: int) -> tuple[Figure, list[Axes]]:
    figure, axes = plt.subplots(n, 1, sharex=True, figsize=(9, 1.6 + 1.75 * n), squeeze=False)
    figure.subplots_adjust(
        left=0.1, right=0.97, top=1 - 0.95 / (1.6 + 1.75 * n), bottom=0.95 / (1.6 + 1.75 * n), hspace=0.45
    )
    for axis in axes[:, 0]:
        axis.grid(True, color="#E5E5E5", lw=0.6)
        axis.set_axisbelow(True)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, list(axes[:, 0])


def _names(requests: pl.DataFrame) -> list[str]:
    present = set(requests["endpoint"].unique().to_list())
    return [name for name in ENDPOINTS if name in present]


def _title(figure: Figure, text: str) -> None:
    figure.suptitle(text, x=0.02, ha="left", fontsize=12, weight="bold", wrap=True)


def _sent_finding(verdict: dict[str, Any]) -> str:
    counts, generator = verdict["counts"], verdict["generator"]
    sent = counts["planned"] - counts["shed"] - counts["not_sent"]
    error, late = generator["count_error_per_s"]["mean_share"], generator["lateness_ms"]["p99"]
    where = f"{sent:,} of {counts['planned']:,} requests sent, {error:.2%} off per second, lateness p99 {late} ms"
    return (
        f"The load followed the prediction:\n{where}"
        if verdict["valid"]
        else f"The load did not follow the prediction:\n{where}"
    )


def _latency_finding(verdict: dict[str, Any]) -> str:
    targets = [t for t in verdict["thresholds"] if t["kind"] == "target" and t["required"]]
    broken, undecided = ([t["name"] for t in targets if t["passed"] is wanted] for wanted in (False, None))
    head = f"{verdict['scenario']}, speed-up {verdict['speedup']:g}: "
    if broken:
        shown = ", ".join(broken[:3]) + (f" and {len(broken) - 3} more" if len(broken) > 3 else "")
        return head + f"objectives missed\n{shown}"
    if not any(verdict["objectives"].get(t["endpoint"]) for t in targets):
        return head + "latency from the due time\n(the scenario sets no objective)"
    if not verdict["valid"]:
        return head + "no objective was seen broken, but the run is invalid"
    return head + (f"{len(undecided)} gates are undecided" if undecided else "every objective was kept")


def _number(ms: float) -> str:
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.3g}"


def _panel_finding(verdict: dict[str, Any], name: str, limit: float | None) -> str:
    p99 = verdict["measured"]["endpoints"][name]["latency_ms"]["p99"]["value"]
    shown = "more than 1 % failed" if p99 is None else f"p99 {_number(p99)} ms"
    if limit is None:
        return f"{name}: {shown}"
    passed = next(t["passed"] for t in verdict["thresholds"] if t["name"] == f"{name}.p99_ms")
    word = {True: "kept", False: "missed", None: "undecided"}[passed]
    return f"{name}: {shown}, objective {_number(limit)} ms {word}"
