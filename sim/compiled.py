"""Functions compiled to machine code: numba behind one door, with a cache that no edit makes stale.

numba caches a function by its own file alone and would go on using code compiled from an older version of a function
that it calls in another. So the cache's folder carries a digest of every file in ``SOURCES``. It lies beside the
sources, or, where nothing can be written, in the user's cache, or else in a folder of the system's temporary ones.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

HERE = Path(__file__).resolve().parent
SOURCES = (
    "clock.py", "compiled.py", "engine_fast.py", "floor_tables.py", "heap.py", "levels.py", "staffing.py",
)  # fmt: skip
"""The files whose functions are compiled, and whose constants are compiled into them; a test holds the list."""

_READY = "ready"
_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Return a function compiled at its first call, without the GIL and without reordered arithmetic."""
    return _njit(function)


def part(function: _F) -> _F:
    """Return a compiled function for the inner loop of others: inlined in them, it may not make arrays.

    It counts no references (numba's ``_nrt``): an atomic instruction for each array that is handed on would cost more
    than the work itself, and its callers hold the arrays.
    """
    return _njit(function, forceinline=True, _nrt=False)


def _njit(function: _F, **options: Any) -> _F:
    config: Any = numba.config
    config.CACHE_DIR = str(cache_folder())
    compiler: Any = numba.njit
    return cast(_F, compiler(cache=True, nogil=True, fastmath=False, **options)(function))


@cache
def cache_folder() -> Path:
    """Return the folder of the compiled code of exactly these sources; it can be written."""
    digest = blake2b(digest_size=8)
    for name in SOURCES:
        digest.update((HERE / name).read_bytes())
    for root in _roots():
        folder = root / f"withstand-{digest.hexdigest()}"
        if _writable(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="withstand-"))


def warm() -> bool:
    """Return whether everything has been compiled before, so that nothing takes long."""
    return (cache_folder() / _READY).exists()


def warmed() -> None:
    """Note that everything has been compiled."""
    (cache_folder() / _READY).touch()


def _roots() -> list[Path]:
    """Return where compiled code may lie, the first choice first."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    users = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return [Path(chosen)] if chosen else [HERE / "__pycache__", Path(users) / "withstand"]


def _writable(folder: Path) -> bool:
    """Return whether files can be written into a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
