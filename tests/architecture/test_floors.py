"""The floors of the house: a room may import rooms on lower floors only, and each message says what to do instead.

A file belongs to its folder, so a new file needs no edit here; a new room needs a floor. Imports inside functions
count. An import for type checkers alone counts too, but for circles within one room.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath

import pytest

from tests.architecture.floors import FLOORS, page
from tests.architecture.sources import (
    ROOT,
    imports,
    is_module,
    modules,
    name_of,
    nodes,
    parsed,
    project_files,
    python_files,
)

DIALECT_DOORS = tuple(f"loadtests/{name}.py" for name in ("answers", "api", "payload", "signing"))
FACES = ("sim/__init__.py", "loadtests/__init__.py", *DIALECT_DOORS)
"""Files that hand on what others define; nobody inside imports them."""


DOORS = {
    "sim.engine.reference": ("sim/engine/", "sim/experiment/replication.py"),
    "sim.engine.compiled": ("sim/engine/", "sim/experiment/replication.py"),
}
"""Modules that few may open, with those who may. Whoever measures reads ``sim.engine.outcome``."""
ENGINE_FREE = (
    "sim/metrics/", "sim/output/plots/", "sim/output/report/", "sim/output/presentation/", "sim/output/saved_run.py",
    "sim/experiment/analysis/",
)  # fmt: skip
"""Files that reach no engine, however far one follows their imports."""
STARRED = (*FACES, "sim/feedback/columns.py", "loadtests/dialect/__init__.py")
"""Files that hand on all names of others."""

SHARED = ("sim.core.clock", "sim.core.tables", "sim.core.proven", "sim.core.system")
"""What the load test may import of the model; all else it reads from a run's files."""
MODEL_USERS = ("loadtests/plan/costs.py",)
"""Files of the load test that run the model itself."""

ROOM_FILES = 12
TABLE = "tests/architecture/floors.py"


def room(module: str) -> str:
    """Return the room of a module: ``scenario`` of ``sim.scenario.schema.names``."""
    return module.split(".")[1] if "." in module else ""


def floor_of(top: str, name: str) -> int | None:
    """Return the floor of a room, counted from 1."""
    return next((number for number, rooms in enumerate(FLOORS[top], 1) if name in rooms), None)


