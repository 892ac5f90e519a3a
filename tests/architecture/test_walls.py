"""The walls of the house, read from the sources: who may import whom, who prints, where chance and time come from.

Every wall is also shown a file that breaks it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator

import pytest

from tests.architecture.sources import ROOT, imports, modules, nodes, project_files

HOMES = {
    "locust": ("loadtests/locustfile.py", "tests/bench/rivals/closed_loop.py"),
    "simpy": ("sim/engine/reference.py", "sim/engine/simpy_clock.py", "tests/bench/"),
    "numba": ("sim/core/jit.py",),
    "matplotlib": ("sim/output/plots/", "sim/studies/", "loadtests/verdict/plots/", "tests/"),
    "ciw": ("tests/bench/",),
    "sqlite3": ("loadtests/staging/storage/sqlite.py", "tests/"),
    "psycopg": ("loadtests/staging/storage/postgres.py", "tests/"),
    "random": ("tests/",),
    "uuid": (),
    "secrets": ("sim/cli/", "loadtests/", "tests/"),
    "logging": ("sim/output/plots/", "loadtests/", "tests/"),
}
SPEAKERS = (
    "sim/cli/", "sim/core/system.py", "sim/studies/", "loadtests/cli/", "loadtests/core/exits.py",
    "loadtests/__main__.py", "loadtests/staging/__main__.py",
)  # fmt: skip
BY_NAME = ("sim/__init__.py", "sim/cli/__init__.py", "loadtests/dialects/__init__.py")
CLOCK_READERS = ("sim/api.py", "sim/output/run_info.py", "sim/core/profiling.py", "sim/cli/")
AT_ONCE = ("sim/__init__.py", "sim/cli/__init__.py", "sim/cli/options.py")
TOP_LEVEL = {"pyproject.toml", "README.md", "Makefile", "LICENSE", "constraints.txt"} | {
    "sim", "loadtests", "scenarios", "tests", "results",
}  # fmt: skip
LEFT_BY_TOOLS = {"build", "dist", "__pycache__", "withstand.egg-info"}
LINES_OF_A_FILE, LINES_OF_A_FUNCTION, PARAMETERS = 450, 60, 8

DRAWS = {"default_rng", "RandomState", "SeedSequence", "Philox", "PCG64"}
CHANCE = "is chance; draw from sim.numerics.streams, addressed by ordinal, in demand"
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


def import_faults(path: str, tree: ast.AST) -> Iterator[str]:
    """Yield what is imported relatively, or outside the library's own place."""
    for node, _ in nodes(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            yield "imports relatively; write the module's full name"
    for name, _, for_types in imports(tree):
        root = name.partition(".")[0]
        if root in HOMES and not for_types and not within(path, HOMES[root]):
            yield f"imports {root}; only {', '.join(HOMES[root]) or 'no file'} may: ask there, or hand it a table"


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
            yield f"line {node.lineno} reads a clock; the model knows only simulated time"  # type: ignore[attr-defined]
        if _by_name(words) and not within(path, BY_NAME):
            yield f"line {node.lineno} imports by name, which no wall can see; write an import"  # type: ignore[attr-defined]


def _by_name(words: set[tuple[str, ...]]) -> bool:
    """Return whether a node's words import or run something by its name."""
    tails = {one[-1] for one in words}
    roots = {one[0].partition(".")[0] for one in words} - {"importlib.metadata"}
    if any(one[0] == "importlib.metadata" for one in words):
        roots -= {"importlib"}
    return bool(tails & {"import_module", "__import__", "exec", "eval"} or roots & {"importlib", "runpy", "pkgutil"})


def _names(node: ast.AST) -> set[tuple[str, ...]]:
    """Return what a node names: a bare name, ``module.attribute``, or what is imported from a module."""
    if isinstance(node, ast.Name):
        return {(node.id,)}
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return {(node.value.id, node.attr)}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "", alias.name) for alias in node.names}
    if isinstance(node, ast.Import):
        return {tuple(alias.name.split(".")[:2]) for alias in node.names}
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
    if ELSEWHERE in text and path != "tests/support/real_data.py":
        yield f"reaches for {ELSEWHERE}; tests/support/real_data.py alone may look for it, and does without"
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
        ("sim/metrics/observation/replication.py", "from .clock import NEVER", "relatively"),
        ("sim/experiment/replications.py", "import simpy", "imports simpy"),
        ("sim/output/report/__init__.py", "import matplotlib.pyplot as plt", "imports matplotlib"),
        ("sim/demand/sampling.py", "import random", "imports random"),
        ("sim/demand/sampling.py", "import numpy as np\nx = np.random", "is chance"),
        ("sim/numerics/streams.py", "from numpy.random import default_rng", "is chance"),
        ("sim/demand/sampling.py", "from numpy import random", "is chance"),
        ("sim/numerics/streams.py", "seed = hash('howto')", "salted"),
        ("sim/metrics/hourly.py", "from datetime import datetime\nx = datetime.now()", "reads a clock"),
        ("sim/engine/reference.py", "from time import perf_counter", "reads a clock"),
        ("sim/output/saved_run.py", "print('written')", "prints or exits"),
        ("sim/output/saved_run.py", "import sys\nsys.exit(1)", "speaks to the terminal"),
        ("sim/output/saved_run.py", "from sys import exit", "speaks to the terminal"),
        ("sim/output/saved_run.py", "raise SystemExit(2)", "prints or exits"),
        (
            "sim/metrics/observation/replication.py",
            "from importlib import import_module\nimport_module('sim.engine')",
            "imports by name",
        ),
        ("sim/metrics/hourly.py", "import importlib\nimportlib.import_module('sim.cli')", "imports by name"),
        ("sim/metrics/hourly.py", "from importlib import import_module as im", "imports by name"),
        ("sim/metrics/hourly.py", "import runpy", "imports by name"),
        ("sim/metrics/hourly.py", "exec('import sim.cli')", "imports by name"),
        ("sim/__init__.py", "import numpy", "at once"),
        ("sim/cli/options.py", "from sim.scenario import load", "at once"),
        ("loadtests/transport/driver.py", "import locust", "imports locust"),
        ("loadtests/staging/exchange/ledger.py", "import sqlite3", "imports sqlite3"),
        ("loadtests/staging/http/service.py", "import psycopg", "imports psycopg"),
        ("loadtests/transport/driver.py", "print('sent')", "prints or exits"),
        ("tests/engine/test_order.py", "import simpy", "imports simpy"),
        ("tests/replay/test_replay.py", "from locust import User", "imports locust"),
        ("sim/engine/reference.py", "x = 1\n" * 451, "two subjects"),
        ("sim/engine/reference.py", LONG, "61 lines"),
        ("sim/engine/reference.py", MANY, "takes 9 parameters"),
        ("README.md", f"see {ELSEWHERE}/data", "reaches for"),
        ("tests/drivers/test_market.py", "DATA = '" + "/home" + "/me/data'", "one machine"),
        ("Makefile", "pip install --index-" + "url x", "package index"),
    ],
)
def test_a_broken_wall_is_told(path: str, source: str, fault: str) -> None:
    assert any(fault in one for one in faults(path, source)), faults(path, source)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("sim/engine/reference.py", "import simpy"),
        ("sim/cli/show.py", "import sys\nfrom sim.metrics.registry import METRICS\nprint('x', file=sys.stderr)"),
        ("sim/cli/options.py", "def f():\n    from sim.scenario import load"),
        ("loadtests/cli/__init__.py", "print('passed')"),
        ("tests/support/real_data.py", f"PLACE = '{ELSEWHERE}'"),
        ("sim/engine/reference.py", "def f(self, a, b, c, d, e, f, g, h): ..."),
    ],
)
def test_what_the_walls_allow_is_not_told(path: str, source: str) -> None:
    assert faults(path, source) == []


def test_the_top_level_holds_nothing_else() -> None:
    strangers = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - TOP_LEVEL - LEFT_BY_TOOLS
    assert not strangers, (
        f"{strangers} at the top level; put code in sim or loadtests, stories in scenarios, output in results"
    )


@pytest.mark.parametrize("file", ["constraints.txt", "tests/support/servers/helpdesk/constraints.txt"])
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
