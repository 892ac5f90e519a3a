"""An estimate in words: what the futures are like, apart from it the error of the simulation, and its outcomes.

The screen, notebooks, pictures and reports all take their texts from here, so that they say the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sim.core.at_least import is_censored
from sim.core.digits import exact_text, significant, two_digits

if TYPE_CHECKING:
    from sim.experiment.analysis.estimate import Estimate
    from sim.experiment.analysis.outcomes import Outcome

TYPICAL = ("median (5 to 95 % of the replications)", "the median is known to")
"""What stands above ``amount`` and ``error_text``."""
MANY, FEW = 10, 2
_MINUTES = {"min": 1, "h": 60, "days": 1440}
_COUNTS = {"tickets", "tickets/h", "complaints", "posts", "withdrawals", "cases", "alarms"}
_SKEWED = 0.5
_NOT_OVER = "not over by the end"


def amount(one: Estimate, *, unit: bool = True) -> str:
    """Return the median with the 5 and 95 % quantiles, "1,200 (49 to 2,500) tickets", or the outcomes.

    Times, and shares in per cent, have their sign in any case; what is the same in all replications is exact.
    """
    if one.p05 is None or one.p50 is None or one.p95 is None:
        return "no value"
    if one.outcomes:
        parts = [f"{_kind(one, each, unit=unit)} in {each.replications}" for each in one.outcomes]
        parts[0] = f"{parts[0]} of {one.replications} replications"
        return ", ".join(parts)
    text = span(one, one.p05, one.p50, one.p95, unit=unit)
    return f"{text} ({_NOT_OVER} in any replication)" if one.censored else text


def typical(one: Estimate) -> str:
    """Return the median alone, without a unit; of two kinds both, "10,000 or 17,000", of others how many of each."""
    if two_kinds(one):
        return " or ".join(tell(one.unit, [each.p50])[0] for each in one.outcomes)
    if one.p05 is None or one.p50 is None or one.p95 is None or one.outcomes:
        return amount(one, unit=False)
    return tell(one.unit, [one.p50], exact=one.p05 == one.p95)[0]


def futures(one: Estimate, many: str = "replications") -> str:
    """Return "typically 210, in 9 of 10 months 140 to 330", without a unit; the outcomes where there are several."""
    if two_kinds(one):
        return " or ".join(span(one, each.p05, each.p50, each.p95, unit=False) for each in one.outcomes)
    if one.p05 is None or one.p50 is None or one.p95 is None or one.outcomes:
        return amount(one, unit=False)
    low, middle, high = tell(one.unit, [one.p05, one.p50, one.p95], width=one.p95 - one.p05, exact=one.p05 == one.p95)
    if one.replications < FEW or low == middle == high:
        return middle
    often = "9 of 10" if one.replications >= MANY else f"most of {one.replications}"
    return f"typically {middle}, in {often} {many} {low if low == high else f'{_bare(low, high)} to {high}'}"


def spread(one: Estimate) -> str:
    """Return the 5 and 95 % quantiles alone, without a unit: "140 to 330"; one number where both read the same."""
    if one.p05 is None or one.p95 is None:
        return "no value"
    low, high = tell(one.unit, [one.p05, one.p95], width=one.p95 - one.p05, exact=one.p05 == one.p95)
    return low if low == high else f"{_bare(low, high)} to {high}"


def two_kinds(one: Estimate) -> bool:
    """Return whether the values are of two kinds, each with values of its own, and a number between them is neither."""
    return len(one.outcomes) == 2 and not any(each.kind for each in one.outcomes)


def error_text(one: Estimate) -> str:
    """Return the 95 % interval of the median, "190 to 250": the error of the simulation, where it changes a digit."""
    if one.p50_low is None or one.p50_high is None or one.p50 is None or one.outcomes:
        return ""
    width = 0.0 if one.p05 is None or one.p95 is None else one.p95 - one.p05
    low, middle, high = tell(one.unit, [one.p50_low, one.p50, one.p50_high], width=width)
    return "" if low == middle == high else f"{_bare(low, high)} to {high}"


def mean_text(one: Estimate, *, unit: bool = True) -> str:
    """Return the mean, as expectations are judged by it; with its half-width where what it is of is not skewed."""
    if one.mean is None:
        return "none"
    text = significant(one.mean, one.half_width, plus_minus=not skewed(one))
    return f"{text} {one.unit}" if unit else text


def skewed(one: Estimate) -> bool:
    """Return whether the mean lies to one side of the replications, so that "±" around it would be no interval.

    That is where there are several outcomes, or the median lies in the outer quarters of the 5 to 95 % range.
    """
    if one.p05 is None or one.p50 is None or one.p95 is None:
        return False
    width = one.p95 - one.p05
    return bool(one.outcomes) or (width > 0 and abs(one.p95 + one.p05 - 2 * one.p50) > _SKEWED * width)


def span(one: Estimate, low: float, middle: float, high: float, *, unit: bool = True) -> str:
    """Return a median with its quantiles in the estimate's unit."""
    first, at, last = tell(one.unit, [low, middle, high], width=high - low, exact=low == high)
    text = at if first == at == last else f"{at} ({first if first == last else f'{_bare(first, last)} to {last}'})"
    return text + (unit_text(one.unit) if unit else "")


def tell(unit: str, values: Sequence[float], *, width: float = 0.0, exact: bool = False) -> list[str]:
    """Return values of a unit as texts, each with its own digits: times in their own unit, shares in per cent.

    ``width`` is that of the interval to which they belong; what is ``exact`` is the same in all replications.
    """
    if unit in _COUNTS:
        values = [value if is_censored(value) else float(round(value)) for value in values]
    if unit in _MINUTES:
        return _times([value * _MINUTES[unit] for value in values], width * _MINUTES[unit])
    scale, top, word = (100.0, 100.0, " %") if unit.startswith("of ") else (1.0, None, "")
    if max(map(abs, values)) >= 1e6:
        scale, word = scale / 1e6, " million"
    if exact and not top and not any(map(is_censored, values)):
        return [exact_text(value * scale) + word for value in values]
    return [two_digits(value * scale, width * scale, top=top) + word for value in values]


def unit_text(unit: str) -> str:
    """Return what follows a number: " tickets", " of the depositors"; nothing behind times, which have their own."""
    return "" if unit in _MINUTES else f" {unit}"


def _kind(one: Estimate, each: Outcome, *, unit: bool) -> str:
    if each.kind == "beyond":
        return f"{tell(one.unit, [each.p50])[0]} ({_NOT_OVER})"
    return span(one, each.p05, each.p50, each.p95, unit=unit)


def _times(minutes: Sequence[float], width: float) -> list[str]:
    """Return times, each in the unit in which it is no fraction and no large number."""
    found = []
    for value in minutes:
        size = max(abs(value), 0.0)
        name, scale = (
            ("days", 1440) if size >= 2 * 1440 else ("h", 60) if size >= 120 else ("min", 1) if size >= 1 else
            ("s", 1 / 60)
        )  # fmt: skip
        text = two_digits(value * (1 / scale), width / scale)
        found.append("0" if text == "0" else f"{text} {name}")
    return found


def _bare(low: str, high: str) -> str:
    """Return the lower end without the word that the upper one ends in too: "3.0 to 4.2 days", "75 to 90 million"."""
    number, gap, word = low.rpartition(" ")
    return number if gap and high.endswith(f"{gap}{word}") and not low.startswith("under") else low
