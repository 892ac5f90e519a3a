"""The sources as the walls see them: which files there are, what each imports, and when."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
KINDS = {".py", ".toml", ".md", ".txt", ".j2", ".json", ".sh", ".ipynb"}


class Imported(NamedTuple):
    """A module that a file imports: its full name, the line, and whether for type checkers alone."""

    module: str
    line: int
    for_types: bool


def project_files() -> list[str]:
    """Return every text file of the project, as a path from the top level."""
    tops = [ROOT / name for name in ("sim", "loadtests", "scenarios", "tests", "results/gallery")]
    inside = [path for top in tops for path in top.rglob("*") if path.suffix in KINDS and path.is_file()]
    beside = [path for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".")]
    return sorted(path.relative_to(ROOT).as_posix() for path in [*inside, *beside])


def python_files(*tops: str) -> list[str]:
    """Return the Python files below some top-level folders."""
    return [path for path in project_files() if path.endswith(".py") and path.startswith(tuple(f"{t}/" for t in tops))]


def parsed(path: str) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse((ROOT / path).read_text("utf-8"))


def nodes(tree: ast.AST, for_types: bool = False) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Yield every import, those inside functions too, and whether it is for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, for_types
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for inner in node.body:
                yield from nodes(ast.Module([inner], []), True)
            for inner in node.orelse:
                yield from nodes(ast.Module([inner], []), for_types)
        else:
            yield from nodes(node, for_types)


def modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    """Return the modules of an import; of ``from sim import x``, ``sim.x`` when that is a file."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    return [f"{base}.{alias.name}" if is_module(f"{base}.{alias.name}") else base for alias in node.names]


def imports(tree: ast.AST) -> list[Imported]:
    """Return what a file imports, in order."""
    return [Imported(name, node.lineno, for_types) for node, for_types in nodes(tree) for name in modules(node)]


def is_module(name: str) -> bool:
    """Return whether a name is a module or a package of the project."""
    place = ROOT.joinpath(*name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def name_of(path: str) -> str:
    """Return the module's name of a path: ``sim.feedback`` of ``sim/feedback/__init__.py``."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
