"""A server that breaks HTTP in one way at a time, on plain sockets, and counts every request that reaches it whole."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

LONGEST_S = 30.0
PIECE = b"x" * 65_536

Behaviour = Callable[[socket.socket, int], bool]
"""What a mode does with a connection whose request, of this number from 1, was read; whether it goes on."""


def answer(body: bytes = b'{"id":"w1"}', *, status: str = "202 Accepted", head: str = "") -> bytes:
    """Return a whole answer; ``head`` are more headers, each with its line's end."""
    return f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def says(*parts: bytes, then: bool = False) -> Behaviour:
    """Return a behaviour that says the parts, and goes on or closes: then the end comes with the last part.

    Else a client could use the connection in the moment between, in which its request is lost: rightly of unknown fate.
    """

    def behave(connection: socket.socket, number: int) -> bool:
        if not then and hasattr(socket, "TCP_CORK"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        for part in parts:
            connection.sendall(part)
        return then

    return behave


def repeats(first: bytes, piece: bytes) -> Behaviour:
    """Return a behaviour that says the first part, and then a piece without end."""

    def behave(connection: socket.socket, number: int) -> bool:
        connection.sendall(first)
        while True:
            connection.sendall(piece)

    return behave


def drips(wire: bytes, ended: threading.Event, every_s: float) -> Behaviour:
    """Return a behaviour that says a byte at a time."""

    def behave(connection: socket.socket, number: int) -> bool:
        for i in range(len(wire)):
            connection.sendall(wire[i : i + 1])
            if ended.wait(every_s):
                break
        return False

    return behave


def waits(ended: threading.Event, for_s: float, *parts: bytes) -> Behaviour:
    """Return a behaviour that says nothing for a while, and then the parts."""

    def behave(connection: socket.socket, number: int) -> bool:
        ended.wait(for_s)
        return says(*parts, then=True)(connection, number)

    return behave


def resets(*parts: bytes) -> Behaviour:
    """Return a behaviour that says the parts and breaks the connection."""

    def behave(connection: socket.socket, number: int) -> bool:
        says(*parts, then=True)(connection, number)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return behave


@dataclass
class HostileServer:
    """Serves one behaviour on 127.0.0.1, in threads, until the block ends. ``pair``: the certificate of its TLS.
    ``requests`` gets each request, by its number less 1."""

    behave: Behaviour
    pair: Path | None = None
    n_requests: int = 0
    n_connections: int = 0
    requests: list[bytes] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> HostileServer:
        self._lock, self._open = threading.Lock(), set[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.n_connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        self._open.add(connection)
        try:
            connection.settimeout(LONGEST_S)
            if self.pair is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self.pair)
                connection = context.wrap_socket(connection, server_side=True)
            for request in _requests(connection):
                with self._lock:
                    self.requests.append(request)
                    self.n_requests += 1
                    number = self.n_requests
                if not self.behave(connection, number):
                    return
        except (OSError, ssl.SSLError):
            pass
        finally:
            self._open.discard(connection)
            connection.close()


def _requests(connection: socket.socket) -> Iterator[bytes]:
    """Yield each whole request of a connection; what is not whole is not counted."""
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = connection.recv(65_536)
            if not more:
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        sizes = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        size = int(sizes[0]) if sizes else 0
        while len(data) < size:
            more = connection.recv(65_536)
            if not more:
                return
            data += more
        yield head + b"\r\n\r\n" + data[:size]
        data = data[size:]
