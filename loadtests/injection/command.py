"""An injection from its options to its folder: read what is there, send the cases, reconcile, write."""

from __future__ import annotations

import argparse
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from loadtests.core.exits import FAILED, INVALID, PASSED
from loadtests.core.faults import GeneratorError, InputError, attempt
from loadtests.core.folders import begun, make_part, result_folder
from loadtests.core.schedule import Trace, read_trace
from loadtests.dialect.answers import patient
from loadtests.dialect.contract import Arrival, Dialect, Glancing, Holdings, speaks
from loadtests.injection import cases as inject
from loadtests.plan import target
from loadtests.plan.preparation import NOTHING_SENT, prepare_dialect
from loadtests.reconciliation import checks, evidence
from loadtests.reconciliation.cleanup import clean_up
from loadtests.reconciliation.command import settle
from loadtests.reconciliation.observations import Observations
from loadtests.reconciliation.poller import Watcher
from loadtests.transport import guard
from loadtests.transport.client import Client
from loadtests.transport.guard import LOCAL_HOSTS
from loadtests.transport.interruptible import Ending
from loadtests.transport.reader import Reader, why_unread
from loadtests.transport.recorder import Journal
from loadtests.verdict.cases import ERROR, Case, Source, check_cases, document, reconciliation_cases
from loadtests.verdict.files import write_json, write_text
from sim.core.clock import DURATION_RULE, duration_ms

RESULT = "inject.json"
SETTLE_S = 3.0
"""How long the server is watched after the last case: its payments move on meanwhile."""
_TRACE_COLUMNS = ("idx", "endpoint", "kind", "customer", "amount", "payload_seed")
_SPENDER = 1000
"""The spender's number; lower ones belong to the other cases, higher ones to the parts of its balance."""


@dataclass(frozen=True)
class Injection:
    """A checked injection into one target."""

    out_dir: Path
    url: str
    dialect: Dialect
    arrivals: Mapping[str, list[Arrival]]
    spender: Arrival | None
    repeats: Mapping[str, str]
    timeout_s: float
    cleanup: bool
    start: Mapping[str, Any]
    promise_ms: int | None = None

    def client(self) -> Client:
        """Return a client of the target. Raises InputError when its name cannot be resolved."""
        return guard.client_of(self.url, 2 * inject.AT_ONCE)


def add_arguments(add: Callable[..., Any]) -> None:
    """Add the options by a parser's ``add_argument``."""
    add("run", metavar="RUN", help="a run folder, whose arrivals provide accounts, kinds and amounts")
    add("--host", required=True, metavar="URL", help="the test system, http://HOST[:PORT]")
    about = "what a repeated {} must get: rejected, replayed (the first answer again) or any, for either (default: any)"
    add("--repeat", choices=inject.REPEATS, default="any", help=about.format("withdrawal key"))
    add("--repeat-tickets", choices=inject.REPEATS, default="any", help=about.format("ticket marker"))
    add("--no-spend", action="store_true", help="do not spend an account's test funds to zero")
    add("--timeout", default="10 s", metavar="TIME", help="time-out of a request (default: 10 s)")
    add("--out", default="", metavar="DIR", help="folder for the results, absent or empty (default: RUN/loadtest/TIME)")
    add("--allow-host", action="append", default=[], metavar="HOST", help="another host that may be tested")
    add("--quiet", action="store_true", help="print only faults")
    target.add_arguments(add)


