"""The walls of the house, read from the sources: who may import whom, who prints, where chance and time come from.

Every wall is also shown a file that breaks it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

MAY_IMPORT = {
    "theory": "",
    "clock": "",
    "statistics": "",
    "compiled": "",
    "levels": "clock compiled",
    "streams": "compiled",
    "normal": "compiled",
    "amounts": "compiled normal",
    "poisson": "compiled normal",
    "heap": "compiled",
    "grid": "compiled",
    "survival": "compiled",
    "once": "",
    "tables": "clock",
    "kept": "",
    "curve": "clock",
    "scenario": "clock curve",
    "series_table": "kept scenario tables",
    "laws": "compiled normal scenario",
    "regimes": "clock compiled normal poisson scenario streams",
    "market": "clock curve regimes scenario streams",
    "growth": "clock curve market scenario",
    "policy": "clock curve market once scenario",
    "itinerary": "clock compiled laws policy scenario streams",
    "demand": "amounts clock compiled curve growth itinerary laws levels market once policy poisson scenario streams",
    "workforce": "clock scenario",
    "staffing": "clock scenario workforce",
    "outcome": "clock compiled demand",
    "prepared": "clock demand outcome staffing",
    "minute": "clock demand levels prepared",
    "engine": "clock demand levels minute outcome prepared staffing",
    "floor_tables": "clock demand levels outcome prepared staffing",
    "engine_fast": "clock compiled demand floor_tables heap levels outcome staffing",
    "givens": "clock scenario staffing",
    "workload": "clock demand givens laws market policy scenario staffing workforce",
    "level_rules": "amounts clock demand levels scenario",
    "world": "clock demand givens level_rules levels market once scenario staffing streams workload",
    "floor": "clock compiled demand outcome staffing",
    "stays": "clock compiled grid",
    "counting": "clock compiled demand grid outcome",
    "waits": "clock compiled counting grid outcome survival",
    "facts": "clock counting demand floor givens levels once outcome poisson staffing stays streams tables waits world",
    "metric": "facts",
    "market_metrics": "clock counting demand facts metric",
    "policy_metrics": "clock facts metric",
    "money_metrics": "clock facts levels metric",
    "astray_metrics": "clock demand facts levels metric scenario",
    "public_metrics": "clock counting facts levels metric",
    "metrics": (
        "astray_metrics clock counting demand facts levels market_metrics metric money_metrics policy_metrics "
        "public_metrics statistics survival tables waits"
    ),
    "explain": "metrics scenario",
    "series": "clock counting facts levels survival waits",
    "estimate": "metrics statistics",
    "expect": "estimate scenario",
    "arrivals": "amounts clock demand estimate facts laws tables",
    "ticket_table": "clock demand facts laws outcome tables",
    "profile": "",
    "memory": "",
    "precision": "statistics",
    "ledger": "kept scenario series",
    "conservation": "clock levels outcome",
    "replicate": (
        "conservation demand engine engine_fast facts ledger memory metrics outcome "
        "precision profile scenario series streams world"
    ),
    "warmup": "arrivals compiled metrics replicate scenario series world",
    "hazards": "clock demand facts outcome policy replicate scenario world",
    "plots": "clock estimate metrics scenario series_table statistics",
    "report": "estimate expect metrics plots scenario series_table statistics",
    "saved": "estimate scenario tables",
    "comparison": "estimate metrics statistics",
    "folder": "arrivals estimate expect ledger plots report saved scenario series_table tables ticket_table",
    "runner": (
        "arrivals estimate expect facts folder kept ledger plots precision "
        "profile replicate scenario series_table tables world"
    ),
    "selfcheck": (
        "clock compiled demand facts levels metrics outcome replicate scenario statistics stays streams theory world"
    ),
}
"""The stations of ``sim`` in the order of the line; each may import its own files and the stations named."""

LOADTESTS_MAY_IMPORT = {"clock", "curve", "tables"}
HOMES = {
    "locust": ("loadtests/locustfile.py", "tests/bench/closed_loop.py"),
    "simpy": ("sim/engine.py", "tests/bench/"),
    "numba": ("sim/compiled.py",),
    "matplotlib": ("sim/plots/", "loadtests/plots/", "tests/"),
    "ciw": ("tests/bench/",),
    "sqlite3": ("loadtests/staging/sqlite.py", "tests/"),
    "psycopg": ("loadtests/staging/postgres.py", "tests/"),
    "random": ("tests/",),
    "uuid": (),
    "secrets": ("sim/cli/", "loadtests/", "tests/"),
    "logging": ("loadtests/", "tests/"),
}
SPEAKERS = ("sim/cli/", "loadtests/cli.py", "loadtests/__main__.py", "loadtests/staging/__main__.py")
BY_NAME = ("sim/__init__.py", "sim/cli/__init__.py", "loadtests/dialect.py")
CLOCK_READERS = ("sim/runner.py", "sim/folder.py", "sim/profile.py", "sim/cli/")
AT_ONCE = ("sim/__init__.py", "sim/cli/__init__.py", "sim/cli/options.py")
TOP_LEVEL = {"pyproject.toml", "README.md", "Makefile", "LICENSE", "constraints.txt"} | {
    "sim", "loadtests", "scenarios", "tests", "results",
}  # fmt: skip
LEFT_BY_TOOLS = {"build", "dist", "__pycache__", "withstand.egg-info"}
LINES_OF_A_FILE, LINES_OF_A_FUNCTION, PARAMETERS = 450, 60, 8

DRAWS = {"default_rng", "RandomState", "SeedSequence", "Philox", "PCG64"}
CHANCE = "is chance; draw from sim.streams, addressed by ordinal, in demand"
READS_CLOCK = {("datetime", "now"), ("datetime", "today"), ("datetime", "utcnow"), ("date", "today")} | {
    ("time", name)
    for name in ("time", "time_ns", "monotonic", "perf_counter", "process_time", "thread_time", "localtime", "gmtime")
}
SPEAKS = {("sys", "stdout"), ("sys", "stderr"), ("sys", "exit"), ("os", "_exit")}
ELSEWHERE = "/".join(("..", "shared"))
PLACES = re.compile(r"(?<![\w.~-])/(?:home|root|Users|work|workspace|mnt|srv)/(?=\w)")
INDEX = re.compile(r"--(?:extra-)?index-" + "url|PIP_INDEX_" + "URL")


def within(path: str, homes: tuple[str, ...]) -> bool:
    return any(path == home or (home.endswith("/") and path.startswith(home)) for home in homes)


def imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that are carried out, so not those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for other in node.orelse:
                yield from imports(other)
        else:
            yield from imports(node)


def modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the modules of an import; of ``from sim import x``, ``sim.x`` when that is a file."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    return [f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}") else base for alias in node.names]


def is_module(name: str) -> bool:
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def imported(tree: ast.AST) -> list[str]:
    return [name for node in imports(tree) for name in modules(node)]


def station(name: str) -> str:
    """Return the station of ``sim.scenario.model`` (or of a path): ``scenario``."""
    return name.removesuffix(".py").replace("/", ".").split(".")[1] if "." in name else ""


def import_faults(path: str, tree: ast.AST) -> Iterator[str]:
    for node in imports(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield "imports relatively; write the module's full name"
    for name in imported(tree):
        root = name.partition(".")[0]
        if root in HOMES and not within(path, HOMES[root]):
            yield f"imports {root}; only {', '.join(HOMES[root]) or 'no file'} may: ask there, or hand it a table"
        if root == "tests" and not path.startswith("tests/"):
            yield "imports tests; what both need belongs to sim or loadtests"
        if path.startswith("sim/"):
            yield from _sim_faults(path, name)
        if path.startswith("loadtests/"):
            yield from _loadtests_faults(path, name)


def _sim_faults(path: str, name: str) -> Iterator[str]:
    here, root = station(path), name.partition(".")[0]
    if root == "loadtests":
        yield "imports loadtests; start it as a child process (sim/cli/children.py)"
    if root != "sim" or here in ("cli", "__init__"):
        return
    if name == "sim":
        yield "imports from sim's public face; import the module that defines it"
    elif here not in MAY_IMPORT:
        yield f"is no station of the line; give {here} a place in MAY_IMPORT here, and in its order"
    elif station(name) not in {here, *MAY_IMPORT[here].split()}:
        allowed = MAY_IMPORT[here] or "no other station"
        yield f"imports {name}; {here} may import {allowed}: take what you need as an argument or a table"


def _loadtests_faults(path: str, name: str) -> Iterator[str]:
    root = name.partition(".")[0]
    if (
        root == "sim"
        and path not in ("loadtests/cli.py", "loadtests/costs.py")
        and station(name) not in LOADTESTS_MAY_IMPORT
    ):
        yield f"imports {name}; the load test reads a run's files, with sim.clock, sim.curve and sim.tables alone"
    if path.startswith("loadtests/staging/") and (
        root == "sim" or (root == "loadtests" and not name.startswith("loadtests.staging"))
    ):
        yield f"imports {name}; the reference server knows neither the model nor the load test"


def speech_faults(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield what prints, exits, draws or reads a clock where it must not."""
    for node in ast.walk(tree):
        words = _names(node)
        if not within(path, SPEAKERS):
            if words & {("print",), ("exit",), ("quit",), ("input",), ("SystemExit",)}:
                yield f"line {node.lineno} prints or exits; return a value or raise, and let a cli file tell it"  # type: ignore[attr-defined]
            if words & SPEAKS:
                yield f"line {node.lineno} speaks to the terminal or exits; leave that to a cli file"  # type: ignore[attr-defined]
        if words & {("np", "random"), ("numpy", "random")} or {w[-1] for w in words} & DRAWS:
            yield f"line {node.lineno}: numpy's random {CHANCE}"  # type: ignore[attr-defined]
        if ("hash",) in words:
            yield f"line {node.lineno}: hash() of text is salted anew by each process; use hashlib"  # type: ignore[attr-defined]
        if words & READS_CLOCK and path.startswith("sim/") and not within(path, CLOCK_READERS):
            yield f"line {node.lineno} reads a clock; a station knows only simulated time"  # type: ignore[attr-defined]
        if words & {("import_module",), ("__import__",)} and not within(path, BY_NAME):
            yield f"line {node.lineno} imports by name, which no wall can see; write an import"  # type: ignore[attr-defined]


