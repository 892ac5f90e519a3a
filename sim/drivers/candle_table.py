"""Any public layout of candles as one table: separators, headers, comments, packed files and decimal commas.

A file is a table of a time and a close, or of time, open, high, low and close where no header names the columns.
Left out are blank lines, comments (#), what stands above the table (a provider's address, Excel's ``sep=;``), and the
headers of files that were joined.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from sim.drivers.candle_times import RULE, UNCLEAR, is_unclear, order_of, time_of
from sim.scenario.faults import ScenarioFaults, shown

TIMES = (
    "unix", "unixtime", "unixtimestamp", "epoch", "opentime", "timestamp", "timeopen", "timeperiodstart", "mts", "ts",
    "datetime", "gmttime", "date", "time", "starttime", "start", "localtime", "t",
)  # fmt: skip
"""Names of the column of a candle's begin, letters and digits only; where a file has several, the first here counts."""
ENDS = ("closetime", "timeclose", "endtime")
CLOSES = ("close", "closeprice", "closingprice", "last", "price", "c")
LOWS, HIGHS = ("low", "lowprice", "l"), ("high", "highprice", "h")
LAYOUT = (
    "must be a header that names a time (such as date, timestamp or open_time) and a close, or a candle: "
    "time, open, high, low, close"
)
PRICE = "must be a price above 0, written without separators of thousands"

Line = tuple[int, str]
_BLANK = " \t;|,"
_SEPARATORS = ("\t", ";", "|", ",")
_PACKED = (b"\x1f\x8b", b"PK\x03\x04")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_ONLY_DATE = re.compile(r"\d{8}|\d{1,4}([-./])\d{1,2}\1\d{1,4}")
_SHOWN_FAULTS = 5
_ABOVE = 20
"""Lines that may stand above the table."""


@dataclass(frozen=True)
class CandleTable:
    """Candles in the order of the file. ``low`` and ``high`` are None where there are none; times in ms since 1970.

    ``written`` holds the closes as the file writes them.
    ``zoned``: whether every time, or the header, says its zone. ``named``: whether a header names the columns.
    """

    line: list[int]
    time_ms: list[int]
    close: list[float]
    written: list[str]
    low: list[float | None]
    high: list[float | None]
    zoned: bool
    named: bool


@dataclass(frozen=True)
class _Layout:
    """Where a table begins, what separates its cells, and the columns: of the time one, or a date's and a time's.

    ``ends``: whether the time is that of a candle's end. ``utc``: whether the header says that times are UTC.
    """

    begin: int
    separator: str
    time: tuple[int, ...]
    close: int
    low: int | None
    high: int | None
    named: bool
    ends: bool = False
    utc: bool = False


def candle_table(path: Path) -> CandleTable:
    """Return the table of a file. Raises ScenarioFaults with the first lines at fault, and what they must be."""
    lines = list(_kept(_text(path)))
    if not lines:
        raise ScenarioFaults([f"{path}: market.candles: got an empty file; must be a CSV file of candles"])
    layout = _layout_of(path, lines)
    above = {text for _, text in lines[: layout.begin]}
    below = lines[layout.begin :]
    rows = [(number, _cells(text, layout.separator)) for number, text in below if text not in above]
    if not rows:
        raise ScenarioFaults([f"{path}: rows: got 0; must have 1 or more"])
    return _read(path, rows, layout)


