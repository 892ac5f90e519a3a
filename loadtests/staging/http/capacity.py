"""A limited capacity: a station of slots that each request occupies for a stated time, first come first served."""

from __future__ import annotations

import asyncio
import heapq
import math
import time

from loadtests.staging.errors import busy


class Station:
    """``slots`` slots of ``slots / capacity_per_s`` seconds each, so ``capacity_per_s`` requests a second at most.

    A request waits for the slot that is free first, then holds it for the service time. Slots are booked on arrival
    by the clock (a G/D/c queue), so a late timer delays one answer and never the capacity. At most ``queue_limit``
    requests wait; the next is refused with the ApiError of a busy server (503, Retry-After).
    """

    def __init__(self, *, capacity_per_s: float | None, slots: int, queue_limit: int) -> None:
        self._service_s = 0.0 if capacity_per_s is None else slots / capacity_per_s
        self._free_at_s = [0.0] * slots
        self._starts_s: list[float] = []  # of requests that may still wait, a heap
        self._queue_limit = queue_limit

    async def serve(self) -> None:
        """Return when the request has waited its turn and been served; at once without a capacity."""
        if self._service_s:
            now_s = time.monotonic()
            await asyncio.sleep(self.book(now_s) - now_s)

    def book(self, now_s: float) -> float:
        """Take the slot that is free first, for a request that arrives at ``now_s``; return when it is served.

        Raises ApiError (503) when ``queue_limit`` requests already wait.
        """
        while self._starts_s and self._starts_s[0] <= now_s:
            heapq.heappop(self._starts_s)
        start_s = max(now_s, self._free_at_s[0])
        if start_s > now_s:
            if len(self._starts_s) >= self._queue_limit:
                raise busy(retry_after_s=max(1, math.ceil(start_s - now_s)))
            heapq.heappush(self._starts_s, start_s)
        heapq.heapreplace(self._free_at_s, start_s + self._service_s)
        return start_s + self._service_s


class RateLimit:
    """At most ``per_minute`` requests in each minute of the clock; more are refused with 429 and Retry-After."""

    def __init__(self, per_minute: int | None) -> None:
        self.per_minute = per_minute
        self._minute = -1
        self._used = 0

    def spend(self, now_s: float) -> int | None:
        """Count one request at ``now_s`` (seconds); return None, or the seconds until the next minute when over."""
        if self.per_minute is None:
            return None
        minute = int(now_s // 60)
        if minute != self._minute:
            self._minute, self._used = minute, 0
        if self._used >= self.per_minute:
            return max(1, math.ceil((minute + 1) * 60 - now_s))
        self._used += 1
        return None
