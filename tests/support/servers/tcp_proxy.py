"""A TCP proxy between a load test and its target that delays, resets or cuts short what passes, as a test chooses."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import sleep

CHUNK_BYTES = 65_536
LONGEST_S = 20.0


@dataclass(frozen=True)
class Fate:
    """What happens to one request: its answer waits, is cut after some bytes, or the connection is reset.

    ``reset``: "before", so that the target never gets the request, or "after", so that it does and no answer comes.
    """

    delay_s: float = 0.0
    keep_bytes: int | None = None
    reset: str = ""


WELL = Fate()


class TcpProxy:
    """Passes one request after the other on each connection; ``fate(head, number)`` decides, numbers from 1.

    ``head`` is the request's first line. Answers must say their length. The target may be exchanged meanwhile.
    """

    def __init__(self, target: tuple[str, int], fate: Callable[[str, int], Fate] = lambda head, number: WELL) -> None:
        self.target, self._fate = target, fate
        self.n_requests = 0
        self._counting = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self._open: set[socket.socket] = set()
        self._ended = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> TcpProxy:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            connection.close()

    def _listen(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._open.add(client)
        client.settimeout(LONGEST_S)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server: socket.socket | None = None
        try:
            server = socket.create_connection(self.target, LONGEST_S)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._one(client, server):
                pass
        except OSError:
            pass
        finally:
            self._open.discard(client)
            for connection in (client, server):
                if connection is not None:
                    connection.close()

    def _one(self, client: socket.socket, server: socket.socket) -> bool:
        """Pass one request and its answer; return whether the connection goes on."""
        request = _message(client)
        if not request:
            return False
        with self._counting:
            self.n_requests += 1
            number = self.n_requests
        fate = self._fate(request.split(b"\r\n", 1)[0].decode("latin-1"), number)
        if fate.reset == "before":
            return _reset(client)
        server.sendall(request)
        if fate.reset == "after":
            _message(server)  # so that the target has taken it
            return _reset(client)
        answer = _message(server)
        sleep(fate.delay_s)
        if fate.keep_bytes is not None:
            client.sendall(answer[: fate.keep_bytes])
            return False
        client.sendall(answer)
        return bool(answer)


def _reset(client: socket.socket) -> bool:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _message(connection: socket.socket) -> bytes:
    """Return one whole HTTP message, nothing at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(CHUNK_BYTES)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    sizes = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < int(sizes[0] if sizes else 0):
        more = connection.recv(CHUNK_BYTES)
        if not more:
            return b""
        data, body = data + more, body + more
    return data
