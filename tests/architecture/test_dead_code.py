"""Nothing of the product is there for tests alone: each public name is named by the product itself.

A top-level function or class counts as named by another line of its own file; by a file that imports it, or that
imports its module or a package of it and says its name; or by a text ``"module:name"``, as commands are dispatched.
What a package or a face hands on counts for nothing. A method is named by any line outside itself that says its name.
"""

from __future__ import annotations

import ast
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from functools import cache

from tests.architecture.sources import ROOT, imports, name_of, parsed, python_files
from tests.architecture.test_floors import FACES

FROM_OUTSIDE = {
    "loadtests/dialects/*:create": "a dialect's module is found by its name, and this called in it",
    "loadtests/staging/http/server.py:_Server.startup": "the web server calls it",
    "sim/core/jit.py:_*": "numba calls them",
    **{
        f"loadtests/staging/http/deadlines.py:DeadlineProtocol.{event}": "the web server calls it"
        for event in (
            *("connection_made", "connection_lost"),
            *("on_message_begin", "on_headers_complete", "on_message_complete"),
        )
    },
    "loadtests/transport/http1.py:AnswerParser.on_*": "httptools calls them",
    "loadtests/core/redact.py:CleanStream.writelines": "whoever writes to standard output may call it",
}
"""Files (``*``: all of a folder) and names that the product names nowhere, each with who calls it."""

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def statements(path: str, tree: ast.Module) -> list[ast.stmt]:
    """Return what a file says, but for what it hands on: ``__all__``, and the imports of packages and faces."""
    faces = path.endswith("/__init__.py") or path in FACES
    return [
        node
        for node in tree.body
        if not (faces and isinstance(node, ast.Import | ast.ImportFrom))
        and not (isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    ]


def said(node: ast.AST) -> Iterator[str]:
    """Yield the names that a piece of code says, and its texts of the form ``"module:name"``."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name):
            yield inner.id
        elif isinstance(inner, ast.Attribute):
            yield inner.attr
        elif isinstance(inner, ast.ImportFrom):
            yield from (alias.name for alias in inner.names)
        elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and ":" in inner.value:
            yield inner.value


def public(body: list[ast.stmt]) -> Iterator[Definition]:
    """Yield the public functions and classes among some statements."""
    for node in body:
        if isinstance(node, Definition) and not node.name.startswith("_"):
            yield node


def unnamed(files: Mapping[str, ast.Module], scripts: str = "") -> Iterator[str]:
    """Yield ``file:name`` of each public function, class and method that nothing else of the files names."""
    lines = {path: [(node, set(said(node))) for node in statements(path, tree)] for path, tree in files.items()}
    words = {path: set().union(*(found for _, found in rows)) for path, rows in lines.items()}
    everywhere = Counter(name for tree in files.values() for name in said(tree))
    known = {path: {one.module for one in imports(tree)} for path, tree in files.items()}
    for path, tree in files.items():
        module = name_of(path)
        for node in public(tree.body):
            here = any(node.name in found for other, found in lines[path] if other is not node)
            there = any(
                node.name in words[other] and any(f"{module}.".startswith(f"{one}.") for one in known[other])
                for other in files
                if other != path
            )
            dispatched = f"{module.rpartition('.')[2]}:{node.name}"
            if not (here or there or any(dispatched in found for found in words.values()) or dispatched in scripts):
                yield f"{path}:{node.name}"
        for owner in (node for node in tree.body if isinstance(node, ast.ClassDef)):
            for node in public(owner.body):
                if everywhere[node.name] == list(said(node)).count(node.name):
                    yield f"{path}:{owner.name}.{node.name}"


def allowed(name: str, entry: str) -> bool:
    """Return whether an entry of the list speaks of a name."""
    file, _, what = name.partition(":")
    place, _, only = entry.partition(":")
    in_place = file.startswith(place.removesuffix("*")) if place.endswith("*") else file == place
    return in_place and fnmatch(what, only)


@cache
def found() -> tuple[str, ...]:
    files = {path: parsed(path) for path in python_files("sim", "loadtests")}
    return tuple(unnamed(files, (ROOT / "pyproject.toml").read_text("utf-8")))


def test_no_code_is_there_for_tests_alone() -> None:
    dead = [name for name in found() if not any(allowed(name, entry) for entry in FROM_OUTSIDE)]
    assert dead == [], "the product names them nowhere: remove them, or move them to tests/support"


def test_every_entry_of_the_list_is_still_needed() -> None:
    needless = [entry for entry in FROM_OUTSIDE if not any(allowed(name, entry) for name in found())]
    assert needless == [], "the product names them by now, or they are gone: drop the entries"


def test_what_nothing_names_is_found() -> None:
    sources = {
        "sim/core/planted.py": """
            __all__ = ["handed_on"]

            def used(): return 1
            def dispatched(): return used()
            def handed_on(): return handed_on()
            def elsewhere(): return 1

            class Kept:
                def called(self): return self.called()
                def never(self): return self.never()
        """,
        "sim/core/__init__.py": "from sim.core.planted import handed_on",
        "sim/core/other.py": 'from sim.core.planted import Kept\n\nCOMMAND = "planted:dispatched"\nKept().called()\n',
        "sim/model/stranger.py": "from sim.engine import heap\n\nheap.elsewhere()\n",
    }
    files = {path: ast.parse(textwrap.dedent(text)) for path, text in sources.items()}
    assert list(unnamed(files)) == [
        "sim/core/planted.py:handed_on",
        "sim/core/planted.py:elsewhere",
        "sim/core/planted.py:Kept.never",
    ]
