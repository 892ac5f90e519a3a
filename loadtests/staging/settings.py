"""The settings of the staging server with their units, its secrets, and every fault reported at once."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

from loadtests.staging.exchange.assets import ASSETS, opening_units

_PASSWORD = re.compile(r"^\w+://[^/?#@]*:[^/?#]*@|[?&](?:ssl)?password=", re.IGNORECASE)
_LARGEST_SUM_UNITS = 2**62  # half of what a SQLite integer holds: no sum of balances can overflow


class SettingsError(ValueError):
    """Settings or secrets that the server refuses to start with; ``faults`` holds one sentence each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The staging server's settings, each valid or refused; ``RULES`` says what each means.

    Raises SettingsError with all faults, not only the first.
    """

    host: str = "127.0.0.1"
    port: int = 0
    database: Path | str | None = None
    database_connections: int = 8
    seed: int = 1
    withdrawal_capacity_per_s: float | None = None
    ticket_capacity_per_s: float | None = None
    read_capacity_per_s: float | None = None
    service_slots: int = 4
    queue_limit: int = 1000
    payment_capacity_per_s: float | None = None
    payment_s: float = 2.0
    review_share: float = 0.006
    review_s: float = 20.0
    fail_share: float = 0.0
    opening_balance_usd: int = 250_000
    withdrawal_limit_usd: int = 100_000
    daily_limit_usd: int = 200_000
    registered_customers: int = 10_000_000
    key_account: int = 0
    repeated_client_id: str = "reject"
    timestamp_window_s: float = 60.0
    withdrawal_rate_limit_per_min: int | None = None
    ticket_rate_limit_per_min: int | None = None
    body_limit_bytes: int = 65_536
    header_timeout_s: float = 10.0
    body_timeout_s: float = 20.0
    busy_timeout_ms: int = 250
    write_queue_limit: int = 5000
    synchronous: str = "full"

    def __post_init__(self) -> None:
        """Check every field and raise SettingsError with all faults."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        faults = [fault(name, value) for name, value in values.items() if not RULES[name].holds(value)]
        if faults:
            raise SettingsError(faults)
        if self.key_account > self.registered_customers:
            rule = f"must be a customer's number, the largest is {self.registered_customers}"
            raise SettingsError([f"staging: key_account: got {self.key_account}; {rule}"])
        largest = max(opening_units(asset, self.opening_balance_usd) for asset in ASSETS.values())
        if largest * self.registered_customers >= _LARGEST_SUM_UNITS:
            rule = f"must keep the sum of the balances of {self.registered_customers} customers within 64 bits"
            raise SettingsError([f"staging: opening_balance_usd: got {self.opening_balance_usd}; {rule}"])


def fault(name: str, value: object) -> str:
    """Return the sentence that refuses ``value`` for the setting ``name``; it never shows a URL's password."""
    if name == "database" and is_url(value) and _PASSWORD.search(str(value)):
        shown = "a URL with a password in it"
    else:
        shown = str(value) if isinstance(value, Path) else repr(value)
    return f"staging: {name}: got {shown}; {RULES[name].rule}"


class Rule(NamedTuple):
    """One setting: what it means, which values it takes in words, and whether a value is one."""

    meaning: str
    rule: str
    holds: Callable[[Any], bool]


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _number(low: float, high: float) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and math.isfinite(value) and low <= value <= high


