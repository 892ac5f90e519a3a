"""The forms of an expectation: ``"low..high"``, ``"> x"`` or ``"< x"``, of a mean or of a quantile."""

from __future__ import annotations

import re
from math import inf, nextafter
from typing import Any

from sim.scenario.schema.quantities import Quantity, broken

_NUMBER = r"\s*(-?[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?)\s*"
_RANGE, _ABOVE, _BELOW = (
    re.compile(form) for form in (rf"{_NUMBER}\.\.{_NUMBER}", rf"\s*>{_NUMBER}", rf"\s*<{_NUMBER}")
)
QUANTILE_SIGN, QUANTILES = ":", ("p05", "p50", "p95")
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
