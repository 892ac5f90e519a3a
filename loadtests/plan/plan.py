"""Everything that one load test needs, read and checked before the first byte is sent."""

from __future__ import annotations

import argparse
import json
import math
import platform
import resource
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from loadtests.core.faults import InputError, attempt
from loadtests.core.folders import result_folder
from loadtests.core.numbers import DURATION, OPTIONAL_COUNT, SHARE
from loadtests.core.numbers import numbers as read_numbers
from loadtests.core.schedule import SECOND_US, Schedule, cut, in_flight_cap, parse_window, read_trace
from loadtests.dialect.contract import Dialect
from loadtests.plan import funds, target
from loadtests.transport import guard
from loadtests.transport.client import Client
from loadtests.transport.driver import SendLimits
from loadtests.transport.guard import CAP_RULES, LOCAL_HOSTS, Caps, caps_of
from loadtests.transport.reader import Reader
from loadtests.verdict.baseline import MARGIN, Baseline, check_same_load, read_baseline
from loadtests.verdict.measured import QUANTILES
from loadtests.verdict.shortage import PEAKS, Amount, peaks_of, read_capacity
from sim.core.tables import ENDPOINTS

SPARE_FILES = 100
_LIBRARIES = ("locust", "gevent", "polars")
_NUMBERS = {
    "timeout": DURATION,
    **CAP_RULES,
    "in_flight": OPTIONAL_COUNT,
    "abort_failure_share": SHARE,
    "margin": SHARE,
}


@dataclass(frozen=True)
class Plan:
    """A checked load test of one target."""

    run_dir: Path
    out_dir: Path
    url: str
    allowed: frozenset[str]
    schedule: Schedule
    dialect: Dialect
    dialect_name: str
    limits: SendLimits
    caps: Caps
    baseline: Baseline | None
    objectives: Mapping[str, Mapping[str, float | None]]
    peaks_per_s: Mapping[str, float]
    scenario: str
    prefix: str
    reconcile: bool
    cleanup: bool
    plots: bool
    capacity: Mapping[str, Amount] | None = None
    costs: Mapping[str, Amount] | None = None

    def client(self) -> Client:
        """Return a client of the target, its name resolved now. Raises InputError when it cannot be."""
        return guard.client_of(self.url, self.limits.in_flight)

    def identity(self) -> dict[str, Any]:
        """Return the identity of the load test as JSON values: enough to repeat it."""
        schedule = self.schedule
        return {
            "scenario": self.scenario,
            "host": self.url,
            "dialect": self.dialect_name,
            **target.identity(self.dialect, schedule),
            "trace_sha256": schedule.trace.sha256,
            "window": {
                "start_utc": schedule.start_utc.isoformat(),
                "length_s": schedule.length_us / SECOND_US,
                "duration_s": schedule.duration_us / SECOND_US,
            },
            "speedup": schedule.speedup,
            "timeout_s": self.limits.timeout_s,
            "objectives": self.objectives,
            "key_prefix": self.prefix,
            "versions": {"python": platform.python_version(), **{n: version(n) for n in _LIBRARIES}},
        }


def add_arguments(add: Callable[..., Any]) -> None:
    """Add the load test's options by a parser's ``add_argument``; values stay text until ``make_plan`` reads them."""
    add(
        "--window",
        default="60 s",
        metavar="LENGTH|START/LENGTH",
        help='the part to replay: "60 s", the busiest of that length, or 2026-01-12T14:05/60s (default: 60 s)',
    )
    add("--speedup", default="1", metavar="X", help="send X times as fast as predicted (default: 1)")
    target.add_arguments(add)
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="HOST",
        help="another host that may be loaded, in addition to this machine",
    )
    add("--out", default="", metavar="DIR", help="folder for the results, absent or empty (default: RUN/loadtest/TIME)")
    add("--timeout", default="10 s", metavar="TIME", help="time-out of a request (default: 10 s)")
    add(
        "--in-flight",
        default="",
        metavar="N",
        help="maximum number of requests in flight; an arrival above it is shed and the run is "
        "invalid (default: peak rate x time-out)",
    )
    add(
        "--max-rate",
        default="5000",
        metavar="N",
        help="refuse a schedule with more requests in a second (default: 5000)",
    )
    add("--max-requests", default="500000", metavar="N", help="refuse a schedule with more requests (default: 500000)")
    add("--max-duration", default="30 min", metavar="TIME", help="refuse a longer schedule (default: 30 min)")
    add(
        "--abort-failure-share",
        default="0.5",
        metavar="S",
        help="end early when more than this share of the requests within 5 s failed (default: 0.5)",
    )
    add("--baseline", default="", metavar="DIR", help="an earlier load test of the same load, to compare with")
    add(
        "--margin",
        default=f"{MARGIN:.0%}",
        metavar="SHARE",
        help="how far a p95 may be from the baseline's and still count as equal (default: 20%%)",
    )
    add("--capacity", default="", metavar="FILE", help="capacity.json of this target, to report a shortage")
    add("--no-reconcile", action="store_true", help="do not compare with what the server holds")
    add("--no-plots", action="store_true", help="write no plots")


