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

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sim.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from sim.drivers.price_regimes import draw_path
from sim.numerics.rate_curve import Curve
from sim.numerics.streams import Streams
from sim.scenario.faults import ScenarioFaults
from sim.scenario.schema.scenario import Market, Scenario, Shock

DECAY_STEP_MS = 10 * MINUTE_MS
_DECAY_HALVES = 12
Moved = Literal["tickets", "withdrawals", "logins", "signups", "reviews"]
_COLUMNS = ("date", "open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class MarketPath:
    """Factors on demand over the run, the price index (1 at the start) by the hour, and what had to be repaired.

    By the hour, where there are real or drawn prices: ``volatility`` as a multiple of the ordinary, ``stress``, the
    same with falls weighed as the scenario says, and ``rally``, the rise of the price that moves sign-ups (1 or more).
    """

    scenario: Scenario
    price: NDArray[np.float64]
    notes: tuple[str, ...] = ()
    volatility: NDArray[np.float64] | None = None
    stress: NDArray[np.float64] | None = None
    rally: NDArray[np.float64] | None = None

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
        return MarketPath(scenario, _shock_prices(scenario, hours))
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
    """Return the price index at each hour: straight from 1 to 1 + change over each shock's length."""
    at = np.arange(hours) * HOUR_MS - scenario.warmup_days * DAY_MS
    price = np.ones(hours)
    for shock in scenario.shocks.values():
        price *= 1 + shock.price_change * np.clip((at - shock.at) / shock.length, 0, 1)
    return price


def _from_candles(scenario: Scenario, settings: Market, source: tuple[str, datetime], hours: int) -> MarketPath:
    file, begin = source
    closes, first, missing = read_candles(Path(file))
    logs, window = np.log(closes), _window(settings)
    returns = np.diff(logs, prepend=logs[0])
    at = round((begin - timedelta(days=scenario.warmup_days) - first) / timedelta(hours=1))
    if at < window + 24 or at + hours > len(closes):
        last = first + timedelta(hours=len(closes) - 1)
        rule = "must lie so that the run, its warm-up and a day of reference fit into the file"
        span = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
        raise ScenarioFaults([f"{file}: market.begin: got {begin:%Y-%m-%d}; {rule} ({span})"])
    reference_hours = settings.reference // HOUR_MS
    reference = slice(max(at - reference_hours, window), at)
    ratios = []
    for fall_weight in (1.0, settings.fall_weight):
        volatility = _realised(returns, settings, fall_weight)
        ordinary = float(np.median(volatility[reference]))
        if ordinary <= 0:
            raise ScenarioFaults([f"{file}: market.candles: got a median volatility of 0; must be prices that move"])
        # The volatility that moves an hour is the one known when it begins, so no hour reads its own future.
        ratios.append(np.maximum(volatility[at - 1 : at - 1 + hours] / ordinary, 1e-6))
    notes = [f"{file}: {gap}" for gap in _gap_notes(first, missing, at - reference_hours, at + hours)]
    if at - reference_hours < window:
        notes.append(f"{file}: the reference period is {(at - reference.start) / 24:.0f} days, all that the file holds")
    if scenario.shocks:
        notes.append(f"{file}: the scenario's own shocks ({', '.join(scenario.shocks)}) act as well")
    rally = _rally(scenario, logs)[at - 1 : at - 1 + hours]
    return MarketPath(scenario, closes[at : at + hours] / closes[at], tuple(notes), ratios[0], ratios[1], rally)


def read_candles(path: Path) -> tuple[NDArray[np.float64], datetime, NDArray[np.int64]]:
    """Return the hourly closes of a candle file without gaps, its first hour, and the hours that were missing.

    A missing hour keeps the close before it. Candles finer than an hour count by the last close of the hour.
    Raises ScenarioFaults for a file that cannot be read or is no table of date, open, high, low, close, volume.
    """
    try:
        frame = pl.read_csv(path, infer_schema_length=10_000)
    except FileNotFoundError:
        raise ScenarioFaults([f"{path}: market.candles: got no such file; must be a CSV file of candles"]) from None
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        what = str(error).splitlines()[0]
        raise ScenarioFaults([f"{path}: market.candles: got {what!r}; must be a CSV file of candles"]) from None
    frame = frame.rename({name: name.strip().lower() for name in frame.columns})
    lacking = [name for name in _COLUMNS if name not in frame.columns]
    if lacking:
        rule = f"must have the columns {', '.join(_COLUMNS)}"
        raise ScenarioFaults([f"{path}: header: got no {', '.join(lacking)}; {rule}"])
    return _hourly(path, _parsed(path, frame))


def _parsed(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    """Return (time, close) with every row readable, or raise ScenarioFaults with the first rows at fault."""
    text = pl.col("date").cast(pl.String).str.strip_chars().str.replace("Z$", "").str.replace(" ", "T")
    formats = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M")
    times = [text.str.to_datetime(form, strict=False, time_unit="ms") for form in formats]
    day = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("ms"))
    table = frame.with_row_index("line", offset=2).select(
        "line",
        "date",
        pl.coalesce(*times, day).alias("time"),
        pl.col("close").cast(pl.Float64, strict=False).alias("close"),
        raw=pl.col("close"),
    )
    bad_time = table.filter(pl.col("time").is_null())
    bad_close = table.filter(~(pl.col("close").is_finite() & (pl.col("close") > 0)).fill_null(False))
    faults = [
        f"{path}: line {r['line']}, date: got {r['date']}; must be a date and hour in UTC"
        for r in bad_time.head(5).iter_rows(named=True)
    ]
    faults += [
        f"{path}: line {r['line']}, close: got {r['raw']}; must be a price above 0"
        for r in bad_close.head(5).iter_rows(named=True)
    ]
    more = max(len(bad_time) - 5, 0) + max(len(bad_close) - 5, 0)
    if faults and more:
        faults.append(f"{path}: and {more} more lines like these")
    if not len(table):
        faults.append(f"{path}: rows: got 0; must have 1 or more")
    if faults:
        raise ScenarioFaults(faults)
    return table.select("time", "close").sort("time")


def _hourly(path: Path, table: pl.DataFrame) -> tuple[NDArray[np.float64], datetime, NDArray[np.int64]]:
    hours = table.group_by(pl.col("time").dt.truncate("1h")).agg(pl.col("close").last()).sort("time")
    first = hours["time"][0].replace(tzinfo=UTC)
    index = (hours["time"].dt.epoch("ms").to_numpy() - hours["time"].dt.epoch("ms")[0]) // HOUR_MS
    if len(index) > 1 and np.median(np.diff(index)) > 1:
        raise ScenarioFaults([f"{path}: date: got candles longer than an hour; must be hourly or finer"])
    closes = np.full(index[-1] + 1, np.nan)
    closes[index] = hours["close"].to_numpy()
    missing = np.flatnonzero(np.isnan(closes))
    filled = np.maximum.accumulate(np.where(np.isnan(closes), 0, np.arange(len(closes))))
    return closes[filled], first, missing


def _gap_notes(first: datetime, missing: NDArray[np.int64], begin: int, end: int) -> list[str]:
    """Return one sentence about the missing hours of the history that is used."""
    used = missing[(missing >= begin) & (missing < end)]
    if not len(used):
        return []
    when = first + timedelta(hours=int(used[0]))
    what = f"{len(used)} of {end - begin} hours are missing (the first {when:%Y-%m-%d %H:%M} UTC)"
    return [f"{what}; each keeps the close before it"]
