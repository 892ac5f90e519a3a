"""The checklist: what represents each of 149 facts about exchanges, their users and their complaints.

``checklist.toml`` holds a row for each: S0 how an exchange talks to its users, S1 withdrawals, S2 why complaints go
unanswered. A row is *represented* (with changes of keys that are shown to move something), *later* (with the subject
that brings it), *out of scope* (with the reason), or *pending* (with the mechanism that is being built).
``python -m sim.studies.checklist`` prints what there is of each.
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).resolve().parents[1] / "checklist.toml"
PARTS = {"S0": 45, "S1": 42, "S2": 62}
IDS = tuple(f"{part}-{number:02}" for part, count in PARTS.items() for number in range(1, count + 1))
STATES = ("represented", "later", "out_of_scope", "pending")
NAMES = ("keys", "categories", "metrics", "levels", "scenarios", "endpoints", "outputs")
"""What may represent a row, beside the keys that its changes name."""


@dataclass(frozen=True)
class Change:
    """A key set to a value, what must then differ, and other settings: on both sides, or on the changed one alone."""

    of: str
    key: str
    to: Any
    moves: tuple[str, ...]
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
class Row:
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


def rows() -> list[Row]:
    """Return the rows in the order of the file."""
    return [Row(name, data) for name, data in read()["rows"].items()]


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
    moves = (data["moves"],) if isinstance(data["moves"], str) else tuple(data["moves"])
    return Change(of, data["key"], data["to"], moves, data.get("with", {}), data.get("also", {}))


if __name__ == "__main__":
    sys.stdout.write("\n".join(summary()) + "\n")
