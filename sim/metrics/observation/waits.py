"""Waiting times: for the first response and for the resolution by category, and by queue and hour of opening; and who
tires of waiting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim.core.arrays import Floats, Ints, Mask
from sim.core.clock import HOUR_MS, NEVER
from sim.core.jit import compiled, inlined
from sim.engine.outcome import LEFT, RESOLVED, TURNED_AWAY
from sim.metrics.observation.counts import HUMAN, Marks
from sim.numerics.survival import CENSORED, EVENT, NOT_REACHED, OTHER_END, group_bits, incidence, longest, quantiles
from sim.numerics.time_grid import whole

SHARES = (0.5, 0.9)
"""The quantiles that are measured."""
UNANSWERED = NEVER
"""An hour's wait that too few of its tickets have ended by the end for it to be known."""


class Waiting(NamedTuple):
    """The columns of tickets that say who waited, and how long."""

    marks: Marks
    category: Ints
    legs_from: Ints
    leg_queue: Ints
    opened_ms: Ints
    first_start_ms: Ints
    closed_ms: Ints
    outcome: Ints
    patient: Mask
    moved_ms: Ints
    chase: Ints


@dataclass(frozen=True)
class Waits:
    """Quantiles of the tickets that people handle; a column for each of the SHARES, NOT_REACHED where there is none.

    ``response_ms`` and ``resolution_ms`` are Kaplan-Meier's: a row for each category and, last, one for all. The
    ``longest_`` of each are the longest times that are known of, ended or not, beyond which a quantile lies that is not
    reached; NOT_REACHED where nobody waited.
    ``by_hour_ms`` has for each queue and measured hour the least wait for the first response with a share p of the
    tickets at or below it: of those that started in the queue and were opened in the hour; UNANSWERED where fewer were
    answered by the end. ``abandoned_share`` and
    ``recontact_share`` are Aalen and Johansen's, by category and, last, for all; NaN where nobody waited.
    """

    response_ms: Ints
    resolution_ms: Ints
    longest_response_ms: Ints
    longest_resolution_ms: Ints
    by_hour_ms: Ints
    abandoned_share: Floats
    recontact_share: Floats


def waits_of(tickets: Waiting, categories: int, queues: int, from_ms: int, to_ms: int) -> Waits:
    """Return how long those waited that people handle and that were opened in [from, to).

    Raises OverflowError when a queue, an hour and a wait do not fit into 63 bits: 300 queues over ten years.
    """
    hours = (to_ms - from_ms) // HOUR_MS
    if queues * hours * (to_ms + 1) >= NEVER:
        raise OverflowError(f"waits: got {queues} queues and {hours} hours; must be fewer, or a shorter run")
    response, resolution, by_hour = sortable(tickets, group_bits(categories), from_ms, to_ms)
    by_hour.sort()
    abandoned, asked_again = endings(tickets, group_bits(categories), to_ms)
    return Waits(
        response_ms=quantiles(response, categories, SHARES),
        resolution_ms=quantiles(resolution, categories, SHARES),
        longest_response_ms=longest(response, categories, group_bits(categories)),
        longest_resolution_ms=longest(resolution, categories, group_bits(categories)),
        by_hour_ms=least(by_hour, queues * hours, to_ms + 1, np.array(SHARES)).reshape(queues, hours, len(SHARES)),
        abandoned_share=incidence(abandoned, categories),
        recontact_share=incidence(asked_again, categories),
    )


@compiled
def sortable(tickets: Waiting, bits: int, from_ms: int, to_ms: int) -> tuple[Ints, Ints, Ints]:
    """Return as sortable numbers the times to the first response, those to the resolution, and the waits by hour.

    The first two are keys of ``survival.quantiles``: who has left, or is still there at the end, is censored. The
    third is (queue, hour) * (to_ms + 1) + wait, where ``to_ms`` stands for a wait without an answer.
    """
    rows, n, hours = len(tickets.marks), 0, (to_ms - from_ms) // HOUR_MS
    response, resolution, by_hour = np.empty(rows, np.int64), np.empty(rows, np.int64), np.empty(rows, np.int64)
    for row in range(rows):
        if not tickets.marks[row] & (1 << HUMAN):
            continue
        opened, start, outcome = tickets.opened_ms[row], tickets.first_start_ms[row], tickets.outcome[row]
        gone = tickets.closed_ms[row] if outcome >= LEFT else to_ms
        answered = start < gone
        response[n] = ((min(start, gone) - opened) * 2 + (not answered)) << bits | tickets.category[row]
        resolved = tickets.closed_ms[row] if outcome == RESOLVED else NEVER
        solved = resolved < gone
        resolution[n] = ((min(resolved, gone) - opened) * 2 + (not solved)) << bits | tickets.category[row]
        place = tickets.leg_queue[tickets.legs_from[row]] * hours + whole(opened - from_ms, HOUR_MS)
        by_hour[n] = place * (to_ms + 1) + (start - opened if start < NEVER else to_ms)
        n += 1
    return response[:n], resolution[:n], by_hour[:n]


