"""Which part of a trace to replay, and how fast, so that an endpoint's own predicted peak is proven or not.

A rate counts as held after 30 s with 300 requests of the endpoint acknowledged. A rare endpoint has not so many in its
busiest minute. A longer part of the trace, replayed faster, has; its rate is then above the peak, and covers it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from sim.core.proven import PLURALS, Proof

LEAST_REQUESTS, LEAST_S, LONGEST_S = 330, 32.0, 45.0
"""How many requests of the endpoint are due at least, and how long the replay lasts."""
ABOVE_PEAK = 1.15
WINDOWS_S = (60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
WRITES_FIRST = {"ticket_view": "ticket", "withdrawal_status": "withdrawal"}
"""Reads need records to ask for."""


@dataclass(frozen=True)
class ReplayLoad:
    """The busiest ``window_s`` of a trace, ``speedup`` times as fast as predicted; of one endpoint, or of all."""

    name: str
    window_s: float
    speedup: float
    endpoint: str = ""

    def options(self) -> list[str]:
        """Return the options of a load test that replays this."""
        wanted = [name for name in (WRITES_FIRST.get(self.endpoint), self.endpoint) if name]
        more = ["--endpoints", ",".join(wanted)] if wanted else []
        return ["--window", f"{round(self.window_s * 1000)} ms", "--speedup", f"{self.speedup:.4g}", *more]

    def words(self) -> str:
        """Return what is replayed, in words."""
        whose = f" of the {PLURALS[self.endpoint]} alone" if self.endpoint else ""
        return f"replaying the busiest {self.window_s:g} s{whose}, {self.speedup:.3g} x as fast as predicted"


def own_load(arrivals: pl.DataFrame, proof: Proof) -> ReplayLoad | None:
    """Return the load that proves an endpoint's predicted peak, or shows that it is not held; None where it has none.

    ``arrivals``: due_us and endpoint, sorted by due_us. The part is the shortest with enough requests; it is replayed
    above the peak, and slowly enough to last 30 s.
    """
    due_us = arrivals.filter(pl.col("endpoint") == proof.endpoint)["due_us"].to_numpy()
    if not proof.peak_per_s or not len(due_us):
        return None
    for window_s in WINDOWS_S:
        after = np.searchsorted(due_us, due_us + window_s * 1e6, side="left")
        busiest = int(np.max(after - np.arange(len(due_us))))
        wanted = ABOVE_PEAK * proof.peak_per_s * window_s / busiest
        speedup = max(wanted, window_s / LONGEST_S)
        if busiest >= LEAST_REQUESTS and window_s / speedup >= LEAST_S:
            return ReplayLoad(f"{proof.endpoint}-x{speedup:.3g}", window_s, speedup, proof.endpoint)
    return None