def make_plan(*, run: str, url: str, options: argparse.Namespace, environ: Mapping[str, str]) -> Plan:
    """Return the plan of a load test of ``url`` with the arrivals of the run folder ``run``.

    Raises InputError with every fault found; nothing has been written or sent then.
    """
    run_dir = Path(run)
    if not run_dir.is_dir():
        raise InputError([f"RUN: got {run}; must be the folder of a run"])
    faults: list[str] = []
    allowed = frozenset({*LOCAL_HOSTS, *options.allow_host})
    faults.extend(guard.check_url(url, allowed))
    dialect = attempt(faults, lambda: target.choose(options, run_dir, environ))
    numbers = attempt(faults, lambda: read_numbers(options, _NUMBERS))
    facts = attempt(faults, lambda: _facts(run_dir))
    out_dir = attempt(faults, lambda: result_folder(options.out, run_dir / "loadtest"))
    schedule = attempt(faults, lambda: _schedule(run_dir, options))
    baseline = attempt(faults, lambda: _baseline(options.baseline, numbers)) if numbers else None
    capacity = attempt(faults, lambda: read_capacity(Path(options.capacity))) if options.capacity else None
    limits = caps = None
    if numbers and schedule:
        limits = attempt(faults, lambda: limits_of(numbers, schedule))
        caps = caps_of(numbers)
        faults.extend(guard.check_caps(schedule, caps))
    if dialect and schedule:
        faults.extend(target.faults(dialect, options.dialect, schedule))
    if faults or limits is None or caps is None:
        raise InputError(faults)
    facts["peaks_per_s"] = _peaks(facts["peaks_per_s"], schedule)
    plan = Plan(
        run_dir=run_dir,
        out_dir=out_dir,
        url=url.rstrip("/"),
        allowed=allowed,
        schedule=schedule,
        dialect=dialect,
        dialect_name=options.dialect,
        limits=limits,
        caps=caps,
        baseline=baseline,
        prefix=f"ws-{secrets.token_hex(5)}-",
        reconcile=not options.no_reconcile,
        cleanup=options.cleanup,
        plots=not options.no_plots,
        capacity=capacity,
        **facts,
    )
    if baseline is not None:
        check_same_load(baseline, plan.identity())
    return plan


def check_target(plan: Plan) -> None:
    """Check that the target is a test system and holds enough test funds.

    Raises InputError when it is not, or does not, or cannot be reached.
    """
    faults = guard.check_url(plan.url, plan.allowed)
    if faults:
        raise InputError(faults)
    client = plan.client()
    try:
        guard.check_health(client, plan.dialect, plan.url)
        funds.check(plan.dialect, Reader(client, patience_s=guard.HEALTH_TIMEOUT_S).send, plan.schedule)
    finally:
        client.close()


def _schedule(run_dir: Path, options: argparse.Namespace) -> Schedule:
    faults = []
    try:
        window = parse_window(options.window)
    except ValueError as error:
        faults.append(f"--window: got {options.window}; {error}")
    try:
        speedup = float(options.speedup)
    except ValueError:
        faults.append(f"--speedup: got {options.speedup}; must be a number above 0")
    try:
        trace = target.narrow(read_trace(run_dir / "arrivals.parquet"), options.endpoints)
    except InputError as error:
        faults.extend(error.faults)
    if faults:
        raise InputError(faults)
    return cut(trace, window, speedup)


