"""A few dozen lines of HTTP server whose every fault is chosen by the test, and which counts what reaches it."""

from __future__ import annotations

import asyncio
import json
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

HEALTH = {"status": "ok", "test_system": True}


@dataclass
class Reply:
    """An answer: ``reset`` breaks the connection instead, ``block_s`` stalls the whole server first.

    ``raw`` is sent as it is, in place of ``body``; ``missing_bytes`` more are announced than sent.
    """

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    block_s: float = 0.0
    reset: bool = False
    raw: bytes | None = None
    missing_bytes: int = 0


def good(path: str, number: int) -> Reply:
    """Return what the reference API answers when all is well."""
    if path.startswith("/api/v4/wallet/withdrawals"):
        return Reply(body=[])
    if path == "/api/v4/withdrawals":
        return Reply(202, {"id": f"w{number}"})
    if path == "/api/v2/tickets":
        return Reply(201, {"ticket": {"id": number}})
    if path.startswith("/api/v2/tickets/count"):
        return Reply(body={"count": {"value": 0}})
    if path.startswith("/api/v2/tickets/"):
        return Reply(body={"ticket": {"id": number}})
    return Reply(body={"token": "t"})


def forgetful(path: str, number: int) -> Reply:
    """Acknowledge everything, and hold nothing of it when asked."""
    if path.startswith("/admin/ledger"):
        return Reply(body={"currencies": []})
    if path.startswith("/admin/"):
        return Reply(body={path.split("/")[2].partition("?")[0]: [], "next_after": None})
    return good(path, number)


class TinyServer:
    """Serves in a thread; ``reply(path, number)`` decides, with numbers from 1 in the order of arrival.

    ``body`` is that of the request that ``reply`` is asked for.
    """

    def __init__(
        self,
        reply: Callable[[str, int], Reply] = good,
        *,
        health: Reply | None = None,
        host: str = "127.0.0.1",
        one_at_a_time_s: float = 0.0,
    ) -> None:
        self._reply, self._health, self._host = reply, health or Reply(body=HEALTH), host
        self._one_at_a_time_s = one_at_a_time_s
        self.n_connections = 0
        self.blocked_s = 0.0
        self.n_requests = 0
        self.targets: list[str] = []
        self.body = b""
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def url(self) -> str:
        return f"http://{self._host}:{self.port}"

    def __enter__(self) -> TinyServer:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._end, self._turn = asyncio.Event(), asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._connected, self._host, 0, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.n_connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        path = head.split(" ", 2)[1]
        sizes = [line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length:")]
        self.body = await reader.readexactly(int(sizes[0])) if sizes else b""
        reply = self._health if path == "/health" else self._counted(path)
        if reply.block_s:
            begin_s = time.monotonic()
            time.sleep(reply.block_s)
            self.blocked_s += time.monotonic() - begin_s
        if reply.delay_s:
            await asyncio.sleep(reply.delay_s)
        if self._one_at_a_time_s and path != "/health":
            async with self._turn:
                await asyncio.sleep(self._one_at_a_time_s)
        if reply.reset:
            writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            return False
        content = json.dumps(reply.body).encode() if reply.raw is None else reply.raw
        lines = [f"HTTP/1.1 {reply.status} Status", f"Content-Length: {len(content) + reply.missing_bytes}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()
        return not reply.missing_bytes

    def _counted(self, path: str) -> Reply:
        self.n_requests += 1
        self.targets.append(path)
        return self._reply(path, self.n_requests)
