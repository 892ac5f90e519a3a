"""Functions compiled to machine code: numba behind one door, with a cache that no edit makes stale.

numba caches a function by its own file alone and would go on using code compiled from an older version of a function
that it calls in another. So the cache's folder carries a digest of every file in ``SOURCES``, and of what compiles them
for which processor. It lies beside the sources, or, where they are neither compiled nor writable, in the user's cache.
Where neither can be written, each process compiles for itself. What cannot be read is compiled anew.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from llvmlite import binding  # type: ignore[import-untyped, unused-ignore]
from numba import types
from numba.core.caching import CompileResultCacheImpl, FunctionCache, _CacheLocator
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
    "feedback/columns.py", "feedback/declaration.py", "feedback/inputs.py", "feedback/public.py", "feedback/state.py",
    "feedback/step.py",
    "feedback/withdrawals.py", "metrics/observation/counts.py",
    "metrics/observation/held_time.py", "metrics/observation/stocks.py",
    "metrics/observation/unlimited_staffing.py", "metrics/observation/waits.py",
    "numerics/intervals.py", "numerics/lognormal.py", "numerics/normal.py",
    "numerics/poisson.py", "numerics/streams.py", "numerics/survival.py", "numerics/time_grid.py",
    "selfcheck/feedback.py", "staffing/desk.py", "staffing/roster.py", "staffing/skills.py", *sorted(_STEPS),
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
    compiler: Any = numba.njit
    dispatcher = compiler(nogil=True, fastmath=False, **options)(function)
    if cache_folder() is not None:
        dispatcher._cache = _Cache(function)
    return cast(_F, dispatcher)


class _Place(_CacheLocator):  # type: ignore[misc, unused-ignore]
    """The place of one function's code: its room in the folder, whose name tells already whether the code is fresh."""

    def __init__(self, function: Any, file: str) -> None:
        folder, source = cache_folder(), Path(file).resolve()
        assert folder is not None
        within = source.parent.relative_to(HERE).parts if source.is_relative_to(HERE) else ("elsewhere",)
        self._py_file, self._line = file, function.__code__.co_firstlineno
        self._folder = folder / "_".join(within)

    @classmethod
    def from_function(cls, function: Any, file: str) -> _Place:
        """Return the place of a function of a file."""
        return cls(function, file)

    def get_cache_path(self) -> str:
        """Return the folder, which need be neither there nor writable."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """Return the same for all: an edit is another folder."""
        return ""

    def get_disambiguator(self) -> str:
        """Return what tells functions of one name apart."""
        return str(self._line)


class _Kept(CompileResultCacheImpl):  # type: ignore[misc, unused-ignore]
    _locator_classes = [_Place]  # noqa: RUF012 - as numba has it


class _Cache(FunctionCache):  # type: ignore[misc, unused-ignore]
    """A function's compiled code on disk: it saves time where it can be read and written, and is never a condition."""

    _impl_class = _Kept

    def load_overload(self, signature: Any, target: Any) -> Any:
        """Return the code for a signature; None where there is none, or what there is cannot be read."""
        try:
            return super().load_overload(signature, target)
        except Exception:  # half a file can raise whatever its bytes happen to mean
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, signature: Any, code: Any) -> None:
        """Keep the code for a signature, where that can be done."""
        with suppress(Exception):  # a full disk, a place that cannot be written, an index that cannot be read
            super().save_overload(signature, code)


@cache
def cache_folder() -> Path | None:
    """Return the folder of the compiled code of exactly these sources; None where nothing is kept.

    It is the first that holds all of it, or can be written.
    """
    digest = blake2b(digest_size=8)
    for name in SOURCES:
        source = (HERE / name).read_bytes()
        digest.update(f"{name} {len(source)} ".encode() + source)
    digest.update(" ".join(_compiled_with()).encode())
    folders = [root / f"withstand-{digest.hexdigest()}" for root in _roots()]
    return next((one for one in folders if (one / _READY).is_file() or _writable(one)), None)


def _compiled_with() -> tuple[str, ...]:
    """Return what else decides the code: Python, the compiler, and the processor that it compiles for."""
    config: Any = numba.config
    cpu = config.CPU_NAME or binding.get_host_cpu_name()
    features = config.CPU_FEATURES or binding.get_host_cpu_features().flatten()
    return platform.python_version(), numba.__version__, platform.machine(), cpu, features


def is_compiled() -> bool:
    """Return whether everything has been compiled before, so that nothing takes long."""
    folder = cache_folder()
    return folder is not None and (folder / _READY).is_file()


def mark_compiled() -> None:
    """Note that everything has been compiled, where that is kept."""
    if (folder := cache_folder()) is not None:
        with suppress(OSError):
            (folder / _READY).touch()


def _roots() -> list[Path]:
    """Return where compiled code may lie, the first choice first."""
    configured = os.environ.get("NUMBA_CACHE_DIR")
    users = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return [Path(configured)] if configured else [HERE / "__pycache__", Path(users) / "withstand"]


def _writable(folder: Path) -> bool:
    """Return whether files can be written into a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"-")  # a disk that is full lets files be made
            file.flush()
            return True
    except OSError:
        return False
