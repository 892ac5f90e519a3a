"""HTTP/1.1 as far as a load test needs it: one request made bytes, one answer read from bytes, both within bounds."""

from __future__ import annotations

import re

import httptools

from loadtests.core.redact import REDACTOR
from loadtests.dialect.contract import Request

MAX_ANSWER_BYTES = 8_000_000
MAX_HEAD_BYTES = 65_536
"""The most bytes of status lines and headers, those of interim answers (103 Early Hints) included."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "expect", "upgrade"})
"""Headers that only the client itself may set: with two of one kind, servers disagree where a request ends."""
_KINDS = {bytes: "bytes", str: "text"}


class ForbiddenError(ValueError):
    """A request that would leave the target's host, or that is none or more than one in HTTP."""


class BrokenAnswerError(Exception):
    """What came back is no whole answer; the text says why, and holds nothing of what came."""


def check_path(path: str) -> None:
    """Raise ForbiddenError unless ``path`` stays on the target's host: one leading slash, no blank, no control."""
    if not path.startswith("/") or path.startswith("//") or not path.isascii() or not path.isprintable() or " " in path:
        raise ForbiddenError("absolute URL refused: a request must stay on the target's host")


def encode(request: Request, host_lines: str, base: str = "") -> bytes:
    """Return a request as it goes over the wire, its path below ``base``.

    ``host_lines`` are the client's own headers. Raises ForbiddenError for a request that is not exactly one in HTTP;
    what it says holds nothing of a header's value, which may be a secret.
    """
    check_path(request.path)
    if not _TOKEN.fullmatch(request.method):
        raise ForbiddenError("request refused: its method is no word of HTTP")
    for what, value, kind in (("body", request.body, bytes), ("key", request.key, str)):
        if not isinstance(value, kind):
            raise ForbiddenError(f"request refused: its {what} is {type(value).__name__}, must be {_KINDS[kind]}")
    lines = [f"{request.method} {base}{request.path} HTTP/1.1\r\n", host_lines]
    for name, value in request.headers.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _OURS:
            raise ForbiddenError(f"request refused: {REDACTOR.cut(name, 60)!r} is no header that a dialect may set")
        if not isinstance(value, str):
            told = f"its header {REDACTOR.cut(name, 60)} is {type(value).__name__}"
            raise ForbiddenError(f"request refused: {told}, must be text")
        if _CONTROL.search(value):
            raise ForbiddenError(
                f"request refused: the header {REDACTOR.cut(name, 60)} holds a line break or another control"
            )
        lines.append(f"{name}: {value}\r\n")
    if request.body or request.method != "GET":
        lines.append(f"Content-Length: {len(request.body)}\r\n")
    try:
        return "".join([*lines, "\r\n"]).encode("latin-1") + request.body
    except UnicodeEncodeError:
        raise ForbiddenError("request refused: a header holds a character outside Latin-1") from None


class AnswerParser:
    """Reads the one final answer to a request from the bytes of its connection; interim answers are passed over."""

    def __init__(self, method: str) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.done = False
        self.reusable = False
        self._method = method
        self._received = 0
        self._head_bytes = 0
        self._in_head = True
        self._surplus = self._keeps_alive = False
        self._parser = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Take bytes as they come, none for the end of the connection; ``done`` says when the answer is whole.

        Raises BrokenAnswerError when it cannot become whole, or is larger than the bounds.
        """
        if not data:
            self._end()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            raise BrokenAnswerError("101: the protocol was switched, which nobody had asked for") from None
        except httptools.HttpParserError as error:
            if not self.done:  # what follows a whole answer does not spoil it, only the connection
                raise BrokenAnswerError(f"not HTTP: {error}"[:100]) from None
            self._surplus = True
        self._head_bytes += len(data) if self._in_head else 0
        if self._head_bytes > MAX_HEAD_BYTES:
            raise BrokenAnswerError(f"headers above {MAX_HEAD_BYTES // 1024} kB")
        if self._received > MAX_ANSWER_BYTES + MAX_HEAD_BYTES or len(self.body) > MAX_ANSWER_BYTES:
            raise BrokenAnswerError(f"answer above {MAX_ANSWER_BYTES // 1_000_000} MB")
        self.reusable = self._keeps_alive and not self._surplus

    def _end(self) -> None:
        """Take the end of the connection: it ends an answer that says nothing of its length, and breaks any other."""
        if not self._received:
            raise BrokenAnswerError("connection closed before any answer")
        if self._in_head or {"content-length", "transfer-encoding"} & self.headers.keys():
            raise BrokenAnswerError("connection closed before the answer was complete")
        self.done = True

    def on_message_begin(self) -> None:
        """Begin the next answer: the final one after an interim one, or one that nobody asked for."""
        self._surplus = self.done
        if not self.done:
            self.headers.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; those behind a body in chunks are of no use."""
        if self._in_head:
            self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """End the head of an answer, which goes on if it is only an interim one."""
        if self.done:
            return
        self.status = self._parser.get_status_code()
        self._in_head = self.status < 200
        self.done = self._method == "HEAD" and not self._in_head

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        if not self.done:
            self.body += data

    def on_message_complete(self) -> None:
        """End an answer; after one to HEAD the parser waits for a body that never comes, so that goes no further."""
        if not self.done and not self._in_head:
            self.done, self._keeps_alive = True, self._parser.should_keep_alive()
