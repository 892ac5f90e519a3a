"""How long the staging server waits for the rest of a request: not for ever, and no less than it says."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.servers.staging_client import DEADLINE_S, Client, order, signature_headers, staging, wait_until

SOON = ("--header-timeout-s", "0.3", "--body-timeout-s", "0.3")
N_HALVES = 300
WITHDRAW = "/api/v4/withdrawals"
HEAD = b"POST /api/v4/withdrawals HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"
READING = b"GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"


def connected(client: Client) -> socket.socket:
    url = client.http.base_url
    return socket.create_connection((url.host, url.port or 0), DEADLINE_S)


def rest_of(connection: socket.socket) -> bytes:
    """Return what the server still sends until it closes; fail the test when it does not."""
    told = b""
    try:
        while more := connection.recv(65_536):
            told += more
    except ConnectionResetError:
        pass
    return told


@contextlib.contextmanager
def half_sent(client: Client, parts: list[bytes]) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connected(client)) for _ in parts]
        for connection, part in zip(connections, parts, strict=True):
            connection.sendall(part)
        yield connections


def test_three_hundred_half_sent_requests_are_all_ended_and_nothing_is_kept() -> None:
    kinds = (b"", HEAD[:30], HEAD, HEAD + b'{"currency"', READING + b"{")
    parts = [kinds[i % len(kinds)] for i in range(N_HALVES)]
    with staging(*SOON) as (client, process):
        with half_sent(client, parts) as connections, ThreadPoolExecutor(16) as pool:
            told = list(pool.map(rest_of, connections))
            assert client.withdraw("honest-1").status_code == 202
        for part, answer in zip(parts, told, strict=True):
            first = answer.split(b"\r\n", 1)[0]
            if part == b"":
                assert answer == b""
            elif part.startswith(b"GET"):
                assert first == b"HTTP/1.1 200 OK"  # health needs no body, and is not held by one
            else:
                assert first == b"HTTP/1.1 408 Request Timeout"
        assert [row["withdraw_order_id"] for row in client.pages("withdrawals")] == ["honest-1"]
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=DEADLINE_S) == ("", "")


def test_a_client_that_hangs_up_in_the_middle_leaves_no_word_in_the_log() -> None:
    with staging() as (client, process):
        for cut in (HEAD, HEAD + b'{"currency"'):
            with connected(client) as connection:
                connection.sendall(cut)
        assert client.withdraw("honest-1").status_code == 202
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=DEADLINE_S) == ("", "")


@pytest.mark.parametrize("head", [b"GET /health HTTP/1.1\r\nX-Slow: ", HEAD])
def test_a_client_that_drips_does_not_win_time(head: bytes) -> None:
    with staging(*SOON) as (client, _), connected(client) as slow:
        slow.sendall(head)
        slow.settimeout(0.05)
        answer = b""
        for _ in range(90):  # a body of 100 bytes is not complete by then
            with contextlib.suppress(TimeoutError):
                answer = slow.recv(100)
                break
            slow.sendall(b"x")
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_slow_answer_and_an_idle_connection_are_not_cut() -> None:
    slow = ("--withdrawal-capacity-per-s", "1", "--service-slots", "1")  # an answer takes a second
    with staging(*SOON, *slow) as (client, _):
        url = client.http.base_url
        idle = http.client.HTTPConnection(url.host, url.port or 0, timeout=DEADLINE_S)
        idle.request("GET", "/health")
        assert idle.getresponse().read()
        assert client.withdraw("slow-1").status_code == 202
        idle.request("GET", "/health")  # on the same connection: another would not be the idle one
        assert idle.getresponse().status == 200
        idle.close()


def test_what_arrived_while_the_server_itself_stood_still_is_not_late() -> None:
    body = json.dumps(order("stalled-1")).encode()
    headers = {**signature_headers("POST", WITHDRAW, body=body), "Host": "x", "Content-Length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    whole = f"POST {WITHDRAW} HTTP/1.1\r\n{head}\r\n".encode() + body
    for cut in (20, len(whole) - 5):
        with staging(*SOON) as (client, _), connected(client) as connection:
            connection.sendall(whole[:cut])
            assert client.admin("/admin/stall", "POST", {"seconds": 2}).status_code == 200

            def stands_still(url: str = str(client.http.base_url)) -> bool:
                try:
                    httpx.get(f"{url.rstrip(chr(47))}/health", timeout=0.1)
                except httpx.TimeoutException:
                    return True
                return False

            wait_until(stands_still, "the stall")
            connection.sendall(whole[cut:])
            assert connection.recv(100).startswith(b"HTTP/1.1 202 ")
