"""One request over one connection: what is refused before it leaves, whose fault no answer is, where it goes."""

from __future__ import annotations

import errno
import json
import resource
import select
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import gevent.socket
import numpy as np
import pytest

from loadtests import dialects
from loadtests.core.faults import InputError
from loadtests.core.redact import MARK
from loadtests.core.schedule import Window, cut, read_trace
from loadtests.dialect.contract import Answer, Request
from loadtests.dialect.payload import json_object
from loadtests.transport import guard
from loadtests.transport.client import Client, NoAnswerError
from loadtests.transport.driver import Driver, SendLimits
from loadtests.transport.http1 import ForbiddenError
from loadtests.transport.recorder import Journal, Recorder
from tests.support.servers.certificate import CERTIFICATE
from tests.support.servers.hostile import HostileServer, answer, resets, says, waits
from tests.support.servers.staging_client import ENVIRON
from tests.support.servers.tiny_server import TinyServer
from tests.support.trace_factory import arrivals_at, make_run

GET = Request("GET", "/x", {})


def client_to(port: int, *, scheme: str = "http", host: str = "localhost", base: str = "") -> Client:
    return Client(scheme=scheme, host=host, port=port, address="127.0.0.1", concurrency=4, base=base)


def failure(client: Client, request: Request = GET, timeout_s: float = 10.0) -> NoAnswerError:
    with pytest.raises(NoAnswerError) as caught:
        client.send(request, timeout_s)
    client.close()
    return caught.value


# --- refused before it leaves ---


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (GET._replace(headers={"X": "a\r\nHost: b"}), "the header X holds a line break"),
        (GET._replace(headers={"X": "a\n\nGET /y HTTP/1.1"}), "the header X holds a line break"),
        (GET._replace(headers={"X": "a\0b"}), "the header X holds a line break"),
        (GET._replace(headers={"X\r\nY": "a"}), "is no header that a dialect may set"),
        (GET._replace(headers={"X: y\r\n": "a"}), "is no header that a dialect may set"),
        (GET._replace(headers={"Content-Length": "3"}), "'Content-Length' is no header that a dialect may set"),
        (GET._replace(headers={"transfer-encoding": "chunked"}), "is no header that a dialect may set"),
        (GET._replace(headers={"Host": "other"}), "is no header that a dialect may set"),
        (GET._replace(headers={"X": "5 \u20ac"}), "a header holds a character outside Latin-1"),
        (GET._replace(method="GET /y HTTP/1.1\r\n\r\nGET"), "its method is no word of HTTP"),
        (GET._replace(path="/x y"), "absolute URL refused"),
        (GET._replace(body="text"), "its body is str, must be bytes"),
    ],
)
def test_what_is_not_one_request_is_refused_and_no_value_is_told(request_: Request, told: str) -> None:
    with pytest.raises(ForbiddenError, match=told) as caught:
        client_to(1).send(request_, 1.0)
    assert "Host: b" not in str(caught.value)
    assert "\u20ac" not in str(caught.value)


ODD_DIALECT = """
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Odd(reference.Reference):
    def request(self, arrival, known):
        asked = super().request(arrival, known)
        odd = ["5 \\u20ac", "a\\r\\nX: b", 7, "fine"][arrival.idx % 4]
        return asked._replace(headers={**asked.headers, "X-Odd": odd})

create = Odd
"""


def sent(folder: Path, client: Client, dialect: str = "reference", n: int = 8) -> Recorder:
    """Return the rows of a few withdrawals, sent by the load test's own driver."""
    run = make_run(folder / "run", arrivals_at(np.arange(n) * 1000, ["withdrawal"] * n))
    schedule = cut(read_trace(run / "arrivals.parquet"), Window(1_000_000))
    recorder, journal = Recorder(schedule), Journal(folder / "journal.jsonl")
    driver = Driver(
        schedule=schedule,
        dialect=dialects.load(dialect, ENVIRON),
        client=client,
        recorder=recorder,
        journal=journal,
        limits=SendLimits(n, n, 5.0),
        prefix="ws-0a1b2c3d4e-",
    )
    driver.run(lambda ended: None)
    journal.close()
    client.close()
    return recorder


