"""Questions to a target around a run: a target that hangs, or that always defers, does not hold the user for long."""

from __future__ import annotations

import time

import gevent
from gevent.event import Event

from loadtests.dialect.contract import Answer, Request
from loadtests.transport.client import READ_TIMEOUT_S, Client, NoAnswerError

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
        """Return the answer to a request. Raises NoAnswerError when none came, or none is waited for any more."""
        if self._hurry.is_set():
            raise NoAnswerError(ENDED, taken=False)
        left_s = self._patience_s - self._waited_s
        if left_s <= 0:
            raise NoAnswerError(f"not asked again: it had given no answer for {self._waited_s:.0f} s", taken=False)
        if self._paused_s > LONGEST_PAUSES_S:
            raise NoAnswerError(f"not asked again: it had deferred for {self._paused_s:.0f} s", taken=False)
        begin_s = time.perf_counter()
        asking = gevent.spawn(self._asked, request, left_s)
        gevent.wait([asking, self._hurry], count=1)
        if not asking.ready():
            asking.kill()
            raise NoAnswerError(ENDED)
        answer = asking.get()
        if isinstance(answer, Exception):
            self._waited_s += time.perf_counter() - begin_s
            raise answer
        self._waited_s = 0.0
        if answer.status != 429:
            self._paused_s = 0.0
        return answer

    def pause(self, length_s: float) -> None:
        """Wait before the next question, unless there is a hurry."""
        self._paused_s += length_s
        self._hurry.wait(length_s)

    def _asked(self, request: Request, timeout_s: float) -> Answer | Exception:
        """Return the answer, or what went wrong: gevent prints what a greenlet raises."""
        try:
            return self._client.send(request, timeout_s)
        except Exception as error:
            return error
