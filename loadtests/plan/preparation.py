"""The first step of a two-step flow: what a dialect fetches before the run, such as sessions or quotes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import gevent

from loadtests.core.faults import InputError
from loadtests.core.redact import REDACTOR
from loadtests.dialect.answers import patient
from loadtests.dialect.contract import Arrival, Dialect, Preparing
from loadtests.plan.plan import Plan
from loadtests.transport.client import READ_TIMEOUT_S, Client


def prepare(plan: Plan) -> None:
    """Have the dialect prepare, if it does, for everything that the plan sends.

    Raises InputError when it fails, before the run's first request.
    """
    if not isinstance(plan.dialect, Preparing):
        return
    rows = plan.schedule.arrivals.select("idx", "endpoint", "kind", "customer", "amount", "payload_seed")
    arrivals = [Arrival(*row) for row in rows.iter_rows()]
    client = plan.client()
    try:
        prepare_dialect(plan.dialect, client=client, url=plan.url, arrivals=arrivals, prefix=plan.prefix)
    finally:
        client.close()


def prepare_dialect(dialect: Dialect, *, client: Client, url: str, arrivals: Sequence[Arrival], prefix: str) -> None:
    """Have a dialect prepare, if it does, for the arrivals that are known beforehand.

    Raises InputError when it fails.
    """
    if not isinstance(dialect, Preparing):
        return
    try:
        send = patient(partial(client.send, timeout_s=READ_TIMEOUT_S), gevent.sleep)
        dialect.prepare(send, arrivals, prefix)
    except Exception as error:  # a dialect may be a user's file
        told = REDACTOR.clean(f"{type(error).__name__}: {error}")[:200]
        raise InputError([f"--host: got {url}; must let the dialect prepare for the run ({told})"]) from None