@compiled
def endings(tickets: Waiting, bits: int, to_ms: int) -> tuple[Ints, Ints]:
    """Return as keys of ``survival.incidence`` how waiting ended in time: by abandonment, and by asking again.

    An answer rules out that a customer leaves, or leaves for another queue, as do patience without end and being turned
    away; a resolution that he asks again, as does his nature. Who may still do so at the end is censored.
    """
    rows, n = len(tickets.marks), 0
    abandoned, asked_again = np.empty(rows, np.int64), np.empty(rows, np.int64)
    for row in range(rows):
        if not tickets.marks[row] & (1 << HUMAN):
            continue
        opened, closed, outcome = tickets.opened_ms[row], tickets.closed_ms[row], tickets.outcome[row]
        gone = min(closed if outcome == LEFT else NEVER, tickets.moved_ms[row])
        answered = opened if tickets.patient[row] else tickets.first_start_ms[row]
        answered = closed if outcome == TURNED_AWAY else answered
        abandoned[n] = ending_key(gone - opened, answered - opened, to_ms - opened) << bits | tickets.category[row]
        chase = tickets.chase[row]
        asked = tickets.opened_ms[chase] if chase >= 0 else NEVER
        resolved = opened if chase < 0 else closed if outcome == RESOLVED else NEVER
        asked_again[n] = ending_key(asked - opened, resolved - opened, to_ms - opened) << bits | tickets.category[row]
        n += 1
    return abandoned[:n], asked_again[:n]


@inlined
def ending_key(event_ms: int, other_ms: int, known_ms: int) -> int:
    """Return duration and ending of a wait, as a key has them, from the durations to the event, another end, and the
    end of what is known."""
    ended = min(event_ms, other_ms)
    if ended >= known_ms:
        return known_ms << 2 | CENSORED
    return ended << 2 | (EVENT if event_ms <= other_ms else OTHER_END)


@compiled
def line_waits(came: Ints, gone: Ints, first: int) -> Ints:
    """Return the histogram of waits in whole minutes of a FIFO line; the last bin counts those still waiting.

    ``came`` and ``gone`` are running sums by the minute; counted are those who came from minute ``first`` on.
    """
    counts = np.zeros(len(came) + 2, np.int64)
    minute, left, longest = 0, came[0] if len(came) else 0, 0
    for now in range(len(gone)):
        going = gone[now] - (gone[now - 1] if now else 0)
        while going > 0:
            while left == 0:
                minute += 1
                left = came[minute] - came[minute - 1]
            some = min(going, left)
            left, going = left - some, going - some
            if minute >= first:
                counts[now - minute] += some
                longest = max(longest, now - minute)
    while minute < len(came):
        if minute >= first:
            counts[longest + 1] += left
        minute += 1
        left = came[minute] - came[minute - 1] if minute < len(came) else 0
    return counts[: longest + 2]


def add_row_waits(counts: Ints, waits: Ints) -> Ints:
    """Return a histogram of waits, as ``line_waits`` has it, with more of them added; -1 is one still waiting."""
    known = waits[waits >= 0]
    longest = max(len(counts) - 2, int(known.max(initial=0)))
    together = np.zeros(longest + 2, np.int64)
    together[: len(counts) - 1] = counts[:-1]
    together[:-1] += np.bincount(known, minlength=longest + 1)
    together[-1] = counts[-1] + (len(waits) - len(known))
    return together


@compiled
def least(keys: Ints, places: int, span: int, shares: Floats) -> Ints:
    """Return by place the least value with at least a share p of its keys at or below it; NOT_REACHED without keys.

    Keys, in order, are place * span + value, and value span - 1 stands for one that is not known, as does UNANSWERED.
    """
    found, first = np.full((places, len(shares)), NOT_REACHED, np.int64), 0
    while first < len(keys):
        place, end = keys[first] // span, first
        while end < len(keys) and keys[end] < (place + 1) * span:
            end += 1
        for k in range(len(shares)):
            value = keys[first + max(int(np.ceil(shares[k] * (end - first))) - 1, 0)] - place * span
            found[place, k] = value if value < span - 1 else UNANSWERED
        first = end
    return found
