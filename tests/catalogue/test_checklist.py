"""The checklist holds: every id once, every name known, and every key that is named moves what stands beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from random import Random

import pytest

from sim.core.tables import ENDPOINTS
from sim.experiment.replications import facts_of
from sim.experiment.request_trace import arrivals, busiest_window
from sim.feedback import FLOAT_NAMES, INT_NAMES
from sim.metrics.desk import METRICS, measure, metric_of
from sim.metrics.hourly import hourly
from sim.metrics.observation.replication import Facts
from sim.metrics.ticket_table import ticket_table
from sim.model.model import build
from sim.scenario import load
from sim.scenario.loading import catalogue
from sim.scenario.reference.keys import Key, key_at, keys, laws
from sim.studies import checklist
from sim.studies.checklist import IDS, NAMES, STATES, Change, Row, changes, read, rows, summary

ROOT = Path(__file__).resolve().parents[2]
WORLD = Path(__file__).with_name("checklist_world.toml")
ROWS, CHANGES = rows(), changes()
OUTPUTS = ("tickets.parquet", "arrivals.parquet", "series.parquet", "metrics.json", "report.html", "withstand hazards")
LEVELS = (*INT_NAMES, *FLOAT_NAMES)


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two price histories, for the keys that act on real candles alone."""
    folder = tmp_path_factory.mktemp("prices")
    for name, seed in (("candles.csv", 1), ("other.csv", 2)):
        rng, price, lines = Random(seed), 100.0, ["date,open,high,low,close,volume"]
        for hour in range(24 * 50):
            price *= 1 + rng.gauss(0, 0.004 + 0.004 * (hour // 24 % 5))
            when = f"{datetime(2026, 1, 1) + timedelta(hours=hour):%Y-%m-%d %H:%M}"
            lines.append(",".join([when, *[f"{price:.4f}"] * 4, "1"]))
        (folder / name).write_text("\n".join(lines))
    return folder


# --- the rows -----------------------------------------------------------------------------------------------------


def test_every_id_stands_in_the_checklist_once_and_in_order() -> None:
    assert [row.id for row in ROWS] == list(IDS)
    assert len(IDS) == 149


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_is_represented_or_says_why_not(row: Row) -> None:
    known = {"text", "change", *NAMES, *STATES[1:]}
    assert set(row.data) <= known, f"{row.id}: {set(row.data) - known} are no words of the checklist"
    assert len(row.text.split()) > 1, f"{row.id}: no text"
    states = [state for state in STATES[1:] if state in row.data]
    if row.state == "represented":
        assert row.changes, f"{row.id}: nothing shows that it is represented"
    else:
        assert len(states) == 1, f"{row.id}: {states}"
        assert len(row.why.split()) > 0
        assert set(row.data) == {"text", row.state}, f"{row.id}: is {row.state}, and yet names what represents it"


def test_every_name_is_known() -> None:
    known = {
        "keys": {key.name for key in keys()},
        "categories": set(load("baseline").categories) | set(load(WORLD).categories),
        "metrics": {metric.name for metric in METRICS},
        "levels": set(LEVELS),
        "scenarios": set(catalogue.names()),
        "endpoints": set(ENDPOINTS),
        "outputs": set(OUTPUTS),
    }
    for row in ROWS:
        for kind in NAMES:
            strangers = set(row.data.get(kind, [])) - known[kind]
            assert not strangers, f"{row.id}: {kind} {strangers} do not exist"


def test_the_summary_counts_every_row() -> None:
    lines = list(summary())
    print("\n".join(lines))  # noqa: T201 - the summary is what one wants to see
    counts = [int(line.split()[-1]) for line in lines[1:5]]
    assert sum(counts) == len(IDS)
    assert counts[0] == sum(bool(row.changes) for row in ROWS)


# --- what moves what ----------------------------------------------------------------------------------------------


class Seen:
    """The first replication of the small world, number by number."""

    def __init__(self, facts: Facts) -> None:
        self.facts, self.metrics = facts, measure(facts)

    def value(self, name: str) -> object:
        """Return a metric, or a column or series of the run's tables."""
        table, _, rest = name.partition("/")
        if not rest:
            return self.metrics[name]
        if table == "arrivals":
            return arrivals(self.facts, busiest_window(self.facts))[rest].to_list()
        if table == "tickets":
            return ticket_table(self.facts)[rest].to_list()
        entity, _, series = rest.partition("/")
        return hourly(self.facts)[entity, series].tolist()


@lru_cache(maxsize=8)  # a run in every detail is large, and hardly any but the plain one is wanted again
def seen(sets: tuple[str, ...]) -> Seen:
    return Seen(facts_of(build(load(WORLD, sets=sets)), seed=1, replication=0))


def assert_moves(change: Change) -> None:
    base, changed = seen(change.base), seen(change.changed)
    for name in change.moves:
        before, after = base.value(name), changed.value(name)
        assert before is not None, f"{change}: {name} has no value, so nothing can be seen"
        assert after is not None, f"{change}: {name} has no value, so nothing can be seen"
        assert before != after, f"{change.key} = {change.to}: {name} stays {before}: a key without effect is a defect"


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_the_key_moves_what_stands_beside_it(change: Change, prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prices)
    assert change.moves
    assert_moves(change)


def test_a_key_without_effect_is_noticed() -> None:
    with pytest.raises(AssertionError, match="a key without effect is a defect"):
        assert_moves(Change("planted", "title", "another name", ("backlog_mean",), {}, {}))
    with pytest.raises(AssertionError, match="nothing can be seen"):
        assert_moves(Change("planted", "days", 4, ("first_response_p90.documents",), {}, {}))


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_is_named_exists(change: Change) -> None:
    path = change.key.split(".")
    assert key_at(path) is not None, f"{change.key} is no key of the schema"
    for name in change.moves:
        if "/" not in name:
            metric_of(name)


def test_a_change_with_an_unknown_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    slip = {"key": "days", "to": 4, "moves": "backlog_mean", "beside": {"warmup_days": 1}}
    monkeypatch.setattr(checklist, "read", lambda: {"rows": {}, "change": [slip]})
    with pytest.raises(ValueError, match="got key, to, moves, beside; must be"):
        changes()


# --- no key is left out -------------------------------------------------------------------------------------------


def leaves() -> list[Key]:
    return [key for key in keys() if not key.is_table]


def changed_keys() -> set[str]:
    found = (key_at(change.key.split(".")) for change in CHANGES)
    return {at[0].name for at in found if at is not None}


def pending(name: str) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in read()["pending_keys"])


def test_every_key_of_the_schema_moves_something_or_says_why_not() -> None:
    nothing, moved, names = read()["moves_nothing"], changed_keys(), {key.name for key in leaves()}
    assert set(nothing) <= names, f"{set(nothing) - names} are no keys"
    assert not set(nothing) & moved, f"{set(nothing) & moved} move something"
    lost = [name for name in sorted(names - moved - set(nothing)) if not pending(name)]
    assert not lost, f"nothing shows what these keys do (sim/checklist.toml): {', '.join(lost)}"


def test_no_key_is_called_pending_that_is_shown_at_work() -> None:
    names = {key.name for key in leaves()} - changed_keys()
    for prefix in read()["pending_keys"]:
        assert any(name == prefix or name.startswith(f"{prefix}.") for name in names), f"{prefix} is pending no more"


def test_every_key_of_every_law_moves_something() -> None:
    world = load(WORLD).model_dump(mode="json")
    done = set()
    for change in CHANGES:
        path = change.key.split(".")
        found = key_at(path)
        assert found is not None
        key, rest = found
        if key.is_law and rest:
            law = world
            for name in path[: len(key.path)]:
                law = law[int(name)] if isinstance(law, list) else law[name]
            done.add(f"{law['law']}.{rest[0]}")
        elif key.is_law:
            done |= {f"{change.to['law']}.{name}" for name in change.to if name != "law"}
    assert {law.name for law in laws()} - done == set()


# --- who reads what -----------------------------------------------------------------------------------------------


@cache
def words(file: str) -> frozenset[str]:
    """Return the attributes and the text of a Python file's code, or the words of another file."""
    text = (ROOT / file).read_text("utf-8")
    if not file.endswith(".py"):
        return frozenset(text.replace(".", " ").split())
    nodes = list(ast.walk(ast.parse(text)))
    strings = {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
    return frozenset(strings | {node.attr for node in nodes if isinstance(node, ast.Attribute)})


def names_it(file: str, name: str) -> bool:
    """Tell whether a file names a key, or ends a name made up in it as the key ends (``f"{driven}_elasticity"``)."""
    tails = [one for one in words(file) if one.startswith("_") and len(one) > 2 and one.isidentifier()]
    return name in words(file) or any(name.endswith(tail) for tail in tails)


def readers(key: Key) -> Iterator[str]:
    table = read()["read_by"]
    names = [".".join(key.path[:end]) for end in range(len(key.path), 0, -1)]
    yield from next((table[name] for name in names if name in table), [])


@pytest.mark.parametrize("key", leaves(), ids=lambda key: key.name)
def test_every_key_is_read_by_a_file_that_is_named(key: Key) -> None:
    files = list(readers(key))
    assert files, f"{key.name}: nobody is named who reads it (read_by)"
    reads = any(names_it(file, key.path[-1]) for file in files)
    assert reads or pending(key.name), f"{key.name}: none of {files} reads it"
