"""The wait for the first response, by the queue that a ticket starts in, against its target."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
from sim.output.presentation.view import Band, Floats, View, band, coarse

SHORTEST_MIN = 0.1


def draw(view: View) -> Figure | None:
    """Return the figure, or None when no queue has a known wait."""
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
        area_key(PALE, "grey: not known", 0.6),
    ]
    step = step_h(view)
    hourly = "" if step == 1 else " Each point is the median over its hours of the hourly value."
    banded = " The band is that of the median." if view.replications > 1 else ""
    below = (
        f"{view.drawn_text(step, 'median')}{hourly} By the hour of opening; waits under 6 s are drawn at 6 s.{banded} "
        "Not known: in half of the replications or more no ticket was opened, or not enough were answered before the "
        "end."
    )
    return finish(figure, findings.waits(view), below, key)


def step_h(view: View) -> int:
    """Return the hours of one point: the longer the run the more, since the nights would tangle the lines."""
    return 1 if view.hours <= 3 * 24 else 6 if view.hours <= 12 * 24 else max(24, view.step_h)


def queues_with_waits(view: View) -> list[str]:
    """Return the starting queues in which anybody got an answer."""
    return [
        q for q in view.entities("queue", "wait_p50_min") if np.isfinite(view.of(f"queue:{q}", "wait_p50_min")).any()
    ]


def median_wait(view: View, queue: str) -> Band:
    """Return the median wait in minutes, at least 6 s, with its band over replications."""
    return _drawn(view, queue, "wait_p50_min")


def _drawn(view: View, queue: str, name: str) -> Band:
    step = step_h(view)
    return band(np.maximum(coarse(view.of(f"queue:{queue}", name), step, "median"), SHORTEST_MIN), "median")


def draw_on(axis: Axes, view: View, queue: str) -> None:
    """Draw the median and the 90 % quantile of the wait of one queue, and its target."""
    at, middle = centres(view, step_h(view)), median_wait(view, queue)
    shade_shocks(axis, view)
    _grey_where_unknown(axis, edges(view, step_h(view)), middle.middle)
    seen: list[Floats] = [
        middle.middle,
        *([] if middle.high is None or middle.low is None else [middle.low, middle.high]),
    ]
    if view.get(f"queue:{queue}", "wait_p90_min") is not None:
        upper = _drawn(view, queue, "wait_p90_min").middle
        draw_band(axis, at, Band(upper, None, None), RED, style="--", width=1.1)
        seen.append(upper)
    draw_band(axis, at, middle, BLUE)
    target, title = view.get(f"queue:{queue}", "target_min"), f"{queue}: no target"
    if target is not None:
        target_min = float(target[0, 0])
        seen.append(np.array([target_min]))
        axis.axhline(target_min, color=BLACK, lw=1.1, ls=":")
        missed = view.share_text(findings.missed_share(view, queue))
        title = f"{queue}: median over the target of {duration_text(target_min * MINUTE_MS)} in {missed} of the hours"
    panel(axis, title, "wait (units at ticks)")
    wait_axis(axis, np.concatenate(seen))


def _grey_where_unknown(axis: Axes, at: Floats, middle: Floats) -> None:
    bounds = np.flatnonzero(np.diff(np.concatenate([[0], np.isnan(middle).astype(int), [0]])))
    for first, last in bounds.reshape(-1, 2):
        axis.axvspan(at[first], at[last], color=PALE, alpha=0.6, lw=0, zorder=0)
