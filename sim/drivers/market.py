"""The market that drives demand: shocks of the scenario's story, real candles, or regimes, as factors over time.

Prices act through realised volatility: with r the hourly log returns, RV(t) is the root of the sum of w r^2 over the
window before t, and demand is multiplied by (RV / the ordinary RV) ^ elasticity, within [1 / factor_max, factor_max].
Realised volatility: Andersen, Bollerslev, Diebold and Labys 2003, Econometrica 71. What is ordinary is the median over
the reference period of candles, and of regimes the ordinary regime's volatility without jumps. The weight w is
``fall_weight`` for falls and 2 less that for rises (of logins 1 for both): the two halves of realised variance,
Barndorff-Nielsen, Kinnebrock and Shephard 2010, in Volatility and Time Series Econometrics.
Sign-ups follow the price itself, when it has risen: (price / price a while before) ^ elasticity, or 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from sim.drivers.candles import MISSING_MAX, Candles, read_candles
from sim.drivers.price_regimes import draw_path
from sim.numerics.rate_curve import Curve
from sim.numerics.streams import Streams
from sim.scenario.faults import ScenarioFaults
from sim.scenario.schema.scenario import Market, Scenario, Shock

DECAY_STEP_MS = 10 * MINUTE_MS
_DECAY_HALVES = 12
Moved = Literal["tickets", "withdrawals", "logins", "signups", "reviews"]


@dataclass(frozen=True)
class MarketPath:
    """Factors on demand over the run, the price index (1 at the start) by the hour, and what a reader must know.

    ``price`` is that at each hour's beginning, ``price_end`` that at the end of the run. By the hour, where there are
    real or drawn prices: ``volatility`` as a multiple of the ordinary, ``stress``, the same with falls weighed as the
    scenario says, and ``rally``, the rise of the price that moves sign-ups (1 or more).
    """

    scenario: Scenario
    price: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    volatility: NDArray[np.float64] | None = None
    stress: NDArray[np.float64] | None = None
    rally: NDArray[np.float64] | None = None
    price_end: float = 1.0

    @cached_property
    def horizon_ms(self) -> int:
        """The end of the run in ms."""
        return (self.scenario.warmup_days + self.scenario.days) * DAY_MS

    def shocks_on(self, driven: Moved, category: str | None = None) -> tuple[Shock, ...]:
        """Return the shocks that move tickets (of one category), withdrawals, logins, sign-ups or reviews."""
        return tuple(
            shock
            for shock in self.scenario.shocks.values()
            if driven != "tickets" or not shock.categories or category in shock.categories
        )

    def factor(self, driven: Moved, category: str | None = None) -> Curve:
        """Return the factor on tickets (of one category), withdrawals, logins, sign-ups or the share of withdrawals
        that is reviewed, as a step function.
        """
        curve = Curve(np.array([0, self.horizon_ms]), np.array([1.0]))
        warmup_ms = self.scenario.warmup_days * DAY_MS
        for shock in self.shocks_on(driven, category):
            curve = curve.times(_shock_curve(shock, getattr(shock, driven), warmup_ms, self.horizon_ms))
        hourly = self._hourly(driven)
        if hourly is not None:
            curve = curve.times(Curve(np.arange(len(hourly) + 1) * HOUR_MS, hourly))
        return curve

    def _hourly(self, driven: Moved) -> NDArray[np.float64] | None:
        """Return the factor of prices by the hour; None where there is none."""
        settings, newcomers = self.scenario.market, self.scenario.newcomers
        if driven == "signups":
            if newcomers is None or self.rally is None or newcomers.rally_elasticity == 0:
                return None
            return np.minimum(self.rally**newcomers.rally_elasticity, newcomers.rally_factor_max)
        moved = self.volatility if driven == "logins" else self.stress
        if settings is None or moved is None or driven == "reviews":
            return None
        elasticity, bound = getattr(settings, f"{driven}_elasticity"), settings.factor_max
        return np.clip(moved**elasticity, 1 / bound, bound)


def market_of(scenario: Scenario) -> MarketPath:
    """Return the market that all replications share; real candles are read from their file.

    Of a market of regimes it has the shocks alone: see ``market_in``.
    Raises ScenarioFaults when the file cannot be read, is no candle table, or does not cover the run.
    """
    hours = (scenario.warmup_days + scenario.days) * 24
    if scenario.market is None or scenario.market.candles is None or scenario.market.begin is None:
        price = _shock_prices(scenario, hours)
        return MarketPath(scenario, price[:-1], price_end=float(price[-1]))
    return _from_candles(scenario, scenario.market, (scenario.market.candles, scenario.market.begin), hours)


def varies(scenario: Scenario) -> bool:
    """Return whether each replication has a market of its own."""
    return scenario.market is not None and scenario.market.path == "regimes"


def market_in(market: MarketPath, streams: Streams) -> MarketPath:
    """Return the market of one replication: with regimes, a path of its own over the shared market's shocks."""
    scenario, settings = market.scenario, market.scenario.market
    if settings is None or not varies(scenario):
        return market
    hours, regimes = len(market.price), settings.regimes
    back = max(_window(settings), _lookback(scenario)) + 1
    returns, _ = draw_path(regimes, streams, history=back, hours=hours)
    logs = np.cumsum(returns)
    at = slice(back - 1, back - 1 + hours)
    usual = regimes[settings.ordinary_regime or next(iter(regimes))]
    ordinary = usual.volatility_per_day * np.sqrt(_window(settings) / 24)
    return MarketPath(
        scenario,
        market.price * np.exp(logs[at] - logs[back - 1]),
        market.notes,
        np.maximum(_realised(returns, settings, 1.0)[at] / ordinary, 1e-6),
        np.maximum(_realised(returns, settings, settings.fall_weight)[at] / ordinary, 1e-6),
        _rally(scenario, logs)[at],
        market.price_end * float(np.exp(logs[-1] - logs[back - 1])),
    )


