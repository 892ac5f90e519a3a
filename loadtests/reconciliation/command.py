"""Reconcile a load test once more: after its payments completed, or after a crash that left only its journal."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gevent.event import Event

from loadtests.core.exits import INVALID
from loadtests.core.faults import GeneratorError, InputError
from loadtests.dialect.answers import patient
from loadtests.dialect.contract import Dialect, Send
from loadtests.plan import target
from loadtests.plan.preparation import prepare_dialect
from loadtests.reconciliation import checks, evidence
from loadtests.transport import guard
from loadtests.transport.guard import LOCAL_HOSTS
from loadtests.transport.reader import ENDED, Reader
from loadtests.verdict.cases import Source, document, pending_words, reconciliation_cases
from loadtests.verdict.files import write_json, write_text

_CONCURRENCY = 4
JUNIT = "junit-reconcile.xml"
"""Beside the load test's own ``junit.xml``, which stays as it is."""


def add_arguments(add: Callable[..., Any]) -> None:
    """Add the options by a parser's ``add_argument``."""
    add("folder", metavar="FOLDER", help="a load test's folder, RUN/loadtest/TIME, or TIME.part of one that crashed")
    add("--host", required=True, metavar="URL", help="the test system, http://HOST[:PORT]")
    add("--dialect", default="", metavar="NAME|FILE", help="the API of the target (default: the load test's)")
    add("--accounts", default="", metavar="FILE", help="the pool of test accounts (default: the load test's)")
    add("--allow-host", action="append", default=[], metavar="HOST", help="another host that may be read")
    add("--quiet", action="store_true", help="print only faults")


def settle(
    books: evidence.Books, dialect: Dialect, send: Send, hurry: Event, *, patience_s: float = 0.0
) -> dict[str, Any]:
    """Return what ``evidence.settle`` does; what was not read because of a hurry decides nothing."""
    found = evidence.settle(books, dialect, send, hurry.wait, patience_s=patience_s)
    if hurry.is_set() and not found["done"]:
        found |= {**checks.not_done(ENDED, passed=None), "exit_code": INVALID}
    return found


def reconcile_again(
    options: argparse.Namespace, environ: Mapping[str, str], on_ready: Callable[[Callable[[str], None]], None]
) -> dict[str, Any]:
    """Return the reconciliation, which has been written into the folder, as JSON and as JUnit XML.

    ``on_ready`` gets the function that ends it at once. Raises InputError when the folder, the host or the dialect is
    wrong, or the target is no test system, GeneratorError when it was ended: the folder is as it was then.
    """
    folder = Path(options.folder)
    kept = evidence.read_books(folder)
    pool = (kept.start.get("accounts") or {}).get("file") or ""
    choice = argparse.Namespace(
        dialect=options.dialect or kept.start["dialect"], accounts=options.accounts or pool, cleanup=False
    )
    faults = guard.check_url(options.host, {*LOCAL_HOSTS, *options.allow_host})
    if faults:
        raise InputError(faults)
    hurry = Event()
    on_ready(lambda reason: hurry.set())
    dialect, url = target.choose(choice, folder, environ), options.host.rstrip("/")
    client = guard.client_of(url, _CONCURRENCY)
    try:
        guard.check_health(client, dialect, url)
        prefix = kept.start["key_prefix"]
        # It may read by a session.
        prepare_dialect(dialect, client=client, url=url, arrivals=(), prefix=prefix, hurry=hurry)
        reader = Reader(client, hurry=hurry)
        found = settle(kept, dialect, patient(reader.send, reader.pause), hurry)
    finally:
        client.close()
    if found["exit_code"] == INVALID:
        raise GeneratorError(f"interrupted; {folder} is as it was")
    write_json(folder / evidence.RESULT, found)
    write_text(folder / JUNIT, junit_xml(found, url))
    return found


def junit_xml(found: Mapping[str, Any], host: str) -> str:
    """Return the XML document of a reconciliation: a test case for each check."""
    source = Source(f"reconciliation of {found['run']['scenario']}", host, found["read_utc"])
    return document(source, {"reconciliation": list(reconciliation_cases(found))}, {})


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return a reconciliation in plain lines: a check each, its examples, and what became of the unknown."""
    if not found["done"]:
        return [f"not reconciled: {found['reason']}"]
    told = [("PASSED" if found["passed"] else "FAILED") + f"  reconciliation of {found['run']['scenario']}"]
    for check in found["checks"]:
        what = f"{check['name']}  {check['what']}"
        if check["passed"] is None:
            told.append(f"not checked  {what}: {check['reason']}")
        elif check["passed"]:
            told.append(f"passed       {what}: {check['count']:,} checked{_untold(check)}")
        else:
            told.append(f"FAILED       {what}: {check['n_wrong']:,} of {check['count']:,} wrong{_untold(check)}")
            told += [f"             {example}" for example in check["examples"]]
    fates = [f"{n:,} {kind}s {fate}" for kind, both in found["unknown"].items() for fate, n in both.items() if n]
    told += [f"pending: {pending_words(found['pending'])}"] if found["pending"] else []
    return [*told, f"of unknown fate: {', '.join(fates) or 'nothing'}"]


def _untold(check: Mapping[str, Any]) -> str:
    """Return what a check could not compare, since the API does not return it."""
    return f"; not compared: {', '.join(check['not_compared'])}" if check["not_compared"] else ""
