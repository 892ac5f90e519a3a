"""One dialect over a pool of test accounts: each customer's requests use the key of the customer's account."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from loadtests.dialect.contract import (
    ACKNOWLEDGED,
    Answer,
    Arrival,
    Cancelling,
    Closing,
    Dialect,
    Glance,
    Glancing,
    Holdings,
    InOrder,
    Known,
    Learning,
    Outcome,
    Preparing,
    Request,
    Send,
    Showing,
    Shown,
    Spending,
    Submitting,
    Ticket,
    Vouching,
    Withdrawal,
    speaks,
)
from loadtests.dialects import load
from loadtests.plan.accounts import Pool


def pooled(pool: Pool, name: str, samples: Mapping[str, Sequence[str]]) -> PooledDialect:
    """Return the dialect of that name over the pool. Raises InputError when it cannot be made."""
    return PooledDialect(pool, [load(name, account.environ, samples) for account in pool.accounts])


class PooledDialect:
    """Dialects of one kind, one for each account.

    Reads ask for what the same account has had acknowledged: another key would not see it. What one account can do
    beyond the protocol, the pool can do too.
    """

    def __init__(self, pool: Pool, members: Sequence[Dialect]) -> None:
        self.pool, self.members = pool, members
        first = members[0]
        self.health_path = first.health_path
        self.endpoints = speaks(first)
        self._sees_all = bool(getattr(first, "sees_all", False))
        self._known = [Known("") for _ in members]
        self._owner: dict[str, Dialect] = {}
        abilities: list[tuple[type, str, Callable[..., Any]]] = [
            (Preparing, "prepare", self._prepare),
            (Glancing, "glance", self._glance),
            (Spending, "available", self._available),
            (InOrder, "lane", self._lane),
            (Cancelling, "cancel", self._cancel),
            (Closing, "close", self._close),
            (Submitting, "ticket", self._ticket),
            (Showing, "shows", self._shows),
            (Vouching, "health", self._health),
        ]
        for ability, method, mine in abilities:
            if isinstance(first, ability) and (ability is not Glancing or self._sees_all):
                setattr(self, method, mine)

    @property
    def since_ms(self) -> int | None:
        """From when the accounts' histories are read, None where the dialect does not say."""
        since: int | None = getattr(self.members[0], "since_ms", None)
        return since

    @since_ms.setter
    def since_ms(self, value: int) -> None:
        for member in self.members:
            setattr(member, "since_ms", value)  # noqa: B010 - an attribute that not every dialect has

    def member(self, customer: int) -> Dialect:
        """Return the dialect with the key of a customer's account."""
        return self.members[self.pool.place_of(customer)]

    def is_test_system(self, answer: Answer) -> bool:
        """See Dialect."""
        return self.members[0].is_test_system(answer)

    def request(self, arrival: Arrival, known: Known) -> Request:
        """See Dialect; ``known`` is the whole run's, and only its prefix is used."""
        place = self.pool.place_of(arrival.customer)
        mine = self._known[place]
        mine.prefix = known.prefix
        request = self.members[place].request(arrival, mine)
        if arrival.endpoint == "withdrawal":
            mine.newest_key = request.key
        return request

    def outcome(self, arrival: Arrival, answer: Answer) -> Outcome:
        """See Dialect."""
        return self.member(arrival.customer).outcome(arrival, answer)

    def learn(self, arrival: Arrival, outcome: Outcome) -> None:
        """See Learning."""
        place = self.pool.place_of(arrival.customer)
        member, mine = self.members[place], self._known[place]
        if isinstance(member, Learning):
            member.learn(arrival, outcome)
        if outcome.outcome == ACKNOWLEDGED and arrival.endpoint == "withdrawal":
            key = member.withdrawal(arrival, mine.prefix).key
            mine.withdrawal_keys.append(key)
            mine.withdrawal_ids[key] = outcome.server_id
            self._owner[outcome.server_id] = member
        elif outcome.outcome == ACKNOWLEDGED and arrival.endpoint == "ticket":
            mine.ticket_ids.append(outcome.server_id)
            self._owner[outcome.server_id] = member

    def withdrawal(self, arrival: Arrival, prefix: str) -> Withdrawal:
        """See Dialect."""
        return self.member(arrival.customer).withdrawal(arrival, prefix)

    def balances(self, send: Send) -> dict[str, Decimal] | None:
        """See Dialect: the sum over the accounts."""
        total: dict[str, Decimal] = {}
        for member in self._readers():
            own = member.balances(send)
            if own is None:
                return None
            for currency, amount in own.items():
                total[currency] = total.get(currency, Decimal(0)) + amount
        return total

    def holdings(self, send: Send, prefix: str) -> Holdings | None:
        """See Dialect: what all accounts hold together."""
        parts = []
        for member in self._readers():
            part = member.holdings(send, prefix)
            if part is None:
                return None
            parts.append(part)
            if not self._sees_all:
                self._owner |= {one.server_id: member for one in part.withdrawals}
                self._owner |= {one.server_id: member for one in part.tickets}
        if len(parts) == 1:
            return parts[0]
        # Keys of one account show the same records, and its balance several times: each record counts once, and what
        # left the balances cannot be told.
        withdrawals = {(one.key, one.server_id): one for part in parts for one in part.withdrawals}
        tickets = {(one.key, one.server_id): one for part in parts for one in part.tickets}
        apart = len(withdrawals) == sum(len(part.withdrawals) for part in parts)
        return Holdings(
            withdrawals=list(withdrawals.values()),
            tickets=list(tickets.values()),
            balances=_sum([part.balances for part in parts]),
            spent_by_others=_sum([part.spent_by_others for part in parts]) if apart else None,
            by_id=any(part.by_id for part in parts),
        )

    def _readers(self) -> Sequence[Dialect]:
        return self.members[:1] if self._sees_all else self.members

    def _owners(self, server_id: str) -> Sequence[Dialect]:
        """Return the accounts that may change a record: its own; all, one after the other, where that is not known."""
        owner = self._owner.get(server_id)
        return self.members if owner is None else [owner]

    def _prepare(self, send: Send, arrivals: Sequence[Arrival], prefix: str) -> None:
        for place, member in enumerate(self.members):
            assert isinstance(member, Preparing)
            member.prepare(send, [one for one in arrivals if self.pool.place_of(one.customer) == place], prefix)

    def _glance(self, send: Send, prefix: str, more: Mapping[str, str]) -> Glance:
        first: Any = self.members[0]
        glance: Glance = first.glance(send, prefix, more)
        return glance

    def _available(self, send: Send, arrival: Arrival) -> Decimal | None:
        member: Any = self.member(arrival.customer)
        found: Decimal | None = member.available(send, arrival)
        return found

    def _ticket(self, arrival: Arrival, prefix: str) -> Ticket:
        member: Any = self.member(arrival.customer)
        asked: Ticket = member.ticket(arrival, prefix)
        return asked

    def _shows(self, arrival: Arrival, request: Request, answer: Answer) -> Shown | None:
        member: Any = self.member(arrival.customer)
        shown: Shown | None = member.shows(arrival, request, answer)
        return shown

    def _lane(self, arrival: Arrival) -> int:
        return self.pool.place_of(arrival.customer)

    def _health(self) -> Request:
        first: Any = self.members[0]
        asked: Request = first.health()
        return asked

    def _cancel(self, send: Send, withdrawal: Withdrawal) -> str:
        return self._first_to("cancel", withdrawal, send)

    def _close(self, send: Send, ticket: Ticket) -> str:
        return self._first_to("close", ticket, send)

    def _first_to(self, method: str, record: Withdrawal | Ticket, send: Send) -> str:
        told = ""
        for member in self._owners(record.server_id):
            told = getattr(member, method)(send, record)
            if not told:
                return ""
        return told


def _sum(parts: Sequence[Mapping[str, Decimal] | None]) -> dict[str, Decimal] | None:
    total: dict[str, Decimal] = {}
    for part in parts:
        if part is None:
            return None
        for currency, amount in part.items():
            total[currency] = total.get(currency, Decimal(0)) + amount
    return total
