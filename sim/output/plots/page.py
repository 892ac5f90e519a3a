"""The page for a manager: the main numbers, and a panel for each subject that the run has."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from sim.core.clock import MINUTE_MS, duration_text
from sim.core.proven import PLURALS
from sim.experiment.analysis.estimate import Estimate
from sim.experiment.analysis.words import spread, two_kinds, typical
from sim.output.plots import backlog, complaints, staffing, waits
from sim.output.plots.style import (
    BLACK,
    BLUE,
    GREY,
    ORANGE,
    PALE,
    RED,
    SKY,
    WIDTH_IN,
    area_key,
    centres,
    draw_band,
    line_key,
    linear_axis,
    new_figure,
    panel,
    positive_range,
    shade_shocks,
    time_axis,
)
from sim.output.presentation import findings
from sim.output.presentation.answer import answered
from sim.output.presentation.view import View, coarse, shortened, wrapped

_HEIGHT_IN = 8.27
_MOST_ROWS, _MOST_ENDPOINTS, _MOST_TILES = 9, 6, 6
_ROWS = {1: (1,), 2: (2,), 3: (3,), 4: (2, 2), 5: (3, 2), 6: (3, 3)}
Panel = Callable[[Axes, View], None]


def draw(view: View) -> Figure:
    """Return the overview."""
    figure = new_figure(_HEIGHT_IN)
    figure.suptitle(
        shortened(view.scenario.title, 75, 1), x=0.015, y=0.985, ha="left", va="top", fontsize=17,
        fontweight="bold",
    ).set_in_layout(False)  # fmt: skip
    why = shortened(view.scenario.question or view.scenario.why, 150, 2)
    figure.text(0.015, 0.938, why, fontsize=10, color=GREY, va="top").set_in_layout(False)
    _tiles(figure, view)
    drawn = _panels(view)
    rows = _ROWS.get(len(drawn), ())
    grid = figure.add_gridspec(len(rows) or 1, 6)
    places = [(row, column, 6 // count) for row, count in enumerate(rows) for column in range(count)]
    for one, (row, column, wide) in zip(drawn, places, strict=True):
        one(figure.add_subplot(grid[row, wide * column : wide * (column + 1)]), view)
    figure.text(0.015, 0.008, _small_print(view), fontsize=7.5, color=GREY, va="bottom").set_in_layout(False)
    figure.tight_layout(rect=(0.005, 0.03, 0.995, 0.785), h_pad=1.6, w_pad=1.2)
    return figure


def _small_print(view: View) -> str:
    if view.replications == 1:
        return "One replication: lines have no band, and the uncertainty of the numbers is unknown."
    of, numbers = f"{view.replications} replications", "numbers: median of the replications."
    if view.second.any():
        first, second = int((~view.second).sum()), int(view.second.sum())
        of = f"each of two kinds of future, {first} and {second} replications (bars: of the second)"
        numbers = "numbers: medians of both kinds."
    return (
        f"Lines and bars: {view.middle} of {of}; bands and whiskers: 5–95 % of them; "
        f"{numbers} Yellow: shock, paler as it fades. Times in UTC."
    )


def _tiles(figure: Figure, view: View) -> None:
    """Write the main numbers, large, in one row."""
    found = _main_numbers(view)
    width = 0.985 / len(found)
    size = min(18.0, 72 * WIDTH_IN * width * 0.92 / (0.72 * max(len(value) for value, _ in found)))
    for number, (value, label) in enumerate(found):
        x = 0.015 + width * number
        figure.text(x, 0.87, value, fontsize=size, fontweight="bold", va="center", color=BLUE).set_in_layout(False)
        text = wrapped(label, int(158 * width))
        figure.text(x, 0.848, text, fontsize=8.5, va="top", linespacing=1.2).set_in_layout(False)


def _main_numbers(view: View) -> list[tuple[str, str]]:
    """Return the answers to the scenario's question, then what is told of every run, as far as there is room."""
    answers = answered(view).lines
    told = {line.metric for line in answers}
    found = [(line.own, line.label) for line in answers]
    found += [tile for metric, tile in _usual_numbers(view).items() if metric not in told]
    return found[:_MOST_TILES]


