"""Addresses that the staging exchange takes, for the orders of a test."""

from __future__ import annotations

import hashlib

from loadtests.staging.exchange.addresses import (
    _BECH32,
    _BECH32_CONSTANT,
    _TESTNET_PREFIX,
    _TRX_VERSION,
    _base58check,
    _expanded_prefix,
    _polymod,
)


def sample_address(chain: str, seed: int) -> str:
    """Return a valid address of ``chain`` that nobody holds a key to, the same for the same seed."""
    payload = hashlib.sha256(f"withstand sample address {chain} {seed}".encode()).digest()[:20]
    if chain == "ETH":
        return "0x" + payload.hex()
    if chain == "TRX":
        return _base58check(bytes([_TRX_VERSION]) + payload)
    assert chain == "BTC", f"no such chain: {chain}"
    return _segwit(payload)


def _segwit(program: bytes) -> str:
    """Return the version-0 testnet address of a witness program whose length is a multiple of 5 bytes."""
    number = int.from_bytes(program, "big")
    n_groups = len(program) * 8 // 5
    values = [0] + [number >> 5 * (n_groups - 1 - i) & 31 for i in range(n_groups)]
    checksum = _polymod(_expanded_prefix() + values + [0] * 6) ^ _BECH32_CONSTANT
    values += [checksum >> 5 * (5 - i) & 31 for i in range(6)]
    return _TESTNET_PREFIX + "1" + "".join(_BECH32[value] for value in values)
