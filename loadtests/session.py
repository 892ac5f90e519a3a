"""One load test from its plan to its folder: send, drain, reconcile, judge, write.

The folder is written as ``NAME.part`` and renamed when it is whole; the journal inside is on disk during the run.
"""

from __future__ import annotations

import gc
import json
import platform
import time
from collections.abc import Callable
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gevent
import polars as pl

from loadtests import reconcile
from loadtests.client import Client, NoAnswerError
from loadtests.dialect import Answer, Arrival, ReadError, Request
from loadtests.driver import Driver, Hook, Progress
from loadtests.faults import InputError
from loadtests.plan import Plan
from loadtests.recorder import Journal, Recorder
from loadtests.schedule import SECOND_US
from loadtests.verdict import FAILED, Evidence, judge
from sim.tables import REQUESTS, write

READ_TIMEOUT_S = 30.0


class Session:
    """Runs one plan, once."""

    def __init__(self, plan: Plan, *, still_allowed: Callable[[], bool] = lambda: True) -> None:
        self.plan = plan
        self._still_allowed = still_allowed
        self._driver: Driver | None = None
        self._aborted = ""

    def abort(self, reason: str) -> None:
        """Send nothing more, let what is under way end, then judge what there is."""
        self._aborted = self._aborted or reason
        if self._driver is not None:
            self._driver.abort(reason)

    def run(self, hook: Hook, progress: Progress = lambda sent, planned: None) -> dict[str, Any]:
        """Return the verdict, which has been written to the plan's folder with the rows and the plots.

        Raises InputError when the folder is taken or the server cannot be read, before anything is sent.
        """
        plan = self.plan
        part = plan.out_dir.with_name(plan.out_dir.name + ".part")
        client = plan.client()
        try:
            before = self._balances(client)
            _make(part)
            recorder, journal = Recorder(plan.schedule), Journal(part / "journal.jsonl")
            driver = Driver(
                schedule=plan.schedule,
                dialect=plan.dialect,
                client=client,
                recorder=recorder,
                journal=journal,
                limits=plan.limits,
                prefix=plan.prefix,
                still_allowed=self._still_allowed,
            )
            self._driver = driver
            if self._aborted:
                driver.abort(self._aborted)
            _drive(driver, hook, progress)
            journal.close()
            requests = recorder.frame()
            found = self._reconcile(client, requests, before)
        finally:
            client.close()
        write(requests, part / "requests.parquet", REQUESTS, header={"trace_sha256": plan.schedule.trace.sha256})
        verdict = self._verdict(driver, recorder, requests, found)
        _write_json(part / "histograms.json", {"unit": "us", "significant_digits": 3, **recorder.histograms()})
        if plan.plots:
            from loadtests import plots

            plots.write(part, requests=requests, verdict=verdict)
        _write_json(part / "verdict.json", verdict)
        part.rename(plan.out_dir)
        return verdict

    def _send(self, client: Client) -> Callable[[Request], Answer]:
        return lambda request: client.send(request, READ_TIMEOUT_S)

    def _balances(self, client: Client) -> dict[str, Decimal] | None:
        if not self.plan.reconcile:
            return None
        try:
            return self.plan.dialect.balances(self._send(client))
        except (NoAnswerError, ReadError, KeyError, ValueError) as error:
            fault = f"--host: got {self.plan.url}, which cannot be read for reconciliation ({error})"
            raise InputError([f"{fault}; must be readable, or use --no-reconcile"]) from None

    def _reconcile(self, client: Client, requests: pl.DataFrame, before: dict[str, Decimal] | None) -> dict[str, Any]:
        plan = self.plan
        if not plan.reconcile:
            return reconcile.not_done("switched off by --no-reconcile", passed=True)
        try:
            held = reconcile.read_holdings(plan.dialect, self._send(client), plan.prefix, gevent.sleep)
        except (NoAnswerError, ReadError, KeyError, ValueError) as error:
            return reconcile.not_done(f"the server could not be read after the run: {error}", passed=False)
        if held is None:
            return reconcile.not_done("this dialect cannot tell what the server holds", passed=True)
        rows = plan.schedule.arrivals.filter(pl.col("endpoint") == "withdrawal")
        rows = rows.select("idx", "endpoint", "kind", "customer", "amount", "payload_seed")
        asked = [plan.dialect.withdrawal(Arrival(*row), plan.prefix) for row in rows.iter_rows()]
        by_key = {withdrawal.key: withdrawal for withdrawal in asked}
        return reconcile.reconcile(requests=requests, asked=by_key, held=held, balances_before=before)

    def _verdict(
        self, driver: Driver, recorder: Recorder, requests: pl.DataFrame, found: dict[str, Any]
    ) -> dict[str, Any]:
        plan = self.plan
        evidence = Evidence(
            requests=requests,
            duration_us=plan.schedule.duration_us,
            timeout_us=round(plan.limits.timeout_s * SECOND_US),
            objectives=plan.objectives,
            peaks_per_s=plan.peaks_per_s,
            mean_in_flight=driver.mean_in_flight(),
            little_xr=driver.throughput_times_residence(),
            aborted=driver.aborted,
            failing_share=driver.failing_share,
            failing_limit=plan.limits.abort_failure_share,
        )
        verdict = judge(evidence)
        predicted = plan.schedule.trace.predicted
        verdict["predicted"] |= {name: predicted.get(name) for name in ("peak_per_s", "whole_run_peak_per_s")}
        if not found["passed"]:
            verdict |= {"passed": False, "exit_code": FAILED}
        verdict["generator"] |= {
            "cpu_ms_per_request": round(driver.cpu_s * 1000 / max(recorder.n_sent, 1), 4),
            "in_flight_cap": plan.limits.in_flight,
            "in_flight_cap_wanted": plan.limits.in_flight_wanted,
        }
        own = {"reconciliation": found, "counts": recorder.counts(), "clock": _clock(driver)}
        return {**verdict, **own, **_identity(plan)}


