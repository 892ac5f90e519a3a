"""One HTTP request, once: no retry, no redirect, no absolute URL, TLS verified, one deadline for all of it.

A retry would send what is not scheduled. A request without an answer was certainly not taken where its connection could
not be opened, and is of unknown fate once its first byte had left. So it is after a time-out, even before that, for its
wait is a latency like any other, which that of a refusal is not.
"""

from __future__ import annotations

import errno
import json
import ssl
from dataclasses import dataclass

import gevent

from loadtests.core.redact import REDACTOR
from loadtests.dialect.contract import Answer, Request
from loadtests.transport.connections import Connections
from loadtests.transport.http1 import AnswerParser, BrokenAnswerError, encode

READ_TIMEOUT_S = 30.0
"""How long a page of what the server holds may take: it is read outside the measured load."""
_PIECE_BYTES = 16_384
_OUR_LACK = {
    errno.EMFILE: "too many open files in this process",
    errno.ENFILE: "too many open files on this machine",
    errno.EADDRNOTAVAIL: "no free local port left",
    errno.ENOBUFS: "no network buffers left",
    errno.ENOMEM: "no memory left",
}
"""What this machine may lack to open a connection, which says nothing about the target."""


class NoAnswerError(Exception):
    """No answer came. ``taken`` is False when the target certainly did not get the request.

    ``ours``: the load generator could not send it, which is not the target's fault.
    """

    def __init__(self, reason: str, *, taken: bool = True, ours: bool = False) -> None:
        super().__init__(reason)
        self.taken, self.ours = taken and not ours, ours


@dataclass
class _Attempt:
    """How far one request has come."""

    left: bool = False


class Client:
    """Requests to one host, at the address that it was found at; at most ``concurrency`` idle connections are kept.

    ``base`` is the path below which all requests go.
    """

    def __init__(self, *, scheme: str, host: str, port: int, address: str, concurrency: int, base: str = "") -> None:
        secure = scheme == "https"
        self._connections = Connections(address, port, server_name=host if secure else None, most_idle=concurrency)
        name = f"[{host}]" if ":" in host else host
        self._host_lines, self._base = f"Host: {name}:{port}\r\nUser-Agent: withstand\r\n", base

    def close(self) -> None:
        """Close the idle connections."""
        self._connections.close()

    def encoded(self, request: Request) -> bytes:
        """Return a request as it goes over the wire. Raises ForbiddenError for one that must not be sent."""
        return encode(request, self._host_lines, self._base)

    def send(self, request: Request, timeout_s: float) -> Answer:
        """Return the answer to one request; see ``exchange``. Raises ForbiddenError for one that must not be sent."""
        return self.exchange(self.encoded(request), request.method, timeout_s)

    def exchange(self, wire: bytes, method: str, timeout_s: float) -> Answer:
        """Return the answer to an encoded request, sent once; a secret that the target echoes is taken out of it.

        Raises NoAnswerError when none came whole within ``timeout_s``.
        """
        attempt, deadline = _Attempt(), gevent.Timeout(timeout_s)
        try:
            with deadline:
                return self._exchange(wire, method, attempt)
        except gevent.Timeout as fired:
            if fired is not deadline:
                raise
            where = "" if attempt.left else ", before the connection was open"
            raise NoAnswerError(f"time-out after {timeout_s:g} s{where}") from None
        except BrokenAnswerError as error:
            raise NoAnswerError(str(error)) from None
        except OSError as error:  # among them every TLS error
            raise _no_answer(error, attempt) from None

    def _exchange(self, wire: bytes, method: str, attempt: _Attempt) -> Answer:
        connection = self._connections.take()
        parser = AnswerParser(method)
        try:
            attempt.left = True
            connection.sendall(wire)
            while not parser.done:
                parser.feed(connection.recv(_PIECE_BYTES))
        except BaseException:
            connection.close()
            raise
        if parser.reusable:
            self._connections.give_back(connection)
        else:
            connection.close()
        return _clean(parser)


def _no_answer(error: OSError, attempt: _Attempt) -> NoAnswerError:
    """Return what an error of a connection says, in words that hold nothing of what came over it."""
    if not attempt.left and error.errno in _OUR_LACK and not isinstance(error, ssl.SSLError):
        return NoAnswerError(_OUR_LACK[error.errno], ours=True)
    if isinstance(error, ssl.SSLError):
        told = getattr(error, "verify_message", "") or error.reason or "closed in the middle"
        return NoAnswerError(f"TLS: {told}", taken=attempt.left)
    if isinstance(error, ConnectionRefusedError):
        return NoAnswerError("connection refused", taken=attempt.left)
    when = "before the answer" if attempt.left else "while it was opened"
    return NoAnswerError(f"connection broke {when}: {error.strerror or type(error).__name__}", taken=attempt.left)


def _clean(parser: AnswerParser) -> Answer:
    headers = parser.headers
    together = "\n".join(headers.values())
    if REDACTOR.clean(together) != together:
        headers = {name: REDACTOR.clean(value) for name, value in headers.items()}
    return Answer(parser.status, headers, REDACTOR.clean_bytes(_in_utf8(bytes(parser.body))))


def _in_utf8(body: bytes) -> bytes:
    """Return JSON in the encoding that secrets are looked for in: a server may answer in UTF-16 as well."""
    encoding = json.detect_encoding(body)
    if encoding.startswith("utf-8"):
        return body
    try:
        return body.decode(encoding).encode()
    except UnicodeError:
        return body
