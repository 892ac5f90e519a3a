"""Counter-based uniforms: each number is a pure function of (seed, replication, stream, ordinal, purpose).

Nothing here has a state, so a draw can be made alone, in any order, on any worker, and adding one leaves every other
as it was. Names become fixed keys (blake2b), and keys are mixed down to a number:

    k0, k1 = mix(r0 ^ n0), mix(r1 ^ n1)            a stream: r of (seed, replication), n of the stream's name
    t      = mix(ordinal * golden + k0) ^ k1       one of its tickets, by ordinal; different for each
    t'     = mix(t ^ letter)                       its child; "letter" says by which line of descent
    u      = unit(mix(t ^ p))                      its uniform for the purpose of key p

``mix`` is the finaliser of SplitMix64 (Steele, Lea and Flood 2014), a bijection of 64 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from sim.core.jit import compiled, inlined

Key = np.uint64
DAY_STRIDE = 1 << 32
"""Ordinals of one day's tickets start at day * DAY_STRIDE."""

_GOLDEN = Key(0x9E3779B97F4A7C15)
_M1, _M2 = Key(0xBF58476D1CE4E5B9), Key(0x94D049BB133111EB)
_S30, _S27, _S31, _S12 = Key(30), Key(27), Key(31), Key(12)


@inlined
def mix(x: Key) -> Key:
    """Return SplitMix64's finaliser of 64 bits."""
    x = (x ^ (x >> _S30)) * _M1
    x = (x ^ (x >> _S27)) * _M2
    return x ^ (x >> _S31)


@inlined
def unit(bits: Key) -> float:
    """Return a number in the open interval (0, 1) from the upper 52 of 64 bits."""
    return (np.int64(bits >> _S12) + 0.5) * 2.0**-52


@inlined
def stream_keys(root: NDArray[Key], name0: Key, name1: Key) -> tuple[Key, Key]:
    """Return both keys of a stream in the replication whose two keys are ``root``."""
    return mix(root[0] ^ name0), mix(root[1] ^ name1)


@inlined
def ticket_key(k0: Key, k1: Key, ordinal: int) -> Key:
    """Return the key of a stream's ticket, from which all its numbers come."""
    return mix(np.uint64(ordinal) * _GOLDEN + k0) ^ k1


@inlined
def uniform(key: Key, purpose: Key) -> float:
    """Return a ticket's uniform in (0, 1) for a purpose."""
    return unit(mix(key ^ purpose))


@inlined
def nth_uniform(k0: Key, k1: Key, ordinal: int, purpose: Key) -> float:
    """Return a stream's uniform in (0, 1) of an ordinal, for a purpose."""
    return uniform(ticket_key(k0, k1, ordinal), purpose)


@inlined
def uniform_of_attempt(key: Key, attempt: int, purpose: Key) -> float:
    """Return a ticket's uniform in (0, 1) of an attempt, for a purpose."""
    return uniform(mix(key ^ mix(np.uint64(attempt))), purpose)


@compiled
def _uniforms(root: NDArray[Key], name: NDArray[Key], purpose: Key, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
    k0, k1 = stream_keys(root, name[0], name[1])
    out = np.empty(len(ordinals))
    for i in range(len(ordinals)):
        out[i] = uniform(ticket_key(k0, k1, ordinals[i]), purpose)
    return out


def purpose_key(name: str) -> Key:
    """Return the key of what a number is for, such as ``"time"``."""
    return _hashed(name, "purpose", 1)[0]


def name_keys(name: str) -> NDArray[Key]:
    """Return the two keys of a stream's name, such as that of a ticket category."""
    return _hashed(name, "stream", 2)


def _hashed(text: str, what: str, words: int) -> NDArray[Key]:
    digest = blake2b(text.encode(), digest_size=8 * words, person=what.encode()).digest()
    return np.frombuffer(digest, dtype="<u8").astype(Key)


@dataclass(frozen=True)
class Streams:
    """All random streams of one replication of one seed."""

    seed: int
    replication: int

    @property
    def root(self) -> NDArray[Key]:
        """The two keys of this replication of this seed."""
        return _hashed(f"{self.seed} {self.replication}", "replication", 2)

    def uniforms(self, stream: str, purpose: str, ordinals: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return one uniform in the open interval (0, 1) for each ordinal (any shape) of the named stream."""
        at = np.ascontiguousarray(ordinals, dtype=np.int64)
        return _uniforms(self.root, name_keys(stream), purpose_key(purpose), at.ravel()).reshape(at.shape)
