"""The gates of each endpoint: passed or failed where the interval of what was measured decides it, else undecided.

A gate passes when all of its interval keeps the objective and fails when none of it does, each at 95 % confidence. One
that is undecided says how many more requests would decide it. In an invalid run nothing passes, and a gate fails only
where the requests that were not sent could not mend it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import polars as pl

from loadtests.core.intervals import effective_number, needed_more, share_interval
from loadtests.dialect.contract import ACKNOWLEDGED, NOT_SENT, RATE_LIMITED, REJECTED, SHED, UNKNOWN
from loadtests.verdict.measured import FAILURES, LEAST_S, QUANTILES, Measured, latency_us, per_s

ACKNOWLEDGED_FLOOR = 0.5
"""Whatever a scenario states: where less than this share of an endpoint's requests is acknowledged, nothing is held."""
NONE_AT_ALL = 0.01
"""An objective of no failure at all is kept when none is seen and this share is excluded: 299 requests."""
INVALID_RUN = "the run is invalid and proves nothing here"
UNDECIDED, SKIPPED = "undecided", "skipped"


class EndpointGates:
    """The gates of one endpoint that was sent to."""

    def __init__(self, name: str, rows: pl.DataFrame, measured: Mapping[str, Any], evidence: Measured) -> None:
        self._name, self._rows, self._measured, self._evidence = name, rows, measured, evidence
        self._objectives = evidence.objectives.get(name) or {}

    def lines(self, *, valid: bool, clock_good: bool) -> Iterator[dict[str, Any]]:
        """Yield a line for the floor and each objective. ``clock_good``: the generator was in time."""
        sent = self._rows.filter(pl.col("sent_us") >= 0)
        n = len(sent) if valid else self._rows.height
        # Where the generator was late, what has no answer may be its own fault; an answer is the target's.
        not_bad = [ACKNOWLEDGED] if clock_good else [ACKNOWLEDGED, UNKNOWN]
        bad = sent.filter(~pl.col("outcome").is_in(not_bad)).height
        floor = self._share("acknowledged_share", 1 - ACKNOWLEDGED_FLOOR, bad, n, valid=valid)
        limits = {"low": 1 - floor["high"], "high": 1 - floor["low"]}
        yield {**floor, **limits, "limit": ACKNOWLEDGED_FLOOR, "at_least": True}
        error, limited = self._objectives.get("error_share"), self._objectives.get("rate_limited_share")
        surely = FAILURES if clock_good else (REJECTED,)
        for what, limit, outcomes in (
            ("error_share", error, surely),
            ("rate_limited_share", error if limited is None else limited, (RATE_LIMITED,)),
        ):
            if limit is not None:
                k = sent.filter(pl.col("outcome").is_in(outcomes)).height
                yield self._share(what, limit, k, n, valid=valid)
        yield from self._throughput(valid=valid)
        for quantile_name, q in QUANTILES.items():
            limit = self._objectives.get(f"{quantile_name}_ms")
            if limit is not None:
                yield self._latency(f"{quantile_name}_ms", limit, 1 - q, judged=(valid, clock_good))

    def _share(self, what: str, limit: float, k: int, n: int, *, valid: bool) -> dict[str, Any]:
        """Return the line of a share of which ``k`` of ``n`` were seen."""
        low, high = share_interval(k, n)
        most = NONE_AT_ALL if limit == 0 and k == 0 else limit
        passed = False if low > limit else True if valid and high <= most else None
        line = self._line(what, limit, self._measured[what], passed)
        needs = needed_more(k / n, most, n) if passed is None and n else None
        return {**line, **_why(passed, needs, valid=valid), "n": n, "low": low, "high": high}

    def _latency(self, what: str, limit: float, most: float, *, judged: tuple[bool, bool]) -> dict[str, Any]:
        """Return the line of a quantile: is the share of requests above the limit, failures included, small enough?"""
        valid, clock_good = judged
        over = latency_us(self._rows) > limit * 1000 if valid else self._surely_over(limit)
        n, k = len(over) if valid else self._rows.height, int(np.count_nonzero(over))
        weight = effective_number(over) / len(over) if len(over) else 1.0
        low, high = share_interval(k * weight, n * weight)
        passed = None
        if low > most and (valid or clock_good):
            passed = False
        elif valid and high <= most:
            passed = True
        value = self._measured["latency_ms"][what.removesuffix("_ms")]["value"]
        line = self._line(what, limit, value, passed)
        needs = needed_more(k / n, most, n, weight) if passed is None and n else None
        more = {"n": n, "n_over": k, "effective_n": round(n * weight)}
        return {**line, **_why(passed, needs, valid=valid), **more}

    def _surely_over(self, limit: float) -> np.ndarray:
        """Return which of those sent were answered too late, counted from when they were sent."""
        rows = self._rows.filter(pl.col("sent_us") >= 0).sort("due_us")
        sent, done = rows["sent_us"].to_numpy(), rows["done_us"].to_numpy()
        waited = np.where(done >= 0, done - sent, self._evidence.timeout_us)
        return rows["outcome"].is_in([ACKNOWLEDGED, UNKNOWN]).to_numpy() & (waited > limit * 1000)

    def _throughput(self, *, valid: bool) -> Iterator[dict[str, Any]]:
        least = self._objectives.get("throughput_per_s")
        if least is None:
            return
        measured = self._measured["throughput_per_s"]
        offered = per_s(self._rows.height, self._evidence)
        unsent = self._rows.filter(pl.col("outcome").is_in([SHED, NOT_SENT])).height
        # What a steady server completes just after the window is made up by what it completes just after its beginning.
        later = 0 if self._measured["backlog"]["growing"] else self._acknowledged_later()
        possible = measured + per_s(unsent + later, self._evidence)
        line = self._line("throughput_per_s", least, measured, None)
        why: dict[str, Any] = {"state": UNDECIDED, "needs": None, "why": INVALID_RUN}
        passed: bool | None = None
        lasted_s = self._evidence.duration_us / 1e6
        if valid and measured >= least and lasted_s < LEAST_S:
            why["why"] = f"it lasted {lasted_s:.3g} s, fewer than {LEAST_S:g}: replay a longer window"
        elif valid and measured >= least:
            passed = True
        elif offered < least:
            why["why"] = f"only {offered:g}/s were due, less than the objective: replay faster"
        elif possible < least:
            passed = False
        elif valid:
            why["why"] = f"{later:,} were acknowledged only after the window: replay a longer one"
        yield {**line, **(why if passed is None else _why(passed, None, valid=valid)), "passed": passed,
               "at_least": True, "n": self._rows.height}  # fmt: skip

    def _acknowledged_later(self) -> int:
        later = pl.col("done_us") > self._evidence.duration_us
        return self._rows.filter(later & (pl.col("outcome") == ACKNOWLEDGED)).height

    def _line(self, what: str, limit: float, measured: float | None, passed: bool | None) -> dict[str, Any]:
        line = {"name": f"{self._name}.{what}", "kind": "target", "endpoint": self._name, "limit": limit}
        return {**line, "measured": measured, "passed": passed, "at_least": False, "required": True}


def skipped_lines(evidence: Measured, sent_to: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a line for each objective of an endpoint that got no request.

    It is required where the run predicts requests to it and nobody left them out.
    """
    for name, objectives in evidence.objectives.items():
        if name in sent_to:
            continue
        required = name in evidence.wanted
        why = "no request to it was due in this window" if required else "no request to it was to be sent"
        for what, limit in objectives.items():
            if limit is not None:
                yield {
                    "name": f"{name}.{what}", "kind": "target", "endpoint": name, "limit": limit, "measured": None,
                    "passed": None, "at_least": what == "throughput_per_s", "required": required, "state": SKIPPED,
                    "needs": None, "why": why, "n": 0,
                }  # fmt: skip


def _why(passed: bool | None, needs: int | None, *, valid: bool) -> dict[str, Any]:
    """Return the state of a gate, how many more requests it needs, and why it is not decided."""
    if passed is not None:
        return {"state": "passed" if passed else "failed", "needs": None, "why": ""}
    if not valid:
        return {"state": UNDECIDED, "needs": None, "why": INVALID_RUN}
    told = "the limit lies within its interval, and no number of requests may decide it"
    return {"state": UNDECIDED, "needs": needs, "why": told if needs is None else f"needs {needs:,} more requests"}
