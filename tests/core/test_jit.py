"""Compiled code lies in a folder that no edit makes stale, and somewhere that can be written."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from sim.core import jit
from sim.core.jit import HERE, SOURCES, cache_folder

DECORATORS = {"compiled", "inlined", "outlined"}
DOOR = "core/jit.py"


# --- the files that count -----------------------------------------------------------------------------------------


@cache
def tree(file: str) -> ast.Module:
    return ast.parse((HERE / file).read_text("utf-8"))


def names(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def definitions(file: str) -> dict[str, ast.AST]:
    """Return what a file defines at its top level: functions, classes, constants."""
    found: dict[str, ast.AST] = {}
    for node in tree(file).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {name: node.value for target in targets for name in names(target)}
    return found


def imported(file: str) -> dict[str, str]:
    """Return the names that a file imports from others of ``sim``, with their files."""
    found = {}
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sim."):
            place = str(node.module).removeprefix("sim.").replace(".", "/")
            path = f"{place}.py" if (HERE / f"{place}.py").is_file() else f"{place}/__init__.py"
            found |= {alias.asname or alias.name: path for alias in node.names}
    return found


def handed_over(file: str) -> Iterator[str]:
    """Yield the functions of a file that are given to the compiler, by decorator or by call."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.FunctionDef) and any(names(one) & DECORATORS for one in node.decorator_list):
            yield node.name
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in DECORATORS:
            yield from (one.id for one in node.args if isinstance(one, ast.Name))


def needed(file: str, name: str, seen: set[tuple[str, str]]) -> set[str]:
    """Return the files of what a name stands for, and of all that this is made of."""
    if (file, name) in seen:
        return set()
    seen.add((file, name))
    if name in imported(file) and name not in DECORATORS:
        return needed(imported(file)[name], name, seen)
    here = definitions(file).get(name)
    if here is None:
        return set()
    return {file}.union(*(needed(file, one, seen) for one in names(here)))


def sources() -> set[str]:
    files = sorted(path.relative_to(HERE).as_posix() for path in HERE.rglob("*.py"))
    seen: set[tuple[str, str]] = set()
    compiled_ones = [(file, name) for file in files if file != DOOR for name in handed_over(file)]
    return {DOOR}.union(*(needed(file, name, seen) for file, name in compiled_ones))


def test_the_sources_are_all_files_that_are_compiled_or_compiled_in() -> None:
    found = sources()
    assert {
        "engine/compiled.py",
        "engine/agenda.py",
        "feedback/withdrawals.py",
        "core/clock.py",
        "engine/arrays.py",
    } <= found
    missing, idle = found - set(SOURCES), set(SOURCES) - found
    assert not missing, f"{sorted(missing)} are compiled or hold constants that are; add them to sim.core.jit.SOURCES"
    assert not idle, f"{sorted(idle)} are neither; an edit of them compiles all anew for nothing: take them out"


def test_only_the_files_that_count_import_the_compiler_s_door() -> None:
    users = {path.relative_to(HERE).as_posix() for path in HERE.rglob("*.py") if users_of_door(path)}
    assert users - {DOOR} <= set(SOURCES)


def users_of_door(path: Path) -> bool:
    of = imported(path.relative_to(HERE).as_posix())
    return any(of.get(name) == DOOR for name in DECORATORS)


