"""What one API must tell the driver: an arrival to a request, an answer to an outcome, and what the server holds.

A dialect is a module with ``SECRETS`` (the environment variables that it needs) and ``create(secrets)``. It is found by
its name in ``loadtests/dialects/`` or by the path of a Python file.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, Protocol

from loadtests import dialects
from loadtests.faults import InputError

ACKNOWLEDGED, REJECTED, RATE_LIMITED, UNKNOWN = "acknowledged", "rejected", "rate_limited", "unknown"
SHED, NOT_SENT = "shed", "not_sent"
OUTCOMES = (ACKNOWLEDGED, REJECTED, RATE_LIMITED, UNKNOWN, SHED, NOT_SENT)


class Arrival(NamedTuple):
    """One scheduled request, as in the trace."""

    idx: int
    endpoint: str
    kind: str
    customer: int
    amount_cents: int
    payload_seed: int


class Request(NamedTuple):
    """One HTTP request: a path on the target (never an absolute URL), its headers and its body.

    ``key`` is the client's own key (withdraw_order_id, external_id) by which the server can be asked later.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""
    key: str = ""


class Answer(NamedTuple):
    """An answer: status, headers with lower-case names, and the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Outcome(NamedTuple):
    """How a request ended, why (empty when acknowledged), and the id that the server gave."""

    outcome: str
    reason: str = ""
    server_id: str = ""


@dataclass
class Known:
    """What this run has sent and had acknowledged so far: what its reads may ask for."""

    prefix: str
    newest_key: str = ""
    withdrawal_keys: list[str] = field(default_factory=list)
    ticket_ids: list[str] = field(default_factory=list)


class Withdrawal(NamedTuple):
    """A withdrawal, as it was sent or as the server holds it; amount and fee in units of the currency."""

    key: str
    currency: str
    address: str
    amount: Decimal
    fee: Decimal = Decimal(0)
    server_id: str = ""
    failed: bool = False


class Ticket(NamedTuple):
    """A ticket as the server holds it: our marker and the server's id."""

    key: str
    server_id: str


class Holdings(NamedTuple):
    """What the server holds of one run; ``balances`` in total per currency, None where it cannot be read."""

    withdrawals: list[Withdrawal]
    tickets: list[Ticket]
    balances: dict[str, Decimal] | None


class ReadError(RuntimeError):
    """The server could not be asked what it holds."""


Send = Callable[[Request], Answer]


class Dialect(Protocol):
    """One API. Requests are a pure function of the arrival, the run's prefix and, for reads, what is known."""

    health_path: str

    def is_test_system(self, answer: Answer) -> bool:
        """Return whether the answer to ``health_path`` says that this is a system for tests."""

    def request(self, arrival: Arrival, known: Known) -> Request:
        """Return the request of an arrival."""

    def outcome(self, arrival: Arrival, answer: Answer) -> Outcome:
        """Return how the request ended, judged by its answer."""

    def withdrawal(self, arrival: Arrival, prefix: str) -> Withdrawal:
        """Return what the withdrawal of an arrival asks for."""

    def balances(self, send: Send) -> dict[str, Decimal] | None:
        """Return a sum by currency that only withdrawals lower, None where the API cannot tell.

        Raises ReadError when the server cannot be read.
        """

    def holdings(self, send: Send, prefix: str) -> Holdings | None:
        """Return what the server holds under ``prefix``, None where the API cannot tell.

        Raises ReadError when the server cannot be read.
        """


def names() -> list[str]:
    """Return the names of the dialects in ``loadtests/dialects/``."""
    return sorted(module.name for module in pkgutil.iter_modules(dialects.__path__))


def load(name: str, environ: Mapping[str, str]) -> Dialect:
    """Return the dialect of that name, or in that Python file, with its secrets taken from the environment.

    Raises InputError when there is none, or with each secret that is missing.
    """
    module = _module(name)
    needed: tuple[str, ...] = module.SECRETS
    faults = [
        f"environment: {key}: got nothing; must hold a secret of the test system"
        for key in needed
        if not environ.get(key)
    ]
    if faults:
        raise InputError(faults)
    made: Dialect = module.create({key: environ[key] for key in needed})
    return made


def _module(name: str) -> ModuleType:
    if name.endswith(".py"):
        spec = importlib.util.spec_from_file_location(Path(name).stem, name)
        if not Path(name).is_file() or spec is None or spec.loader is None:
            raise InputError([f"--dialect: got {name}; must be a Python file that exists"])
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    elif name in names():
        module = importlib.import_module(f"loadtests.dialects.{name}")
    else:
        close = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise InputError([f"--dialect: got {name}; must be one of {', '.join(names())} or a Python file{hint}"])
    missing = [part for part in ("SECRETS", "create") if not hasattr(module, part)]
    if missing:
        raise InputError([f"--dialect: got {name} without {' and '.join(missing)}; must define both"])
    return module
