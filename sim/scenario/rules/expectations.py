"""What ``[expect]`` may say: a metric by its name, of the whole, of one of its parts or as a quantile; and its bounds.

A name is ``METRIC``, ``METRIC.PART`` or either with a quantile behind it: ``backlog_peak.compliance:p95``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from math import inf, nextafter
from typing import TYPE_CHECKING, Any, get_args

from sim.scenario.faults import closest
from sim.scenario.schema.names import METRIC_PARTS, MetricName
from sim.scenario.schema.quantities import Quantity, broken

if TYPE_CHECKING:
    from sim.scenario.schema.scenario import Scenario

Fault = tuple[str, object, str, str | None]
_NUMBER = r"\s*(-?[0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?)\s*"
_RANGE, _ABOVE, _BELOW = (
    re.compile(form) for form in (rf"{_NUMBER}\.\.{_NUMBER}", rf"\s*>{_NUMBER}", rf"\s*<{_NUMBER}")
)
QUANTILE_SIGN, QUANTILES = ":", ("p05", "p50", "p95")
RULE = 'must be "low..high", "> x" or "< x" in quotes, of plain numbers such as 0.5 or 10_000'
_METRICS: tuple[str, ...] = get_args(MetricName)


def bounds(text: str) -> tuple[float, float]:
    """Return the lowest and highest value that an expectation allows. Raises ValueError, with the rule, otherwise."""
    if match := _RANGE.fullmatch(text):
        low, high = float(match[1]), float(match[2])
        if low <= high:
            return low, high
        raise ValueError(f"{RULE}; low at most high")
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


def expect_faults(scenario: Scenario) -> Iterator[Fault]:
    """Yield the fault of each name that no metric of this scenario has: (key path, the name, the rule, a hint)."""
    for name in scenario.expect:
        whole, sign, quantile = name.partition(QUANTILE_SIGN)
        metric, dot, part = whole.partition(".")
        at, tail = f"expect.{name}", sign + quantile
        if metric not in _METRICS:
            yield at, name, *_unknown(metric, _METRICS, "a metric", ("", dot + part + tail))
        elif dot and part not in (parts := parts_of(scenario, metric)):
            yield at, name, *_unknown_part(metric, part, parts, tail)
        elif sign and quantile not in QUANTILES:
            ends = ", ".join(QUANTILE_SIGN + one for one in QUANTILES)
            near = closest(quantile, QUANTILES)
            yield at, name, f"must end with a quantile ({ends}), or without", near and whole + QUANTILE_SIGN + near


def parts_of(scenario: Scenario, metric: str) -> list[str]:
    """Return the parts by which a scenario's metric is counted apart; none for one of the whole alone."""
    kind = next((kind for kind, metrics in METRIC_PARTS.items() if metric in metrics), None)
    money, mistakes = scenario.withdrawals, scenario.withdrawals and scenario.withdrawals.mistakes
    assets, rails = (money.assets, money.rails) if money else ({}, {})
    known: dict[str | None, Iterable[str]] = {
        "category": scenario.categories,
        "team": scenario.teams,
        "asset": assets,
        "wallet": [name for name in assets if name in rails and rails[name].wallet],
        "mistake": [name for name in ("address", "network") if mistakes and getattr(mistakes, name)],
        "early warning": scenario.early_warnings,
    }
    return list(known.get(kind, ()))


def _unknown_part(metric: str, part: str, parts: list[str], tail: str) -> tuple[str, str | None]:
    if not parts:
        return f"must be {metric}, which has no parts here", metric + tail
    kind = next(kind for kind, metrics in METRIC_PARTS.items() if metric in metrics)
    return _unknown(part, parts, f"of {'an' if kind[0] in 'ae' else 'a'} {kind}", (f"{metric}.", tail))


def _unknown(word: str, known: Iterable[str], what: str, around: tuple[str, str]) -> tuple[str, str | None]:
    """Return the rule of a word that is none of those known, which it lists unless one of them is near."""
    hint = closest(word, known)
    return (f"must be {what}", around[0] + hint + around[1]) if hint else (f"must be {what}: {', '.join(known)}", None)
