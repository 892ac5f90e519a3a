"""The marks of withdrawals once more, in Python's own whole numbers, from their definition."""

from __future__ import annotations

from sim.numerics.streams import purpose_key

WORD = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
PURPOSES = {name: int(purpose_key(name)) for name in ("gateway", "retry", "return", "let off")}


def mix(x: int) -> int:
    """Return SplitMix64's finaliser of 64 bits."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & WORD
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & WORD
    return x ^ (x >> 31)


def unit(x: int) -> float:
    """Return a number in the open interval (0, 1)."""
    return ((x >> 12) + 0.5) * 2.0**-52


def row_mark(key: int, attempt: int, purpose: str) -> float:
    """Return the mark of a row's attempt."""
    return unit(mix(mix(key ^ mix(attempt)) ^ PURPOSES[purpose]))


def cohort_mark(keys: list[int], rails: int, place: tuple[int, int, int], i: int, purpose: str) -> float:
    """Return mark i of the counted ones of (tick, rail, class)."""
    tick, rail, kind = place
    ordinal = ((tick * rails + rail) * 3 + kind) * 2**24 + i
    t = mix((ordinal * GOLDEN + keys[0]) & WORD) ^ keys[1]
    return unit(mix(t ^ PURPOSES[purpose]))