def floor_faults(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield which of a file's imports the floors forbid."""
    mine = name_of(path)
    top, here = mine.partition(".")[0], room(mine)
    if top not in FLOORS or path in FACES or here == "staging":
        yield from _apart(path, tree)
        return
    at = floor_of(top, here)
    if at is None:
        stands = "stands in the hallway, in no room" if path.count("/") == 1 else "lies in a room without a floor"
        yield f"{stands}; put it into one ({top}/README.md has them), or give {here} a floor in {TABLE}"
        return
    for module, line, _ in imports(tree):
        there = room(module)
        if module == top:
            yield f"line {line} imports {top}'s public face; import the module that defines it"
        elif top == "loadtests" and there == "staging" and here != "cli":
            yield f"line {line} imports {module}; the reference server is started by the command line alone"
        elif module.startswith(f"{top}.") and there not in (here, "staging") and is_module(module):
            below = floor_of(top, there)
            if below is None or below >= at:
                yield (
                    f"line {line}: {here} (floor {at}) imports {module} (floor {below}); "
                    "take what you need as an argument or a table, or move it down"
                )


def _apart(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield what the files on no floor may not import: the reference server, and the doors of dialects."""
    for module, line, _ in imports(tree):
        ours = module.partition(".")[0] in FLOORS
        if path.startswith("loadtests/staging/") and ours and not module.startswith("loadtests.staging"):
            yield f"line {line} imports {module}; the reference server knows neither the model nor the load test"
        if path in DIALECT_DOORS and ours and not module.startswith("loadtests.dialect."):
            yield f"line {line} imports {module}; a door hands on loadtests.dialect alone"


def border_faults(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield which imports cross from one half into the other, or open a door that is not theirs."""
    for module, line, _ in imports(tree):
        top = module.partition(".")[0]
        if path.startswith("sim/") and top == "loadtests":
            yield f"line {line} imports loadtests; start it as a child process (sim/cli/subprocesses.py)"
        if path.startswith("loadtests/") and top == "sim" and module not in SHARED and path not in MODEL_USERS:
            yield f"line {line} imports {module}; the load test reads a run's files, with {', '.join(SHARED)} alone"
        if top == "tests" and not path.startswith("tests/"):
            yield f"line {line} imports tests; what both need belongs to sim or loadtests"
        if path.startswith("sim/") and module in DOORS and not path.startswith(DOORS[module]):
            yield f"line {line} imports {module}; read its outcome's tables (sim.engine.outcome) instead"


def form_faults(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield the forms of import that hide what is used: whole packages under a name, and stars."""
    for node, _ in nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*" and path not in STARRED:
            yield f"line {node.lineno} imports *; name what you need"
        if isinstance(node, ast.Import) and path.startswith(("sim/", "loadtests/")):
            for name in modules(node):
                if name.partition(".")[0] in FLOORS:
                    yield f"line {node.lineno} imports {name} as a whole; write from ... import"


def loan_faults(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield which test files of other rooms a test file imports."""
    for module, line, _ in imports(tree):
        parts = module.split(".")
        if parts[0] == "tests" and parts[-1].startswith("test_") and parts[1:-1] != path.split("/")[1:-1]:
            yield f"line {line} imports {module}, a test file of another room; move what both need to tests/support"


def circles(files: Mapping[str, ast.AST]) -> list[str]:
    """Return a circle of imports, if there is one: those inside functions count, those for types within a room not."""
    graph: dict[str, set[str]] = {}
    for path, tree in files.items():
        mine = name_of(path)
        found = [one for one in imports(tree) if not (one.for_types and _same_room(one.module, mine))]
        graph[mine] = {one.module for one in found if one.module != mine and one.module.partition(".")[0] in FLOORS}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [f"{' -> '.join(error.args[1])} is a circle; move what both need into a module below them"]
    return []


def reached(files: Mapping[str, ast.AST], start: str) -> set[str]:
    """Return every module that one reaches from another by following imports, those inside functions too."""
    graph = {name_of(path): {one.module for one in imports(tree) if not one.for_types} for path, tree in files.items()}
    found, ahead = set(), [start]
    while ahead:
        new = graph.get(ahead.pop(), set()) - found
        found |= new
        ahead += new
    return found


def _same_room(one: str, other: str) -> bool:
    return one.split(".")[:2] == other.split(".")[:2]


def crowded(paths: list[str]) -> list[str]:
    """Return the folders that hold more files than a room may."""
    own = (path for path in paths if not path.endswith("/__init__.py"))
    counts = Counter(str(PurePosixPath(path).parent) for path in own)
    return [
        f"{folder}: {count} files; more than {ROOM_FILES} are two rooms: give those of one subject a folder"
        for folder, count in sorted(counts.items())
        if count > ROOM_FILES
    ]


def unsigned(files: Mapping[str, ast.AST]) -> list[str]:
    """Return the folders without a sign: an ``__init__.py`` whose docstring begins with one sentence on one line."""
    folders = {str(PurePosixPath(path).parent) for path in files}
    faults = []
    for folder in sorted(folders):
        tree = files.get(f"{folder}/__init__.py")
        sign = (ast.get_docstring(tree) or "").partition("\n")[0] if isinstance(tree, ast.Module) else ""
        if not (sign.endswith(".") and len(sign.split()) > 2):
            faults.append(
                f"{folder}/__init__.py: got {sign!r}; must begin with a sentence that says what the room holds"
            )
    return faults


def faults(path: str, source: str) -> list[str]:
    """Return every floor and border that a file breaks."""
    tree = ast.parse(source)
    return [
        f"{path}: {fault}"
        for fault in (
            *floor_faults(path, tree),
            *border_faults(path, tree),
            *form_faults(path, tree),
            *loan_faults(path, tree),
        )
    ]


# --- the house as it stands ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("top", ["sim", "loadtests", "tests"])
def test_every_file_keeps_its_floor(top: str) -> None:
    found = [fault for path in python_files(top) for fault in faults(path, (ROOT / path).read_text("utf-8"))]
    assert not found, "\n".join(["floors broken:", *found])


def test_no_module_imports_itself_round_a_corner() -> None:
    assert not circles({path: parsed(path) for path in python_files("sim", "loadtests")})


def test_what_is_measured_and_shown_is_free_of_the_engines_however_far_one_follows() -> None:
    files = {path: parsed(path) for path in python_files("sim")}
    for path in files:
        if path.startswith(ENGINE_FREE):
            found = reached(files, name_of(path)) & set(DOORS)
            assert not found, f"{path} reaches {found}; read the engine's tables instead"


def test_no_room_is_crowded() -> None:
    assert not crowded(python_files("sim", "loadtests", "tests"))


def test_every_room_has_a_sign() -> None:
    bare = ("tests/support/servers/helpdesk/",)  # runs in an interpreter of its own, beside django-helpdesk
    found = unsigned(
        {path: parsed(path) for path in python_files("sim", "loadtests", "tests") if not path.startswith(bare)}
    )
    assert not found, "\n".join(found)


@pytest.mark.parametrize("top", FLOORS)
def test_the_page_of_a_half_shows_its_floors_and_quotes_the_sign_of_each_room(top: str) -> None:
    shown = "\n".join(page(top))
    text = (ROOT / top / "README.md").read_text("utf-8")
    assert shown in text, f"{top}/README.md: put what python -m tests.architecture.floors {top} prints into it"


@pytest.mark.parametrize("top", FLOORS)
def test_every_room_of_the_table_exists(top: str) -> None:
    present = {room(name_of(path)) for path in python_files(top)}
    gone = {name for rooms in FLOORS[top] for name in rooms} - present
    assert not gone, f"{gone} are rooms no more; take them out of FLOORS"


def test_tests_lie_in_the_folder_of_the_room_that_they_test() -> None:
    rooms = {name for floors in FLOORS.values() for floor in floors for name in floor} | {"staging"}
    beside = {"architecture", "catalogue", "support", "tools", "bench"}
    for path in project_files():
        folder = path.split("/")[1] if path.startswith("tests/") else ""
        if "." in folder:
            assert folder in ("conftest.py", "__init__.py", "README.md"), (
                f"{path}: put it into the folder of the room that it tests"
            )
        else:
            assert folder in rooms | beside | {""}, f"{path}: {folder} is no room of sim or loadtests"


# --- each rule, broken ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("sim/metrics/desk.py", "from sim.experiment import store", "metrics (floor 7) imports sim.experiment.store"),
        ("sim/metrics/desk.py", "def f():\n    from sim.output import explain", "line 2: metrics (floor 7)"),
        (
            "sim/numerics/streams.py",
            "from sim.feedback.state import FeedbackState",
            "(floor 2) imports sim.feedback.state (floor 3)",
        ),
        ("sim/theory/queues.py", "from sim.core.clock import HOUR_MS", "take what you need as an argument"),
        (
            "sim/engine/setup.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sim.api import Run",
            "engine (floor 6) imports sim.api (floor 10)",
        ),
        ("loadtests/plan/plan.py", "from loadtests.cli import main", "plan (floor 4) imports loadtests.cli (floor 8)"),
        ("loadtests/verdict/verdict.py", "from loadtests.transport import driver", "move it down"),
        ("sim/refunds.py", "x = 1", "stands in the hallway, in no room; put it into one"),
        ("sim/refunds/queue.py", "x = 1", "lies in a room without a floor"),
        ("loadtests/refunds.py", "x = 1", "stands in the hallway"),
        ("sim/output/saved_run.py", "from sim import load", "public face"),
        ("sim/metrics/desk.py", "from sim.engine import reference", "read its outcome's tables"),
        ("sim/selfcheck/measure.py", "from sim.engine.compiled import simulate", "read its outcome's tables"),
        ("sim/cli/run.py", "from loadtests import plan", "child process"),
        ("loadtests/verdict/verdict.py", "from sim.metrics.registry import METRICS", "reads a run's files"),
        ("loadtests/plan/plan.py", "from tests.support import worlds", "imports tests"),
        (
            "tests/plan/test_inputs.py",
            "from tests.replay.test_replay import start",
            "move what both need to tests/support",
        ),
        ("loadtests/core/numbers.py", "from loadtests.staging.http import app", "by the command line alone"),
        ("loadtests/answers.py", "from loadtests.cli import main", "hands on loadtests.dialect alone"),
        ("sim/metrics/desk.py", "from sim.engine.outcome import *", "imports *"),
        ("sim/metrics/desk.py", "import sim.engine as e", "as a whole"),
        ("loadtests/staging/http/app.py", "from sim.core.clock import NEVER", "neither the model"),
        ("loadtests/staging/http/app.py", "from loadtests.dialect.contract import Dialect", "neither the model"),
    ],
)
def test_a_broken_floor_is_named_with_what_to_do(path: str, source: str, fault: str) -> None:
    assert any(fault in one for one in faults(path, source)), faults(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("sim/engine/reference.py", "from sim.feedback import ticks\nfrom sim.core.clock import NEVER"),
        ("sim/metrics/desk.py", "from sim.engine.outcome import LEFT"),
        ("sim/experiment/replication.py", "from sim.engine import reference, compiled"),
        ("sim/metrics/refunds.py", "from sim.metrics.metric import Metric"),
        ("sim/__init__.py", "from sim.api import Run"),
        ("loadtests/plan/costs.py", "from sim import load, run"),
        ("tests/plan/test_inputs.py", "from tests.plan.test_accounts import POOL"),
        ("loadtests/cli/__init__.py", "from loadtests.staging.http.server import serve"),
    ],
)
def test_what_the_floors_allow_is_not_named(path: str, source: str) -> None:
    assert faults(path, source) == []


