"""The changes of a source file: one operator, number, condition or statement at a time.

Text, annotations, messages of errors, assertions and imports stay as they are.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[3]
_SWAPS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"),
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.LShift: ("<<", ">>"), ast.RShift: (">>", "<<"),
    ast.BitAnd: ("&", "|"), ast.BitOr: ("|", "&"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip
"""What stands between two operands, and what takes its place."""
_NAMES = {
    "min": "max", "max": "min", "minimum": "maximum", "maximum": "minimum", "any": "all", "all": "any",
    "floor": "ceil", "ceil": "floor", "left": "right", "right": "left", "zeros": "ones", "ones": "zeros",
}  # fmt: skip
"""Functions, methods and sides, and what takes their place."""
_LEFT_ALONE = (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom, ast.arg)


@dataclass(frozen=True)
class Mutant:
    """A file with the bytes from ``start`` to ``end`` replaced."""

    file: str
    start: int
    end: int
    new: str

    @cached_property
    def text(self) -> str:
        """The whole file, changed."""
        source = (ROOT / self.file).read_bytes()
        return (source[: self.start] + self.new.encode() + source[self.end :]).decode()

    @cached_property
    def line(self) -> int:
        """The number of the first line that changes."""
        return (ROOT / self.file).read_bytes()[: self.start].count(b"\n") + 1

    @property
    def where(self) -> str:
        """The name of the innermost function or class that the change lies in; empty outside of any."""
        found = ""
        for node in ast.walk(ast.parse((ROOT / self.file).read_bytes())):  # the outer ones come first
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.lineno <= self.line <= (node.end_lineno or 0):
                found = node.name
        return found

    @property
    def lines(self) -> tuple[str, str]:
        """That line, as it is and as it becomes."""
        before = (ROOT / self.file).read_text("utf-8").splitlines()[self.line - 1]
        return before.strip(), self.text.splitlines()[self.line - 1].strip()


def mutants_of(file: str) -> list[Mutant]:
    """Return every change of a file that is made here, in the order of the text."""
    source = (ROOT / file).read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def span(node: ast.AST) -> tuple[int, int]:
        at = (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
        return starts[at[0] - 1] + at[1], starts[at[2] - 1] + at[3]

    found = []
    for node in _walk(ast.parse(source)):
        for start, end, new in _changes(node, source, span):
            found.append(Mutant(file, start, end, new))
    return sorted(set(found), key=lambda one: (one.start, one.end, one.new))


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not isinstance(child, _LEFT_ALONE):
                yield child
                yield from _walk(child)


def _changes(node: ast.AST, source: bytes, span) -> Iterator[tuple[int, int, str]]:  # type: ignore[no-untyped-def]
    """Yield (start, end, new) of the changes of one node itself."""
    if isinstance(node, ast.Compare):
        operands = [node.left, *node.comparators]
        for left, op, right in zip(operands, node.ops, node.comparators, strict=False):
            yield from _between(source, span(left)[1], span(right)[0], op)
    elif isinstance(node, ast.BinOp):
        yield from _between(source, span(node.left)[1], span(node.right)[0], node.op)
    elif isinstance(node, ast.BoolOp):
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from _between(source, span(left)[1], span(right)[0], node.op)
    elif isinstance(node, ast.AugAssign):
        yield from _between(source, span(node.target)[1], span(node.value)[0], node.op)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield (span(node)[0], span(node.operand)[0], "")
    elif isinstance(node, ast.Constant):
        yield from _other_value(node.value, *span(node))
    elif isinstance(node, ast.Name) and node.id in _NAMES:
        yield (*span(node), _NAMES[node.id])
    elif isinstance(node, ast.Attribute) and node.attr in _NAMES:
        yield (span(node)[1] - len(node.attr), span(node)[1], _NAMES[node.attr])
    if isinstance(node, ast.If | ast.IfExp | ast.While) and isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
        yield (span(node.test)[0], span(node.test)[0], "not ")
    stored = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript | ast.Attribute)
    called = isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    if stored or called or isinstance(node, ast.AugAssign | ast.Continue | ast.Break):
        yield (*span(node), "pass")


def _between(source: bytes, start: int, end: int, op: ast.AST) -> Iterator[tuple[int, int, str]]:
    if type(op) in _SWAPS:
        old, new = _SWAPS[type(op)]
        at = source.index(old.encode(), start, end)
        yield at, at + len(old), new


def _other_value(value: object, start: int, end: int) -> Iterator[tuple[int, int, str]]:
    if isinstance(value, bool):
        yield start, end, str(not value)
    elif isinstance(value, int):
        yield start, end, str(value + 1)
        if value == 1:
            yield start, end, "0"
    elif isinstance(value, float):
        yield start, end, repr(value * 2 or 1.0)
    elif isinstance(value, str) and value in ("left", "right"):
        yield start, end, repr(_NAMES[value])
