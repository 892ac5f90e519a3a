"""The checklist: what represents each of 149 facts about exchanges, their users and their complaints.

``checklist.toml`` holds a row for each: S0 how an exchange talks to its users, S1 withdrawals, S2 why complaints go
unanswered. A row is *represented* (with changes of keys that are shown to move something), *later* (with the subject
that brings it), *out of scope* (with the reason), or *pending* (with the mechanism that is being built).
``python -m sim.studies.checklist`` prints what there is of each. Each change says what it moves, which way, and how far
at least (see the head of the file); a test holds it to that.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sim.core.system import displayed
from sim.core.tables import ARRIVALS, TICKETS, dtypes

FILE = Path(__file__).resolve().parents[1] / "checklist.toml"
PARTS = {"S0": 45, "S1": 42, "S2": 62}
STATES = ("represented", "later", "out_of_scope", "pending")
NAMES = ("keys", "categories", "metrics", "levels", "scenarios", "endpoints", "outputs")
"""What may represent a row, beside the keys that its changes name."""


@dataclass(frozen=True)
class Bound:
    """The least move required: up (sign 1), down (-1), or, for text, which share of the rows (0)."""

    sign: int
    least: float

    def __str__(self) -> str:
        return signed(self.sign * self.least) if self.sign else f"{self.least:g}"

    def holds(self, moved: float) -> bool:
        """Return whether a move is of this sign, and large enough."""
        return moved * (self.sign or 1) >= self.least


@dataclass(frozen=True)
class Change:
    """A key set to a value, what must then move, and other settings: on both sides, or on the changed one alone."""

    of: str
    key: str
    to: Any
    moves: Mapping[str, Bound]
    beside: Mapping[str, Any]
    also: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.of}-{self.key}"

    @property
    def base(self) -> tuple[str, ...]:
        """The settings of the side that is not changed, as --set arguments."""
        return _sets(self.beside)

    @property
    def changed(self) -> tuple[str, ...]:
        """The settings of the changed side."""
        return _sets({**self.beside, **self.also, self.key: self.to})


@dataclass(frozen=True)
class Fact:
    """A fact: its number, a line about it, and what represents it or why nothing does."""

    id: str
    data: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The fact in a line."""
        return str(self.data.get("text", ""))

    @property
    def state(self) -> str:
        """One of STATES."""
        return next((state for state in STATES[1:] if state in self.data), STATES[0])

    @property
    def why(self) -> str:
        """The subject, the reason or the mechanism of a row that is not represented."""
        return str(self.data.get(self.state, ""))

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes that show the row at work."""
        return tuple(_change(self.id, one) for one in self.data.get("change", []))


def read() -> dict[str, Any]:
    """Return the file as it stands."""
    return tomllib.loads(FILE.read_text("utf-8"))


def rows() -> list[Fact]:
    """Return the rows in the order of the file."""
    return [Fact(name, data) for name, data in read()["rows"].items()]


def changes() -> list[Change]:
    """Return every change: those of the rows, then those of keys that no row names."""
    return [one for row in rows() for one in row.changes] + [_change("key", one) for one in read()["change"]]


def toml(value: Any) -> str:
    """Return a value as TOML writes it in a line."""
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {toml(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(toml(each) for each in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else str(value)


def summary() -> Iterator[str]:
    """Yield what there is of each state, by part, and what is not represented by its subject."""
    found = rows()
    yield f"{'':14}" + "".join(f"{part:>6}" for part in PARTS) + f"{'all':>6}"
    for state in STATES:
        counts = [sum(row.state == state and row.id.startswith(part) for row in found) for part in PARTS]
        yield f"{state.replace('_', ' '):14}" + "".join(f"{count:6}" for count in (*counts, sum(counts)))
    found_changes = [one for row in found for one in row.changes]
    n_keys, n_moved = (
        len({one.key for one in found_changes}),
        len({name for one in found_changes for name in one.moves}),
    )
    yield f"{len(found_changes)} changes of {n_keys} keys show the rows at work, in {n_moved} numbers"
    for state in STATES[1:]:
        for why, count in Counter(row.why for row in found if row.state == state).items():
            ids = ", ".join(row.id for row in found if row.state == state and row.why == why)
            yield f"{state.replace('_', ' ')}, {why}: {count} ({ids})"


def _sets(values: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{key}={toml(value)}" for key, value in values.items())


def _change(of: str, data: Mapping[str, Any]) -> Change:
    """Return a change. Raises ValueError for one that does not say what it changes, or says a word unknown here."""
    if not {"key", "to", "moves"} <= set(data) <= {"key", "to", "moves", "with", "also"}:
        raise ValueError(f"{of}: got {', '.join(data)}; must be key, to, moves, and if need be with and also")
    where, moves = f"{of}: {data['key']}", data["moves"]
    if not isinstance(moves, dict) or not moves:
        raise ValueError(f'{where}: moves: got {toml(moves)}; must be a table such as {{backlog_mean = "+8.5"}}')
    bounds = {name: _bound(where, name, size) for name, size in moves.items()}
    return Change(of, data["key"], data["to"], bounds, data.get("with", {}), data.get("also", {}))


def _bound(where: str, name: str, size: Any) -> Bound:
    """Return what a line says of an output. Raises ValueError without a size, or without a sign where there is one."""
    found = re.fullmatch(r"([+-]?)(\d+(?:\.\d+)?)", size) if isinstance(size, str) else None
    if found is None or not float(found[2]) or bool(found[1]) == is_text(name):
        share, size_and_sign = 'a share of the rows without a sign, such as "0.12"', 'sign and size, such as "+8.5"'
        rule = share if is_text(name) else size_and_sign
        raise ValueError(f"{where}: moves {name}: got {toml(size)}; must be {rule}, as the head of the file says")
    return Bound({"+": 1, "-": -1, "": 0}[found[1]], float(found[2]))


def is_text(name: str) -> bool:
    """Return whether a name is that of a column of text, which has shares and no sign."""
    table, _, column = name.partition("/")
    schema = {"tickets": TICKETS, "arrivals": ARRIVALS}.get(table, ())
    return bool(column) and dtypes(schema).get(column) == pl.String()


def signed(number: float) -> str:
    """Return a number with its sign."""
    return f"{'-' if number < 0 else '+'}{plain(abs(number))}"


def plain(number: float) -> str:
    """Return a number in at most three digits behind its first, or whole from 1,000 on."""
    return f"{number:.3g}" if abs(number) < 1000 else f"{number:.0f}"


def main() -> int:
    """Print the summary and return the exit code."""
    sys.stdout.write("\n".join(summary()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(displayed(main))
