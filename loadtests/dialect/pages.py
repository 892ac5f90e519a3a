"""Records that are read page by page while new ones come in: a page that shifts shows a record twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

TRIES = 3

Record = TypeVar("Record")


def whole(read: Callable[[], Iterable[Record]], name: Callable[[Record], Hashable]) -> list[Record]:
    """Return each record once, by its name (the server's id, and the key it is under), as it was read last.

    A record that was read twice tells that the pages have shifted, so all are read again, ``TRIES`` times at most;
    what any reading showed is in the result.
    """
    found: dict[Hashable, Record] = {}
    for _ in range(TRIES):
        rows = list(read())
        names = [name(row) for row in rows]
        found |= zip(names, rows, strict=True)
        if len(set(names)) == len(names):
            break
    return list(found.values())
