"""The picture of cost against size: CPU time, its stations and peak memory over tickets, all logarithmic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from sim.output.plots.style import BLACK, BLUE, GREY, ORANGE, RED, finish, line_key, log_axis, new_figure, panel
from tests.bench.bench_size import STAGES, Size, finding, fit

COLOURS = dict(zip(STAGES, (ORANGE, BLUE, RED), strict=True))
MARKERS = ("^", "o")


def draw(sizes: Sequence[Size], path: Path) -> Figure:
    """Draw the picture and write it as PNG; return it."""
    figure = new_figure(5.2)
    whole, stations, memory = figure.subplots(1, 3, width_ratios=(1.5, 1, 1))
    groups = [[one for one in sizes if one.users == users] for users in sorted({one.users for one in sizes})]
    _curves(whole, "CPU time of one replication", "CPU ms", groups, {BLACK: lambda one: 1000 * one.all_s})
    by_station = {colour: _station_ms(stage) for stage, colour in COLOURS.items()}
    _curves(stations, "By station", "CPU ms", groups, by_station)
    _curves(memory, "Peak memory of the process", "MB", groups, {BLACK: lambda one: one.peak_mb})
    for mine, above in zip(groups, (True, False), strict=False):
        _fitted(whole, mine)
        _labels(whole, mine, above=above)
    key = [
        *(_marker_key(mine, marker) for mine, marker in zip(groups, MARKERS, strict=False)),
        line_key(GREY, "least squares", "--"),
        *(line_key(colour, stage) for stage, colour in COLOURS.items()),
    ]
    told = finding(sizes)
    figure = finish(figure, told, _small_print(groups), key)
    figure.savefig(path, dpi=150, metadata={"Title": told, "Software": None})
    return figure


def _curves(
    axis: Axes, title: str, unit: str, groups: Sequence[Sequence[Size]], curves: dict[str, Callable[[Size], float]]
) -> None:
    """Draw a line for each number of users and each colour."""
    panel(axis, title, unit)
    for mine, marker in zip(groups, MARKERS, strict=False):
        for colour, value in curves.items():
            axis.plot([one.tickets for one in mine], [value(one) for one in mine], color=colour, marker=marker, ms=5)
    drawn = [one for mine in groups for one in mine]
    log_axis(axis, np.array([value(one) for one in drawn for value in curves.values()]))
    axis.set_xscale("log")
    axis.set_xlim(min(one.tickets for one in drawn) / 5, max(one.tickets for one in drawn) * 5)
    axis.xaxis.set_major_locator(LogLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(_count))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("tickets opened, the bot's included", fontsize=8.5)


def _station_ms(stage: str) -> Callable[[Size], float]:
    return lambda one: 1000 * one.cpu_s[stage]


def _count(value: float, _: object) -> str:
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"


def _fitted(axis: Axes, mine: Sequence[Size]) -> None:
    tickets = np.array([one.tickets for one in mine])
    slope, _, intercept = fit(tickets, [one.all_s for one in mine])
    axis.plot(tickets, 1000 * 10**intercept * tickets**slope, color=GREY, ls="--", lw=0.9)


def _labels(axis: Axes, mine: Sequence[Size], *, above: bool) -> None:
    for one in mine:
        axis.annotate(
            one.span, (one.tickets, 1000 * one.all_s), (-3 if above else 3, 5 if above else -5),
            textcoords="offset points", ha="right" if above else "left", va="bottom" if above else "top",
            fontsize=7.5, color=GREY,
        )  # fmt: skip


def _marker_key(mine: Sequence[Size], marker: str) -> Line2D:
    return Line2D([], [], color=BLACK, marker=marker, ms=5, label=f"{mine[0].users / 1e6:g} million registered users")


def _small_print(groups: Sequence[Sequence[Size]]) -> str:
    last = [fit([one.tickets for one in mine[-3:]], [one.all_s for one in mine[-3:]])[0] for mine in groups]
    return (
        "The baseline with agents in proportion to the users (at least one), no warm-up; compiled engine, median of up "
        "to 7 replications, each size in a process of its own. The ± is the standard error of the fit; what a "
        "replication costs whatever its size flattens it: over the three longest spans the slopes are "
        f"{' and '.join(f'{slope:.2f}' for slope in last)}. Memory includes Python and its libraries."
    )