def _text(path: Path) -> str:
    """Return the file's text, unpacked."""
    kind = "must be a CSV file of candles, plain, gz or zip"
    try:
        raw = path.read_bytes()
        if raw.startswith(_PACKED[0]):
            raw = gzip.decompress(raw)
        elif raw.startswith(_PACKED[1]):
            with zipfile.ZipFile(io.BytesIO(raw)) as packed:
                if len(packed.namelist()) != 1:
                    names = f"a zip of {len(packed.namelist())} files"
                    raise ScenarioFaults([f"{path}: market.candles: got {names}; must be a zip of one CSV file"])
                raw = packed.read(packed.namelist()[0])
        wide = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
        return raw.decode("utf-16" if wide else "utf-8-sig")
    except FileNotFoundError:
        got = "no such file"
    except OSError as error:
        got = f"no access ({error.strerror or error})"
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        got = f"bytes in line {line} that are no UTF-8 text"
    except (EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        got = "a packed file that cannot be unpacked"
    raise ScenarioFaults([f"{path}: market.candles: got {got}; {kind}"])


def _kept(text: str) -> Iterator[Line]:
    """Yield the lines, numbered from 1, without the blank ones and comments."""
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        bare = line.strip(" \0")
        if bare.strip(_BLANK) and not bare.startswith("#"):
            yield number, bare


def _cells(line: str, separator: str) -> list[str]:
    """Return the cells of a line, without quotes and blanks around them."""
    try:
        found = next(csv.reader([line], delimiter=separator)) if '"' in line else line.split(separator)
    except csv.Error:  # a field longer than any cell of a table
        found = [line]
    return [cell.strip() for cell in found]


# --- what the columns are ---------------------------------------------------------------------------------------------


def _layout_of(path: Path, lines: Sequence[Line]) -> _Layout:
    for begin, (number, text) in enumerate(lines[:_ABOVE]):
        for separator in _SEPARATORS:
            cells = _cells(text, separator)
            after = _cells(lines[begin + 1][1], separator) if begin + 1 < len(lines) else []
            found = _named(begin, separator, cells, after) or _unnamed(begin, separator, cells)
            if found:
                return found
        if max(len(_cells(text, separator)) for separator in _SEPARATORS) > 2:
            raise ScenarioFaults([f"{path}: line {number}: got {shown(text)}; {LAYOUT}"])
    number, text = lines[0]
    raise ScenarioFaults([f"{path}: line {number}: got {shown(text)}; {LAYOUT}"])


def _named(begin: int, separator: str, header: list[str], after: list[str]) -> _Layout | None:
    """Return the layout that a header names, if the line is one."""
    names = [re.sub(r"\(.*?\)|[^a-z0-9]", "", cell.lower()) for cell in header]
    close, time, end = (_column(names, known) for known in (CLOSES, TIMES, ENDS))
    if time is None and len(names) > 1 and not names[0]:
        time = 0  # pandas writes an index without a name
    at = end if time is None else time
    if at is None or close is None:
        return None
    columns: tuple[int, ...] = (at,)
    if names[at] == "date" and "time" in names and at < len(after) and _ONLY_DATE.fullmatch(after[at]):
        columns = (at, names.index("time"))
    utc = any(zone in header[at].lower() for zone in ("utc", "gmt"))
    low, high = _column(names, LOWS), _column(names, HIGHS)
    return _Layout(begin + 1, separator, columns, close, low, high, named=True, ends=time is None, utc=utc)


def _unnamed(begin: int, separator: str, cells: list[str]) -> _Layout | None:
    """Return the layout of an exchange's klines, if the line is one."""
    if len(cells) < 5 or any(_number(cell, separator) is None for cell in cells[1:5]):
        return None
    if time_of(cells[0], "month first") is None and time_of(cells[0], "day first") is None:
        return None
    return _Layout(begin, separator, (0,), 4, 3, 2, named=False)


def _column(names: Sequence[str], known: Sequence[str]) -> int | None:
    return next((names.index(name) for name in known if name in names), None)


def _number(text: str, separator: str) -> float | None:
    """Return a number, None if it is none; a comma is decimal where something else separates the cells."""
    if separator != "," and "." not in text:
        text = text.replace(",", ".", 1)
    value = float(text) if _NUMBER.fullmatch(text) else None
    return value if value is not None and isfinite(value) else None


# --- rows -------------------------------------------------------------------------------------------------------------


def _read(path: Path, rows: list[tuple[int, list[str]]], layout: _Layout) -> CandleTable:
    """Return the table with every row readable; raises ScenarioFaults with the first rows at fault."""
    needed = max(*layout.time, layout.close, layout.low or 0, layout.high or 0) + 1
    narrow = [
        f"{path}: line {number}: got {len(cells)} columns; must be {needed} or more, as the columns of its table"
        for number, cells in rows
        if len(cells) < needed
    ]
    whole = [(number, cells) for number, cells in rows if len(cells) >= needed]
    times, zoned, bad_times = _times(path, whole, layout)
    prices, bad_prices = {}, []
    for name, at in (("close", layout.close), ("low", layout.low), ("high", layout.high)):
        prices[name], found = _prices(path, whole, layout, name, at)
        bad_prices.append(found)
    faults = [narrow, bad_times, *bad_prices]
    if any(faults):
        raise ScenarioFaults(first_of(path, faults))
    return CandleTable(
        line=[number for number, _ in whole],
        time_ms=times,
        close=[price for price in prices["close"] if price is not None],
        written=[cells[layout.close] for _, cells in whole],
        low=prices["low"],
        high=prices["high"],
        zoned=zoned or layout.utc,
        named=layout.named,
    )


def _times(path: Path, rows: list[tuple[int, list[str]]], layout: _Layout) -> tuple[list[int], bool, list[str]]:
    """Return the times, whether all say their zone, and the faults."""
    texts = [" ".join(cells[at] for at in layout.time) for _, cells in rows]
    order = order_of(texts)
    times, faults, zoned = [], [], True
    for (number, _), text in zip(rows, texts, strict=True):
        when = time_of(text, order)
        if when is None:
            rule = UNCLEAR if order is None and is_unclear(text) else RULE
            faults.append(f"{path}: line {number}, time: got {shown(text)}; {rule}")
            continue
        zoned = zoned and when.zoned
        times.append(when.ms - layout.ends)
    return times, zoned, faults


def _prices(
    path: Path, rows: list[tuple[int, list[str]]], layout: _Layout, name: str, at: int | None
) -> tuple[list[float | None], list[str]]:
    """Return a column of prices (None where the file has none) and the faults; a low or a high may be left empty."""
    values: list[float | None] = [None] * len(rows)
    faults = []
    for row, (number, cells) in enumerate(rows):
        if at is None or (name != "close" and not cells[at]):
            continue
        values[row] = value = _number(cells[at], layout.separator)
        if value is None or value <= 0:
            faults.append(f"{path}: line {number}, {name}: got {shown(cells[at])}; {PRICE}")
    return values, faults


def first_of(path: Path, kinds: Sequence[list[str]]) -> list[str]:
    """Return the first faults of each kind, and how many more there are."""
    told = [fault for faults in kinds for fault in faults[:_SHOWN_FAULTS]]
    more = sum(max(len(faults) - _SHOWN_FAULTS, 0) for faults in kinds)
    return [*told, *([f"{path}: and {more} more lines like these"] if more else [])]
