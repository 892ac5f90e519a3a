"""The bench on which steps are measured: sends one step, waits until the target has recovered, keeps to the caps."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gevent
import polars as pl

from loadtests.capacity.search import Stop
from loadtests.capacity.step import CapacityObjective, LoadStep, judge_step
from loadtests.capacity.step_load import step_schedule
from loadtests.core.faults import GeneratorError, InputError
from loadtests.core.schedule import SECOND_US, Schedule
from loadtests.dialect.contract import Dialect
from loadtests.plan.plan import limits_of
from loadtests.plan.preparation import prepare_dialect
from loadtests.transport import guard
from loadtests.transport.client import Client
from loadtests.transport.driver import WATCH_S, Driver, arrivals_of
from loadtests.transport.guard import Caps
from loadtests.transport.interruptible import Interruptible
from loadtests.transport.recorder import Journal, Recorder
from loadtests.verdict.cases import failure_lines

RECOVERY_S = 60.0
LONGEST_STEPS = 10
"""A step at a low rate ends after this multiple of the minimum length, with fewer requests than asked for."""
_PROBE_US, _PROBES = SECOND_US, 5


@dataclass(frozen=True)
class BenchSettings:
    """The minimum length of a step, in time and in requests, the time-out of a request, and the caps of the search."""

    step_s: float
    step_requests: int
    timeout_s: float
    caps: Caps
    objective: CapacityObjective

    def lasts_s(self, rate_per_s: float) -> float:
        """Return how long a step at a rate lasts."""
        return min(max(self.step_s, self.step_requests / rate_per_s), LONGEST_STEPS * self.step_s)


class Bench(Interruptible):
    """Measures steps of one target. ``folder`` gets a journal for each; ``prefix`` begins every key that is sent."""

    def __init__(
        self, *, url: str, dialect: Dialect, settings: BenchSettings, folder: Path, prefix: str,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._url, self._dialect, self._settings = url, dialect, settings
        self._folder, self._prefix, self._tell = folder, prefix, tell
        self._n_sent, self._number = 0, 0
        self._begin_s = time.monotonic()
        self._driver: Driver | None = None
        self._stopped = ""
        self._to_recover: tuple[str, pl.DataFrame | None] | None = None

    def abort(self, reason: str) -> None:
        """Send nothing more of the step that is under way, and measure no other."""
        self._stopped = reason
        if self._driver is not None:
            self._driver.abort(reason)

    def end_now(self) -> None:
        """Wait for nothing more."""
        if self._driver is not None:
            self._driver.end_now()

    @property
    def n_sent(self) -> int:
        """How many requests were sent so far."""
        return self._n_sent

    def measure(self, endpoint: str, rate_per_s: float, mix: pl.DataFrame | None = None) -> LoadStep:
        """Return the step of one endpoint at one rate, or of a mix.

        Raises Stop where the caps allow no more, where the dialect cannot prepare, and after an interrupt, which a step
        under way does not outlast: its part that was sent is no fair sample. Raises InputError and GeneratorError as
        ``prepare_dialect`` does before anything was sent.
        """
        if self._stopped:
            raise Stop(self._stopped)
        self._recover_for(endpoint)
        length_s = self._settings.lasts_s(rate_per_s)
        self._number += 1
        schedule = step_schedule(endpoint, rate_per_s, round(length_s * SECOND_US), self._number, mix)
        rows, ended_early = self._send(schedule)
        if self._stopped:
            n_sent, n = rows.filter(pl.col("sent_us") >= 0).height, len(rows)
            told = f"{endpoint} at {rate_per_s:.4g}/s: {self._stopped} after {n_sent:,} of {n:,} requests; not judged"
            self._tell(told)
            raise Stop(f"{self._stopped} in the middle of a step, which is not judged")
        of_it = rows if mix is not None else rows.filter(pl.col("endpoint") == endpoint)
        step = judge_step(
            of_it,
            asked_per_s=rate_per_s,
            length_us=schedule.length_us,
            timeout_us=round(self._settings.timeout_s * SECOND_US),
            objective=self._settings.objective,
            ended_early=ended_early,
        )
        self._tell(_told(endpoint, step))
        self._to_recover = None if step.passed else (endpoint, mix)  # before the next step: this one is kept either way
        return step

    def _recover_for(self, endpoint: str) -> None:
        """Wait until the target has recovered from the last step. Raises Stop if not, and it was of this endpoint."""
        last, self._to_recover = self._to_recover, None
        if last is None:
            return
        try:
            self._recover(*last)
        except Stop:
            if self._stopped or last[0] == endpoint:
                raise

    def _recover(self, endpoint: str, mix: pl.DataFrame | None) -> None:
        """Wait until a few requests keep the objective again. Raises Stop when they do not within a minute."""
        end_s = time.monotonic() + RECOVERY_S
        while time.monotonic() < end_s:
            self._number += 1
            rows, _ = self._send(step_schedule(endpoint, _PROBES, _PROBE_US, self._number, mix))
            timeout_us = round(self._settings.timeout_s * SECOND_US)
            objective = self._settings.objective
            probe = judge_step(
                rows, asked_per_s=_PROBES, length_us=_PROBE_US, timeout_us=timeout_us, objective=objective
            )
            if self._stopped:
                raise Stop(self._stopped)
            if "p99" not in probe.broken and "errors" not in probe.broken:
                return
        raise Stop(f"the target had not recovered {RECOVERY_S:g} s after a step that it did not hold")

    def _send(self, schedule: Schedule) -> tuple[pl.DataFrame, str]:
        """Return the rows of a schedule that was sent, and why it was ended early if it was."""
        self._keep_to_caps(schedule)
        settings = self._settings
        rate = settings.caps.rate_per_s
        asked = {"in_flight": 0, "timeout": settings.timeout_s, "abort_failure_share": 0.5, "max_rate": rate}
        limits = limits_of(asked, schedule)
        client = guard.client_of(self._url, limits.in_flight)
        self._prepare(client, schedule)
        recorder = Recorder(schedule)
        journal = Journal(self._folder / f"journal-{self._number}.jsonl")
        driver = self._driver = Driver(
            schedule=schedule,
            dialect=self._dialect,
            client=client,
            recorder=recorder,
            journal=journal,
            limits=limits,
            prefix=self._prefix_now,
        )
        if self._stopped:
            driver.abort(self._stopped)
        watcher = gevent.spawn(self._end_when_lost, driver, recorder, schedule)
        try:
            driver.run(lambda ended: None)
        finally:
            watcher.kill()
            journal.close()
            client.close()
            self._n_sent += recorder.n_sent
        return recorder.frame(), driver.aborted

    def _prepare(self, client: Client, schedule: Schedule) -> None:
        """Have the dialect prepare for a step: sessions, and what its very requests need."""
        mine, prefix = arrivals_of(schedule.arrivals), self._prefix_now
        try:
            prepare_dialect(
                self._dialect, client=client, url=self._url, arrivals=mine, prefix=prefix, hurry=self.hurry
            )  # fmt: skip
        except (InputError, GeneratorError) as error:
            client.close()
            if not self._n_sent:
                raise
            raise Stop(self._stopped or str(error)) from None

    @property
    def _prefix_now(self) -> str:
        return f"{self._prefix}{self._number}-"

    def _end_when_lost(self, driver: Driver, recorder: Recorder, schedule: Schedule) -> None:
        """End a step that is certain to fail before its backlog floods the target: twice what the objective allows."""
        rate = len(schedule.due_us) / (schedule.length_us / SECOND_US)
        most = rate * (2 * self._settings.objective.p99_ms / 1000 + 1) + 10
        while True:
            gevent.sleep(WATCH_S)
            owed = recorder.n_sent - recorder.n_closed
            if owed > most:
                driver.abort(f"{owed} requests were under way, more than the objective allows")

    def _keep_to_caps(self, schedule: Schedule) -> None:
        """Raise Stop before what a step would add breaks a cap."""
        caps = self._settings.caps
        elapsed_s = time.monotonic() - self._begin_s
        faults = guard.check_caps(schedule, caps, sent_before=self._n_sent, elapsed_s=elapsed_s)
        if faults:
            raise Stop("a cap was reached: " + "; ".join(faults))


def _told(endpoint: str, step: LoadStep) -> str:
    p99 = "none" if step.p99_ms is None else f"{step.p99_ms:.4g} ms"
    word = "proves nothing: " + "; ".join(step.flaws) if step.flaws else "held" if step.passed else (
        "not held: " + ", ".join(step.broken)
    )  # fmt: skip
    offered = f"{endpoint} at {step.offered_per_s:.4g}/s"
    why = f" ({'; '.join(failure_lines({'failures': step.failures}))})" if step.failures else ""
    return f"{offered}: {step.throughput_per_s:.4g}/s done, p99 {p99}, errors {step.error_share:.2%}{why}; {word}"
