"""A staging server of one's own for a test, and a client that signs its requests."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from loadtests.staging.http.app import make_app
from loadtests.staging.http.auth import account_password, gate_signature
from loadtests.staging.settings import SECRET_NAMES, Secrets, Settings
from tests.support.servers.addresses import sample_address

SECRETS = Secrets(
    api_key="test-key", api_secret="test-secret", ticket_token="test-ticket-token", admin_token="test-admin-token"
)
ENVIRON = {name: getattr(SECRETS, key) for key, name in SECRET_NAMES.items()}
ROOT = Path(__file__).resolve().parents[3]
DEADLINE_S = 30.0


def wait_until(holds: Callable[[], Any], what: str) -> Any:
    """Return the first true value of ``holds``; fail the test when none comes in time."""
    end_s = time.monotonic() + DEADLINE_S
    while not (value := holds()):
        assert time.monotonic() < end_s, f"not in time: {what}"
        time.sleep(0.01)
    return value


class Client:
    """The staging API as an honest client uses it, over any httpx client."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def signed(
        self,
        method: str,
        path: str,
        *,
        query: str = "",
        body: bytes = b"",
        timestamp: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        signed = signature_headers(method, path, query=query, body=body, timestamp=timestamp)
        url = path + ("?" + query if query else "")
        return self.http.request(method, url, content=body, headers={**signed, **(headers or {})})

    def withdraw(self, client_id: str, **changes: Any) -> httpx.Response:
        return self.signed("POST", "/api/v4/withdrawals", body=json.dumps(order(client_id, **changes)).encode())

    def withdrawals(self, client_id: str) -> list[dict[str, Any]]:
        response = self.signed("GET", "/api/v4/wallet/withdrawals", query=f"withdraw_order_id={client_id}")
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()
        return found

    def status(self, client_id: str) -> str:
        (record,) = self.withdrawals(client_id)
        return str(record["status"])

    def ticket(self, method: str, path: str, ticket: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        sent = {"Authorization": f"Bearer {SECRETS.ticket_token}", **headers}
        content = None if ticket is None else json.dumps({"ticket": ticket})
        return self.http.request(method, path, content=content, headers=sent)

    def create_ticket(self, external_id: str, **headers: str) -> httpx.Response:
        ticket = {"subject": "Where is it", "comment": {"body": "gone"}, "external_id": external_id, "tags": ["delay"]}
        return self.ticket("POST", "/api/v2/tickets", ticket, **headers)

    def admin(self, path: str, method: str = "GET", body: object = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {SECRETS.admin_token}"}
        return self.http.request(method, path, json=body, headers=headers)

    def pages(self, name: str, prefix: str = "", limit: int = 500) -> list[dict[str, Any]]:
        """Return every row of a paged administrative read."""
        rows: list[dict[str, Any]] = []
        after: object = None
        while True:
            query = f"limit={limit}" + (f"&prefix={prefix}" if prefix else "") + (f"&after={after}" if after else "")
            response = self.admin(f"/admin/{name}?{query}")
            assert response.status_code == 200, response.text
            rows += response.json()[name]
            after = response.json()["next_after"]
            if after is None:
                return rows

    def ledger(self, currency: str = "USDT") -> dict[str, Any]:
        (row,) = [row for row in self.admin("/admin/ledger").json()["currencies"] if row["currency"] == currency]
        assert isinstance(row, dict)
        return row

    def login(self, account: int, password: str | None = None) -> httpx.Response:
        word = account_password(account, SECRETS.api_secret) if password is None else password
        return self.http.post("/api/v1/login", json={"account": account, "password": word})


def signature_headers(
    method: str, path: str, *, query: str = "", body: bytes = b"", timestamp: int | None = None
) -> dict[str, str]:
    """Return the headers that sign a request, now or at ``timestamp``."""
    stamp = str(int(time.time()) if timestamp is None else timestamp)
    sign = gate_signature(secret=SECRETS.api_secret, method=method, path=path, query=query, body=body, timestamp=stamp)
    return {"KEY": SECRETS.api_key, "Timestamp": stamp, "SIGN": sign}


def order(client_id: str, **changes: Any) -> dict[str, Any]:
    """Return a valid body of a withdrawal, with changes; a change to None leaves the field out."""
    body = {
        "account": 7,
        "currency": "USDT",
        "amount": "10",
        "chain": "TRX",
        "address": sample_address("TRX", 1),
        "withdraw_order_id": client_id,
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


@contextlib.contextmanager
def staging_thread(settings: Settings, database: Path | str) -> Iterator[Client]:
    """Run the application in a thread of this process, on a free port: quicker to start than a process."""
    app = make_app(settings=settings, secrets=SECRETS, database=database)
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="on", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started or not thread.is_alive(), "the server's start")
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S) as http:
            yield Client(http)
    finally:
        server.should_exit = True
        thread.join()


@contextlib.contextmanager
def staging(
    *options: str, database: Path | str | None = None, program: Sequence[str] = ("-m", "loadtests.staging")
) -> Iterator[tuple[Client, subprocess.Popen[str]]]:
    """Run a staging server, or another ``program`` with its options, on a free port; end it by its process id."""
    command = [sys.executable, *program, "--port", "0", *options]
    if database is not None:
        command += ["--database", str(database)]
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **ENVIRON}, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith("staging: http://"):
            raise AssertionError(f"no address but {line!r}; {process.communicate(timeout=DEADLINE_S)[1]}")
        limits = httpx.Limits(max_connections=64, max_keepalive_connections=64)
        with httpx.Client(base_url=line.split()[1], timeout=DEADLINE_S, limits=limits) as http:
            yield Client(http), process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=DEADLINE_S)
