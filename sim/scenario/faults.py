"""Wording of a scenario's faults: ``<file>: <key path>: got <value>; <rule>[; did you mean <key>?]``.

The wording is made from the model's types and descriptions, never from pydantic's own sentences.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, time
from difflib import get_close_matches
from typing import Annotated, Any, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError

from sim.scenario.schema.quantities import RULE_TYPE
from sim.scenario.schema.shape import Shape, one_of, shape_of, tags

Path = tuple[str | int, ...]
Fault = tuple[str | Path, object, str] | tuple[str | Path, object, str, str | None]
"""A fault between keys: the key path (dotted, or its parts), the value found, the rule, and an optional hint."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN_CHARS = 72
_SHOWN_DEPTH = 4
_SHOWN_BITS = 200


class ScenarioFaults(Exception):  # noqa: N818 - it carries faults, all of them
    """A scenario was refused; ``faults`` holds every reason, one sentence each."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = list(faults)


class Said(str):
    """A description of the value found, shown without quotes; text taken from the scenario is shown in quotes."""


NOTHING = Said("nothing")
NONE_TO_BE = ", and there is none"


@dataclass(frozen=True)
class Finding:
    """A fault not yet assigned to a file."""

    path: Path
    got: Any
    rule: str
    hint: str | None = None
    missing: bool = False

    def sentence(self, file: str) -> str:
        """Return the fault as the user reads it."""
        where = f"{file}: {path_text(self.path)}" if self.path else file
        return f"{where}: got {shown(self.got)}; {self.rule}" + (f"; did you mean {self.hint}?" if self.hint else "")


def path_text(path: Iterable[str | int]) -> str:
    """Return a key path as TOML writes it, list elements by their index from 0: ``shocks.0.at``."""
    keys = (str(key) for key in path)
    return ".".join(key if _BARE_KEY.fullmatch(key) else shown(key) for key in keys)


def shown(value: Any) -> str:
    """Return a raw value as TOML writes it, cut to a readable length."""
    if isinstance(value, Said):
        return str(value)
    text = _toml(value, _SHOWN_DEPTH)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 4]} ..."


def _toml(value: Any, depth: int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        whole = value.encode("utf-8", "backslashreplace").decode()
        return json.dumps(whole[: 2 * _SHOWN_CHARS], ensure_ascii=False)
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS:
        return f"a whole number of {value.bit_length()} bits"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, list | tuple):
        inside = [_toml(each, depth - 1) for each in value[:_SHOWN_CHARS]] if depth else ["..."]
        return f"[{', '.join(inside)}]"
    if isinstance(value, dict):
        pairs = list(value.items())[:_SHOWN_CHARS]
        inside = [f"{path_text([k])} = {_toml(v, depth - 1)}" for k, v in pairs] if depth else ["..."]
        return f"{{{', '.join(inside)}}}"
    return "nothing" if value is None else str(value)


def closest(word: Any, known: Iterable[Any]) -> str | None:
    """Return the known word that ``word`` may be a misspelling of, if one is similar."""
    if not isinstance(word, str):
        return None
    written = {str(k).lower(): str(k) for k in known}
    near = get_close_matches(word.lower(), written, n=1, cutoff=0.6)
    return written[near[0]] if near and written[near[0]] != word else None


def among(what: str, known: Iterable[Any]) -> str:
    """Return the rule that something must be one of the known ("a team"), or that there is none to be."""
    listed = [str(one) for one in known]
    return f"must be {what}: {', '.join(listed)}" if listed else f"must be {what}{NONE_TO_BE}"


def unknown_key(path: Path, got: Any, known: Iterable[str]) -> Finding:
    """Return the fault of a key that its table does not have."""
    known = sorted(known)
    hint = closest(path[-1], known)
    if hint:
        return Finding(path, got, "must be a known key", hint)
    table = f"a key of {path_text(path[:-1])}" if path[:-1] else "a top-level key"
    if not known:
        return Finding(path, got, f"must be {table}, which has none yet: name it in a file")
    return Finding(path, got, f"must be {table}: {', '.join(known)}")


def findings(shape: Shape, raw: Any, error: ValidationError) -> list[Finding]:
    """Return the faults that pydantic found in ``raw``, in words; one mistake gives one fault."""
    found: dict[tuple[Any, ...], Finding] = {}
    for detail in error.errors(include_url=False, include_input=False):
        for finding in _translated(shape, raw, detail):
            found.setdefault((finding.path, finding.rule), finding)
    hinted = {(*f.path[:-1], f.hint) for f in found.values() if f.hint}
    return [f for f in found.values() if not (f.missing and f.path in hinted)]


def _translated(shape: Shape, raw: Any, detail: Any) -> list[Finding]:
    """Follow the error's location through shape and value, then word it by the shape that stands there."""
    path: Path = ()
    here: Shape | None = shape
    parent = shape
    rest = list(detail["loc"])
    while True:
        if here is not None and here.members and not (detail["type"] == "missing" and not rest):
            if here.switch is None:
                return _in_union(here, raw, path)
            if not rest:
                break
            rest.pop(0)
            here = here.member_for(raw)
            continue
        if not rest or here is None or rest[0] == "[key]":
            break
        key = rest.pop(0)
        parent, here, path = here, here.child(key), (*path, key)
        raw = under(raw, (key,))
    return [_worded(detail, here, parent, raw, path)]


