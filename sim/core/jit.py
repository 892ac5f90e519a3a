"""Functions compiled to machine code: numba behind one door, with a cache that no edit makes stale.

numba caches a function by its own file alone and would go on using code compiled from an older version of a function
that it calls in another. So the cache's folder carries a digest of every file in ``SOURCES``. It lies beside the
sources, or, where they are not writable, in the user's cache, or else in a folder of the system's temporary ones.
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
from llvmlite import binding  # type: ignore[import-untyped, unused-ignore]
from numba import types
from numba.extending import get_cython_function_address

HERE = Path(__file__).resolve().parents[1]
_STEPS = (
    path.relative_to(HERE).as_posix()
    for room in ("mechanisms", "pipeline")
    for path in (HERE / "feedback" / room).glob("[a-z]*.py")
)
SOURCES = (
    "core/arrays.py", "core/clock.py", "core/jit.py", "demand/arrivals.py", "demand/demand.py",
    "demand/durations.py", "demand/expected.py", "demand/itineraries.py", "demand/public.py", "demand/requests.py",
    "demand/tickets.py", "drivers/price_regimes.py", "engine/agenda.py", "engine/arrays.py", "engine/compiled.py",
    "engine/due_complaints.py", "engine/hands.py", "engine/outcome.py", "engine/setup.py",
    "feedback/columns.py", "feedback/declaration.py", "feedback/inputs.py", "feedback/public.py", "feedback/step.py",
    "feedback/withdrawals.py", "metrics/observation/counts.py",
    "metrics/observation/held_time.py", "metrics/observation/unlimited_staffing.py",
    "metrics/observation/waits.py", "numerics/intervals.py", "numerics/lognormal.py", "numerics/normal.py",
    "numerics/poisson.py", "numerics/streams.py", "numerics/survival.py", "numerics/time_grid.py",
    "selfcheck/feedback.py", "staffing/skills.py", *sorted(_STEPS),
)  # fmt: skip
"""The files whose functions are compiled, and whose constants are compiled into them; a test holds the list."""

_READY = "ready"
_F = TypeVar("_F", bound=Callable[..., Any])


def compiled(function: _F) -> _F:
    """Return a function compiled at its first call, without the GIL and without reordered arithmetic."""
    return _njit(function)


def inlined(function: _F) -> _F:
    """Return a compiled function for the inner loop of others: inlined in them, it may not make arrays.

    It counts no references (numba's ``_nrt``): an atomic instruction for each array that is handed on would cost more
    than the work itself, and its callers hold the arrays.
    """
    return _njit(function, forceinline=True, _nrt=False)


def outlined(function: _F) -> _F:
    """Return a compiled function like an ``inlined`` one, but called, for what is long and not the innermost."""
    return _njit(function, _nrt=False)


def scipy_special(name: str, arguments: int) -> Any:
    """Return a function of scipy.special, of the given number of floats, that compiled code can call.

    It takes one argument more at the end, Cython's own, which is 0. Compiled code knows it by a name, which each
    process ties to its address anew: so the code can be cached, while an address in it would be another run's.
    """
    symbol = f"withstand_{name}"
    binding.add_symbol(symbol, get_cython_function_address("scipy.special.cython_special", name))
    return types.ExternalFunction(symbol, types.float64(*[types.float64] * arguments, types.int32))


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
        source = (HERE / name).read_bytes()
        digest.update(f"{name} {len(source)} ".encode() + source)
    for root in _roots():
        folder = root / f"withstand-{digest.hexdigest()}"
        if _writable(folder):
            return folder
    return Path(tempfile.mkdtemp(prefix="withstand-"))  # compiled anew by each process


def is_compiled() -> bool:
    """Return whether everything has been compiled before, so that nothing takes long."""
    return (cache_folder() / _READY).exists()


def mark_compiled() -> None:
    """Note that everything has been compiled."""
    (cache_folder() / _READY).touch()


def _roots() -> list[Path]:
    """Return where compiled code may lie, the first choice first."""
    configured = os.environ.get("NUMBA_CACHE_DIR")
    users = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return [Path(configured)] if configured else [HERE / "__pycache__", Path(users) / "withstand"]


def _writable(folder: Path) -> bool:
    """Return whether files can be written into a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