def make_injection(options: argparse.Namespace, environ: Mapping[str, str]) -> Injection:
    """Return what the options ask for. Raises InputError; nothing has been written or sent then."""
    run_dir = Path(options.run)
    trace = target.narrow(read_trace(run_dir / "arrivals.parquet"), options.endpoints)
    faults = guard.check_url(options.host, {*LOCAL_HOSTS, *options.allow_host})
    try:
        timeout_ms = duration_ms(options.timeout)
    except ValueError:
        timeout_ms = 0
    if timeout_ms <= 0:
        faults.append(f"--timeout: got {options.timeout}; {DURATION_RULE}, above 0")
    out_dir = attempt(faults, lambda: result_folder(options.out, run_dir / "loadtest", "-inject"))
    if faults:
        raise InputError(faults)
    dialect = target.choose(options, run_dir, environ)
    arrivals = _arrivals(trace, dialect)
    if not arrivals:
        raise InputError([f"RUN: got {run_dir}, which has no write that the dialect supports; must have one"])
    money = arrivals.get("withdrawal")
    spends = money is not None and not options.no_spend
    pool = {"file": options.accounts} if options.accounts else None
    start = {
        **{"scenario": trace.header["scenario"], "host": options.host.rstrip("/"), "dialect": options.dialect},
        **{"accounts": pool, "trace_sha256": trace.sha256, "key_prefix": f"ws-{secrets.token_hex(5)}-"},
    }
    return Injection(
        out_dir=out_dir,
        url=options.host.rstrip("/"),
        dialect=dialect,
        arrivals=arrivals,
        spender=money[-1]._replace(idx=_SPENDER) if money and spends else None,
        repeats={"withdrawal": options.repeat, "ticket": options.repeat_tickets},
        timeout_s=timeout_ms / 1000,
        cleanup=options.cleanup,
        start=start,
        promise_ms=target.promise_ms(run_dir),
    )


def run(plan: Injection, on_ready: Callable[[Callable[[str], None]], None] = lambda interrupt: None) -> dict[str, Any]:
    """Return ``cases``, ``reconciliation``, ``ended`` and ``exit_code``, which have been written to its folder.

    ``on_ready`` gets the function that ends it: after the case under way, called a second time at once; ``ended`` says
    so. Raises InputError when the target is no test system or cannot be read, GeneratorError when the user did not wait
    for that; nothing has been sent or kept then.
    """
    ending, client = Ending(), plan.client()
    on_ready(ending.interrupt)
    reader = Reader(client, hurry=ending.hurry)
    send = patient(reader.send, reader.pause)
    prefix, wait = plan.start["key_prefix"], ending.hurry.wait
    try:
        guard.check_health(client, plan.dialect, plan.url)
        known = list(_known(plan))
        prepare_dialect(
            plan.dialect, client=client, url=plan.url, arrivals=known, prefix=prefix, hurry=ending.hurry
        )  # fmt: skip
        before = _before(plan, send, ending)
        part = make_part(plan.out_dir)
        with begun(part):
            promised = evidence.begin(
                part, start=plan.start, before=before, dialect=plan.dialect, promise_ms=plan.promise_ms
            )  # fmt: skip
            evidence.note_asked(part, plan.dialect, known, prefix)
            promised = evidence.started(promised, datetime.now(UTC))
            evidence.note_sent(part, promised, requests=pl.DataFrame(), lost=None)
        with _watching(plan, part):
            cases = _send_all(plan, part, client, send, ending)
            wait(SETTLE_S)
        kept = evidence.read_books(part)
        found = settle(kept, plan.dialect, send, ending.hurry)
        cleaned = None
        if plan.cleanup:
            frame = pl.DataFrame(known, schema=_TRACE_COLUMNS, orient="row")
            cleaned = clean_up(plan.dialect, send, wait, prefix=prefix, requests=kept.requests, arrivals=frame)
    finally:
        client.close()
    result = {**plan.start, "repeats": plan.repeats, "cases": cases, "reconciliation": found, "cleanup": cleaned}
    result |= {"ended": ending.reason, "exit_code": _exit_code(cases, found, ending.reason)}
    write_json(part / evidence.RESULT, found)
    write_json(part / RESULT, result)
    write_text(part / "junit.xml", junit_xml(result))
    part.rename(plan.out_dir)
    return result


