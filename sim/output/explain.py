"""The meaning of a scenario's key or a metric: unit, rule, value, source, plausible range, and where it acts.

Keys with their units, meanings and rules come from the schema; values, sources and ranges from a scenario's files;
where a key acts from the checklist, whose every line a test proves.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

from sim.metrics.registry import METRICS, metric_of
from sim.scenario.faults import ScenarioFaults, closest, path_text, shown
from sim.scenario.loading.files import read_chain
from sim.scenario.loading.load import load, resolved
from sim.scenario.loading.merge import merge
from sim.scenario.reference.keys import ANY, Key, KeyPath, distributions, key_at, keys
from sim.scenario.reference.provenance import Provenance, provenance_of
from sim.scenario.schema.quantities import exact_duration_text

_FILE = Path(__file__).resolve().parents[1] / "checklist.toml"
_BETTER = {-1: "less is better", 0: "neither more nor less is better", 1: "more is better"}
_WHERE = "command line: KEY"
Pair = tuple[str, str]


@dataclass(frozen=True)
class Explanation:
    """An entry: a heading, lines of (label, text), and rows, of which the first is the header."""

    heading: str
    lines: tuple[Pair, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Values:
    """A scenario's values as its files give them, the defaults, and where the numbers come from."""

    name: str
    given: Mapping[str, Any]
    resolved: Mapping[str, Any]
    provenance: Mapping[str, Provenance]


def overview() -> list[Pair]:
    """Return every key of the schema, every key of a distribution, and every metric, with its meaning."""
    lines = [(key.name, _meaning_and_unit(key)) for key in keys()]
    lines += [(f"distribution {key.name}", _meaning_and_unit(key)) for key in distributions()]
    return lines + [(f"metric {one.name}", f"{one.meaning} ({one.unit})") for one in METRICS]


def explain(text: str, values: Values) -> Explanation:
    """Return the entry of a key, with its value in a scenario, or of a metric.

    ``text`` is a key path (``categories.howto.share``, ``categories.*.share``), the last keys of one where they are
    no other's, a distribution's key (``lognormal.cv``), or a metric. Raises ScenarioFaults for anything else.
    """
    if distribution := next((one for one in distributions() if one.name == text), None):
        return Explanation(
            f"distribution {text}",
            (("meaning", distribution.meaning), ("unit", distribution.unit or "none"), ("must be", distribution.rule)),
        )
    path = _path(text, values)
    if path is None:
        return _metric(text)
    found = key_at(path)
    assert found is not None
    key, rest = found
    return _table(key, path, values) if key.is_table else _parameter(key, rest, path, values)


def values_of(scenario: str | Path) -> Values:
    """Return the values of a scenario. Raises ScenarioFaults with every fault of its files."""
    whole = resolved(load(scenario))
    layers = read_chain(scenario).layers
    merged, _ = merge(layers, layers[-1].file)
    return Values(Path(scenario).stem, merged.data, whole, provenance_of(scenario))


# --- where a key acts ---------------------------------------------------------------------------------------------


@cache
def checklist() -> Mapping[str, Any]:
    """Return the checklist: what each mechanism is represented by, who reads each key, and what a change moves."""
    return tomllib.loads(_FILE.read_text("utf-8"))


@cache
def effects() -> tuple[tuple[Key, tuple[str, ...]], ...]:
    """Return every change of the checklist: the key, and the metrics and columns of tables that it moves."""
    found, of_rows = [], [row.get("change", []) for row in checklist()["rows"].values()]
    for change in chain(*of_rows, checklist()["change"]):
        at = key_at(change["key"].split("."))
        if at is not None:
            found.append((at[0], tuple(metric.partition(".")[0] for metric in change["moves"])))
    return tuple(found)


def metrics_moved(key: Key) -> list[str]:
    """Return what a change of the key, or of a key below it, has been shown to move."""
    below = [moves for one, moves in effects() if one.path[: len(key.path)] == key.path]
    return list(dict.fromkeys(metric for moves in below for metric in moves))


