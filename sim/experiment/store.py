"""Finished replications kept in a folder: each is complete or absent, however the process ended.

``series.f64`` holds a record of one size for each replication, at the place of its number: every series after the
other, float64. ``replications.jsonl`` names the series and the metrics in its first line; each further line holds one
replication's metrics (null for none, ``[x]`` for one that is at least x) and the checksum of its record, and makes it
count. A record without a line, a line that was not
finished and a line whose record is another one count for nothing, and their places are written again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from sim.core.at_least import AtLeast, is_censored

Key = tuple[str, str]
Metrics = dict[str, float | None]
RECORDS, JOURNAL = "series.f64", "replications.jsonl"


class StoreError(RuntimeError):
    """A replication does not have the series or the metrics of the others: a fault of the program."""


_UNDEFINED, _CENSORED = 1, 2


class _Finished(Mapping[int, Metrics]):
    """Metrics by replication number, 9 bytes a value; each replication's dict is made when asked for."""

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self._rows: dict[int, tuple[NDArray[np.float64], NDArray[np.int8]]] = {}

    def put(self, number: int, values: Sequence[float | None]) -> None:
        kinds = [_UNDEFINED if value is None else _CENSORED * is_censored(value) for value in values]
        self._rows[number] = np.array(values, dtype=np.float64), np.array(kinds, dtype=np.int8)

    def __getitem__(self, number: int) -> Metrics:
        values, kinds = self._rows[number]
        each = zip(self.names, values.tolist(), kinds.tolist(), strict=True)
        return {
            name: None if kind == _UNDEFINED else AtLeast(value) if kind == _CENSORED else value
            for name, value, kind in each
        }

    def __contains__(self, number: object) -> bool:
        return number in self._rows

    def __iter__(self) -> Iterator[int]:
        return iter(tuple(self._rows))

    def __len__(self) -> int:
        return len(self._rows)


class ReplicationStore:
    """The finished replications in a folder, for one process at a time; its threads may share it.

    ``finished``: the metrics of each, by number. ``keys``: its series, (entity, name), each of ``hours`` float64; both
    are known after the first ``add``, or from the folder.
    """

    keys: tuple[Key, ...]
    hours: int
    finished: Mapping[int, Metrics]

    def __init__(self, folder: Path) -> None:
        """Make the folder, or go on with what is in it."""
        folder.mkdir(parents=True, exist_ok=True)
        self.keys, self.hours = (), 0
        self._place: dict[Key, int] = {}
        self.finished = self._finished = _Finished()
        self._lock = Lock()
        self._records = os.open(folder / RECORDS, os.O_RDWR | os.O_CREAT, 0o666)
        self._journal = os.open(folder / JOURNAL, os.O_RDWR | os.O_CREAT, 0o666)
        self._end = 0
        self._read_journal()

    def add(self, number: int, metrics: Metrics, series: Mapping[Key, NDArray[np.floating]]) -> None:
        """Keep a finished replication; when it returns, the end of the process no longer loses it.

        A number that is kept already changes nothing. Raises StoreError when series or metrics are not those of the
        others, OSError when they cannot be written; the replication is then absent.
        """
        with self._lock:
            if number in self._finished:
                return
            if not self.keys:
                first = {"series": list(series), "hours": len(next(iter(series.values()))), "metrics": list(metrics)}
                self._write_line(first)
                self._know(first)
            self._must_fit(number, metrics, series)
            record = np.concatenate([series[key] for key in self.keys], dtype=np.float64).data.cast("B")
            values = [_plain(metrics[name]) for name in self._finished.names]
            _write(self._records, record, number * record.nbytes)
            written = [[value] if is_censored(value) else value for value in values]
            self._write_line({"replication": number, "crc32": crc32(record), "values": written})
            self._finished.put(number, values)

    def matrix(self, entity: str, name: str, numbers: Sequence[int]) -> NDArray[np.float64]:
        """Return a series of finished replications, ``len(numbers)`` x ``hours``, in that order.

        Raises KeyError for a series or a replication that is not kept.
        """
        if missing := set(numbers) - self._finished.keys():
            raise KeyError(min(missing))
        size, offset = self._record_bytes, self._place[entity, name] * self.hours * 8
        out = np.empty((len(numbers), self.hours))
        for row, number in zip(out, numbers, strict=True):
            _read(self._records, row.data.cast("B"), number * size + offset)
        return out

    def close(self) -> None:
        """Close the files; the folder stays."""
        with self._lock:
            for file in (self._records, self._journal):
                if file >= 0:
                    os.close(file)
            self._records = self._journal = -1

    @property
    def _record_bytes(self) -> int:
        return len(self.keys) * self.hours * 8

    def _know(self, first: Mapping[str, Any]) -> None:
        self.keys, self.hours = tuple((entity, name) for entity, name in first["series"]), first["hours"]
        self._place = {key: place for place, key in enumerate(self.keys)}
        self._finished.names = tuple(first["metrics"])

    def _must_fit(self, number: int, metrics: Metrics, series: Mapping[Key, NDArray[np.floating]]) -> None:
        odd = [f"series {'.'.join(key)}" for key in series.keys() ^ set(self.keys)]
        odd += [f"metric {name}" for name in metrics.keys() ^ set(self._finished.names)]
        short = {key: len(values) for key, values in series.items() if len(values) != self.hours}
        odd += [f"{hours} hours of {'.'.join(key)}" for key, hours in short.items()]
        if odd:
            raise StoreError(f"replication {number} differs from the first in: {', '.join(sorted(odd))}")

    def _write_line(self, content: Mapping[str, Any]) -> None:
        """Write a line where the last whole one ended, over what an unfinished one may have left."""
        line = json.dumps(content, separators=(",", ":")).encode() + b"\n"
        _write(self._journal, memoryview(line), self._end)
        self._end += len(line)

    def _read_journal(self) -> None:
        """Take up every replication whose line and record are whole, up to the first line that is not."""
        with open(self._journal, "rb", closefd=False) as lines:
            for line in lines:
                try:
                    content = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    content = None
                if content is None:
                    break
                if not self.keys:
                    self._know(content)
                elif self._checksum(content["replication"]) == content["crc32"]:
                    values = [AtLeast(*value) if isinstance(value, list) else value for value in content["values"]]
                    self._finished.put(content["replication"], values)
                self._end += len(line)

    def _checksum(self, number: int) -> int:
        return crc32(os.pread(self._records, self._record_bytes, number * self._record_bytes))


def _plain(value: float | None) -> float | None:
    """Return a number of any type as a float, and what is none, or a lower bound, as it is."""
    return value if value is None or is_censored(value) else float(value)


def _write(file: int, content: memoryview, offset: int) -> None:
    while content:
        written = os.pwrite(file, content, offset)
        content, offset = content[written:], offset + written


def _read(file: int, into: memoryview, offset: int) -> None:
    while into:
        got = os.preadv(file, [into], offset)
        if not got:
            raise OSError(f"{RECORDS} ends before byte {offset + len(into)}")
        into, offset = into[got:], offset + got
