"""Candle files: every public layout reads as the same prices, and what is no plausible candle is told by its line."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.drivers.candle_times import order_of, time_of
from sim.drivers.candles import Candles, read_candles
from sim.scenario import ScenarioFaults
from tests.support.candles import BEGIN, HEADER, candle_file, text_file, walk
from tests.support.real_data import real_file

Row = tuple[datetime, str, str, str, str]
"""Time, open, high, low and close of a candle, prices as text with a point."""
_TOLD = re.compile(r".*candles\.csv: (.*got .*; must .*|and \d+ more lines like these)", re.DOTALL)


def faults(call: Callable[[], Any]) -> list[str]:
    with pytest.raises(ScenarioFaults) as caught:
        call()
    return caught.value.faults


def read(folder: Path, text: str | bytes) -> Candles:
    return read_candles(text_file(folder, text))


# --- layouts: the same prices, however they are written ---------------------------------------------------------------


def rows_with(header: str | None, spelling: str, *, after: str = "") -> Callable[[Sequence[Row]], str]:
    """Return a layout: a header, and a row that ``str.format`` makes of t, o, h, l, c and epoch stamps."""

    def written(rows: Sequence[Row]) -> str:
        lines = [] if header is None else [header]
        for t, o, h, low, c in rows:
            s = int(t.timestamp())
            cells = {"s": s, "ms": s * 1000, "us": s * 10**6, "ns": s * 10**9, "end_ms": s * 1000 + 3_599_999}
            lines.append(spelling.format(t=t, o=o, h=h, low=low, c=c, **cells) + after)
        return "\n".join(lines) + "\n"

    return written


OHLC = "{o},{h},{low},{c}"
DE = "date;open;high;low;close;volume"
LAYOUTS = {
    "ours": rows_with(HEADER, "{t:%Y-%m-%dT%H:%MZ}," + OHLC + ",1"),
    "CryptoDataDownload, new": rows_with(
        "https://www.CryptoDataDownload.com\nunix,date,symbol,open,high,low,close,Volume BTC,Volume USD",
        "{s},{t:%Y-%m-%d %H:%M:%S},BTC/USD," + OHLC + ",1,2",
    ),
    "CryptoDataDownload, of Binance": rows_with(
        "https://www.CryptoDataDownload.com\nUnix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount",
        "{ms},{t:%Y-%m-%d %H:%M:%S},BTCUSDT," + OHLC + ",1,2,3",
    ),
    "CryptoDataDownload, old": rows_with(
        "Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USD", "{t:%Y-%m-%d %I-%p},BTCUSD," + OHLC + ",1,2"
    ),
    "klines, s": rows_with(None, "{s}," + OHLC + ",1,2"),
    "klines, ms": rows_with(None, "{ms}," + OHLC + ",8982.3,{end_ms},1,1,1,1,0"),
    "klines, us": rows_with(None, "{us}," + OHLC + ",1"),
    "klines with a header, ms": rows_with(
        "open_time,open,high,low,close,volume,close_time,quote_volume,count", "{ms}," + OHLC + ",8982.3,{end_ms},0,1"
    ),
    "klines with a header, us": rows_with(
        "Open time,Open,High,Low,Close,Volume,Close time", "{us}," + OHLC + ",8982.3,0"
    ),
    "the close time alone": rows_with("close_time,open,high,low,close", "{end_ms}," + OHLC),
    "nanoseconds": rows_with("timestamp,open,high,low,close", "{ns}," + OHLC),
    "stamps of floats": rows_with("timestamp,open,high,low,close", "{s}.0," + OHLC),
    "stamps in date": rows_with("date,open,high,low,close,volume", "{ms}," + OHLC + ",1"),
    "pandas, UTC": rows_with(HEADER, "{t:%Y-%m-%d %H:%M:%S+00:00}," + OHLC + ",1"),
    "pandas, an index": rows_with(",open,high,low,close,volume", "{t:%Y-%m-%d %H:%M:%S}," + OHLC + ",1"),
    "pandas, a numbered index": rows_with(",date,open,high,low,close", "7,{t:%Y-%m-%d %H:%M:%S}," + OHLC),
    "Timestamp": rows_with("Timestamp,Open,High,Low,Close,Volume", "{s}," + OHLC + ",1"),
    "time, low before open": rows_with("time,low,high,open,close,volume", "{s},{low},{h},{o},{c},1"),
    "semicolons and decimal commas": lambda rows: LAYOUTS["semicolons"](rows).replace(".", ","),
    "semicolons": rows_with(DE, "{t:%Y-%m-%d %H:%M};{o};{h};{low};{c};1"),
    "Excel's semicolons": rows_with("sep=;\n" + DE, "{t:%d-%m-%Y %H:%M};{o};{h};{low};{c};1"),
    "MetaTrader": rows_with(
        "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<VOL>", "{t:%Y.%m.%d}\t{t:%H:%M:%S}\t{o}\t{h}\t{low}\t{c}\t1"
    ),
    "Stooq": rows_with(
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>",
        "BTC.V,60,{t:%Y%m%d},{t:%H%M%S}," + OHLC + ",1",
    ),
    "Dukascopy": rows_with("Gmt time,Open,High,Low,Close,Volume", "{t:%d.%m.%Y %H:%M:%S}.000," + OHLC + ",1"),
    "Excel, US": rows_with("Date,Open,High,Low,Close", "{t:%m/%d/%Y %H:%M}," + OHLC),
    "Excel, US, 12 hours": rows_with("Date,Open,High,Low,Close", "{t:%m/%d/%y %I:%M:%S %p}," + OHLC),
    "day first": rows_with("Date,Open,High,Low,Close", "{t:%d/%m/%Y %H:%M}," + OHLC),
    "quoted": rows_with('"Date","Open","High","Low","Close"', '"{t:%Y-%m-%d %H:%M}","{o}","{h}","{low}","{c}"'),
    "time and price": rows_with("snapped_at,timestamp,price", "x,{t:%Y-%m-%d %H:%M:%S UTC},{c}"),
    "a trailing comma": rows_with(HEADER + ",", "{t:%Y-%m-%d %H:%M}," + OHLC + ",1", after=","),
    "no volume": rows_with("date,open,high,low,close", "{t:%Y-%m-%d %H:%M}," + OHLC),
}


@st.composite
def candles(draw: st.DrawFn) -> list[Row]:
    """Return candles of successive hours from the 14th of some month on, so that days and months can be told apart."""
    first = datetime(draw(st.integers(2012, 2031)), draw(st.integers(1, 12)), 14, draw(st.integers(0, 23)), tzinfo=UTC)
    rows = []
    for hour in range(draw(st.integers(1, 30))):
        low, high = sorted(draw(st.integers(1, 10**7)) for _ in range(2))
        o, c = (draw(st.integers(low, high)) for _ in range(2))
        prices = [f"{price // 100}.{price % 100:02}" for price in (o, high, low, c)]
        rows.append((first + timedelta(hours=hour), prices[0], prices[1], prices[2], prices[3]))
    return rows


@pytest.mark.parametrize("name", LAYOUTS)
@settings(max_examples=25)
@given(rows=candles(), seed=st.integers(0, 99), ends=st.sampled_from(["\n", "\r\n", "\r"]), spoilt=st.booleans(),
       newest_first=st.booleans(), packed=st.sampled_from(["", "gz", "zip", "bom", "utf-16"]))  # fmt: skip
def test_a_layout_reads_as_the_candles_that_were_written(
    tmp_path_factory: pytest.TempPathFactory, name: str, rows: list[Row], seed: int, ends: str, spoilt: bool,
    newest_first: bool, packed: str,
) -> None:  # fmt: skip
    text = LAYOUTS[name](rows[::-1] if newest_first else rows)
    if spoilt:
        text = spoil(text, Random(seed))
    found = read(tmp_path_factory.mktemp("layout"), pack(text.replace("\n", ends), packed))
    assert found.closes.tolist() == [float(close) for *_, close in rows]
    assert found.first == rows[0][0]
    assert found.missing.tolist() == []


def spoil(text: str, random: Random) -> str:
    """Lay blank lines, comments and a line of empty cells between the lines of a file."""
    lines = text.rstrip("\n").split("\n")
    for extra in ("", "# exported, from our desk; by hand", "   "):
        lines.insert(random.randint(0, len(lines)), extra)
    return "\n".join([*lines, ",,,,,", "", ""])


def pack(text: str, how: str) -> bytes:
    if how == "zip":
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as whole:
            whole.writestr("BTCUSDT-1h.csv", text)
        return made.getvalue()
    if how == "gz":
        return gzip.compress(text.encode())
    return text.encode({"bom": "utf-8-sig", "utf-16": "utf-16"}.get(how, "utf-8"))


def test_files_joined_with_their_headers_read_as_one(tmp_path: Path) -> None:
    layout = LAYOUTS["CryptoDataDownload, new"]
    rows = [(BEGIN + timedelta(hours=hour), "5.0", "9.0", "1.0", f"{hour + 1}.0") for hour in range(6)]
    found = read(tmp_path, layout(rows[3:]) + layout(rows[:3]))
    assert found.closes.tolist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(("text", "at"), [
    ("2020-03-12T06:00+02:00", "2020-03-12T04:00"), ("2020-03-12 06:00:00 GMT+0100", "2020-03-12T05:00"),
    ("12.03.2020 06:00:00.000 GMT-0530", "2020-03-12T11:30"), ("2020-03-12 12-AM", "2020-03-12T00:00"),
    ("2020-03-12 12-PM", "2020-03-12T12:00"), ("2020-03-12 6:05", "2020-03-12T06:05"),
    ("1583992800", "2020-03-12T06:00"), ("1583992800000", "2020-03-12T06:00"), ("2020-03-12", "2020-03-12T00:00"),
])  # fmt: skip
def test_an_offset_half_days_and_stamps_are_read(text: str, at: str) -> None:
    found = time_of(text)
    assert found is not None
    assert found.ms == datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp() * 1000
    assert found.zoned == (text.startswith("158") or "GMT" in text or "+" in text)


@pytest.mark.parametrize("text", [
    "", "yesterday", "1583", "12345678901234567890", "2020-13-01", "2020-03-12 13-PM", "2020-03-12 25:00",
    "2020-03-12 06:00 CET", "0001-01-01T00:00+12:00", "13/13/2020", "1/2/2020 00:00",
])  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    assert time_of(text, order_of([text])) is None


@given(st.text(max_size=40))
def test_no_cell_breaks_the_reading_of_times(text: str) -> None:
    time_of(text, "day first")
    order_of([text])


@given(text=st.text(alphabet=' \n\r\t;,|"#date:closeTZ0123456789.-/+é', max_size=200), raw=st.binary(max_size=60))
def test_any_text_or_bytes_give_prices_or_faults(
    tmp_path_factory: pytest.TempPathFactory, text: str, raw: bytes
) -> None:
    folder, strangers = tmp_path_factory.mktemp("any"), list[str]()
    for content in (text, HEADER + "\n" + text, raw, b"\x1f\x8b" + raw, b"PK\x03\x04" + raw):
        try:
            found = read(folder, content)
        except ScenarioFaults as refused:
            strangers += [fault for fault in refused.faults if not _TOLD.match(fault)]
        else:
            assert (found.closes > 0).all()
    assert not strangers


def test_times_without_a_zone_are_told(tmp_path: Path) -> None:
    row = "2024-03-01 00:00,1,1,1,1\n"
    assert not read(tmp_path, "date,open,high,low,close\n" + row).zoned
    assert read(tmp_path, "Date (UTC),open,high,low,close\n" + row).zoned
    assert read(tmp_path, "date,open,high,low,close\n" + row.replace(":00", ":00Z", 1)).zoned


# --- hours ------------------------------------------------------------------------------------------------------------


def test_a_missing_hour_keeps_the_close_before_it(tmp_path: Path) -> None:
    found = read_candles(candle_file(tmp_path, walk(24 * 12), leave_out=(200, 201, 250)))
    assert found.missing.tolist() == [200, 201, 250]
    assert found.closes[200] == found.closes[201] == found.closes[199]
    assert found.gap(201, 260, "dull") == "2 of 59 dull hours without a price (the first 2024-03-09 09:00 UTC)"
    assert found.gap(0, 200, "dull") == ""
    assert found.missing_share(200, 210) == 0.2


def test_of_finer_candles_the_hour_s_last_close_counts(tmp_path: Path) -> None:
    found = read_candles(candle_file(tmp_path, [1, 2, 3, 4, 5, 6, 7, 8], step=timedelta(minutes=15)))
    assert found.closes.tolist() == [4, 8]


def test_daily_candles_are_refused(tmp_path: Path) -> None:
    (fault,) = faults(lambda: read_candles(candle_file(tmp_path, walk(40), step=timedelta(days=1))))
    assert fault.endswith("market.candles: got candles of 24 h; must be candles of 1 h or finer")


def test_a_mistyped_year_is_told_and_fills_no_memory(tmp_path: Path) -> None:
    rows = [f"{year}-03-01 0{hour}:00,1,1,1,1,1" for year, hour in ((2024, 0), (2024, 1), (2024, 2), (9024, 3))]
    (fault,) = faults(lambda: read(tmp_path, "\n".join([HEADER, *rows])))
    assert "got candles from 2024-03-01 to 9024-03-01; must span 50 years at most" in fault


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "market.candles: got an empty file; must be a CSV file of candles"),
        ("\n# nothing\n\n", "market.candles: got an empty file"),
        (HEADER, "rows: got 0; must have 1 or more"),
        ('[{"date": "2020-03-01T00:00:00", "close": 8550, "low": 3}]', 'line 1: got "[{'),
        ("time,open,high\n1,2,3\n", 'line 1: got "time,open,high"; must be a header that names a time'),
        ("when,open,high,low,close\n2024-03-01,1,1,1,1\n", 'line 1: got "when,open,high,low,close"; must be a header'),
        ("# x\n\nBTC,1583992800,1,1,1,1\n", 'line 3: got "BTC,1583992800,1,1,1,1"; must be a header'),
        (HEADER + "\nyesterday,1,1,1,1,1\n", 'line 2, time: got "yesterday"; must be a time in UTC'),
        (HEADER + "\n2024-03-01,1,1,1,-4,1\n", 'line 2, close: got "-4"; must be a price above 0'),
        (HEADER + "\n2024-03-01,1,1,1,0,1\n", 'line 2, close: got "0"; must be'),
        (HEADER + "\n2024-03-01,1,1,1,inf,1\n", 'line 2, close: got "inf"; must be'),
        (HEADER + "\n2024-03-01,1,1,1,1_0,1\n", 'line 2, close: got "1_0"; must be'),
        (HEADER + '\n2024-03-01,1,1,1,"8,814.64",1\n', 'close: got "8,814.64"; must be a price above 0, written with'),
        (HEADER + "\n2024-03-01,1,1,1,,1\n2024-03-01T01:00,1,1,1,1,1\n", 'line 2, close: got ""'),
        (HEADER + "\n2024-03-01,1,1,x,1,1\n", 'line 2, low: got "x"; must be a price above 0'),
        (HEADER + "\n\n2024-03-01\n", "line 3: got 1 columns; must be 5 or more"),
        ("Date,Close\n1/2/2020 00:00,5\n", 'line 2, time: got "1/2/2020 00:00"; must put the year first'),
        ("Date,Close\n1/20/2020,5\n20/1/2020,5\n", 'line 3, time: got "20/1/2020"; must be a time'),
        (HEADER + "\n2024-03-01,1,2,1,2.5,1\n", "line 2, close: got 2.5; must be at most the high of its candle, 2"),
        (HEADER + "\n2024-03-01,1,2,1,0.50,1\n", "line 2, close: got 0.50; must be at least the low of its candle, 1"),
        ("1583992800,1,5,3,4,9\n", "columns without a header are time, open, high, low, close"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_candle_table_is_refused_by_line(tmp_path: Path, text: str, words: str) -> None:
    path = text_file(tmp_path, text.replace("1583992800,1,5,3,4,9", "1583992800,1,5,3,2,9"))
    found = faults(lambda: read_candles(path))
    assert all(fault.startswith(f"{path}: ") for fault in found)
    assert any(words in fault for fault in found), found


def test_all_bad_lines_are_told_the_first_five_of_each_kind_and_how_many_more(tmp_path: Path) -> None:
    rows = [f"2024-03-01T{hour:02}:00,1,9,1,{'x' if hour % 2 else 5},1" for hour in range(16)]
    found = faults(lambda: read(tmp_path, "\n".join([HEADER, *rows])))
    assert len(found) == 6
    assert 'line 3, close: got "x"' in found[0]
    assert "3 more lines" in found[-1]


@pytest.mark.parametrize("turned", [False, True])
def test_an_hour_twice_must_have_one_close_in_whatever_order(tmp_path: Path, turned: bool) -> None:
    rows = ["2024-03-01 00:00,1,9,1,5.0,1", "2024-03-01 01:00,1,9,1,6.0,1", "2024-03-01T00:00Z,1,9,1,7.5,1"]
    (fault,) = faults(lambda: read(tmp_path, "\n".join([HEADER, *(rows[::-1] if turned else rows)])))
    one, other = ("5.0", "7.5") if turned else ("7.5", "5.0")
    assert (
        f"line 4, close: got {one}; must be {other}, as in line 2 for 2024-03-01 00:00 UTC (times that name no zone"
        in fault
    )
    same = [*rows[:2], rows[2].replace("7.5", "5")]
    assert read(tmp_path, "\n".join([HEADER, *same])).closes.tolist() == [5, 6]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert "market.candles: got no such file; must be a CSV" in faults(lambda: read_candles(tmp_path / "none.csv"))[0]
    assert "market.candles: got no access (" in faults(lambda: read_candles(tmp_path))[0]
    image = text_file(tmp_path, b"\x89PNG\r\n\x1a\n\xff\xfe\x00\x01" * 50)
    assert "got bytes in line 1 that are no UTF-8 text" in faults(lambda: read_candles(image))[0]
    cut = text_file(tmp_path, gzip.compress(b"x" * 999)[:-9])
    assert "got a packed file that cannot be unpacked" in faults(lambda: read_candles(cut))[0]
    two = io.BytesIO()
    with zipfile.ZipFile(two, "w") as whole:
        whole.writestr("a.csv", "")
        whole.writestr("b.csv", "")
    assert "got a zip of 2 files; must be a zip of one" in faults(lambda: read(tmp_path, two.getvalue()))[0]


def test_the_real_file_tells_its_missing_hours() -> None:
    found = read_candles(real_file("btcusdt_binance_hourly_2017_2026.csv.gz"))
    assert found.first == datetime(2017, 8, 17, 4, tzinfo=UTC)
    assert len(found.missing) == 128
    assert len(found.closes) - len(found.missing) == 77_374
    assert np.isfinite(found.closes).all()