def _exit_code(cases: Iterable[Mapping[str, Any]], found: Mapping[str, Any], ended: str) -> int:
    if found["passed"] is False or any(case["passed"] is False for case in cases):
        return FAILED
    return INVALID if ended or found["passed"] is None else PASSED


def _arrivals(trace: Trace, dialect: Dialect) -> dict[str, list[Arrival]]:
    """Return small writes of the trace, numbered anew, as many as the cases need of each kind."""
    found: dict[str, list[Arrival]] = {}
    number = 0
    for endpoint, n in (("withdrawal", inject.N_WITHDRAWALS), ("ticket", inject.N_TICKETS)):
        rows = trace.arrivals.filter(pl.col("endpoint") == endpoint).sort("amount", "idx")
        rows = rows.select(_TRACE_COLUMNS)
        if rows.is_empty() or endpoint not in speaks(dialect):
            continue
        small = [Arrival(*row) for row in rows.slice(rows.height // 4, n).iter_rows()]
        found[endpoint] = [small[i % len(small)]._replace(idx=number + i) for i in range(n)]
        number += n
    return found


def _known(plan: Injection) -> Iterator[Arrival]:
    for arrivals in plan.arrivals.values():
        yield from arrivals
    if plan.spender is not None:
        yield plan.spender


def _send_all(plan: Injection, part: Path, client: Client, send: Any, ending: Ending) -> list[dict[str, Any]]:
    prefix, journal = plan.start["key_prefix"], Journal(part / "journal.jsonl")
    injector = inject.Injector(
        dialect=plan.dialect,
        client=client,
        journal=journal,
        prefix=prefix,
        timeout_s=plan.timeout_s,
        ending=ending,
        announce=lambda arrivals: evidence.note_asked(part, plan.dialect, arrivals, prefix),
    )
    try:
        cases = [
            case
            for endpoint, arrivals in plan.arrivals.items()
            for case in injector.repeat(arrivals, plan.repeats[endpoint], send)
        ]
        if plan.spender is not None:
            cases.append(injector.spend(plan.spender, send))
    finally:
        journal.close()
    return cases


def _before(plan: Injection, send: Any, ending: Ending) -> Holdings | None:
    try:
        return checks.read_holdings(plan.dialect, send, plan.start["key_prefix"], ending.hurry.wait)
    except Exception as error:  # a dialect may be a user's file
        if ending.hurry.is_set():
            raise GeneratorError(NOTHING_SENT) from None
        raise InputError(
            [f"--host: got {plan.url}, which cannot be read ({why_unread(error)}); must be readable"]
        ) from None


@contextmanager
def _watching(plan: Injection, part: Path) -> Iterator[None]:
    if not isinstance(plan.dialect, Glancing):
        yield
        return
    client = plan.client()
    seen = Observations(part / evidence.SIGHTINGS)
    watcher = Watcher(dialect=plan.dialect, client=client, prefix=plan.start["key_prefix"], seen=seen)
    watcher.start()
    try:
        yield
    finally:
        watcher.stop()
        client.close()


def junit_xml(result: Mapping[str, Any]) -> str:
    """Return the XML document of an injection: its cases, then the checks of what the server holds."""
    found, cases = result["reconciliation"], list(check_cases(result["cases"]))
    if result["ended"]:
        cases.append(Case("all cases were sent", ERROR, f"not all cases were sent: {result['ended']}"))
    suites = {"injection": cases, "reconciliation": list(reconciliation_cases(found))}
    source = Source(f"injection of {result['scenario']}", result["host"], found["read_utc"])
    return document(source, suites, {})


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the cases in plain lines."""
    told = []
    for case in result["cases"]:
        what, counts = f"{case['name']}  {case['what']}", case["outcomes"]
        got = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items())
        if case["passed"] is None:
            told.append(f"not checked  {what}: {case['reason']}")
        else:
            told.append(("passed       " if case["passed"] else "FAILED       ") + f"{what}: {got}")
        told += [f"             {example}" for example in case["examples"]]
    return told