def _names(node: ast.AST) -> set[tuple[str, ...]]:
    """Return what a node names: a bare name, ``module.attribute``, or what is imported from a module."""
    if isinstance(node, ast.Name):
        return {(node.id,)}
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return {(node.value.id, node.attr)}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "", alias.name) for alias in node.names}
    if isinstance(node, ast.Import):
        return {tuple(alias.name.split(".")[:2]) for alias in node.names if "." in alias.name}
    return set()


def size_faults(path: str, tree: ast.AST, n_lines: int) -> Iterator[str]:
    if n_lines > LINES_OF_A_FILE:
        yield f"has {n_lines} lines; more than {LINES_OF_A_FILE} are two subjects: make it a folder of the same name"
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        length = (node.end_lineno or node.lineno) - node.lineno + 1
        if length > LINES_OF_A_FUNCTION:
            yield f"{node.name} has {length} lines; give its parts names, {LINES_OF_A_FUNCTION} is the most"
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        count = sum(one.arg not in ("self", "cls") for one in arguments)
        if count > PARAMETERS:
            yield f"{node.name} takes {count} parameters; {PARAMETERS} is the most: hand over one record"


def start_faults(path: str, tree: ast.Module) -> Iterator[str]:
    """Yield what makes ``import sim`` or ``withstand --help`` slow."""
    if path in AT_ONCE:
        for node in tree.body:
            for name in modules(node) if isinstance(node, ast.Import | ast.ImportFrom) else ():
                if name.partition(".")[0] not in sys.stdlib_module_names and name != "sim.cli.options":
                    yield f"imports {name} at once; import it in the function that needs it"


