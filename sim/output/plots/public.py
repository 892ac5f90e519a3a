"""The public: complaints, copies, campaigns, how much of it the platform hears, trust, and those who run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.experiment.analysis.words import typical
from sim.output.plots.complaints import BACKGROUND, step_h
from sim.output.plots.style import (
    BLACK,
    BLUE,
    ORANGE,
    RED,
    SKY,
    area_key,
    centres,
    draw_band,
    edges,
    finish,
    line_key,
    linear_axis,
    new_figure,
    panel,
    shade_shocks,
    time_axis,
)
from sim.output.presentation.findings import part_text
from sim.output.presentation.view import Floats, View, coarse, span_text

PARTS = (
    ("without_waits", BLUE, "without waits"),
    ("reducible", ORANGE, "reducible"),
    ("copies", SKY, "copies"),
    ("campaign", RED, "campaign"),
    ("background", BACKGROUND, "no ticket"),
)
RIGHTLY, WRONGLY = "#009E73", "#CC79A7"
Drawn = Callable[[Axes, View], float]


def draw(view: View) -> Figure | None:
    """Return the figure, or None without copies, campaigns and listening."""
    scenario = view.scenario
    if view.get("all", "new_complaints") is None or not (scenario.copies or scenario.campaigns or scenario.listening):
        return None
    panels: list[tuple[str, str, Drawn]] = [("Public posts", _unit(view), _posts)]
    if scenario.listening:
        panels.append((heard(view), _unit(view), _heard))
    if view.get("all", "trust") is not None:
        panels.append((_trusted(view), "% of full trust", _trust))
    spreaders = view.get("all", "n_spreaders")
    if spreaders is not None and spreaders.any():
        panels.append(("Frightened depositors, who frighten others", "depositors", _spreaders))
    figure = new_figure(1.6 + 2.3 * len(panels) + (1.2 if len(panels) == 1 else 0))
    for number, (title, unit, drawn) in enumerate(panels):
        axis = figure.add_subplot(len(panels), 1, number + 1)
        shade_shocks(axis, view, names=number == 0)
        linear_axis(axis, drawn(axis, view) or 1.0)
        panel(axis, title, unit)
        time_axis(axis, view, label=number == len(panels) - 1)
    alone = view.replications == 1
    banded = (
        " One replication, so there is no band." if alone else f" Bands: 5–95 % of {view.replications} replications."
    )
    below = f"Means per {span_text(step_h(view))}; trust and fright are drawn by the {span_text(view.step_h)}."
    return finish(figure, finding(view), below + banded, _key(view))


def finding(view: View) -> str:
    """Return how many posts a day there are, and what they are."""
    get = view.metrics.get
    whole = get("complaints_public_per_day")
    text = f"Public posts a day: {view.told('complaints_public_per_day')}"
    if whole is None or not whole.mean:
        return text
    for name, what in (
        ("complaints_per_day", "are customers' complaints"),
        ("complaints_copied_per_day", "copy others"),
        ("campaign_posts_per_day", "are a campaign's"),
    ):
        if (part := get(name)) is not None and part.mean:
            text = f"{text}; {part_text(view, name, whole)} {what}"
    if (worst := get("complaints_public_peak_day")) is not None and worst.mean:
        return f"{text}; the worst day has {typical(worst)}"
    return text


def heard(view: View) -> str:
    """Return how the posts flagged compare with the complaints that customers made."""
    flagged, precision = (view.metrics.get(f"complaints_flagged_{name}") for name in ("per_day", "precision"))
    if flagged is None or not flagged.mean:
        return "Posts that the platform takes for complaints"
    text = f"Taken for complaints: {typical(flagged)} posts a day"
    return text if precision is None or not precision.mean else f"{text}; {typical(precision)} of them are complaints"


def _trusted(view: View) -> str:
    return f"Trust falls to {view.typically('trust_low')}"


def _unit(view: View) -> str:
    return f"posts per {span_text(step_h(view))}"


def parts(view: View) -> dict[str, Floats]:
    """Return what is posted in each span, mean over replications (of the second kind), by the names of ``PARTS``."""
    width = step_h(view)

    def mean(name: str) -> Floats:
        values = view.get("all", name)
        if values is None:
            return np.zeros(-(-view.hours // width))
        values = values[view.second] if view.second.any() else values
        return coarse(values, width, "sum").mean(axis=0)

    direct, campaign = mean("new_complaints"), mean("new_campaign_posts")
    without = np.minimum(mean("new_complaints_without_waits"), direct)
    return {
        "without_waits": without,
        "reducible": direct - without,
        "copies": mean("new_copies"),
        "campaign": campaign,
        "background": mean("new_posts") - campaign,
    }


def _shown(view: View) -> list[tuple[str, str, str]]:
    found = parts(view)
    return [part for part in PARTS if found[part[0]].any()]


def _posts(axis: Axes, view: View) -> float:
    """Stack the parts, those without waits undermost."""
    found, at = parts(view), edges(view, step_h(view))
    under = np.zeros(len(at) - 1)
    for name, colour, _ in _shown(view):
        axis.stairs(under + found[name], at, baseline=under, fill=True, color=colour, lw=0)
        under = under + found[name]
    axis.stairs(under, at, color=BLACK, lw=0.7)
    return float(under.max())


def _heard(axis: Axes, view: View) -> float:
    """Draw what is flagged, rightly and wrongly, and the complaints of customers as a line.

    What campaigns post, and what is copied, is flagged as complaints are, and is none.
    """
    assert view.scenario.listening is not None
    width, found, at = step_h(view), parts(view), edges(view, step_h(view))
    true = found["without_waits"] + found["reducible"] + found["background"]
    rightly = view.scenario.listening.recall * true
    hours = np.diff(at) * 24
    noise = view.scenario.listening.noise_per_day * view.scenario.listening.false_share / 24 * hours
    noise = noise + view.scenario.listening.recall * (found["copies"] + found["campaign"])
    axis.stairs(rightly, at, fill=True, color=RIGHTLY, lw=0)
    axis.stairs(rightly + noise, at, baseline=rightly, fill=True, color=WRONGLY, lw=0)
    axis.plot(centres(view, width), true, color=BLACK, lw=1.4)
    return float(max((rightly + noise).max(), true.max()))


def _trust(axis: Axes, view: View) -> float:
    draw_band(axis, centres(view, view.step_h), view.band(coarse(100 * view.of("all", "trust"), view.step_h)), BLACK)
    return 100.0


def _spreaders(axis: Axes, view: View) -> float:
    drawn = view.band(coarse(view.of("all", "n_spreaders"), view.step_h))
    draw_band(axis, centres(view, view.step_h), drawn, BLACK)
    return drawn.top


def _key(view: View) -> list[Artist]:
    found = [area_key(colour, label) for _, colour, label in _shown(view)]
    if view.scenario.listening:
        found += [area_key(RIGHTLY, "flagged rightly"), area_key(WRONGLY, "flagged, and none")]
        found.append(line_key(BLACK, "customers' complaints"))
    return found