def keys_moving(metric: str) -> list[str]:
    """Return the keys whose change has been shown to move a metric."""
    return list(dict.fromkeys(key.name for key, moves in effects() if metric in moves))


def read_by(key: Key) -> list[str]:
    """Return the files that read a key: those of the longest path in the checklist that it begins with."""
    table: Mapping[str, list[str]] = checklist()["read_by"]
    names = [".".join(key.path[:end]) for end in range(len(key.path), 0, -1)]
    return next((list(table[name]) for name in names if name in table), [])


# --- entries ------------------------------------------------------------------------------------------------------


def _metric(name: str) -> Explanation:
    metric = metric_of(name)
    lines = [("meaning", metric.meaning), ("unit", metric.unit), ("better", _BETTER[metric.better])]
    if metric.name != name:
        lines.append(("of", f"{name.partition('.')[2]} alone"))
    if moving := keys_moving(metric.name):
        lines.append(("moved by", ", ".join(moving)))
    return Explanation(f"metric {name}", tuple(lines))


def _table(key: Key, path: KeyPath, values: Values) -> Explanation:
    """Return a table's meaning, and the values of its keys where they stand in the scenario."""
    places = [at for at in concrete(path, values.resolved) if _under(values.resolved, at) is not None]
    inner = [each for each in keys() if each.path[: len(key.path)] == key.path and not each.is_table]
    rows = [("key", "meaning", f"in {values.name}")]
    for place in places[:1]:
        own = [(*place, *each.path[len(key.path) :]) for each in inner]
        rows += [
            (path_text(at), _meaning_and_unit(each), _value(each, at, values)[0])
            for each, pattern in zip(inner, own, strict=True)
            for at in concrete(pattern, values.resolved)
        ]
    if not places:
        rows += [(each.name, _meaning_and_unit(each), "-") for each in inner]
    return Explanation(".".join(path), (("meaning", key.meaning), *_acting(key)), tuple(rows))


def _parameter(key: Key, rest: KeyPath, path: KeyPath, values: Values) -> Explanation:
    meaning, unit, rule = key.meaning, key.unit, key.rule
    if key.is_distribution and rest:
        inner = next(one for one in distributions() if one.path[1] == rest[0])
        meaning, unit, rule = f"{meaning}: {inner.meaning}", inner.unit, inner.rule
    lines = [("meaning", meaning), ("unit", unit or "none"), ("must be", rule)]
    if default := key.shown_default():
        lines.append(("default", default))
    places = concrete(path, values.resolved)
    found = [(path_text(at), *_value(key, at, values), *_source(at, values)) for at in places]
    rows: list[tuple[str, ...]] = []
    if len(found) == 1:
        _, value, origin, source, span = found[0]
        lines += [(f"in {values.name}", f"{value}{origin}"), ("source", source), ("range", span)]
    elif found:
        rows = [("key", f"in {values.name}", "source", "range")]
        rows += [(name, f"{value}{origin}", source, span) for name, value, origin, source, span in found]
    else:
        lines.append((f"in {values.name}", "no such table"))
    return Explanation(".".join(path), (*lines, *_acting(key)), tuple(rows))


def _acting(key: Key) -> list[Pair]:
    lines = [("read by", ", ".join(read_by(key)))]
    reason = checklist()["moves_nothing"].get(key.name)
    moved = metrics_moved(key)
    return [*lines, ("moves", ", ".join(moved) if moved else f"no metric: {reason}" if reason else "not shown")]


def _meaning_and_unit(key: Key) -> str:
    unit = key.unit.partition(":")[0]
    return f"{key.meaning} ({unit})" if unit and unit not in key.meaning else key.meaning


