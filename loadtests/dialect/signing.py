"""Authentication of requests: the clock, HMACs, Gate's and Binance's signatures, Kraken's with its nonce."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import threading
import time
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote, urlencode

from loadtests.core.redact import REDACTOR

Params = Mapping[str, str | int]


def now_ms() -> int:
    """Return the wall clock in milliseconds since 1970, which signatures carry."""
    return time.time_ns() // 1_000_000


def form(params: Params) -> str:
    """Return parameters as they go into a query or a form: in their order, blanks as %20."""
    return urlencode(params, quote_via=quote)


def hex_hmac(secret: str, text: str, digest: str) -> str:
    """Return the HMAC of a text as lower-case hex."""
    return hmac.digest(secret.encode(), text.encode(), digest).hex()


def basic(user: str, word: str) -> str:
    """Return the value of an Authorization header for Basic authentication, which is registered as a secret.

    A dialect that derives another text by which it is known, such as a password, registers it by ``derived``.
    """
    pair = derived(f"{user}:{word}")
    return f"Basic {derived(base64.b64encode(pair.encode()).decode())}"


def derived(secret: str) -> str:
    """Return a text made from secrets that is as good as one; it goes into nothing that is shown or written."""
    return REDACTOR.derive(secret)


def gate_headers(key: str, secret: str, *, method: str, path: str, query: str, body: bytes) -> dict[str, str]:
    """Return Gate v4's KEY, Timestamp and SIGN.

    SIGN = hex HMAC-SHA512 over method, path, query (not percent-encoded), hex SHA-512 of the body and time in seconds,
    joined by newlines (Gate API v4, "APIv4 signed request requirements").
    """
    now_s = str(now_ms() // 1000)
    text = "\n".join((method, path, query, hashlib.sha512(body).hexdigest(), now_s))
    return {"KEY": key, "Timestamp": now_s, "SIGN": hex_hmac(secret, text, "sha512")}


def kraken_sign(secret: str, path: str, nonce: str, body: str) -> str:
    """Return Kraken's API-Sign: base64 HMAC-SHA512 over path + SHA-256(nonce + body), keyed by the decoded secret.

    Source: Kraken, "REST API authentication". Raises ValueError when the secret is not base64.
    """
    digest = hashlib.sha256((nonce + body).encode()).digest()
    key = base64.b64decode(secret, validate=True)
    return base64.b64encode(hmac.digest(key, path.encode() + digest, "sha512")).decode()


class Nonce:
    """Strictly rising numbers for one key: nanoseconds since 1970, whose last three digits differ by process.

    Within a process they rise whatever happens. Processes of one machine share its clock, so that theirs rise in the
    order of sending; only the key's own nonce window tolerates requests that the network reorders.
    """

    _of_keys: ClassVar[dict[str, Nonce]] = {}
    _making = threading.Lock()

    def __init__(self) -> None:
        self._last = 0
        self._lock = threading.Lock()

    @classmethod
    def of(cls, key: str) -> Nonce:
        """Return the one nonce of an API key in this process."""
        with cls._making:
            return cls._of_keys.setdefault(key, cls())

    def next(self) -> int:
        """Return a number above all before it, under 2**63."""
        with self._lock:
            self._last = max(self._last + 1000, time.time_ns() // 1000 * 1000 + os.getpid() % 1000)
            return self._last
