"""The files of a scenario: reading one, and finding the chain of those that it ``extends``.

``extends`` is a name or a path relative to the file: it is looked for beside the file, then in the catalogue.
Chains are allowed, a cycle is refused. The layers below an unreadable file stay unknown; all other faults are reported.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from sim.scenario.faults import Finding, Said, closest
from sim.scenario.loading import catalogue
from sim.scenario.loading.from_python import FILE, tables_of

Source = str | Path | Mapping[str, Any]
"""Where a scenario comes from: a path, a name of the catalogue, or a dict with the keys of a file."""

EXTENDS, REMOVE = "extends", "remove"
OWN_KEYS = {
    EXTENDS: "the scenario that this one changes: a file beside it, or a name of the catalogue",
    REMOVE: 'inherited keys to take away, such as ["categories.vip"]',
}
DEEPEST = 32
_AT_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_MUST_BE_FILE = "must be a file that exists, or a scenario of the catalogue"


@dataclass(frozen=True)
class Layer:
    """One file of a chain: its name in faults, its text, and its tables (without ``extends`` and ``remove``)."""

    file: str
    text: str
    data: dict[str, Any]
    removed: Any = None


@dataclass
class FileChain:
    """The layers of a scenario, the outermost first, and the faults met on the way, as sentences."""

    file: str
    layers: list[Layer] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def read_chain(source: Source) -> FileChain:
    """Return the layers of a path, a catalogue name or a dict, the source itself last, with all faults in reading."""
    if isinstance(source, Mapping):
        return _chain_of_dict(source)
    if not isinstance(source, str | Path):
        rule = "must be a path, a scenario of the catalogue, or a dict of a scenario's keys"
        return FileChain("load", faults=[Finding((), Said(repr(source)[:60]), rule).sentence("load")])
    found = _locate(source)
    if found is None:
        hint = closest(Path(source).name.removesuffix(".toml"), catalogue.names())
        missing = Finding((), Said("no such file"), _MUST_BE_FILE, hint)
        return FileChain(str(source), faults=[missing.sentence(str(source))])
    chain = FileChain(_name(found, source))
    _read_on(chain, found)
    return chain


def _chain_of_dict(given: Mapping[str, Any]) -> FileChain:
    """Return the layers of a dict, which may extend a file in the working directory or of the catalogue."""
    chain = FileChain(FILE)
    data, findings = tables_of(given, DEEPEST)
    if findings:
        chain.faults += [finding.sentence(FILE) for finding in findings]
        return chain
    chain.layers.append(Layer(FILE, "", data, data.pop(REMOVE, None)))
    path, finding = _parent(Path(FILE), data.pop(EXTENDS, None), {})
    if finding is not None:
        chain.faults.append(finding.sentence(FILE))
    _read_on(chain, path)
    return chain


def _read_on(chain: FileChain, first: Path | None) -> None:
    """Lay a file and all that it extends below the layers of a chain."""
    path, names = first, dict[Path, str]()
    while path is not None:
        file = chain.file if path == first and not chain.layers else _name(path)
        names[path.resolve()] = file
        layer, finding = _read(path, file)
        if layer is None:
            chain.faults.append(finding.sentence(file) if finding else file)
            break
        chain.layers.insert(0, layer)
        path, finding = _parent(path, layer.data.pop(EXTENDS, None), names)
        if finding is not None:
            chain.faults.append(finding.sentence(file))


def _locate(source: str | Path) -> Path | None:
    """Return the file of a path or a name: a bare name is the catalogue's first, a file's second."""
    if isinstance(source, str) and source in catalogue.names():
        return catalogue.path_of(source)
    try:
        return Path(source) if os.path.lexists(source) else None
    except ValueError:
        return None


def _name(path: Path, source: str | Path | None = None) -> str:
    """Return the file's name in faults: as the user gave it, else relative to the working directory if near it."""
    if source is not None and Path(source) == path:
        return str(source)
    near = os.path.relpath(path)
    return str(path) if near.startswith("..") else near


