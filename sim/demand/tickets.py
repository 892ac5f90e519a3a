"""The rows of a demand: each ticket's itinerary, its customer's expectations and actions, its children. Compiled."""

from __future__ import annotations

import numpy as np

from sim.core.arrays import Floats, Ints, Mask
from sim.core.clock import NEVER
from sim.core.jit import compiled, inlined
from sim.demand.arrivals import (
    PERSON_CATEGORY,
    PERSON_KEY,
    PERSON_LAYER,
    PERSON_OPENED,
    PERSON_STREAM,
)
from sim.demand.demand import CANDIDATE, CHASE, REOPEN, ROOT, TASK, mark_in_layer
from sim.demand.durations import drawn_ms
from sim.demand.itineraries import LEG_QUEUE, Paths, first_contact, question, reopened
from sim.numerics.streams import Key, mix, purpose_key, uniform

(CATEGORY, KIND, PARENT, OPENED, PRIORITY, PATIENCE, TARGET, COMPLAINT, AFTER, CHASE_ROW, REOPEN_ROW, STREAM,
 LEGS_FROM) = range(13)  # fmt: skip
ROW_COLUMNS = 13
"""The columns of a demand's rows; LEGS_FROM goes on to the row after the last."""
KEY, LAST_STEP, GENERATION = range(3)
OWN_COLUMNS = 3
"""What a row has only while it is drawn: its key as a signed number, the step that solves it, how many ancestors."""
GENERATIONS_MAX = 60

_PATIENCE, _COMPLAINT, _REGULATOR, _MARK, _AFTER, _ASKS_AGAIN, _COMES_BACK = (
    purpose_key(name) for name in ("patience", "complaint", "regulator", "mark", "after", "asks again", "comes back")
)
_QUESTION, _REOPENED = purpose_key("child: question"), purpose_key("child: reopened")


@compiled
def draw_rows(
    paths: Paths, people: Ints, n_people: int, rows: Ints, own: Ints, legs: Ints
) -> tuple[Ints, Ints, int, int, Floats, Mask, Ints]:
    """Draw everything about ``n_people`` tickets for people (roots, then candidates) and about their children.

    ``rows``, ``own`` and ``legs`` are room, and made larger if need be. Returns rows, legs, how many of each there
    are, marks, regulator flags, and the patience with queues that a wait may lead to.
    """
    _begin(paths, people, n_people, rows, own)
    row: int = np.int64(0)  # type: ignore[assignment]  # for a literal, all would be compiled once more
    n, at = n_people, row
    while True:
        row, n, at = _draw_on(paths, rows, own, legs, row, n, at)
        if row == n:
            break
        rows, own, legs = _larger(rows, n), _larger(own, n), _larger(legs, at)
    rows[LEGS_FROM, n] = at
    mark, regulator = np.zeros(n), np.zeros(n, np.bool_)
    _flag(paths, people, rows, own, n_people, mark, regulator)
    moved_patience_ms = np.empty((len(paths.moved), n), np.int64)
    _expect_of_others(paths, own, n, moved_patience_ms)
    return rows, legs, n, at, mark, regulator, moved_patience_ms


@compiled
def _larger(table: Ints, used: int) -> Ints:
    """Return a table of more than twice the room, with what is used of this one."""
    out = np.empty((table.shape[0], 2 * table.shape[1] + 64), np.int64)
    for column in range(table.shape[0]):
        for i in range(used):
            out[column, i] = table[column, i]
    return out


@inlined
def _begin(paths: Paths, people: Ints, n_people: int, rows: Ints, own: Ints) -> None:
    """Write the rows of the tickets without a parent; a task may also be a feedback level's candidate."""
    for i in range(n_people):
        category, kind = people[i, PERSON_CATEGORY], CANDIDATE
        if paths.categories[category].task:
            kind = TASK
        elif people[i, PERSON_STREAM] < 0:
            kind = ROOT
        _row(rows, own, i, people[i, PERSON_KEY], kind, category)
        rows[OPENED, i], rows[STREAM, i] = people[i, PERSON_OPENED], people[i, PERSON_STREAM]


@inlined
def _row(rows: Ints, own: Ints, row: int, key: int | Key, kind: int, category: int) -> None:
    """Write a row as it is born, without parent, time, stream, or children."""
    own[KEY, row], own[GENERATION, row] = key, 0
    rows[CATEGORY, row], rows[KIND, row], rows[PARENT, row] = category, kind, -1
    rows[OPENED, row], rows[STREAM, row], rows[AFTER, row] = NEVER, -1, 0
    rows[CHASE_ROW, row], rows[REOPEN_ROW, row] = -1, -1


