"""The first step of a two-step flow: what a dialect fetches before the run, such as sessions or quotes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from gevent.event import Event

from loadtests.core.faults import GeneratorError, InputError
from loadtests.core.redact import REDACTOR
from loadtests.dialect.answers import patient
from loadtests.dialect.contract import Answer, Arrival, Dialect, Preparing, Request
from loadtests.plan.plan import Plan
from loadtests.transport.client import Client
from loadtests.transport.echoes import LONGEST_REASON, without_echo
from loadtests.transport.reader import Reader

NOTHING_SENT = "interrupted before the first request; nothing was sent"
_LAST_ASKED = 1000
"""How many of its requests a fault may echo."""


def prepare(plan: Plan, arrivals: Iterable[Arrival], *, prefix: str, hurry: Event) -> None:
    """Have a plan's dialect prepare, if it does, for arrivals that are sent under a prefix. See ``prepare_dialect``."""
    if not isinstance(plan.dialect, Preparing):
        return
    client = plan.client()
    try:
        prepare_dialect(plan.dialect, client=client, url=plan.url, arrivals=arrivals, prefix=prefix, hurry=hurry)
    finally:
        client.close()


def prepare_dialect(
    dialect: Dialect, *, client: Client, url: str, arrivals: Iterable[Arrival], prefix: str, hurry: Event
) -> None:
    """Have a dialect prepare, if it does, for the arrivals that are known beforehand.

    Raises InputError when it fails or its target hangs, GeneratorError when ``hurry`` was set.
    """
    if not isinstance(dialect, Preparing):
        return
    reader, asked = Reader(client, hurry=hurry), deque[Request](maxlen=_LAST_ASKED)

    def send(request: Request) -> Answer:
        asked.append(request)
        return reader.ask(request)  # as it is, for the dialect goes on with what it says

    try:
        dialect.prepare(patient(send, reader.pause), list(arrivals), prefix)
    except Exception as error:  # a dialect may be a user's file
        if hurry.is_set():
            raise GeneratorError(NOTHING_SENT) from None
        told = REDACTOR.cut(f"{type(error).__name__}: {error}", LONGEST_REASON)
        for request in asked:
            told = without_echo(told, request)
        raise InputError([f"--host: got {url}; must let the dialect prepare for the run ({told})"]) from None
