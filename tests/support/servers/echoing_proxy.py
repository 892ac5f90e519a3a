"""A proxy that plants what a request proved itself by into the answers of a real server: a prying or careless one."""

from __future__ import annotations

import contextlib
import http.client
import http.server
import itertools
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from loadtests.dialect.contract import Request
from loadtests.transport.echoes import proofs

FREE_TEXTS = frozenset(
    {"address", "memo", "txid", "chain", "subject", "description", "label", "message", "detail", "priority", "id"}
)
"""Fields that any text may stand in: with an echo in them an answer can still be read."""
_PASSED_ON = frozenset({"content-type", "retry-after"})
_AN_ERROR_EACH = 7


class Planted(NamedTuple):
    """What a proxy did: how many echoes it planted, and what the requests proved themselves by."""

    echoes: list[str]
    proofs: set[str]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        asked = Request(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
        status, headers, body = self.server.answer(asked)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - named by http.server

    def log_message(self, *_: Any) -> None: ...


class _Proxy(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, target: str, encodings: Sequence[Callable[[str], str]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self._target, self._encodings = urlsplit(target).netloc, encodings
        self._numbers = itertools.count()
        self.planted = Planted([], set())
        self._has_begun = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that break: an injection gives up on purpose."""

    def answer(self, asked: Request) -> tuple[int, list[tuple[str, str]], bytes]:
        """Return the server's answer to a request, with an echo of it in each text that may hold one."""
        connection = http.client.HTTPConnection(self._target)
        connection.request(asked.method, asked.path, asked.body, asked.headers)
        got = connection.getresponse()
        status, body = got.status, got.read()
        headers = [(name, value) for name, value in got.headers.items() if name.lower() in _PASSED_ON]
        connection.close()
        if asked.path == "/health":
            return status, headers, body
        mine = [*proofs(asked)]
        self.planted.proofs.update(mine)
        number = next(self._numbers)
        carried = [f"{before}{one}" for one in mine for before in ("", "KEY: ", "Authorization: Basic ")] or ["nothing"]
        echo = self._encodings[number % len(self._encodings)](carried[number % len(carried)])
        self.planted.echoes.append(echo)
        self._has_begun = self._has_begun or asked.method == "POST"  # before its first write a command would give up
        if self._has_begun and number % _AN_ERROR_EACH == _AN_ERROR_EACH - 1:
            return 400, headers, json.dumps({"label": echo, "error": echo, "detail": echo}).encode()
        return status, headers, json.dumps(with_echo(json.loads(body), echo)).encode() if body else b""


def with_echo(value: Any, echo: str, name: str = "") -> Any:
    """Return a JSON value with an echo behind every text that any text may stand in."""
    if isinstance(value, dict):
        return {key: with_echo(inner, echo, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_echo(inner, echo, name) for inner in value]
    return f"{value} {echo}" if isinstance(value, str) and name in FREE_TEXTS else value


@contextlib.contextmanager
def echoing(target: str, encodings: Sequence[Callable[[str], str]]) -> Iterator[tuple[str, Planted]]:
    """Run a proxy before a server; yields its URL and what it plants."""
    proxy = _Proxy(target, encodings)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{proxy.server_port}", proxy.planted
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()
