"""The keys of a scenario, read from the schema: path, unit, meaning, rule. In a path, ``*`` stands for a free name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_origin

from sim.scenario.faults import shown
from sim.scenario.schema.quantities import Lasting, exact_duration_text
from sim.scenario.schema.scenario import Scenario
from sim.scenario.schema.shape import Shape, field_shape, tags

ANY = "*"
KeyPath = tuple[str, ...]
_LAW = "law"
_PEOPLE, _THINGS = "users|people|depositors|agents|hires", "requests|complaints|posts|tickets|withdrawals|reviews"
_NOUNS = rf"\b(?:{_PEOPLE}|{_THINGS})\b"
_UNITS = (
    (r"\bUS dollars per hour\b", "US dollars per hour"),
    (r"\bUS dollars\b", "US dollars"),
    (r"\bms\b", "ms"),
    (r"\bcoefficient of variation\b", "ratio: standard deviation / mean"),
    (r"\bfactors?\b", "factor: 1 changes nothing"),
    (r"\brelative change\b", "ratio: relative change per relative change"),
    (r"\bshares?\b", "share"),
    (r"\bweights?\b", "weight"),
    (r"\b[A-Za-z-]+ per (?:[a-z]+ ){1,3}and [a-z]+", ""),
)
"""How a description names the unit of a plain number, the surest first; "" is for the words that are found."""
_LESS_SURE = (
    (r"\b[a-z-]+ per [a-z]+", ""),
    (r"\b(?:priority|times|multiples?|log return|tail index)\b", ""),
    (_NOUNS, ""),
)


@dataclass(frozen=True)
class Key:
    """A key of the schema: its path, what may stand there, and what stands there when a scenario is silent."""

    path: KeyPath
    shape: Shape
    default: Any = None
    required: bool = False

    @property
    def name(self) -> str:
        """The path as text: ``categories.*.share``."""
        return ".".join(self.path)

    @property
    def is_distribution(self) -> bool:
        """Whether a distribution of durations stands here."""
        return self.shape.switch == _LAW

    @property
    def is_table(self) -> bool:
        """Whether keys of the schema stand below this one."""
        return next(_inner(self), None) is not None

    @property
    def meaning(self) -> str:
        """The description of the key, or of the table that stands here."""
        if self.shape.about or not self.is_table:
            return self.shape.about
        shape = self.shape if self.shape.fields is not None else self.shape.child(ANY)
        return " ".join(((shape.kind.__doc__ if shape else "") or "").split())

    @property
    def unit(self) -> str:
        """The unit: the type's, else the one that the description names; empty where there is none."""
        shape = self.shape.child(ANY) if get_origin(self.shape.kind) in (dict, list) else self.shape
        for mark in shape.marks if shape else ():
            if isinstance(mark, Lasting):
                return "duration"
            if getattr(mark, "noun", "") == "a share":
                return "share"
            if isinstance(unit := getattr(mark, "unit", None), str) and unit:
                return unit
            if "UTC" in str(getattr(mark, "rule", "")):
                return "UTC"
        if self.is_distribution:
            return "duration"
        return self._named_unit() if self.is_number else ""

    def _named_unit(self) -> str:
        about, rate = self.shape.about, re.search(r"(?:^|_)(per_[a-z]+)", self.path[-1])
        if sure := _first(_UNITS, about):
            return sure
        if rate:
            noun = re.search(_NOUNS, about)
            return f"{noun[0] if noun else ''} {rate[1].replace('_', ' ')}".strip()
        return _first(_LESS_SURE, about)

    @property
    def is_number(self) -> bool:
        """Whether a number stands here, or a list or table of numbers; durations, dates and distributions are none."""
        shapes = [self.shape, *self.shape.members]
        shapes += [inner for one in shapes if (inner := one.child(ANY)) is not None and one.fields is None]
        plain = [one for one in shapes if not any(isinstance(mark, Lasting) for mark in one.marks)]
        return any(one.kind in (int, float) and "UTC" not in one.rule for one in plain)

    @property
    def rule(self) -> str:
        """What may stand here, in words."""
        if self.is_distribution:
            known = [tag for member in self.shape.members for tag in tags(member, _LAW)]
            return f"a table with law = {', '.join(known[:-1])} or {known[-1]}"
        return self.shape.rule

    def shown_default(self) -> str:
        """Return what holds when a scenario is silent, as TOML writes it; empty when nothing does."""
        if self.default is None or self.is_table:
            return ""
        if any(isinstance(mark, Lasting) for mark in self.shape.marks):
            return f'"{exact_duration_text(self.default)}"'
        return shown(self.default)


@cache
def keys() -> tuple[Key, ...]:
    """Return every key of the schema in its order, a table before what stands in it."""
    return tuple(each for key in _inner(Key((), Shape(Scenario))) for each in _walk(key))


@cache
def distributions() -> tuple[Key, ...]:
    """Return the keys of each distribution of durations, with the distribution's name for a path: ``lognormal.cv``."""
    parent = next(key for key in keys() if key.is_distribution)
    members = {tag: member for member in parent.shape.members for tag in tags(member, _LAW)}
    return tuple(
        key
        for name, member in members.items()
        for key in _inner(Key((name,), Shape(member.kind)))
        if key.path[-1] != _LAW
    )


def key_at(path: Sequence[str]) -> tuple[Key, KeyPath] | None:
    """Return the key of the schema that a path lies at or below, and the rest of the path; None if there is none.

    Only what has no keys of its own (a distribution, a list, a table of numbers) has a rest. A name
    in a path may be ``*``.
    """
    for end in range(len(path), 0, -1):
        for key in _of_length(end):
            if all(pattern in (ANY, name) for pattern, name in zip(key.path, path[:end], strict=True)):
                rest = tuple(path[end:])
                return (key, rest) if not rest or _may_lie_below(key, rest) else None
    return None


@cache
def _of_length(length: int) -> tuple[Key, ...]:
    return tuple(key for key in keys() if len(key.path) == length)


def _first(units: Sequence[tuple[str, str]], about: str) -> str:
    found = ((unit, re.search(pattern, about)) for pattern, unit in units)
    return next((unit or match[0] for unit, match in found if match), "")


def _may_lie_below(key: Key, rest: KeyPath) -> bool:
    if key.is_table:
        return False
    if key.is_distribution:
        return any(one.path[1] == rest[0] for one in distributions()) or rest == (_LAW,)
    kinds = [get_origin(one.kind) for one in (key.shape, *key.shape.members)]
    return len(rest) == 1 and any(kind in (dict, list) for kind in kinds)


def _walk(key: Key) -> Iterator[Key]:
    yield key
    for inner in _inner(key):
        yield from _walk(inner)


def _inner(key: Key) -> Iterator[Key]:
    """Yield the keys that stand directly below one; none below a distribution or plain values."""
    shape = key.shape
    if shape.fields is not None:
        for name, field in shape.fields.items():
            default = None if field.is_required() else field.get_default(call_default_factory=True)
            yield Key((*key.path, name), field_shape(field), default, field.is_required())
    elif get_origin(shape.kind) in (dict, list) and _holds_tables(shape):
        inner = shape.child(ANY)
        assert inner is not None
        yield Key((*key.path, ANY), inner)


def _holds_tables(shape: Shape) -> bool:
    args = get_args(shape.kind)
    return bool(args) and Shape(args[-1]).fields is not None