def _optional(holds: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or holds(value)


def _is_host(value: Any) -> bool:
    return isinstance(value, str) and value.strip() == value != ""


def is_url(text: object) -> bool:
    """Return whether ``text`` is the address of a PostgreSQL database and not the name of a file."""
    return isinstance(text, str) and text.startswith(("postgresql://", "postgres://"))


def _is_database(value: Any) -> bool:
    if isinstance(value, Path):
        return value.parent.is_dir() and not value.is_dir()
    return is_url(value) and not _PASSWORD.search(value)


_IS_RATE = _optional(_number(1e-6, 1e6))
_RATE, _SECONDS = "must be a rate a second, above 0", "must be a number of seconds, 0 or more"
_WAIT = "must be a number of seconds above 0"
_COUNT, _DOLLARS = "must be a whole number above 0", "must be whole dollars above 0"

RULES = {
    "host": Rule("address to bind", "must be a host name or address", _is_host),
    "port": Rule("TCP port, 0 for a free one", "must be a whole number from 0 to 65535", _whole(0, 65_535)),
    "database": Rule(
        "SQLite file, or postgresql://USER@HOST/DATABASE (the password is taken from PGPASSWORD); without one, or with"
        " :temporary:, a SQLite database that is removed at the end",
        "must be a file in a folder that exists, or postgresql://USER@HOST/DATABASE without a password",
        _optional(_is_database),
    ),
    "database_connections": Rule(
        "connections to PostgreSQL that write at the same time; SQLite has one",
        "must be a whole number from 1 to 200",
        _whole(1, 200),
    ),
    "seed": Rule(
        "seed of the choice of reviews and failed payments",
        "must be a whole number, 0 or more",
        _whole(0, 2**63 - 1),
    ),
    "withdrawal_capacity_per_s": Rule("withdrawal requests served a second at most", _RATE, _IS_RATE),
    "ticket_capacity_per_s": Rule("tickets created or updated a second at most", _RATE, _IS_RATE),
    "read_capacity_per_s": Rule("status queries, ticket views and logins served a second at most", _RATE, _IS_RATE),
    "service_slots": Rule(
        "requests that one capacity serves at a time, each for slots / capacity seconds",
        "must be a whole number from 1 to 10000",
        _whole(1, 10_000),
    ),
    "queue_limit": Rule(
        "requests that may wait for one capacity; more are answered 503",
        "must be a whole number, 0 or more",
        _whole(0, 10**9),
    ),
    "payment_capacity_per_s": Rule("withdrawals that the paying worker takes up a second", _RATE, _IS_RATE),
    "payment_s": Rule("seconds from PEND to DONE or FAIL", _SECONDS, _number(0, 10**7)),
    "review_share": Rule("share of withdrawals reviewed by hand", "must be a share from 0 to 1", _number(0, 1)),
    "review_s": Rule("seconds that a review takes", _SECONDS, _number(0, 10**7)),
    "fail_share": Rule("share of payments that fail and are returned", "must be a share from 0 to 1", _number(0, 1)),
    "opening_balance_usd": Rule(
        "opening balance of an account in each currency, in dollars at the fixed test prices",
        "must be whole dollars, 0 or more",
        _whole(0, 10**12),
    ),
    "withdrawal_limit_usd": Rule("largest single withdrawal, in dollars", _DOLLARS, _whole(1, 10**12)),
    "daily_limit_usd": Rule("largest sum of an account's UTC day, in dollars", _DOLLARS, _whole(1, 10**12)),
    "registered_customers": Rule("largest customer number", "must be a whole number from 1 to 10^9", _whole(1, 10**9)),
    "key_account": Rule(
        "account of the API key, whose withdrawals and balances need not name it",
        "must be a whole number from 0 to 10^9",
        _whole(0, 10**9),
    ),
    "repeated_client_id": Rule(
        "what a repeated client id gets: reject (409) or replay (the record)",
        "must be reject or replay",
        lambda value: value in ("reject", "replay"),
    ),
    "timestamp_window_s": Rule(
        "largest distance of a signed request's time from the server's, in seconds",
        _WAIT,
        _number(1e-3, 10**7),
    ),
    "withdrawal_rate_limit_per_min": Rule(
        "withdrawal requests a minute before 429", _COUNT, _optional(_whole(1, 10**9))
    ),
    "ticket_rate_limit_per_min": Rule("ticket API requests a minute before 429", _COUNT, _optional(_whole(1, 10**9))),
    "body_limit_bytes": Rule("largest request body, in bytes", _COUNT, _whole(1, 2**31)),
    "header_timeout_s": Rule("wait for the rest of a request's headers, in seconds", _WAIT, _number(1e-3, 10**7)),
    "body_timeout_s": Rule("wait for the rest of a request's body, in seconds", _WAIT, _number(1e-3, 10**7)),
    "busy_timeout_ms": Rule(
        "wait for a locked database before 503, in ms", "must be a whole number from 0 to 60000", _whole(0, 60_000)
    ),
    "write_queue_limit": Rule("jobs that may wait for the database; more are answered 503", _COUNT, _whole(1, 10**9)),
    "synchronous": Rule(
        "full: what is acknowledged survives a power loss; normal: only the end of the process",
        "must be full or normal",
        lambda value: value in ("full", "normal"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The keys that the server checks requests with; never printed."""

    api_key: str = field(repr=False)
    api_secret: str = field(repr=False)
    ticket_token: str = field(repr=False)
    admin_token: str = field(repr=False)


SECRET_NAMES = {
    "api_key": "WITHSTAND_API_KEY",
    "api_secret": "WITHSTAND_API_SECRET",
    "ticket_token": "WITHSTAND_TICKET_TOKEN",
    "admin_token": "WITHSTAND_ADMIN_TOKEN",
}


def secrets_from(environ: Mapping[str, str]) -> Secrets:
    """Return the secrets named in ``SECRET_NAMES``.

    Raises SettingsError with every one that is missing or unusable; no message shows a secret.
    """
    values = {key: environ.get(name, "") for key, name in SECRET_NAMES.items()}
    faults = []
    for key, name in SECRET_NAMES.items():
        text = values[key]
        if not text:
            faults.append(f"environment: {name}: got nothing; must be set, the staging server has no default secrets")
        elif not (text.isascii() and text.isprintable() and " " not in text):
            faults.append(f"environment: {name}: got unusable text; must be printable ASCII without spaces")
    if not faults and values["ticket_token"] == values["admin_token"]:
        faults.append("environment: WITHSTAND_ADMIN_TOKEN: got the ticket token; must differ from it")
    if faults:
        raise SettingsError(faults)
    return Secrets(**values)
