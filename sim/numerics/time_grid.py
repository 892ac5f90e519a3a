"""The minute or hour of a time, for compiled loops."""

from __future__ import annotations

import numpy as np

from sim.core.jit import inlined


@inlined
def whole(time_ms: int, unit_ms: int) -> np.int64:
    """Return how many whole units fit into a time of 0 or more: ``time_ms // unit_ms``, in 0.6 of its time.

    Without a sign there is no rounding down to take care of.
    """
    return np.int64(np.uint64(time_ms) // np.uint64(unit_ms))
