"""How the command line shows numbers: plain aligned columns, and a progress bar on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from sim.estimate import Estimate

HEADLINE = (
    "tickets_new_per_day",
    "tickets_bot_per_day",
    "tickets_human_per_day",
    "tickets_first_contact_per_day",
    "tickets_escalated_per_day",
    "complaints_direct_per_day",
    "complaints_floor_per_day",
    "complaints_reducible_per_day",
    "complaints_peak_day",
    "backlog_peak",
    "backlog_end",
    "drain_days",
    "first_response_p90",
    "resolution_p90",
    "within_target_share",
    "abandoned_share",
    "occupancy",
    "withdrawals_late_peak",
    "requests_peak_per_s",
    "agent_cost_per_day",
)


def columns(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Return rows as aligned text; the columns in ``right`` are aligned to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(w) if i in right else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def metric_table(metrics: Mapping[str, Estimate], *, everything: bool = False) -> str:
    """Return the headline metrics, or all: mean ± 95 % half-width, and the 5-95 % range of the replications."""
    names = list(metrics) if everything else [name for name in HEADLINE if name in metrics]
    rows = [("metric", "mean ± 95 % half-width", "5-95 % of replications")]
    rows += [(name, str(metrics[name]), spread(metrics[name])) for name in names]
    return columns(rows)


def spread(one: Estimate) -> str:
    """Return the 5-95 % range of the replications, with the digits of its width."""
    from sim.statistics import significant

    if one.p05 is None or one.p95 is None:
        return "-"
    width = one.p95 - one.p05
    return f"{significant(one.p05, width / 10)} .. {significant(one.p95, width / 10)}"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def progress(total: int, what: str, *, quiet: bool) -> Iterator[Callable[[], None]]:
    """Yield a function to call after each step; a bar with the time left goes to stderr unless ``quiet``."""
    if quiet:
        yield lambda: None
        return
    from tqdm import tqdm

    form = "{desc}: {n_fmt}/{total_fmt} [{bar:24}] {elapsed}, {remaining} left"
    with tqdm(total=total, desc=what, file=sys.stderr, bar_format=form, leave=True) as bar:
        yield lambda: bar.update() and None