def _parent(path: Path, name: Any, seen: dict[Path, str]) -> tuple[Path | None, Finding | None]:
    """Return the file that ``path`` extends, if any, or the fault in its ``extends``."""
    if name is None:
        return None, None
    if not isinstance(name, str) or not name.strip():
        return None, Finding((EXTENDS,), name, f"must be text in quotes ({OWN_KEYS[EXTENDS]})")
    file = name if name.endswith(".toml") else f"{name}.toml"
    in_catalogue = name.removesuffix(".toml")
    places = [path.parent / file]
    if in_catalogue in catalogue.names():
        places.append(catalogue.path_of(in_catalogue))
    there = [place for place in places if "\0" not in file and os.path.lexists(place)]
    if not there:
        beside = [each.stem for each in path.parent.glob("*.toml") if each != path]
        hint = closest(in_catalogue, [*beside, *catalogue.names()])
        return None, Finding((EXTENDS,), name, "must be a file beside this one, or a scenario of the catalogue", hint)
    # A copy of baseline.toml that extends "baseline" means the catalogue's, not itself.
    parent = next((place for place in there if place.resolve() != path.resolve()), there[0])
    if parent.resolve() in seen:
        round_trip = " -> ".join([*seen.values(), seen[parent.resolve()]])
        rule = f"must not extend a file of its own chain ({round_trip})"
        return None, Finding((EXTENDS,), name, rule)
    return parent, None


def _read(path: Path, file: str) -> tuple[Layer | None, Finding | None]:
    """Return the layer of one file, or the fault that keeps it from being one."""
    if not path.is_file() and not path.is_fifo():
        got = "a directory" if path.is_dir() else "no readable file"
        return None, Finding((), Said(got), "must be a TOML file")
    try:
        raw = _content(path)
    except OSError as error:
        return None, Finding((), Said(f"no access ({error.strerror})"), "must be a readable file")
    try:
        text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return None, Finding((), Said(f"bytes in line {line} that are not UTF-8"), "must be UTF-8 text")
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return None, _not_toml(text, error)
    if not data:
        got = "nothing but comments" if text.strip() else "an empty file"
        return None, Finding((), Said(got), "must be a scenario: TOML with a title and more")
    if _too_deep(data):
        rule = f"must nest tables and lists {DEEPEST} deep at most"
        return None, Finding((), Said("tables nested too deeply"), rule)
    return Layer(file, text, data, data.pop(REMOVE, None)), None


def _content(path: Path) -> bytes:
    """Return the bytes of a file; those of a pipe, which can be read once only, are kept for the next time."""
    return _piped(path) if path.is_fifo() else path.read_bytes()


@cache
def _piped(path: Path) -> bytes:
    return path.read_bytes()


def _not_toml(text: str, error: Exception) -> Finding:
    """Word the parser's complaint, with the line and its number."""
    if isinstance(error, RecursionError):
        return Finding((), Said("brackets nested too deeply"), f"must nest {DEEPEST} deep at most")
    match = _AT_LINE.search(str(error))
    lines = text.splitlines() or [""]
    number = int(match[1]) if match and match[1] else len(lines)
    reason = str(error)[: match.start()] if match else "a value out of bounds"
    line = Said(f"line {number}, {lines[min(number, len(lines)) - 1].strip()[:60]!r}")
    if reason.startswith(("Cannot overwrite", "Cannot declare", "Duplicate inline table key")):
        return Finding((), line, "must give each key and each table once")
    return Finding((), line, f"must be TOML ({reason[:1].lower()}{reason[1:]})")


def _too_deep(data: dict[str, Any]) -> bool:
    nested: list[Any] = [data]
    for _ in range(DEEPEST):
        inner = [v for each in nested for v in (each.values() if isinstance(each, dict) else each)]
        nested = [value for value in inner if isinstance(value, dict | list)]
    return bool(nested)
