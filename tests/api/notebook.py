"""Execute a notebook's code cells in order, as its kernel would: one namespace, the last expression shown.

A script of its own, run in a fresh interpreter: ``python tests/api/notebook.py FILE``. It shows a value as a notebook
does, by ``_repr_html_`` where there is one. Cells are plain Python; a line of IPython's own (``%``, ``!``) is refused.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from typing import Any


def execute(file: Path) -> None:
    """Execute all code cells, and print what each shows. Raises what a cell raises."""
    cells = json.loads(file.read_text("utf-8"))["cells"]
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            _cell("".join(cell["source"]), f"{file.name}, cell {number}", names)


def _cell(source: str, where: str, names: dict[str, Any]) -> None:
    tree = ast.parse(source, where)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, where, "exec"), names)
    if last is not None:
        value = eval(compile(ast.Expression(last.value), where, "eval"), names)
        if value is not None:
            html = value._repr_html_() if hasattr(value, "_repr_html_") else None
            print(html or repr(value))  # noqa: T201


if __name__ == "__main__":
    execute(Path(sys.argv[1]))