def _value(key: Key, at: KeyPath, values: Values) -> Pair:
    """Return what stands at a place, as TOML writes it, and the words "(default)" where no file says it."""
    given = _under(values.given, at)
    if given is not None:
        return shown(given), ""
    held = _under(values.resolved, at)
    return ("absent", "") if held is None else (shown(held), " (default)")


def _source(at: KeyPath, values: Values) -> Pair:
    """Return where the numbers at a place come from, and their plausible ranges."""
    name = path_text(at)
    own = [one for path, one in values.provenance.items() if path == name or path.startswith(f"{name}.")]
    if not own:
        number = isinstance(_under(values.given, at), int | float | dict | list)
        return ("none given", "-") if number else ("-", "-")
    first = own[0]
    spans = list(dict.fromkeys(_span(one) for one in own if one.low is not None))
    where = f"{first.kind}: {first.text}" if first.text else first.kind
    return f"{where} ({first.file}, line {first.line})", ", ".join(spans) or "-"


def _span(one: Provenance) -> str:
    low, high = one.low or 0.0, one.high or 0.0
    if one.unit == "ms":
        return f"{exact_duration_text(round(low))}..{exact_duration_text(round(high))}"
    return f"{low:.15g}..{high:.15g}"


# --- finding what was meant ---------------------------------------------------------------------------------------


def concrete(path: KeyPath, data: Any) -> list[KeyPath]:
    """Return the places of a scenario that a path with ``*`` leads to; the path itself when it has none."""
    if not path:
        return [()]
    head, tail = path[0], path[1:]
    if head != ANY:
        inner = _under(data, (head,))
        return [(head, *rest) for rest in concrete(tail, inner)]
    names = list(data) if isinstance(data, dict) else [str(i) for i in range(len(data or []))]
    return [(name, *rest) for name in names for rest in concrete(tail, _under(data, (name,)))]


def _path(text: str, values: Values) -> KeyPath | None:
    """Return the path that a text means, None for a metric. Raises ScenarioFaults for what is neither."""
    path = tuple(text.split("."))
    if key_at(path) is not None and _is_there(path, values):
        return path
    tails = [key.path for key in keys() if key.path[-len(path) :] == path and key.path != path]
    if len(tails) == 1:
        return tails[0]
    if tails:
        choice = ", ".join(".".join(tail) for tail in tails)
        raise ScenarioFaults([f"{_WHERE}: got {text}; must be a single key: {choice}"])
    try:
        metric_of(text)
    except KeyError:
        hint = closest(text, _names(values))
        rule = "must be a key of the scenarios or a metric (withstand explain lists them)"
        raise ScenarioFaults([f"{_WHERE}: got {text}; {rule}{f'; did you mean {hint}?' if hint else ''}"]) from None
    return None


def _is_there(path: KeyPath, values: Values) -> bool:
    """Return whether the free names of a path are those of the scenario: ``categories.howto``, not ``categories.x``."""
    found = key_at(path)
    assert found is not None
    key, rest = found
    for end, (name, pattern) in enumerate(zip(path, key.path, strict=False), 1):
        if pattern == ANY and name != ANY and _under(values.resolved, path[:end]) is None:
            return False
    return not rest or key.is_distribution or _under(values.resolved, path) is not None


def _names(values: Values) -> list[str]:
    """Return every word that could have been meant: last keys of one path alone, paths, paths with ``*``, metrics."""
    patterns = [key.path for key in keys()]
    places = [at for pattern in patterns if ANY in pattern for at in concrete(pattern, values.resolved)]
    last = Counter(one[-1] for one in patterns)
    alone = [name for name, count in last.items() if count == 1]
    paths = [".".join(one) for one in [*patterns, *places]]
    return list(dict.fromkeys([*alone, *paths, *(one.name for one in distributions()), *(one.name for one in METRICS)]))


def _under(data: Any, path: Sequence[str]) -> Any:
    """Return what stands at a path, None when nothing does."""
    for key in path:
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list) and key.isdecimal() and int(key) < len(data):
            data = data[int(key)]
        else:
            return None
    return data
