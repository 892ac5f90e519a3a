"""Secrets, removed from everything that is shown or written: the only module that knows and removes them.

Code that reads a secret registers it here (``learn``), and code that derives another from it, such as the pair of
Basic authentication, registers that too (``derive``). Answers are cleaned before they are decoded, and texts before
they are cut, so that no half of a secret survives; every text that leaves the program is cleaned once more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TextIO

from loadtests.core.escapes import base64_cores, forms, mixed
from loadtests.core.faults import InputError

MARK = "[redacted]"
SHORTEST = 4
"""Shorter secrets are refused: they cannot be distinguished from ordinary text."""
_LONG_LINE = 8
_ESCAPED = re.compile(r"%[0-9A-Fa-f]{2}|\\[ux\"/\\]|&#?\w+;")
_LONGEST_ESCAPED = 65_536
"""Longer texts are not searched for escapes of single characters: what a dialect takes from them is, and is short."""


class Redactor:
    """The secrets of one process, and texts without them."""

    def __init__(self) -> None:
        self._parts: set[str] = set()
        self._prepare()

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
        for value in secrets.values():
            self.derive(value)

    def derive(self, secret: str) -> str:
        """Remember a secret that was made from others, and return it; of one with several lines, each long line."""
        parts = {secret, *(line for line in secret.splitlines() if len(line) >= _LONG_LINE)}
        if not parts <= self._parts:
            self._parts |= {part for part in parts if len(part) >= SHORTEST}
            self._stale = True
        return secret

    def _prepare(self) -> None:
        """Compile the patterns of what was learned since the last time: not for each secret anew."""
        self._stale = False
        whole = {form for part in self._parts for form in forms(part)}
        found = {core for part in self._parts for core in base64_cores(part)}
        cores = sorted(found, key=lambda core: (-len(core.text), core))
        texts = sorted(whole, key=lambda form: (-len(form), form))
        self._texts = [*(core.text for core in cores), *texts]
        self._in_bytes = [form.encode().decode("latin-1") for form in self._texts]
        pattern = "|".join([*(core.pattern for core in cores), *map(re.escape, texts)]) or "(?!)"
        lines = {line for part in self._parts for line in part.splitlines() if len(line) >= SHORTEST}
        lines |= {core.text for core in cores if "+" in core.text or "/" in core.text}  # the rest stays as it is
        escaped = "|".join(mixed(line) for line in sorted(lines, key=lambda line: (-len(line), line))) or "(?!)"
        self._pattern, self._byte_pattern = re.compile(pattern), re.compile(pattern.encode())
        self._mixed, self._byte_mixed = re.compile(escaped), re.compile(escaped.encode())

    def clean(self, text: str) -> str:
        """Return a text without the secrets: plain, escaped in any way, in hex, or in Base64 at any place of it."""
        if self._stale:
            self._prepare()
        if any(form in text for form in self._texts):
            text = self._pattern.sub(MARK, text)
        if len(text) <= _LONGEST_ESCAPED and _ESCAPED.search(text):
            text = self._mixed.sub(MARK, text)
        return text

    def cut(self, text: str, length: int) -> str:
        """Return the beginning of a text without the secrets: first they are taken out, then it is cut."""
        return self.clean(text)[:length]

    def clean_bytes(self, data: bytes) -> bytes:
        """Return the same of bytes."""
        if self._stale:
            self._prepare()
        told = data.decode("latin-1")  # ten times as quick to search as bytes
        if any(form in told for form in self._in_bytes):
            data = self._byte_pattern.sub(MARK.encode(), data)
        if len(data) <= _LONGEST_ESCAPED and (b"%" in data or b"\\" in data or b"&" in data):
            data = self._byte_mixed.sub(MARK.encode(), data)
        return data

    @property
    def forms(self) -> list[str]:
        """Every whole form of every secret, and the middle of its Base64 at each offset."""
        if self._stale:
            self._prepare()
        return list(self._texts)


REDACTOR = Redactor()
"""The process's own: its environment is its own, too."""


class CleanStream:
    """A text stream that removes secrets; a line is held back until it ends, for a secret may come in two pieces."""

    def __init__(self, stream: TextIO, redactor: Redactor = REDACTOR) -> None:
        self._stream, self._redactor = stream, redactor
        self._held = ""

    def write(self, text: str) -> int:
        """Write the lines that have ended without the secrets in them, and hold the rest."""
        whole, ended, rest = (self._held + text).rpartition("\n")
        self._held = rest
        if ended:
            self._stream.write(self._redactor.clean(whole + ended))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts without the secrets in them."""
        self.write("".join(lines))

    def flush(self) -> None:
        """Write what is held, and let it out."""
        held, self._held = self._held, ""
        if held:
            self._stream.write(self._redactor.clean(held))
        self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
