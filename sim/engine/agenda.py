"""Binary heaps of pairs: the lines of waiters, and the agenda of what is due, by minute a heap or a chain.

``heaps[which]`` holds lines (x, y), the smallest pair first.
"""

from __future__ import annotations

from sim.core.clock import MINUTE_MS
from sim.core.jit import inlined
from sim.engine.arrays import (
    CHAINS,
    DUE,
    FIRST,
    FULL,
    HEAP,
    HORIZON,
    LINKS,
    LOADED,
    NOBODY,
    PHASE_BITS,
    PLACE,
    SIZE,
    SPARE,
    WHAT_BITS,
)  # fmt: skip


@inlined
def push(heaps, which, size, x, y):
    """Add the pair (x, y) to a heap of ``size`` pairs, which must have room for one more."""
    at = size
    while at > 0:
        up = (at - 1) >> 1
        a, b = heaps[which, up, 0], heaps[which, up, 1]
        if a < x or (a == x and b <= y):
            break
        heaps[which, at, 0], heaps[which, at, 1] = a, b
        at = up
    heaps[which, at, 0], heaps[which, at, 1] = x, y


@inlined
def pop(heaps, which, size):
    """Remove the smallest of ``size`` pairs, which stands at 0.

    The gap sinks to the bottom along the smaller children, and the last pair fills it and rises from there: a pair
    from the bottom belongs near it, and a child chosen without a branch is never mispredicted.
    """
    last = size - 1
    at, down = 0, 1
    while down + 1 < last:
        a, b, c, d = heaps[which, down, 0], heaps[which, down, 1], heaps[which, down + 1, 0], heaps[which, down + 1, 1]
        down += (c < a) | ((c == a) & (d < b))
        heaps[which, at, 0], heaps[which, at, 1] = heaps[which, down, 0], heaps[which, down, 1]
        at, down = down, 2 * down + 1
    if down < last:
        heaps[which, at, 0], heaps[which, at, 1] = heaps[which, down, 0], heaps[which, down, 1]
        at = down
    push(heaps, which, at, heaps[which, last, 0], heaps[which, last, 1])


@inlined
def key_of(phase, row, what):
    """Return the place in an instant: by phase, then by row."""
    return phase << PHASE_BITS | row << WHAT_BITS | what


@inlined
def schedule(n, agenda, due_ms, key):
    """Put an event on the agenda, unless it is due at or after the horizon: into the heap or its minute's chain."""
    if due_ms >= n[HORIZON]:
        return
    minute, room = due_ms // MINUTE_MS, agenda.shape[1]
    if minute < n[LOADED]:
        if n[DUE] == room:
            n[FULL] = 1
            return
        push(agenda, HEAP, n[DUE], due_ms, key)
        n[DUE] += 1
        return
    link = n[SPARE]
    if link != NOBODY:
        n[SPARE] = agenda[CHAINS, link, 2]
    elif n[LINKS] < room:
        link = n[LINKS]
        n[LINKS] += 1
    else:
        n[FULL] = 1
        return
    agenda[CHAINS, link, 0], agenda[CHAINS, link, 1], agenda[CHAINS, link, 2] = due_ms, key, n[FIRST + minute]
    n[FIRST + minute] = link


@inlined
def stand(n, rows, queues, lines, where):
    """Put a row into a queue's line, at a place; one that it had in it before is stale from now on."""
    row, queue, place = where
    rows[PLACE, row] = place
    size = queues[queue, SIZE]
    if size == lines.shape[1]:
        n[FULL] = 1
        return
    push(lines, queue, size, place, row)
    queues[queue, SIZE] += 1


@inlined
def drop_first(queues, lines, queue):
    """Take the first off a queue's line."""
    pop(lines, queue, queues[queue, SIZE])
    queues[queue, SIZE] -= 1
