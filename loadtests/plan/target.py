"""The options of a load test that select from an API: the dialect, the endpoints and the accounts."""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from loadtests.core.faults import InputError
from loadtests.core.schedule import ON_REQUEST, Schedule, Trace
from loadtests.dialect.contract import Dialect, speaks
from loadtests.dialects import load
from loadtests.plan import accounts
from loadtests.plan.pool import PooledDialect, pooled
from sim.core.clock import duration_ms
from sim.core.tables import ENDPOINTS


def add_arguments(add: Callable[..., Any]) -> None:
    """Add the options that choose, by a parser's ``add_argument``."""
    add("--dialect", default="reference", metavar="NAME|FILE", help="the API of the target (default: reference)")
    add(
        "--endpoints",
        default="",
        metavar="NAME,...",
        help=f"send only to these: {', '.join(ENDPOINTS)} (default: all that the run predicts, except the last four)",
    )
    add("--accounts", default="", metavar="FILE", help="a pool of test accounts (TOML) that represent the customers")
    add(
        "--cleanup", action="store_true", help="afterwards cancel withdrawals that are still open and close the tickets"
    )


def choose(options: argparse.Namespace, run_dir: Path, environ: Mapping[str, str]) -> Dialect:
    """Return the dialect that the options ask for, over a pool of accounts if they name one.

    Raises InputError with every fault found.
    """
    samples = samples_of(run_dir)
    if not options.accounts:
        return load(options.dialect, environ, samples)
    return pooled(accounts.read_pool(options.accounts, options.dialect, environ), options.dialect, samples)


def narrow(trace: Trace, endpoints: str) -> Trace:
    """Return the trace with the arrivals of the named endpoints alone; when none is named, of all but ``ON_REQUEST``.

    Raises InputError when a name is wrong or nothing is left.
    """
    if not endpoints:
        kept = trace.arrivals.filter(~pl.col("endpoint").is_in(ON_REQUEST))
        if kept.is_empty():
            raise InputError(
                [f"--endpoints: got nothing; must name one of {', '.join(ON_REQUEST)}, all that is predicted"]
            )
        return dataclasses.replace(trace, arrivals=kept)
    wanted = [name.strip() for name in endpoints.split(",")]
    unknown = [name for name in wanted if name not in ENDPOINTS]
    if unknown:
        raise InputError([f"--endpoints: got {name}; must be one of {', '.join(ENDPOINTS)}" for name in unknown])
    kept = trace.arrivals.filter(pl.col("endpoint").is_in(wanted))
    if kept.is_empty():
        raise InputError(
            [f"--endpoints: got {endpoints}, to which the run sends nothing; must name one that it predicts"]
        )
    return dataclasses.replace(trace, arrivals=kept)


def faults(dialect: Dialect, name: str, schedule: Schedule) -> list[str]:
    """Return the faults: endpoints that the dialect does not support, and rates above the accounts' limits."""
    spoken, counts = speaks(dialect), schedule.counts()
    missing = {endpoint: n for endpoint, n in counts.items() if endpoint not in spoken}
    found = accounts.rate_faults(dialect.pool, schedule) if isinstance(dialect, PooledDialect) else []
    if missing:
        parts = ", ".join(f"{endpoint} ({n:,} of {sum(counts.values()):,} requests)" for endpoint, n in missing.items())
        rule = f"must support them; --endpoints {','.join(spoken)} leaves them out"
        found.append(f"--dialect: got {name}, whose API has no {parts}; {rule}")
    return found


def identity(dialect: Dialect, schedule: Schedule) -> dict[str, Any]:
    """Return what the verdict says of the choice: the endpoints, what is not replayed, and the accounts.

    ``not_replayed`` has the requests that the run predicts for the trace's whole window, by endpoint.
    """
    sent = sorted(schedule.counts())
    predicted = {name: sum(counts) for name, counts in schedule.trace.predicted.get("per_minute", {}).items()}
    pool = accounts.summary(dialect.pool, schedule) if isinstance(dialect, PooledDialect) else None
    kept = set(schedule.trace.arrivals["endpoint"].unique())
    left_out = {name: count for name, count in predicted.items() if count and name not in kept}
    return {"endpoints": sent, "not_replayed": left_out, "accounts": pool}


def promise_ms(run_dir: Path) -> int | None:
    """Return the time within which a run's scenario promises that withdrawals end; None where it promises none."""
    try:
        promise = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))["scenario"]["withdrawals"]["promise"]
        return duration_ms(promise) if isinstance(promise, str) else int(promise)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def samples_of(run_dir: Path) -> dict[str, Sequence[str]]:
    """Return the example messages of each ticket category of a run's scenario; none where its file cannot be read."""
    try:
        run = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
        categories = run["scenario"]["categories"].items()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    found = {name: entry.get("samples") for name, entry in categories if isinstance(entry, dict)}
    return {name: texts for name, texts in found.items() if isinstance(texts, list)}
