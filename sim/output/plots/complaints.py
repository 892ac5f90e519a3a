"""Public complaints a day: those that come without any wait for agents, and those that come from waiting."""

from __future__ import annotations

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.output.plots.style import (
    BLACK,
    BLUE,
    ORANGE,
    area_key,
    centres,
    edges,
    finish,
    line_key,
    linear_axis,
    new_figure,
    panel,
    shade_shocks,
    time_axis,
)
from sim.output.presentation import findings
from sim.output.presentation.view import Floats, View, band, coarse, span_text

BACKGROUND = "#A6A6A6"


def draw(view: View) -> Figure | None:
    """Return the figure, or None when the run has no complaints at all."""
    if not has_complaints(view):
        return None
    figure = new_figure(5.4)
    axis = figure.add_subplot()
    draw_on(axis, view)
    panel(axis, "", unit(view))
    time_axis(axis, view)
    of = ", of the second kind of future" if view.second.any() else ""
    below = (
        f"Bars: {view.middle}s per {span_text(step_h(view))}{of}. Without waits: direct complaints about the same "
        "tickets, had none waited for an agent, and the background of those that name no ticket. What campaigns post "
        "is none."
    )
    return finish(figure, findings.complaints(view), below, key(view))


def unit(view: View) -> str:
    """Return the unit of a bar."""
    return f"public complaints per {span_text(step_h(view))}"


def key(view: View) -> list[Artist]:
    """Return what the colours mean."""
    many = view.replications > 1
    of = int(view.second.sum()) or view.replications
    whisker = f"all: 5–95 % of {of} replications" if many else "one replication: no whisker"
    return [
        area_key(ORANGE, "come from waiting for agents"),
        area_key(BLUE, "come without any wait"),
        area_key(BACKGROUND, "of these: background, no ticket"),
        line_key(BLACK if many else "none", whisker),
    ]


def step_h(view: View) -> int:
    """Return the hours of one bar: an hour in short runs, a day, or a week in long ones."""
    days = view.hours / 24
    return 1 if days < 3 else 24 if days <= 120 else 168


def has_complaints(view: View) -> bool:
    """Return whether any complaint was recorded."""
    values = (view.get("all", name) for name in ("new_complaints", "new_posts", "new_complaints_without_waits"))
    return any(each is not None and float(np.nansum(each)) > 0 for each in values)


def draw_on(axis: Axes, view: View, *, names: bool = True) -> None:
    """Draw the bars: all complaints, in front of them those without waits, in front of these the background."""
    width = step_h(view)
    posts = _sums(view, "new_posts", width) - _sums(view, "new_campaign_posts", width)
    total, without = (
        _sums(view, "new_complaints", width) + posts,
        _sums(view, "new_complaints_without_waits", width) + posts,
    )
    of_kind = total[view.second] if view.second.any() else total
    at, spread = edges(view, width), band(of_kind, view.middle)
    shade_shocks(axis, view, names=names)
    for values, colour in ((total, ORANGE), (without, BLUE), (posts, BACKGROUND)):
        axis.stairs(view.centre(values), at, fill=True, color=colour, lw=0)
    axis.stairs(view.centre(total), at, color=BLACK, lw=0.7)
    top = float(max(view.centre(total).max(), view.centre(without).max()))
    if spread.low is not None and spread.high is not None:
        axis.vlines(centres(view, width), spread.low, spread.high, color=BLACK, lw=0.9)
        top = max(top, float(spread.high.max()))
    linear_axis(axis, top or 1.0)


def _sums(view: View, name: str, width: int) -> Floats:
    values = view.get("all", name)
    return coarse(np.zeros((view.replications, view.hours)) if values is None else values, width, "sum")
