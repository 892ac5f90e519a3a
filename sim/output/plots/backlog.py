"""The backlog: the tickets that wait, beside all open ones, and by team those that wait."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.output.plots.style import (
    BLACK,
    BLUE,
    GREY,
    band_key,
    centres,
    draw_band,
    finish,
    line_key,
    linear_axis,
    new_figure,
    panel,
    shade_shocks,
    time_axis,
)
from sim.output.presentation import findings
from sim.output.presentation.view import Floats, View, coarse

_COLUMNS = 4


def draw(view: View) -> Figure | None:
    """Return the figure, or None without a backlog."""
    waiting = view.get("all", "n_backlog_waiting")
    if waiting is None:
        return None
    teams = view.entities("team", "n_backlog_waiting")
    shown = teams if len(teams) > 1 else []
    rows = math.ceil(len(shown) / _COLUMNS)
    figure = new_figure(4.2 + 1.75 * rows)
    grid = figure.add_gridspec(rows + 1, min(_COLUMNS, len(shown)) or 1, height_ratios=[2.0, *[1.0] * rows])
    main = figure.add_subplot(grid[0, :])
    total = view.centre(coarse(view.of("all", "n_backlog"), view.step_h))
    draw_on(main, view, waiting, BLACK)
    main.plot(centres(view, view.step_h), total, color=GREY, lw=1.0)
    main.set_ylim(top=max(main.get_ylim()[1], 1.1 * float(np.max(total))))
    panel(main, "Tickets that wait for agents, and all open ones: in hand, with customers or third parties", "tickets")
    time_axis(main, view, label=not shown)
    for number, team in enumerate(shown):
        axis = figure.add_subplot(grid[1 + number // _COLUMNS, number % _COLUMNS])
        draw_on(axis, view, view.of(f"team:{team}", "n_backlog_waiting"), BLUE, names=False)
        panel(axis, f"{view.label('team', team)}: peak {view.typically(f'backlog_waiting_peak.{team}')}", "tickets")
        time_axis(axis, view, label=number + _COLUMNS >= len(shown), narrow=True)
    key = [
        line_key(BLACK, "waiting"),
        line_key(GREY, "all open"),
        *([line_key(BLUE, "team (waiting; scales differ)")] if shown else []),
    ]
    below = view.drawn_text(view.step_h)
    if findings.slowest_team(view):
        below = f"{below} {findings.DRAINED_TEXT}"
    return finish(figure, findings.backlog(view), below, [*key, *band_key(view, BLACK)])


def draw_on(axis: Axes, view: View, values: Floats, colour: str, *, names: bool = True) -> None:
    """Draw a level with its band."""
    drawn = view.band(coarse(values, view.step_h))
    shade_shocks(axis, view, names=names)
    draw_band(axis, centres(view, view.step_h), drawn, colour)
    linear_axis(axis, drawn.top or 1.0)