def test_a_circle_is_found_also_through_a_function_or_between_rooms_for_types() -> None:
    back = "def f():\n    from sim.core.clock import NEVER"
    to, types = "from sim.core.tables import TICKETS", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "
    clock, tables = "sim/core/clock.py", "sim/core/tables.py"
    assert "is a circle; move" in circles({clock: ast.parse(to), tables: ast.parse(back)})[0]
    assert not circles({clock: ast.parse(to), tables: ast.parse(f"{types}from sim.core.clock import NEVER")})
    streams = "sim/numerics/streams.py"
    crossing = {
        clock: ast.parse(f"{types}from sim.numerics import streams"),
        streams: ast.parse("from sim.core import clock"),
    }
    assert circles(crossing)


def test_an_engine_is_found_behind_another_module() -> None:
    files = {
        "sim/metrics/desk.py": ast.parse("def f():\n    from sim.engine import conservation"),
        "sim/engine/conservation.py": ast.parse("from sim.engine import compiled"),
    }
    assert "sim.engine.compiled" in reached(files, "sim.metrics.desk")


def test_a_thirteenth_file_is_named() -> None:
    many = [f"sim/core/part{number}.py" for number in range(13)]
    assert crowded([*many, "sim/core/__init__.py"]) == [
        "sim/core: 13 files; more than 12 are two rooms: give those of one subject a folder"
    ]
    assert crowded([*many[1:], "sim/core/__init__.py"]) == []


@pytest.mark.parametrize("sign", ["", '"""A room"""', '"""Room."""'])
def test_a_room_without_a_sentence_is_named(sign: str) -> None:
    assert "must begin with a sentence" in unsigned({"sim/core/__init__.py": ast.parse(sign)})[0]
    assert unsigned({"sim/core/clock.py": ast.parse("x = 1")})
