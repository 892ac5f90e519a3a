"""Connections to the one address that was checked: opened as they are needed, the newest idle one used first.

They have no time-outs of their own: one deadline holds for connecting, sending and reading, and it is the client's.
"""

from __future__ import annotations

import select
import socket
import ssl
from typing import Any

import gevent.socket
import gevent.ssl
from gevent.monkey import get_original

_poll = get_original("select", "poll")


class Connections:
    """Connections to an IP address. ``server_name`` is whose certificate the peer must show, None without TLS."""

    def __init__(self, address: str, port: int, *, server_name: str | None, most_idle: int) -> None:
        self._place, self._family = (address, port), socket.AF_INET6 if ":" in address else socket.AF_INET
        self._server_name, self._most_idle = server_name, most_idle
        self._context = None if server_name is None else trusting()
        self._idle: list[Any] = []
        self._closed = False

    def take(self) -> Any:
        """Return a connection, idle or new. Raises OSError or SSLError when none can be opened."""
        while self._idle:
            connection = self._idle.pop()
            if _is_quiet(connection):
                return connection
            connection.close()
        return self._opened()

    def give_back(self, connection: Any) -> None:
        """Keep a connection whose last answer was read to its end."""
        if self._closed or len(self._idle) >= self._most_idle:
            connection.close()
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """Close the idle connections, and each one that is given back later."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()

    def _opened(self) -> Any:
        connection = gevent.socket.socket(self._family, socket.SOCK_STREAM)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.connect(self._place)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_hostname=self._server_name)
        except BaseException:
            connection.close()
            raise
        return connection


def trusting() -> Any:
    """Return a TLS context that trusts the system's certificates, or those in ``SSL_CERT_FILE``."""
    context = gevent.ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if not paths.cafile and not paths.capath:
        import certifi  # a Python without certificates of its own

        context.load_verify_locations(certifi.where())
    return context


def _is_quiet(connection: Any) -> bool:
    """Return whether an idle connection is still open, with nothing in it that nobody asked for."""
    poll = _poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)
