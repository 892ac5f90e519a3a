"""The input of one replication as tables: its tickets, their legs, and the requests by the minute."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats, Ints
from sim.core.jit import compiled, inlined
from sim.feedback import FeedbackInputs

ROOT, CANDIDATE, REOPEN, CHASE, TASK = range(5)
KINDS = ("root", "candidate", "reopen", "chase", "task")
"""A task is work that no customer asked for: it is opened like a root, but is no ticket."""


_LAYER_BITS = 3


def share_held(layers: int) -> float:
    """Return the largest admission share that the candidates of the first layer, and of so many more, allow."""
    return float(1 << _LAYER_BITS * layers)


@inlined
def mark_in_layer(u: float, layer: int) -> float:
    """Return the mark of a candidate: those of layer 0 lie in [0, 1), of layer k in [8^(k - 1), 8^k)."""
    if layer == 0:
        return u
    return (1 << _LAYER_BITS * (layer - 1)) * (1.0 + ((1 << _LAYER_BITS) - 1) * u)


@compiled
def marks_in_layer(u: Floats, layer: int) -> Floats:
    """Return the marks of candidates of one layer."""
    out = np.empty(len(u))
    for i in range(len(u)):
        out[i] = mark_in_layer(u[i], layer)
    return out


@dataclass(frozen=True)
class BotCandidates:
    """Candidates of a feedback level that the bot ends if they come: they touch no desk, so they have no row."""

    stream: int
    category: int
    layer: int
    opened_ms: Ints
    ordinals: Ints
    mark: NDArray[np.float64]


@dataclass(frozen=True)
class Demand:
    """The tickets of one replication, one row each: roots by time, then candidates by time, then children.

    ``opened_ms`` is NEVER for children, whose time the engine finds. ``legs_from`` has one element more than rows;
    the legs of row i, one or more, are legs_from[i] to legs_from[i + 1]. The last ``leg_hold_ms`` of a leg's pause are
    the turn of others, the rest is the customer's (no engine asks whose). ``patience_ms`` is that with the first queue
    and counts from opening, ``target_ms`` too (NEVER without one); ``moved_patience_ms`` has a line for each queue of
    ``moved_to``, from entering it where a wait moved the ticket there, and other queues then have no patience.
    ``complaint_after_ms`` counts from the start of the complaint clock.
    ``chase`` and ``reopen`` are the rows of the children (-1 for none) and ``after_ms`` is a child's own delay.
    ``mark`` admits a candidate of ``stream``: all marks below ``held_shares``, by stream, are there, 1 if empty.
    ``regulator`` flags customers who turn to a regulator. The
    roots that the bot ends have no row: by category ``bot_opened_ms`` has their times, in no order, and
    ``bot_ordinals`` what addresses their draws. Complaints about the categories numbered in ``unanswerable`` may not be
    answered in public. ``spam_ms`` are the times of a campaign's worthless tickets, in order: a filter ends them at
    once, so nothing but the endpoint sees them. In each of ``closed_ms`` (begin, end) no customer can open a ticket:
    reopenings and questions wait for its end.
    """

    categories: tuple[str, ...]
    category: Ints
    kind: Ints
    parent: Ints
    opened_ms: Ints
    priority: Ints
    patience_ms: Ints
    target_ms: Ints
    complaint_after_ms: Ints
    regulator: NDArray[np.bool_]
    after_ms: Ints
    chase: Ints
    reopen: Ints
    stream: Ints
    mark: NDArray[np.float64]
    legs_from: Ints
    leg_queue: Ints
    leg_handle_ms: Ints
    leg_pause_ms: Ints
    leg_hold_ms: Ints
    bot_opened_ms: tuple[Ints, ...]
    bot_ordinals: tuple[Ints, ...]
    inputs: FeedbackInputs
    bot_candidates: tuple[BotCandidates, ...] = ()
    held_shares: tuple[float, ...] = ()
    unanswerable: tuple[int, ...] = ()
    spam_ms: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    closed_ms: Ints = field(default_factory=lambda: np.empty((0, 2), np.int64))
    moved_to: tuple[int, ...] = ()
    moved_patience_ms: Ints = field(default_factory=lambda: np.empty((0, 0), np.int64))

    @property
    def rows(self) -> int:
        """Return how many rows there are; bot-ended roots have none (see ``bot_opened_ms``, by category)."""
        return len(self.opened_ms)

    @property
    def quiet(self) -> NDArray[np.bool_]:
        """By row, whether a complaint about it may not be answered in public."""
        return np.isin(self.category, self.unanswerable)
