"""Agents on duty against the load that is offered to them, by team."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.experiment.analysis.words import typical
from sim.output.plots.style import (
    BLACK,
    BLUE,
    RED,
    area_key,
    band_key,
    centres,
    draw_band,
    edges,
    finish,
    line_key,
    linear_axis,
    panel,
    shade_shocks,
    small_multiples,
)
from sim.output.presentation import findings
from sim.output.presentation.view import View, coarse


def draw(view: View) -> Figure | None:
    """Return the figure, or None without teams."""
    teams = view.entities("team", "agents_needed")
    if not teams:
        return None
    figure = small_multiples(view, teams, 1.85, draw_on)
    key = [
        line_key(BLACK, "agents on duty"),
        line_key(BLUE, "offered load"),
        *band_key(view, BLUE),
        area_key(RED, "load above staff", 0.35),
    ]
    below = (
        f"{view.drawn_text(step_h(view))} Offered load: the work that arrives, in fully occupied agents; "
        "work above the agents on duty has to wait."
    )
    return finish(figure, findings.staffing(view), below, key)


def worst_load(view: View, team: str) -> str:
    """Return the load of a team's worst day."""
    worst = view.metrics[f"load_peak_day.{team}"]
    return "without an agent" if worst.mean is None else typical(worst)


def step_h(view: View) -> int:
    """Return the hours of one point: an hour in short runs, in long ones whole days, so that shifts do not tangle."""
    return 1 if view.hours <= 3 * 24 else 4 if view.hours <= 9 * 24 else max(24, view.step_h)


def draw_on(axis: Axes, view: View, team: str) -> None:
    """Draw one team's agents on duty as steps and its offered load with its band."""
    step = step_h(view)
    at = centres(view, step)
    need = view.band(coarse(view.of(f"team:{team}", "agents_needed"), step))
    duty = view.centre(coarse(view.of(f"team:{team}", "agents_on_duty"), step))
    shade_shocks(axis, view, names=False)
    axis.fill_between(
        at, duty, need.middle, where=list(need.middle > duty), color=RED, alpha=0.35, lw=0, interpolate=True
    )
    draw_band(axis, at, need, BLUE)
    axis.stairs(duty, edges(view, step), color=BLACK, lw=1.5, baseline=None)
    load = view.metrics[f"load_share.{team}"]
    whole = "no agent on duty" if load.mean is None else f"load {typical(load)} of the agents on duty"
    panel(axis, f"{view.label('team', team)}: {whole}; worst day {worst_load(view, team)}", "agents")
    top = float(np.max([duty.max(), need.top]))
    linear_axis(axis, top or 1.0)
