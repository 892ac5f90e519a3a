"""The real model and the catalogue's scenarios, fed with every kind of mistake."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim.scenario import Scenario, ScenarioFaults, load
from sim.scenario.faults import Finding, path_text
from sim.scenario.faults import Path as KeyPath
from sim.scenario.loading import catalogue
from sim.scenario.loading.files import read_chain
from sim.scenario.loading.load import from_resolved, resolved, sha256, validated
from sim.scenario.loading.merge import merge
from sim.scenario.reference.json_schema import json_schema
from sim.scenario.reference.provenance import missing
from sim.scenario.rules import cross_faults
from sim.scenario.rules.notes import notes_of
from sim.scenario.schema.shape import Shape

NAN, INF = float("nan"), float("inf")
NOT_NUMBERS: tuple[Any, ...] = (NAN, INF, -INF, True, "x", [], {}, None)
LEAKS = ("Input", "should", "valid ", "kind that stands here", "function-", "dict[", "str]", "None", "pydantic")


def raw_of(name: str) -> dict[str, Any]:
    chain = read_chain(name)
    return merge(chain.layers, name)[0].data


def faults_of(raw: dict[str, Any]) -> list[Finding]:
    return validated(Scenario, raw, rules=cross_faults)[1]


def leaves(raw: Any, shape: Shape | None, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Shape]]:
    """Yield each value that is no table or list, with its shape; of tables with free keys the first two entries."""
    assert shape is not None, path
    shape = shape.member_for(raw) or shape
    if not isinstance(raw, dict | list):
        yield path, shape
        return
    pairs = list(raw.items() if isinstance(raw, dict) else enumerate(raw))
    for key, value in pairs if shape.fields is not None else pairs[:2]:
        yield from leaves(value, shape.child(key), (*path, key))


def changed(raw: dict[str, Any], path: KeyPath, value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(raw)
    table: Any = raw
    for key in path[:-1]:
        table = table[key]
    table[path[-1]] = value
    return raw


def test_no_number_of_the_baseline_may_be_something_else() -> None:
    raw = raw_of("baseline")
    numbers = 0
    for path, shape in leaves(raw, Shape(Scenario)):
        if shape.kind not in (int, float):
            continue
        numbers += 1
        for value in NOT_NUMBERS:
            found = faults_of(changed(raw, path, value))
            if value is not None:  # JSON's null, where a key is optional
                assert any(f.path[: len(path)] == path for f in found), (path, value, found)
            for finding in found:
                sentence = finding.sentence("a.toml")
                assert finding.rule.startswith("must "), sentence
                assert not any(leak in finding.rule for leak in LEAKS), sentence
    assert numbers > 100


def test_each_misspelt_key_of_the_baseline_is_one_fault_with_a_hint() -> None:
    raw = raw_of("baseline")
    keys = 0
    for path, shape in tables(raw, Shape(Scenario)):
        table = raw_at(raw, path)
        for key in table:
            wrong = changed(raw, (*path, key), 0)
            here = raw_at(wrong, path)
            here[f"{key}q"] = here.pop(key)
            if shape.switch == key:
                continue
            keys += 1
            found = faults_of(wrong)
            assert [(f.path, f.rule, f.hint) for f in found] == [((*path, f"{key}q"), "must be a known key", key)]
    assert keys > 100


def tables(raw: Any, shape: Shape | None, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Shape]]:
    """Yield each table with fixed keys, with the shape that it was chosen from."""
    assert shape is not None, path
    member = shape.member_for(raw) or shape
    pairs = list(raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ())
    if member.fields is not None:
        yield path, shape
    for key, value in pairs if member.fields is not None else pairs[:2]:
        yield from tables(value, member.child(key), (*path, key))


def raw_at(raw: Any, path: KeyPath) -> Any:
    for key in path:
        raw = raw[key]
    return raw


@pytest.mark.parametrize("name", catalogue.names())
def test_a_scenario_of_the_catalogue_loads_and_comes_back(name: str, tmp_path: Path) -> None:
    scenario = load(name)
    text = json.dumps(resolved(scenario))
    again = from_resolved(json.loads(text))
    assert again == scenario
    assert sha256(again) == sha256(scenario)
    assert missing(name) == []
    assert catalogue.story(name).title


def test_a_resolved_scenario_that_was_tampered_with_is_refused() -> None:
    data = resolved(load("quiet_week"))
    with pytest.raises(ScenarioFaults) as caught:
        from_resolved({**data, "days": -1}, file="results/x/run.json")
    assert caught.value.faults == ["results/x/run.json: days: got -1; must be a whole number of days from 1 to 3,660"]


def test_a_fault_reads_as_the_manual_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("freeze.toml").write_text('extends = "baseline"\n[teams.compliance]\nagents = {night = -3}\nagent = 2\n')
    with pytest.raises(ScenarioFaults) as caught:
        load("freeze.toml")
    assert len(caught.value.faults) == 2
    first, second = caught.value.faults
    assert first.startswith("freeze.toml: teams.compliance.agents.night: got -3; must be a whole number")
    assert second == "freeze.toml: teams.compliance.agent: got 2; must be a known key; did you mean agents?"


def test_a_mistake_deep_in_a_mixture_names_its_place() -> None:
    handle = """{law = "mixture", parts = [
        {weight = 1, of = {law = "gamma", mean = "1 min", cv = inf}}, {weight = 0, of = {law = "mixture"}}]}"""
    raw = raw_of("baseline")
    name, category = next(iter(raw["categories"].items()))
    step = next(iter(category["steps"]))
    path = ("categories", name, "steps", step, "handle")
    found = faults_of(changed(raw, path, tomllib.loads(f"handle = {handle}")["handle"]))
    assert [(path_text(f.path[5:]), f.rule.partition(" (")[0]) for f in found] == [
        ("parts.0.of.cv", "must be a number above 0, 100 at most, and finite"),
        ("parts.1.weight", "must be a number above 0"),
        ("parts.1.of.law", 'must be "exponential", "lognormal", "gamma", "deterministic" or "empirical"'),
    ]


def test_sets_reach_the_real_model() -> None:
    assert load("quiet_week", sets=["days=3", "title=volatility"]).days == 3
    with pytest.raises(ScenarioFaults) as caught:
        load("quiet_week", sets=["dayz=3", "days=nan"])
    assert caught.value.faults == [
        "--set: dayz: got 3; must be a known key; did you mean days?",
        "--set: days: got nan; must be a whole number of days from 1 to 3,660",
    ]


def test_the_editors_schema_knows_every_key_and_asks_for_none() -> None:
    schema = json_schema()
    assert {"extends", "remove", *Scenario.model_fields} == set(schema["properties"])
    text = json.dumps(schema)
    assert '"required"' not in text
    assert '"oneOf"' not in text
    described = [
        (name, key)
        for name, part in schema["$defs"].items()
        for key, each in part.get("properties", {}).items()
        if key != "law" and "description" not in each
    ]
    assert described == [], "every key of a scenario says what it means"
    assert "must be a share from 0 to 1" in schema["$defs"]["Population"]["properties"]["mau_share"]["description"]


def test_the_editors_schema_accepts_the_catalogue() -> None:
    """Check keys and types by a reading of the schema that is as small as its vocabulary."""
    schema = json_schema()
    for name in catalogue.names():
        data = json.loads(json.dumps(raw_of(name), default=str))
        assert unfit(data, schema, schema) is None
    assert unfit({"dayz": 3}, schema, schema) == "dayz"
    assert unfit({"days": "x"}, schema, schema) == "days"


def unfit(value: Any, node: dict[str, Any], root: dict[str, Any]) -> str | None:
    """Return the key under which ``value`` breaks the schema, or None."""
    if "$ref" in node:
        node = root["$defs"][node["$ref"].rpartition("/")[2]]
    if "anyOf" in node:
        answers = [unfit(value, each, root) for each in node["anyOf"]]
        return None if None in answers else answers[0]
    kinds: dict[str, Any] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
    }
    if "type" in node and (node["type"] == "null" or not isinstance(value, kinds[node["type"]])):
        return "type"
    if ("const" in node and value != node["const"]) or ("enum" in node and value not in node["enum"]):
        return "value"
    if isinstance(value, list):
        found = [unfit(each, node["items"], root) for each in value]
        return next((each for each in found if each), None)
    for key, each in value.items() if isinstance(value, dict) else ():
        inner = node.get("properties", {}).get(key, node.get("additionalProperties"))
        if not inner or unfit(each, inner, root):
            return key
    return None


HOUR = {"law": "exponential", "mean": "1 h"}


def silent(inbox: dict[str, Any], other: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a scenario with two queues and nobody to answer in either; tickets come to the inbox."""
    only = {"queue": "inbox", "handle": HOUR}
    category = {"arrivals_per_hour": 1, "complaint_hazard_per_hour": 0.002, "steps": {"only": only}}
    teams = {"front": {"serves": ["inbox", "other"], "agents": 0}}
    queues = {"inbox": inbox, "other": other}
    return {"title": "x", "days": 1, "categories": {"a": category}, "teams": teams, "queues": queues} | more


