"""How a mechanism of the kernel declares its data: each column and number once, with its unit and meaning.

A declaration returns the index of what it declares, so that a name and its index cannot part. Indices follow the order
of declaration, which is that of ``sim.feedback.mechanisms``.
"""

from __future__ import annotations

from dataclasses import field, fields, is_dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class KernelColumn(NamedTuple):
    """A column or place of a kernel table: its name, its unit, what it holds, and its value before the first minute."""

    name: str
    unit: str
    meaning: str
    start: float


class Table:
    """The columns of one kernel table, in the order of their declaration."""

    def __init__(self, about: str) -> None:
        self.about = about
        self.columns: list[KernelColumn] = []

    def column(self, name: str, unit: str, meaning: str, *, start: float = 0.0) -> int:
        """Declare a column and return its index. Raises ValueError for a name that is taken."""
        if name in self.names:
            raise ValueError(f"{name}: is a column of this table already ({self.about})")
        self.columns.append(KernelColumn(name, unit, meaning, start))
        return len(self.columns) - 1

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, in order."""
        return tuple(column.name for column in self.columns)

    def rows(self, *before: int, kind: type = float) -> NDArray[Any]:
        """Return an array of this table whose last axis are its columns, each at its start."""
        out: NDArray[Any] = np.zeros((*before, len(self.columns)), kind)
        out[...] = [column.start for column in self.columns]
        return out


INTS = Table("whole numbers by the minute")
FLOATS = Table("real numbers by the minute")
RAILS = Table("whole numbers by the minute and rail")
EXOGENOUS = Table("what a minute gets from outside, 0 where nothing is")
DUE = Table("what was put off, by the minute at whose tick it happens, and rail")
BY_CLASS = Table("counted withdrawals of a whole run, by rail and class")
RAIL_NUMBERS = Table("whole numbers of each rail, the same for a whole run")
RAIL_PLACES = Table("how far each rail's lines and drawn inputs have been used up")
DRAWN_ROWS = Table("withdrawals with an identity, as they are drawn")
ROWS = Table("withdrawals with an identity, as they are at the tick")
PLACES = Table("how far the drawn inputs have been used up")
SUMS = Table("running sums and carries of one replication")


class Stream(NamedTuple):
    """A stream of candidates: its number, and the column of ``FLOATS`` with the share of them that is admitted."""

    number: int
    share: int


DECLARED_STREAMS: dict[str, Stream] = {}
"""The streams of candidates by name. A share above 1 is cut short."""


def stream(name: str, meaning: str) -> Stream:
    """Declare a stream of candidate tickets and the column with the share of them that is admitted in the minute."""
    DECLARED_STREAMS[name] = made = Stream(
        len(DECLARED_STREAMS), FLOATS.column(f"admitted_{name}", "share of candidates", meaning)
    )
    return made


class EventStream(NamedTuple):
    """A stream of candidates that single events ask for: its number, its share, and what is still asked for."""

    number: int
    share: int
    pending: int


PENDING_COLUMNS: dict[int, int] = {}
"""By number of an event stream, the column of ``FLOATS`` with what is still asked for."""


def event_stream(name: str, meaning: str) -> EventStream:
    """Declare a stream of candidates that events ask for; what is more than all of a minute's is asked for later."""
    number, share = stream(name, meaning)
    pending = FLOATS.column(f"pending_{name}", "minutes' candidates", f"{meaning}: asked for, and not yet admitted")
    PENDING_COLUMNS[number] = pending
    return EventStream(number, share, pending)


def parameter(default: float, unit: str, meaning: str) -> Any:
    """Declare a parameter of a mechanism: a field of its dataclass, with its unit and meaning."""
    return field(default=default, metadata={"unit": unit, "meaning": meaning})


def numbers_of(parameters: Any, prefix: str = "") -> dict[str, int | float]:
    """Return the numbers of a dataclass of parameters by name; those of a mechanism within it as ``mechanism_name``."""
    out: dict[str, int | float] = {}
    for one in fields(parameters):
        value = getattr(parameters, one.name)
        if is_dataclass(value):
            out |= numbers_of(value, f"{prefix}{one.name}_")
        elif isinstance(value, int | float):
            out[prefix + one.name] = value
    return out


def record_of(parameters: Any) -> NDArray[np.void]:
    """Return the numbers of a dataclass of parameters as one record, which costs a call less than as many numbers.

    A field whose default is a whole number is one in the record, whatever value it got.
    """
    kinds = {
        name: np.int64 if isinstance(value, int) else np.float64
        for name, value in numbers_of(type(parameters)()).items()
    }
    values = numbers_of(parameters)
    return np.array([tuple(values[name] for name in kinds)], np.dtype((np.record, list(kinds.items()))))
