"""``quick_server.py [--stall-after SECONDS] [--stall SECONDS]``: the reference API's answers, each in microseconds.

It prints its address. It does no work, so that a bench measures the load generator; once it can stand still.
"""

from __future__ import annotations

import argparse
import asyncio
import time

import uvloop

ANSWERS = (
    (b"GET /health", b"200 OK", b'{"status":"ok","test_system":true}'),
    (b"GET /api/v4/wallet/withdrawals", b"200 OK", b"[]"),
    (b"POST /api/v4/withdrawals", b"202 Accepted", b'{"id":"w1"}'),
    (b"POST /api/v2/tickets", b"201 Created", b'{"ticket":{"id":1}}'),
    (b"GET /api/v2/tickets", b"200 OK", b'{"count":1}'),
    (b"", b"200 OK", b'{"token":"t"}'),
)
WIRE = tuple(
    (
        begin,
        b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body),
    )
    for begin, status, body in ANSWERS
)
SIZE = b"\r\ncontent-length:"


class Stall:
    """Stands still once, some time after the first request that is not about health."""

    def __init__(self, after_s: float, length_s: float) -> None:
        self._after_s, self._length_s = after_s, length_s
        self._first_s: float | None = None

    def pass_by(self) -> None:
        """Let a request pass, after the stall if it is due."""
        now_s = time.perf_counter()
        if self._first_s is None:
            self._first_s = now_s
        elif self._length_s and now_s - self._first_s >= self._after_s:
            length_s, self._length_s = self._length_s, 0.0
            time.sleep(length_s)


class Connection(asyncio.Protocol):
    """Answers requests one after the other."""

    def __init__(self, stall: Stall) -> None:
        self._stall, self._held = stall, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        self._held += data
        while (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end]
            at = head.lower().find(SIZE)
            size = int(head[at + len(SIZE) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self._held) < end + 4 + size:
                return
            self._held = self._held[end + 4 + size :]
            if not head.startswith(ANSWERS[0][0]):
                self._stall.pass_by()
            answer = next(wire for begin, wire in WIRE if head.startswith(begin))
            self._transport.write(answer)  # type: ignore[attr-defined]


async def serve(stall: Stall) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(lambda: Connection(stall), "127.0.0.1", 0, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--stall-after", type=float, default=5.0)
    parser.add_argument("--stall", type=float, default=0.0)
    options = parser.parse_args()
    uvloop.run(serve(Stall(options.stall_after, options.stall)))