def text_faults(path: str, text: str) -> Iterator[str]:
    if match := PLACES.search(text):
        yield f"names a place of one machine ({match[0]}); take it from an argument or from the file's own place"
    if ELSEWHERE in text and path != "tests/real_data.py":
        yield f"reaches for {ELSEWHERE}; tests/real_data.py alone may look for it, and does without"
    if INDEX.search(text):
        yield "names a package index; that is each machine's own setting"


def faults(path: str, source: str) -> list[str]:
    """Return every wall that a file of the project breaks."""
    found = list(text_faults(path, source))
    if path.endswith(".py"):
        tree = ast.parse(source)
        found += import_faults(path, tree)
        if not path.startswith("tests/"):
            found += speech_faults(path, tree)
            found += size_faults(path, tree, len(source.splitlines()))
            found += start_faults(path, tree)
    return [f"{path}: {fault}" for fault in dict.fromkeys(found)]


def project_files() -> list[str]:
    kinds = {".py", ".toml", ".md", ".txt", ".j2", ".json", ".sh"}
    tops = [ROOT / name for name in ("sim", "loadtests", "scenarios", "tests", "results/gallery")]
    inside = [path for top in tops for path in top.rglob("*") if path.suffix in kinds and path.is_file()]
    beside = [path for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".")]
    return sorted(path.relative_to(ROOT).as_posix() for path in [*inside, *beside])


