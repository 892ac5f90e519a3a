"""Layers merged over each other, and the file that set each key.

- Tables merge key by key; everything else, lists included, is replaced. A table whose ``law`` changes is replaced
  as a whole, since the keys of the old distribution mean nothing to the new one.
- ``remove = ["categories.vip"]`` at the top of a file takes inherited keys away before the file's own are laid over.
- ``[expect]``, ``question`` and ``answers`` belong to the file they stand in: another scenario asks something else and
  has other outcomes, so they are not inherited.
- A layer that gives ``market.begin`` and no ``start`` does not inherit one: its run has the dates of its candles.
- ``--set key.path=value`` is the last layer. It replaces what stands at its path, as a whole; elements of lists are
  addressed by index (``path.0``). The path to it must exist: only its last key may be new. Setting a path twice is
  a fault.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sim.scenario.faults import NOTHING, Finding, Path, Said, closest, path_text, under, unknown_key
from sim.scenario.loading.files import OWN_KEYS, REMOVE, Layer
from sim.scenario.schema.shape import Shape

SET = "--set"
OF_ITS_FILE = ("expect", "question", "answers")
"""Keys that hold for the file they stand in, and are not inherited."""
_START, _CANDLES_BEGIN = "start", ("market", "begin")
_SWITCH = "law"
_SET_RULE = "must be key.path=value (such as days=7 or teams.front.agents=3)"


@dataclass
class Merged:
    """The layers laid over each other, which file set what, and which took away a table of what name.

    ``file`` is the outermost file.
    """

    file: str
    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, str] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)

    def file_of(self, path: Path, got: Any = None) -> str:
        """Return the file that last set ``path``, took it away, or touched the nearest table above it.

        Where a name was ``got`` that a file took away later, it is that file.
        """
        if isinstance(got, str) and got in self.taken and self.origins.get(path) != SET:
            return self.taken[got]
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path, self.file)

    def lay(self, table: dict[str, Any], file: str) -> None:
        """Lay a file's tables over the existing ones."""
        self._lay(table, self.data, (), file)

    def _lay(self, table: dict[str, Any], under: dict[str, Any], path: Path, file: str) -> None:
        for key, value in table.items():
            here, there = (*path, key), under.get(key)
            if isinstance(value, dict) and isinstance(there, dict) and not _switched(there, value):
                self.origins[here] = file
                self._lay(value, there, here, file)
            else:
                self.put(here, value, under, file)

    def put(self, path: Path, value: Any, parent: Any, file: str) -> None:
        """Replace what stands at ``path``, in its table or list ``parent``."""
        self.forget(path)
        self.taken.pop(str(path[-1]), None)
        parent[path[-1]] = _copied(value)
        for inner in _paths(value, path):
            self.origins[inner] = file

    def drop(self, key: str) -> None:
        """Remove what an outer file does not inherit."""
        self.data.pop(key, None)
        self.forget((key,))

    def take_away(self, path: Path, file: str) -> None:
        """Note that a file took away what an inner one had set."""
        self.forget(path)
        self.origins[path] = file
        self.taken[str(path[-1])] = file

    def forget(self, path: Path) -> None:
        """Forget the files that set ``path`` and the keys below it."""
        if path not in self.origins:
            return
        for known in [each for each in self.origins if each[: len(path)] == path]:
            del self.origins[known]


def merge(layers: Sequence[Layer], file: str) -> tuple[Merged, list[str]]:
    """Return the layers laid over each other, the first undermost, and the faults in their ``remove``."""
    merged, faults = Merged(file), []
    for layer in layers:
        for key in OF_ITS_FILE:
            merged.drop(key)
        found = _remove(merged, layer.removed, layer.file)
        faults += [finding.sentence(layer.file) for finding in found]
        if under(layer.data, _CANDLES_BEGIN) is not NOTHING and _START not in layer.data:
            merged.drop(_START)
        merged.lay(layer.data, layer.file)
    return merged, faults


