"""Which part of a trace to replay, and how fast, so that an endpoint's own predicted peak is proven or not.

A rate counts as held after 30 s with 300 requests of the endpoint acknowledged. A rare endpoint has not so many in its
busiest minute. A longer part of the trace, replayed faster, has; its rate is then above the peak, and covers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
import polars as pl

from sim.core.proven import PLURALS, Proof

ENOUGH, LEAST_REQUESTS, LEAST_S, LONGEST_S = 450, 330, 32.0, 48.0
"""How many requests of the endpoint should be due and must be, and how long the replay lasts."""
ABOVE_PEAK = 1.25
"""The multiple of its predicted peak at which an endpoint is proven: what a planner keeps in reserve."""
WRITES_FIRST = {"ticket_view": "ticket", "withdrawal_status": "withdrawal"}
"""Reads need records to ask for."""


@dataclass(frozen=True)
class ReplayLoad:
    """The busiest ``window_s`` of a trace, ``speedup`` times as fast as predicted; of all endpoints, or of one.

    ``of_peak``: the multiple of the endpoint's predicted peak that this sends.
    """

    name: str
    window_s: float
    speedup: float
    endpoint: str = ""
    of_peak: float = 0.0

    def options(self) -> list[str]:
        """Return the options of a load test that replays this."""
        wanted = [name for name in (WRITES_FIRST.get(self.endpoint), self.endpoint) if name]
        more = ["--endpoints", ",".join(wanted)] if wanted else []
        return ["--window", f"{ceil(self.window_s * 1000)} ms", "--speedup", f"{self.speedup:.6g}", *more]

    def words(self) -> str:
        """Return what is replayed, in words."""
        fast = f"{self.speedup:.3g} x as fast as predicted"
        if not self.endpoint:
            return f"replaying the busiest {self.window_s:.3g} s of the trace, {fast}"
        whose, peak = PLURALS[self.endpoint], f"{self.of_peak:.3g} x their predicted peak"
        return f"replaying the busiest {self.window_s:.3g} s of the {whose} alone, {fast}: {peak}"


def own_load(arrivals: pl.DataFrame, proof: Proof, above_peak: float = ABOVE_PEAK) -> ReplayLoad | None:
    """Return the load that sends an endpoint ``above_peak`` times its predicted peak; None where the trace has too few.

    ``arrivals``: due_us and endpoint, sorted by due_us. It lasts until enough requests were sent, which takes at least
    32 s. Where that would take too long, at a low rate, it is sent faster; such a rate covers the lower ones.
    """
    due_us = arrivals.filter(pl.col("endpoint") == proof.endpoint)["due_us"].to_numpy()
    if not proof.peak_per_s:
        return None
    rate_per_s = max(above_peak * proof.peak_per_s, ENOUGH / LONGEST_S)
    n = min(ceil(max(ENOUGH, rate_per_s * LEAST_S)), len(due_us))
    if n < LEAST_REQUESTS or n / rate_per_s < LEAST_S:
        return None
    # The shortest part with n requests, up to just after the last of them.
    window_s = (int(np.min(due_us[n - 1 :] - due_us[: len(due_us) - n + 1])) + 1000) / 1e6
    speedup, of_peak = window_s * rate_per_s / n, rate_per_s / proof.peak_per_s
    return ReplayLoad(f"{proof.endpoint}-x{speedup:.3g}", window_s, speedup, proof.endpoint, of_peak)
