"""How many tickets come each day, when they open, and which of them the bot ends: compiled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats, Ints
from sim.core.clock import DAY_MS
from sim.core.jit import compiled, inlined
from sim.demand.expected import GUIDES, Sources
from sim.numerics.poisson import count
from sim.numerics.streams import DAY_STRIDE, Key, purpose_key, stream_keys, ticket_key, uniform

Keys = NDArray[Key]

PERSON_OPENED, PERSON_KEY, PERSON_CATEGORY, PERSON_STREAM, PERSON_LAYER = range(5)
PERSON_COLUMNS = 5
"""A ticket for people, on its way into its row; its key is written as a signed number."""

_COUNT, _TIME, _BOT = (purpose_key(name) for name in ("count", "time", "bot"))
# A number to sort by is the time of day, 4 digits of 7 bits, and below it the ticket's place before sorting.
_DIGIT_BITS, _DIGITS, _DIGIT = 7, 4, (1 << 7) - 1
_PLACE_BITS, _PLACE = 32, (1 << 32) - 1


class Bots(NamedTuple):
    """Tickets that the bot ends: times and ordinals, those of source s from first[s] to end[s]."""

    opened_ms: Ints
    ordinals: Ints
    first: Ints
    end: Ints

    def of(self, source: int) -> tuple[Ints, Ints]:
        """Return times and ordinals of one source, by day and ordinal."""
        here = slice(self.first[source], self.end[source])
        return self.opened_ms[here], self.ordinals[here]


class _DayRoom(NamedTuple):
    """Room for one day: of a source's tickets key and two uniforms, of all that people get order, key and source."""

    key: Ints
    time: Floats
    bot: Floats
    order: Ints
    spare: Ints
    keys: Ints
    source: Ints


@compiled
def day_counts(sources: Sources, root: Keys, busyness: Floats) -> Ints:
    """Return by source and day how many tickets come: Poisson counts about what is expected times the busyness."""
    n_sources, n_days = sources.expected.shape
    out = np.empty((n_sources, n_days), np.int64)
    for s in range(n_sources):
        k0, k1 = stream_keys(root, sources.rows[s].key0, sources.rows[s].key1)
        for day in range(n_days):
            out[s, day] = count(sources.expected[s, day] * busyness[day], uniform(ticket_key(k0, k1, day), _COUNT))
    return out


@compiled
def minute_counts(expected: Floats, busyness: Floats, root: Keys, name: Keys, purpose: Key) -> Ints:
    """Return Poisson counts by the minute, about what is expected in it times the busyness of its day."""
    k0, k1 = stream_keys(root, name[0], name[1])
    minutes = len(expected) // len(busyness)
    out = np.empty(len(expected), np.int64)
    for day in range(len(busyness)):
        for i in range(day * minutes, (day + 1) * minutes):
            mean = expected[i] * busyness[day]
            out[i] = count(mean, uniform(ticket_key(k0, k1, i), purpose)) if mean > 0.0 else 0
    return out


def open_tickets(sources: Sources, root: Keys, counts: Ints, people: Ints, n: int) -> tuple[int, Bots]:
    """Write the tickets for people, by time, from row ``n`` on; return the row after the last, and the bot's.

    At equal times they stand by source, then ordinal. ``people`` has room for all that come.
    """
    most = counts.sum(axis=0).max()
    first = np.append(0, np.cumsum(counts.sum(axis=1)))
    bots = Bots(np.empty(first[-1], np.int64), np.empty(first[-1], np.int64), first[:-1], first[:-1].copy())
    kinds = (np.int64, np.float64, np.float64, np.int64, np.int64, np.int64, np.int64)
    return _open_tickets(
        sources, root, counts, bots, _DayRoom(*(np.empty(most, kind) for kind in kinds)), people, n
    ), bots


@compiled
def _open_tickets(sources: Sources, root: Keys, counts: Ints, bots: Bots, today: _DayRoom, people: Ints, n: int) -> int:
    for day in range(counts.shape[1]):
        here: int = np.int64(0)  # type: ignore[assignment]  # for a literal, all would be compiled once more
        for s in range(counts.shape[0]):
            here = _open_day(sources, root, s, day, counts[s, day], bots, today, here)
        _sort(today.order, today.spare, here)
        for i in range(here):
            place = today.order[i] & _PLACE
            one = sources.rows[today.source[place]]
            people[n, PERSON_OPENED] = day * DAY_MS + (today.order[i] >> _PLACE_BITS)
            people[n, PERSON_KEY] = today.keys[place]
            people[n, PERSON_CATEGORY], people[n, PERSON_STREAM] = one.category, one.stream
            people[n, PERSON_LAYER] = one.layer
            n += 1
    return n


@inlined
def _open_day(sources: Sources, root: Keys, s: int, day: int, size: int, bots: Bots, today: _DayRoom, here: int) -> int:
    """Write one source's tickets of one day; return how many of the day's are for people so far.

    Each ticket is written where it would stand in either line, of which only its own moves on: no branch, for a
    processor would guess one wrong as often as the bot fails. The plain loop before it works on several at a time.
    """
    one, spread, for_bots, at = sources.rows[s], sources.spread[s, day], sources.bot[s, day], bots.end[s]
    k0, k1 = stream_keys(root, one.key0, one.key1)
    for i in range(size):
        key = ticket_key(k0, k1, day * DAY_STRIDE + i)
        today.key[i], today.time[i], today.bot[i] = key, uniform(key, _TIME), uniform(key, _BOT)
    for i in range(size):
        time_ms = _time_of_day(sources, spread, today.time[i])
        bots.opened_ms[at], bots.ordinals[at] = day * DAY_MS + time_ms, day * DAY_STRIDE + i
        today.order[here], today.keys[here], today.source[here] = time_ms << _PLACE_BITS | here, today.key[i], s
        for_bot = today.bot[i] < for_bots
        at += 1 if for_bot else 0
        here += 0 if for_bot else 1
    bots.end[s] = at
    return here


@inlined
def _time_of_day(sources: Sources, spread: int, u: float) -> int:
    """Return the time of day, in ms, by which the part u of the day's arrivals has come."""
    i = sources.guide[spread, int(u * GUIDES)]
    while sources.pieces[i].until < u:
        i += 1
    piece = sources.pieces[i]
    return min(int(piece.begin_ms + (u - piece.before) * piece.length_ms), piece.last_ms)


@compiled
def _sort(order: Ints, spare: Ints, n: int) -> None:
    """Sort the first n numbers by their time, stably, digit by digit; ``spare`` is room for as many.

    The number of digits is even, so that they end in ``order`` (radix sort: Knuth, TAOCP 3, section 5.2.5).
    """
    before = np.empty((1 << _DIGIT_BITS) + 1, np.int64)
    for digit in range(_DIGITS):
        shift = _PLACE_BITS + digit * _DIGIT_BITS
        before[:] = 0
        for i in range(n):
            before[(order[i] >> shift & _DIGIT) + 1] += 1
        for value in range(1 << _DIGIT_BITS):
            before[value + 1] += before[value]
        for i in range(n):
            value = order[i] >> shift & _DIGIT
            spare[before[value]] = order[i]
            before[value] += 1
        order, spare = spare, order