def _usual_numbers(view: View) -> dict[str, tuple[str, str]]:
    """Return by metric what is told of every run."""
    get = view.metrics.get
    labels = {"tickets_new_per_day": "tickets opened a day"}
    if get("backlog_waiting_peak") is not None:
        labels["backlog_waiting_peak"] = "tickets waiting at the peak"
    drain = get("drain_days")
    if drain is not None and drain.mean is not None and view.scenario.warmup_days >= 2:
        labels["drain_days"] = ""
    if (within := get("within_target_share")) is not None and within.mean is not None:
        labels["within_target_share"] = f"{within.unit} answered in time"
    if complaints.has_complaints(view):
        labels["complaints_per_day"] = "public complaints a day"
    if findings.active_endpoints(view) and get("requests_peak_per_s") is not None:
        labels["requests_peak_per_s"] = "requests/s in the busiest minute"
    return {
        name: _tile(view, name, label) if label else _drain_tile(view, view.metrics[name])
        for name, label in labels.items()
    }


def _tile(view: View, name: str, label: str) -> tuple[str, str]:
    """Return the median, and below it what it is, and its range; of two kinds of outcome both."""
    one = view.metrics[name]
    if two_kinds(one):
        return typical(one), f"{label}: in {' and '.join(str(each.replications) for each in one.outcomes)} replications"
    if one.p05 is None or one.p95 is None or view.replications == 1:
        return typical(one), label
    ends = spread(one)
    return typical(one), f"{label}; 5–95 %: {ends}" if " to " in ends else label


def _drain_tile(view: View, drain: Estimate) -> tuple[str, str]:
    """Return how long the backlog takes to drain, or in how many replications it does."""
    if not drain.outcomes and drain.censored < drain.total:
        return (
            _tile(view, "drain_days", "to drain, from the backlog's peak") if drain.mean else ("calm", "all the time")
        )
    counts = {one.kind: one.replications for one in drain.outcomes} or {"beyond": drain.total}
    words = {"": "drain", "none": "stay calm", "beyond": "do not drain by the end"}
    most = max(counts, key=lambda kind: counts[kind])
    rest = [f"{counts[kind]} {words[kind]}" for kind in counts if kind != most]
    return f"{counts[most]} of {drain.total}", ", ".join([f"replications {words[most]}", *rest])


def _panels(view: View) -> list[Panel]:
    """Return the panels whose subject the run has."""
    found: list[tuple[bool, Panel]] = [
        (view.get("all", "new_tickets") is not None, _demand),
        (view.get("all", "n_backlog_waiting") is not None, _backlog),
        (bool(waits.queues_with_waits(view)), _waits),
        (complaints.has_complaints(view), _complaints),
        (bool(view.entities("team", "agents_needed")), _staff),
        (bool(findings.active_endpoints(view)), _endpoints),
    ]
    return [one for there, one in found if there]


def _title(axis: Axes, text: str, unit: str) -> None:
    panel(axis, "", unit)
    spec = axis.get_subplotspec()
    wide = 6 if spec is None else spec.colspan.stop - spec.colspan.start
    axis.set_title(wrapped(text, 20 * wide), loc="left", fontsize=8.5, fontweight="bold")


def _demand(axis: Axes, view: View) -> None:
    step, new = view.step_h, view.of("all", "new_tickets")
    shade_shocks(axis, view, names=False)
    drawn = view.band(coarse(new, step))
    draw_band(axis, centres(view, step), drawn, BLACK, width=1.1)
    human = view.get("all", "new_human")
    if human is not None:
        people = view.centre(coarse(human, step))
        axis.fill_between(centres(view, step), 0, people, color=ORANGE, alpha=0.9, lw=0)
    _title(axis, findings.demand(view), "tickets/h")
    linear_axis(axis, 1.25 * drawn.top or 1.0)
    axis.legend(
        handles=[line_key(BLACK, "all"), area_key(ORANGE, "handled by people")],
        fontsize=7.5,
        frameon=False,
        loc="upper right",
    )
    time_axis(axis, view, narrow=True)


def _backlog(axis: Axes, view: View) -> None:
    backlog.draw_on(axis, view, view.of("all", "n_backlog_waiting"), BLACK)
    _title(axis, findings.backlog_peak(view), "tickets")
    time_axis(axis, view, narrow=True)


def _complaints(axis: Axes, view: View) -> None:
    complaints.draw_on(axis, view, names=False)
    _title(axis, findings.complaints(view), complaints.unit(view))
    axis.set_ylim(top=1.25 * axis.get_ylim()[1])
    axis.legend(
        handles=[area_key(ORANGE, "reducible"), area_key(BLUE, "without waits")],
        fontsize=7.5,
        frameon=False,
        loc="upper right",
    )
    time_axis(axis, view, narrow=True)


def _rows(axis: Axes, texts: list[str]) -> None:
    """Make room for a row for each text, and write it above its row."""
    axis.set_yticks([])
    axis.set_ylim(max(len(texts), 3) - 0.55, -0.75)
    for row, text in enumerate(texts):
        axis.text(0.01, row - 0.26, text, fontsize=8, va="bottom", transform=axis.get_yaxis_transform())
    axis.grid(visible=False, axis="y")
    axis.tick_params(left=False)


