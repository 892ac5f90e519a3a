"""``capacity``: options to a checked plan, the search of each endpoint, and ``capacity.json`` beside its plot."""

from __future__ import annotations

import argparse
import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import sqrt
from pathlib import Path
from typing import Any

import polars as pl

from loadtests.capacity.bench import Bench, BenchSettings
from loadtests.capacity.search import Found, Search, capacity_of, settles_in_s
from loadtests.capacity.step import CapacityObjective
from loadtests.capacity.told import exit_code, junit_xml
from loadtests.capacity.usl import LEAST_STEPS, fit
from loadtests.core.faults import InputError, attempt
from loadtests.core.folders import begun, make_part, result_folder
from loadtests.core.numbers import COUNT, DURATION, RATE, SHARE
from loadtests.core.numbers import numbers as read_numbers
from loadtests.core.schedule import ALL, read_trace
from loadtests.dialect.contract import Dialect, speaks
from loadtests.dialects import load
from loadtests.plan import accounts
from loadtests.plan.pool import pooled
from loadtests.plan.target import narrow, samples_of
from loadtests.transport import guard
from loadtests.transport.guard import CAP_RULES, LOCAL_HOSTS, caps_of
from loadtests.verdict.files import write_json, write_text
from loadtests.verdict.measured import commonest
from sim.core.tables import ENDPOINTS

FORMAT = 1
INTERVAL = (
    "90 %: of the rate at which the objective is only just kept in steady state; from all steps together "
    "(profile quasi-likelihood)"
)
"""What an interval in capacity.json covers."""
SETTLED = 8.0
"""How many relaxation times a step should last: shorter ones see too little of what a queue at its limit may do."""
_NUMBERS = {
    "p99": DURATION,
    "error_share": SHARE,
    "start_rate": RATE,
    "step": DURATION,
    "step_requests": COUNT,
    "resolution": SHARE,
    "timeout": DURATION,
    **CAP_RULES,
}


@dataclass(frozen=True)
class CapacityOrder:
    """A checked measurement: target, endpoints, method and the folder for the results. ``mix`` is a run's arrivals."""

    url: str
    dialect: Dialect
    endpoints: tuple[str, ...]
    mix: pl.DataFrame | None
    settings: BenchSettings
    start_per_s: float
    resolution: float
    out_dir: Path
    plots: bool


def add_arguments(add: Callable[..., Any]) -> None:
    """Add the command's options by a parser's ``add_argument``; values stay text until ``make_order`` reads them."""
    add("--host", required=True, metavar="URL", help="the test system, http://HOST[:PORT]")
    add(
        "--endpoint", action="append", default=[], metavar="NAME",
        help=f"an endpoint to measure, repeatable: {', '.join(ENDPOINTS)} (default: all that the dialect supports)",
    )  # fmt: skip
    add("--mix", default="", metavar="RUN", help="measure all endpoints together, in the mix that this run predicts")
    add("--p99", default="1 s", metavar="TIME", help="the objective for the p99 of the latency (default: 1 s)")
    add("--error-share", default="1%", metavar="SHARE", help="the objective for the share of errors (default: 1%%)")
    add("--start-rate", default="10", metavar="N", help="rate of the first step, in requests a second (default: 10)")
    add("--step", default="30 s", metavar="TIME", help="minimum length of a step (default: 30 s)")
    add("--step-requests", default="1000", metavar="N", help="minimum number of requests in a step (default: 1000)")
    add(
        "--resolution", default="10%", metavar="SHARE",
        help="how far apart the steps about the edge lie (default: 10%%)",
    )  # fmt: skip
    add("--dialect", default="reference", metavar="NAME|FILE", help="the API of the target (default: reference)")
    add("--accounts", default="", metavar="FILE", help="a pool of test accounts (TOML) that represent the customers")
    add("--allow-host", action="append", default=[], metavar="HOST", help="another host that may be loaded")
    add(
        "--out",
        default="",
        metavar="DIR",
        help="folder for the results, absent or empty (default: results/capacity/TIME)",
    )
    add("--timeout", default="10 s", metavar="TIME", help="time-out of a request (default: 10 s)")
    add("--max-rate", default="5000", metavar="N", help="send at most N requests in a second (default: 5000)")
    add("--max-requests", default="500000", metavar="N", help="send at most N requests in total (default: 500000)")
    add(
        "--max-duration", default="60 min", metavar="TIME", help="maximum duration of the measurement (default: 60 min)"
    )
    add("--no-plots", action="store_true", help="write no plots")


def make_order(options: argparse.Namespace, environ: Mapping[str, str]) -> CapacityOrder:
    """Return what the options ask for. Raises InputError with every fault found; nothing has been sent then."""
    faults: list[str] = []
    allowed = frozenset({*LOCAL_HOSTS, *options.allow_host})
    faults.extend(guard.check_url(options.host, allowed))
    found = attempt(faults, lambda: read_numbers(options, _NUMBERS))
    dialect = attempt(faults, lambda: _dialect(options, environ))
    mix = attempt(faults, lambda: _mix(Path(options.mix))) if options.mix else None
    out_dir = attempt(faults, lambda: result_folder(options.out, Path("results") / "capacity"))
    if dialect is not None:
        faults.extend(_endpoint_faults(options, dialect, mix))
    if faults:
        raise InputError(faults)
    return CapacityOrder(
        url=options.host.rstrip("/"),
        dialect=dialect,
        endpoints=(ALL,) if options.mix else tuple(options.endpoint) or tuple(speaks(dialect)),
        mix=mix,
        settings=BenchSettings(
            step_s=found["step"],
            step_requests=int(found["step_requests"]),
            timeout_s=found["timeout"],
            caps=caps_of(found),
            objective=CapacityObjective(p99_ms=found["p99"] * 1000, error_share=found["error_share"]),
        ),
        start_per_s=found["start_rate"],
        resolution=found["resolution"],
        out_dir=out_dir,
        plots=not options.no_plots,
    )


