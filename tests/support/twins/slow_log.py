"""What happened to withdrawals, entry by entry, and the counted requests that come, or will come, together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from tests.support.twins.slow_payout import Row


@dataclass
class Part:
    """Counted requests of one rail and class that come, or will come, at one tick."""

    tick: int
    rail: int
    kind: int
    n: int
    cents: int

    def cut(self, n: int) -> Part:
        """Take n of them out, with their part of the money."""
        cents = self.cents * n // self.n if self.n else 0
        self.n, self.cents = self.n - n, self.cents - cents
        return Part(self.tick, self.rail, self.kind, n, cents)


class Entry(NamedTuple):
    """Something that happened: at which tick, what, to how many and to how much money; a row's number, or a class."""

    tick: int
    what: str
    rail: int
    n: int
    cents: int
    row: int = -1
    kind: int = -1


class Log:
    """All that happened so far, in order."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.tick = -1

    def note(self, what: str, part: Part) -> None:
        """Note what happened to counted ones."""
        if part.n:
            self.entries.append(Entry(self.tick, what, part.rail, part.n, part.cents, kind=part.kind))

    def of_row(self, what: str, row: Row, cents: int | None = None) -> None:
        """Note what happened to a row; it is about all of its money if no other is given."""
        self.entries.append(Entry(self.tick, what, row.rail, 1, row.cents if cents is None else cents, row.number))

    def sums(self) -> tuple[Counter[tuple[str, int]], Counter[tuple[str, int]]]:
        """Return how many, and how much money, by what happened and rail (-1 for all)."""
        many: Counter[tuple[str, int]] = Counter()
        money: Counter[tuple[str, int]] = Counter()
        for one in self.entries:
            for where in (one.rail, -1):
                many[one.what, where] += one.n
                money[one.what, where] += one.cents
        return many, money
