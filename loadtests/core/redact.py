"""Secrets, removed from everything that is shown or written: the only module that knows and removes them.

Code that reads a secret registers it here (``learn``). Answers are cleaned before they are cut short, so that no
half of a secret survives, and every text that leaves the program goes through ``clean`` once more.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import TextIO
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import escape, quoteattr

from loadtests.core.faults import InputError

MARK = "[redacted]"
SHORTEST = 4
"""Shorter secrets are refused: they cannot be distinguished from ordinary text."""
_LONG_LINE = 8


class Redactor:
    """The secrets of one process, and texts without them."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._bytes: list[bytes] = []
        self._pattern = re.compile("(?!)")
        self._byte_pattern = re.compile(b"(?!)")

    def learn(self, secrets: Mapping[str, str]) -> None:
        """Remember secrets by the environment variable that held them. Raises InputError for one too short to hide."""
        rule = f"must be {SHORTEST} characters or more, or it cannot be removed from the output"
        faults = [
            f"environment: {name}: got a secret of {len(value)} characters; {rule}"
            for name, value in secrets.items()
            if len(value) < SHORTEST
        ]
        if faults:
            raise InputError(faults)
        found = {*self._texts, *(form for secret in secrets.values() for form in _forms(secret))}
        self._texts = sorted(found, key=lambda form: (-len(form), form))
        self._bytes = [form.encode() for form in self._texts]
        self._pattern = re.compile("|".join(map(re.escape, self._texts)) or "(?!)")
        self._byte_pattern = re.compile(b"|".join(map(re.escape, self._bytes)) or b"(?!)")

    def clean(self, text: str) -> str:
        """Return a text without the secrets, as they are or escaped for JSON, XML, Python, a URL or in Base64."""
        return self._pattern.sub(MARK, text) if self.found_in(text) else text

    def cut(self, text: str, length: int) -> str:
        """Return the beginning of a text without the secrets: first they are taken out, then it is cut."""
        return self.clean(text)[:length]

    def found_in(self, text: str) -> bool:
        """Return whether a text holds a secret."""
        return any(form in text for form in self._texts)

    def clean_bytes(self, data: bytes) -> bytes:
        """Return the same of bytes."""
        return self._byte_pattern.sub(MARK.encode(), data) if any(form in data for form in self._bytes) else data

    @property
    def forms(self) -> list[str]:
        """Every form of every secret, the longest first."""
        return list(self._texts)


REDACTOR = Redactor()
"""The process's own: its environment is its own, too."""


class CleanStream:
    """A text stream that removes secrets."""

    def __init__(self, stream: TextIO, redactor: Redactor = REDACTOR) -> None:
        self._stream, self._redactor = stream, redactor

    def write(self, text: str) -> int:
        """Write a text without the secrets in it."""
        return self._stream.write(self._redactor.clean(text))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts without the secrets in them."""
        self.write("".join(lines))

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def _forms(secret: str) -> set[str]:
    """Return a secret as it may stand in a text; of one with several lines, each long line too."""
    parts = {secret, *(line for line in secret.splitlines() if len(line) >= _LONG_LINE)}
    forms = set()
    for part in parts:
        forms |= {part, json.dumps(part)[1:-1], json.dumps(part, ensure_ascii=False)[1:-1], repr(part)[1:-1]}
        forms |= {quote(part), quote(part, safe=""), quote_plus(part)}
        forms |= {escape(part), quoteattr(part)[1:-1], escape(part, {'"': "&quot;", "'": "&#x27;"})}
        forms.add(base64.b64encode(part.encode()).decode())
    return forms
