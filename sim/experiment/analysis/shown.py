"""What a run, made or read back, shows of itself in Python: one line, a table in notebooks, a frame."""

from __future__ import annotations

from typing import Protocol

import polars as pl

from sim.experiment.analysis.estimate import Estimates
from sim.experiment.analysis.headline import HEADLINE
from sim.experiment.analysis.html import estimates_table


class _Captioned(Protocol):
    @property
    def metrics(self) -> Estimates: ...

    def caption(self) -> str: ...


class Shown:
    """The forms in which a run with ``metrics`` and a ``caption`` shows itself."""

    def __repr__(self: _Captioned) -> str:
        """Return one line."""
        return f"<{type(self).__name__} of {self.caption()}>"

    def _repr_html_(self: _Captioned) -> str:
        """Return the headline metrics as a table, for notebooks; ``metrics`` and ``frame`` have all."""
        headline = {name: self.metrics[name] for name in HEADLINE if name in self.metrics}
        return estimates_table(headline, caption=self.caption())

    def frame(self: _Captioned) -> pl.DataFrame:
        """Return all metrics as a table with the columns ``sim.experiment.analysis.frames.ESTIMATES``."""
        return self.metrics.frame()


def caption_of(name: str, *, replications: int, seed: int, days: int) -> str:
    """Return what a run is, in a few words."""
    return f"{name}: {replications} replications of {days} days from seed {seed}"
