"""The pictures of a run; matplotlib is imported only for drawing.

Figures are drawn with the Agg canvas and without pyplot, so threads do not meet in its global state. Nothing here is
random, and nothing is computed except the arrangement of the given series for display.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sim.scenario.schema.scenario import Scenario

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sim.experiment.analysis.estimate import Estimate
    from sim.experiment.hourly_table import Hourly

# It warns on standard error, even of a quiet run, that no folder keeps its fonts: which only costs it a second.
logging.getLogger("matplotlib").setLevel(logging.ERROR)

NAMES = ("overview", "backlog", "complaints", "public", "waits", "staffing", "endpoints", "money")
"""The figures, in the order in which a report shows them."""


def overview(hourly: Hourly, metrics: Mapping[str, Estimate], scenario: Scenario) -> Figure:
    """Return the page for a manager: the findings in words and a panel for each subject that the run has."""
    from sim.output.plots.page import draw
    from sim.output.presentation.view import View

    return draw(View(hourly, metrics, scenario))


def figures(hourly: Hourly, metrics: Mapping[str, Estimate], scenario: Scenario) -> dict[str, Figure]:
    """Return the figures of ``NAMES`` by name, without those whose subject the run does not have."""
    from sim.output.plots import backlog, complaints, endpoints, page, public, staffing, waits, withdrawals
    from sim.output.presentation.view import View

    view = View(hourly, metrics, scenario)
    drawn = {"overview": page.draw(view)}
    for name, module in (
        ("backlog", backlog),
        ("complaints", complaints),
        ("public", public),
        ("waits", waits),
        ("staffing", staffing),
        ("endpoints", endpoints),
        ("money", withdrawals),
    ):
        figure = module.draw(view)
        if figure is not None:
            drawn[name] = figure
    return drawn


def save(figures: Mapping[str, Figure], folder: str | Path) -> list[Path]:
    """Write each figure as ``<name>.png`` (150 dpi) and ``<name>.svg``; return the paths."""
    from sim.output.plots.files import write

    Path(folder).mkdir(parents=True, exist_ok=True)
    return [path for name, figure in figures.items() for path in write(figure, Path(folder) / name)]
