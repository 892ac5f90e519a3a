"""The records that rooms hand to each other: column, dtype, unit and meaning, checked on write and on read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.io.plugins import register_io_source


class TableError(ValueError):
    """A table does not have the columns that its schema promises."""


@dataclass(frozen=True)
class Column:
    """One column: its name, polars dtype, unit and meaning."""

    name: str
    dtype: pl.DataType
    unit: str
    meaning: str


Schema = tuple[Column, ...]

_I64, _I32, _F64, _TEXT = pl.Int64(), pl.Int32(), pl.Float64(), pl.String()

_UTC = pl.Datetime("ms", "UTC")
TICKET_TIMES = {
    "opened": "when the ticket was opened",
    "first_start": "when a person first took it; null if no one did",
    "first_end": "when the first handling ended; null if it did not",
    "moved": "when impatience first moved it to another queue; null if it did not",
    "closed": "when it was resolved, or its customer left or was turned away; null while open (censored)",
    "complaint": "when its customer complained in public; null if not",
    "regulator": "when its customer complained to a regulator; null if not",
}
"""The instants of a ticket: in ms since the run's start (``_ms``), and in UTC (``_utc``)."""

TICKETS: Schema = (
    Column("replication", _I32, "-", "replication number, from 0"),
    Column("ticket", _I64, "-", "row number in this replication; a child's parent points to it"),
    Column("category", _TEXT, "-", "ticket category"),
    Column("kind", _TEXT, "-", "root, candidate (admitted by a feedback level), reopen, chase or task (no ticket)"),
    Column("parent", _I64, "-", "row number of the parent ticket, -1 for a root"),
    Column("bot", pl.Boolean(), "-", "whether the bot ended it"),
    Column("queue", _TEXT, "-", "queue that it started in; null for the bot's"),
    Column("team", _TEXT, "-", "team that first took it; null if no one did"),
    Column("outcome", _TEXT, "-", "open, resolved, left or turned away (its queue had no place)"),
    Column("legs", _I32, "legs", "legs in its itinerary; 0 for the bot's"),
    Column("target_ms", _I64, "ms", "its first-response target, from its opening; null without one"),
    *(Column(f"{name}_ms", _I64, "ms since start", meaning) for name, meaning in TICKET_TIMES.items()),
    *(Column(f"{name}_utc", _UTC, "UTC", meaning) for name, meaning in TICKET_TIMES.items()),
)

SERIES: Schema = (
    Column("replication", _I32, "-", "replication number, from 0"),
    Column("time", pl.Datetime("ms", "UTC"), "UTC", "start of the hour"),
    Column("entity", _TEXT, "-", "all, team:NAME, category:NAME, queue:NAME, endpoint:NAME or asset:NAME"),
    Column("name", _TEXT, "-", "series name: n_ a stock at the hour's end, new_ a flow in the hour, others as named"),
    Column("value", _F64, "by name", "value"),
)

REPLICATIONS: Schema = (
    Column("replication", _I32, "-", "replication number, from 0"),
    Column("name", _TEXT, "-", "metric, or metric.entity"),
    Column("value", _F64, "by metric", "value; null where it does not exist"),
    Column("censored", pl.Boolean(), "-", "whether it is only known to be at least the value: beyond the horizon"),
)

ARRIVALS: Schema = (
    Column("idx", _I64, "-", "number of the request in this trace, from 0, in order of due time"),
    Column("due_us", _I64, "us since the window's start", "when the request is due"),
    Column(
        "endpoint", _TEXT, "-", "withdrawal, withdrawal_status, ticket, ticket_view, login, signup, kyc, deposit or mfa"
    ),
    Column("kind", _TEXT, "-", "ticket category (spam: a campaign's), or asset of a withdrawal, or empty"),
    Column("customer", _I64, "-", "customer number"),
    Column(
        "amount",
        _I64,
        "cents",
        "amount of a withdrawal in hundredths of a dollar, else 0; drawn anew "
        "from the law of all requests where one is made again or in a bank run",
    ),
    Column("payload_seed", _I64, "-", "seed of everything else in the request's body; not negative"),
)
ENDPOINTS = ("withdrawal", "withdrawal_status", "ticket", "ticket_view", "login", "signup", "kyc", "deposit", "mfa")
"""What customers ask of the platform; the last four are POST /accounts, /kyc, /deposits (a first one) and /mfa."""

