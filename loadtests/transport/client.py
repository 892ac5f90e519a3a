"""One HTTP request, once: no retry, no redirect, no absolute URL, TLS verified, one deadline for all of it.

The connection pool and the parser are geventhttpclient's. Its own ``HTTPClient.request`` is not used, because it
repeats a read whose connection broke up to pool-size times: a test must not send what is not scheduled.
"""

from __future__ import annotations

import socket
import ssl

import gevent
import gevent.ssl
from geventhttpclient.connectionpool import ConnectionPool, SSLConnectionPool
from geventhttpclient.response import HTTPParseError, HTTPSocketPoolResponse

from loadtests.core.redact import REDACTOR
from loadtests.dialect.contract import Answer, Request

MAX_ANSWER_BYTES = 8_000_000
READ_TIMEOUT_S = 30.0
"""How long a page of what the server holds may take: it is read outside the measured load."""


class NoAnswerError(Exception):
    """No answer came. ``taken`` is False when the target certainly did not get the request."""

    def __init__(self, reason: str, *, taken: bool = True) -> None:
        super().__init__(reason)
        self.taken = taken


class ForbiddenError(ValueError):
    """A request that would leave the target's host."""


def check_path(path: str) -> None:
    """Raise ForbiddenError unless ``path`` stays on the target's host: one leading slash, no blank, no control."""
    if not path.startswith("/") or path.startswith("//") or not path.isascii() or not path.isprintable() or " " in path:
        raise ForbiddenError("absolute URL refused: a request must stay on the target's host")


class Client:
    """Requests to one host. ``concurrency`` must be as large as the in-flight cap, or the pool closes the loop."""

    def __init__(self, *, scheme: str, host: str, port: int, address: str, concurrency: int) -> None:
        pool = SSLConnectionPool if scheme == "https" else ConnectionPool
        secure = {"insecure": False, "ssl_context_factory": gevent.ssl.create_default_context}
        self._pool = pool(address, port, host, port, size=concurrency, **(secure if scheme == "https" else {}))
        name = f"[{host}]" if ":" in host else host
        self._host_line = f"Host: {name}:{port}\r\nUser-Agent: withstand\r\n"

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.close()

    def send(self, request: Request, timeout_s: float) -> Answer:
        """Return the answer to one request, which is sent once; a secret that the target echoes is taken out of it.

        Raises NoAnswerError when none came whole within ``timeout_s``, ForbiddenError for an absolute URL.
        """
        head = self._head(request)
        try:
            with gevent.Timeout(timeout_s):
                return self._exchange(head + request.body, request.method)
        except gevent.Timeout:
            raise NoAnswerError(f"time-out after {timeout_s:g} s") from None
        except HTTPParseError:
            raise NoAnswerError("connection closed before the answer was complete") from None
        except ssl.SSLError as error:
            raise NoAnswerError(f"TLS: {getattr(error, 'verify_message', '') or error.reason}", taken=False) from None
        except OSError as error:
            raise NoAnswerError(f"connection broke: {error.strerror or error}") from None

    def _head(self, request: Request) -> bytes:
        check_path(request.path)
        lines = [f"{request.method} {request.path} HTTP/1.1\r\n", self._host_line]
        lines += [f"{name}: {value}\r\n" for name, value in request.headers.items()]
        if request.body or request.method != "GET":
            lines.append(f"Content-Length: {len(request.body)}\r\n")
        return "".join([*lines, "\r\n"]).encode("latin-1")

    def _exchange(self, wire: bytes, method: str) -> Answer:
        try:
            sock = self._pool.get_socket()
        except ConnectionRefusedError:
            raise NoAnswerError("connection refused", taken=False) from None
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(wire)
        except BaseException:
            self._pool.release_socket(sock)
            raise
        # From here on the response object owns the socket, and gives it back to the pool or closes it.
        response = HTTPSocketPoolResponse(sock, self._pool, method=method)
        body = bytearray()
        try:
            for part in response:
                body += part
                if len(body) > MAX_ANSWER_BYTES:
                    raise HTTPParseError("answer too long")
        finally:
            response.release()
        headers = {name.lower(): value for name, value in response.items()}
        if REDACTOR.found_in("\n".join(headers.values())):
            headers = {name: REDACTOR.clean(value) for name, value in headers.items()}
        return Answer(response.status_code, headers, REDACTOR.clean_bytes(bytes(body)))
