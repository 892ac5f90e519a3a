"""Candles as hourly closes without gaps, once they are plausible: a file's prices and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from sim.core.arrays import Floats, Ints
from sim.core.clock import HOUR_MS
from sim.drivers.candle_table import CandleTable, candle_table, first_of
from sim.scenario.faults import ScenarioFaults

MISSING_MAX = 0.05
"""Largest share of a run's hours, and of those whose volatility it reads, that may be without a price."""
_LONGEST_H = 50 * 366 * 24
"""Hours that the candles of a file may span; more is a year mistyped, and would fill the memory with gaps."""
_ROUNDING = 1e-9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Candles:
    """The close of each hour from ``first`` on; an hour of those ``missing`` keeps the close before it.

    ``zoned``: whether every time of the file says its zone; what does not is read as UTC.
    """

    closes: Floats
    first: datetime
    missing: Ints
    zoned: bool

    def gap(self, begin: int, end: int, what: str) -> str:
        """Return which hours of [begin, end), counted from ``first``, are missing, in words; "" if none is."""
        used = self.missing[(self.missing >= begin) & (self.missing < end)]
        if not len(used):
            return ""
        when = self.first + timedelta(hours=int(used[0]))
        return f"{len(used)} of {end - begin} {what} hours without a price (the first {when:%Y-%m-%d %H:%M} UTC)"

    def missing_share(self, begin: int, end: int) -> float:
        """Return the share of the hours [begin, end) that are missing."""
        return float(((self.missing >= begin) & (self.missing < end)).sum()) / max(end - begin, 1)


def read_candles(path: Path) -> Candles:
    """Return the hourly closes of a file in any public layout (``candle_table``).

    Candles finer than an hour count by the last close of the hour. Raises ScenarioFaults, with lines, for a file that
    cannot be read, a close outside low and high, and a time with two closes.
    """
    table = candle_table(path)
    faults = [_outside(path, table), _twice(path, table)]
    if any(faults):
        raise ScenarioFaults(first_of(path, faults))
    times, closes = np.array(table.time_ms, dtype=np.int64), np.array(table.close)
    ranks = np.argsort(times, kind="stable")
    hours, closes = times[ranks] // HOUR_MS, closes[ranks]
    last = np.append(np.diff(hours) > 0, True)
    hours, closes = hours[last], closes[last]
    if len(hours) > 1 and np.median(np.diff(hours)) > 1:
        step = f"candles of {np.median(np.diff(hours)):g} h"
        raise ScenarioFaults([f"{path}: market.candles: got {step}; must be candles of 1 h or finer"])
    if hours[-1] - hours[0] > _LONGEST_H:
        span = " to ".join(f"{_EPOCH + timedelta(hours=int(hour)):%Y-%m-%d}" for hour in (hours[0], hours[-1]))
        raise ScenarioFaults([f"{path}: market.candles: got candles from {span}; must span 50 years at most"])
    every = np.full(hours[-1] - hours[0] + 1, np.nan)
    every[hours - hours[0]] = closes
    missing = np.isnan(every)
    filled = np.maximum.accumulate(np.where(missing, 0, np.arange(len(every))))
    first = _EPOCH + timedelta(hours=int(hours[0]))
    return Candles(every[filled], first, np.flatnonzero(missing), table.zoned)


def _outside(path: Path, table: CandleTable) -> list[str]:
    """Return the lines whose close lies outside their own low and high."""
    found = []
    columns = "" if table.named else " (columns without a header are time, open, high, low, close)"
    rows = zip(table.line, table.close, table.written, table.low, table.high, strict=True)
    for line, close, written, low, high in rows:
        if low is not None and close < low * (1 - _ROUNDING):
            rule = f"must be at least the low of its candle, {low:.12g}"
        elif high is not None and close > high * (1 + _ROUNDING):
            rule = f"must be at most the high of its candle, {high:.12g}"
        else:
            continue
        found.append(f"{path}: line {line}, close: got {written}; {rule}{columns}")
    return found


def _twice(path: Path, table: CandleTable) -> list[str]:
    """Return the lines whose time another line gives with another close."""
    unzoned = "" if table.zoned else " (times that name no zone are read as UTC; local ones repeat an hour in autumn)"
    first: dict[int, int] = {}
    found = []
    for row, time_ms in enumerate(table.time_ms):
        other = first.setdefault(time_ms, row)
        if table.close[row] != table.close[other]:
            when = _EPOCH + timedelta(milliseconds=time_ms)
            rule = (
                f"must be {table.written[other]}, as in line {table.line[other]} for {when:%Y-%m-%d %H:%M} UTC{unzoned}"
            )
            found.append(f"{path}: line {table.line[row]}, close: got {table.written[row]}; {rule}")
    return found
