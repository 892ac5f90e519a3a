"""The answers to a scenario's question: what each metric comes to, and how far that is from the scenario it changes.

Those of the catalogue are recorded beside it by ``python -m sim.studies.answers``, so that a listing and a report can
tell a change without simulating its base. A record holds for the scenario whose hash it bears, and for no other.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sim.core.at_least import AtLeast, is_censored
from sim.core.digits import significant
from sim.metrics.registry import metric_of
from sim.scenario.loading import catalogue
from sim.scenario.loading.load import resolved
from sim.scenario.schema.expectation import QUANTILE_SIGN, is_outcome
from sim.scenario.schema.scenario import Scenario

FILE = "answers.json"
"""The record, in the folder of the catalogue."""
Figure = float | None
_WORDS = ("title", "why", "question", "answers", "expect", "primary", "objectives")
"""Keys that change no number of a run."""
_TIMES = (("days", 1440.0, 2 * 1440.0), ("h", 60.0, 120.0), ("min", 1.0, 2.0), ("s", 1 / 60, 0.0))
"""Units of a time, their minutes, and the least minutes that are told in them."""
_BOUND = "at_least"


@dataclass(frozen=True)
class Answer:
    """What one of a scenario's ``answers`` came to: ``own``, and ``base`` in the scenario that it changes.

    Each is a mean, the quantile in which the name ends, or the share of the replications with the outcome named: None
    without a value (or a base), ``AtLeast`` where only a lower bound is known. ``half_width`` is that of the difference
    of the means, None where it is not known.
    """

    name: str
    own: float | None
    base: float | None = None
    half_width: float | None = None

    @property
    def change(self) -> float | None:
        """Own less base; None where one of them is not known."""
        if self.own is None or self.base is None or is_censored(self.own) or is_censored(self.base):
            return None
        return self.own - self.base

    def told(self) -> str:
        """Return the answer in words, its change first: "+31 days (from 0.3 to 31)"."""
        scale, unit = _scale(_unit(self.name), self.own, self.base)
        own, was, change = _text(self.own, scale), _text(self.base, scale), self.change
        if self.base is None:
            return own if self.own is None else f"{own} {unit}".rstrip()
        if change is None or self.half_width is None:
            return f"{own} {unit} (there {was})"
        if abs(change) <= self.half_width:
            return f"{own} {unit} ({'no clear change' if change else 'unchanged'})"
        own, was = _text(self.own, scale, change), _text(self.base, scale, change)
        sign, points = "+" if change > 0 else "", "points" if unit == "%" else unit
        return f"{sign}{_text(change, scale)} {points} (from {was} to {own}{' %' if unit == '%' else ''})"


@dataclass(frozen=True)
class Recorded:
    """The recorded answers of a scenario, in the order of its ``answers``, and the name of its base, if it has one.

    ``first`` has by name what own and base came to in the first replications alone, by which a test knows the record;
    ``expected`` what each expectation was judged by, and the half-width of its metric.
    """

    base: str | None
    answers: tuple[Answer, ...]
    first: Mapping[str, tuple[Figure, ...]]
    expected: Mapping[str, tuple[Figure, ...]]


def recorded(scenario: Scenario) -> Recorded | None:
    """Return the record of a scenario of the catalogue as it is now; None of any other, and of one that has changed."""
    try:
        known = json.loads((catalogue.folder() / FILE).read_text("utf-8"))["scenarios"]
    except (OSError, ValueError):
        return None
    own = identity(scenario)
    found = next((one for one in known.values() if one["scenario"] == own), None)
    if found is None or not set(scenario.answers) <= set(found["answers"]):
        return None
    answers = {name: [_read(figure) for figure in found["answers"][name]] for name in scenario.answers}
    first, expected = (_all(found[kind], _read) for kind in ("first", "expected"))
    return Recorded(found["base"], tuple(Answer(name, *figures) for name, figures in answers.items()), first, expected)


def identity(scenario: Scenario) -> str:
    """Return the SHA-256 of what decides a scenario's numbers: all of it but words and what it is judged by."""
    deciding = {key: _unlabelled(value) for key, value in resolved(scenario).items() if key not in _WORDS}
    text = json.dumps(deciding, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return sha256(text.encode("utf-8")).hexdigest()


def _unlabelled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unlabelled(each) for key, each in value.items() if key != "label"}
    return value


def entry(scenario: Scenario, record: Recorded) -> dict[str, Any]:
    """Return the entry of a scenario in the record's JSON."""
    answers = {one.name: (one.own, one.base, one.half_width) for one in record.answers}
    kinds = {"answers": answers, "first": record.first, "expected": record.expected}
    whole = {kind: _all(table, _written) for kind, table in kinds.items()}
    return {"scenario": identity(scenario), "base": record.base, **whole}


def _all(table: Mapping[str, Iterable[Any]], how: Callable[[Any], Any]) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(how(figure) for figure in figures) for name, figures in table.items()}


def _read(figure: Any) -> Figure:
    return AtLeast(figure[_BOUND]) if isinstance(figure, dict) else figure


def _written(figure: float | None) -> Any:
    """Return a figure for JSON: six digits, of a lower bound in a table."""
    if figure is None:
        return None
    short = float(f"{figure:.6g}")
    return {_BOUND: short} if is_censored(figure) else short


def _unit(name: str) -> str:
    return "of the replications" if is_outcome(name) else metric_of(name.partition(QUANTILE_SIGN)[0]).unit


def _scale(unit: str, *figures: float | None) -> tuple[float, str]:
    """Return by what figures of a unit are multiplied to be told, and in which unit that is."""
    if unit.startswith("of "):
        return 100.0, "%"
    minutes = {"min": 1.0, "h": 60.0}.get(unit)
    if minutes is None:
        return 1.0, unit
    most = max((abs(one) * minutes for one in figures if one is not None), default=0.0)
    name, size, _ = next(one for one in _TIMES if most >= one[2])
    return minutes / size, name


def _text(figure: float | None, scale: float, change: float | None = None) -> str:
    """Return a figure with two digits; with a third, or without the second, if that is where its change is."""
    if figure is None:
        return "none"
    if is_censored(figure):
        return significant(AtLeast(figure * scale), None)
    if not figure:
        return "0"
    place = _place(figure * scale) - 1
    if change:
        place = min(max(_place(change * scale) - 1, place - 1), place + 1)
    return significant(figure * scale, 5 * 10.0**place)


def _place(figure: float) -> int:
    return math.floor(math.log10(abs(figure)))