def apply_sets(merged: Merged, shape: Shape, sets: Sequence[str]) -> list[str]:
    """Lay ``--set`` arguments over ``merged``; return the faults in them."""
    findings: list[Finding] = []
    given: dict[Path, str] = {}
    for text in sets:
        if not isinstance(text, str):  # from Python
            findings.append(Finding((), text, _SET_RULE))
            continue
        key, equals, value_text = text.partition("=")
        path = _key_path(key)
        if not equals or path is None or _unprintable(text):
            findings.append(Finding((), text, _SET_RULE))
            continue
        if path in given:
            got = Said(f"{given[path]}, then {value_text.strip()}")
            findings.append(Finding(path, got, "must be set once"))
            continue
        given[path] = value_text.strip()
        if path == _CANDLES_BEGIN and not any(str(one).startswith(f"{_START}=") for one in sets):
            merged.drop(_START)
        finding = _set(merged, shape, path, _value(value_text))
        findings += [finding] if finding else []
    return [finding.sentence(SET) for finding in findings]


def _set(merged: Merged, shape: Shape, path: Path, value: Any) -> Finding | None:
    """Set one value at an allowed path; an unknown path to it is a fault."""
    here: Shape | None = shape
    table: Any = merged.data
    done: Path = ()
    for depth, word in enumerate(path):
        last = depth == len(path) - 1
        here = here.member_for(table) if here is not None else None
        key, finding = _step(table, here, (*done, word), value, last=last)
        if finding is not None:
            return finding
        done = (*done, key)
        if last:
            merged.put(done, value, table, SET)
            return None
        if isinstance(table, dict):
            table.setdefault(str(key), {})
        merged.origins[done] = SET
        table, here = table[key], here.child(key) if here is not None else None
    return None


def _step(table: Any, shape: Shape | None, path: Path, value: Any, *, last: bool) -> tuple[str | int, Finding | None]:
    """Return the key or index of the path's last word in ``table``, or the fault of its not being there."""
    word = path[-1]
    if isinstance(table, list):
        if str(word).isdecimal() and int(word) < len(table):
            return int(word), None
        return word, Finding(path, value, f"must be an element of the list, from 0 to {len(table) - 1}")
    if not isinstance(table, dict):
        return word, Finding(path, value, f"must be a key of a table, which {path_text(path[:-1])} is not")
    may_be = list(shape.fields) if shape is not None and shape.fields is not None else []
    if word in table or word in may_be or (last and not may_be):
        return word, None
    return word, unknown_key(path, value, may_be or table)


def _remove(merged: Merged, removed: Any, file: str) -> list[Finding]:
    """Take inherited keys away; return the faults."""
    if removed is None:
        return []
    if not isinstance(removed, list):
        return [Finding((REMOVE,), removed, f"must be a list ({OWN_KEYS[REMOVE]})")]
    return [f for i, text in enumerate(removed) if (f := _remove_one(merged, i, text, file)) is not None]


def _remove_one(merged: Merged, i: int, text: Any, file: str) -> Finding | None:
    path = _key_path(text) if isinstance(text, str) else None
    if path is None:
        return Finding((REMOVE, i), text, "must be a key path in quotes")
    table: Any = merged.data
    for depth, key in enumerate(path):
        if not isinstance(table, dict) or key not in table:
            near = closest(key, table) if isinstance(table, dict) else None
            hint = path_text((*path[:depth], near, *path[depth + 1 :])) if near else None
            return Finding((REMOVE, i), text, "must be a key that is inherited", hint)
        if depth == len(path) - 1:
            del table[key]
            merged.take_away(path, file)
        else:
            table = table[key]
    return None


def _key_path(text: str) -> Path | None:
    """Return the keys of a TOML key path, or None if it is none."""
    if "\n" in text or "=" in text or "#" in text:
        return None
    try:
        table: Any = tomllib.loads(f"{text} = 0")
    except (ValueError, RecursionError):
        return None
    path: list[str] = []
    while isinstance(table, dict):
        [(key, table)] = table.items()
        path.append(key)
    return tuple(path)


def _value(text: str) -> Any:
    """Return a TOML value, or the text itself where it is none: 12 min, volatility."""
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text.strip()
    return table["value"] if len(table) == 1 else text.strip()


def _unprintable(text: str) -> bool:
    return any("\ud800" <= c <= "\udfff" for c in text)


def _switched(there: dict[str, Any], value: dict[str, Any]) -> bool:
    return _SWITCH in there and _SWITCH in value and there[_SWITCH] != value[_SWITCH]


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    return [_copied(each) for each in value] if isinstance(value, list) else value


def _paths(value: Any, path: Path) -> Iterator[Path]:
    yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        yield from _paths(each, (*path, key))
