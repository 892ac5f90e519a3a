"""Questions to a target around a run: a target that hangs, or that always defers, does not hold the user for long."""

from __future__ import annotations

import time
from collections.abc import Callable

import gevent
from gevent.event import Event

from loadtests.dialect.contract import Answer, ReadError, Request
from loadtests.transport.client import READ_TIMEOUT_S, Client, NoAnswerError
from loadtests.transport.echoes import failure, without_proofs

LONGEST_PAUSES_S = 300.0
ENDED = "ended at once, as asked"


class Reader:
    """Asks one question at a time.

    What hung is counted: a target that gave no answer for ``patience_s`` in all, since its last useful one, is not
    asked again, nor is one that deferred for ``LONGEST_PAUSES_S``. When ``hurry`` is set, all waiting ends at once.
    """

    def __init__(self, client: Client, *, hurry: Event | None = None, patience_s: float = READ_TIMEOUT_S) -> None:
        self._client, self._hurry, self._patience_s = client, hurry or Event(), patience_s
        self._waited_s = self._paused_s = 0.0

    def send(self, request: Request) -> Answer:
        """Return what ``ask`` does, without what the request proved itself by."""
        return without_proofs(self.ask(request), request)

    def ask(self, request: Request) -> Answer:
        """Return the answer to a request. Raises NoAnswerError when none came, or none is waited for any more."""
        if self._hurry.is_set():
            raise NoAnswerError(ENDED, taken=False)
        left_s = self._patience_s - self._waited_s
        if left_s <= 0:
            raise NoAnswerError(f"not asked again: it had given no answer for {self._waited_s:.0f} s", taken=False)
        if self._paused_s > LONGEST_PAUSES_S:
            raise NoAnswerError(f"not asked again: it had deferred for {self._paused_s:.0f} s", taken=False)
        begin_s = time.perf_counter()
        try:
            answer = unless_hurried(self._hurry, lambda: self._client.send(request, left_s))
        except Exception:
            self._waited_s += time.perf_counter() - begin_s
            raise
        self._waited_s = 0.0
        if answer.status != 429:
            self._paused_s = 0.0
        return answer

    def pause(self, length_s: float) -> None:
        """Wait before the next question, unless there is a hurry."""
        self._paused_s += length_s
        self._hurry.wait(length_s)


def unless_hurried(hurry: Event, ask: Callable[[], Answer]) -> Answer:
    """Return what ``ask`` returns, or raise what it raises. Raises NoAnswerError as soon as ``hurry`` is set."""

    def asked() -> Answer | Exception:
        try:
            return ask()
        except Exception as error:  # gevent prints what a greenlet raises
            return error

    asking = gevent.spawn(asked)
    try:
        gevent.wait([asking, hurry], count=1)
        if not asking.ready():
            raise NoAnswerError(ENDED)
    finally:
        asking.kill()
    answer = asking.get()
    if isinstance(answer, Exception):
        raise answer
    return answer


def why_unread(error: Exception) -> str:
    """Return why a read failed: what the server or the connection did, or how the dialect failed."""
    return str(error) if isinstance(error, (NoAnswerError, ReadError)) else failure(error)
