"""What a dialect does for the driver: an arrival to a request, an answer to an outcome, and what the server holds.

A dialect is a module with ``SECRETS`` (the environment variables that it needs) and ``create(values)``; it may have
``SETTINGS``, variables that are no secrets, with what holds when they are not set. ``loadtests.dialects`` finds it.
The dialect may have more attributes than the protocol requires:

``endpoints``, those that its API has (without it: all); ``single_account``, that all its withdrawals leave one account;
``sees_all``, that its reads show the whole server, whichever key asks; ``samples``, which is given the scenario's
example messages by ticket category; ``since_ms``, from when (since 1970) its history is read, which a later
reconciliation sets to what it was in the run. And it may be Preparing, Submitting, Showing, Glancing, Spending,
Cancelling, Closing, Vouching.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple, Protocol, runtime_checkable

from sim.core.tables import ENDPOINTS

ACKNOWLEDGED, REJECTED, RATE_LIMITED, UNKNOWN = "acknowledged", "rejected", "rate_limited", "unknown"
SHED, NOT_SENT = "shed", "not_sent"
OUTCOMES = (ACKNOWLEDGED, REJECTED, RATE_LIMITED, UNKNOWN, SHED, NOT_SENT)
WRITES = ("withdrawal", "ticket")
"""Endpoints whose requests leave a record that can be looked up by its key."""


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

    ``key`` is the client's own key (withdraw_order_id, external_id) by which the server can be asked later; of a read,
    what it asks for: the key or the server's id of a record, or the account that logs in; empty when it is none.
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
    """What this run has sent and had acknowledged so far: what its reads may ask for.

    ``withdrawal_ids`` are the server's ids of the acknowledged withdrawals, by their keys.
    """

    prefix: str
    newest_key: str = ""
    withdrawal_keys: list[str] = field(default_factory=list)
    ticket_ids: list[str] = field(default_factory=list)
    withdrawal_ids: dict[str, str] = field(default_factory=dict)


Fields = Mapping[str, str]
NO_FIELDS: Fields = MappingProxyType({})


class Withdrawal(NamedTuple):
    """A withdrawal, as it was sent or as the server holds it; amount and fee in units of the currency.

    ``stage`` rises as its status moves on, -1 for a word that the dialect does not rank. ``final``: the status must
    never change again; final and not failed is paid. ``chain_id`` is the transaction that paid it, None where the API
    does not report it. ``fields`` is all else, by name and as text: what the request sends, and ``fee``, the fee that
    is promised; or what the server holds. A field that was sent and is not held is not compared.
    """

    key: str
    currency: str
    address: str
    amount: Decimal
    fee: Decimal = Decimal(0)
    server_id: str = ""
    failed: bool = False
    status: str = ""
    stage: int = -1
    final: bool = False
    chain_id: str | None = None
    fields: Fields = NO_FIELDS


class Ticket(NamedTuple):
    """A ticket, as it was sent or as the server holds it: our marker and the server's id.

    ``is_open``: it counts into ``Holdings.open_tickets``. ``closed``: it must never be open again. ``fields`` as a
    withdrawal's; of ``tags``, words with blanks between them, the server may hold more than were sent.
    """

    key: str
    server_id: str
    status: str = ""
    is_open: bool = True
    closed: bool = False
    fields: Fields = NO_FIELDS


class Shown(NamedTuple):
    """What the answer to a read shows: a record, None when it found none; of a login, whose it is, empty when unsaid.

    Of the record's amount and fields it holds what the answer says.
    """

    record: Withdrawal | Ticket | None = None
    account: str = ""


class Holdings(NamedTuple):
    """What the server holds of one run. None stands for what its API does not report; that is not checked.

    ``balances`` are totals by currency, and ``spent_by_others`` what the withdrawals of others, amounts and fees, took
    from the same balances so far. ``open_tickets`` is the server's own count, ``open_of_others`` how many of those are
    not of this run. ``overdrawn`` names each balance below zero. ``by_id``: withdrawals are identified by the server's
    ids alone, so only those that were acknowledged are known as this run's.
    """

    withdrawals: list[Withdrawal]
    tickets: Sequence[Ticket] = ()
    balances: dict[str, Decimal] | None = None
    spent_by_others: dict[str, Decimal] | None = None
    open_tickets: int | None = None
    open_of_others: int | None = None
    overdrawn: list[str] | None = None
    by_id: bool = False


def spent(withdrawals: Iterable[Withdrawal]) -> dict[str, Decimal]:
    """Return what withdrawals took from their accounts, by currency: amounts and fees of those that have not failed."""
    sums: dict[str, Decimal] = {}
    for one in withdrawals:
        if not one.failed:
            sums[one.currency] = sums.get(one.currency, Decimal(0)) + one.amount + one.fee
    return sums


def named(held: Holdings, keys: Mapping[str, str]) -> Holdings:
    """Return holdings with the keys that an API without client ids does not report: by the acknowledged ids.

    ``keys`` are the run's keys by the server's id. A record without a key and with another id may be anybody's: it is
    counted as spent by others.
    """
    if all(one.key for one in held.withdrawals):
        return held
    found = [one if one.key else one._replace(key=keys.get(one.server_id, "")) for one in held.withdrawals]
    strange = spent(one for one in found if not one.key)
    others = None
    if held.spent_by_others is not None:
        others = {**held.spent_by_others}
        for currency, amount in strange.items():
            others[currency] = others.get(currency, Decimal(0)) + amount
    return held._replace(withdrawals=[one for one in found if one.key], spent_by_others=others)


class Glance(NamedTuple):
    """What one small read during a run saw: some of the run's records, and the balances below zero.

    ``n_balances`` is how many balances were checked (0: the API does not report them); ``more`` is for the next glance.
    """

    withdrawals: list[Withdrawal]
    tickets: list[Ticket]
    n_balances: int
    overdrawn: list[str]
    more: Mapping[str, str]


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
        """Return a sum by currency that only withdrawals lower, None where the API does not report it.

        Raises ReadError when the server cannot be read.
        """

    def holdings(self, send: Send, prefix: str) -> Holdings | None:
        """Return what the server holds under ``prefix``, None where the API does not report it.

        Raises ReadError when the server cannot be read.
        """


@runtime_checkable
class Submitting(Protocol):
    """A dialect that says what its tickets ask for, so that the server's can be compared with it."""

    def ticket(self, arrival: Arrival, prefix: str) -> Ticket:
        """Return what the ticket of an arrival asks for."""


