"""One load test from its plan to its folder: send, drain, reconcile, judge, write.

The folder is written as ``NAME.part`` and renamed when it is whole; the journal inside is written during the run.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from loadtests.core.exits import BAD_INPUT, FAILED, INVALID
from loadtests.core.faults import GeneratorError, InputError
from loadtests.core.folders import begun, give_room, keep_room, make_part
from loadtests.core.schedule import SECOND_US
from loadtests.dialect.answers import patient
from loadtests.dialect.contract import WRITES, Glancing, Holdings, Send
from loadtests.plan.plan import Plan
from loadtests.plan.preparation import NOTHING_SENT
from loadtests.plan.target import promise_ms
from loadtests.reconciliation import checks
from loadtests.reconciliation import evidence as books
from loadtests.reconciliation.cleanup import clean_up
from loadtests.reconciliation.command import settle
from loadtests.reconciliation.observations import Observations
from loadtests.reconciliation.poller import Watcher
from loadtests.replay.sender import Alone, Sender, Sent, clock
from loadtests.transport.driver import Hook, Progress, arrivals_of
from loadtests.transport.reader import Reader, why_unread
from loadtests.verdict import shortage
from loadtests.verdict.baseline import compare_into
from loadtests.verdict.files import write_json, write_results
from loadtests.verdict.measured import Measured
from loadtests.verdict.verdict import judge
from sim.core.system import refusal

PATIENCE_S = 10.0
"""How long a server that cannot be read at the end is asked again: one that was restarted is coming back."""
ROW_BYTES, WRITE_BYTES, REPORT_BYTES, PLOT_BYTES = 64, 1000, 256_000, 1_000_000
"""Disk room of a request's row, of a write's lines in the journal and the sightings, of the reports, of the plots:
about twice what the largest load tests leave."""


class Session:
    """Runs one plan, once; the sender sends it."""

    def __init__(self, plan: Plan, sender: Sender) -> None:
        self.plan, self._sender = plan, sender
        self._refused: list[str] = []

    def abort(self, reason: str) -> None:
        """Send nothing more, wait for the requests in flight, then judge what there is."""
        self._sender.abort(reason)

    def run(self, hook: Hook, progress: Progress = lambda sent, planned: None) -> dict[str, Any]:
        """Return the verdict, which has been written to the plan's folder with the rows and the plots.

        Raises InputError when the folder is taken or the server cannot be read, GeneratorError when the user did not
        wait for that; nothing has been sent or kept then.
        """
        plan = self.plan
        self._sender.prepare()
        client = plan.client()
        try:
            reader = Reader(client, hurry=self._sender.hurry)
            read = patient(reader.send, reader.pause)
            before = self._before(read)
            part = make_part(plan.out_dir)
            with begun(part):
                keep_room(part, self._room_bytes())
                start, asked = self._begin(part, before)
            with self._watching(part, before) as seen:
                sent = self._sender.send(part, hook, progress)
            give_room(part)
            with self._written():
                seen.keep()
            rows, start = sent.to_reconcile(), books.started(start, sent.started_utc)
            with self._written():
                books.note_sent(part, start, requests=rows, lost=sent.lost)
            found = self._reconcile(read, books.Books(start, rows, asked, before, seen))
            cleaned = self._clean_up(read, sent)
        finally:
            client.close()
        verdict = self._results(part, sent, found, {**self._verdict(sent, found), "cleanup": cleaned})
        self._sender.close()
        return verdict

    def _room_bytes(self) -> int:
        """Return about how many bytes the results take at most."""
        counts = self.plan.schedule.counts()
        n, writes = sum(counts.values()), sum(counts.get(name, 0) for name in WRITES)
        return ROW_BYTES * n + WRITE_BYTES * writes + REPORT_BYTES + PLOT_BYTES * self.plan.plots

    @contextmanager
    def _written(self) -> Iterator[None]:
        """Write something; what the system refuses is remembered, and takes nothing from the verdict."""
        try:
            yield
        except Exception as error:
            if (refused := refusal(error)) is None:
                raise
            self._refused.append(refused)

    def _results(self, part: Path, sent: Sent, found: dict[str, Any], verdict: dict[str, Any]) -> dict[str, Any]:
        """Write the results and return the verdict, which says so where they could not be written."""
        plan = self.plan
        with self._written():
            verdict = write_results(
                part,
                requests=sent.recorder.frame(),
                verdict=verdict,
                histograms=sent.histograms,
                plots=plan.plots and not self._sender.hurry.is_set(),
            )
        with self._written():
            if plan.reconcile:
                write_json(part / books.RESULT, found)
            if not self._refused:
                part.rename(plan.out_dir)
        if self._refused:
            verdict |= {"unwritten": self._refused[0], "exit_code": verdict["exit_code"] or BAD_INPUT}
        return verdict

    def _before(self, read: Send) -> Holdings | None:
        """Return what the server holds before the run, None when it cannot be read or must not be asked."""
        if not self.plan.reconcile:
            return None
        try:
            return checks.read_holdings(self.plan.dialect, read, self.plan.prefix, self._sender.hurry.wait)
        except Exception as error:  # a dialect may be a user's file
            if self._sender.hurry.is_set():
                raise GeneratorError(NOTHING_SENT) from None
            fault = f"--host: got {self.plan.url}, which cannot be read for reconciliation ({why_unread(error)})"
            raise InputError([f"{fault}; must be readable, or use --no-reconcile"]) from None

    def _begin(self, part: Path, before: Holdings | None) -> tuple[dict[str, Any], books.Asked]:
        plan = self.plan
        start = books.begin(
            part,
            start=plan.identity(),
            before=before,
            dialect=plan.dialect,
            promise_ms=promise_ms(plan.run_dir),
            by_workers=not isinstance(self._sender, Alone),
        )
        return start, books.note_asked(part, plan.dialect, arrivals_of(plan.schedule.arrivals), plan.prefix)

    @contextmanager
    def _watching(self, part: Path, before: Holdings | None) -> Iterator[Observations]:
        """Read the server at intervals meanwhile, apart from the load; yields what is seen."""
        plan = self.plan
        if before is None or not isinstance(plan.dialect, Glancing):
            yield Observations(part / books.SIGHTINGS if before else None)
            return
        client = plan.client()
        seen = Observations(part / books.SIGHTINGS)
        watcher = Watcher(dialect=plan.dialect, client=client, prefix=plan.prefix, seen=seen)
        watcher.start()
        try:
            yield seen
        finally:
            watcher.stop()
            client.close()

    def _reconcile(self, read: Send, own: books.Books) -> dict[str, Any]:
        if not self.plan.reconcile:
            return checks.not_done("switched off by --no-reconcile", passed=True)
        return settle(own, self.plan.dialect, read, self._sender.hurry, patience_s=PATIENCE_S)

    def _clean_up(self, read: Send, sent: Sent) -> dict[str, Any] | None:
        plan = self.plan
        if not plan.cleanup:
            return None
        requests, arrivals = sent.to_reconcile(), plan.schedule.arrivals
        wait = self._sender.hurry.wait
        return clean_up(plan.dialect, read, wait, prefix=plan.prefix, requests=requests, arrivals=arrivals)

    def _verdict(self, sent: Sent, found: dict[str, Any]) -> dict[str, Any]:
        plan, recorder = self.plan, sent.recorder
        evidence = Measured(
            requests=sent.to_judge(),
            duration_us=plan.schedule.duration_us,
            timeout_us=round(plan.limits.timeout_s * SECOND_US),
            objectives=plan.objectives,
            peaks_per_s=plan.peaks_per_s,
            wanted=plan.schedule.trace.arrivals["endpoint"].unique().to_list(),
            mean_in_flight=sent.mean_in_flight(),
            little_xr=sent.throughput_times_residence(),
            aborted=sent.aborted,
            failing_share=sent.failing_share,
            failing_limit=plan.limits.abort_failure_share,
            flaws=sent.flaws,
        )
        verdict = judge(evidence)
        predicted = plan.schedule.trace.predicted
        verdict["predicted"] |= {name: predicted.get(name) for name in ("peak_per_s", "whole_run_peak_per_s")}
        if found["passed"] is None and verdict["passed"]:
            verdict |= {"passed": None, "exit_code": INVALID}  # the books were not read: nothing is decided
        elif found["passed"] is False:
            verdict |= {"passed": False, "exit_code": FAILED}
        verdict["generator"] |= {
            "cpu_ms_per_request": round(sent.cpu_s * 1000 / max(recorder.n_sent, 1), 4),
            "in_flight_cap": plan.limits.in_flight,
            "in_flight_cap_wanted": plan.limits.in_flight_wanted,
            "workers": list(sent.workers),
        }
        if plan.baseline is not None:
            compare_into(verdict, plan.baseline, evidence)
        verdict["manager"] = shortage.told(verdict, predicted, plan.capacity, plan.costs)
        own = {"reconciliation": found, "counts": recorder.counts(), "clock": clock(sent)}
        return {**verdict, **own, **plan.identity()}