def test_what_cannot_be_encoded_does_not_count_as_sent(tmp_path: Path) -> None:
    dialect = tmp_path / "odd.py"
    dialect.write_text(ODD_DIALECT)
    with HostileServer(says(answer(), then=True)) as server:
        rows = sent(tmp_path, client_to(server.port), str(dialect))
    assert rows.counts() == {"planned": 8, "acknowledged": 2, "rejected": 0, "rate_limited": 0, "unknown": 0,
                             "shed": 0, "not_sent": 6}  # fmt: skip
    assert (rows.n_sent, rows.n_closed, server.n_requests) == (2, 2, 2)
    assert (tmp_path / "journal.jsonl").read_text().count('"key"') == 2


# --- whose fault no answer is ---


def test_a_connection_refused_was_certainly_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = failure(client_to(port))
    assert (str(error), error.taken, error.ours) == ("connection refused", False, False)


def test_a_time_out_before_the_connection_is_open_waited_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gevent.socket.socket, "connect", lambda self, place: gevent.sleep(30))
    error = failure(client_to(1), timeout_s=0.05)
    assert (str(error), error.taken) == ("time-out after 0.05 s, before the connection was open", True)


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a certificate that this process trusts by ``SSL_CERT_FILE``."""
    path = tmp_path / "pair.pem"
    path.write_text(CERTIFICATE)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    return path


def raw(connection: socket.socket) -> socket.socket:
    """Return the socket below TLS, on which nothing is encrypted."""
    assert isinstance(connection, ssl.SSLSocket)
    return socket.socket(fileno=connection.detach())


def cut_tls(connection: socket.socket, number: int) -> bool:
    raw(connection).close()
    return False


def spoil_tls(connection: socket.socket, number: int) -> bool:
    with raw(connection) as below:
        below.sendall(b"HTTP/1.1 202 Accepted\r\n\r\n")
    return False


def test_a_certificate_is_trusted_by_ssl_cert_file_and_for_its_name_alone(pair: Path) -> None:
    with HostileServer(says(answer(), then=True), pair) as server:
        client = client_to(server.port, scheme="https")
        assert client.send(GET, 10.0).status == 202
        assert client.send(GET, 10.0).status == 202
        client.close()
        error = failure(client_to(server.port, scheme="https", host="other.example"))
    assert (server.n_requests, server.n_connections) == (2, 2), "two requests on one connection, then a stranger's"
    assert (error.taken, str(error)[:5]) == (False, "TLS: ")
    assert "other.example" in str(error)


@pytest.mark.parametrize("behave", [cut_tls, spoil_tls, resets()])
def test_tls_that_breaks_after_the_request_left_leaves_it_unknown(pair: Path, behave: Callable[..., bool]) -> None:
    with HostileServer(behave, pair) as server:
        error = failure(client_to(server.port, scheme="https"))
    assert server.n_requests == 1
    assert (error.taken, error.ours) == (True, False)


def test_tls_that_breaks_before_is_certainly_not_taken(pair: Path) -> None:
    with HostileServer(says(answer())) as server:  # no TLS at all
        error = failure(client_to(server.port, scheme="https"), timeout_s=5.0)
    assert (server.n_requests, error.taken) == (0, False)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL])
def test_what_this_machine_lacks_is_the_generators_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, "lacking")

    monkeypatch.setattr(gevent.socket.socket, "connect", fail)
    rows = sent(tmp_path, client_to(1))
    assert rows.counts()["not_sent"] == 8
    assert (rows.n_sent, rows.n_failed, set(rows.key)) == (0, 0, {""})
    assert set(rows.reason) <= {"too many open files in this process", "too many open files on this machine",
                                "no free local port left"}  # fmt: skip
    journal = (tmp_path / "journal.jsonl").read_text()
    assert journal.count('"outcome":"rejected"') == journal.count('"key"') == 8


def test_a_real_lack_of_files_is_the_generators_fault(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with HostileServer(says(answer())) as server:
        highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir()) if Path("/proc").exists() else 60
        client = client_to(server.port)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            error = failure(client)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (str(error), error.ours, highest > 3) == ("too many open files in this process", True, True)


def test_a_secret_is_taken_out_of_every_header_of_an_answer() -> None:
    dialects.load("reference", ENVIRON)
    secret = ENVIRON["WITHSTAND_TICKET_TOKEN"]
    with HostileServer(says(answer(head=f"X-Echo: Bearer {secret}\r\nX-Else: 7\r\n"))) as server:
        client = client_to(server.port)
        headers = client.send(GET, 10.0).headers
        client.close()
    assert (headers["x-echo"], headers["x-else"]) == (f"Bearer {MARK}", "7")


# --- one deadline, and where it goes ---


def test_a_connection_has_no_time_out_of_its_own() -> None:
    with HostileServer(says(answer(), then=True)) as server:
        client = client_to(server.port)
        assert client.send(GET, 10.0) == Answer(202, {"content-length": "11"}, b'{"id":"w1"}')
        (idle,) = client._connections._idle
        assert idle.gettimeout() is None
        client.close()
        assert idle.fileno() < 0


def test_a_connection_on_which_something_came_unasked_is_not_used_again() -> None:
    forged = answer(b'{"id":"forged"}')
    with HostileServer(says(answer(), forged, then=True)) as server:
        client = client_to(server.port)
        for n_connections in (1, 2):
            assert client.send(GET, 10.0).body == b'{"id":"w1"}'
            assert server.n_connections == n_connections
            for idle in client._connections._idle:
                assert select.select([idle.fileno()], [], [], 10.0)[0], "the forged answer has come"
        client.close()


def test_a_deadline_of_somebody_else_is_not_taken_for_ones_own() -> None:
    ended = threading.Event()
    with HostileServer(waits(ended, 20.0)) as server:
        client = client_to(server.port)
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
            client.send(GET, 15.0)
        ended.set()
        client.close()


def test_an_answer_to_head_has_no_body_whatever_its_length() -> None:
    with HostileServer(says(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", then=True)) as server:
        client = client_to(server.port)
        assert [client.send(GET._replace(method="HEAD"), 5.0).status for _ in range(2)] == [200, 200]
        client.close()


def test_all_requests_go_below_the_path_of_the_host() -> None:
    with TinyServer() as server:
        client = guard.client_of(f"{server.url}/gate/v1/", 1)
        client.send(Request("GET", "/api/v2/tickets/count", {}), 5.0)
        client.close()
    assert server.targets == ["/gate/v1/api/v2/tickets/count"]


def test_a_name_is_looked_up_once_and_every_connection_goes_to_that_address(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def look_up(host: str, port: int, **_: Any) -> Any:
        asked.append(host)
        place = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with TinyServer() as server:
        url = f"http://moving.example:{server.port}"
        for _ in range(3):
            client = guard.client_of(url, 1)
            assert client.send(Request("GET", "/health", {}), 5.0).status == 200
            client.close()
    assert (asked, server.n_connections) == (["moving.example"], 3)


def test_a_host_is_allowed_whatever_its_case() -> None:
    assert guard.check_url("https://Staging.Example", {"STAGING.example"}) == []
    assert guard.check_url("https://staging.example", {"other"})


VOUCHING = """
from loadtests.dialect import Request
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Vouched(reference.Reference):
    def health(self):
        return Request("GET", "/health", {"Authorization": "Bearer WORD"})