def _identity(plan: Plan) -> dict[str, Any]:
    """Return what was run against what: enough to do it again."""
    schedule = plan.schedule
    return {
        "scenario": plan.scenario,
        "host": plan.url,
        "dialect": plan.dialect_name,
        "trace_sha256": schedule.trace.sha256,
        "window": {
            "start_utc": schedule.start_utc.isoformat(),
            "length_s": schedule.length_us / SECOND_US,
            "duration_s": schedule.duration_us / SECOND_US,
        },
        "speedup": schedule.speedup,
        "timeout_s": plan.limits.timeout_s,
        "objectives": plan.objectives,
        "key_prefix": plan.prefix,
        "versions": {"python": platform.python_version(), **{n: version(n) for n in ("locust", "gevent", "polars")}},
    }


def _drive(driver: Driver, hook: Hook, progress: Progress) -> None:
    """Run the driver with everything that lives already out of the garbage collector's way: its pauses are lateness."""
    gc.collect()
    gc.freeze()
    try:
        driver.run(hook, progress)
    finally:
        gc.unfreeze()


def _clock(driver: Driver) -> dict[str, Any]:
    """Return when the run began, how long it took, and how far wall clock and monotonic clock drifted apart."""
    info = time.get_clock_info("perf_counter")
    return {
        "source": info.implementation,
        "resolution_ns": info.resolution * 1e9,
        "started_utc": driver.started_utc.isoformat(),
        "elapsed_s": round(driver.elapsed_s, 6),
        "wall_drift_ms": round(driver.wall_drift_ms, 3),
    }


def _make(part: Path) -> None:
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise InputError([f"--out: got {part}; must be a new folder that can be made ({error.strerror})"]) from None


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, default=str) + "\n", encoding="utf-8")
