"""Deliberate faults on the client's side: what a careless or unlucky client does, and what must hold nevertheless.

I1 the same key in sequence, I2 the same key 16 times at once, I3 the same key with another amount, I4 retries after a
forced client time-out, I5 concurrent spending of an account to zero, I6 a closed ticket sent again. Each case has its
own keys, and is judged by its answers; the checks of ``loadtests.reconciliation.checks`` then judge what the server
holds of all of them.

No API documents whether a repeated key is rejected or replayed, so it is a setting: ``rejected``, ``replayed`` (the
first answer once more, with its id), or ``any`` (either). In no setting may a repeated key make a second record.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import gevent

from loadtests.dialect.contract import (
    ACKNOWLEDGED,
    NOT_SENT,
    REJECTED,
    UNKNOWN,
    Arrival,
    Closing,
    Dialect,
    Known,
    Outcome,
    Request,
    Send,
    Spending,
    Ticket,
)
from loadtests.reconciliation.check import checked
from loadtests.reconciliation.poller import EVERY_S
from loadtests.transport.client import Client, NoAnswerError
from loadtests.transport.echoes import failure, outcome_of
from loadtests.transport.interruptible import Ending
from loadtests.transport.reader import ENDED, unless_hurried, why_unread
from loadtests.transport.recorder import Journal

REPEATS = ("any", "rejected", "replayed")
AT_ONCE = 16
PARTS = 8
"""An account is spent by requests for an eighth of its balance, twice as many as it covers."""
GIVE_UP_S = (0.0, 0.0, 0.0, 0.001, 0.002, 0.005, 0.02, 0.1)
"""Forced time-outs: from giving up as soon as the request has left to one within which most servers answer."""
N_WITHDRAWALS = 3 + len(GIVE_UP_S)
N_TICKETS = 3 + len(GIVE_UP_S)


class Shot(NamedTuple):
    """One request that was sent: for which arrival, under which key, and how it ended."""

    arrival: Arrival
    key: str
    outcome: Outcome


class Injector:
    """Sends the cases. ``announce`` gets the arrivals that were not known beforehand, before they are sent."""

    def __init__(
        self,
        *,
        dialect: Dialect,
        client: Client,
        journal: Journal,
        prefix: str,
        timeout_s: float,
        ending: Ending,
        announce: Callable[[Sequence[Arrival]], object],
    ) -> None:
        self._dialect, self._client, self._journal = dialect, client, journal
        self._known, self._timeout_s, self._announce = Known(prefix), timeout_s, announce
        self._ending = ending
        self._repeat, self._began_s = "any", time.monotonic()

    def repeat(self, arrivals: Sequence[Arrival], repeat: str, send: Send) -> list[dict[str, Any]]:
        """Return the cases I1 to I4 and I6 (name, what, passed, reason, count, n_wrong, examples, outcomes).

        ``arrivals`` are of one endpoint, N_WITHDRAWALS or N_TICKETS; ``repeat`` is what a repeated key must get;
        ``send`` asks beside the cases.
        """
        self._repeat = repeat
        kind, rest = arrivals[0].endpoint, iter(arrivals)
        cases = [self._case("I1", self._sequence, next(rest)), self._case("I2", self._at_once, next(rest))]
        if kind == "withdrawal":
            cases.append(self._case("I3", self._other_amount, next(rest)))
        cases.append(self._case("I4", self._impatient, *(next(rest) for _ in GIVE_UP_S)))
        return cases if kind == "withdrawal" else [*cases, self._case("I6", partial(self._closed, send), next(rest))]

    def spend(self, arrival: Arrival, send: Send) -> dict[str, Any]:
        """Return the case I5: an account spent by twice the requests that its balance covers. ``send`` reads."""
        return self._case("I5", partial(self._spend, send), arrival)

    def _case(self, number: str, send_it: Callable[..., dict[str, Any]], *arrivals: Arrival) -> dict[str, Any]:
        """Return a case; after an interrupt none is begun, and one that was cut short decides nothing."""
        name = f"{number} {arrivals[0].endpoint}"
        if self._ending.reason:
            return _case(name, "not sent", [], [], self._ending.reason)
        found = send_it(name, *arrivals)
        cut: dict[str, Any] = {"passed": None, "reason": ENDED, "n_wrong": 0, "examples": []}
        return found | cut if self._ending.hurry.is_set() else found

    def _shoot(self, arrival: Arrival, timeout_s: float | None = None) -> Shot:
        if self._ending.hurry.is_set():
            return Shot(arrival, "", Outcome(NOT_SENT, ENDED))
        try:
            request = self._dialect.request(arrival, self._known)
            self._client.encoded(request)  # before it counts as sent
        except Exception as error:  # a dialect may be a user's file
            return Shot(arrival, "", Outcome(NOT_SENT, failure(error)))
        sent_us = self._now_us()
        if not self._journal.sent(arrival.idx, request.key, request.body, sent_us):
            self._ending.abort(self._journal.fault)
            return Shot(arrival, request.key, Outcome(NOT_SENT, self._journal.fault))
        outcome = self._exchange(request, arrival, self._timeout_s if timeout_s is None else timeout_s)
        self._journal.done(arrival.idx, sent_us, self._now_us(), outcome)
        return Shot(arrival, request.key, outcome)

    def _now_us(self) -> int:
        return round((time.monotonic() - self._began_s) * 1e6)

    def _exchange(self, request: Request, arrival: Arrival, timeout_s: float) -> Outcome:
        try:
            answer = unless_hurried(self._ending.hurry, lambda: self._client.send(request, timeout_s))
            return outcome_of(self._dialect, arrival, request, answer)
        except NoAnswerError as error:
            return Outcome(UNKNOWN if error.taken else REJECTED, str(error))
        except Exception as error:  # as above; the request was answered, but its outcome is unknown
            return Outcome(UNKNOWN, failure(error))

    def _together(self, arrivals: Sequence[Arrival]) -> list[Shot]:
        shots = [gevent.spawn(self._shoot, arrival) for arrival in arrivals]
        return [one.get() for one in gevent.joinall(shots, raise_error=True)]

    def _sequence(self, name: str, arrival: Arrival) -> dict[str, Any]:
        shots = [self._shoot(arrival) for _ in range(3)]
        what = f"the same key three times in sequence: once acknowledged, then {self._rule()}"
        return _case(name, what, shots, self._repeated(shots))

    def _at_once(self, name: str, arrival: Arrival) -> dict[str, Any]:
        shots = self._together([arrival] * AT_ONCE)
        shots.sort(key=lambda shot: shot.outcome.outcome != ACKNOWLEDGED)  # one that was acknowledged counts as first
        what = f"the same key {AT_ONCE} times at once: once acknowledged, else {self._rule()}"
        return _case(name, what, shots, self._repeated(shots))

    def _other_amount(self, name: str, arrival: Arrival) -> dict[str, Any]:
        rule = "rejected" if self._repeat == "rejected" else "rejected, or answered with the first one's id"
        what = f"the same key with another amount: {rule}"
        others = [arrival._replace(amount_cents=arrival.amount_cents * n) for n in (2, 3)]
        try:
            said = all(self._says_another(arrival, other) for other in others)
        except Exception:  # a dialect may be a user's file; the first shot tells its fault
            said = True
        first = self._shoot(arrival)
        wrong = self._repeated([first])
        if wrong:  # nothing is known under the key, so another amount is a first one
            return _case(name, what, [first], wrong)
        if not said:
            return _case(name, what, [first], [], "the request is the same for another amount: it cannot say it")
        more = [self._shoot(other) for other in others]
        for shot in more:
            took_it = shot.outcome.outcome == ACKNOWLEDGED
            if took_it and (self._repeat == "rejected" or shot.outcome.server_id != first.outcome.server_id):
                wrong.append(f"{shot.key}: another amount was acknowledged as {shot.outcome.server_id}")
        return _case(name, what, [first, *more], wrong)

    def _says_another(self, arrival: Arrival, other: Arrival) -> bool:
        """Return whether the request of ``other`` differs from that of ``arrival`` in more than time and signature.

        What differs between two requests of one arrival is of the moment, and is left out.
        """
        one, two, again = (_words(self._dialect.request(each, self._known)) for each in (arrival, other, arrival))
        if not len(one) == len(two) == len(again):
            return len(one) != len(two)
        return any(a != b for a, b, c in zip(one, two, again, strict=True) if a == c)

    def _impatient(self, name: str, *arrivals: Arrival) -> dict[str, Any]:
        shots, wrong, n_given_up = [], [], 0
        for arrival, timeout_s in zip(arrivals, GIVE_UP_S, strict=True):
            first = self._shoot(arrival, timeout_s)
            n_given_up += first.outcome.outcome == UNKNOWN
            again = [self._shoot(arrival), self._shoot(arrival)]
            shots += [first, *again]
            wrong += _two_ids([first, *again])
        what = "retries after a forced time-out: at most one record, one id"
        reason = "" if n_given_up else "the server answered even before the shortest time-out"
        return _case(name, what, shots, wrong, reason)

    def _closed(self, send: Send, name: str, arrival: Arrival) -> dict[str, Any]:
        what = f"a ticket that was closed is sent again: {self._rule()}, and it stays closed (see T4)"
        first = self._shoot(arrival)
        if not isinstance(self._dialect, Closing):
            return _case(name, what, [first], self._repeated([first]), "this dialect has no way to close a ticket")
        try:
            told = self._dialect.close(send, Ticket(first.key, first.outcome.server_id))
        except Exception as error:  # a dialect may be a user's file
            told = f"the ticket could not be closed: {why_unread(error)}"
        self._ending.hurry.wait(2 * EVERY_S)  # time to be seen closed
        again = self._shoot(arrival)
        return _case(name, what, [first, again], self._repeated([first, again]), told)

    def _spend(self, send: Send, name: str, arrival: Arrival) -> dict[str, Any]:
        what = "concurrent spending to zero: no more is acknowledged than the balance covers, nothing falls below zero"
        if not isinstance(self._dialect, Spending):
            return _case(name, what, [], [], "this dialect cannot read what one account may spend")
        opening = self._shoot(arrival)  # some accounts hold nothing before their first use
        try:
            before = self._dialect.available(send, arrival)
            if before is None or before <= 0:
                return _case(name, what, [opening], [], "the account holds nothing to spend")
            parts = self._parts(arrival, before)
            self._announce(parts)
            shots = self._together(parts)
            left = self._dialect.available(send, arrival) or Decimal(0)
        except Exception as error:  # a dialect may be a user's file
            return _case(name, what, [opening], [], f"the account cannot be read: {why_unread(error)}")
        part = self._dialect.withdrawal(parts[0], self._known.prefix).amount
        spent = part * sum(shot.outcome.outcome == ACKNOWLEDGED for shot in shots)
        wrong = [f"{spent} was acknowledged of {before}"] if spent > before else []
        wrong += [f"{left} is left of {before}"] if left < 0 else []
        stopped = f"{left} of {before} is left: something other than the balance stopped it" if left > 2 * part else ""
        return _case(name, what, shots, wrong, stopped)

    def _parts(self, arrival: Arrival, balance: Decimal) -> list[Arrival]:
        """Return arrivals of one account, each for a part of its balance, under keys of their own."""
        coins_per_cent = self._dialect.withdrawal(arrival, self._known.prefix).amount / arrival.amount_cents
        cents = max(1, int(balance / coins_per_cent / PARTS))
        return [arrival._replace(idx=arrival.idx + 1 + n, amount_cents=cents) for n in range(2 * PARTS)]

    def _rule(self) -> str:
        return "rejected or replayed" if self._repeat == "any" else self._repeat

    def _repeated(self, shots: Sequence[Shot]) -> list[str]:
        """Return what is wrong with the answers to one key: it was never taken, or not repeated as it must be."""
        fates = [shot.outcome.outcome for shot in shots]
        if ACKNOWLEDGED not in fates:
            return [f"{shots[0].key}: was never acknowledged: {fates[0]} {shots[0].outcome.reason}"]
        wrong = _two_ids(shots)
        for shot in shots[fates.index(ACKNOWLEDGED) + 1 :]:
            word = _WORDS.get(shot.outcome.outcome)
            if word and self._repeat not in ("any", word):
                wrong.append(f"{shot.key}: was {word} {shot.outcome.reason}".rstrip())
        return wrong


_WORD = re.compile(r"[\w.+-]+")
_WORDS = {ACKNOWLEDGED: "replayed", REJECTED: "rejected"}


def _words(request: Request) -> list[str]:
    """Return the words of a request's path and body; headers hold time and signature alone."""
    return _WORD.findall(f"{request.path} {request.body.decode('utf-8', 'replace')}")


def _two_ids(shots: Sequence[Shot]) -> list[str]:
    ids = list(dict.fromkeys(shot.outcome.server_id for shot in shots if shot.outcome.outcome == ACKNOWLEDGED))
    return [f"{shots[0].key}: was acknowledged as {' and as '.join(ids)}"] if len(ids) > 1 else []


def _case(name: str, what: str, shots: Sequence[Shot], wrong: Sequence[str], reason: str = "") -> dict[str, Any]:
    counts: dict[str, int] = {}
    for shot in shots:
        counts[shot.outcome.outcome] = counts.get(shot.outcome.outcome, 0) + 1
    return {**checked(name, what, len(shots), wrong, reason), "outcomes": counts}
