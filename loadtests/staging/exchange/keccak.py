"""Keccak-256 as Ethereum uses it (the padding before NIST's SHA-3), for EIP-55 checksums only.

The permutation follows the Keccak reference (Bertoni, Daemen, Peeters, Van Assche, version 3.0, 2011). In Python it
takes a fraction of a millisecond; only mixed-case addresses need it.
"""

from __future__ import annotations

_RATE_BYTES = 136
_MASK = 2**64 - 1


def keccak_256(message: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest of ``message``."""
    padded = bytearray(message)
    padded += b"\x01" + bytes(-(len(message) + 1) % _RATE_BYTES)
    padded[-1] |= 0x80
    lanes = [[0] * 5 for _ in range(5)]
    for start in range(0, len(padded), _RATE_BYTES):
        for i in range(_RATE_BYTES // 8):
            offset = start + 8 * i
            lanes[i % 5][i // 5] ^= int.from_bytes(padded[offset : offset + 8], "little")
        lanes = _permuted(lanes)
    return b"".join(lanes[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


def _rotated(value: int, n_bits: int) -> int:
    n_bits %= 64
    return (value << n_bits | value >> (64 - n_bits)) & _MASK


def _permuted(lanes: list[list[int]]) -> list[list[int]]:
    """Return the state after the 24 rounds of Keccak-f[1600]; ``lanes[x][y]``."""
    shift = 1  # the linear feedback register that makes the round constants
    for _ in range(24):
        parity = [lane[0] ^ lane[1] ^ lane[2] ^ lane[3] ^ lane[4] for lane in lanes]
        for x in range(5):
            mix = parity[x - 1] ^ _rotated(parity[(x + 1) % 5], 1)
            lanes[x] = [lane ^ mix for lane in lanes[x]]
        x, y, current = 1, 0, lanes[1][0]
        for step in range(24):
            x, y = y, (2 * x + 3 * y) % 5
            current, lanes[x][y] = lanes[x][y], _rotated(current, (step + 1) * (step + 2) // 2)
        for y in range(5):
            row = [lanes[x][y] for x in range(5)]
            for x in range(5):
                lanes[x][y] = row[x] ^ (~row[(x + 1) % 5] & _MASK & row[(x + 2) % 5])
        for j in range(7):
            shift = (shift << 1 ^ (shift >> 7) * 0x71) % 256
            if shift & 2:
                lanes[0][0] ^= 1 << ((1 << j) - 1)
    return lanes
