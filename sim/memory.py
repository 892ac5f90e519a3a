"""Memory as glibc hands it out, where the C library is glibc; elsewhere nothing happens."""

from __future__ import annotations

import ctypes

_ARENA_MAX = -8


def share_memory() -> None:
    """Have the threads of this process share one pool of memory; to be called before the first of them starts.

    glibc gives each thread a pool of its own and hands what is freed at its end back to the system at every turn.
    Replications take and free the same large tables again and again: with a pool each, that costs more than drawing.
    """
    _glibc("mallopt", _ARENA_MAX, 1)


def release_memory() -> None:
    """Give memory that is free back to the system, which glibc otherwise keeps for a next time."""
    _glibc("malloc_trim", 0)


def _glibc(function: str, *arguments: int) -> None:
    try:
        call = getattr(ctypes.CDLL(None), function)
    except (AttributeError, OSError, TypeError):
        return
    call(*arguments)
