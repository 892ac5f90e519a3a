"""The backlog by whose turn it is: what waits, what agents have in hand, what is with customers and with others.

A ticket waits while it stands in a queue; it is in hand while an agent has it; in a pause it is with the customer until
he has replied, and then with others (a third party, a chain, a legal clock). It is always in one of the four.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Ints
from sim.core.jit import compiled
from sim.metrics.observation.counts import Group
from sim.numerics.intervals import Span, within

CUSTOMER, OTHERS = range(2)


class Turns(NamedTuple):
    """The columns of legs, and of their tickets, that say whose turn it is; ``left_ms`` is when each ended."""

    legs_from: Ints
    opened_ms: Ints
    entered_ms: Ints
    start_ms: Ints
    left_ms: Ints
    pause_ms: Ints
    hold_ms: Ints
    home: Group


@dataclass(frozen=True)
class Oldest:
    """By team the age in ms, since it was opened, of the oldest ticket that waits: at the end, and the highest ever.

    -1 where none waits; ``growing`` where the highest is that of a ticket that still waits at the end.
    """

    end_ms: Ints
    peak_ms: Ints
    growing: NDArray[np.bool_]


@dataclass(frozen=True)
class Stocks:
    """What waits, altogether and by team, what is with customers and with others in [from, to), and the oldest."""

    waiting: Span
    waiting_by_team: list[Span]
    with_customer: Span
    with_others: Span
    oldest: Oldest


def stocks_of(turns: Turns, teams: int, from_ms: int, to_ms: int) -> Stocks:
    """Return the stocks of a replication within [from, to)."""
    (begin, end, team), (pause_begin, pause_end, whose), oldest = split(turns, teams, from_ms, to_ms)
    with_customer, with_others = within(pause_begin, pause_end, whose, 2, from_ms, to_ms)
    (waiting,) = within(begin, end, np.zeros_like(team), 1, from_ms, to_ms)
    by_team = within(begin, end, team, teams, from_ms, to_ms)
    return Stocks(waiting, by_team, with_customer, with_others, Oldest(oldest[0], oldest[1], oldest[2] > 0))


Pieces = tuple[Ints, Ints, Group]


@compiled
def split(turns: Turns, teams: int, from_ms: int, to_ms: int) -> tuple[Pieces, Pieces, Ints]:
    """Return begin, end and team of what waits in [from, to), begin, end and whose of the pauses, and the oldest.

    The oldest are by team the age at the end, the highest, and whether that is of a ticket that still waits.
    """
    legs = len(turns.entered_ms)
    begin, end, team = np.empty(legs, np.int64), np.empty(legs, np.int64), np.empty(legs, np.int16)
    pause_begin, pause_end = np.empty(2 * legs, np.int64), np.empty(2 * legs, np.int64)
    whose = np.empty(2 * legs, np.int16)
    oldest, n, n_paused = np.full((3, teams), -1, np.int64), 0, 0
    for row in range(len(turns.opened_ms)):
        last = turns.legs_from[row + 1] - 1
        for leg in range(turns.legs_from[row], last + 1):
            entered = turns.entered_ms[leg]
            if entered >= to_ms:
                break
            until = min(turns.start_ms[leg], turns.left_ms[leg])
            if entered < until and from_ms < until:
                begin[n], end[n], team[n] = entered, until, turns.home[leg]
                n += 1
                _age(oldest, turns.home[leg], turns.opened_ms[row], until, to_ms)
            ended, pause = turns.left_ms[leg], turns.pause_ms[leg]
            if leg == last or pause == 0 or turns.start_ms[leg] >= ended or ended >= to_ms:
                continue  # who leaves has no pause: nobody had started
            replied = ended + pause - turns.hold_ms[leg]
            if ended < replied and from_ms < replied:
                pause_begin[n_paused], pause_end[n_paused], whose[n_paused] = ended, replied, CUSTOMER
                n_paused += 1
            if replied < min(ended + pause, to_ms) and from_ms < ended + pause:
                pause_begin[n_paused], pause_end[n_paused], whose[n_paused] = replied, ended + pause, OTHERS
                n_paused += 1
    pauses = pause_begin[:n_paused], pause_end[:n_paused], whose[:n_paused]
    return (begin[:n], end[:n], team[:n]), pauses, oldest


@compiled
def _age(oldest: Ints, team: int, opened_ms: int, until_ms: int, to_ms: int) -> None:
    """Let a ticket that waits until a time count among a team's oldest."""
    age = min(until_ms, to_ms) - opened_ms
    if until_ms >= to_ms:
        oldest[0, team] = max(oldest[0, team], age)
    if age > oldest[1, team]:
        oldest[1, team], oldest[2, team] = age, until_ms >= to_ms
    elif age == oldest[1, team] and until_ms >= to_ms:
        oldest[2, team] = 1
