"""What of a dialect's secrets is left when a server echoes every header and the body: by dialect and encoding.

``python -m tests.tools.proxies.echo_leaks`` plants the echoes, each encoding in the errors, ids and headers of real
answers, and prints how many traces of a secret stand in the rows, the journal and the exceptions that Locust shows.
"""

from __future__ import annotations

import base64
import binascii
import html
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote, unquote

import numpy as np

from loadtests import dialects
from loadtests.core.redact import MARK
from loadtests.core.schedule import Window, cut, read_trace
from loadtests.dialect.contract import Request
from loadtests.transport.client import Client
from loadtests.transport.driver import Driver, SendLimits
from loadtests.transport.echoes import proofs
from loadtests.transport.recorder import Journal, Recorder
from tests.support.servers.hostile import HostileServer, answer
from tests.support.trace_factory import arrivals_at, make_run
from tests.tools.dialect_contract import ENVIRONS, endpoints_of

N_REQUESTS = 60
PIECE = 10
"""So many characters of a secret in a row are a trace of it."""
ENVIRONS_HERE: Mapping[str, Mapping[str, str]] = {
    **ENVIRONS,
    "reference": {
        "WITHSTAND_API_KEY": "kq7-Zebra&<Apple>-0815",
        "WITHSTAND_API_SECRET": 'sV9"quote\\slash-and-more',
        "WITHSTAND_TICKET_TOKEN": "tt-0123456789abcdef",
        "WITHSTAND_ADMIN_TOKEN": "tt-0123456789abcdef-and-more",
    },
    "django_helpdesk": {
        "WITHSTAND_HELPDESK_TOKEN": "helpdesk test/pass+word?1",
        "WITHSTAND_HELPDESK_USER": "agent@example.invalid",
    },
}


def _each(form: str) -> Callable[[str], str]:
    return lambda text: "".join(form.format(ord(char)) for char in text)


def _base64(before: str) -> Callable[[str], str]:
    return lambda text: base64.b64encode((before + text).encode()).decode()


ENCODINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, each character": _each("\\u{:04x}"),
    "URL": lambda text: quote(text, safe=""),
    "URL, each character": _each("%{:02x}"),
    "XML": html.escape,
    "XML, each character": _each("&#x{:X};"),
    "repr": lambda text: repr(text)[1:-1],
    "hex": lambda text: text.encode().hex(),
    "Base64": _base64(""),
    "Base64, offset 1": _base64("a"),
    "Base64, offset 2": _base64("ab"),
    "Base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
}


def replies(text: str) -> list[bytes]:
    """Return answers that echo a text: where a dialect reads errors, cuts them, and takes an id or a wait from."""
    shapes: list[Callable[[str], object]] = [
        lambda t: {"label": t}, lambda t: {"error": [t]}, lambda t: {"error": {"title": t}}, lambda t: {"detail": t},
        lambda t: {"code": t},
    ]  # fmt: skip
    padded = [f"{pad}{text}" for pad in ("", "x" * 40)]
    errors = [(status, shape(one)) for status in (400, 500) for shape in shapes for one in padded]
    created = (200, {"id": text, "ticket": {"id": text}, "result": {"refid": text}, "token": text})
    told = [(status, json.dumps(value).encode()) for status, value in [*errors, created]]
    # Within a JSON string as it is: its escapes vanish when the dialect decodes it.
    told += [(400, b'{"%s":"%s"}' % (name, text.encode())) for name in (b"label", b"detail", b"id")]
    found = [answer(body, status=f"{status} S") for status, body in told]
    wait = re.sub(r"[^\x20-\x7e]", "?", text)
    return [*found, answer(b"{}", status="429 S", head=f"Retry-After: {wait}\r\n")]


def traces(told: str, secret: str) -> int:
    """Return how many pieces of a secret stand in a text, decoded in every way that is tried here."""
    pieces = {secret[i : i + PIECE] for i in range(max(len(secret) - PIECE, 0) + 1)}
    return sum(piece in view for view in set(views(told)) for piece in pieces)


def views(told: str) -> Iterator[str]:
    """Yield a text decoded in every way that is tried here."""
    yield from (told, unquote(told), html.unescape(told))
    yield re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), told).replace('\\"', '"')
    yield told.replace("\\\\", "\\").replace('\\"', '"')
    for run in re.findall(r"[A-Za-z0-9+/_-]{12,}", told):
        for start in range(4):
            part = run[start : start + (len(run) - start) // 4 * 4].replace("-", "+").replace("_", "/")
            yield base64.b64decode(part).decode("latin-1")
        for start in range(2):
            part = run[start : start + (len(run) - start) // 2 * 2]
            try:
                yield bytes.fromhex(part).decode("latin-1")
            except (ValueError, binascii.Error):
                continue


def kept_of(name: str, encode: Callable[[str], str], folder: Path) -> tuple[str, set[str]]:
    """Return what is kept of a run whose every answer echoes its request, and the secrets that must not be in it."""
    environ = ENVIRONS_HERE[name]
    dialect, endpoints = dialects.load(name, environ), endpoints_of(name)
    if name == "reference":
        endpoints = (*endpoints, "login", "ticket")  # each with another proof
    names = [endpoints[i % len(endpoints)] for i in range(N_REQUESTS)]
    run = make_run(folder / "run", arrivals_at(np.arange(N_REQUESTS) * 1000, names))
    schedule = cut(read_trace(run / "arrivals.parquet"), Window(1_000_000))
    recorder, journal, told = Recorder(schedule), Journal(folder / "journal.jsonl"), list[str]()
    requests = list[bytes]()
    secrets = {environ[key] for key in dialects.find(name).SECRETS}

    def echo(connection: socket.socket, number: int) -> bool:
        asked = parsed(requests[number - 1])
        secrets.update(proofs(asked))
        headers = [part for line in asked.headers.items() for part in (line[1], ": ".join(line))]
        carried = [*environ.values(), *headers, asked.path, asked.body.decode()]
        found = [reply for text in carried if text for reply in replies(encode(text))]
        connection.sendall(found[number * 7 % len(found)])
        return True

    with HostileServer(echo, requests=requests) as server:
        client = Client(scheme="http", host="127.0.0.1", port=server.port, address="127.0.0.1", concurrency=4)
        driver = Driver(
            schedule=schedule,
            dialect=dialect,
            client=client,
            recorder=recorder,
            journal=journal,
            limits=SendLimits(N_REQUESTS, N_REQUESTS, 20.0, abort_failure_share=2.0),
            prefix="ws-0a1b2c3d4e-",
        )
        driver.run(lambda ended: told.append(f"{ended.outcome.outcome}: {ended.outcome.reason}"))
        client.close()
    journal.close()
    return "\n".join([*told, *recorder.reason, *recorder.server_id, (folder / "journal.jsonl").read_text()]), secrets


def parsed(raw: bytes) -> Request:
    """Return a request that was read from a connection."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    return Request(method, path, dict(line.split(": ", 1) for line in lines), body)


def main() -> None:
    """Print the table."""
    print(f"{'traces of secrets by encoding':24} | " + " | ".join(f"{name:>15}" for name in sorted(ENVIRONS_HERE)))
    for encoding, encode in ENCODINGS.items():
        cells = []
        for name in sorted(ENVIRONS_HERE):
            with TemporaryDirectory() as folder:
                kept, secrets = kept_of(name, encode, Path(folder))
            cells.append(f"{sum(traces(kept, one) for one in secrets)} of {kept.count(MARK)} out")
        print(f"{encoding:24} | " + " | ".join(f"{cell:>15}" for cell in cells))


if __name__ == "__main__":
    main()