def limits_of(numbers: Mapping[str, float], schedule: Schedule) -> SendLimits:
    """Return the limits; the in-flight cap is what was asked for, or else as large as it should be and files allow.

    Below peak rate x time-out a target that answers nothing is shed before it times out: then the run is invalid too,
    but what it broke until then still counts.
    """
    asked, wanted = int(numbers["in_flight"]), in_flight_cap(schedule, numbers["timeout"])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else hard - SPARE_FILES
    if most < 1:
        rule = f"must be {SPARE_FILES + 1} or more, and {SPARE_FILES + wanted} for all of this load (ulimit -n)"
        raise InputError([f"open-file limit: got {hard}; {rule}"])
    if asked > most:
        raise InputError([f"--in-flight: got {asked}; must be at most {most}, what the open-file limit allows"])
    cap = asked or min(wanted, most)
    if soft != resource.RLIM_INFINITY and cap + SPARE_FILES > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (cap + SPARE_FILES, hard))
    return SendLimits(
        in_flight=cap,
        in_flight_wanted=wanted,
        timeout_s=numbers["timeout"],
        abort_failure_share=numbers["abort_failure_share"],
        rate_per_s=int(numbers["max_rate"]),
    )


def _facts(run_dir: Path) -> dict[str, Any]:
    """Return name, objectives and predicted peaks of the run."""
    faults: list[str] = []
    tables = {}
    for name, key in (("run.json", "scenario"), ("metrics.json", "metrics")):
        try:
            tables[key] = _json(run_dir / name)
        except InputError as error:
            faults.extend(error.faults)
            continue
        if not isinstance(tables[key].get(key), dict):
            faults.append(f"{run_dir / name}: {key}: got nothing; must be a table")
    if faults:
        raise InputError(faults)
    run, metrics = tables["scenario"], tables["metrics"]["metrics"]
    objectives = run["scenario"].get("objectives") or {}
    faults = [f"{run_dir / 'run.json'}: scenario.objectives{fault}" for fault in _objective_faults(objectives)]
    if faults:
        raise InputError(faults)
    peaks = {name: (metrics.get(PEAKS[name]) or {}).get("p95") for name in ENDPOINTS}
    name = str(run.get("name") or run_dir.parent.name)
    return {"objectives": objectives, "peaks_per_s": peaks, "scenario": name}


def _peaks(of_run: Mapping[str, float | None], schedule: Schedule) -> dict[str, float]:
    """Return the predicted peak of each endpoint: the run's own p95, or what its trace says."""
    of_trace = peaks_of(schedule.trace.predicted)
    found = {name: of_run[name] or of_trace.get(name) for name in ENDPOINTS}
    return {name: peak for name, peak in found.items() if peak}


def _objective_faults(objectives: object) -> list[str]:
    if not isinstance(objectives, dict):
        return [f": got {objectives!r}; must be a table"]
    faults = []
    known = [*(f"{name}_ms" for name in QUANTILES), "error_share", "rate_limited_share", "throughput_per_s"]
    for endpoint, limits in objectives.items():
        if endpoint not in ENDPOINTS or not isinstance(limits, dict):
            faults.append(f".{endpoint}: got {limits!r}; must be a table with the name of an endpoint")
            continue
        for key, value in limits.items():
            if key not in known:
                faults.append(f".{endpoint}.{key}: got {value!r}; must be one of {', '.join(known)}")
            elif value is not None and not _is_number(value):
                faults.append(f".{endpoint}.{key}: got {value!r}; must be a number, 0 or more, or null")
    return faults


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError([f"{path}: got no JSON; must be the file that a run writes"]) from None
    if not isinstance(value, dict):
        raise InputError([f"{path}: got {type(value).__name__}; must be a JSON object"])
    return value


def _baseline(folder: str, numbers: Mapping[str, float]) -> Baseline | None:
    return read_baseline(Path(folder), numbers["margin"]) if folder else None
