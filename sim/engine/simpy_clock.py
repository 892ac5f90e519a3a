"""SimPy's environment on integer milliseconds, whose events have a phase and a row within an instant."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

import simpy
from simpy.events import Event

_ROWS = 1 << 40
_new = Event.__new__
Callbacks = list[Callable[[Event], None]]


class _Due(Event):
    """An event that is certain to happen, as SimPy's Timeout is, with callbacks that many events share."""

    _ok = True


class SimpyClock(simpy.Environment):
    """SimPy's environment on integer milliseconds, with events at a time, in a phase, by row."""

    _now: int

    def at(self, time_ms: int, phase: int, row: int, callbacks: Callbacks, value: Any = None) -> _Due:
        """Schedule an event: SimPy orders by time, then priority (phase and row), then insertion."""
        event = _new(_Due)  # past __init__: a call that half a million events can do without
        event.callbacks, event._value = callbacks, value
        heappush(self._queue, (time_ms, phase * _ROWS + row, next(self._eid), event))  # type: ignore[misc]
        return event

    def advance(self, time_ms: int) -> bool:
        """Return whether nothing is due up to a time, and if so go there."""
        if self._queue[0][0] <= time_ms:
            return False
        self._now = time_ms
        return True

    def run_to(self, time_ms: int) -> None:
        """Run to a time, without what is due then: SimPy's ``run`` and ``step`` in one loop, without their calls."""
        agenda = self._queue
        while agenda[0][0] < time_ms:
            self._now, _, _, event = heappop(agenda)  # type: ignore[assignment]
            callbacks, event.callbacks = event.callbacks, None  # type: ignore[assignment]
            for callback in callbacks:
                callback(event)
            if not event._ok and not hasattr(event, "_defused"):
                raise event._value  # a process failed
