"""The records between the stations: checked on write and on read, the same for polars and pandas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.core import tables
from sim.core.clock import NEVER

SCHEMAS = {name: getattr(tables, name) for name in ("TICKETS", "SERIES", "REPLICATIONS", "ARRIVALS", "REQUESTS")}
SMALL: tables.Schema = (
    tables.Column("opened_ms", pl.Int64(), "ms since start", "when"),
    tables.Column("category", pl.String(), "-", "which"),
    tables.Column("bot", pl.Boolean(), "-", "whether"),
)


def small() -> pl.DataFrame:
    return pl.DataFrame({"opened_ms": [5, NEVER], "category": ["kyc", "vip"], "bot": [True, False]})


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_every_column_says_its_unit_and_its_meaning_once(schema: tables.Schema) -> None:
    names = [column.name for column in schema]
    assert len(set(names)) == len(names)
    for column in schema:
        assert column.unit, column.name
        assert len(column.meaning) >= 5, column.name
        for suffix in ("ms", "us"):
            assert not column.name.endswith(f"_{suffix}") or column.unit.startswith(suffix), column.name


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_an_empty_table_of_every_schema_survives_the_file(schema: tables.Schema, tmp_path: Path) -> None:
    frame = pl.DataFrame(schema={column.name: column.dtype for column in schema})
    tables.write(frame, tmp_path / "t.parquet", schema)
    assert tables.read(tmp_path / "t.parquet", schema).equals(frame)


rows = st.lists(st.tuples(st.integers(-(2**63), NEVER), st.text(max_size=8), st.booleans()), max_size=30)
header_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, st.dictionaries(header_text.filter(lambda key: key != "ARROW:schema"), header_text, max_size=4))
def test_what_is_written_is_read(tmp_path: Path, rows: list[tuple], header: dict[str, str]) -> None:
    frame = pl.DataFrame(rows, schema={column.name: column.dtype for column in SMALL}, orient="row")
    path = tmp_path / "t.parquet"
    tables.write(frame, path, SMALL, header=header)
    assert tables.read(path, SMALL).equals(frame)
    assert tables.header(path) == header


def test_pandas_reads_the_same_rows_and_never_stays_a_whole_number(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    tables.write(small(), path, SMALL, header={"seed": "7"})
    frame = pd.read_parquet(path)
    assert frame["opened_ms"].tolist() == [5, 2**63 - 1]
    assert str(frame["opened_ms"].dtype) == "int64"
    assert frame["category"].tolist() == ["kyc", "vip"]
    assert frame["bot"].tolist() == [True, False]


def test_columns_are_put_in_the_order_of_the_schema(tmp_path: Path) -> None:
    turned = small().select("bot", "category", "opened_ms")
    assert tables.check(turned, SMALL, "here").columns == ["opened_ms", "category", "bot"]


def test_every_fault_of_a_table_is_named_at_once() -> None:
    frame = small().drop("bot").with_columns(opened_ms=pl.col("opened_ms").cast(pl.Float64), extra=pl.lit(1))
    with pytest.raises(tables.TableError) as fault:
        tables.check(frame, SMALL, "tickets.parquet")
    assert str(fault.value) == (
        "tickets.parquet: column bot is missing; column extra is not known; column opened_ms is Float64, must be Int64"
    )


def test_a_table_of_the_wrong_schema_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(tables.TableError, match=r"t\.parquet: column bot is missing"):
        tables.write(small().drop("bot"), path, SMALL)
    assert not path.exists()


def test_a_file_of_the_wrong_schema_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    small().with_columns(pl.lit("x").alias("more")).write_parquet(path)
    with pytest.raises(tables.TableError, match=r"t\.parquet: column more is not known"):
        tables.read(path, SMALL)
    with pytest.raises(FileNotFoundError):
        tables.read(tmp_path / "none.parquet", SMALL)


def test_a_table_in_pieces_is_written_as_one(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    tables.stream((small().select("bot", "category", "opened_ms") for _ in range(3)), path, SMALL)
    assert tables.read(path, SMALL).equals(pl.concat([small()] * 3))
    assert pd.read_parquet(path)["category"].tolist() == ["kyc", "vip"] * 3
    tables.stream([], path, SMALL)
    assert tables.read(path, SMALL).equals(small().clear())


def test_a_piece_of_the_wrong_schema_and_a_fault_in_the_making_are_raised(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    with pytest.raises(tables.TableError, match=r"t\.parquet: column bot is missing"):
        tables.stream([small(), small().drop("bot")], path, SMALL)

    def torn() -> Iterator[pl.DataFrame]:
        yield small()
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        tables.stream(torn(), path, SMALL)


def test_a_table_is_scanned_in_the_order_of_the_schema_and_checked(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    small().select("bot", "category", "opened_ms").write_parquet(path)
    assert tables.scan(path, SMALL).filter(pl.col("bot")).collect().rows() == [(5, "kyc", True)]
    small().drop("bot").write_parquet(path)
    with pytest.raises(tables.TableError, match=r"t\.parquet: column bot is missing"):
        tables.scan(path, SMALL)


def test_a_file_without_a_header_has_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    tables.write(small(), path, SMALL)
    assert tables.header(path) == {}


def test_the_endpoints_of_a_trace_are_known_by_name() -> None:
    customers = ["login", "mfa", "ticket", "ticket_view", "withdrawal", "withdrawal_status"]
    assert sorted(tables.ENDPOINTS) == sorted([*customers, "signup", "kyc", "deposit"])
