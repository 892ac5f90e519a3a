"""Storage for a run's finished replications until its folder is complete: the same command finds them again.

What decides every bit of a replication names the place, so that nothing else is ever taken up; how many replications,
which workers and which engine are no part of it. One process works at a place: another one, at the same time, works in
a place of its own.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from polars.exceptions import ComputeError

from sim.core.system import errno_of
from sim.experiment.store import ReplicationStore
from sim.metrics.hourly import Series
from sim.scenario.faults import ScenarioFaults
from sim.scenario.loading import load
from sim.scenario.schema.scenario import Scenario

_DECIDING = ("numpy", "scipy", "numba")
_PARTIAL = "partial"
_HOME = Path(__file__).resolve().parents[1]


def identity(scenario: Scenario, *, seed: int) -> str:
    """Return 16 hex digits of what decides the bits of each replication.

    That is the resolved scenario, the content of its candle file, the seed, the sources of ``sim``, and the versions
    of Python and of the packages that compute.
    """
    parts = [load.sha256(scenario), _candles(scenario), str(seed), _sources(), platform.python_version()]
    parts += [f"{name} {version(name)}" for name in _DECIDING]
    return sha256("\n".join(parts).encode("utf-8")).hexdigest()[:16]


def _candles(scenario: Scenario) -> str:
    path = Path(scenario.market.candles) if scenario.market and scenario.market.candles else None
    return sha256(path.read_bytes()).hexdigest() if path and path.is_file() else ""


@cache
def _sources() -> str:
    digest = sha256()
    for path in sorted(_HOME.rglob("*.py")):
        digest.update(f"{path.relative_to(_HOME).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def beside(folder: Path, identity: str, *, named: bool) -> Path:
    """Return where a run folder's checkpoint lies: hidden beside it; one that names none shares it with its kind."""
    hidden = f".unfinished-{identity}"
    if not named:
        return folder.with_name(hidden)
    folder = folder.resolve()
    return folder.with_name(f".{folder.name}{hidden}")


@contextmanager
def refusals_as_faults(place: Path) -> Iterator[None]:
    """Turn what the system refuses to write into ScenarioFaults that name the place."""
    try:
        yield
    except (OSError, ComputeError) as error:
        number = errno_of(error)
        if not number and not isinstance(error, OSError):
            raise
        got, rule = os.strerror(number) if number else error, "must be a writable folder that does not exist yet"
        raise ScenarioFaults([f"{place}: --out: got {got}; {rule}"]) from error


class Checkpoint:
    """The finished replications of a run under way, at a ``place``, or in a temporary folder without one.

    Nothing is written before ``open``. ``close`` leaves what is finished at its place for the same command;
    ``discard`` removes it, once it is no longer needed. Raises ScenarioFaults where the system refuses to write.
    """

    store: ReplicationStore

    def __init__(self, place: Path | None = None) -> None:
        self.place = place
        self.folder: Path | None = None
        self._lock = -1

    @property
    def private(self) -> bool:
        """Whether the checkpoint lies in a temporary folder, which ends with this run."""
        return self.folder is not None and self.folder != self.place

    def finished(self, most: int) -> int:
        """Return how many of the first ``most`` replications are kept."""
        return sum(number in self.store.finished for number in range(most)) if self.folder is not None else 0

    def open(self) -> ReplicationStore:
        """Take up what lies at the place, or begin anew, and return it."""
        with refusals_as_faults(self.place or Path(tempfile.gettempdir())):
            claimed = self.place if self.place and self._claimed(self.place) else None
            folder = claimed or Path(tempfile.mkdtemp(prefix="withstand-"))
            self.store = ReplicationStore(folder / "replications")
            self.folder = folder
        return self.store

    def add(self, number: int, metrics: dict[str, float | None], series: Series) -> None:
        """Keep one finished replication."""
        assert self.folder is not None
        with refusals_as_faults(self.folder):
            self.store.add(number, metrics, series)

    def note_partial(self, folder: Path) -> None:
        """Record a folder that is useless if this process is killed; the process that resumes removes it."""
        assert self.folder is not None
        with refusals_as_faults(self.folder):
            (self.folder / _PARTIAL).write_text(str(folder.absolute()), encoding="utf-8")

    def close(self) -> None:
        """Release the place; finished replications stay, unless there are none or no later run could find them."""
        if self.folder is None:
            return
        if self.private or not self.store.finished:
            self.discard()
            return
        self.store.close()
        self._unlock()
        self.folder = None

    def discard(self) -> None:
        """Remove the checkpoint: its run is whole, or has come to nothing."""
        if self.folder is None:
            return
        self.store.close()
        # What is removed piece by piece must not be taken for a checkpoint by a process that follows a kill.
        gone = _settled(self.folder)
        self.folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        self._unlock()
        self.folder = None

    def _claimed(self, place: Path) -> bool:
        """Return whether this process is the only one at the place, which is made if need be."""
        while True:
            place.mkdir(parents=True, exist_ok=True)
            try:
                lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT, 0o644)
            except FileNotFoundError:
                continue  # who was here before has just removed it
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.path.samestat(os.fstat(lock), os.stat(place / "lock")):
                    self._lock = lock
                    _sweep(place)
                    return True
            except BlockingIOError:
                os.close(lock)
                return False
            except FileNotFoundError:
                pass
            os.close(lock)

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _sweep(place: Path) -> None:
    """Remove what a process that was killed left beside its checkpoint."""
    shutil.rmtree(_settled(place), ignore_errors=True)
    note = place / _PARTIAL
    if note.is_file():
        partial = Path(note.read_text(encoding="utf-8"))
        if ".partial-" in partial.name:
            shutil.rmtree(partial, ignore_errors=True)
        note.unlink()


def _settled(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.settled")
