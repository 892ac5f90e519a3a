"""Memory as glibc hands it out, where the C library is glibc; elsewhere nothing happens."""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_RETAINED_BYTES = 1 << 30


def share_memory() -> None:
    """Have the threads of this process share one pool of memory that keeps up to 1 GiB of what is freed.

    To be called before the first of them starts. glibc gives each thread a pool of its own, and hands large tables back
    to the system at every turn. Replications take and free the same ones again and again: pages that come anew cost as
    much as the engine, and on a virtual machine more.
    """
    _glibc("mallopt", _ARENA_MAX, 1)
    _glibc("mallopt", _TRIM_THRESHOLD, _RETAINED_BYTES)
    _glibc("mallopt", _MMAP_THRESHOLD, _RETAINED_BYTES)


def release_memory() -> None:
    """Give memory that is free back to the system, which glibc otherwise keeps for a next time."""
    _glibc("malloc_trim", 0)


def _glibc(function: str, *arguments: int) -> None:
    try:
        call = getattr(ctypes.CDLL(None), function)
    except (AttributeError, OSError, TypeError):
        return
    call(*arguments)
