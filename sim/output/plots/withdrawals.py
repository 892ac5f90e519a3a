"""Money that leaves: payouts, balances of the hot wallets, and refusals by gateway and limits."""

from __future__ import annotations

from collections.abc import Callable

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sim.experiment.analysis.words import typical
from sim.output.plots.style import (
    BLACK,
    BLUE,
    ORANGE,
    RED,
    SKY,
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
from sim.output.presentation.view import Band, Floats, View, coarse

COLOURS = (BLUE, ORANGE, BLACK, SKY, RED)
_MILLION = 1e6
Panel = tuple[str, str, Callable[[Axes, View], float]]


def draw(view: View) -> Figure | None:
    """Return the figure, or None without withdrawals."""
    if view.get("all", "outflow_usd") is None:
        return None
    panels = _panels(view)
    figure = new_figure(1.4 + 2.2 * len(panels) + (1.2 if len(panels) == 1 else 0))
    for number, (title, unit, drawn) in enumerate(panels):
        axis = figure.add_subplot(len(panels), 1, number + 1)
        shade_shocks(axis, view, names=number == 0)
        linear_axis(axis, drawn(axis, view) or 1.0)
        panel(axis, title, unit)
        time_axis(axis, view, label=number == len(panels) - 1)
    return finish(figure, finding(view), view.drawn_text(view.step_h), [*_wallet_key(view), *band_key(view, BLACK)])


def finding(view: View) -> str:
    """Return how much leaves a day, how low a hot wallet gets, and how many are refused."""
    get = view.metrics.get
    text = f"Paid out a day: {view.told('outflow_usd_per_day')} US dollars"
    low = {asset: get(f"wallet_low_share.{asset}") for asset in view.entities("asset", "hot_share")}
    known = {asset: one for asset, one in low.items() if one is not None and one.mean is not None}
    if known:
        asset, least = min(known.items(), key=lambda item: item[1].mean or 0.0)
        empty = (least.p50 or 0.0) < 0.005
        state = "runs empty" if empty else f"falls to {typical(least)} of its target"
        text = f"{text}; the hot wallet of {asset} {state}"
    if (failed := get("withdrawals_failed_share")) is not None and failed.mean:
        text = f"{text}; {typical(failed)} of the requests to withdraw fail"
    if (refused := get("withdrawals_refused_per_day")) is not None and refused.mean:
        text = f"{text}; limits refuse {typical(refused)} a day"
    return text


def _panels(view: View) -> list[Panel]:
    """Return the panels whose subject the run has: title, unit, and what draws it and returns its highest value."""
    most = f"Money paid out: {view.typically('outflow_usd_peak_hour')} US dollars in its busiest hour"
    found: list[Panel] = [(most, "million US dollars/h", _outflow)]
    if view.entities("asset", "hot_share"):
        low = "; dashed: 5 % of the replications are lower" if view.replications > 1 else ""
        found.append((f"Money in the hot wallets, by asset{low}", "% of their target", _wallets))
    late = view.get("all", "n_withdrawals_late")
    if late is not None and late.any():
        found.append(("Withdrawals that wait for longer than promised", "withdrawals", _late))
    for name, metric, what in (
        ("error_share", "gateway_error_peak_hour", "Share of the requests that the gateway fails"),
        ("tightness", "tightness_peak_hour", "Share of the accounts under tightened limits"),
    ):
        if view.get("all", name) is not None:
            found.append((f"{what}: {view.typically(metric)} in the worst hour", "%", _share(name)))
    return found


def _line(axis: Axes, view: View, values: Floats, colour: str) -> float:
    drawn = view.band(coarse(values, view.step_h))
    draw_band(axis, centres(view, view.step_h), drawn, colour)
    return drawn.top


def _outflow(axis: Axes, view: View) -> float:
    return _line(axis, view, view.of("all", "outflow_usd") / _MILLION, BLACK)


def _wallets(axis: Axes, view: View) -> float:
    """Draw each asset's mean and low end; their bands would hide each other."""
    top, at = 0.0, centres(view, view.step_h)
    for number, asset in enumerate(view.entities("asset", "hot_share")):
        drawn = view.band(coarse(100 * view.of(f"asset:{asset}", "hot_share"), view.step_h))
        colour = COLOURS[number % len(COLOURS)]
        first = drawn.first and Band(drawn.first.middle, None, None)
        draw_band(axis, at, Band(drawn.middle, None, None, first), colour)
        if drawn.low is not None:
            axis.plot(at, drawn.low, color=colour, lw=0.9, ls="--")
        top = max(top, drawn.top)
    return top


def _late(axis: Axes, view: View) -> float:
    return _line(axis, view, view.of("all", "n_withdrawals_late"), BLACK)


def _share(name: str) -> Callable[[Axes, View], float]:
    return lambda axis, view: _line(axis, view, 100 * view.of("all", name), BLACK)


def _wallet_key(view: View) -> list[Artist]:
    assets = view.entities("asset", "hot_share")
    wallets = [line_key(COLOURS[number % len(COLOURS)], f"wallet: {asset}") for number, asset in enumerate(assets)]
    return [line_key(BLACK, "all"), *wallets] if BLACK not in COLOURS[: len(assets)] else wallets
