"""The hourly series between where they are kept, their file and their readers: the same values, little held at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pyarrow.parquet as pq
import pytest

from sim.core import tables
from sim.core.tables import SERIES, TableError
from sim.experiment.hourly_table import Hourly, frame, hourly_of, of_file, write
from sim.experiment.store import ReplicationStore
from tests.support.run_factory import START, scenario

ROOT = Path(__file__).resolve().parents[2]
KEYS = (("team:b", "n_backlog"), ("all", "n_backlog"), ("team:b", "wait_p50_min"))
HOURS = 30


def values(key: tuple[str, str], number: int) -> np.ndarray:
    """Return values that no other series or replication has, one of them unknown."""
    found = 1000.0 * number + 100 * KEYS.index(key) + np.arange(HOURS) / 7
    found[number % HOURS] = np.nan
    return found


@pytest.fixture(scope="module")
def hourly(tmp_path_factory: pytest.TempPathFactory) -> Hourly:
    store = ReplicationStore(tmp_path_factory.mktemp("kept"))
    for number in (5, 0, 2, 9):
        store.add(number, {"backlog_peak": 1.0}, {key: values(key, number) for key in KEYS})
    return hourly_of(store, [9, 0, 5], scenario())


@pytest.fixture(scope="module")
def path(hourly: Hourly, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("file") / "series.parquet"
    write(hourly, place)
    return place


def assert_same(one: Hourly, other: Hourly) -> None:
    assert (one.start, one.hours, one.numbers, one.keys) == (other.start, other.hours, other.numbers, other.keys)
    for key in other.keys:
        np.testing.assert_array_equal(one.matrix(*key), other.matrix(*key), str(key))


def test_the_series_of_kept_replications_begin_after_the_warm_up(hourly: Hourly) -> None:
    story = scenario()
    start = datetime.combine(story.start, datetime.min.time(), UTC)
    assert (hourly.start - start).days == story.warmup_days > 0
    assert (hourly.hours, hourly.numbers, hourly.keys) == (HOURS, (0, 5, 9), KEYS)
    for key in KEYS:
        np.testing.assert_array_equal(hourly.matrix(*key), [values(key, number) for number in (0, 5, 9)])


def test_the_file_gives_back_what_was_written(hourly: Hourly, path: Path) -> None:
    read = of_file(path)
    assert_same(read, hourly)
    np.testing.assert_array_equal(read.fetch(*KEYS[2], [5, 9]), [values(KEYS[2], number) for number in (5, 9)])


def test_the_file_is_long_by_series_replication_and_hour_in_polars_and_pandas(hourly: Hourly, path: Path) -> None:
    table, other = tables.read(path, SERIES), pd.read_parquet(path)
    rows = [(key, number, hour) for key in KEYS for number in (0, 5, 9) for hour in range(HOURS)]
    assert table["replication"].to_list() == other["replication"].to_list() == [number for _, number, _ in rows]
    assert table["entity"].to_list() == other["entity"].to_list() == [key[0] for key, _, _ in rows]
    assert table["name"].to_list() == other["name"].to_list() == [key[1] for key, _, _ in rows]
    hours = ((table["time"] - hourly.start).dt.total_hours()).to_list()
    assert hours == ((other["time"] - hourly.start) // pd.Timedelta("1h")).tolist() == [hour for _, _, hour in rows]
    expected = np.concatenate([values(key, number) for key in KEYS for number in (0, 5, 9)])
    np.testing.assert_array_equal(table["value"].to_numpy(), expected)
    np.testing.assert_array_equal(other["value"].to_numpy(), expected)
    assert table["value"].null_count() == np.isnan(expected).sum() == 9
    assert not table["value"].is_nan().any()
    assert table.equals(frame(hourly))


def test_a_file_in_the_order_of_replications_is_read_too(hourly: Hourly, path: Path, tmp_path: Path) -> None:
    table = tables.read(path, SERIES).sort("replication", maintain_order=True)
    tables.write(table, tmp_path / "series.parquet", SERIES)
    assert_same(of_file(tmp_path / "series.parquet"), hourly)


def test_what_is_not_there_is_refused(hourly: Hourly, path: Path, tmp_path: Path) -> None:
    for one in (hourly, of_file(path)):
        with pytest.raises(KeyError, match="n_nothing"):
            one.matrix("all", "n_nothing")
    with pytest.raises(FileNotFoundError):
        of_file(tmp_path / "none.parquet")
    pl.read_parquet(path).drop("value").write_parquet(tmp_path / "other.parquet")
    with pytest.raises(TableError, match=r"other\.parquet: column value is missing"):
        of_file(tmp_path / "other.parquet")


def large(replications: int, hours: int, keys: Sequence[tuple[str, str]]) -> Hourly:
    def fetch(entity: str, name: str, numbers: Sequence[int]) -> np.ndarray:
        return np.add.outer(np.asarray(numbers, dtype=np.float64), np.arange(hours)) + keys.index((entity, name))

    return Hourly(START, hours, tuple(range(replications)), tuple(keys), fetch)


@pytest.mark.parametrize(("replications", "hours"), [(197, 672), (400, 672), (1, 200_000)])
def test_one_series_lies_in_row_groups_of_its_own(replications: int, hours: int, tmp_path: Path) -> None:
    keys = [("all", "new_tickets"), ("all", "n_backlog"), ("team:front", "n_backlog")]
    write(large(replications, hours, keys), tmp_path / "series.parquet")
    meta = pq.ParquetFile(tmp_path / "series.parquet").metadata
    groups = [meta.row_group(number) for number in range(meta.num_row_groups)]
    assert all(group.num_rows < 1 << 18 for group in groups)
    found = []
    for group in groups:
        entity, name = (group.column(place).statistics for place in (2, 3))
        assert (entity.min, name.min) == (entity.max, name.max)
        found.append((entity.min, name.min))
    assert list(dict.fromkeys(found)) == keys


MEASURED = """
import resource, sys
from pathlib import Path
import numpy as np
from tests.support.run_factory import START
from sim.experiment.hourly_table import Hourly, write

def rows(replications, keys, path):
    names = tuple(("all", f"n_{key}") for key in range(keys))
    fetch = lambda entity, name, numbers: np.zeros((len(numbers), 672))
    write(Hourly(START, 672, tuple(range(replications)), names, fetch), Path(path))

rows(500, 2, sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows(5000, 2, sys.argv[1])
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""


def test_writing_holds_little_however_many_replications_there_are(tmp_path: Path) -> None:
    """Ten times the replications, 7 million rows of 50 bytes, in less than a tenth of their memory more."""
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path / "series.parquet")],
        env=environment, check=True, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert pl.scan_parquet(tmp_path / "series.parquet").select(pl.len()).collect().item() == 5000 * 2 * 672
    assert int(done.stdout) < 5000 * 2 * 672 * 50 / 10
