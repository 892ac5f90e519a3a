"""The checklist holds: every id once, every name known, and every key moves what stands beside it, as far and that way.

How far each moves today is printed by ``python -m tests.catalogue.moves``.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.core.tables import ENDPOINTS
from sim.feedback import FLOAT_NAMES, INT_NAMES
from sim.metrics.registry import METRICS, metric_of
from sim.metrics.ticket_table import ticket_table
from sim.scenario import load
from sim.scenario.loading import catalogue
from sim.scenario.reference.keys import Key, distributions, key_at, keys
from sim.studies import checklist
from sim.studies.checklist import NAMES, PARTS, STATES, Bound, Change, Fact, changes, read, rows, summary
from tests.catalogue import moves as moving
from tests.catalogue.moves import WORLD, assert_moves, half, measured, move, seen, write_prices

ROOT = Path(__file__).resolve().parents[2]
ROWS, CHANGES = rows(), changes()
OUTPUTS = ("tickets.parquet", "arrivals.parquet", "series.parquet", "metrics.json", "report.html", "withstand hazards")
LEVELS = (*INT_NAMES, *FLOAT_NAMES)


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two price histories, for the keys that act on real candles alone."""
    folder = tmp_path_factory.mktemp("prices")
    write_prices(folder)
    return folder


# --- the rows -----------------------------------------------------------------------------------------------------


def test_every_id_stands_in_the_checklist_once_and_in_order() -> None:
    wanted = [f"{part}-{number:02}" for part, count in PARTS.items() for number in range(1, count + 1)]
    assert [row.id for row in ROWS] == wanted
    assert len(wanted) == 149


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_row_is_represented_or_says_why_not(row: Fact) -> None:
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
    assert sum(counts) == len(ROWS)
    assert counts[0] == sum(bool(row.changes) for row in ROWS)


# --- what moves what ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_the_key_moves_what_stands_beside_it(change: Change, prices: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(prices)
    assert change.moves
    assert_moves(change)


def planted(moves: dict[str, Bound], key: str = "teams.back.agents", to: object = 2) -> Change:
    """Return a change of the plain small world, by default one with far fewer agents in a team."""
    return Change("planted", key, to, moves, {}, {})


def test_a_key_without_effect_is_noticed() -> None:
    told = r"backlog_mean went from 125 to 125 \(\+0\); must move by at least \+8.5: a key without effect"
    with pytest.raises(AssertionError, match=told):
        assert_moves(planted({"backlog_mean": Bound(1, 8.5)}, "title", "another"))
    told = r"tickets/outcome differs in 0 of its rows; must differ in at least 0.1: a key without effect"
    with pytest.raises(AssertionError, match=told):
        assert_moves(planted({"tickets/outcome": Bound(0, 0.1)}, "title", "another"))
    with pytest.raises(AssertionError, match="nothing can be seen"):
        assert_moves(planted({"first_response_p90.documents": Bound(1, 0.1)}, "days", 4))


def test_a_key_that_acts_the_wrong_way_is_noticed() -> None:
    told = r"went from 125 to .* \(\+.*\); must move by at least -8.5: a key that acts the wrong way is a defect"
    with pytest.raises(AssertionError, match=told):
        assert_moves(planted({"backlog_mean": Bound(-1, 8.5)}))


def test_a_key_that_hardly_acts_is_noticed() -> None:
    with pytest.raises(AssertionError, match=r"by at least \+9000: it hardly acts; .* tests.catalogue.moves prints"):
        assert_moves(planted({"backlog_mean": Bound(1, 9000)}))
    with pytest.raises(AssertionError, match=r"tickets/outcome differs in .* must differ in at least 0.99: it hardly"):
        assert_moves(planted({"tickets/outcome": Bound(0, 0.99)}))


