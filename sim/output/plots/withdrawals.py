"""Money that leaves: payouts, balances of the hot wallets, and refusals by gateway and limits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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
from sim.output.presentation.view import Band, Floats, View, band, coarse, estimate_text, humane, percent

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
    text = f"{estimate_text(get('outflow_usd_per_day'))} US dollars a day are paid out"
    low = {asset: get(f"wallet_low_share.{asset}") for asset in view.entities("asset", "hot_share")}
    known = {asset: one for asset, one in low.items() if one is not None and one.mean is not None}
    if known:
        asset, least = min(known.items(), key=lambda item: item[1].mean or 0.0)
        empty = least.mean is not None and least.mean < 0.005
        state = "runs empty" if empty else f"falls to {humane(least)} of its target"
        text = f"{text}; the hot wallet of {asset} {state}"
    if (failed := get("withdrawals_failed_share")) is not None and failed.mean:
        text = f"{text}; {humane(failed)} of the requests to withdraw fail"
    if (refused := get("withdrawals_refused_per_day")) is not None and refused.mean:
        text = f"{text}; limits refuse {estimate_text(refused)} a day"
    return text


def _panels(view: View) -> list[Panel]:
    """Return the panels whose subject the run has: title, unit, and what draws it and returns its highest value."""
    found: list[Panel] = [(_outflow_title(view), "million US dollars/h", _outflow)]
    if view.entities("asset", "hot_share"):
        low = "; dashed: 5 % of the replications are lower" if view.replications > 1 else ""
        found.append((f"Money in the hot wallets, by asset{low}", "% of their target", _wallets))
    late = view.get("all", "n_withdrawals_late")
    if late is not None and late.any():
        found.append(("Withdrawals that wait for longer than promised", "withdrawals", _late))
    for name, what in (("error_share", "Share of the requests that the gateway fails"),
                       ("tightness", "Share of the accounts under tightened limits")):  # fmt: skip
        values = view.get("all", name)
        if values is not None:
            found.append((f"{what}: at most {percent(float(view.centre(values).max()))} in an hour", "%", _share(name)))
    return found


def _outflow_title(view: View) -> str:
    mean = view.centre(view.of("all", "outflow_usd"))
    usual = float(np.median(mean))
    most = f"{mean.max() / _MILLION:,.3g} million in its busiest hour"
    return f"Money paid out: {most}" + (f", {mean.max() / usual:.2g} times the median hour's" if usual else "")


def _line(axis: Axes, view: View, values: Floats, colour: str) -> float:
    drawn = band(coarse(values, view.step_h), view.middle)
    draw_band(axis, centres(view, view.step_h), drawn, colour)
    return float(np.nanmax(drawn.middle if drawn.high is None else drawn.high))


def _outflow(axis: Axes, view: View) -> float:
    return _line(axis, view, view.of("all", "outflow_usd") / _MILLION, BLACK)


def _wallets(axis: Axes, view: View) -> float:
    """Draw each asset's mean and low end; their bands would hide each other."""
    top, at = 0.0, centres(view, view.step_h)
    for number, asset in enumerate(view.entities("asset", "hot_share")):
        drawn = band(coarse(100 * view.of(f"asset:{asset}", "hot_share"), view.step_h), view.middle)
        colour = COLOURS[number % len(COLOURS)]
        draw_band(axis, at, Band(drawn.middle, None, None), colour)
        if drawn.low is not None:
            axis.plot(at, drawn.low, color=colour, lw=0.9, ls="--")
        top = max(top, float(drawn.middle.max()))
    return top


def _late(axis: Axes, view: View) -> float:
    return _line(axis, view, view.of("all", "n_withdrawals_late"), BLACK)


def _share(name: str) -> Callable[[Axes, View], float]:
    return lambda axis, view: _line(axis, view, 100 * view.of("all", name), BLACK)


def _wallet_key(view: View) -> list[Artist]:
    assets = view.entities("asset", "hot_share")
    wallets = [line_key(COLOURS[number % len(COLOURS)], f"wallet: {asset}") for number, asset in enumerate(assets)]
    return [line_key(BLACK, "all"), *wallets] if BLACK not in COLOURS[: len(assets)] else wallets