def measure(
    order: CapacityOrder, tell: Callable[[str], None], on_ready: Callable[[Callable[[str], None]], None]
) -> dict[str, Any]:
    """Return the content of ``capacity.json``, why each search ended, and the exit code; all has been written.

    ``tell`` gets a line for each step, ``on_ready`` the function that ends it all early, called a second time at once.
    Raises InputError when the target is no test system, the folder is taken or the dialect cannot prepare for the first
    step, GeneratorError when the user did not wait for that; nothing has been sent or kept then.
    """
    prefix = f"ws-{secrets.token_hex(5)}-"
    _check_target(order)
    part = make_part(order.out_dir)
    bench = Bench(
        url=order.url, dialect=order.dialect, settings=order.settings, folder=part, prefix=prefix, tell=tell
    )  # fmt: skip
    on_ready(bench.interrupt)
    measured_utc = datetime.now(UTC).isoformat()
    with begun(part, lambda: bench.n_sent > 0):
        searches = {name: _search(bench, order, name) for name in order.endpoints}
    result = {
        "format": FORMAT,
        "host": order.url,
        "measured_utc": measured_utc,
        "objective": asdict(order.settings.objective),
        "interval": INTERVAL,
        "endpoints": {name: _endpoint(found, order.settings) for name, found in searches.items()},
    }
    write_json(part / "capacity.json", result)
    steps = {name: {"ended": f.ended, "steps": [asdict(s) for s in f.steps]} for name, f in searches.items()}
    write_json(part / "steps.json", {"key_prefix": prefix, **steps})
    if order.plots and not bench.hurry.is_set():
        from loadtests.verdict.plots import capacity as pictures

        pictures.write(part, result)
    told = {**result, "ended": {name: found.ended for name, found in searches.items()}}
    told["exit_code"] = exit_code(told)
    write_text(part / "junit.xml", junit_xml(told))
    part.rename(order.out_dir)
    return told


def _search(bench: Bench, order: CapacityOrder, name: str) -> Found:
    return Search(
        measure=lambda rate: bench.measure(name, rate, order.mix),
        start_per_s=order.start_per_s,
        most_per_s=_most_per_s(order.settings.caps.rate_per_s),
        resolution=order.resolution,
        least_held=LEAST_STEPS,
    ).run()


def _most_per_s(cap: int) -> float:
    """Return the rate whose busiest second still keeps to a cap: a Poisson number, five standard deviations up."""
    return max((sqrt(cap + 6.25) - 2.5) ** 2, 1.0)


def _endpoint(found: Found, settings: BenchSettings) -> dict[str, Any]:
    laws, refused = fit(found.steps)
    curve = sorted((step for step in found.steps if not step.flaws), key=lambda step: step.offered_per_s)
    held = capacity_of(found.steps)
    parts = _sum(step.parts for step in curve)
    return {
        "capacity_per_s": asdict(held),
        "short_steps": "" if held.high is None else short_steps(held.value, settings),
        "shares": {name: n / sum(parts.values()) for name, n in parts.items()},
        "curve": [step.curve_point() for step in curve],
        "failures": commonest(one for step in curve for one in step.failures),
        "usl": laws,
        "usl_refused": refused,
    }


def short_steps(held_per_s: float, settings: BenchSettings) -> str:
    """Return the warning that the steps end before a queue at its limit has settled; empty where they do not."""
    if not held_per_s:
        return ""
    lasts_s, settles_s = settings.lasts_s(held_per_s), settles_in_s(held_per_s, settings.objective.p99_ms)
    if lasts_s >= SETTLED * settles_s:
        return ""
    return (
        f"steps of {lasts_s:.3g} s are short for a p99 of {settings.objective.p99_ms:g} ms at {held_per_s:.4g}/s, "
        f"where a queue may take {settles_s:.3g} s to settle: the limit may lie lower than this interval; "
        f'--step "{SETTLED * settles_s:.0f} s" is long enough'
    )


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)


def _check_target(order: CapacityOrder) -> None:
    client = guard.client_of(order.url, concurrency=1)
    try:
        guard.check_health(client, order.dialect, order.url)
    finally:
        client.close()


def _dialect(options: argparse.Namespace, environ: Mapping[str, str]) -> Dialect:
    samples = samples_of(Path(options.mix)) if options.mix else {}
    if not options.accounts:
        return load(options.dialect, environ, samples)
    return pooled(accounts.read_pool(options.accounts, options.dialect, environ), options.dialect, samples)


def _mix(run: Path) -> pl.DataFrame:
    """Return what a load test of the run would send: its arrivals, except those sent only on request."""
    return narrow(read_trace(run / "arrivals.parquet"), "").arrivals


def _endpoint_faults(options: argparse.Namespace, dialect: Dialect, mix: pl.DataFrame | None) -> list[str]:
    spoken = tuple(speaks(dialect))
    if options.mix and options.endpoint:
        return ["--mix: got a run together with --endpoint; must be one or the other"]
    wanted = options.endpoint if mix is None else sorted(set(mix["endpoint"]))
    where = "--endpoint" if mix is None else "--mix"
    faults = [f"{where}: got {name}; must be one of {', '.join(spoken)}" for name in wanted if name not in spoken]
    return faults + [f"--endpoint: got {name} twice; must be named once" for name in set(wanted)
                     if wanted.count(name) > 1]  # fmt: skip
