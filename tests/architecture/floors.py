"""The floors of the house and the signs of its rooms.

What ``python -m tests.architecture.floors sim`` (or ``loadtests``) prints stands in the README of that half; a test
compares them.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping

from tests.architecture.sources import ROOT, parsed

Floors = tuple[tuple[str, ...], ...]

FLOORS: Mapping[str, Floors] = {
    "sim": (
        ("core", "theory"),
        ("numerics", "scenario"),
        ("feedback",),
        ("drivers", "staffing"),
        ("demand",),
        ("model", "engine"),
        ("metrics",),
        ("experiment",),
        ("output", "selfcheck"),
        ("api",),
        ("studies",),
        ("cli",),
        ("__main__",),
    ),
    "loadtests": (
        ("core",),
        ("dialect",),
        ("transport", "verdict", "dialects"),
        ("plan",),
        ("reconciliation", "capacity"),
        ("replay", "injection"),
        ("locustfile",),
        ("cli",),
        ("__main__",),
    ),
}
"""The rooms of each half, from the lowest floor up. ``loadtests/staging`` stands apart: it knows none of them."""


def sign(folder: str) -> str:
    """Return the sentence with which a room's ``__init__.py``, or a file, begins."""
    path = ROOT / folder
    text = ast.get_docstring(parsed(f"{folder}/__init__.py" if path.is_dir() else f"{folder}.py")) or ""
    return " ".join(text.split("\n\n")[0].split())


def drawing(top: str) -> list[str]:
    """Return the floors as text, the highest first."""
    floors = list(enumerate(FLOORS[top], 1))
    return [f"{number:3}  {'   '.join(rooms)}" for number, rooms in reversed(floors)]


def rooms_below(top: str, room: str) -> list[str]:
    """Return a room and the rooms within it, as paths."""
    inner = sorted(path.parent for path in (ROOT / top / room).rglob("*/__init__.py"))
    return [f"{top}/{room}", *(path.relative_to(ROOT).as_posix() for path in inner)]


def page(top: str) -> Iterator[str]:
    """Yield the lines of a half's floors and rooms in Markdown."""
    yield from ("```text", *drawing(top), "```", "", "| floor | room | what it holds |", "|---|---|---|")
    numbered = [(str(number), room) for number, rooms in enumerate(FLOORS[top], 1) for room in rooms]
    for number, room in [*reversed(numbered), *(("-", "staging") for _ in range(top == "loadtests"))]:
        for path in rooms_below(top, room):
            yield f"| {number} | `{path.removeprefix(top + '/')}` | {sign(path).replace('``', '`')} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join(page(sys.argv[1])) + "\n")
