"""The folder for a command's results: new or empty, written as ``NAME.part`` and renamed when it is complete."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from loadtests.core.faults import InputError

ROOM = "room"
"""The file, in a folder of unfinished results, that keeps disk room free for them."""
_UNKNOWN_TO_DISK = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS)


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


def keep_room(part: Path, n_bytes: int) -> None:
    """Keep room for the results, whatever else fills the disk meanwhile, until ``give_room``.

    Raises InputError when there is none. A file system that cannot keep room keeps none.
    """
    try:
        with (part / ROOM).open("xb") as file:
            os.posix_fallocate(file.fileno(), 0, n_bytes)
    except OSError as error:
        if error.errno in _UNKNOWN_TO_DISK:
            return
        fault = f"--out: got {part.with_suffix('')}; must lie on a disk with room for about {n_bytes / 1e6:.1f} MB"
        raise InputError([f"{fault} of results ({error.strerror})"]) from None


def give_room(part: Path) -> None:
    """Give the room that was kept to the results."""
    (part / ROOM).unlink(missing_ok=True)
