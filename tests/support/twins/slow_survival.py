"""Kaplan-Meier, and Aalen-Johansen, in exact fractions."""

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


def slow_aalen_johansen(endings: list[tuple[int, str]]) -> float | None:
    """The slow twin: the share whose duration ends with "event" rather than "other"; those "lost" are censored."""
    survival, share = Fraction(1), Fraction(0)
    for t in sorted({duration for duration, _ in endings}):
        at_risk = sum(duration >= t for duration, _ in endings)
        events, others = (sum(one == (t, how) for one in endings) for how in ("event", "other"))
        share += survival * Fraction(events, at_risk)
        survival *= 1 - Fraction(events + others, at_risk)
    return float(share) if endings else None