# --- the folder ---------------------------------------------------------------------------------------------------


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources that the folder is chosen for, and no wishes of the user about it."""
    here = tmp_path / "sim"
    for name in SOURCES:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HERE / name, here / name)
    monkeypatch.setattr(jit, "HERE", here)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "users"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return here


def folder() -> Path | None:
    return cache_folder.__wrapped__()


def parent() -> Path:
    found = folder()
    assert found is not None
    return found.parent


def test_the_cache_lies_beside_the_sources(copied: Path) -> None:
    assert parent() == copied / "__pycache__"
    assert folder() == folder()
    kept = cache_folder()
    assert kept is not None
    assert folder() == copied / "__pycache__" / kept.name, "the same sources, the same name"


def test_another_processor_is_another_folder(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = folder()
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_name", lambda: "another")
    assert folder() != before


@pytest.mark.parametrize("name", SOURCES)
def test_an_edit_of_any_source_is_another_folder(copied: Path, name: str) -> None:
    before = folder()
    with (copied / name).open("a", encoding="utf-8") as file:
        file.write("\n")
    assert folder() != before


def test_where_the_sources_cannot_be_written_beside_it_is_the_users_cache(copied: Path, tmp_path: Path) -> None:
    (copied / "__pycache__").write_text("no folder")
    assert parent() == tmp_path / "users" / "withstand"
    assert folder() == folder()


def test_without_a_place_in_the_cache_home_it_is_that_of_the_home(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied / "__pycache__").write_text("no folder")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    assert parent() == tmp_path / "home" / ".cache" / "withstand"


def test_where_nothing_can_be_written_nothing_is_kept(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied / "__pycache__").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(copied / "core" / "clock.py"))
    before = sorted(tmp_path.iterdir())
    assert folder() is None
    assert sorted(tmp_path.iterdir()) == before, "no folder is left behind"
    monkeypatch.setattr(jit, "cache_folder", folder)
    jit.mark_compiled()
    assert not jit.is_compiled()
    assert jit.compiled(lambda number: number + 1)(1) == 2


def test_a_warm_folder_comes_first_though_it_cannot_be_written(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm = folder()
    assert warm is not None
    monkeypatch.setattr(jit, "_writable", lambda path: copied not in path.parents)
    assert folder() != warm, "what is neither warm nor writable is of no use"
    (warm / "ready").touch()
    assert folder() == warm


def test_a_place_that_the_user_has_chosen_comes_first(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "chosen"))
    assert parent() == tmp_path / "chosen"


def test_warm_is_what_has_been_noted_in_the_folder(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "cache_folder", folder)
    assert not jit.is_compiled()
    jit.mark_compiled()
    assert jit.is_compiled()
    (copied / "engine" / "agenda.py").write_text("changed")
    assert not jit.is_compiled()


# --- the cache ----------------------------------------------------------------------------------------------------


def test_what_is_compiled_is_kept_in_the_folder_that_was_chosen(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (copied / "__pycache__").write_text("no folder")
    monkeypatch.setattr(jit, "cache_folder", folder)
    (tmp_path / "probe.py").write_text("def more(number):\n    return number + 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    from probe import more  # type: ignore[import-not-found]

    assert jit.compiled(more)(1) == 2
    assert list((tmp_path / "users" / "withstand").rglob("probe.more-*.nbi"))


PROBE = """
import resource, sys
from sim.core.jit import compiled

def disk_is_full(when):
    if when in sys.argv:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

disk_is_full("full before")

@compiled
def more(number):
    return number + 1

disk_is_full("full")
print(more(1), *(sum(of.values()) for of in (more.stats.cache_hits, more.stats.cache_misses)))
"""


@pytest.fixture
def probe(tmp_path: Path) -> Callable[..., tuple[int, int]]:
    """Return a function that has a process call a compiled function, and says its hits and misses in the cache."""
    script, kept = tmp_path / "probe.py", tmp_path / "kept"
    script.write_text(PROBE)

    def process(*arguments: str) -> tuple[int, int]:
        environment = os.environ | {"NUMBA_CACHE_DIR": str(kept), "PYTHONPATH": str(HERE.parent)}
        command = [sys.executable, str(script), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        result, hits, misses = map(int, done.stdout.split())
        assert result == 2
        return hits, misses

    return process


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("left", [0, 1, 100])
def test_what_is_damaged_is_compiled_anew_and_replaced(
    probe: Callable[..., tuple[int, int]], tmp_path: Path, ending: str, left: int
) -> None:
    assert probe() == (0, 1)
    assert probe() == (1, 0)
    [file] = (tmp_path / "kept").rglob(f"*.{ending}")
    file.write_bytes(file.read_bytes()[:left])
    assert probe("full") == (0, 1), "where it cannot be replaced it is compiled anew each time"
    assert probe() == (0, 1)
    assert probe() == (1, 0)


def test_a_disk_that_is_full_keeps_nobody_from_compiling(probe: Callable[..., tuple[int, int]], tmp_path: Path) -> None:
    assert probe("full before") == (0, 1)
    assert probe("full") == (0, 1)
    assert probe() == (0, 1)
    assert probe("full before") == (0, 1), "a folder that cannot be written is used only where it holds all"
    (next((tmp_path / "kept").iterdir()) / "ready").touch()
    assert probe("full before") == (1, 0)


STATS = """
import json
from random import Random
from tests.tools.swarm import run
from tests.support.worlds import random_world
from sim.engine import compiled as twin
from sim.core.jit import cache_folder
run(twin.simulate, random_world(Random(0)))
stats = twin._run.stats
hits, misses = sum(stats.cache_hits.values()), sum(stats.cache_misses.values())
print(json.dumps([hits, misses, str(cache_folder()), str(stats.cache_path)]))
"""


def test_a_second_process_compiles_nothing() -> None:
    def process() -> list[object]:
        command = [sys.executable, "-c", STATS]
        done = subprocess.run(command, cwd=HERE.parent, env=os.environ, capture_output=True, text=True, check=True)
        made: list[object] = json.loads(done.stdout)
        return made

    process()
    hits, misses, chosen, used = process()
    assert (hits, misses) == (1, 0)
    assert str(used).startswith(str(chosen))