AGED = {"age": [{"after": "1 h", "to": "other"}]}


@pytest.mark.parametrize(
    ("raw", "refused"),
    [
        (silent({}, {"target": "1 h", "patience": HOUR, "places": 1}), True),
        (silent(AGED, {}), True),
        (silent({"patience": HOUR, "then": "other"}, {"target": "1 h"}), True),
        (silent({"patience": HOUR, "then": "other"}, {"patience": HOUR, "then": "inbox"}), True),
        (silent({}, {}, complaints={"clock": "opening"}), False),
        (silent({"target": "1 h"}, {}), False),
        (silent({"patience": HOUR}, {}), False),
        (silent({"places": 0}, {}), False),
        (silent({"patience": HOUR, "then": "other"}, {"patience": HOUR}), False),
        (silent(AGED, {"patience": HOUR}), False),
        (silent(AGED, {"places": 3}), False),
    ],
)
def test_a_hazard_that_nothing_starts_the_clock_of_is_refused(raw: dict[str, Any], refused: bool) -> None:
    """Nobody would ever complain, though nobody ever answers."""
    found = faults_of(raw)
    assert [path_text(f.path) for f in found] == ["categories.a.complaint_hazard_per_hour"] * refused
    for finding in found:
        assert finding.sentence("a.toml") == (
            "a.toml: categories.a.complaint_hazard_per_hour: got 0.002; must be 0 where nothing starts the complaint "
            'clock: give a queue of its first step a target or a patience, or set complaints.clock = "opening"'
        )


def test_a_hazard_whose_clock_only_an_answer_starts_is_noted() -> None:
    raw = silent({}, {})
    steps = raw["categories"]["a"]["steps"]
    steps["more"] = {"queue": "other", "handle": HOUR}
    steps["only"]["solved"] = 0.5
    assert faults_of(raw) == []
    assert notes_of(Scenario.model_validate(raw)) == [
        "categories.a.complaint_hazard_per_hour: nobody complains who waits for a first answer, since no queue of its "
        "first step has a target or a patience"
    ]
    steps["only"]["solved"] = 1.0
    assert len(faults_of(raw)) == 1
    assert notes_of(Scenario.model_validate(silent({"target": "1 h"}, {}))) == []


def test_loading_is_quick() -> None:
    def seconds() -> float:
        start = time.perf_counter()
        load("baseline")
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.15


def test_importing_the_intake_brings_no_heavy_module() -> None:
    code = "import sys, sim.scenario; print(*{'numpy', 'tomlkit', 'polars', 'matplotlib', 'locust'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
