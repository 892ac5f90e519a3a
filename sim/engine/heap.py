"""Binary heaps in one table of integers: ``heaps[which]`` holds lines (x, y), the smallest pair first."""

from __future__ import annotations

from sim.core.jit import inlined


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