@pytest.mark.parametrize(
    ("moves", "told"),
    [
        ({"backlog_mean": "8.5"}, r'backlog_mean: got "8.5"; must be sign and size, such as "\+8.5"'),
        ({"backlog_mean": "+"}, "must be sign and size"),
        ({"backlog_mean": "+0.0"}, "must be sign and size"),
        ({"backlog_mean": 8.5}, "must be sign and size"),
        ({"backlog_mean": "+8.5 tickets"}, "must be sign and size"),
        ({"tickets/closed_ms": "8.5"}, "must be sign and size"),
        ({"tickets/outcome": "+0.1"}, r'tickets/outcome: got "\+0.1"; must be a share of the rows without a sign'),
        ("backlog_mean", 'got "backlog_mean"; must be a table'),
        (["backlog_mean"], "must be a table"),
        ({}, "must be a table"),
    ],
    ids=str,
)
def test_a_change_without_sign_or_size_is_refused(moves: object, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    slip = {"key": "days", "to": 4, "moves": moves}
    monkeypatch.setattr(checklist, "read", lambda: {"rows": {}, "change": [slip]})
    with pytest.raises(ValueError, match=f"key: days: moves.*{told}"):
        changes()


def test_a_time_counts_from_the_opening_of_the_tickets_that_have_it() -> None:
    plain = seen(())
    table = ticket_table(plain.observed)
    waits = [end - begin for begin, end in table.select("opened_ms", "closed_ms").iter_rows() if end is not None]
    assert 0 < len(waits) < len(table), "some tickets must be open still, or nothing is tested"
    assert plain.value("tickets/closed_ms") == pytest.approx(sum(waits) / len(waits))
    assert plain.value("tickets/opened_ms") == pytest.approx(table["opened_ms"].mean())


def test_text_is_compared_by_the_shares_of_its_values() -> None:
    table = ticket_table(seen(()).observed)
    shares = seen(()).value("tickets/outcome")
    assert shares == pytest.approx(dict(table["outcome"].value_counts(normalize=True).iter_rows()))
    assert move({"a": 0.5, "b": 0.5}, {"a": 0.3, "c": 0.7}) == pytest.approx(0.7)
    assert move({"a": 0.5, "b": 0.5}, {"b": 0.5, "a": 0.5}) == 0


def test_a_table_without_rows_has_no_value() -> None:
    assert moving._of_column(pl.Series([], dtype=pl.Int64)) is None


@given(st.floats(min_value=1e-6, max_value=1e9) | st.floats(min_value=-1e9, max_value=-1e-6))
def test_half_of_a_move_is_a_bound_that_the_move_reaches(moved: float) -> None:
    text = half("backlog_mean", moved)
    bound = checklist._bound("planted", "backlog_mean", text)
    assert bound.holds(moved)
    assert not bound.holds(-moved)
    assert not bound.holds(moved * 0.45)
    assert len(text.strip("+-0.").replace(".", "").strip("0")) <= 2


def test_what_is_measured_can_stand_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    [line, told] = measured(planted({"backlog_mean.back": Bound(1, 1.0)}), seeds=2)
    assert told.startswith("    teams.back.agents = 2: backlog_mean.back went from 80 to ")
    assert "; stands at +1; other seeds: +" in told
    text = f"change = [{{ key = 'teams.back.agents', to = 2, {line.removeprefix('planted-teams.back.agents: ')} }}]"
    monkeypatch.setattr(checklist, "read", lambda: {"rows": {}, **tomllib.loads(text)})
    [change] = changes()
    assert_moves(change)
    [again, _] = measured(change)
    assert again.endswith(line.partition(": ")[2])


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_is_named_exists(change: Change) -> None:
    path = change.key.split(".")
    assert key_at(path) is not None, f"{change.key} is no key of the schema"
    for name in change.moves:
        if "/" not in name:
            metric_of(name)


def test_a_change_with_an_unknown_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    slip = {"key": "days", "to": 4, "moves": {"backlog_mean": "+1"}, "beside": {"warmup_days": 1}}
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


def test_every_key_of_every_distribution_moves_something() -> None:
    world = load(WORLD).model_dump(mode="json")
    done = set()
    for change in CHANGES:
        path = change.key.split(".")
        found = key_at(path)
        assert found is not None
        key, rest = found
        if key.is_distribution and rest:
            value = world
            for name in path[: len(key.path)]:
                value = value[int(name)] if isinstance(value, list) else value[name]
            done.add(f"{value['law']}.{rest[0]}")
        elif key.is_distribution:
            done |= {f"{change.to['law']}.{name}" for name in change.to if name != "law"}
    assert {one.name for one in distributions()} - done == set()


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
