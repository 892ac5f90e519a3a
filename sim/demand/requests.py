"""The requests to withdraw of one replication: who is counted, who is a row, and what a run on the platform asks for.

Each request is drawn by its ordinal: rail, amount, country, and marks for whatever may become of it. So moving a limit
or a share redraws nothing; it only makes rows of others.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats, Ints
from sim.core.jit import compiled, inlined
from sim.feedback import WithdrawalRows
from sim.feedback.columns import (
    ADDRESS_ROW,
    BREACHING_ROW,
    CLASSES,
    DROPPED_ROW,
    DROPPING,
    FORBIDDEN,
    HELD_ROW,
    NETWORK_ROW,
    PASSING,
    REVIEWED_ROW,
    ROW_CENTS,
    ROW_COST_C,
    ROW_FLAGS,
    ROW_MINUTE,
    ROW_RAIL,
)
from sim.feedback.declaration import DRAWN_ROWS
from sim.numerics.lognormal import Amounts, amount, amounts_of, exceeding
from sim.numerics.streams import Key, Streams, name_keys, purpose_key, stream_keys, ticket_key, uniform
from sim.scenario.schema.scenario import Scenario

MINUTE_STRIDE = 1 << 24
"""Ordinals of one minute's withdrawals start at minute * MINUTE_STRIDE."""
ANY_AMOUNT = 1 << 62
_ASSET, _AMOUNT, _COUNTRY, _BREACH = (purpose_key(name) for name in ("asset", "amount", "country", "breach"))
_REVIEW, _HELD, _DROP, _ACCOUNT = (purpose_key(name) for name in ("review", "held", "drop", "account"))
_ADDRESS, _NETWORK = purpose_key("wrong address"), purpose_key("wrong network")
_A_ROW = 1 << 62
"""Makes the flags of a row positive, whatever they are; it is taken off where the row is written."""
_SPARE_DEVIATIONS = 10.0
_SPARE_ROWS = 64


class RequestLaw(NamedTuple):
    """What a request is drawn from. ``edges`` are the running shares of the rails, ``countries`` those of the countries
    (empty for none), by which ``lawful_cents`` is the largest amount that is allowed, ``breach`` the share of the
    forbidden ones that get past the check, and ``breach_cents`` their cost.

    ``held`` is a share of the reviewed, the others are shares of all. Above ``limit_cents`` a request is a row.
    """

    edges: Floats
    amounts: Amounts
    countries: Floats
    lawful_cents: Ints
    breach: Floats
    breach_cents: Ints
    limit_cents: int
    held: float
    drop: float
    wrong_address: float
    wrong_network: float


class Request(NamedTuple):
    """One request as drawn: its rail, its money, its class if it is counted, its flags if not, its cost as a breach."""

    rail: int
    cents: int
    kind: int
    flags: int
    breach_cents: int


def request_law_of(scenario: Scenario, *, mean_usd: float, cv: float) -> RequestLaw:
    """Return the law of requests of a scenario whose amounts have this mean, in US dollars, and variation."""
    money = scenario.withdrawals
    amounts, limits, mistakes = amounts_of(mean_usd=mean_usd, cv=cv), money and money.limits, money and money.mistakes
    countries = list(money.jurisdictions.values()) if money else []
    lawful = {"allowed": ANY_AMOUNT, "banned": 0}
    return RequestLaw(
        edges=np.cumsum(list(money.assets.values()) if money else [1.0])[:-1],
        amounts=amounts,
        countries=np.cumsum([one.share for one in countries]),
        lawful_cents=np.array([lawful.get(one.rule, round((one.limit_usd or 0) * 100)) for one in countries], np.int64),
        breach=np.array([one.breach_share for one in countries], np.float64),
        breach_cents=np.array([round(one.breach_cost_usd * 100) for one in countries], np.int64),
        limit_cents=round(limits.amount_usd * 100) if limits else ANY_AMOUNT,
        held=money.held_share if money else 0.0,
        drop=money.drop_share if money else 0.0,
        wrong_address=mistakes.address.share if mistakes and mistakes.address else 0.0,
        wrong_network=mistakes.network.share if mistakes and mistakes.network else 0.0,
    )


def row_share(law: RequestLaw, review: float) -> float:
    """Return the expected share of requests that are rows, or a little more, when this share is reviewed."""
    mean_usd = math.exp(law.amounts.mu + law.amounts.sigma**2 / 2) / 100
    cv = math.sqrt(math.expm1(law.amounts.sigma**2))
    above = exceeding(law.limit_cents / 100, mean=mean_usd, cv=cv)[0] if law.limit_cents < ANY_AMOUNT else 0.0
    breaching = float((np.diff(law.countries, prepend=0.0) * law.breach).sum())
    return min(above + review + law.wrong_address + law.wrong_network + breaching, 1.0)


class Drawn(NamedTuple):
    """Requests by rail, class, (number, cents) and minute; and the rows, in order."""

    requests: Ints
    rows: WithdrawalRows