@inlined
def _draw_on(paths: Paths, rows: Ints, own: Ints, legs: Ints, row: int, n: int, at: int) -> tuple[int, int, int]:
    """Draw row after row, the children behind all others, while there is room; return the next row and both numbers."""
    rows_most, legs_most = rows.shape[1] - 3, legs.shape[1] - paths.legs_most
    while row < n <= rows_most and at <= legs_most:
        rows[LEGS_FROM, row] = at
        at = _itinerary(paths, rows, own, legs, row, at)
        _expect(paths, rows, own, legs, row)
        n = _children(paths, rows, own, row, n)
        row += 1
    return row, n, at


@inlined
def _itinerary(paths: Paths, rows: Ints, own: Ints, legs: Ints, row: int, at: int) -> int:
    """Write the legs of a row from ``at`` on; return where they end."""
    key, kind = Key(own[KEY, row]), rows[KIND, row]
    if kind == CHASE:
        return question(paths, legs, at, key)
    if kind == REOPEN:
        return reopened(paths, legs, at, key, own[LAST_STEP, row])
    at, own[LAST_STEP, row] = first_contact(paths, legs, at, key, rows[CATEGORY, row])
    return at


@inlined
def _expect(paths: Paths, rows: Ints, own: Ints, legs: Ints, row: int) -> None:
    """Write priority, and when the customer loses patience or goes public; target and patience are its first queue's.

    A question never goes public: the ticket that it is about does.
    """
    key, category = Key(own[KEY, row]), paths.categories[rows[CATEGORY, row]]
    queue = paths.queues[legs[LEG_QUEUE, rows[LEGS_FROM, row]]]
    patience_ms = complaint_ms = NEVER
    if queue.patience >= 0:
        patience_ms = drawn_ms(paths.distributions, queue.patience, uniform(key, _PATIENCE))
    if category.complaint >= 0 and rows[KIND, row] != CHASE:
        complaint_ms = max(drawn_ms(paths.distributions, category.complaint, uniform(key, _COMPLAINT)), 1)
    rows[PRIORITY, row], rows[TARGET, row] = category.priority, queue.target_ms
    rows[PATIENCE, row], rows[COMPLAINT, row] = patience_ms, complaint_ms


@inlined
def _expect_of_others(paths: Paths, own: Ints, n: int, patience_ms: Ints) -> None:
    """Write, by queue that a wait may lead to and row, how long its customer waits there from then on."""
    for line in range(len(paths.moved)):
        to = paths.moved[line]
        for row in range(n):
            u = uniform(Key(own[KEY, row]) ^ to.key, _PATIENCE)
            patience_ms[line, row] = drawn_ms(paths.distributions, paths.queues[to.queue].patience, u)


@inlined
def _children(paths: Paths, rows: Ints, own: Ints, row: int, n: int) -> int:
    """Write the rows reserved for a ticket's children from row ``n`` on; return the row after them.

    A customer may ask again about whatever waits; a question that was answered, or a task, does not come back.
    """
    key, loops = Key(own[KEY, row]), paths.loops
    if own[GENERATION, row] >= GENERATIONS_MAX:
        return n
    if loops.recontact_share > 0.0 and uniform(key, _ASKS_AGAIN) < loops.recontact_share:
        n = _child(paths, rows, own, row, n, CHASE)
    ticket = rows[KIND, row] != CHASE and rows[KIND, row] != TASK
    if loops.reopen_share > 0.0 and ticket and uniform(key, _COMES_BACK) < loops.reopen_share:
        n = _child(paths, rows, own, row, n, REOPEN)
    return n


@inlined
def _child(paths: Paths, rows: Ints, own: Ints, parent: int, n: int, kind: int) -> int:
    """Write the row of a child; its key comes from its parent's, so its numbers depend on its ancestry alone."""
    letter = _QUESTION if kind == CHASE else _REOPENED
    after = paths.loops.recontact_after if kind == CHASE else paths.loops.reopen_after
    key = mix(Key(own[KEY, parent]) ^ letter)
    _row(rows, own, n, key, kind, rows[CATEGORY, parent])
    own[LAST_STEP, n], own[GENERATION, n] = own[LAST_STEP, parent], own[GENERATION, parent] + 1
    rows[PARENT, n], rows[AFTER, n] = parent, max(drawn_ms(paths.distributions, after, uniform(key, _AFTER)), 1)
    rows[CHASE_ROW if kind == CHASE else REOPEN_ROW, parent] = n
    return n + 1


@inlined
def _flag(paths: Paths, people: Ints, rows: Ints, own: Ints, n_people: int, mark: Floats, regulator: Mask) -> None:
    """Mark the candidates, and flag the customers who would turn to a regulator."""
    for i in range(n_people):
        key = Key(own[KEY, i])
        regulator[i] = rows[KIND, i] != TASK and uniform(key, _REGULATOR) < paths.loops.regulator_share
        if rows[STREAM, i] >= 0:
            mark[i] = mark_in_layer(uniform(key, _MARK), people[i, PERSON_LAYER])
