"""One step of open load at one rate, judged: does the target keep up and keep its objective at this rate?

The first fifth of a step is dropped: connections open and queues fill. Of the rest, a step passes when at least 99 % of
its arrivals were answered by its end (or within the p99 objective after it, which what is under way may take), the
number of requests in flight did not grow, the shares of errors and of rate limits are within the objective, and so is
the p99 of the latency from the due time, a failure counted as slower than any answer. Residence R is the mean time from
sent to done of what was acknowledged, and N = X R (Little).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
import polars as pl

from loadtests.capacity.edge import Share
from loadtests.core.intervals import quantile, share_interval
from loadtests.dialect.contract import ACKNOWLEDGED, RATE_LIMITED, SHED
from loadtests.verdict.generator import LATENESS_P99_LIMIT_MS
from loadtests.verdict.measured import COMPLETION_SHARE, FAILURES, ended_us, grows, latency_us, reasons_of

DROPPED_SHARE = 0.2
HOPELESS_SHARE = 0.9
"""Where fewer requests than this are answered in time, the step need not be measured again."""
P99, ERRORS, LIMITED = "p99", "errors", "rate_limited"


@dataclass(frozen=True)
class CapacityObjective:
    """What the target must keep: the p99 of its latency, and the share of errors."""

    p99_ms: float
    error_share: float


@dataclass(frozen=True)
class LoadStep:
    """One step: rates a second, latencies in ms (None: a failure, or nothing), and what was broken.

    ``asked_per_s``: the rate of the Poisson process of which what was offered is one draw.
    ``bad``: how many requests break each condition that is a share; of p99, those above it. ``completed_share``: of the
    arrivals, in time. ``flaws`` are why the step is no evidence. ``ended_early``: why it was stopped, empty if it was
    not. ``in_flight`` is X R, None where nothing was acknowledged. ``failures``: the commonest reasons.
    ``parts``: how many requests of a mix went to each endpoint; one that surely broke a condition of its own is in
    ``broken``, too, for a total must not hide it.
    """

    asked_per_s: float
    offered_per_s: float
    throughput_per_s: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_share: float
    n: int
    bad: Mapping[str, int]
    completed_share: float
    in_flight: float | None
    broken: tuple[str, ...]
    flaws: tuple[str, ...]
    ended_early: str
    objective: CapacityObjective
    failures: list[dict[str, Any]] = field(default_factory=list)
    parts: Mapping[str, int] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether the target holds this rate, judged by the measured values."""
        return not self.broken and not self.flaws

    @property
    def hopeless(self) -> bool:
        """Whether the target was so far from holding this rate that no other step would change that."""
        return bool(self.ended_early) or self.completed_share < HOPELESS_SHARE

    @property
    def conditions(self) -> Mapping[str, float]:
        """The conditions that are shares of bad requests, and the share that each allows."""
        return {P99: 0.01, ERRORS: self.objective.error_share, LIMITED: self.objective.error_share}

    def share_of(self, condition: str) -> Share:
        """Return what the step saw of a condition.

        Other than shares, a backlog, a lack of completions, one endpoint of a mix, count as if the p99 were missed.
        """
        limit, bad = self.conditions[condition], self.bad[condition]
        if condition == P99 and set(self.broken) - set(self.conditions):
            bad = max(bad, round(2 * limit * self.n))
        return Share(self.asked_per_s, bad, self.n, limit)

    def curve_point(self) -> dict[str, Any]:
        """Return the step as a point of the capacity curve."""
        names = ("offered_per_s", "throughput_per_s", "p50_ms", "p95_ms", "p99_ms", "error_share", "n")
        return {name: getattr(self, name) for name in names}


def judge_step(
    rows: pl.DataFrame,
    *,
    asked_per_s: float,
    length_us: int,
    timeout_us: int,
    objective: CapacityObjective,
    ended_early: str = "",
) -> LoadStep:
    """Return the step measured by the rows of one endpoint, or of a mix (schema REQUESTS)."""
    sent_rows = rows.filter(pl.col("sent_us") >= 0)
    # Requests that a step ended early never sent are no evidence; the step is judged by those it sent.
    if ended_early and len(sent_rows):
        length_us = int(sent_rows["due_us"].to_numpy().max()) + 1
    begin_us = int(length_us * DROPPED_SHARE)
    kept = sent_rows.filter((pl.col("due_us") >= begin_us) & (pl.col("due_us") < length_us))
    span_s = (length_us - begin_us) / 1e6
    latency = np.sort(latency_us(kept)) / 1000
    good = sent_rows.filter(pl.col("outcome") == ACKNOWLEDGED)
    done_us, residence_us = good["done_us"].to_numpy(), (good["done_us"] - good["sent_us"]).to_numpy()
    inside = (done_us >= begin_us) & (done_us < length_us)
    throughput = float(inside.sum()) / span_s
    bad = _bad(kept, objective)
    latest_us = length_us + objective.p99_ms * 1000
    answered = kept.filter((pl.col("done_us") >= 0) & (pl.col("done_us") <= latest_us)).height
    step = LoadStep(
        asked_per_s=asked_per_s,
        offered_per_s=len(kept) / span_s,
        throughput_per_s=throughput,
        **{f"{name}_ms": _finite(quantile(latency, q)) for name, q in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))},
        error_share=bad[ERRORS] / max(len(kept), 1),
        n=len(kept),
        bad=bad,
        completed_share=answered / max(len(kept), 1),
        in_flight=throughput * float(residence_us[inside].mean()) / 1e6 if inside.any() else None,
        broken=(),
        flaws=_flaws(rows, ended_early),
        ended_early=ended_early,
        objective=objective,
        failures=reasons_of(kept),
        parts=dict(sorted(kept.group_by("endpoint").len().iter_rows())),
    )
    growing = grows(kept["sent_us"].to_numpy(), ended_us(kept, timeout_us), (begin_us, length_us))
    return replace(step, broken=(*_broken(step, growing=growing), *_broken_parts(step, kept)))


def _bad(kept: pl.DataFrame, objective: CapacityObjective) -> dict[str, int]:
    """Return how many requests break each condition that is a share."""
    return {
        P99: int(np.count_nonzero(latency_us(kept) > objective.p99_ms * 1000)),
        ERRORS: kept.filter(pl.col("outcome").is_in(FAILURES)).height,
        LIMITED: kept.filter(pl.col("outcome") == RATE_LIMITED).height,
    }


def _broken_parts(step: LoadStep, kept: pl.DataFrame) -> tuple[str, ...]:
    """Return the endpoints of a mix that surely broke a condition, and which."""
    if len(step.parts) < 2:
        return ()
    broken = []
    for name, n in step.parts.items():
        bad = _bad(kept.filter(pl.col("endpoint") == name), step.objective)
        broken += [f"{name} {what}" for what, most in step.conditions.items() if share_interval(bad[what], n)[0] > most]
    return tuple(broken)


def _broken(step: LoadStep, *, growing: bool) -> tuple[str, ...]:
    """Return the conditions that a step broke: p99, completions, backlog, errors, rate_limited."""
    over = {name: step.bad[name] > limit * step.n for name, limit in step.conditions.items()}
    nothing = step.n == step.bad[LIMITED]
    conditions = {
        P99: over[P99] or nothing,
        "completions": step.completed_share < COMPLETION_SHARE,
        "backlog": growing,
        ERRORS: over[ERRORS],
        LIMITED: over[LIMITED],
    }
    return tuple(name for name, broken in conditions.items() if broken)


def _finite(ms: float | None) -> float | None:
    return ms if ms is not None and isfinite(ms) else None


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
