"""Did the generator do what the trace says? Its lateness, its counts, its clocks, and the limits of each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from loadtests.core.intervals import quantile
from loadtests.dialect.contract import NOT_SENT, SHED
from loadtests.verdict.measured import Measured, ms, sent_in_time

LATENESS_P99_LIMIT_MS = 20.0
RATE_TOLERANCE = 0.01
LITTLE_LIMIT = 0.05


def generator_of(evidence: Measured) -> dict[str, Any]:
    """Return lateness, errors of the counts per bin, and Little's law, as measured."""
    rows = evidence.requests
    sent = rows.filter(pl.col("sent_us") >= 0)
    lateness = np.sort(sent["sent_us"].to_numpy() - sent["due_us"].to_numpy())
    little = None
    if evidence.mean_in_flight and evidence.little_xr is not None:
        gap = abs(evidence.mean_in_flight - evidence.little_xr) / evidence.mean_in_flight
        little = {"n": evidence.mean_in_flight, "x_times_r": evidence.little_xr, "gap_share": gap}
    return {
        "lateness_ms": {
            "p50": ms(quantile(lateness, 0.5)),
            "p99": ms(quantile(lateness, 0.99)),
            "max": ms(float(lateness[-1])) if len(lateness) else None,
        },
        "count_error_per_s": _count_error(rows, 1_000_000),
        "count_error_per_100_ms": _count_error(rows, 100_000),
        "little": little,
    }


def _count_error(rows: pl.DataFrame, bin_us: int) -> dict[str, float]:
    """Return mean and largest difference between due and sent per bin, and the mean as a share of the mean count."""
    due, sent = rows["due_us"].to_numpy(), rows.filter(pl.col("sent_us") >= 0)["sent_us"].to_numpy()
    n_bins = int(max(due.max(), sent.max(initial=0)) // bin_us) + 1
    planned = np.bincount(due // bin_us, minlength=n_bins)
    gap = np.abs(planned - np.bincount(sent // bin_us, minlength=n_bins))
    return {"mean": float(gap.mean()), "max": int(gap.max()), "mean_share": float(gap.mean() / planned.mean())}


def generator_lines(
    evidence: Measured, generator: Mapping[str, Any], endpoints: Mapping[str, pl.DataFrame]
) -> list[dict[str, Any]]:
    """Return the threshold of each condition; one that is broken makes the run invalid, for its ``reason``."""
    found = dict(evidence.requests.group_by("outcome").len().iter_rows())
    shed, unsent, late = found.get(SHED, 0), found.get(NOT_SENT, 0), generator["lateness_ms"]["p99"]
    lines = [
        _line("generator.shed", 0, shed, f"{shed} requests were shed"),
        _line("generator.not_sent", 0, unsent, f"{unsent} requests were not sent"),
        _line(
            "generator.lateness_p99_ms", LATENESS_P99_LIMIT_MS, late,
            f"requests left late: p99 {late} ms, limit {LATENESS_P99_LIMIT_MS:g} ms",
        ),
    ]  # fmt: skip
    if generator["little"] is not None:
        gap = generator["little"]["gap_share"]
        why = f"the clocks contradict each other: Little's law is off by {gap:.1%}"
        lines.append(_line("generator.little_gap_share", LITTLE_LIMIT, gap, why))
    for name, rows in endpoints.items():
        planned, sent = rows.height, sent_in_time(rows, evidence)
        why = f"{name}: {sent} of {planned} requests were sent in time"
        lines.append(_line(f"{name}.rate_error_share", RATE_TOLERANCE, abs(sent - planned) / planned, why))
    return lines


def _line(name: str, limit: float, measured: float | None, reason: str) -> dict[str, Any]:
    passed = measured is not None and measured <= limit
    line = {"name": name, "kind": "generator", "limit": limit, "measured": measured, "passed": passed}
    return {**line, "at_least": False, "reason": reason}