REQUESTS: Schema = (
    Column("idx", _I64, "-", "number of the request in the trace"),
    Column("endpoint", _TEXT, "-", "as in the trace"),
    Column("due_us", _I64, "us since the run's start", "when it was due"),
    Column("sent_us", _I64, "us since the run's start", "when it was sent; -1 if it never was"),
    Column("done_us", _I64, "us since the run's start", "when its answer was complete; -1 if none came"),
    Column("status", _I32, "HTTP status", "0 when no answer came"),
    Column("outcome", _TEXT, "-", "acknowledged, rejected, rate_limited, unknown, shed or not_sent"),
    Column("reason", _TEXT, "-", "why it was not acknowledged; empty when it was"),
    Column("key", _TEXT, "-", "client key (withdraw_order_id or marker); of a read, what it asks for"),
    Column("server_id", _TEXT, "-", "id that the server gave, empty without one; of a read, what it showed"),
)


def dtypes(schema: Schema) -> dict[str, pl.DataType]:
    """Return the dtype of each column by name, in order."""
    return {column.name: column.dtype for column in schema}


def check(frame: pl.DataFrame, schema: Schema, what: str) -> pl.DataFrame:
    """Return ``frame`` when its columns and dtypes are those of ``schema``, in the order of the schema.

    Raises TableError that names every column at fault.
    """
    _must_fit(frame.schema, schema, what)
    return frame.select(list(dtypes(schema)))


def _must_fit(have: Mapping[str, pl.DataType], schema: Schema, what: str) -> None:
    want = dtypes(schema)
    faults = [f"column {name} is missing" for name in want if name not in have]
    faults += [f"column {name} is not known" for name in have if name not in want]
    faults += [f"column {n} is {have[n]}, must be {t}" for n, t in want.items() if n in have and have[n] != t]
    if faults:
        raise TableError(f"{what}: {'; '.join(faults)}")


def write(frame: pl.DataFrame, path: Path, schema: Schema, *, header: Mapping[str, str] | None = None) -> None:
    """Write a checked table as Parquet (zstd); ``header`` goes into the file's own key-value metadata.

    Raises TableError when the table is not of the schema.
    """
    check(frame, schema, path.name).write_parquet(path, compression="zstd", metadata=dict(header or {}))


def stream(frames: Iterable[pl.DataFrame], path: Path, schema: Schema) -> None:
    """Write a table that comes in pieces as Parquet (zstd), holding no more than a few of them at once.

    A piece of 10^5 rows or more is a row group or several of its own, so that readers can skip it by its statistics.
    Raises TableError when a piece is not of the schema, and what ``frames`` raises.
    """

    def checked(*_: object) -> Iterator[pl.DataFrame]:
        return (check(frame, schema, path.name) for frame in frames)

    register_io_source(checked, schema=dtypes(schema)).sink_parquet(path, compression="zstd", engine="streaming")


def scan(path: Path, schema: Schema) -> pl.LazyFrame:
    """Return a table in a Parquet file that is read as far as it is asked for, checked against its schema.

    Raises TableError when it does not fit, FileNotFoundError when there is none.
    """
    rows = pl.scan_parquet(path)
    _must_fit(rows.collect_schema(), schema, path.name)
    return rows.select(list(dtypes(schema)))


def read(path: Path, schema: Schema) -> pl.DataFrame:
    """Return a table read from Parquet, checked against its schema.

    Raises TableError when it does not fit, FileNotFoundError when there is none.
    """
    return check(pl.read_parquet(path), schema, path.name)


def header(path: Path) -> dict[str, str]:
    """Return the key-value metadata that ``write`` put into a Parquet file (without Arrow's own)."""
    return {key: value for key, value in pl.read_parquet_metadata(path).items() if key != "ARROW:schema"}
