"""How long the server waits for a request: uvicorn's own protocol bounds only the time between two of them.

The headers must be complete some time after the connection was made or the request began, the body some time after the
headers, however many bytes arrive meanwhile. Who is late is answered 408 and disconnected.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TOO_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 26\r\n"
    b"connection: close\r\n\r\nThe request came too late."
)


class DeadlineProtocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 on httptools, with a deadline for the headers and one for the body of each request."""

    header_timeout_s: ClassVar[float]
    body_timeout_s: ClassVar[float]
    _timer: asyncio.TimerHandle | None = None
    _began = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect the first request's headers."""
        super().connection_made(transport)
        self._expect(self.header_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._expect(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Expect the rest of a request's headers; the first one's deadline began with the connection."""
        super().on_message_begin()
        if self._timer is None:
            self._expect(self.header_timeout_s)
        self._began = True

    def on_headers_complete(self) -> None:
        """Expect the body."""
        self._expect(self.body_timeout_s)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect nothing more of this request."""
        self._expect(None)
        super().on_message_complete()

    def _expect(self, timeout_s: float | None) -> None:
        """Set the deadline anew, or none."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if timeout_s is None else self.loop.call_later(timeout_s, self._late, timeout_s)

    def _late(self, timeout_s: float) -> None:
        """End the connection. After the loop stood still, it reads what arrived meanwhile before it looks at timers."""
        if self.flow.read_paused:  # the server does not read on, so the client cannot be late
            self._expect(timeout_s)
            return
        if self._began and not (self.cycle is not None and self.cycle.response_started):
            self.transport.write(_TOO_LATE)
        self.transport.close()


def protocol(*, header_timeout_s: float, body_timeout_s: float) -> type[Any]:
    """Return the protocol with its deadlines, in seconds, as uvicorn takes one."""
    deadlines = {"header_timeout_s": header_timeout_s, "body_timeout_s": body_timeout_s}
    return type("Deadlines", (DeadlineProtocol,), deadlines)
