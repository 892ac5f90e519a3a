"""The common style of all figures: colours, the time axis, shaded shocks, titles and keys."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import matplotlib.dates as mdates
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, LogLocator, MaxNLocator, NullFormatter, NullLocator

from sim.output.presentation.view import Band, Floats, Phase, View, wrapped

# Okabe and Ito 2008. Where two meet in one panel one is dark and one is light, for print in grey.
BLACK, ORANGE, SKY, BLUE, RED = "#000000", "#E69F00", "#56B4E9", "#0072B2", "#D55E00"
GREY, PALE, SHOCK = "#595959", "#D9D9D9", "#F0E442"
WIDTH_IN = 11.69
"""The width of A4 landscape."""
_FADING = (0.26, 0.13, 0.06)
_WAIT_TICKS_MIN = {
    0.1: "6 s", 1: "1 min", 10: "10 min", 60: "1 h", 360: "6 h", 1440: "1 day", 7200: "5 days", 43200: "30 days",
}  # fmt: skip


def new_figure(height_in: float) -> Figure:
    """Return an empty figure, as wide as A4 landscape, on an Agg canvas."""
    figure = Figure(figsize=(WIDTH_IN, height_in), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def small_multiples(
    view: View, names: Sequence[str], row_in: float, draw_on: Callable[[Axes, View, str], None]
) -> Figure:
    """Return a figure with a panel for each name, two in a row, and time along the lowest of each column."""
    columns = 2 if len(names) > 1 else 1
    rows = math.ceil(len(names) / columns)
    figure = new_figure(1.1 + row_in * rows + (1.5 if rows == 1 else 0))
    for number, name in enumerate(names):
        axis = figure.add_subplot(rows, columns, number + 1)
        draw_on(axis, view, name)
        time_axis(axis, view, label=number + columns >= len(names))
    return figure


def finish(figure: Figure, finding: str, below: str, key: Sequence[Artist] = ()) -> Figure:
    """Put the finding and the key at the top and the small print at the bottom, and fit the panels between."""
    height = figure.get_figheight()
    title = wrapped(finding, 102)
    top = figure.suptitle(title, x=0.012, y=1 - 0.08 / height, ha="left", va="top", fontsize=13, fontweight="bold")
    top.set_in_layout(False)
    used = 0.14 + 0.23 * (1 + title.count("\n"))
    if key:
        legend = figure.legend(
            handles=list(key), loc="upper left", bbox_to_anchor=(0.004, 1 - used / height), ncols=len(key),
            fontsize=8.5, frameon=False, borderaxespad=0.3, handlelength=2.2, columnspacing=1.8,
        )  # fmt: skip
        legend.set_in_layout(False)
        used += 0.28
    small = wrapped(below, 190)
    note = figure.text(0.012, 0.06 / height, small, ha="left", va="bottom", fontsize=8, color=GREY)
    note.set_in_layout(False)
    figure.tight_layout(rect=(0.004, (0.1 + 0.16 * (1 + small.count("\n"))) / height, 0.996, 1 - used / height))
    return figure


def line_key(colour: str, label: str, style: str = "-") -> Artist:
    """Return a line for the key."""
    return Line2D([], [], color=colour, ls=style, lw=1.6, label=label)


def area_key(colour: str, label: str, alpha: float = 1.0) -> Artist:
    """Return an area for the key."""
    return Patch(color=colour, alpha=alpha, lw=0, label=label)


def band_key(view: View, colour: str) -> list[Artist]:
    """Return the key of a band, or nothing with one replication."""
    if view.replications == 1:
        return []
    of = "each kind of future" if view.second.any() else f"{view.replications} replications"
    return [area_key(colour, f"band: 5–95 % of {of}", 0.22)]


def panel(axis: Axes, title: str, unit: str) -> None:
    """Give a panel its title, the unit of its vertical axis, and quiet lines."""
    axis.set_title(title, loc="left", fontsize=9.5)
    axis.set_ylabel(unit, fontsize=8.5)
    axis.tick_params(labelsize=8, length=3)
    axis.grid(axis="y", color=PALE, lw=0.6)
    axis.set_axisbelow(True)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def edges(view: View, step_h: int) -> Floats:
    """Return the edges of the spans of ``step_h`` hours, the last one cut at the end, in matplotlib's days."""
    begin = float(mdates.date2num(view.start))
    return np.append(np.arange(0, view.hours, step_h), view.hours) / 24 + begin


def centres(view: View, step_h: int) -> Floats:
    """Return the middle of each span."""
    at = edges(view, step_h)
    return (at[1:] + at[:-1]) / 2


def draw_band(axis: Axes, at: Floats, values: Band, colour: str, *, width: float = 1.4, style: str = "-") -> None:
    """Draw the middle as a line and, if there is one, the band behind it; of two kinds of future both."""
    if values.first is not None:
        draw_band(axis, at, values.first, colour, width=width, style=style)
    if values.low is not None and values.high is not None:
        axis.fill_between(at, values.low, values.high, color=colour, alpha=0.22, lw=0)
    alone = len(at) == 1
    axis.plot(at, values.middle, color=colour, lw=width, ls=style, marker="o" if alone else None, ms=4)


