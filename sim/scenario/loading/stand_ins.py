"""Values that stand in for refused ones, so that the rules between keys can speak of all the others."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, get_args, get_origin

from sim.scenario.faults import Finding
from sim.scenario.schema.quantities import Lasting, Number, Whole, exact_duration_text
from sim.scenario.schema.shape import Shape, field_shape


def stood_in(shape: Shape, data: dict[str, Any], refused: Sequence[Finding], which: int) -> dict[str, Any]:
    """Return the data with a value of the right kind at each refused place; ``which`` (0 or 1) chooses among two.

    A key that nothing may have is taken away, or written as it may have been meant. Raises LookupError where no value
    is known.
    """
    filled = deepcopy(data)
    for finding in refused:
        path = finding.path
        table: Any = filled
        here = shape
        for key in path[:-1]:
            here = _below(here, table, key)
            table = table[key]
        place = here.member_for(table) if here.members else here
        meant = _meant(place, finding)
        if meant is not None:
            value = _value(meant[1], which)
            if isinstance(value, dict):
                raise LookupError(path)  # its names are unknown, and others may rightly speak of them
            table[meant[0]] = value
        if isinstance(table, dict) and (meant is None or meant[0] != path[-1]):
            table.pop(path[-1], None)
        elif meant is None:
            raise LookupError(path)
    return filled


def _meant(place: Shape | None, finding: Finding) -> tuple[str | int, Shape] | None:
    """Return the key that a refused one was meant for, itself or the one that it may be a misspelling of."""
    for key in (finding.path[-1], finding.hint):
        known = place.child(key) if place is not None and key is not None else None
        if key is not None and known is not None:
            return key, known
    return None


def _below(shape: Shape, table: Any, key: str | int) -> Shape:
    member = shape.member_for(table)
    child = member.child(key) if member is not None else None
    if child is None or not isinstance(table, dict | list):
        raise LookupError(key)
    return child


def _value(shape: Shape, which: int) -> Any:
    """Return one of two values of a shape, the least that it takes."""
    for mark in shape.marks:
        if isinstance(mark, Number | Whole):
            least = mark.low if mark.low is not None else getattr(mark, "above", None) or 0
            step = (mark.high - least) / 4 if mark.high is not None else 1
            number = least + (1 + which) * step
            return int(number) if isinstance(mark, Whole) else float(number)
        if isinstance(mark, Lasting):
            return exact_duration_text(min(mark.high_ms, max(mark.low_ms, (1 + which) * 3_600_000)))
    if shape.members:
        return _value(shape.members[0], which)
    if shape.fields is not None:
        needed = {name: field for name, field in shape.fields.items() if field.is_required()}
        return {name: _value(field_shape(field), which) for name, field in needed.items()}
    return _plain(shape, which)


def _plain(shape: Shape, which: int) -> Any:
    origin = get_origin(shape.kind) or shape.kind
    if origin is bool:
        return bool(which)
    if origin is str:
        return "ab"[which]
    if origin in (dict, list):
        child = shape.child("ab"[which] if origin is dict else 0)
        filled = [_value(child, which)] * 2 if child is not None else []
        return filled if origin is list else dict(zip("ab"[which], filled, strict=False))
    if choices := get_args(shape.kind):
        return choices[-which]
    raise LookupError(shape)
