"""The folder for a command's results: new or empty, written as ``NAME.part`` and renamed when it is complete."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from loadtests.core.faults import InputError


def result_folder(out: str, among: Path, ending: str = "") -> Path:
    """Return the folder that ``--out`` names, else one named by the time among the earlier results.

    Raises InputError when something lies there.
    """
    path = Path(out) if out else among / f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}Z{ending}"
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError([f"--out: got {out or path}; must be absent or an empty folder"])
    return path


def make_part(out_dir: Path) -> Path:
    """Return the folder of unfinished results, made now. Raises InputError when it cannot be."""
    part = out_dir.with_name(out_dir.name + ".part")
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise InputError([f"--out: got {part}; must be a new folder that can be created ({error.strerror})"]) from None
    return part


@contextmanager
def begun(part: Path, sent: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Remove the folder of unfinished results again if what begins it fails, unless something was sent by then."""
    try:
        yield
    except BaseException:
        if not sent():
            shutil.rmtree(part)
        raise
