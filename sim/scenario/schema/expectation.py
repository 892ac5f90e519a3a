"""The forms of an expectation: ``"low..high"``, ``"> x"`` or ``"< x"``, of a mean, a quantile or a probability.

The probability is that of an outcome, and named by it: ``"ran_share > 0.1" = "0.2..0.8"``.
"""

from __future__ import annotations

import re
from math import inf, nextafter
from typing import Any

from sim.scenario.schema.quantities import Quantity, broken

_NUMBER = r"\s*(-?[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?)\s*"
_RANGE, _ABOVE, _BELOW = (
    re.compile(form) for form in (rf"{_NUMBER}\.\.{_NUMBER}", rf"\s*>{_NUMBER}", rf"\s*<{_NUMBER}")
)
_OUTCOME = re.compile(rf"\s*([^\s<>]+)\s*([<>]){_NUMBER}")
QUANTILE_SIGN, QUANTILES = ":", ("p05", "p50", "p95")
OUTCOME_RULE = 'must name an outcome as "METRIC > x" or "METRIC < x", x a plain number, and no quantile'
PROBABILITY_RULE = "must be of a probability, from 0 to 1, and leave out some of these"
RULE = 'must be "low..high", "> x" or "< x" in quotes, of plain numbers such as 0.5 or 10_000'


def bounds(text: str) -> tuple[float, float]:
    """Return the lowest and highest value that an expectation allows. Raises ValueError, with the rule, otherwise."""
    if match := _RANGE.fullmatch(text):
        low, high = float(match[1]), float(match[2])
        if low <= high:
            return low, high
        raise ValueError(f"{RULE}; low must not exceed high")
    if match := _ABOVE.fullmatch(text):
        return nextafter(float(match[1]), inf), inf
    if match := _BELOW.fullmatch(text):
        return -inf, nextafter(float(match[1]), -inf)
    raise ValueError(RULE)


def is_outcome(name: str) -> bool:
    """Return whether a name is meant for an outcome, and so for its probability, and not for a metric."""
    return "<" in name or ">" in name


def outcome_of(name: str) -> tuple[str, float, float]:
    """Return the metric of an outcome, and the lowest and highest value that it has then.

    Raises ValueError, with the rule, for a name of another form.
    """
    match = _OUTCOME.fullmatch(name)
    if match is None or QUANTILE_SIGN in match[1]:
        raise ValueError(OUTCOME_RULE)
    return match[1], *bounds(f"{match[2]} {match[3]}")


def probability_bounds(text: str) -> tuple[float, float]:
    """Return the lowest and highest probability that an expectation allows.

    Raises ValueError, with the rule, for what no probability can miss, or none can meet.
    """
    low, high = bounds(text)
    if not (0 <= low <= 1 or low == -inf) or not (0 <= high <= 1 or high == inf) or (low <= 0 and high >= 1):
        raise ValueError(PROBABILITY_RULE)
    return low, high


class Bounds(Quantity):
    """The bounds of what a metric may come to, kept as text."""

    rule = RULE

    def check(self, raw: Any) -> str:
        """Return the text. Raises the rule's error for anything else."""
        if isinstance(raw, dict):
            raise broken(f'{RULE}; a name with a dot stands in quotes: "backlog_peak.front" = "< 100"')
        if not isinstance(raw, str):
            raise broken(RULE)
        try:
            bounds(raw)
        except ValueError as error:
            raise broken(str(error)) from None
        return raw

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the text."""
        return {"type": "string", "x-rule": self.rule}