def time_axis(axis: Axes, view: View, *, label: bool = True, narrow: bool = False) -> None:
    """Mark hours, days, weeks or months on the horizontal axis, in UTC."""
    begin, end = (float(mdates.date2num(when)) for when in (view.start, view.end))
    axis.set_xlim(begin, end)
    days, wide = view.hours / 24, 2 if narrow else 1
    form, locator = "%-d %b", _locator(days, wide)
    if days <= 2:
        form = "%H:%M\n%-d %b"
    elif days > 80:
        form = "%b\n%Y" if days < 1500 else "%Y"
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(mdates.DateFormatter(form))
    if label:
        axis.set_xlabel(f"date in {view.start:%Y}, UTC" if days <= 80 and days > 2 else "date, UTC", fontsize=8.5)


def _locator(days: float, wide: int) -> Locator:
    if days <= 2:
        return mdates.HourLocator(byhour=range(0, 24, (6 if days <= 1 else 12) * wide))
    if days <= 12:
        return mdates.DayLocator(interval=wide * (1 if days <= 6 else 2))
    if days <= 80:
        return mdates.WeekdayLocator(byweekday=mdates.MO, interval=wide * (1 if days <= 50 else 2))
    if days <= 1500:
        return mdates.MonthLocator(interval=wide * max(1, round(days / 30 / 8)))
    return mdates.YearLocator(base=wide * max(1, round(days / 365 / 8)))


def shade_shocks(axis: Axes, view: View, *, names: bool = True) -> None:
    """Shade each shock, paler as it fades, and name it."""
    used: list[float] = []
    for phase in view.phases():
        axis.axvspan(_day(phase.start), _day(phase.end), color=SHOCK, alpha=0.45, lw=0, zorder=0)
        begin = phase.end
        for alpha in _FADING:
            until = min(begin + phase.half_life, view.end)
            if until > begin:
                axis.axvspan(_day(begin), _day(until), color=SHOCK, alpha=alpha, lw=0, zorder=0)
            begin = until
        if names:
            _name_shock(axis, view, phase, used)


def _name_shock(axis: Axes, view: View, phase: Phase, used: list[float]) -> None:
    """Write a shock's name at the top of the panel, in the first of three rows with room; without room, not."""
    x = (phase.start - view.start) / (view.end - view.start)
    text = f"{phase.name} (price {phase.price_change:+.0%})" if phase.price_change else phase.name
    text = text.replace("%", " %").replace("-", "−")
    letter, line = 5.2 / _points(axis)[0], 12.0 / _points(axis)[1]
    length = letter * len(text)
    right = x + length > 1
    row = next((r for r in range(3) if r >= len(used) or used[r] < (x - length if right else x)), None)
    if row is None or (right and x < length):
        return
    used[row : row + 1] = [x if right else x + length]
    name = axis.text(
        x + (-0.004 if right else 0.004), 0.985 - row * line, text, transform=axis.transAxes, fontsize=7.5, va="top",
        ha="right" if right else "left",
    )  # fmt: skip
    name.set_in_layout(False)


def _points(axis: Axes) -> tuple[float, float]:
    """Return the width and height of a panel, before the layout, in points."""
    scale = 72 / axis.figure.dpi
    return axis.bbox.width * scale, axis.bbox.height * scale


def _day(when: object) -> float:
    return float(mdates.date2num(when))


def linear_axis(axis: Axes, top: float | None = None) -> None:
    """Write numbers as 10,000, start at 0 and leave a little room at the top."""
    axis.set_ylim(0, top * 1.12 if top else None)
    axis.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def log_axis(axis: Axes, values: Floats) -> None:
    """Make the vertical axis logarithmic, with plain numbers, around the positive values."""
    low, high = positive_range(values)
    axis.set_yscale("log")
    axis.set_ylim(low / 1.3, high * 2.2)
    few = high / low < 60
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if few else (1.0,)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())


def wait_axis(axis: Axes, values: Floats) -> None:
    """Make the vertical axis, in minutes, logarithmic with ticks in seconds, minutes, hours and days."""
    low, high = positive_range(values)
    axis.set_yscale("log")
    axis.set_ylim(low / 1.6, high * 4)
    ticks = [tick for tick in _WAIT_TICKS_MIN if low / 1.6 <= tick <= high * 4]
    axis.yaxis.set_major_locator(FixedLocator(ticks))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: next((t for at, t in _WAIT_TICKS_MIN.items() if abs(value / at - 1) < 1e-6), ""))
    )


def positive_range(values: Floats) -> tuple[float, float]:
    """Return the least and the largest positive value, at least a factor of 10 apart."""
    positive = values[np.isfinite(values) & (values > 0)]
    low, high = (float(positive.min()), float(positive.max())) if len(positive) else (0.1, 1.0)
    return low, max(high, 10 * low)
