"""Counter-based uniforms: each number is a pure function of (seed, category, replication, purpose, ordinal).

Nothing here has a state, so a draw can be made alone, in any order, on any worker, and adding one leaves every
other as it was. The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood 2014), applied twice
with a 128-bit stream key between.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_M1, _M2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(12)
DAY_STRIDE = 1 << 32
"""Ordinals of one day's tickets start at day * DAY_STRIDE."""


@dataclass(frozen=True)
class Streams:
    """All random streams of one replication of one seed."""

    seed: int
    replication: int

    def uniforms(self, category: str, purpose: str, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return one uniform in the open interval (0, 1) for each ordinal (any shape) of the named stream."""
        name = f"{self.seed}\x1f{category}\x1f{self.replication}\x1f{purpose}"
        key = np.frombuffer(blake2b(name.encode(), digest_size=16).digest(), dtype="<u8")
        mixed = np.asarray(ordinals).astype(np.uint64)
        mixed = mixed * _GOLDEN + key[0]
        mixed = _mix(mixed) ^ key[1]
        return ((_mix(mixed) >> _S11).astype(np.float64) + 0.5) * 2.0**-52


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return SplitMix64's finaliser of each element; ``x`` is overwritten."""
    x ^= x >> _S30
    x *= _M1
    x ^= x >> _S27
    x *= _M2
    x ^= x >> _S31
    return x
