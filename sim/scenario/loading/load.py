"""From TOML to a validated, frozen scenario, or to every fault in one list.

``load`` reads a file and what it extends, lays ``--set`` over it, and validates the whole. ``resolved`` is the way
back: plain JSON that ``from_resolved`` turns into an equal scenario.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from sim.scenario.faults import NONE_TO_BE, NOTHING, Fault, Finding, Said, ScenarioFaults, closest, findings, under
from sim.scenario.faults import Path as KeyPath
from sim.scenario.loading.files import Source, read_chain
from sim.scenario.loading.merge import apply_sets, merge
from sim.scenario.loading.stand_ins import stood_in
from sim.scenario.rules import cross_faults
from sim.scenario.schema.scenario import Scenario
from sim.scenario.schema.shape import Shape

Model = TypeVar("Model", bound=BaseModel)
Rules = Callable[[Model], Iterable[Fault]]
"""A function that returns the faults between the keys of a model."""


def load(source: Source, *, sets: str | Sequence[str] = ()) -> Scenario:
    """Return the scenario of a path, a catalogue name or a dict, with ``sets`` laid over it.

    A dict has the keys and values of a file, so it may extend one: ``{"extends": "baseline", "days": 7}``. ``sets`` are
    "key.path=value"; a single one may stand without a list.

    Raises ScenarioFaults with every fault of every layer.
    """
    return load_as(Scenario, source, sets=sets, rules=cross_faults)


def load_as(
    model: type[Model], source: Source, *, sets: str | Sequence[str] = (), rules: Rules[Model] = lambda value: ()
) -> Model:
    """Return what ``load`` returns, for any model and the rules between its keys.

    Raises ScenarioFaults with every fault of every layer.
    """
    chain = read_chain(source)
    if not chain.layers:
        raise ScenarioFaults(chain.faults)
    merged, faults = merge(chain.layers, chain.file)
    faults = [*chain.faults, *faults, *apply_sets(merged, Shape(model), _listed(sets))]
    value, found = validated(model, merged.data, rules=rules, whole=not faults)
    faults += [finding.sentence(merged.file_of(finding.path, finding.got)) for finding in found]
    if faults or value is None:
        raise ScenarioFaults(faults)
    return value


def _listed(sets: Any) -> Sequence[Any]:
    """Return the settings as a list; what is none (a number) is the only one, and refused as such."""
    return list(sets) if isinstance(sets, Iterable) and not isinstance(sets, str) else [sets]


def from_resolved(data: dict[str, Any], *, file: str = "run.json") -> Scenario:
    """Return the scenario of ``resolved``'s JSON. Raises ScenarioFaults, which name ``file``."""
    value, found = validated(Scenario, data, rules=cross_faults)
    if value is None:
        raise ScenarioFaults([finding.sentence(file) for finding in found])
    return value


def resolved(scenario: BaseModel) -> dict[str, Any]:
    """Return a scenario as plain JSON: every key, defaults included, durations as exact text."""
    return scenario.model_dump(mode="json")


def sha256(scenario: BaseModel) -> str:
    """Return the SHA-256 of the resolved scenario's JSON (UTF-8, no spaces), in hexadecimal.

    Keys stand in the scenario's order, not sorted: the order of a ticket's steps means something.
    """
    text = json.dumps(resolved(scenario), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def validated(
    model: type[Model], data: dict[str, Any], *, rules: Rules[Model], whole: bool = True
) -> tuple[Model | None, list[Finding]]:
    """Return the validated model, or None and the faults: of its keys, or else those between its keys.

    If not ``whole``, a layer or a ``--set`` is lost already: what is missing then says nothing.
    """
    try:
        value = model.model_validate(data)
    except ValidationError as error:
        found = findings(Shape(model), data, error)
        if whole:
            found += _despite(model, data, rules, found)
        return None, [finding for finding in found if whole or not finding.missing]
    found = [_cross(data, *fault) for fault in rules(value)] if whole else []
    return (None if found else value), found


def _despite(model: type[Model], data: dict[str, Any], rules: Rules[Model], found: list[Finding]) -> list[Finding]:
    """Return the faults between keys that hold whatever stands in the place of the values that were refused."""
    worlds = []
    for which in (0, 1):
        try:
            filled = stood_in(Shape(model), data, found, which)
            worlds.append([_cross(data, *fault) for fault in rules(model.model_validate(filled))])
        except (ValidationError, LookupError):
            return []
    both = (one for one in worlds[0] if one in worlds[1] and _is_there(one.got))
    return [one for one in both if not any(_concerns(one, bad.path) for bad in found)]


def _is_there(got: Any) -> bool:
    """Return whether a value or a number is at fault; that something is lacking may be the refused values' fault."""
    return got is not None and (not isinstance(got, Said) or any(char.isdigit() for char in got))


def _concerns(one: Finding, refused: KeyPath) -> bool:
    """Return whether a fault may hang on a refused value: above or below it, or in its table, but for unknown names."""
    shorter = min(len(one.path), len(refused))
    if one.path[:shorter] == refused[:shorter]:
        return True
    names = ": " in one.rule or one.rule.endswith(NONE_TO_BE)
    return len(refused) > 1 and one.path[: len(refused) - 1] == refused[:-1] and not names


def _cross(
    data: dict[str, Any], key_path: str | Sequence[str | int], got: Any, rule: str, hint: str | None = None
) -> Finding:
    """Return the finding of a model's own cross-field fault; names listed after a colon give the hint, if it has none.

    Text that is neither the value itself nor its key ("no team") is what was got in the model's own words.
    """
    path = tuple(key_path) if not isinstance(key_path, str) else _followed(data, key_path)
    there = under(data, path)
    if there is not NOTHING and not isinstance(there, dict | list) and got != path[-1]:
        got = there  # as it was written: "10 min", not its milliseconds
    elif isinstance(got, str) and (there is NOTHING or got not in (there, path[-1])):
        got = Said(got)
    _, colon, listed = rule.partition(": ")
    if hint is None and colon and not isinstance(got, Said):
        hint = closest(got, listed.split(", "))
    return Finding(path, got, rule, hint)


def _followed(data: Any, text: str) -> tuple[str | int, ...]:
    """Return the keys of a dotted path; a key that holds dots is found in the data."""
    path: list[str | int] = []
    while text:
        known = [str(key) for key in data] if isinstance(data, dict) else []
        key = next((k for k in known if text == k or text.startswith(f"{k}.")), text.partition(".")[0])
        text = text[len(key) + 1 :]
        path.append(int(key) if isinstance(data, list) and key.isdigit() else key)
        data = under(data, (path[-1],))
    return tuple(path)
