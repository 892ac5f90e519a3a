"""The staging server as a process: bound, announced, run until a signal, ended in good order."""

from __future__ import annotations

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

import uvicorn

from loadtests.staging.http.app import make_app
from loadtests.staging.http.deadlines import protocol
from loadtests.staging.settings import Secrets, Settings, SettingsError, secrets_from

__all__ = ["Settings", "SettingsError", "serve"]

_GRACE_S = 10
_KEEP_ALIVE_S = 75  # as nginx; a short one ends idle connections just as a client reuses them


def serve(
    settings: Settings,
    *,
    on_ready: Callable[[str], None] | None = None,
    environ: Mapping[str, str] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then finish the answers in flight, leave the database in good order and return.

    ``on_ready`` gets the address, such as ``http://127.0.0.1:8080``, once requests are answered. Secrets are read
    from ``environ`` (the process's by default). Without a database in the settings a temporary one is used and
    removed at the end. Prints nothing; an unexpected error is logged to standard error.

    Raises SettingsError with all faults when a secret is missing, the port is taken or the database is unusable.
    """
    secrets = secrets_from(os.environ if environ is None else environ)
    with _bound(settings) as listener:
        if settings.database is not None:
            _serve_on(listener, settings, secrets, settings.database, on_ready)
            return
        with tempfile.TemporaryDirectory(prefix="withstand-staging-") as folder:
            _serve_on(listener, settings, secrets, Path(folder) / "staging.sqlite", on_ready)


def _serve_on(
    listener: socket.socket,
    settings: Settings,
    secrets: Secrets,
    database: Path | str,
    on_ready: Callable[[str], None] | None,
) -> None:
    try:
        app = make_app(settings=settings, secrets=secrets, database=database)
    except ValueError as error:
        raise SettingsError([f"staging: database: got {database}; must be usable ({error})"]) from None
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=protocol(header_timeout_s=settings.header_timeout_s, body_timeout_s=settings.body_timeout_s),
        timeout_keep_alive=_KEEP_ALIVE_S,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config, lambda: on_ready(_address(listener)) if on_ready else None)
    with _Signals(server):
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """uvicorn's server, which reports when it listens."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_started()


class _Signals:
    """Ends the server on SIGTERM and SIGINT, also before and after uvicorn's own handlers stand.

    uvicorn raises a signal that it handled once more at its end, which would end the process before the caller's
    own clearing up.
    """

    def __init__(self, server: uvicorn.Server) -> None:
        self._server = server
        self._former: dict[int, object] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._former[number] = signal.signal(number, self._end)

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._server.should_exit = True


def _bound(settings: Settings) -> socket.socket:
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        rule = f"must be an address and port that are free to bind ({error.strerror})"
        raise SettingsError([f"staging: port: got {where}; {rule}"]) from None


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