def under(raw: Any, path: Path) -> Any:
    """Return what stands at ``path`` within a raw value, or NOTHING."""
    try:
        for key in path:
            raw = raw[key]
    except (KeyError, IndexError, TypeError):
        return NOTHING
    return raw


def _in_union(shape: Shape, raw: Any, path: Path) -> list[Finding]:
    """Word the faults of a union without a switch by the member that the value was meant for."""
    member = shape.member_for(raw)
    if member is None:
        return [Finding(path, raw, _with_meaning(f"must be {shape.rule}", shape))]
    config = None if member.fields is not None else ConfigDict(strict=True, allow_inf_nan=False)
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[member.kind, None, *member.marks], config=config)  # type: ignore[arg-type]
    try:
        adapter.validate_python(raw, strict=True)
    except ValidationError as error:
        about = Shape(member.kind, member.marks, shape.about)
        inner = findings(about, raw, error)
        return [Finding((*path, *f.path), f.got, f.rule, f.hint, f.missing) for f in inner]
    return [Finding(path, raw, _with_meaning(f"must be {shape.rule}", shape))]


def _worded(detail: Any, here: Shape | None, parent: Shape, raw: Any, path: Path) -> Finding:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return unknown_key(path, raw, parent.fields or {})
    if kind == "missing":
        return Finding(path, NOTHING, _with_meaning("must be given", here), missing=True)
    if kind in ("value_error", "assertion_error"):
        return Finding(path, raw, str(context.get("error", "must be valid")))
    if "[key]" in detail["loc"]:
        here, raw = shape_of(get_args(parent.kind)[0]), path[-1]
    if here is None:
        return Finding(path, raw, "must be of the type that this key requires")
    if here.switch is not None:
        return _wrong_switch(here, raw, path)
    if kind == RULE_TYPE:
        return Finding(path, raw, _with_meaning(context["rule"], here))
    hint = closest(raw, get_args(here.kind)) if kind == "literal_error" else None
    finite = ", and finite" if kind == "finite_number" else ""
    return Finding(path, raw, _with_meaning(f"must be {here.rule}{finite}", here), hint)


def _wrong_switch(here: Shape, raw: Any, path: Path) -> Finding:
    known = [tag for member in here.members for tag in tags(member, here.switch or "")]
    rule = f"must be {one_of(known)}"
    if not isinstance(raw, dict):
        return Finding(path, raw, _with_meaning(f"must be a table with {here.switch} = {one_of(known)}", here))
    got = raw.get(here.switch, NOTHING)
    return Finding((*path, here.switch or ""), got, rule, closest(got, known))


def _with_meaning(rule: str, shape: Shape | None) -> str:
    """Return the rule with the field's description behind it, unless the rule names its own unit."""
    if shape is None or not shape.about or any(getattr(mark, "unit", "") for mark in shape.marks):
        return rule
    return f"{rule} ({shape.about})"
