"""What a load test would send, from its plan alone: nothing is asked, resolved or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from loadtests.core.schedule import SECOND_US
from loadtests.dialect.payload import plain
from loadtests.plan.funds import needed
from loadtests.plan.plan import Plan


def describe(plan: Plan, *, workers: int) -> dict[str, Any]:
    """Return the plan as JSON values: hosts, counts, rates, duration, test funds by currency, caps and limits.

    ``funds`` are what the withdrawals ask of each test account ("" is the one without a name) by currency, without the
    fees, which only the target knows.
    """
    schedule, identity = plan.schedule, plan.identity()
    return {
        **{key: identity[key] for key in ("scenario", "host", "dialect", "trace_sha256", "window", "speedup")},
        "allowed_hosts": sorted(plan.allowed),
        "requests": len(schedule.due_us),
        "peak_per_s": schedule.peak_count(SECOND_US),
        "endpoints": {name: _endpoint(plan, name, count) for name, count in schedule.counts().items()},
        "funds": {
            account: {currency: plain(amount) for currency, amount in sorted(sums.items())}
            for account, sums in sorted(needed(plan.dialect, schedule).items())
        },
        "caps": asdict(plan.caps),
        "in_flight": plan.limits.in_flight,
        "timeout_s": plan.limits.timeout_s,
        "workers": workers,
        "objectives": {name: dict(limits) for name, limits in plan.objectives.items()},
        "reconcile": plan.reconcile,
        "baseline": None if plan.baseline is None else str(plan.baseline.folder),
        "results": str(plan.out_dir),
    }


def plain_lines(planned: Mapping[str, Any]) -> list[str]:
    """Return the same as lines of text."""
    window, caps = planned["window"], planned["caps"]
    rows = [
        f"  {name}: {row['requests']:,} requests, {row['per_s']:.4g} a second, {row['peak_per_s']:,} in the busiest"
        for name, row in planned["endpoints"].items()
    ]
    funds = [
        f"test funds needed, before fees{f' by {account}' if account else ''}: "
        + ", ".join(f"{amount} {currency}" for currency, amount in sums.items())
        for account, sums in planned["funds"].items()
    ]
    return [
        f"DRY RUN  {planned['scenario']}: nothing was sent",
        f"target: {planned['host']}, dialect {planned['dialect']}; allowed: {', '.join(planned['allowed_hosts'])}",
        f"window: {window['length_s']:g} s from {window['start_utc'][:19]}, speed-up {planned['speedup']:g}, "
        f"so {window['duration_s']:g} s; workers: {planned['workers']}",
        f"requests: {planned['requests']:,}, at most {planned['peak_per_s']:,} in a second",
        *rows,
        *(funds or ["test funds needed: none"]),
        f"caps: {caps['rate_per_s']:,} a second, {caps['requests']:,} requests, {caps['duration_s']:g} s; "
        f"in flight {planned['in_flight']:,}; time-out {planned['timeout_s']:g} s",
        f"afterwards: {'reconciled' if planned['reconcile'] else 'not reconciled'}; "
        f"baseline {planned['baseline'] or 'none'}; results in {planned['results']}",
    ]


def _endpoint(plan: Plan, name: str, count: int) -> dict[str, float]:
    due_us = plan.schedule.due_us[(plan.schedule.arrivals["endpoint"] == name).to_numpy()]
    busiest = np.max(np.searchsorted(due_us, due_us + SECOND_US, side="left") - np.arange(len(due_us)))
    return {"requests": count, "per_s": count / (plan.schedule.duration_us / SECOND_US), "peak_per_s": int(busiest)}