@runtime_checkable
class Showing(Protocol):
    """A dialect whose reads can be compared with what was acknowledged."""

    def shows(self, arrival: Arrival, request: Request, answer: Answer) -> Shown | None:
        """Return what the answer shows of the record that the request asks for, or of the account that logged in.

        None when the answer cannot tell. Called only for answers that are acknowledged.
        """


@runtime_checkable
class Glancing(Protocol):
    """A dialect whose API can be read a little at a time while the load goes on."""

    def glance(self, send: Send, prefix: str, more: Mapping[str, str]) -> Glance:
        """Return a small part of what the server holds under ``prefix``; part by part, all of it.

        ``more`` is empty at first, then what the last glance returned. Each answer has about 100 records at most.
        Raises ReadError when the server cannot be read.
        """


@runtime_checkable
class Preparing(Protocol):
    """A dialect of an API with two-step flows, whose first step is taken before the run."""

    def prepare(self, send: Send, arrivals: Sequence[Arrival], prefix: str) -> None:
        """Ask the server for what the requests of these arrivals will need, and keep it.

        Called once in each process that sends, before its first request; counted apart from the load, and a 429 is
        asked again. Whatever it raises ends the run before its start. Only arrivals known beforehand are given: of
        ``inject`` not the parts of the account that it spends, of ``reconcile`` none. ``capacity`` calls it before
        each step.
        """


@runtime_checkable
class Learning(Protocol):
    """A dialect that keeps ids for its later requests."""

    def learn(self, arrival: Arrival, outcome: Outcome) -> None:
        """Take the outcome that stands in the request's row: ``outcome`` may have given an id that is none."""


@runtime_checkable
class InOrder(Protocol):
    """A dialect in which order matters within an account, such as where a nonce must rise."""

    def lane(self, arrival: Arrival) -> int:
        """Return the lane of an arrival: what shares one is sent by one process, in the order of the trace."""


@runtime_checkable
class Spending(Protocol):
    """A dialect whose API reports what one account may still spend."""

    def available(self, send: Send, arrival: Arrival) -> Decimal | None:
        """Return what the account of a withdrawal's arrival holds in its currency; None before it is opened.

        Raises ReadError when the server cannot be read.
        """


@runtime_checkable
class Cancelling(Protocol):
    """A dialect whose API can cancel a withdrawal."""

    def cancel(self, send: Send, withdrawal: Withdrawal) -> str:
        """Cancel a withdrawal by its ``server_id``; return nothing when it was accepted, else the reason."""


@runtime_checkable
class Closing(Protocol):
    """A dialect whose API can end a ticket."""

    def close(self, send: Send, ticket: Ticket) -> str:
        """Close or solve a ticket by its ``server_id``; return nothing when it was done, else the reason."""


@runtime_checkable
class Vouching(Protocol):
    """A dialect whose health check needs more than a path, such as a signature."""

    def health(self) -> Request:
        """Return the request whose answer says that this is a system for tests, instead of a GET of ``health_path``."""


def speaks(dialect: Dialect) -> tuple[str, ...]:
    """Return the endpoints that the dialect's API has: its ``endpoints``, or all of them."""
    return tuple(getattr(dialect, "endpoints", ENDPOINTS))
