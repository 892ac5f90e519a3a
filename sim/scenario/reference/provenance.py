"""Where each number of a scenario comes from: the comments behind the values, in one grammar.

A comment covers the value that it ends, and nothing else::

    comment = kind [":" text] [";" "range" range {"," range}]
    kind    = "source" | "assumption" | "derived" | "story"
    range   = [key] low ".." high

    mau_share = 0.10                       # source: Gate 2023; range 0.02..0.3
    cv = 0.1                               # assumption; range 0.05..0.3
    solved = 0.75                          # derived: 1 - 0.05 / 0.20
    days = 28                              # story
    handle = {mean = "12 min", cv = 1.0}   # source: Comm100 2019; range mean 8 min..20 min, cv 0.8..1.5

- *source*: it was published (the text says by whom); *assumption*: it was not; *derived*: it follows from other
  numbers (the text says how); *story*: this scenario's own choice, not an estimate. Source and derived have a text.
- A source or an assumption gives the plausible range, low to high, of every number (or quoted duration) of its
  value; for the other kinds it is optional. A range with a key covers what stands under that key of the value; one
  without covers the remaining numbers, or durations, whichever it is itself. The value lies in its range.
- A comment that begins with no kind is a remark, and its numbers are without provenance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.core.clock import duration_ms
from sim.scenario.faults import Finding, Said, ScenarioFaults, path_text
from sim.scenario.faults import Path as KeyPath
from sim.scenario.loading.files import Layer, read_chain
from sim.scenario.loading.merge import merge
from sim.scenario.schema.quantities import exact_duration_text

if TYPE_CHECKING:
    from tomlkit.container import Container

KINDS = ("source", "assumption", "derived", "story")
GRAMMAR = 'must be "source: text", "assumption", "derived: text" or "story", then "; range low..high"'

_BEGINS = re.compile(rf"({'|'.join(KINDS)})\b")
_COMMENT = re.compile(rf"({'|'.join(KINDS)})(?:\s*:\s*(\S.*?))?\s*(?:;\s*range\s+(.*\S))?\s*")
_QUANTITY = r"[+-]?[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?:\s*(?:ms|s|min|h|d|w))?"
_RANGE = re.compile(rf"\s*(?:([A-Za-z0-9_.-]*[A-Za-z_][A-Za-z0-9_.-]*)\s+)?({_QUANTITY})\s*\.\.\s*({_QUANTITY})\s*")


@dataclass(frozen=True)
class Provenance:
    """Where one number comes from. Durations are in ms (``unit`` "ms"); other numbers have the unit of their field.

    ``key`` is the key whose comment covers it; ``low`` and ``high`` are the plausible range, if one is given.
    """

    kind: str
    text: str
    value: float
    unit: str
    low: float | None
    high: float | None
    key: str
    file: str
    line: int


@dataclass(frozen=True)
class _Line:
    """A key with its value and the comment behind it, without the ``#``."""

    path: KeyPath
    value: Any
    comment: str
    number: int


@dataclass(frozen=True)
class _Range:
    key: KeyPath
    low: float
    high: float
    unit: str

    def covers(self, inner: KeyPath, unit: str) -> bool:
        return unit == self.unit and tuple(map(str, inner[: len(self.key)])) == self.key


def provenance_of(source: str | Path) -> dict[str, Provenance]:
    """Return the provenance of each number of a scenario, by its key path, from the file that set it.

    Raises ScenarioFaults with every comment that breaks the grammar.
    """
    return {path_text(inner): each for inner, each in _of_chain(source).items() if each is not None}


def missing(source: str | Path) -> list[str]:
    """Return the key paths of the numbers and durations that no comment in the grammar covers.

    The numbers of a list count as one. Raises ScenarioFaults with every comment that breaks the grammar.
    """
    bare = [path for path, each in _of_chain(source).items() if each is None]
    lists = (path[: next((i for i, k in enumerate(path) if isinstance(k, int)), len(path))] for path in bare)
    return list(dict.fromkeys(path_text(path) for path in lists))


def _layers(source: str | Path) -> list[Layer]:
    chain = read_chain(source)
    if chain.faults:
        raise ScenarioFaults(chain.faults)
    return chain.layers


def _of_chain(source: str | Path) -> dict[KeyPath, Provenance | None]:
    layers = _layers(source)
    found: dict[KeyPath, Provenance | None] = {}
    faults: list[str] = []
    per_layer = []
    for layer in layers:
        try:
            per_layer.append((layer.file, _of_layer(layer)))
        except ScenarioFaults as error:
            faults += error.faults
    merged, removing = merge(layers, layers[-1].file)
    if faults or removing:
        raise ScenarioFaults([*faults, *removing])
    for file, numbers in per_layer:
        found |= {path: each for path, each in numbers.items() if merged.origins.get(path) == file}
    return found