def draw_requests(law: RequestLaw, streams: Streams, counts: Ints, review: Floats) -> Drawn:
    """Return the requests of each minute, so many as ``counts`` says, of which a share ``review`` is reviewed."""
    requests = np.zeros((len(law.edges) + 1, CLASSES, 2, len(counts)), np.int64)
    expected = float((counts * row_share(law, float(review.max(initial=0.0)))).sum())
    room = math.ceil(expected + _SPARE_DEVIATIONS * math.sqrt(expected)) + _SPARE_ROWS
    while True:
        drawn, keys, account = _rooms(room)
        requests[...] = 0
        rows = _draw(counts, review, streams.root, name_keys("withdrawal"), law, requests, (drawn, keys, account))
        if rows <= room:
            return Drawn(requests, WithdrawalRows(drawn=drawn[:rows], keys=keys[:rows], account=account[:rows]))
        room = rows


class Frights(NamedTuple):
    """What frightened depositors ask for, in the order in which they take fright: their rails, money and classes; the
    row of each that is one (-1 for none), and the rows."""

    rail: Ints
    cents: Ints
    kind: Ints
    row: Ints
    rows: WithdrawalRows


def draw_frights(law: RequestLaw, streams: Streams, n: int, *, review: float, first_row: int) -> Frights:
    """Return what the first ``n`` depositors ask for, a share ``review`` reviewed, which is
    that of the minute with the most reviews; their first row is ``first_row``."""
    drawn, keys, account = _rooms(n)
    asked = np.empty((4, n), np.int64)
    rows = _draw_frights(asked, review, streams.root, name_keys("fright"), law, (drawn, keys, account), first_row)
    return Frights(
        asked[0],
        asked[1],
        asked[2],
        asked[3],
        WithdrawalRows(drawn=drawn[:rows], keys=keys[:rows], account=account[:rows]),
    )


def _rooms(n: int) -> tuple[Ints, NDArray[Key], Floats]:
    return np.empty((n, len(DRAWN_ROWS.columns)), np.int64), np.empty(n, np.uint64), np.empty(n)


@inlined
def _request(law, key, review):  # type: ignore[no-untyped-def]
    """Return the request of a key, reviewed for a share of them."""
    u, rail = uniform(key, _ASSET), 0
    for edge in law.edges:  # to the end, not as far as needed: a mispredicted branch costs more
        rail += int(u >= edge)
    cents, flags, cost = amount(law.amounts, uniform(key, _AMOUNT)), 0, 0
    if len(law.countries):
        country, u = 0, uniform(key, _COUNTRY)
        while country + 1 < len(law.countries) and u >= law.countries[country]:
            country += 1
        if cents > law.lawful_cents[country]:
            if uniform(key, _BREACH) >= law.breach[country]:
                return Request(rail, cents, FORBIDDEN, 0, 0)
            flags, cost = BREACHING_ROW, law.breach_cents[country]
    # One number says both whether it is reviewed and, of those that are not, whether it is dropped.
    u = uniform(key, _REVIEW)
    dropped = u >= 1.0 - law.drop * (1.0 - review)
    if u < review:
        dropped = uniform(key, _DROP) < law.drop
        flags |= REVIEWED_ROW
        if uniform(key, _HELD) < law.held:
            flags |= HELD_ROW
    if law.wrong_address > 0.0 and uniform(key, _ADDRESS) < law.wrong_address:
        flags |= ADDRESS_ROW
    if law.wrong_network > 0.0 and uniform(key, _NETWORK) < law.wrong_network:
        flags |= NETWORK_ROW
    if flags == 0 and cents <= law.limit_cents:
        return Request(rail, cents, DROPPING if dropped else PASSING, 0, 0)
    return Request(rail, cents, PASSING, flags | _A_ROW | (DROPPED_ROW if dropped else 0), cost)


@inlined
def _write_row(rows, at, minute, one, key):  # type: ignore[no-untyped-def]
    """Write a request into the table of rows, if there is room for it."""
    drawn, keys, account = rows
    if at < len(keys):
        drawn[at, ROW_MINUTE], drawn[at, ROW_RAIL], drawn[at, ROW_CENTS] = minute, one.rail, one.cents
        drawn[at, ROW_FLAGS], drawn[at, ROW_COST_C] = one.flags & (_A_ROW - 1), one.breach_cents
        keys[at], account[at] = key, uniform(key, _ACCOUNT)


@compiled
def _draw(counts, review, root, name, law, requests, rows):  # type: ignore[no-untyped-def]
    """Draw the requests of each minute; return how many are rows, written as far as there was room for them."""
    (k0, k1), at = stream_keys(root, name[0], name[1]), 0
    for minute in range(len(counts)):
        for ordinal in range(minute * MINUTE_STRIDE, minute * MINUTE_STRIDE + counts[minute]):
            key = ticket_key(k0, k1, ordinal)
            one = _request(law, key, review[minute])
            if one.flags:
                _write_row(rows, at, minute, one, key)
                at += 1
            else:
                requests[one.rail, one.kind, 0, minute] += 1
                requests[one.rail, one.kind, 1, minute] += one.cents
    return at


@compiled
def _draw_frights(asked, review, root, name, law, rows, first_row):  # type: ignore[no-untyped-def]
    """Draw what depositors ask for into ``asked`` (rail, cents, class, row); return how many are rows."""
    (k0, k1), at = stream_keys(root, name[0], name[1]), 0
    for i in range(asked.shape[1]):
        key = ticket_key(k0, k1, i)
        one = _request(law, key, review)
        asked[0, i], asked[1, i], asked[2, i], asked[3, i] = one.rail, one.cents, one.kind, -1
        if one.flags:
            asked[3, i] = first_row + at
            _write_row(rows, at, -1, one, key)
            at += 1
    return at
