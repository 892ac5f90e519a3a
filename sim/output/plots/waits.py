"""The wait for the first response, by the queue that a ticket starts in, against its target."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.core.arrays import Mask
from sim.core.clock import MINUTE_MS, duration_text
from sim.output.plots.style import (
    BLACK,
    BLUE,
    PALE,
    RED,
    area_key,
    band_key,
    centres,
    draw_band,
    edges,
    finish,
    line_key,
    new_figure,
    panel,
    shade_shocks,
    time_axis,
    wait_axis,
)
from sim.output.presentation import findings
from sim.output.presentation.view import Band, Floats, View, coarse

SHORTEST_MIN = 0.1
_ENDLESS, _LONGEST = 1e300, 1e15
"""Stands for a wait beyond the end, where only the order counts, and the longest that is none."""


def draw(view: View) -> Figure | None:
    """Return the figure, or None when no queue has a wait."""
    queues = queues_with_waits(view)
    if not queues:
        return None
    figure = new_figure(1.5 + 2.0 * len(queues) + (1.2 if len(queues) == 1 else 0))
    for number, queue in enumerate(queues):
        axis = figure.add_subplot(len(queues), 1, number + 1)
        draw_on(axis, view, queue)
        time_axis(axis, view, label=number == len(queues) - 1)
    key = [
        line_key(BLUE, "median wait"),
        line_key(RED, "90 % wait less than this", "--"),
        line_key(BLACK, "target", ":"),
        *band_key(view, BLUE),
        area_key(PALE, "grey: no ticket", 0.6),
        area_key(RED, "red: fewer than half answered", 0.25),
    ]
    step = step_h(view)
    hourly = "" if step == 1 else " Each point is the median over its hours of the hourly value."
    banded = " The band is that of the median." if view.replications > 1 else ""
    below = (
        f"{view.drawn_text(step, 'median')}{hourly} By the hour of opening; waits under 6 s are drawn at 6 s.{banded} "
        "No ticket: in half of the replications or more none was opened. Fewer than half answered: before the end of "
        "the run, so that the median wait lies beyond it."
    )
    return finish(figure, findings.waits(view), below, key)


def step_h(view: View) -> int:
    """Return the hours of one point: the longer the run the more, since the nights would tangle the lines."""
    return 1 if view.hours <= 3 * 24 else 6 if view.hours <= 12 * 24 else max(24, view.step_h)


def queues_with_waits(view: View) -> list[str]:
    """Return the starting queues in which anybody asked."""
    asked = {queue: view.of(f"queue:{queue}", "wait_p50_min") for queue in view.entities("queue", "wait_p50_min")}
    return [queue for queue, wait in asked.items() if not np.isnan(wait).all()]


def median_wait(view: View, queue: str) -> Band:
    """Return the median wait in minutes, at least 6 s, with its band over replications; infinite beyond the end."""
    return _drawn(view, queue, "wait_p50_min")


def _drawn(view: View, queue: str, name: str) -> Band:
    waits = coarse(view.of(f"queue:{queue}", name), step_h(view), "median")
    return _beyond(view.band(np.clip(waits, SHORTEST_MIN, _ENDLESS), "median"))


def _beyond(found: Band) -> Band:
    """Return a band whose waits beyond the end are infinite."""
    middle, low, high = (
        None if one is None else np.where(one > _LONGEST, np.inf, one) for one in (found.middle, found.low, found.high)
    )
    assert middle is not None
    return Band(middle, low, high, found.first and _beyond(found.first))


def _drawable(found: Band) -> Band:
    """Return a band whose upper ends are finite, as areas must be."""
    high = None if found.high is None else np.minimum(found.high, _LONGEST)
    return replace(found, high=high, first=found.first and _drawable(found.first))


def draw_on(axis: Axes, view: View, queue: str) -> None:
    """Draw the median and the 90 % quantile of the wait of one queue, and its target."""
    at, middle = centres(view, step_h(view)), median_wait(view, queue)
    shade_shocks(axis, view)
    _shade(axis, edges(view, step_h(view)), np.isnan(middle.middle), PALE, 0.6)
    _shade(axis, edges(view, step_h(view)), np.isinf(middle.middle), RED, 0.25)
    seen: list[Floats] = [
        middle.middle,
        *([] if middle.high is None or middle.low is None else [middle.low, middle.high]),
        *([] if middle.first is None else [middle.first.middle]),
    ]
    if view.get(f"queue:{queue}", "wait_p90_min") is not None:
        upper = _drawn(view, queue, "wait_p90_min").middle
        draw_band(axis, at, Band(upper, None, None), RED, style="--", width=1.1)
        seen.append(upper)
    draw_band(axis, at, _drawable(middle), BLUE)
    name = view.label("queue", queue)
    target, title = view.get(f"queue:{queue}", "target_min"), f"{name}: no target"
    if target is not None:
        target_min = float(target[0, 0])
        seen.append(np.array([target_min]))
        axis.axhline(target_min, color=BLACK, lw=1.1, ls=":")
        missed = view.typically(f"wait_over_target_share.{queue}")
        title = f"{name}: median over the target of {duration_text(target_min * MINUTE_MS)} in {missed} of the hours"
    panel(axis, title, "wait (units at ticks)")
    wait_axis(axis, np.concatenate(seen))


def _shade(axis: Axes, at: Floats, where: Mask, colour: str, alpha: float) -> None:
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], where.astype(int), [0]])))
    for first, last in bounds.reshape(-1, 2):
        axis.axvspan(at[first], at[last], color=colour, alpha=alpha, lw=0, zorder=0)