@pytest.mark.parametrize("top", ["sim", "loadtests", "scenarios", "tests", "the rest"])
def test_every_file_keeps_the_walls(top: str) -> None:
    mine = [path for path in project_files() if path.startswith(f"{top}/")]
    if top == "the rest":
        mine = [path for path in project_files() if "/" not in path or path.startswith("results/")]
    assert mine, f"{top}: no file found; the walls must see the sources"
    broken = [fault for path in mine for fault in faults(path, (ROOT / path).read_text("utf-8", "replace"))]
    assert not broken, "\n".join(["walls broken:", *broken])


LONG = "def long():\n" + "    pass\n" * 60
MANY = "def many(self, a, b, c, d, *, e, f, g, h, i): ..."


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("sim/metrics.py", "from sim import engine", "imports sim.engine"),
        ("sim/metrics.py", "def f():\n    from sim.engine import simulate", "imports sim.engine"),
        ("sim/engine.py", "from sim.scenario.model import Scenario", "imports sim.scenario.model"),
        ("sim/engine.py", "from sim.streams import Streams", "imports sim.streams"),
        ("sim/plots/view.py", "import sim.engine", "imports sim.engine"),
        ("sim/plots/view.py", "from sim.demand import Demand", "imports sim.demand"),
        ("sim/plots/style.py", "from sim.streams import Streams", "imports sim.streams"),
        ("sim/theory/queues.py", "from sim.clock import HOUR_MS", "no other station"),
        ("sim/fresh.py", "from sim import clock", "is no station of the line"),
        ("sim/facts.py", "from sim import load", "public face"),
        ("sim/facts.py", "from .clock import NEVER", "relatively"),
        ("sim/cli/run.py", "from loadtests import plan", "child process"),
        ("sim/replicate.py", "import simpy", "imports simpy"),
        ("sim/report/page.py", "import matplotlib.pyplot as plt", "imports matplotlib"),
        ("sim/demand.py", "import random", "imports random"),
        ("sim/demand.py", "import numpy as np\nx = np.random", "is chance"),
        ("sim/streams.py", "from numpy.random import default_rng", "is chance"),
        ("sim/demand.py", "from numpy import random", "is chance"),
        ("sim/streams.py", "seed = hash('howto')", "salted"),
        ("sim/series.py", "from datetime import datetime\nx = datetime.now()", "reads a clock"),
        ("sim/engine.py", "from time import perf_counter", "reads a clock"),
        ("sim/folder.py", "print('written')", "prints or exits"),
        ("sim/folder.py", "import sys\nsys.exit(1)", "speaks to the terminal"),
        ("sim/folder.py", "from sys import exit", "speaks to the terminal"),
        ("sim/folder.py", "raise SystemExit(2)", "prints or exits"),
        ("sim/facts.py", "from importlib import import_module\nimport_module('sim.engine')", "imports by name"),
        ("sim/__init__.py", "import numpy", "at once"),
        ("sim/cli/options.py", "from sim.scenario import load", "at once"),
        ("loadtests/verdict.py", "from sim.metrics import METRICS", "reads a run's files"),
        ("loadtests/driver.py", "import locust", "imports locust"),
        ("loadtests/staging/ledger.py", "import sqlite3", "imports sqlite3"),
        ("loadtests/staging/service.py", "import psycopg", "imports psycopg"),
        ("loadtests/driver.py", "print('sent')", "prints or exits"),
        ("loadtests/staging/app.py", "from sim.clock import NEVER", "neither the model"),
        ("loadtests/staging/app.py", "from loadtests.dialect import Dialect", "neither the model"),
        ("loadtests/plan.py", "from tests import worlds", "imports tests"),
        ("tests/test_engine_order.py", "import simpy", "imports simpy"),
        ("tests/test_loadtest.py", "from locust import User", "imports locust"),
        ("sim/engine.py", "x = 1\n" * 451, "two subjects"),
        ("sim/engine.py", LONG, "61 lines"),
        ("sim/engine.py", MANY, "takes 9 parameters"),
        ("README.md", f"see {ELSEWHERE}/data", "reaches for"),
        ("tests/test_market.py", "DATA = '" + "/home" + "/me/data'", "one machine"),
        ("Makefile", "pip install --index-" + "url x", "package index"),
    ],
)
def test_a_broken_wall_is_told(path: str, source: str, fault: str) -> None:
    assert any(fault in one for one in faults(path, source)), faults(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("sim/engine.py", "import simpy\nfrom sim.levels import tick"),
        ("sim/folder.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from sim.runner import Run"),
        ("sim/cli/show.py", "import sys\nfrom sim.metrics import METRICS\nprint('x', file=sys.stderr)"),
        ("sim/cli/options.py", "def f():\n    from sim.scenario import load"),
        ("loadtests/cli.py", "from sim import load, run"),
        ("tests/real_data.py", f"PLACE = '{ELSEWHERE}'"),
        ("sim/engine.py", "def f(self, a, b, c, d, e, f, g, h): ..."),
    ],
)
def test_what_the_walls_allow_is_not_told(path: str, source: str) -> None:
    assert faults(path, source) == []


