"""Kaplan-Meier in exact fractions."""

from __future__ import annotations

from fractions import Fraction


def slow_kaplan_meier(durations: list[int], observed: list[bool], p: float) -> float | None:
    """The slow twin: one exact fraction for each distinct time."""
    survival = Fraction(1)
    for t in sorted(set(durations)):
        at_risk = sum(d >= t for d in durations)
        events = sum(d == t and o for d, o in zip(durations, observed, strict=True))
        survival *= 1 - Fraction(events, at_risk)
        if events and 1 - survival >= Fraction(p) - Fraction(1, 10**10):
            return float(t)
    return None