def _of_layer(layer: Layer) -> dict[KeyPath, Provenance | None]:
    """Return the provenance of each number of a file, None where there is none. Raises ScenarioFaults."""
    from tomlkit import parse

    found: dict[KeyPath, Provenance | None] = {}
    faults: list[str] = []
    for line in _lines(parse(layer.text), layer.text):
        numbers = dict(_numbers(line.value, ()))
        if not numbers:
            continue
        if not _BEGINS.match(line.comment):
            found |= {(*line.path, *inner): None for inner in numbers}
            continue
        covered = _covered(line, numbers, layer.file)
        if isinstance(covered, str):
            got = Said(f'"# {line.comment}" in line {line.number}')
            faults.append(Finding(line.path, got, covered).sentence(layer.file))
        else:
            found |= {(*line.path, *inner): each for inner, each in covered.items()}
    if faults:
        raise ScenarioFaults(faults)
    return found


def _covered(line: _Line, numbers: dict[KeyPath, tuple[float, str]], file: str) -> dict[KeyPath, Provenance] | str:
    """Return the provenance of each number of one value, or the rule that its comment breaks."""
    match = _COMMENT.fullmatch(line.comment)
    if match is None:
        return GRAMMAR
    kind, text, range_text = match[1], match[2] or "", match[3]
    if kind in ("source", "derived") and not text:
        return f'must say after "{kind}:" {"who published it" if kind == "source" else "how it is derived"}'
    ranges = _ranges(range_text) if range_text else []
    if isinstance(ranges, str):
        return ranges
    found = {}
    unused = set(ranges)
    for inner, (value, unit) in numbers.items():
        own = max((r for r in ranges if r.covers(inner, unit)), key=lambda r: len(r.key), default=None)
        unused.discard(own)
        if rule := _unfit(own, kind, inner, (value, unit)):
            return rule
        low, high = (own.low, own.high) if own is not None else (None, None)
        key = path_text(line.path)
        found[inner] = Provenance(kind, text, value, unit, low, high, key, file, line.number)
    if unused:
        return "must have ranges that each cover a number of the value, by its key and in its unit"
    return found


def _unfit(own: _Range | None, kind: str, inner: KeyPath, number: tuple[float, str]) -> str | None:
    """Return the rule that a number breaks with its range or for want of one."""
    value, unit = number
    if own is None:
        if kind not in ("source", "assumption"):
            return None
        what = path_text(inner) if inner else "the value"
        return f'must give a range in the unit of {what}, such as "; range {"8 min..20 min" if unit else "0.1..0.3"}"'
    if own.low <= value <= own.high:
        return None
    what = f"{path_text(inner)} = " if inner else ""
    quantity = exact_duration_text(round(value)) if unit else f"{value:.15g}"
    return f"must have a range that holds the value {what}{quantity}"


def _ranges(text: str) -> list[_Range] | str:
    """Return the ranges of a comment, or the rule that they break."""
    found = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        if match is None:
            return 'must write each range as low..high, with units (such as "range 0.02..0.3" or "mean 8 min..20 min")'
        low, high = _quantity(match[2]), _quantity(match[3])
        if low is None or high is None or low[1] != high[1] or not low[0] <= high[0]:
            return "must have ranges from low to high, both numbers or both durations"
        key = tuple(match[1].split(".")) if match[1] else ()
        found.append(_Range(key, low[0], high[0], low[1]))
    return found


def _quantity(text: str) -> tuple[float, str] | None:
    """Return a number and "", or a duration's milliseconds and "ms"."""
    try:
        return float(text), ""
    except ValueError:
        pass
    try:
        return float(duration_ms(text)), "ms"
    except ValueError:
        return None


def _numbers(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, tuple[float, str]]]:
    """Yield the numbers and quoted durations within a value."""
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _numbers(each, (*path, key))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, (float(value), "")
    elif isinstance(value, str):
        try:
            yield path, (float(duration_ms(value)), "ms")
        except ValueError:
            return


def _lines(document: Container, text: str) -> Iterator[_Line]:
    """Yield the document's keys, and its remarks as lines without a value, with their line numbers."""
    at = 0
    for line in _walk(document, ()):
        found = text.find(line.comment, at) if line.comment else -1
        at = found if found >= 0 else at
        yield replace(line, number=text.count("\n", 0, at) + 1, comment=line.comment.lstrip("# \t"))
        at += len(line.comment)


def _walk(container: Any, path: KeyPath) -> Iterator[_Line]:
    """Yield what carries a comment, in the order of the text."""
    from tomlkit.items import AoT, Comment, Table

    for key, item in container.body:
        if key is None:
            if isinstance(item, Comment):
                yield _Line(path, None, item.trivia.comment, 0)
            continue
        here = (*path, key.key)
        if isinstance(item, AoT):
            tables = [((*here, i), table) for i, table in enumerate(item.body)]
        elif isinstance(item, Table):
            tables = [(here, item)]
        else:
            tables = []
            yield _Line(here, item.unwrap(), item.trivia.comment, 0)
        for inner, table in tables:
            yield _Line(inner, None, table.trivia.comment, 0)
            yield from _walk(table.value, inner)
