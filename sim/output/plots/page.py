"""The page for a manager: the main numbers, and a panel for each subject that the run has."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from sim.core.clock import MINUTE_MS, duration_text
from sim.core.proven import PLURALS
from sim.numerics.statistics import half_width
from sim.output.plots import backlog, complaints, waits
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
from sim.output.presentation.view import (
    View,
    band,
    coarse,
    estimate_text,
    humane,
    percent,
    quantile_text,
    shortened,
    wait_text,
    wrapped,
)

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
    numbers = "±: half-width of the 95 % confidence interval of the mean."
    if view.middle == "median":
        numbers = "numbers: median (5 % to 95 %), because outcomes differ so much that the mean is not typical."
    return (
        f"Lines and bars: {view.middle} of {view.replications} replications; bands and whiskers: 5–95 % of them; "
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
    found += [(value, label) for metric, value, label in _usual_numbers(view) if metric not in told]
    return found[:_MOST_TILES]


def _usual_numbers(view: View) -> list[tuple[str, str, str]]:
    get = view.metrics.get
    found = [("tickets_new_per_day", estimate_text(get("tickets_new_per_day")), "tickets opened a day")]
    if (peak := get("backlog_waiting_peak")) is not None:
        found.append(("backlog_waiting_peak", estimate_text(peak), "tickets waiting at the peak"))
    drain = get("drain_days")
    if drain is not None and view.scenario.warmup_days >= 2:
        never = f"; {drain.censored} of {drain.total} replications do not" if drain.censored else ""
        days = "Not" if drain.censored == drain.total else f"{estimate_text(drain)} days"
        found.append(("drain_days", days, f"to drain, from the backlog's peak{never}"))
    if (within := get("within_target_share")) is not None and within.mean is not None:
        found.append(("within_target_share", humane(within), f"{within.unit} answered in time"))
    if complaints.has_complaints(view):
        direct = get("complaints_direct_per_day")
        found.append(("complaints_direct_per_day", estimate_text(direct), "direct public complaints a day"))
    if findings.active_endpoints(view) and (rate := get("requests_peak_per_s")) is not None:
        found.append(("requests_peak_per_s", f"{estimate_text(rate)}/s", "requests in the busiest minute"))
    return found


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
    drawn = band(coarse(new, step), view.middle)
    draw_band(axis, centres(view, step), drawn, BLACK, width=1.1)
    human = view.get("all", "new_human")
    if human is not None:
        people = view.centre(coarse(human, step))
        axis.fill_between(centres(view, step), 0, people, color=ORANGE, alpha=0.9, lw=0)
    _title(axis, findings.demand(view), "tickets/h")
    linear_axis(axis, 1.25 * float(np.max(drawn.middle if drawn.high is None else drawn.high)) or 1.0)
    axis.legend(
        handles=[line_key(BLACK, "all"), area_key(ORANGE, "handled by people")],
        fontsize=7.5,
        frameon=False,
        loc="upper right",
    )
    time_axis(axis, view, narrow=True)


def _backlog(axis: Axes, view: View) -> None:
    backlog.draw_on(axis, view, view.of("all", "n_backlog_waiting"), BLACK)
    _title(axis, findings.backlog(view), "tickets")
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
    missed = [findings.missed_share(view, queue) for queue in queues]
    texts = []
    for queue, share in zip(queues, missed, strict=True):
        target = duration_text(float(view.of(f"queue:{queue}", "target_min")[0, 0]) * MINUTE_MS)
        middle = waits.median_wait(view, queue).middle
        longest = f"; longest {wait_text(float(np.nanmax(middle)))}" if not np.isnan(middle).all() else ""
        texts.append(f"{queue}, target {target}: {view.share_text(share)}{longest}")
    _title(axis, findings.waits(view), "")
    axis.barh(range(len(queues)), [100 * float(view.centre(share)) for share in missed], height=0.4, color=SKY)
    _rows(axis, texts)
    axis.set_xlim(0, 100)
    axis.set_xlabel("median over target, % of the hours in which it is known", fontsize=8)


def _staff(axis: Axes, view: View) -> None:
    worst = {team: float(findings.daily_load(view, team).max()) for team in view.entities("team", "agents_needed")}
    teams = sorted(worst, key=lambda team: -worst[team])[:_MOST_ROWS]
    most = max([1.0, *(worst[team] for team in teams if np.isfinite(worst[team]))]) * 110
    load = {team: findings.run_load(view, team) for team in teams}
    texts = [f"{team}: worst day {percent(worst[team])}" for team in teams]
    texts = [
        f"{text}, whole run {view.share_text(load[team])}" if len(load[team]) else f"{text}, no agent on duty"
        for text, team in zip(texts, teams, strict=True)
    ]
    high = [min(100 * worst[team], most) for team in teams]
    _title(axis, findings.staffing(view), "")
    axis.barh(range(len(teams)), high, height=0.4, color=[RED if value > 100 else SKY for value in high])
    axis.vlines([100] * len(teams), np.arange(len(teams)) - 0.24, np.arange(len(teams)) + 0.24, color=BLACK, lw=1.5)
    _rows(axis, texts)
    axis.set_xlim(0, most)
    axis.set_xlabel("load on the worst day, % of the agents on duty", fontsize=8)


def _busiest(view: View) -> list[str]:
    """Return the endpoints with the highest peaks, as many as a panel has room for."""
    active = findings.active_endpoints(view)
    peak = {name: float(findings.endpoint_peaks(view, name).mean()) for name in active}
    most = sorted(active, key=lambda name: -peak[name])[:_MOST_ENDPOINTS]
    return [name for name in active if name in most]


def _endpoints(axis: Axes, view: View) -> None:
    names = _busiest(view)
    peaks = [findings.endpoint_peaks(view, name) for name in names]
    calm = [float(np.median(view.of(f"endpoint:{name}", "rate_per_s"))) for name in names]
    texts = [f"{PLURALS[n]}: {view.spread_text(p)}/s" for n, p in zip(names, peaks, strict=True)]
    low, high = positive_range(np.concatenate([calm, *peaks]))
    _title(axis, findings.endpoints(view), "")
    axis.set_xscale("log")
    for row, (usual, peak) in enumerate(zip(calm, peaks, strict=True)):
        most = float(np.quantile(peak, 0.95))
        axis.plot([max(usual, low / 2), most], [row, row], color=SKY, lw=4, solid_capstyle="butt")
        axis.plot(usual, row, marker="o", color="white", mec=BLACK, ms=6)
        axis.plot(float(view.centre(peak)), row, marker="D", color=BLUE, ms=6)
        if len(peak) > 1:
            texts[row] += f", 95 % below {quantile_text(most, half_width(peak))}"
            axis.plot(most, row, marker="|", color=BLACK, ms=10, mew=2)
    _rows(axis, texts)
    axis.set_xlim(low / 2, high * 2)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    many = ", | its 95 %" if view.replications > 1 else ""
    axis.set_xlabel(f"requests/s: ○ usual hour, ◆ busiest minute{many}", fontsize=8)
    axis.grid(axis="x", color=PALE, lw=0.6)
