"""The location of a run's folder, which is written beside it and renamed when complete, so it never looks half done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from sim.experiment.checkpoint import refusals_as_faults
from sim.scenario.faults import ScenarioFaults


def must_be_free(folder: Path) -> None:
    """Raise ScenarioFaults unless a run folder can be written there: absent, or an empty folder."""
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if folder.exists():
        got = "a folder with files in it" if folder.is_dir() else "a file"
        raise ScenarioFaults([f"{folder}: --out: got {got}; must not exist yet, or be an empty folder"])
    nearest = next(parent for parent in folder.absolute().parents if parent.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise ScenarioFaults(
            [f"{folder}: --out: got {nearest}, which is not writable; must lie in a folder that you can write to"]
        )


def default_folder(name: str, seed: int, started: datetime) -> Path:
    """Return the place of a run that names none: ``results/<scenario>/<time>-<seed>``.

    The time is ``started``, or the first second after it that no other run has taken.
    """
    place = Path("results") / name
    folder = place / f"{started:%Y%m%dT%H%M%S}-{seed}"
    if folder.exists() or any(place.glob(partial_of(folder, "*").name)):
        return default_folder(name, seed, started + timedelta(seconds=1))
    return folder


def partial_of(folder: Path, process: object = None) -> Path:
    """Return where this process (or another) writes what becomes ``folder`` once it is whole."""
    return folder.parent / f".{folder.name}.partial-{process or os.getpid()}"


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``folder`` at the end, or is removed when anything goes wrong.

    Raises ScenarioFaults when the folder is taken, or the system refuses to write there.
    """
    must_be_free(folder)
    partial = partial_of(folder)
    shutil.rmtree(partial, ignore_errors=True)
    with refusals_as_faults(folder):
        partial.mkdir(parents=True)
        try:
            yield partial
            if folder.is_dir():
                folder.rmdir()
            partial.rename(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
