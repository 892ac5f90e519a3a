"""The first step of a two-step flow: what a dialect fetches before the run, such as sessions or quotes."""

from __future__ import annotations

from functools import partial

import gevent

from loadtests.core.faults import InputError
from loadtests.core.redact import REDACTOR
from loadtests.dialect.answers import patient
from loadtests.dialect.contract import Arrival, Preparing
from loadtests.plan.plan import Plan
from loadtests.transport.client import READ_TIMEOUT_S


def prepare(plan: Plan) -> None:
    """Have the dialect prepare, if it does, for everything that the plan sends.

    Raises InputError when it fails, before the run's first request.
    """
    dialect = plan.dialect
    if not isinstance(dialect, Preparing):
        return
    rows = plan.schedule.arrivals.select("idx", "endpoint", "kind", "customer", "amount", "payload_seed")
    client = plan.client()
    try:
        send = patient(partial(client.send, timeout_s=READ_TIMEOUT_S), gevent.sleep)
        dialect.prepare(send, [Arrival(*row) for row in rows.iter_rows()], plan.prefix)
    except Exception as error:  # a dialect may be a user's file
        told = REDACTOR.clean(f"{type(error).__name__}: {error}")[:200]
        raise InputError([f"--host: got {plan.url}; must let the dialect prepare for the run ({told})"]) from None
    finally:
        client.close()
