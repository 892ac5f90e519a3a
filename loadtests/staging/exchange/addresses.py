"""Addresses of withdrawals: test-network checks per chain.

BTC: testnet bech32 and bech32m (BIP 173, BIP 350) and base58check (versions 0x6f, 0xc4). TRX: base58check, version
0x41. ETH: 20 bytes in hex; mixed case must carry the EIP-55 checksum.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from loadtests.staging.exchange.keccak import keccak_256

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_CONSTANT, _BECH32M_CONSTANT = 1, 0x2BC830A3
_TESTNET_PREFIX = "tb"
_BTC_VERSIONS, _TRX_VERSION = (0x6F, 0xC4), 0x41
_HEX_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@lru_cache(maxsize=4096)
def is_address(chain: str, text: str) -> bool:
    """Return whether ``text`` is a well-formed address of ``chain``: its form, network and checksum."""
    if not text.isascii() or len(text) > 90:
        return False
    if chain == "BTC":
        return _is_segwit(text) or _base58_version(text) in _BTC_VERSIONS
    if chain == "TRX":
        return _base58_version(text) == _TRX_VERSION
    if chain == "ETH":
        return _is_hex_address(text)
    return False


def _is_hex_address(text: str) -> bool:
    if _HEX_ADDRESS.fullmatch(text) is None:
        return False
    digits = text[2:]
    if digits in (digits.lower(), digits.upper()):
        return True
    marks = keccak_256(digits.lower().encode()).hex()
    return all(
        digit == (digit.upper() if int(mark, 16) >= 8 else digit.lower())
        for digit, mark in zip(digits, marks, strict=False)
    )


def _checksum(payload: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]


def _base58check(payload: bytes) -> str:
    data = payload + _checksum(payload)
    number, text = int.from_bytes(data, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def _base58_version(text: str) -> int | None:
    """Return the version byte of a 21-byte base58check payload, or None."""
    number = 0
    for letter in text:
        digit = _BASE58.find(letter)
        if digit < 0:
            return None
        number = number * 58 + digit
    if number.bit_length() > 25 * 8:
        return None
    data = number.to_bytes(25, "big")
    if _checksum(data[:21]) != data[21:] or _base58check(data[:21]) != text:
        return None
    return data[0]


def _polymod(values: list[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for i, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= generator if top >> i & 1 else 0
    return checksum


def _expanded_prefix() -> list[int]:
    codes = [ord(letter) for letter in _TESTNET_PREFIX]
    return [code >> 5 for code in codes] + [0] + [code & 31 for code in codes]


def _is_segwit(text: str) -> bool:
    if text not in (text.lower(), text.upper()):
        return False
    prefix, _, data = text.lower().rpartition("1")
    if prefix != _TESTNET_PREFIX or len(data) < 8 or any(letter not in _BECH32 for letter in data):
        return False
    values = [_BECH32.index(letter) for letter in data]
    version, groups = values[0], values[1:-6]
    wanted = _BECH32_CONSTANT if version == 0 else _BECH32M_CONSTANT
    n_bytes, left_over = divmod(5 * len(groups), 8)
    padding_ok = left_over < 5 and (left_over == 0 or groups[-1] & ((1 << left_over) - 1) == 0)
    length_ok = n_bytes in (20, 32) if version == 0 else 2 <= n_bytes <= 40
    return _polymod(_expanded_prefix() + values) == wanted and version <= 16 and padding_ok and length_ok
