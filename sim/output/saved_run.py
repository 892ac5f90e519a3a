"""A run folder read back: its settings, metrics, and each replication's values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sim.core import tables
from sim.core.at_least import AtLeast
from sim.core.tables import REPLICATIONS
from sim.experiment.analysis.estimate import Estimate
from sim.scenario.faults import ScenarioFaults


@dataclass(frozen=True)
class SavedRun:
    """A run folder: ``info`` is its ``run.json``, ``metrics`` its estimates, ``values`` each replication's metrics."""

    folder: Path
    info: dict[str, Any]
    metrics: dict[str, Estimate]
    values: pl.DataFrame

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return int(self.info["seed"])

    def samples(self, name: str) -> dict[int, float | None]:
        """Return a metric by replication; empty when the run has no such metric."""
        rows = self.values.filter(pl.col("name") == name)
        each = zip(rows["replication"].to_list(), rows["value"].to_list(), rows["censored"].to_list(), strict=True)
        return {number: AtLeast(value) if censored else value for number, value, censored in each}

    def verdicts(self) -> list[Path]:
        """Return the verdict files of the load tests made from this run, oldest first."""
        return sorted(self.folder.glob("loadtest/*/verdict.json"))


def read_run(folder: Path) -> SavedRun:
    """Return a run folder's content. Raises ScenarioFaults when it is not a run folder."""
    if not folder.is_dir():
        got = "a file" if folder.exists() else "no folder of that name"
        raise ScenarioFaults([f"{folder}: RUN: got {got}; must be a run folder (withstand run makes one)"])
    try:
        info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["metrics"]
        values = tables.read(folder / "replications.parquet", REPLICATIONS)
        return SavedRun(folder, info, {name: Estimate.from_json(one) for name, one in metrics.items()}, values)
    except FileNotFoundError as error:
        lacking = Path(error.filename).name if error.filename else "a file"
        raise ScenarioFaults([f"{folder}: RUN: got a folder without {lacking}; must be a run folder"]) from None
    except (ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        what = str(error).splitlines()[0]
        raise ScenarioFaults([f"{folder}: RUN: got {what!r}; must be a run folder as it was written"]) from None
