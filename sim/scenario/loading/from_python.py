"""A scenario given in Python as a dict: its tables as if they were read from a file, or the faults that forbid it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, time
from numbers import Integral, Real
from typing import Any

from sim.scenario.faults import Finding, Path, Said

FILE = "dict"
"""What a scenario without a file is called in faults."""
_RULE = "must be what TOML holds: text, a number, true or false, a date, a list or a table"


def tables_of(given: Mapping[Any, Any], deepest: int) -> tuple[dict[str, Any], list[Finding]]:
    """Return a copy of a dict with plain numbers, lists and dicts, and the faults in what is none of these."""
    faults: list[Finding] = []
    plain = {key: _plain(value, (key,), deepest, faults) for key, value in _named(given, (), faults)}
    if not plain and not faults:
        faults.append(Finding((), Said("an empty dict"), "must be a scenario: a title and more"))
    return plain, faults


def _plain(value: Any, path: Path, deepest: int, faults: list[Finding]) -> Any:
    if len(path) > deepest:
        rule = f"must nest tables and lists {deepest} deep at most"
        faults.append(Finding(path[:1], Said("tables nested too deeply"), rule))
    elif isinstance(value, Mapping):
        return {key: _plain(each, (*path, key), deepest, faults) for key, each in _named(value, path, faults)}
    elif isinstance(value, list | tuple):
        return [_plain(each, (*path, i), deepest, faults) for i, each in enumerate(value)]
    elif isinstance(value, str | bool | date | time):
        return value
    elif isinstance(value, Integral):  # numpy's too
        return int(value)
    elif isinstance(value, Real):
        return float(value)
    else:
        faults.append(Finding(path, Said(repr(value)[:60]), _RULE))
    return None


def _named(table: Mapping[Any, Any], path: Path, faults: list[Finding]) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a table whose keys are text."""
    for key, value in table.items():
        if isinstance(key, str):
            yield str(key), value
        else:
            faults.append(Finding(path, Said(f"the key {key!r}"), "must be a table, whose keys are text"))
