"""Things that begin and end, each of a group: how many of a group there are by the minute, at the most, and how long.

At t there are count(begin <= t) - count(end <= t); times are whole ms, NEVER for what does not happen. They are counted
by steps of some minutes, and only what begins or ends in the fullest steps is sorted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Ints
from sim.core.clock import HOUR_MS, MINUTE_MS, NEVER
from sim.core.jit import compiled
from sim.numerics.time_grid import whole

Counts = NDArray[np.int32]
Group = NDArray[np.int16]
_STEP_MS = 5 * MINUTE_MS
"""Finer steps take longer to scan, and coarser ones leave more to sort."""


@dataclass(frozen=True)
class Span:
    """What there is of one group within [from, to).

    ``peak`` is the largest count and ``peak_ms`` the first time of it; ``held_ms`` is the time spent by all together.
    ``hourly`` has the count 1 ms before the end of each hour after ``from``; ``ages_ms`` are the ages at ``to`` of what
    is still there, in order.
    """

    peak: int
    peak_ms: int
    held_ms: int
    hourly: Counts
    ages_ms: Ints


@dataclass(frozen=True)
class Intervals:
    """Things of one kind that begin and end."""

    begin_ms: Ints
    end_ms: Ints

    def at(self, time_ms: Ints) -> Ints:
        """Return how many there are at each time."""
        begun = self.begin_ms < NEVER
        begin, end = np.sort(self.begin_ms[begun]), np.sort(self.end_ms[begun])
        return np.searchsorted(begin, time_ms, side="right") - np.searchsorted(end, time_ms, side="right")

    def by_minute(self, first_ms: int, minutes: int) -> Counts:
        """Return how many there are at ``first_ms`` and each minute later, ``minutes`` in all."""
        return by_minute(self.begin_ms, self.end_ms, first_ms, minutes)

    def within(self, from_ms: int, to_ms: int) -> Span:
        """Return what there is within [from, to)."""
        one = np.zeros(len(self.begin_ms), dtype=np.int16)
        return within(self.begin_ms, self.end_ms, one, 1, from_ms, to_ms)[0]

    def peak(self, from_ms: int, to_ms: int) -> tuple[int, int]:
        """Return the largest count in [from, to) and the first time of it."""
        span = self.within(from_ms, to_ms)
        return span.peak, span.peak_ms

    def held_ms(self, from_ms: int, to_ms: int) -> int:
        """Return the total time spent within [from, to), ms."""
        return self.within(from_ms, to_ms).held_ms


def within(begin_ms: Ints, end_ms: Ints, group: Group, groups: int, from_ms: int, to_ms: int) -> list[Span]:
    """Return by group what there is within [from, to)."""
    begun, ended, held, ages = survey(begin_ms, end_ms, group, groups, from_ms, to_ms)
    events = events_of_full_steps(begin_ms, end_ms, group, begun, ended, from_ms, to_ms)
    events.sort()
    peak, peak_ms = climb(events, begun, ended, from_ms)
    ages.sort()
    edges = np.searchsorted(ages, np.arange(groups + 1) * (to_ms + 1)).tolist()
    hours = slice(HOUR_MS // _STEP_MS, None, HOUR_MS // _STEP_MS)
    return [
        Span(
            peak=int(peak[g]),
            peak_ms=int(peak_ms[g]),
            held_ms=int(held[g]),
            hourly=begun[g, hours] - ended[g, hours],
            ages_ms=ages[edges[g] : edges[g + 1]] - g * (to_ms + 1),
        )
        for g in range(groups)
    ]


@compiled
def by_minute(begin_ms: Ints, end_ms: Ints, first_ms: int, minutes: int) -> Counts:
    """Return how many there are at ``first_ms`` and each minute later, ``minutes`` in all."""
    there, last_ms = np.zeros(minutes, np.int32), first_ms + (minutes - 1) * MINUTE_MS
    before_ms = first_ms - (MINUTE_MS - 1)
    for i in range(len(begin_ms)):
        if begin_ms[i] <= last_ms:
            there[whole(max(begin_ms[i], first_ms) - before_ms, MINUTE_MS)] += 1
            if end_ms[i] <= last_ms:
                there[whole(max(end_ms[i], first_ms) - before_ms, MINUTE_MS)] -= 1
    for m in range(1, minutes):
        there[m] += there[m - 1]
    return there


@compiled
def survey(
    begin_ms: Ints, end_ms: Ints, group: Group, groups: int, from_ms: int, to_ms: int
) -> tuple[Counts, Counts, Ints, Ints]:
    """Return by group and step how many had begun and how many had ended, the time held within, and ages at ``to``.

    The counts are those 1 ms before ``from`` and before each later step, the last one before ``to``. An age is
    group * (to_ms + 1) + age.
    """
    steps = (to_ms - from_ms + _STEP_MS - 1) // _STEP_MS
    begun, ended = np.zeros((groups, steps + 1), np.int32), np.zeros((groups, steps + 1), np.int32)
    held, ages, n = np.zeros(groups, np.int64), np.empty(len(begin_ms), np.int64), 0
    for i in range(len(begin_ms)):
        begin, end, g = begin_ms[i], end_ms[i], group[i]
        if begin >= to_ms:
            continue
        begun[g, whole(max(begin, from_ms - 1) - from_ms + _STEP_MS, _STEP_MS)] += 1
        if end < to_ms:
            ended[g, whole(max(end, from_ms - 1) - from_ms + _STEP_MS, _STEP_MS)] += 1
        else:
            ages[n] = g * (to_ms + 1) + to_ms - begin
            n += 1
        if end > from_ms:
            held[g] += min(end, to_ms) - max(begin, from_ms)
    for g in range(groups):
        for k in range(1, steps + 1):
            begun[g, k] += begun[g, k - 1]
            ended[g, k] += ended[g, k - 1]
    return begun, ended, held, ages[:n]


@compiled
def events_of_full_steps(
    begin_ms: Ints, end_ms: Ints, group: Group, begun: Counts, ended: Counts, from_ms: int, to_ms: int
) -> Ints:
    """Return what begins or ends in the steps that may hold a group's peak, as sortable numbers.

    A number holds time after ``from``, whether it begins, and group. Within a step there are never more than had begun
    by its end less those that had ended by its start; a step where that is below the count at the end of any step
    holds no peak.
    """
    groups, n = begun.shape
    full, first_ms, last_ms = np.zeros((groups, n), np.bool_), np.full(groups, to_ms), np.full(groups, from_ms)
    for g in range(groups):
        least = 0
        for k in range(1, n):
            least = max(least, begun[g, k] - ended[g, k])
        for k in range(n - 1):
            if begun[g, k + 1] - ended[g, k] >= least:
                full[g, k] = True
                first_ms[g] = min(first_ms[g], from_ms + k * _STEP_MS)
                last_ms[g] = min(from_ms + (k + 1) * _STEP_MS, to_ms)
    events, n_events = np.empty(2 * len(begin_ms), np.int64), 0
    for i in range(len(begin_ms)):
        g = group[i]
        if begin_ms[i] >= to_ms:
            continue
        for begins in range(2):
            at_ms = begin_ms[i] if begins else end_ms[i]
            if first_ms[g] <= at_ms < last_ms[g] and full[g, whole(at_ms - from_ms, _STEP_MS)]:
                events[n_events] = ((at_ms - from_ms) * 2 + begins) * groups + g
                n_events += 1
    return events[:n_events]


@compiled
def climb(events: Ints, begun: Counts, ended: Counts, from_ms: int) -> tuple[Ints, Ints]:
    """Return by group the largest count at ``from`` or at a begin among the events, and the first time of it.

    In order of the numbers, whatever ends in an instant is taken before what begins in it.
    """
    groups = len(begun)
    now, most, step = np.zeros(groups, np.int64), np.zeros(groups, np.int64), np.zeros(groups, np.int64)
    at_ms, i = np.full(groups, from_ms, np.int64), 0
    for g in range(groups):
        now[g] = begun[g, 0] - ended[g, 0]
    while i < len(events) and events[i] < 2 * groups:  # due at ``from`` itself
        now[events[i] % groups] += 1 if events[i] >= groups else -1
        i += 1
    for g in range(groups):
        most[g] = now[g]
    for at in range(i, len(events)):
        g, rest = events[at] % groups, events[at] // groups
        after, begins = rest // 2, rest % 2
        k = after // _STEP_MS
        if k != step[g]:
            step[g], now[g] = k, begun[g, k] - ended[g, k]
        now[g] += 1 if begins else -1
        if now[g] > most[g]:
            most[g], at_ms[g] = now[g], from_ms + after
    return most, at_ms