def _window(settings: Market) -> int:
    """Return the hours over which volatility is taken."""
    return max(settings.window // HOUR_MS, 1)


def _lookback(scenario: Scenario) -> int:
    """Return how many hours before an hour the rise begins that moves its sign-ups."""
    newcomers = scenario.newcomers
    return (newcomers.rally_window + newcomers.rally_lag) // HOUR_MS if newcomers else 0


def _realised(returns: NDArray[np.float64], settings: Market, fall_weight: float) -> NDArray[np.float64]:
    """Return the realised volatility of the window that ends with each hour."""
    weighed = np.where(returns < 0, fall_weight, 2 - fall_weight) * returns**2
    return np.sqrt(np.convolve(weighed, np.ones(_window(settings)))[: len(returns)])


def _rally(scenario: Scenario, logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return, at the end of each hour, by which factor the price rose until the lag before; 1 where it fell.

    Before the first hour the price was flat.
    """
    newcomers = scenario.newcomers
    if newcomers is None:
        return np.ones(len(logs))
    hours = np.arange(len(logs))
    late = np.maximum(hours - newcomers.rally_lag // HOUR_MS, 0)
    early = np.maximum(late - newcomers.rally_window // HOUR_MS, 0)
    return np.exp(np.maximum(logs[late] - logs[early], 0.0))


def profile_curve(scenario: Scenario, rate_per_hour: float) -> Curve:
    """Return the ordinary arrival curve over the run: the rate times the profile, which averages 1."""
    weights = np.asarray(scenario.profile.weights, dtype=np.float64)
    days = 1 if scenario.profile.period == "1 d" else 7
    piece_ms = days * DAY_MS // len(weights)
    horizon_ms = (scenario.warmup_days + scenario.days) * DAY_MS
    offset = 0 if days == 1 else scenario.start.weekday() * DAY_MS
    edges = np.arange(0, horizon_ms + piece_ms, piece_ms)
    edges = np.append(edges[edges < horizon_ms], horizon_ms)
    which = ((edges[:-1] + offset) // piece_ms) % len(weights)
    return Curve(edges, rate_per_hour * weights[which] / weights.mean())


def _shock_curve(shock: Shock, factor: float, warmup_ms: int, horizon_ms: int) -> Curve:
    """Return 1 before, ``factor`` during, and 1 + (factor - 1) 2^(-age / half-life) after (means of 10 min steps)."""
    begin = warmup_ms + shock.at
    end = begin + shock.length
    edges, values = [0, begin, end], [1.0, factor]
    if shock.half_life:
        steps = -(-shock.half_life * _DECAY_HALVES // DECAY_STEP_MS)
        tail = end + DECAY_STEP_MS * np.arange(1, steps + 1)
        halves = DECAY_STEP_MS / shock.half_life
        mean = (1 - 0.5**halves) / (halves * np.log(2))
        values += list(1 + (factor - 1) * mean * 0.5 ** (halves * np.arange(steps)))
        edges += list(tail)
    edges.append(max(edges[-1], horizon_ms) + 1)
    values.append(1.0)
    keep = np.diff(edges) > 0
    return Curve(np.append(np.array(edges[:-1])[keep], edges[-1]), np.array(values)[keep])


def _shock_prices(scenario: Scenario, hours: int) -> NDArray[np.float64]:
    """Return the price index at each full hour, the end included: straight from 1 to 1 + change over each shock."""
    at = np.arange(hours + 1) * HOUR_MS - scenario.warmup_days * DAY_MS
    price = np.ones(hours + 1)
    for shock in scenario.shocks.values():
        price *= 1 + shock.price_change * np.clip((at - shock.at) / shock.length, 0, 1)
    return price


def _from_candles(scenario: Scenario, settings: Market, source: tuple[str, datetime], hours: int) -> MarketPath:
    file, begin = source
    candles = read_candles(Path(file))
    logs, window = np.log(candles.closes), _window(settings)
    returns = np.diff(logs, prepend=logs[0])
    at = (begin - timedelta(days=scenario.warmup_days) - candles.first) // timedelta(hours=1)
    _must_cover(candles, file, begin, scenario, (at - window - 24, at, at + hours))
    reference_hours = settings.reference // HOUR_MS
    reference = slice(max(at - reference_hours, window), at)
    # What moves an hour is what was known when it begins, so no hour reads its own future.
    known = slice(at - 1, at - 1 + hours)
    ratios = []
    for fall_weight in (1.0, settings.fall_weight):
        volatility = _realised(returns, settings, fall_weight)
        ordinary = float(np.median(volatility[reference]))
        if ordinary <= 0:
            raise ScenarioFaults([f"{file}: market.candles: got a median volatility of 0; must be prices that move"])
        ratios.append(np.maximum(volatility[known] / ordinary, 1e-6))
    index = candles.closes[at - 1 : at + hours] / candles.closes[at - 1]
    return MarketPath(
        scenario,
        index[:-1],
        tuple(f"{file}: {note}" for note in _candle_notes(scenario, candles, begin, (reference.start, at, at + hours))),
        ratios[0],
        ratios[1],
        _rally(scenario, logs)[known],
        price_end=float(index[-1]),
    )


def _must_cover(candles: Candles, file: str, begin: datetime, scenario: Scenario, span: tuple[int, int, int]) -> None:
    """Raise ScenarioFaults if the candles lack the run, [at, end), or a day and the window before it, or much of it."""
    earliest, at, end = span
    if earliest < 0 or end > len(candles.closes):
        last = candles.first + timedelta(hours=len(candles.closes) - 1)
        rule = "must lie so that the run, its warm-up and a day of reference fit into the file"
        times = f"{candles.first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
        raise ScenarioFaults([f"{file}: market.begin: got {begin:%Y-%m-%d}; {rule} ({times})"])
    measured = at + scenario.warmup_days * 24
    for what, first, until in (("measured", measured, end), ("earlier", earliest + 24, measured)):
        if candles.missing_share(first, until) > MISSING_MAX:
            rule = f"must have a price in all but {MISSING_MAX:.0%} of them"
            raise ScenarioFaults([f"{file}: market.candles: got {candles.gap(first, until, what)}; {rule}"])


def _candle_notes(scenario: Scenario, candles: Candles, begin: datetime, span: tuple[int, int, int]) -> Iterator[str]:
    """Yield what a reader must know of the candles: of the reference from the first hour on, and of the run."""
    since, at, end = span
    measured = at + scenario.warmup_days * 24
    for what, first, until in (("measured", measured, end), ("earlier", since, measured)):
        if gap := candles.gap(first, until, what):
            yield f"{gap}; each keeps the close before it"
    if not candles.zoned:
        yield "its times name no zone, and are read as UTC"
    day = scenario.start + timedelta(days=scenario.warmup_days)
    if day != begin.date():
        yield f"the prices of {begin:%A, %Y-%m-%d} meet the profile and shifts of {day:%A, %Y-%m-%d}, as start says"
    settings = scenario.market
    if settings and at - since < settings.reference // HOUR_MS:
        yield f"the reference period is {(at - since) / 24:.0f} days, all that the file holds"
    if scenario.shocks:
        yield f"the scenario's own shocks ({', '.join(scenario.shocks)}) act as well"
