"""What a load test does unless told otherwise can do no harm: whom it trusts, whom it listens to, where it goes."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.servers.certificate import CERTIFICATE
from tests.support.servers.loadtest_run import load_bare
from tests.support.servers.staging_client import ENVIRON, ROOT
from tests.support.servers.tiny_server import TinyServer, good
from tests.support.trace_factory import make_run, steady


@contextmanager
def unsigned_server(folder: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Serve TLS that nobody should trust; yields the port and what was said to it once the handshake was done."""
    pair = folder / "pair.pem"
    pair.write_text(CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    told: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                try:
                    with context.wrap_socket(connection, server_side=True) as secure:
                        told.append(secure.recv(1000))
                except (ssl.SSLError, OSError):
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], told
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_a_certificate_that_nobody_signed_is_not_trusted(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", steady({"login": 50.0}, 2.0), window_ms=2000)
    with unsigned_server(tmp_path) as (port, told):
        code, out = load_bare(run, f"https://localhost:{port}")
    assert code == 2
    assert "TLS: self-signed certificate" in out or "TLS: self signed certificate" in out, out
    assert told in ([], [b""])
    assert not (run / "loadtest").exists()


DEFAULTS = """
import json, sys
sys.argv = ["locust"]
import loadtests.locustfile
from locust.argument_parser import get_parser
options = get_parser().parse_args([])
print(json.dumps({name: getattr(options, name) for name in ("web_host", "master_bind_host", "max_rate", "allow_host")}))
"""


def test_web_page_and_master_listen_to_this_machine_alone() -> None:
    env = {**ENVIRON, "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", DEFAULTS], cwd=ROOT, env=env, text=True, capture_output=True, timeout=60, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"web_host": "127.0.0.1", "master_bind_host": "127.0.0.1", "max_rate": "5000", "allow_host": []}


TELEPORTING = """
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Far(reference.Reference):
    def request(self, arrival, known):
        return super().request(arrival, known)._replace(path={paths}[arrival.idx % 3])

create = Far
"""


@pytest.mark.servers
def test_no_request_leaves_the_host_whatever_the_dialect_asks(tmp_path: Path) -> None:
    with TinyServer(good) as other, TinyServer(good) as server:
        paths = (f"{other.url}/x", f"//127.0.0.1:{other.port}/x", "/x HTTP/1.1\r\nHost: other")
        run = make_run(tmp_path / "run", steady({"login": 15.0}, 2.0), window_ms=2000)
        (tmp_path / "far.py").write_text(TELEPORTING.format(paths=paths))
        code, out = load_bare(run, server.url, "--dialect", str(tmp_path / "far.py"))
        assert code == 3, out
        assert "30 requests were not sent" in out
        assert (other.n_connections, server.n_requests) == (0, 0)