create = Vouched
"""


@pytest.mark.parametrize(
    ("word", "refused"), [("right", ""), ("wrong", "does not say"), ("a\\r\\nb", "cannot be sent")]
)
def test_a_health_check_may_carry_a_key(tmp_path: Path, word: str, refused: str) -> None:
    dialect = tmp_path / "vouched.py"
    dialect.write_text(VOUCHING.replace("WORD", word))
    heads: list[bytes] = []

    def behave(connection: socket.socket, number: int) -> bool:
        right = b"Authorization: Bearer right\r\n" in heads[-1]
        body = b'{"test_system": true}' if right else b"{}"
        connection.sendall(answer(body, status="200 OK"))
        return True

    with HostileServer(behave, requests=heads) as server:
        client, made = client_to(server.port), dialects.load(str(dialect), ENVIRON)
        if refused:
            with pytest.raises(InputError, match=refused):
                guard.check_health(client, made, "http://x")
        else:
            guard.check_health(client, made, "http://x")
        client.close()
    assert len(heads) == (0 if "cannot" in refused else 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_secret_goes_whatever_encoding_the_answer_has(encoding: str) -> None:
    dialects.load("reference", ENVIRON)  # which registers its secrets
    told = json.dumps({"label": f"for {ENVIRON['WITHSTAND_ADMIN_TOKEN']}"})
    with HostileServer(says(answer(told.encode(encoding)))) as server:
        client = client_to(server.port)
        body = client.send(GET, 5.0).body
        client.close()
    assert json_object(body) == {"label": f"for {MARK}"}
