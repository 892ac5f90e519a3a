"""How a secret may stand in a text: whole and escaped, in hex, inside Base64, and each character escaped by itself."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape, quoteattr

_ALPHABET = "[A-Za-z0-9+/_-]"
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}


class Core(NamedTuple):
    """The characters of Base64 that stand for a secret alone, and a pattern with their neighbours, which it shares."""

    text: str
    pattern: str


def forms(secret: str) -> set[str]:
    """Return a secret as it may stand in a text, escaped as a whole; and in hex."""
    found = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    found |= {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    found |= {escape(secret), quoteattr(secret)[1:-1], escape(secret, {'"': "&quot;", "'": "&#x27;"})}
    found |= {repr(form)[1:-1] for form in found} | {json.dumps(form)[1:-1] for form in found}  # an escape escaped
    return found | {secret.encode().hex(), secret.encode().hex().upper()}


def base64_cores(secret: str) -> Iterator[Core]:
    """Yield the Base64 of a secret at each of the three offsets that it may have in a longer text, in both alphabets.

    Three bytes are four characters, so what precedes the secret decides only how its bits are cut into characters.
    """
    raw = secret.encode()
    for offset in range(3):
        n_bits = 8 * (offset + len(raw))
        for encoded in (base64.b64encode, base64.urlsafe_b64encode):
            core = encoded(b"\0" * offset + raw).decode()[-(-8 * offset // 6) : n_bits // 6]
            before = f"{_ALPHABET}?" if offset else ""
            after = f"{_ALPHABET}?=*" if n_bits % 6 else ""
            yield Core(core, f"{before}{re.escape(core)}{after}")


def mixed(secret: str) -> str:
    """Return a pattern of a secret, each character of which may be escaped or not, in whatever way."""
    return "".join(f"(?:{'|'.join(_ways(char))})" for char in secret)


def _ways(char: str) -> Iterator[str]:
    """Yield patterns of one character: plain, in a URL, in JSON or Python, in XML or HTML."""
    yield re.escape(char)
    yield "(?i:{})".format("".join(f"%{byte:02x}" for byte in char.encode()))
    yield "(?i:{})".format("".join(rf"\\+u{unit:04x}" for unit in _units(char)))  # an escape may be escaped again
    yield rf"(?i:\\+x{ord(char):02x})" if ord(char) < 256 else rf"(?i:\\+U{ord(char):08x})"
    yield f"&#0*{ord(char)};"
    yield f"(?i:&#x0*{ord(char):x};)"
    if char in _ENTITIES:
        yield f"&{_ENTITIES[char]};"
    if char in '"/\\':
        yield re.escape(f"\\{char}")
    if char == " ":
        yield r"\+"


def _units(char: str) -> list[int]:
    """Return the units of UTF-16 that a character is written with in JSON."""
    raw = char.encode("utf-16-be", "surrogatepass")
    return [int.from_bytes(raw[i : i + 2], "big") for i in range(0, len(raw), 2)]
