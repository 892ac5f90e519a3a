"""The picture of a capacity: throughput and p99 against the offered load, with the edge and its interval."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from loadtests.verdict.plots import BLACK, BLUE, GREY, ORANGE, RED, plt


def write(folder: Path, result: Mapping[str, Any]) -> None:
    """Write capacity.png and capacity.svg into ``folder``. ``result``: as in capacity.json."""
    figure = draw_capacity(result)
    for kind in ("png", "svg"):
        figure.savefig(folder / f"capacity.{kind}", dpi=110)
    plt.close(figure)


def draw_capacity(result: Mapping[str, Any]) -> Figure:
    """Return a row for each endpoint: throughput on the left, p99 on the right."""
    endpoints = result["endpoints"]
    height = 1.3 + 2.5 * len(endpoints)
    figure, axes = plt.subplots(len(endpoints), 2, figsize=(10, height), squeeze=False)
    figure.subplots_adjust(
        left=0.08, right=0.98, top=1 - 0.85 / height, bottom=0.9 / height, hspace=0.55, wspace=0.2
    )  # fmt: skip
    for (left, right), (name, one) in zip(axes, endpoints.items(), strict=True):
        _throughput(left, name, one)
        _p99(right, one, result["objective"]["p99_ms"])
    for axis in axes[-1]:
        axis.set_xlabel("offered load, requests/s")
    handles = {label: handle for row in axes for axis in row
               for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}  # fmt: skip
    figure.legend(list(handles.values()), list(handles), loc="lower center", ncols=5, fontsize=8, frameon=False)
    figure.suptitle(
        f"What {result['host']} holds with p99 within {_number(result['objective']['p99_ms'])} ms",
        x=0.02, ha="left", fontsize=12, weight="bold",
    )  # fmt: skip
    return figure


def _throughput(axis: Axes, name: str, one: Mapping[str, Any]) -> None:
    offered, done = _column(one, "offered_per_s"), _column(one, "throughput_per_s")
    _prepare(axis, one)
    if len(offered):
        axis.plot([0, offered.max()], [0, offered.max()], color=GREY, lw=1, ls=":", label="all of the offered load")
        axis.plot(offered, done, color=BLUE, lw=1.3, marker="o", ms=4, label="measured")
    axis.set_ylim(bottom=0)
    axis.set_ylabel("done, requests/s")
    axis.set_title(_finding(name, one), loc="left", fontsize=10)


def _p99(axis: Axes, one: Mapping[str, Any], limit_ms: float) -> None:
    offered, p99 = _column(one, "offered_per_s"), _column(one, "p99_ms")
    _prepare(axis, one)
    axis.plot(offered, p99, color=BLUE, lw=1.3, marker="o", ms=4, label="measured")
    axis.axhline(limit_ms, color=RED, lw=1.2, ls=(0, (6, 3)), label="p99 objective")
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: _number(ms)))
    axis.yaxis.set_minor_formatter(NullFormatter())
    low, high = axis.get_ylim()
    axis.set_ylim(10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high)))
    axis.set_ylabel("p99 latency, ms")


def _prepare(axis: Axes, one: Mapping[str, Any]) -> None:
    """Draw the capacity and its interval, which both panels share."""
    held, offered = one["capacity_per_s"], _column(one, "offered_per_s")
    most = 1.05 * max([float(offered.max()) if len(offered) else 1.0, held["high"] or 0.0])
    axis.set_xlim(0, most)
    axis.axvspan(held["low"], held["high"] or most, color=ORANGE, alpha=0.25, lw=0, label="interval")
    axis.axvline(held["value"], color=BLACK, lw=1.2, label="capacity")
    axis.grid(True, color="#E5E5E5", lw=0.6)
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _column(one: Mapping[str, Any], name: str) -> np.ndarray:
    return np.array([np.nan if point[name] is None else point[name] for point in one["curve"]], dtype=float)


def _finding(name: str, one: Mapping[str, Any]) -> str:
    held = one["capacity_per_s"]
    if not held["value"]:
        return f"{name}: no rate was held"
    if held["high"] is None:
        return f"{name}: at least {_number(held['low'] or held['value'])}/s"
    return f"{name}: {_number(held['value'])}/s ({_number(held['low'])} to {_number(held['high'])})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
