"""A pool of test accounts: the customers each one represents, the keys it uses, and the rate limits of those keys.

The pool is a TOML file. It holds names of environment variables, never keys::

    exceed = false                                      # true: the limits below are exceeded knowingly
    [accounts.one]
    secrets = { WITHSTAND_GATE_KEY = "ONE_KEY" }        # the dialect's variable, and the one that holds it here
    settings = { WITHSTAND_GATE_FEE = "beside" }        # the dialect's settings, in which an account may differ
    limits = [{ requests = 10, per = "1 s" }]           # of this account's key
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from loadtests.core.faults import InputError
from loadtests.core.schedule import Schedule
from loadtests.dialects import find
from sim.core.clock import DURATION_RULE, duration_ms, duration_text

_VARIABLE = re.compile("[A-Z_][A-Z0-9_]*")
_ACCOUNT_KEYS = ("secrets", "settings", "limits")


class Limit(NamedTuple):
    """At most ``requests`` requests within any span of ``per_ms`` milliseconds."""

    requests: int
    per_ms: int

    def __str__(self) -> str:
        return f"{self.requests} within {duration_text(self.per_ms)}"


@dataclass(frozen=True)
class Account:
    """A test account: its name, the environment as its dialect shall see it, and the limits of its key."""

    name: str
    environ: Mapping[str, str]
    key: tuple[str, ...]
    limits: tuple[Limit, ...]


@dataclass(frozen=True)
class Pool:
    """The accounts of a file, in its order."""

    path: str
    accounts: tuple[Account, ...]
    exceed: bool

    def place_of(self, customer: int) -> int:
        """Return the place of a customer's account: the same for the same number of accounts, on every machine."""
        digest = hashlib.sha256(str(customer).encode()).digest()
        return int.from_bytes(digest[:8], "big") % len(self.accounts)

    def places(self, schedule: Schedule) -> np.ndarray:
        """Return the place of the account of each arrival."""
        customers = schedule.arrivals["customer"].to_list()
        known = {customer: self.place_of(customer) for customer in set(customers)}
        return np.array([known[customer] for customer in customers], dtype=np.int64)


def read_pool(path: str, dialect: str, environ: Mapping[str, str]) -> Pool:
    """Return the pool in a file, for a dialect. Raises InputError with every fault found."""
    try:
        value = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError([f"--accounts: got {path} ({_one_line(error)}); must be a TOML file of accounts"]) from None
    module = find(dialect)
    faults = [f"{path}: {key}: got a key; must be exceed or accounts" for key in value.keys() - {"exceed", "accounts"}]
    exceed, table = value.get("exceed", False), value.get("accounts")
    if not isinstance(exceed, bool):
        faults.append(f"{path}: exceed: got {exceed!r}; must be true or false")
    if not isinstance(table, dict) or not table:
        raise InputError([*faults, f"{path}: accounts: got none; must hold at least one table [accounts.NAME]"])
    accounts = []
    for name, entry in table.items():
        reader = _Reader(f"{path}: accounts.{name}", module.SECRETS, tuple(getattr(module, "SETTINGS", {})), environ)
        accounts.append(reader.account(name, entry))
        faults += reader.faults
    if faults:
        raise InputError(faults)
    seen: dict[tuple[Any, ...], str] = {}
    for account in accounts:
        same = seen.setdefault(tuple(account.environ.items()), account.name)
        if same != account.name:
            faults.append(f"{path}: accounts.{account.name}: got the keys of {same}; must be another account")
    if faults:
        raise InputError(faults)
    return Pool(path, tuple(accounts), exceed)


