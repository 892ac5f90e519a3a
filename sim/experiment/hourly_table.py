"""The hourly series of a run, one at a time: from where replications are kept, to and from ``series.parquet``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from sim.core import tables
from sim.core.arrays import Floats
from sim.core.tables import SERIES
from sim.experiment.store import Key, ReplicationStore
from sim.scenario.schema.scenario import Scenario

_ROWS = 1 << 17
"""Most rows of a piece of the table: what is held at once, and what a reader of one series can skip."""


@dataclass(frozen=True)
class Hourly:
    """Which series there are, from when and of which replications; ``fetch`` reads one of them for some of these."""

    start: datetime
    hours: int
    numbers: tuple[int, ...]
    keys: tuple[Key, ...]
    fetch: Callable[[str, str, Sequence[int]], Floats]

    def matrix(self, entity: str, name: str) -> Floats:
        """Return a series as replications x hours, NaN where it has no value. Raises KeyError when there is none."""
        return self.fetch(entity, name, self.numbers)


def hourly_of(store: ReplicationStore, numbers: Sequence[int], scenario: Scenario) -> Hourly:
    """Return the series of some kept replications of a scenario."""
    start = datetime.combine(scenario.start, time(), UTC) + timedelta(days=scenario.warmup_days)
    return Hourly(start, store.hours, tuple(sorted(numbers)), store.keys, store.matrix)


def of_file(path: Path) -> Hourly:
    """Return the series in a file of ``sim.core.tables.SERIES``, where each is in order of replication and time.

    Raises TableError when it is not such a table, FileNotFoundError when there is none.
    """
    rows = tables.scan(path, SERIES)
    found = rows.with_row_index().group_by("entity", "name").agg(pl.col("index").min()).collect(engine="streaming")
    keys = tuple(found.sort("index").select("entity", "name").iter_rows())

    def of(entity: str, name: str) -> pl.LazyFrame:
        return rows.filter((pl.col("entity") == entity) & (pl.col("name") == name))

    def fetch(entity: str, name: str, numbers: Sequence[int]) -> Floats:
        if (entity, name) not in keys:
            raise KeyError((entity, name))
        found = of(entity, name).filter(pl.col("replication").is_in(numbers)).select("value").collect()
        return found["value"].to_numpy().reshape(len(numbers), len(times))

    one = of(*keys[0]).select("replication", "time").collect()
    times = one["time"].unique(maintain_order=True)
    return Hourly(times[0], len(times), tuple(one["replication"].unique(maintain_order=True)), keys, fetch)


def write(hourly: Hourly, path: Path) -> None:
    """Write the long table series by series, so that one can be read without the others, holding little at a time."""
    tables.stream(_pieces(hourly), path, SERIES)


def frame(hourly: Hourly) -> pl.DataFrame:
    """Return the long table of ``tables.SERIES``: large, some 50 bytes for each series, replication and hour."""
    return pl.concat(_pieces(hourly), rechunk=False)


def _pieces(hourly: Hourly) -> Iterator[pl.DataFrame]:
    """Yield the table by series, then replication, then time; NaN becomes null."""
    end = hourly.start + timedelta(hours=hourly.hours)
    times = pl.datetime_range(hourly.start, end, "1h", closed="left", time_unit="ms", eager=True)
    parts = -(-len(hourly.numbers) * hourly.hours // _ROWS)
    for entity, name in hourly.keys:
        for numbers in np.array_split(hourly.numbers, parts):
            values = pl.Series("value", hourly.fetch(entity, name, numbers.tolist()).ravel())
            yield pl.DataFrame({"replication": np.repeat(numbers, hourly.hours).astype(np.int32)}).with_columns(
                time=pl.Series(np.tile(times.to_physical(), len(numbers))).cast(times.dtype),
                entity=pl.lit(entity),
                name=pl.lit(name),
                value=values.fill_nan(None),
            )
