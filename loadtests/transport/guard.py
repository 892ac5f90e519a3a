"""Which hosts may be loaded, how hard, and whether they call themselves test systems."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from urllib.parse import urlsplit

from loadtests.core.faults import InputError
from loadtests.core.numbers import COUNT, DURATION
from loadtests.core.schedule import SECOND_US, Schedule
from loadtests.dialect.contract import Dialect, Request, Vouching
from loadtests.transport.client import Client, NoAnswerError
from loadtests.transport.echoes import failure
from loadtests.transport.http1 import ForbiddenError

LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
HEALTH_TIMEOUT_S = 5.0
_URL_RULE = "must be http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]"
_BASE = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*/?")
CAP_RULES = {"max_rate": COUNT, "max_requests": COUNT, "max_duration": DURATION}
"""How the options of the caps are read."""


@dataclass(frozen=True)
class Caps:
    """What one run may do at most."""

    rate_per_s: int
    requests: int
    duration_s: float


def caps_of(numbers: Mapping[str, float]) -> Caps:
    """Return the caps among options that have been read by ``CAP_RULES``."""
    return Caps(int(numbers["max_rate"]), int(numbers["max_requests"]), numbers["max_duration"])


def check_url(url: str, allowed: Collection[str]) -> list[str]:
    """Return what is wrong with the target's URL, nothing when it may be loaded."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, parts, port = None, urlsplit(""), None
    if not host or parts.scheme not in ("http", "https"):
        return [f"--host: got {url}; {_URL_RULE}"]
    if parts.username is not None or not _BASE.fullmatch(parts.path) or parts.query or parts.fragment or "?" in url:
        return [f"--host: got more than a host, a port and a path; {_URL_RULE}"]
    if port == 0:
        return [f"--host: got port 0, which is none; {_URL_RULE}"]
    if host not in {one.lower() for one in allowed}:
        return [
            f"--host: got {host}; must be one of {', '.join(sorted(allowed))} "
            f"(--allow-host {host} allows it, if it is yours to load)"
        ]
    return []


def check_caps(schedule: Schedule, caps: Caps, *, sent_before: int = 0, elapsed_s: float = 0.0) -> list[str]:
    """Return which caps the schedule exceeds, together with what was sent before it and the time that took."""
    peak_per_s, total = schedule.peak_count(SECOND_US), sent_before + len(schedule.due_us)
    duration_s = elapsed_s + schedule.duration_us / SECOND_US
    faults = []
    if peak_per_s > caps.rate_per_s:
        faults.append(f"--max-rate: got a peak of {peak_per_s} requests in a second; must be at most {caps.rate_per_s}")
    if total > caps.requests:
        faults.append(f"--max-requests: got {total} requests; must be at most {caps.requests}")
    if duration_s > caps.duration_s:
        faults.append(f"--max-duration: got {duration_s:.0f} s; must be at most {caps.duration_s:.0f} s")
    return faults


@cache
def resolve(host: str, port: int) -> str:
    """Return the IP address of a host, looked up once in this process: the address that was checked is the one loaded.

    Raises InputError when the name is not known.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise InputError([f"--host: got {host}; must be a host whose name can be resolved"]) from None
    return str(found[0][4][0])


def client_of(url: str, concurrency: int) -> Client:
    """Return a client of a target, all of whose requests go below the URL's path. See ``resolve`` for its errors."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    return Client(
        scheme=parts.scheme,
        host=host,
        port=port,
        address=resolve(host, port),
        concurrency=concurrency,
        base=parts.path.rstrip("/"),
    )


def check_health(client: Client, dialect: Dialect, url: str) -> None:
    """Ask the target whether it is a test system.

    Raises InputError when it cannot be reached, or does not say so.
    """
    asked, wire = _health_request(client, dialect)
    try:
        answer = client.exchange(wire, asked.method, HEALTH_TIMEOUT_S)
    except NoAnswerError as error:
        raise InputError(
            [f"--host: got {url}, which gave no answer ({error}); must be a running test system"]
        ) from None
    try:
        vouched = dialect.is_test_system(answer)
    except Exception as error:  # a dialect may be a user's file
        fault = f"--dialect: got one that cannot read the answer to its health check ({failure(error)})"
        raise InputError([f"{fault}; must say whether it is a test system's"]) from None
    if not vouched:
        raise InputError(
            [
                f"--host: got {url}, whose {asked.path} (status {answer.status}) does not say that it is a "
                "test system; must be one"
            ]
        )


def _health_request(client: Client, dialect: Dialect) -> tuple[Request, bytes]:
    """Return the request that asks for a target's health, and its bytes. Raises InputError when there is none."""
    try:
        asked = Request("GET", dialect.health_path, {"Accept": "application/json"})
        if isinstance(dialect, Vouching):
            asked = dialect.health()
        return asked, client.encoded(asked)
    except Exception as error:  # as above
        told = str(error) if isinstance(error, ForbiddenError) else failure(error)
        fault = f"--dialect: got a health check that cannot be sent ({told}); must be one request"
        raise InputError([fault]) from None
