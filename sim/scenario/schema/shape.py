"""The shape of a scenario: a model's annotations as a tree that can be walked along the keys of a TOML file.

It answers what pydantic's errors leave out: which keys a table may have, which alternative of a union a raw value
was meant for, and a value's whole rule in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sim.scenario.schema.quantities import bounds


@dataclass(frozen=True)
class Shape:
    """One place in the tree: its type without ``None`` and ``Annotated``, what was annotated, its description."""

    kind: Any
    marks: tuple[Any, ...] = ()
    about: str = ""

    @property
    def members(self) -> tuple[Shape, ...]:
        """The alternatives of a union; none for anything else."""
        if get_origin(self.kind) not in (Union, UnionType):
            return ()
        return tuple(shape_of(member) for member in get_args(self.kind))

    @property
    def switch(self) -> str | None:
        """The key whose value chooses among the members, if there is one."""
        for mark in self.marks:
            if isinstance(mark, FieldInfo) and isinstance(mark.discriminator, str):
                return mark.discriminator
        return None

    @property
    def fields(self) -> dict[str, FieldInfo] | None:
        """The keys that this table may have, or None where it is no table or its keys are free."""
        if not _is_model(self.kind):
            return None
        if not self.kind.__pydantic_fields_complete__:  # a forward reference, resolved by its module
            self.kind.model_rebuild(force=True)
        return self.kind.model_fields

    def child(self, key: str | int) -> Shape | None:
        """Return the shape of what stands under ``key``, or None if nothing may."""
        if self.fields is not None:
            field = self.fields.get(str(key))
            return None if field is None else field_shape(field)
        origin, args = get_origin(self.kind), get_args(self.kind)
        if origin is dict:
            return shape_of(args[1])
        if origin is list or (origin is tuple and args[-1] is Ellipsis):
            return shape_of(args[0])
        if origin is tuple and isinstance(key, int) and key < len(args):
            return shape_of(args[key])
        return None

    def member_for(self, raw: Any) -> Shape | None:
        """Return the member that ``raw`` was meant for, by its switch or its kind; itself if it is no union."""
        members = self.members
        if not members:
            return self
        if self.switch is not None:
            tag = raw.get(self.switch) if isinstance(raw, dict) else None
            return next((m for m in members if tag in tags(m, self.switch)), None)
        fitting = [member for member in members if member.takes(raw)]
        return fitting[0] if fitting else None

    def takes(self, raw: Any) -> bool:
        """Return whether ``raw`` is of this shape's kind: a table, a list, text, a number or a boolean."""
        origin = get_origin(self.kind) or self.kind
        if isinstance(raw, dict):
            return origin is dict or _is_model(self.kind)
        if isinstance(raw, list | tuple):
            return origin in (list, tuple)
        if isinstance(raw, bool):
            return origin is bool
        if isinstance(raw, str):
            return origin in (str, Literal)
        return isinstance(raw, int | float) and origin in (int, float)

    @property
    def rule(self) -> str:
        """The value expected here, in words that follow "must be": "a whole number, 0 or more"."""
        for mark in self.marks:
            if isinstance(rule := getattr(mark, "rule", None), str):
                return rule.removeprefix("must be ")
        if members := self.members:
            return ", or ".join(dict.fromkeys(member.rule for member in members))
        return self._plain_rule()

    def _plain_rule(self) -> str:
        origin = get_origin(self.kind) or self.kind
        low, high, above, below = (self._mark(name) for name in ("ge", "le", "gt", "lt"))
        least, pattern = self._mark("min_length"), self._mark("pattern")
        if origin is Literal:
            return one_of(get_args(self.kind))
        if origin is bool:
            return "true or false, without quotes"
        if origin in (int, float):
            noun = "a whole number" if origin is int else "a number"
            return noun + bounds(low, high, above) + (f", below {below:,}" if below is not None else "")
        if origin is str:
            form = f" of the form {pattern}" if pattern else ""
            return f"text in quotes{form}" + (", not empty" if least and not pattern else "")
        noun = "a list" if origin in (list, tuple) else "a table"
        if not least:
            return noun
        inside = f"element{'s' * (least > 1)}" if noun == "a list" else f"entr{'ies' if least > 1 else 'y'}"
        return f"{noun} of at least {least} {inside}"

    def _mark(self, name: str) -> Any:
        found = (getattr(mark, name, None) for mark in self.marks if not isinstance(mark, FieldInfo))
        return next((value for value in found if value is not None), None)


def shape_of(annotation: Any, marks: Sequence[Any] = (), about: str = "") -> Shape:
    """Return the shape of a type: ``Annotated`` and "or None" are taken off, what they said is kept."""
    while True:
        args = get_args(annotation)
        if get_origin(annotation) is Annotated:
            inner = [m for mark in args[1:] for m in (mark, *getattr(mark, "metadata", ()))]
            marks, annotation = (*marks, *inner), args[0]
        elif get_origin(annotation) in (Union, UnionType) and NoneType in args:
            annotation = reduce(or_, (arg for arg in args if arg is not NoneType))
        else:
            return Shape(annotation, tuple(marks), about)


def field_shape(field: FieldInfo) -> Shape:
    """Return the shape of a model's field."""
    return shape_of(field.annotation, (field, *field.metadata), field.description or "")


def tags(member: Shape, switch: str) -> tuple[Any, ...]:
    """Return the values of ``switch`` that choose this member of a union."""
    field = (member.fields or {}).get(switch)
    return get_args(field.annotation) if field is not None else ()


def one_of(values: Sequence[Any]) -> str:
    """Return ``"a", "b" or "c"``."""
    shown = [f'"{value}"' if isinstance(value, str) else str(value) for value in values]
    return f"{', '.join(shown[:-1])} or {shown[-1]}" if len(shown) > 1 else "".join(shown)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