def _waits(axis: Axes, view: View) -> None:
    queues = [q for q in waits.queues_with_waits(view) if view.get(f"queue:{q}", "target_min") is not None][:_MOST_ROWS]
    missed = [_worse(view.metrics[f"wait_over_target_share.{queue}"]) or 0.0 for queue in queues]
    texts = []
    for queue in queues:
        target = duration_text(float(view.of(f"queue:{queue}", "target_min")[0, 0]) * MINUTE_MS)
        over, longest = (view.typically(f"{name}.{queue}") for name in ("wait_over_target_share", "wait_median_peak"))
        texts.append(f"{view.label('queue', queue)}, target {target}: {over}; longest {longest}")
    _title(axis, findings.waits(view), "")
    axis.barh(range(len(queues)), [100 * share for share in missed], height=0.4, color=SKY)
    _rows(axis, texts)
    axis.set_xlim(0, 100)
    axis.set_xlabel("median over target, % of the hours in which it is known", fontsize=8)


def _staff(axis: Axes, view: View) -> None:
    loads = {team: _worse(view.metrics[f"load_peak_day.{team}"]) for team in view.entities("team", "agents_needed")}
    worst = {team: math.inf if load is None else float(load) for team, load in loads.items()}
    teams = sorted(worst, key=lambda team: -worst[team])[:_MOST_ROWS]
    most = max([1.0, *(worst[team] for team in teams if math.isfinite(worst[team]))]) * 110
    texts = [
        f"{view.label('team', team)}: worst day {staffing.worst_load(view, team)}, whole run "
        f"{view.typically(f'load_share.{team}')}"
        for team in teams
    ]
    high = [min(100 * worst[team], most) for team in teams]
    _title(axis, findings.staffing(view), "")
    axis.barh(range(len(teams)), high, height=0.4, color=[RED if value > 100 else SKY for value in high])
    axis.vlines([100] * len(teams), np.arange(len(teams)) - 0.24, np.arange(len(teams)) + 0.24, color=BLACK, lw=1.5)
    _rows(axis, texts)
    axis.set_xlim(0, most)
    axis.set_xlabel("load on the worst day, % of the agents on duty", fontsize=8)


def _worse(one: Estimate) -> float | None:
    """Return the median that a bar stands for: of two kinds of future that of the second."""
    return one.outcomes[-1].p50 if two_kinds(one) else one.p50


def _busiest(view: View) -> list[str]:
    """Return the endpoints with the highest peaks, as many as a panel has room for."""
    active = findings.active_endpoints(view)
    peak = {name: view.metrics[f"requests_peak_per_s.{name}"].mean or 0.0 for name in active}
    most = sorted(active, key=lambda name: -peak[name])[:_MOST_ENDPOINTS]
    return [name for name in active if name in most]


def _endpoints(axis: Axes, view: View) -> None:
    names = _busiest(view)
    peaks = [view.metrics[f"requests_peak_per_s.{name}"] for name in names]
    calm = [float(np.median(view.of(f"endpoint:{name}", "rate_per_s"))) for name in names]
    texts = [f"{PLURALS[name]}: {typical(peak)}/s" for name, peak in zip(names, peaks, strict=True)]
    low, high = positive_range(
        np.array([*calm, *(peak.p50 or 0.0 for peak in peaks), *(peak.p95 or 0.0 for peak in peaks)])
    )
    _title(axis, findings.endpoints(view), "")
    axis.set_xscale("log")
    for row, (usual, peak) in enumerate(zip(calm, peaks, strict=True)):
        most = peak.p95 or 0.0
        axis.plot([max(usual, low / 2), most], [row, row], color=SKY, lw=4, solid_capstyle="butt")
        axis.plot(usual, row, marker="o", color="white", mec=BLACK, ms=6)
        axis.plot(peak.p50 or 0.0, row, marker="D", color=BLUE, ms=6)
        if view.replications > 1:
            texts[row] += f", 95 % below {findings.upper(peak)}"
            axis.plot(most, row, marker="|", color=BLACK, ms=10, mew=2)
    _rows(axis, texts)
    axis.set_xlim(low / 2, high * 2)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    many = ", | its 95 %" if view.replications > 1 else ""
    axis.set_xlabel(f"requests/s: ○ usual hour, ◆ busiest minute{many}", fontsize=8)
    axis.grid(axis="x", color=PALE, lw=0.6)
