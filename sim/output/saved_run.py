"""A run folder read back: its settings, metrics, and each replication's values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from sim.core import tables
from sim.core.at_least import AtLeast
from sim.core.tables import REPLICATIONS, SERIES
from sim.experiment.analysis.estimate import Estimate, Estimates
from sim.experiment.analysis.shown import Shown, caption_of
from sim.scenario.faults import ScenarioFaults
from sim.scenario.loading.load import from_resolved
from sim.scenario.schema.scenario import Scenario

_NEEDED = ("name", "seed", "replications", "scenario", "customers")


@dataclass(frozen=True, repr=False)
class SavedRun(Shown):
    """A run folder: ``info`` is its ``run.json``, ``metrics`` its estimates, ``values`` each replication's metrics.

    ``scenario`` and ``series`` are read when they are asked for, and raise ScenarioFaults where they are damaged.
    """

    folder: Path
    info: dict[str, Any]
    metrics: Estimates
    values: pl.DataFrame

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return int(self.info["seed"])

    @property
    def days(self) -> int:
        """The days that were measured."""
        return int(self.info["scenario"]["days"])

    @property
    def customers(self) -> dict[str, str]:
        """A hash of what was drawn of the customers, by stream."""
        return dict(self.info["customers"])

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario that was run, with everything that was set."""
        return from_resolved(self.info["scenario"], file=str(self.folder / "run.json"))

    @cached_property
    def series(self) -> pl.DataFrame:
        """The hourly series of all replications, long (``tables.SERIES``)."""
        with _refusals(self.folder):
            return _table(self.folder / "series.parquet", SERIES)

    def caption(self) -> str:
        """Return the run's name, its replications, seed and days."""
        n, days = self.info["replications"], self.info["scenario"]["days"]
        return caption_of(self.info["name"], replications=n, seed=self.seed, days=days)

    def samples(self, name: str) -> dict[int, float | None]:
        """Return a metric by replication; empty when the run has no such metric."""
        rows = self.values.filter(pl.col("name") == name)
        each = zip(rows["replication"].to_list(), rows["value"].to_list(), rows["censored"].to_list(), strict=True)
        return {number: AtLeast(value) if censored else value for number, value, censored in each}

    def verdicts(self) -> list[Path]:
        """Return the verdict files of the load tests made from this run, oldest first."""
        return sorted(self.folder.glob("loadtest/*/verdict.json"))


def read_run(folder: str | Path) -> SavedRun:
    """Return a run folder's content. Raises ScenarioFaults when it is not a run folder."""
    folder = Path(folder)
    if not folder.is_dir():
        got = "a file" if folder.exists() else "no folder of that name"
        raise ScenarioFaults([f"{folder}: RUN: got {got}; must be a run folder (withstand run makes one)"])
    with _refusals(folder):
        info, found = (json.loads((folder / name).read_text("utf-8")) for name in ("run.json", "metrics.json"))
        if not isinstance(info, dict) or (lacking := [key for key in _NEEDED if key not in info]):
            got = f"a run.json without {lacking[0]}" if isinstance(info, dict) else "a run.json that is no table"
            raise ScenarioFaults([f"{folder}: RUN: got {got}; must be a run folder as it was written"])
        metrics = Estimates({name: Estimate.from_json(one) for name, one in found["metrics"].items()})
        metrics.second_kind = tuple(found.get("second_kind", ()))
        return SavedRun(folder, info, metrics, _table(folder / "replications.parquet", REPLICATIONS))


def _table(path: Path, schema: tables.Schema) -> pl.DataFrame:
    """Return a table; where there is none, the error names it, which polars' own does not."""
    path.stat()
    return tables.read(path, schema)


@contextmanager
def _refusals(folder: Path) -> Iterator[None]:
    """Raise what keeps a file of a run folder from being read as ScenarioFaults."""
    try:
        yield
    except FileNotFoundError as error:
        lacking = Path(error.filename).name
        raise ScenarioFaults([f"{folder}: RUN: got a folder without {lacking}; must be a run folder"]) from None
    except OSError as error:
        what = f"no access ({error.strerror or error})"
        raise ScenarioFaults([f"{folder}: RUN: got {what}; must be a run folder that can be read"]) from None
    except (ValueError, KeyError, TypeError, AttributeError, pl.exceptions.PolarsError) as error:
        what = str(error).splitlines()[0]
        raise ScenarioFaults([f"{folder}: RUN: got {what!r}; must be a run folder as it was written"]) from None
