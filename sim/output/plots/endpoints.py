"""Requests to the endpoints: the mean rate and the busiest minute of each hour."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.core.proven import PLURALS
from sim.experiment.analysis.words import typical
from sim.output.plots.style import (
    BLACK,
    BLUE,
    RED,
    band_key,
    centres,
    draw_band,
    finish,
    line_key,
    log_axis,
    panel,
    shade_shocks,
    small_multiples,
)
from sim.output.presentation import findings
from sim.output.presentation.view import View, coarse


def draw(view: View) -> Figure | None:
    """Return the figure, or None when no endpoint gets a request."""
    names = findings.active_endpoints(view)
    if not names:
        return None
    figure = small_multiples(view, names, 2.1, draw_on)
    many = view.replications > 1
    key = [
        line_key(RED, "busiest minute of the hour", "--"),
        line_key(BLUE, "mean of the hour"),
        *band_key(view, BLUE),
        *([line_key(BLACK, "95 % of the replications stay below: test with this", ":")] if many else []),
    ]
    span = "" if view.step_h == 1 else f" Busiest minute: of the {view.step_h} hours."
    below = f"{view.drawn_text(view.step_h)}{span} Logarithmic scales, which differ; hours without a request are gaps."
    return finish(figure, findings.endpoints(view), below, key)


def draw_on(axis: Axes, view: View, name: str) -> None:
    """Draw one endpoint: the mean rate, above it the busiest minute, and the rate to test with."""
    at = centres(view, view.step_h)
    mean = coarse(view.of(f"endpoint:{name}", "rate_per_s"), view.step_h)
    peak = coarse(view.of(f"endpoint:{name}", "peak_per_s"), view.step_h, "max")
    shade_shocks(axis, view)
    for values, colour, style in ((peak, RED, "--"), (mean, BLUE, "-")):
        draw_band(axis, at, view.band(np.where(values > 0, values, np.nan)), colour, style=style, width=1.1)
    most = view.metrics[f"requests_peak_per_s.{name}"]
    title = f"{PLURALS[name]}: busiest minute {typical(most)} requests/s"
    if view.replications > 1 and most.p95 is not None:
        axis.axhline(most.p95, color=BLACK, lw=1.1, ls=":")
        title += f"; test with {findings.upper(most)}"
    panel(axis, title, "requests/s")
    log_axis(axis, np.concatenate([mean.ravel(), peak.ravel()]))