def test_the_line_has_an_order() -> None:
    names = list(MAY_IMPORT)
    for place, (name, allowed) in enumerate(MAY_IMPORT.items()):
        late = set(allowed.split()) - set(names[:place])
        assert not late, f"{name} reads {late}, which come after it: nothing reaches back; turn the import round"
    present = {station(path) for path in project_files() if path.startswith("sim/") and path.endswith(".py")}
    gone = set(names) - present
    assert not gone, f"{gone} are stations no more; take them out of MAY_IMPORT"


def test_no_module_of_sim_imports_itself_round_a_corner() -> None:
    graph: dict[str, set[str]] = {}
    for path in project_files():
        if path.startswith("sim/") and path.endswith(".py"):
            tree = ast.parse((ROOT / path).read_text("utf-8"))
            at_once = [name for node in tree.body for name in _at_once(node)]
            mine = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            graph[mine] = {name for name in at_once if name.startswith("sim.") and name != mine}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"{' -> '.join(error.args[1])} is a cycle; move what both need into a module below them")


def _at_once(node: ast.AST) -> list[str]:
    return modules(node) if isinstance(node, ast.Import | ast.ImportFrom) else []


def test_metrics_and_plots_are_free_of_the_engine_however_far_one_follows() -> None:
    reached: dict[str, set[str]] = {}
    for name, allowed in MAY_IMPORT.items():
        reached[name] = set(allowed.split()).union(*(reached[one] for one in allowed.split()))
    for name in ("metrics", "series", "plots", "report", "saved", "comparison"):
        assert "engine" not in reached[name], f"{name} reaches the engine; read its tables instead"


def test_the_top_level_holds_nothing_else() -> None:
    strangers = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - TOP_LEVEL - LEFT_BY_TOOLS
    assert not strangers, (
        f"{strangers} at the top level; put code in sim or loadtests, stories in scenarios, output in results"
    )


@pytest.mark.parametrize("file", ["constraints.txt", "tests/helpdesk/constraints.txt"])
def test_constraints_are_names_and_versions_alone(file: str) -> None:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    assert len(pinned) > 20, "constraints.txt must pin everything that is installed"
    for line in pinned:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+]*", line), (
            f"{line!r}: write name==version, nothing else"
        )
    assert not [line for line in lines if "://" in line], (
        "constraints.txt: no addresses; an index is a machine's setting"
    )
