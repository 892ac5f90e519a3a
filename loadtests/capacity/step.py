"""One step of open load at one rate, judged: does the target keep up and keep its objective at this rate?

The first fifth of a step is dropped: connections open and queues fill. Of the rest, a step passes when at least 99 % of
its arrivals were acknowledged by its end (or within the p99 objective after it, which what is under way may take), the
number of requests in flight did not grow, the share of errors is within the objective, and so is the p99 of the latency
from the due time. Residence R is the mean time from sent to done of what was acknowledged, and N = X R (Little).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import Any

import numpy as np
import polars as pl

from loadtests.dialect.contract import ACKNOWLEDGED, RATE_LIMITED, REJECTED, SHED, UNKNOWN
from loadtests.verdict.verdict import LATENESS_P99_LIMIT_MS, interval, latency_us, quantile

DROPPED_SHARE = 0.2
COMPLETION_SHARE = 0.99
GROWTH_SHARE = 0.01


@dataclass(frozen=True)
class CapacityObjective:
    """What the target must keep: the p99 of its latency, and the share of errors."""

    p99_ms: float
    error_share: float


@dataclass(frozen=True)
class LoadStep:
    """One step: rates a second, latencies in ms with the interval of p99, and what was broken.

    ``flaws`` are why the step is no evidence. ``ended_early``: why the step was stopped, empty if it was not.
    ``in_flight`` is X R, None where nothing was acknowledged.
    """

    offered_per_s: float
    throughput_per_s: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    p99_low_ms: float | None
    p99_high_ms: float | None
    error_share: float
    n: int
    in_flight: float | None
    broken: tuple[str, ...]
    flaws: tuple[str, ...]
    ended_early: str
    objective: CapacityObjective

    @property
    def passed(self) -> bool:
        """Whether the target holds this rate, judged by the measured values."""
        return not self.broken and not self.flaws

    @property
    def surely_passed(self) -> bool:
        """Whether the target holds this rate for every value in the interval of p99, too."""
        return self.passed and self.p99_high_ms is not None and self.p99_high_ms <= self.objective.p99_ms

    @property
    def surely_failed(self) -> bool:
        """Whether the step broke a condition other than p99, or p99 for every value in its interval."""
        low_ms = inf if self.p99_low_ms is None and self.p99_ms is None else self.p99_low_ms or 0.0
        return bool(self.broken) and (self.broken != ("p99",) or low_ms > self.objective.p99_ms)

    def curve_point(self) -> dict[str, Any]:
        """Return the step as a point of the capacity curve."""
        names = ("offered_per_s", "throughput_per_s", "p50_ms", "p95_ms", "p99_ms", "error_share", "n")
        return {name: getattr(self, name) for name in names}


def judge_step(
    rows: pl.DataFrame, *, length_us: int, timeout_us: int, objective: CapacityObjective, ended_early: str = ""
) -> LoadStep:
    """Return the step measured by the rows of one endpoint, or of a mix (schema REQUESTS)."""
    sent_rows = rows.filter(pl.col("sent_us") >= 0)
    # Requests that a step ended early never sent are no evidence; the step is judged by those it sent.
    if ended_early and len(sent_rows):
        length_us = int(sent_rows["due_us"].to_numpy().max()) + 1
    begin_us = int(length_us * DROPPED_SHARE)
    kept = sent_rows.filter((pl.col("due_us") >= begin_us) & (pl.col("due_us") < length_us))
    span_s = (length_us - begin_us) / 1e6
    latency = latency_us(kept, timeout_us) / 1000
    good = sent_rows.filter(pl.col("outcome") == ACKNOWLEDGED)
    done_us, residence_us = good["done_us"].to_numpy(), (good["done_us"] - good["sent_us"]).to_numpy()
    inside = (done_us >= begin_us) & (done_us < length_us)
    throughput = float(inside.sum()) / span_s
    outcomes = dict(kept.group_by("outcome").len().iter_rows())
    errors = (outcomes.get(REJECTED, 0) + outcomes.get(UNKNOWN, 0)) / max(len(kept), 1)
    low, high = interval(latency, 0.99)
    return LoadStep(
        offered_per_s=len(kept) / span_s,
        throughput_per_s=throughput,
        **{f"{name}_ms": quantile(latency, q) for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))},
        p99_low_ms=low,
        p99_high_ms=high,
        error_share=errors,
        n=len(kept),
        in_flight=throughput * float(residence_us[inside].mean()) / 1e6 if inside.any() else None,
        broken=_broken(kept, begin_us, length_us, timeout_us, objective, errors),
        flaws=_flaws(rows, ended_early),
        ended_early=ended_early,
        objective=objective,
    )


def _broken(
    kept: pl.DataFrame, begin_us: int, end_us: int, timeout_us: int, objective: CapacityObjective, errors: float
) -> tuple[str, ...]:
    """Return the conditions that a step broke: p99, completions, backlog, errors, rate_limited."""
    n, latest_us = max(len(kept), 1), end_us + objective.p99_ms * 1000
    done = kept.filter((pl.col("outcome") == ACKNOWLEDGED) & (pl.col("done_us") <= latest_us)).height
    limited = kept.filter(pl.col("outcome") == RATE_LIMITED).height
    p99_ms = quantile(latency_us(kept, timeout_us) / 1000, 0.99)
    conditions = {
        "p99": p99_ms is None or p99_ms > objective.p99_ms,
        "completions": done / n < COMPLETION_SHARE,
        "backlog": _growing(kept, begin_us, end_us, timeout_us),
        "errors": errors > objective.error_share,
        "rate_limited": limited / n > objective.error_share,
    }
    return tuple(name for name, broken in conditions.items() if broken)


def _growing(kept: pl.DataFrame, begin_us: int, end_us: int, timeout_us: int) -> bool:
    """Return whether the in-flight number rose over the step by more than 1 % of its arrivals and more than its noise.

    The noise is two standard deviations of a Poisson number with the step's mean, as in a system that only serves.
    """
    if len(kept) < 2:
        return False
    sent, done = kept["sent_us"].to_numpy(), kept["done_us"].to_numpy()
    ended = np.sort(np.where(done >= 0, done, sent + timeout_us))
    at_us = np.linspace(begin_us + (end_us - begin_us) * 0.05, end_us, 60)
    in_flight = np.searchsorted(np.sort(sent), at_us, side="right") - np.searchsorted(ended, at_us, side="right")
    growth = float(np.polyfit(at_us - at_us[0], in_flight, 1)[0] * (at_us[-1] - at_us[0]))
    return growth > max(GROWTH_SHARE * len(kept), 2 * sqrt(max(float(in_flight.mean()), 1.0)))


def _flaws(rows: pl.DataFrame, ended_early: str) -> tuple[str, ...]:
    outcomes = dict(rows.group_by("outcome").len().iter_rows())
    sent = rows.filter(pl.col("sent_us") >= 0)
    late_ms = quantile(np.sort((sent["sent_us"] - sent["due_us"]).to_numpy()) / 1000, 0.99)
    flaws = []
    if outcomes.get(SHED, 0):
        flaws.append(f"{outcomes[SHED]} requests were shed")
    if late_ms is None or late_ms > LATENESS_P99_LIMIT_MS:
        shown = "nothing was sent" if late_ms is None else f"p99 {late_ms:.3g} ms, limit {LATENESS_P99_LIMIT_MS:g} ms"
        flaws.append(f"requests left late: {shown}")
    unsent = len(rows) - len(sent) - outcomes.get(SHED, 0)
    if unsent and not ended_early:
        flaws.append(f"{unsent} requests were not sent")
    return tuple(flaws)