class _Reader:
    """Reads one account, and keeps its faults."""

    def __init__(self, place: str, secrets: Sequence[str], settings: Sequence[str], environ: Mapping[str, str]) -> None:
        self._place, self._secrets, self._settings, self._environ = place, secrets, settings, environ
        self.faults: list[str] = []

    def account(self, name: str, entry: object) -> Account:
        if not isinstance(entry, dict):
            self.faults.append(f"{self._place}: got {entry!r}; must be a table")
            entry = {}
        for key in entry.keys() - set(_ACCOUNT_KEYS):
            self.faults.append(f"{self._place}.{key}: got a key; must be one of {', '.join(_ACCOUNT_KEYS)}")
        variables = self._texts(entry, "secrets", self._secrets)
        own = self._texts(entry, "settings", self._settings)
        for secret in self._secrets:
            variable = variables.get(secret, secret)
            if not _VARIABLE.fullmatch(variable):  # perhaps the key itself: it must not be shown
                rule = "must be the name of an environment variable, in capitals"
                self.faults.append(f"{self._place}.secrets.{secret}: got something else; {rule}")
            elif not self._environ.get(variable):
                self.faults.append(f"environment: {variable}: got nothing; must hold {secret} of the account {name}")
            own[secret] = self._environ.get(variable, "")
        for setting in self._settings:
            if setting in self._environ:
                own.setdefault(setting, self._environ[setting])
        key = tuple(own[secret] for secret in self._secrets)
        return Account(name, dict(sorted(own.items())), key, self._limits(entry.get("limits", [])))

    def _texts(self, entry: Mapping[str, Any], part: str, allowed: Sequence[str]) -> dict[str, str]:
        table = entry.get(part, {})
        if not isinstance(table, dict):
            self.faults.append(f"{self._place}.{part}: got {table!r}; must be a table")
            return {}
        for key, value in table.items():
            if key not in allowed:
                known = ", ".join(allowed) or "nothing: this dialect has none"
                self.faults.append(f"{self._place}.{part}.{key}: got a key; must be one of {known}")
            elif not isinstance(value, str):
                self.faults.append(f"{self._place}.{part}.{key}: got {type(value).__name__}; must be a text")
        return {key: value for key, value in table.items() if isinstance(value, str)}

    def _limits(self, rows: object) -> tuple[Limit, ...]:
        rule = 'must be a list such as [{ requests = 10, per = "1 s" }]'
        if not isinstance(rows, list):
            self.faults.append(f"{self._place}.limits: got {rows!r}; {rule}")
            return ()
        limits = []
        for i, row in enumerate(rows):
            place = f"{self._place}.limits.{i}"
            if not isinstance(row, dict) or set(row) != {"requests", "per"}:
                self.faults.append(f"{place}: got {row!r}; {rule}")
                continue
            requests, per = row["requests"], row["per"]
            if not isinstance(requests, int) or isinstance(requests, bool) or requests <= 0:
                self.faults.append(f"{place}.requests: got {requests!r}; must be a whole number above 0")
                continue
            try:
                per_ms = duration_ms(per)
            except (TypeError, ValueError):
                per_ms = 0
            if per_ms > 0:
                limits.append(Limit(requests, per_ms))
            else:
                self.faults.append(f"{place}.per: got {per!r}; {DURATION_RULE}, above 0")
        return tuple(limits)


def exceeded(pool: Pool, schedule: Schedule) -> list[str]:
    """Return the limits that the schedule exceeds, by key: accounts with the same key share its limits."""
    places = pool.places(schedule)
    keys: dict[tuple[str, ...], list[int]] = {}
    for place, account in enumerate(pool.accounts):
        keys.setdefault(account.key, []).append(place)
    told = []
    for group in keys.values():
        due_us = schedule.due_us[np.isin(places, group)]
        names = " and ".join(pool.accounts[place].name for place in group)
        for limit in dict.fromkeys(limit for place in group for limit in pool.accounts[place].limits):
            ends = np.searchsorted(due_us, due_us + limit.per_ms * 1000, side="left")
            most = int(np.max(ends - np.arange(len(due_us)), initial=0))
            if most > limit.requests:
                told.append(
                    f"accounts.{names}.limits: got {most} requests within {duration_text(limit.per_ms)}; "
                    f"must be at most {limit.requests}"
                )
    return told


def rate_faults(pool: Pool, schedule: Schedule) -> list[str]:
    """Return the limits that the schedule exceeds, unless the pool exceeds them knowingly."""
    if pool.exceed:
        return []
    return [f"{pool.path}: {line}, or set exceed = true to exceed it knowingly" for line in exceeded(pool, schedule)]


def summary(pool: Pool, schedule: Schedule) -> dict[str, Any]:
    """Return what the verdict says of the pool: the requests of each account, and the limits exceeded knowingly."""
    places = pool.places(schedule)
    counts = {account.name: int((places == place).sum()) for place, account in enumerate(pool.accounts)}
    return {"file": pool.path, "requests": counts, "exceeded": exceeded(pool, schedule)}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
