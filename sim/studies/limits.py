"""The two sides of dynamic limits: what leaves against what is asked and complained about, over the limit's amount.

``python -m sim.studies.limits results/gallery/limits.png`` runs ``dynamic_limits`` with a row of limits, each paired
with ``volatility_spike`` (no limit at all), prints the differences and draws the curve.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sim.api import run
from sim.core.system import displayed
from sim.experiment.analysis.comparison import Difference, Samples, compare
from sim.scenario import load

LIMITS_USD = (300, 500, 1000, 2000, 3000, 5000, 8000, 15_000, 30_000)
OUTFLOW, COMPLAINTS, TICKETS = "outflow_usd_per_day", "complaints_direct_per_day", "tickets_new_per_day"
SETS = ("days=14",)
BLUE, RED, GREY = "#0072B2", "#D55E00", "#595959"


@dataclass(frozen=True)
class Point:
    """A limit and what it changes against none: differences by metric, each pair with the same customers."""

    limit_usd: int
    differences: dict[str, Difference]


def ran(name: str, sets: tuple[str, ...], replications: int) -> Samples:
    """Return a run of a scenario with --set arguments."""
    return run(load(name, sets=sets), replications=replications, seed=1)


def sweep(
    limits_usd: Sequence[int] = LIMITS_USD,
    *,
    replications: int = 24,
    sets: tuple[str, ...] = SETS,
    ran: Callable[[str, tuple[str, ...], int], Samples] = ran,
) -> list[Point]:
    """Return a point for each limit."""
    none = ran("volatility_spike", sets, replications)
    points = []
    for amount in limits_usd:
        limited = ran("dynamic_limits", (*sets, f"withdrawals.limits.amount_usd={amount}"), replications)
        points.append(Point(amount, dict(compare(none, limited).differences)))
    return points


def best(points: Sequence[Point], metric: str = COMPLAINTS) -> Point:
    """Return the point at which a metric is least."""
    return min(points, key=lambda point: point.differences[metric].mean)


def draw(points: Sequence[Point], *, replications: int) -> Figure:
    """Return the curve: complaints, and tickets, against the money that leaves, both as differences to no limit."""
    figure = Figure(figsize=(10, 4.8), facecolor="white")
    FigureCanvasAgg(figure)
    for number, (metric, unit, colour) in enumerate(
        ((COMPLAINTS, "direct complaints a day", RED), (TICKETS, "tickets a day", BLUE))
    ):
        axis = figure.add_subplot(1, 2, number + 1)
        x = [point.differences[OUTFLOW].mean / 1e6 for point in points]
        y = [point.differences[metric].mean for point in points]
        widths = [point.differences[metric].half_width for point in points]
        error = [math.nan if width is None else width for width in widths]
        axis.axhline(0, color=GREY, lw=0.8)
        axis.errorbar([*x, 0], [*y, 0], yerr=[*error, 0], color=colour, marker="o", ms=4, lw=1.2, capsize=2)
        for at, height, point in zip(x, y, points, strict=True):
            axis.annotate(
                f"{point.limit_usd:,}",
                (at, height),
                xytext=(4, 6 if height > 0 else -13),
                textcoords="offset points",
                fontsize=8,
            )
        axis.annotate("no limit", (0, 0), xytext=(-4, 8), textcoords="offset points", fontsize=8, ha="right")
        low = best(points, metric)
        axis.plot(low.differences[OUTFLOW].mean / 1e6, low.differences[metric].mean, "*", color="black", ms=13)
        axis.set_yscale("symlog", linthresh=20 if metric == COMPLAINTS else 200)
        axis.set_xlabel("money that leaves, million US dollars a day, against no limit", fontsize=9)
        axis.set_ylabel(f"{unit}, against no limit", fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
    low = best(points)
    figure.suptitle(
        f"Limits have two sides: fewest complaints at {low.limit_usd:,} US dollars; tighter ones cost ever more",
        x=0.01, ha="left", fontsize=12, fontweight="bold",
    )  # fmt: skip
    below = (
        f"Labels: limit on a single withdrawal, US dollars, while tightened; ★ the least. Mean of {replications} pairs "
        "with the same customers and 95 % intervals; vertical axis linear around 0, then logarithmic."
    )
    figure.text(0.01, 0.01, below, fontsize=7.5, color=GREY)
    figure.tight_layout(rect=(0, 0.04, 1, 0.95))
    return figure


def lines(points: Sequence[Point]) -> list[str]:
    """Return the sweep as text."""
    found = []
    for point in points:
        parts = [f"{name} {point.differences[name].mean:+,.4g}" for name in (OUTFLOW, COMPLAINTS, TICKETS)]
        found.append(f"limit {point.limit_usd:>6,}: {', '.join(parts)}")
    return found


def main() -> int:
    """Print the sweep, draw it where a file is named, and return the exit code."""
    swept = sweep()
    sys.stdout.write("\n".join(lines(swept)) + "\n")
    if len(sys.argv) > 1:
        draw(swept, replications=24).savefig(Path(sys.argv[1]), dpi=110)
    return 0


if __name__ == "__main__":
    sys.exit(displayed(main))
