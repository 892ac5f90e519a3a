"""The compiled twin of the SimPy engine: the same tables, bit for bit, some hundred times as fast.

``reference.py`` defines the desk; what changes is changed there first. Here time is one loop. Minute by minute, all
that is due (what was scheduled, the roots, the tick of the levels) goes into a heap; its first comes next, or an
agent's change of duty, phase before row within an instant; and when nothing is left in the instant, the desk decides.
What is due at or after the horizon is never scheduled. The tables are those of ``sim.engine.arrays``.
"""

from __future__ import annotations

from sim.core.clock import MINUTE_MS, NEVER, PHASE_COMPLAINT, PHASE_DONE, PHASE_LEVELS, PHASE_OPEN, PHASE_SHIFT
from sim.core.jit import compiled, inlined
from sim.demand import Demand
from sim.engine.agenda import drop_first, key_of, pop, push, schedule, stand
from sim.engine.arrays import (
    AFTER, AGES, AT_OPENING, CANDIDATE, CHAINS, CHANGE, CHANGE_AT, CHASE, CLOSED, DECIDING, DRAWN, DUE, DUE_AT, END,
    END_LEG, ENTERED, FINITE, FIRST, FIRST_LEG, FULL, GONE, HAS_LEFT, HEAP, HORIZON, LEAVING, LEG, LEVELS, LISTS,
    LOADED, MOVED, NEXT_WAITER, NOBODY, NOW, OPENED, PARENT, PATIENCE, PATIENCE_OF, PATIENCE_TO, PAUSE, PHASE_BITS,
    PLACE, PLACE_BITS, PLACES, POSTED, POSTED_QUIET, PRIORITY, QUEUE, REOPEN, ROOT, SENT, SIZE, SPARE, START, TAKER,
    TAKERS, TICKET, UNRESOLVED, WAITERS, WHAT_BITS, arrays_of, outcome_of,
)  # fmt: skip
from sim.engine.due_complaints import complaints_of, note_anew, note_unanswered, note_unsolved, post
from sim.engine.hands import can_take, change_duty, go_on, release, take
from sim.engine.setup import NO_TICKET, SENT_TICKET
from sim.feedback import FeedbackParameters, step
from sim.feedback.columns import ADMISSION_COLUMNS
from sim.engine.outcome import LEFT, TURNED_AWAY, DeskOutcome
from sim.staffing.desk import Desk
from sim.staffing.skills import AGE_PRIORITY, LEAVE

# What an agenda entry is about; from IMPATIENT on it is the number of an age rule, for which the order matters.
OPENS, ASKS, BACK, POSTS, IMPATIENT = range(5)
_WHAT = (1 << WHAT_BITS) - 1
_ROW = (1 << (PHASE_BITS - WHAT_BITS)) - 1
_ENTERED = (1 << PLACE_BITS) - 1
LOOKING = 2  # of DECIDING: nothing is to be decided, but a new waiter may have to go, or to grow old
_ROOM, _WAITING = 4096, 8  # the heaps' initial capacity: a minimum, and one place for this number of rows


def simulate(
    demand: Demand, desk: Desk, parameters: FeedbackParameters | None, *, complain_from_opening: bool = False
) -> DeskOutcome:
    """Return what became of every ticket of ``demand`` at ``desk``; see ``reference.simulate``, of which it is a twin.

    Raises ValueError for more tickets, priorities or ages than its tables can hold.
    """
    room = _ROOM + demand.rows // _WAITING
    while True:
        arrays = arrays_of(demand, desk, parameters, at_opening=complain_from_opening, room=room)
        if _run(arrays):
            return outcome_of(arrays)
        room = 4 * room + 1  # a heap was too small: start again, with larger ones


@compiled
def _run(arrays):
    """Run to the horizon; return whether the heaps were large enough."""
    return _loop(arrays)


@inlined
def _loop(arrays):
    """Let happen what is next, until the horizon."""
    n, rows, legs, queues = arrays.n, arrays.rows, arrays.legs, arrays.queues
    staff = (arrays.teams, arrays.agents, arrays.idle)
    agenda, lines, first_due = arrays.agenda, arrays.lines, arrays.first_due
    while not n[FULL]:
        due_ms = agenda[HEAP, 0, 0] if n[DUE] else NEVER
        if n[DECIDING] and due_ms > n[NOW] and n[CHANGE_AT] > n[NOW]:
            _end_instant(n, rows, legs, staff, queues, agenda, lines, first_due)
            continue  # what has been started may be due before
        if n[CHANGE_AT] <= due_ms and _is_next(n, agenda, due_ms):
            n[NOW] = n[CHANGE_AT]
            if change_duty(n, rows, staff, agenda, arrays.changes[n[CHANGE]]):
                n[DECIDING] = 1
            go_on(n, arrays.changes)
            continue
        if not n[DUE]:
            if n[LOADED] * MINUTE_MS >= n[HORIZON]:
                n[NOW] = n[HORIZON]
                _flush(n, rows)
                return True
            _load(n, rows, agenda, arrays.roots)
            continue
        n[NOW], key = agenda[HEAP, 0, 0], agenda[HEAP, 0, 1]
        pop(agenda, HEAP, n[DUE])
        n[DUE] -= 1
        phase, row, what = key >> PHASE_BITS, key >> WHAT_BITS & _ROW, key & _WHAT
        if phase == PHASE_DONE:
            if rows[DUE_AT, row] == n[NOW]:
                _done(n, rows, legs, staff, agenda, first_due, row)
        elif phase == PHASE_LEVELS:
            _tick(n, rows, legs, first_due, arrays, row)
        elif phase == PHASE_COMPLAINT:
            post(n, rows, legs, row)
        elif what == BACK:
            legs[ENTERED, rows[LEG, row]] = n[NOW]
            _wait(n, rows, legs, staff, queues, agenda, lines, row)
        elif what >= IMPATIENT:
            _grow_older(n, rows, legs, staff, queues, agenda, lines, (row, what - IMPATIENT))
        elif rows[PARENT, row] >= 0 and _opening_ms(n, arrays.closed_ms) > n[NOW]:
            schedule(n, agenda, _opening_ms(n, arrays.closed_ms), key)
        elif what == OPENS or _still_asks(n, rows, row):
            _open(n, rows, legs, staff, queues, agenda, lines, row)
    return False


@inlined
def _end_instant(n, rows, legs, staff, queues, agenda, lines, first_due):
    """Decide, now that nothing else is left in the instant; then who began to wait in it has a place, and grows old."""
    if n[DECIDING] != LOOKING:
        _decide(n, rows, legs, staff, queues, agenda, lines)
    n[DECIDING] = 0
    _turn_away(n, rows, legs, queues, agenda, lines)
    _look_ahead(n, rows, legs, queues, agenda, first_due)


@inlined
def _is_next(n, agenda, due_ms):
    """Return whether an agent's change of duty, which is due by ``due_ms``, comes before all else in its minute."""
    if n[CHANGE_AT] >= n[LOADED] * MINUTE_MS:
        return False
    return n[CHANGE_AT] < due_ms or agenda[HEAP, 0, 1] >> PHASE_BITS > PHASE_SHIFT


# --- tickets --------------------------------------------------------------------------------------------------------


@inlined
def _done(n, rows, legs, staff, agenda, first_due, row):
    """Work done: out of hand, then send the ticket on or resolve it (one to be reopened comes back)."""
    now, leg = n[NOW], rows[LEG, row]
    legs[END, leg] = now
    release(n, rows, legs, staff, agenda, row)
    n[DECIDING] = 1
    if leg + 1 == rows[END_LEG, row]:
        rows[CLOSED, row] = now
        n[UNRESOLVED] -= rows[TICKET, row] != NO_TICKET
        child = rows[REOPEN, row]
        if child >= 0:
            schedule(n, agenda, now + rows[AFTER, child], key_of(PHASE_OPEN, child, OPENS))
        return
    if leg == rows[FIRST_LEG, row]:
        note_unsolved(n, rows, legs, first_due, row)
    rows[LEG, row] = leg + 1
    schedule(n, agenda, now + legs[PAUSE, leg], key_of(PHASE_OPEN, row, BACK))


@inlined
def _still_asks(n, rows, row):
    """Return whether a customer asks again: unless the ticket in question is resolved by now."""
    parent = rows[PARENT, row]
    return rows[CLOSED, parent] > n[NOW] or rows[HAS_LEFT, parent]


@inlined
def _opening_ms(n, closed_ms):
    """Return when a ticket that would be opened now is: at the end of a closure, in one."""
    opening = n[NOW]
    for i in range(len(closed_ms)):
        if closed_ms[i, 0] <= opening < closed_ms[i, 1]:
            opening = closed_ms[i, 1]
    return opening


@inlined
def _open(n, rows, legs, staff, queues, agenda, lines, row):
    """Open a ticket now and queue it for its first leg."""
    rows[OPENED, row] = n[NOW]
    if rows[TICKET, row] != NO_TICKET:
        n[SENT] += rows[TICKET, row] == SENT_TICKET
        n[UNRESOLVED] += 1
        _expect_to_leave(n, rows, row, 1)
    child = rows[CHASE, row]
    if child >= 0:
        schedule(n, agenda, n[NOW] + rows[AFTER, child], key_of(PHASE_OPEN, child, ASKS))
    legs[ENTERED, rows[FIRST_LEG, row]] = n[NOW]
    _wait(n, rows, legs, staff, queues, agenda, lines, row)


@inlined
def _expect_to_leave(n, rows, row, change):
    """Note (1) at which tick a customer's patience will have ended, or (-1) that the ticket was taken up before."""
    if n[GONE] and rows[TICKET, row] != NO_TICKET and rows[LEAVING, row] < n[HORIZON] - rows[OPENED, row]:
        n[n[GONE] + (rows[OPENED, row] + rows[LEAVING, row]) // MINUTE_MS + 1] += change


@inlined
def _wait(n, rows, legs, staff, queues, agenda, lines, row):
    """Put a ticket into its queue now; where it alone can start, it starts at once."""
    now, queue = n[NOW], legs[QUEUE, rows[LEG, row]]
    # A ticket that waits already finds no agent free, or there would be a decision to come; a clock that starts at
    # opening is noted after it. Who is alone and finds none leaves nothing to decide.
    alone = not n[DECIDING] and (not n[DUE] or agenda[HEAP, 0, 0] > now) and not n[AT_OPENING]
    if alone:
        for taker in range(LISTS, LISTS + TAKER * queues[queue, TAKERS], TAKER):
            if can_take(staff[0], queues[queue, taker + 2], queues[queue, taker + 3]):
                _start(n, rows, legs, staff, agenda, row, (queues[queue, taker + 2], queues[queue, taker + 3]))
                return
    stand(n, rows, queues, lines, (row, queue, rows[PRIORITY, row] << PLACE_BITS | now))
    n[DECIDING] = LOOKING if alone else 1
    if n[LEVELS] or queues[queue, AGES] or queues[queue, PATIENCE_TO] != LEAVE:
        rows[NEXT_WAITER, row], n[WAITERS] = n[WAITERS], row


@inlined
def _look_ahead(n, rows, legs, queues, agenda, first_due):
    """Schedule what a long wait will do to those who began to wait at this instant and still do after the decision."""
    now = n[NOW]
    while n[WAITERS] != NOBODY:
        row = n[WAITERS]
        n[WAITERS] = rows[NEXT_WAITER, row]
        waits, queue = rows[PLACE, row] != NOBODY, legs[QUEUE, rows[LEG, row]]
        if n[LEVELS] and rows[OPENED, row] == now and (waits or n[AT_OPENING]):
            note_unanswered(n, rows, first_due, row)
        if not waits:
            continue
        if _has_impatience(n, rows, queues, row, queue):
            schedule(n, agenda, now + max(rows[PATIENCE, row], 1), key_of(PHASE_OPEN, row, IMPATIENT))
        first = LISTS + TAKER * queues[queue, TAKERS]
        for number in range(queues[queue, AGES]):
            due_ms = now + queues[queue, first + 3 * number]
            schedule(n, agenda, due_ms, key_of(PHASE_OPEN, row, IMPATIENT + 1 + number))


@inlined
def _has_impatience(n, rows, queues, row, queue):
    """Return whether the end of a customer's patience will move the ticket: only before its first answer."""
    waits = rows[LEG, row] == rows[FIRST_LEG, row]
    return waits and queues[queue, PATIENCE_TO] != LEAVE and rows[PATIENCE, row] < n[HORIZON]


@inlined
def _grow_older(n, rows, legs, staff, queues, agenda, lines, which):
    """A ticket still waiting moves to its next queue (entry time now) or a better priority (entry time kept).

    ``which`` is its row, and 0 for impatience or the age rule's number from 1. The event of a wait that has ended is
    known by its time: it is not the one at which the wait of now, if there is one, grows that old.
    """
    row, number = which
    place, queue = rows[PLACE, row], legs[QUEUE, rows[LEG, row]]
    entered = place & _ENTERED
    if place == NOBODY or number > queues[queue, AGES]:
        return
    if number == 0:
        if not _has_impatience(n, rows, queues, row, queue):
            return
        after_ms, kind, to = max(rows[PATIENCE, row], 1), LEAVE, queues[queue, PATIENCE_TO]
    else:
        rule = LISTS + TAKER * queues[queue, TAKERS] + 3 * (number - 1)
        after_ms, kind, to = queues[queue, rule], queues[queue, rule + 1], queues[queue, rule + 2]
    if n[NOW] - entered != after_ms:
        return
    if _gone(n, rows, row):
        _leave(rows, row)
    elif kind == AGE_PRIORITY:
        if to < place >> PLACE_BITS:
            stand(n, rows, queues, lines, (row, queue, to << PLACE_BITS | entered))
    else:
        if number == 0:
            rows[MOVED, row] = min(rows[MOVED, row], n[NOW])
            if queues[queue, PATIENCE_OF] != NOBODY:  # back here it waits without end
                rows[queues[queue, PATIENCE_OF], row] = NEVER
        legs[QUEUE, rows[LEG, row]] = to
        _wait_anew(n, rows, queues, agenda, row, to)
        _wait(n, rows, legs, staff, queues, agenda, lines, row)


@inlined
def _wait_anew(n, rows, queues, agenda, row, queue):
    """Give a ticket that a wait moves, if it has had no answer, the patience with the queue that it now enters."""
    if rows[LEG, row] != rows[FIRST_LEG, row]:
        return
    own = queues[queue, PATIENCE_OF]
    rows[PATIENCE, row] = NEVER if own == NOBODY else rows[own, row]
    leaves = queues[queue, PATIENCE_TO] == LEAVE and rows[PATIENCE, row] < n[HORIZON]
    _leaves_at(n, rows, agenda, row, n[NOW] + rows[PATIENCE, row] if leaves else NEVER)


@inlined
def _leaves_at(n, rows, agenda, row, deadline):
    """Change the deadline of a ticket that waits for its first answer, and what hangs on it."""
    _expect_to_leave(n, rows, row, -1)
    rows[LEAVING, row] = NEVER if deadline == NEVER else deadline - rows[OPENED, row]
    _expect_to_leave(n, rows, row, 1)
    note_anew(n, rows, agenda, row, POSTS)


@inlined
def _gone(n, rows, row):
    """Return whether the customer of a waiting ticket has left for good: only the first leg has an end."""
    first = rows[LEG, row] == rows[FIRST_LEG, row]
    return first and rows[LEAVING, row] < n[NOW] - rows[OPENED, row]


@inlined
def _leave(rows, row):
    """Let an impatient customer go: stamped with the deadline, however late it is noticed."""
    rows[CLOSED, row] = rows[OPENED, row] + rows[LEAVING, row]
    rows[HAS_LEFT, row], rows[PLACE, row] = LEFT, NOBODY


@inlined
def _flush(n, rows):
    """At the horizon, release the customers whose patience has ended before it."""
    for row in range(rows.shape[1]):
        if rows[PLACE, row] != NOBODY and _gone(n, rows, row):
            _leave(rows, row)


# --- decisions ------------------------------------------------------------------------------------------------------


@inlined
def _decide(n, rows, legs, staff, queues, agenda, lines):
    """While a team has an agent who can take from a queue with a waiter, start the best pair of them."""
    while True:
        best, best_queue, places = (0, 0, 0, 0, 0), NOBODY, 0
        for queue in range(len(queues)):
            if not queues[queue, SIZE]:
                continue
            for taker in range(LISTS, LISTS + TAKER * queues[queue, TAKERS], TAKER):
                team = queues[queue, taker + 2]
                if can_take(staff[0], team, queues[queue, taker + 3]):  # the best who could take from this queue
                    place, row = _head(n, rows, legs, queues, lines, queue)
                    pair = (queues[queue, taker], place, row, queues[queue, taker + 1], team)
                    if row != NOBODY and (best_queue == NOBODY or pair < best):
                        best, best_queue, places = pair, queue, queues[queue, taker + 3]
                    break
        if best_queue == NOBODY:
            return
        drop_first(queues, lines, best_queue)
        _start(n, rows, legs, staff, agenda, best[2], (best[4], places))


@inlined
def _head(n, rows, legs, queues, lines, queue):
    """Return place and row of who stands first in a queue; stale places and who has left are dropped on the way."""
    while queues[queue, SIZE]:
        place, row = lines[queue, 0, 0], lines[queue, 0, 1]
        if rows[PLACE, row] == place and legs[QUEUE, rows[LEG, row]] == queue:
            if not _gone(n, rows, row):
                return place, row
            _leave(rows, row)
        drop_first(queues, lines, queue)
    return 0, NOBODY


@inlined
def _turn_away(n, rows, legs, queues, agenda, lines):
    """Turn away, the highest row first, who came at this instant for a first answer and finds no place to wait."""
    for queue in range(len(queues) if n[FINITE] else 0):
        while queues[queue, SIZE] > queues[queue, PLACES]:
            last = _last_comer(n, rows, legs, queues, lines, queue)
            if last == NOBODY or queues[queue, SIZE] <= queues[queue, PLACES]:
                break
            _leaves_at(n, rows, agenda, last, n[NOW])
            _leave(rows, last)
            rows[HAS_LEFT, last] = TURNED_AWAY


@inlined
def _last_comer(n, rows, legs, queues, lines, queue):
    """Keep in a line only those who stand in it; return the highest row of those who could be turned away."""
    last, size = NOBODY, queues[queue, SIZE]
    queues[queue, SIZE] = 0
    for i in range(size):
        place, row = lines[queue, i, 0], lines[queue, i, 1]
        if rows[PLACE, row] != place or legs[QUEUE, rows[LEG, row]] != queue:
            continue
        if _gone(n, rows, row):
            _leave(rows, row)
            continue
        push(lines, queue, queues[queue, SIZE], place, row)
        queues[queue, SIZE] += 1
        if place & _ENTERED == n[NOW] and rows[LEG, row] == rows[FIRST_LEG, row]:
            last = max(last, row)
    return last


@inlined
def _start(n, rows, legs, staff, agenda, row, by):
    """Begin work, ``by`` a team, of which an agent can take it, and beside how many he may hold it."""
    leg = rows[LEG, row]
    if leg == rows[FIRST_LEG, row]:
        _expect_to_leave(n, rows, row, -1)
    rows[PLACE, row] = NOBODY
    legs[START, leg] = n[NOW]
    take(n, rows, legs, staff, agenda, row, *by)


# --- the minute -----------------------------------------------------------------------------------------------------


@inlined
def _tick(n, rows, legs, first_due, arrays, minute):
    """Count the complaints of the minute before, step the levels, admit the coming minute's candidates."""
    complaints, unanswerable = complaints_of(rows, legs, first_due, minute - 1, n[AT_OPENING]) if minute else (0, 0)
    complaints, unanswerable = complaints + n[POSTED], unanswerable + n[POSTED_QUIET]
    if n[GONE]:
        n[UNRESOLVED] -= n[n[GONE] + minute]
    step(minute + 1, (complaints, unanswerable, n[SENT], n[UNRESOLVED]), arrays.levels)
    n[SENT], n[POSTED], n[POSTED_QUIET] = 0, 0, 0
    for stream in range(len(arrays.ends)):
        level = arrays.levels.floats[minute + 1, ADMISSION_COLUMNS[stream]]
        first, end = n[CANDIDATE + stream], arrays.ends[stream]
        n[CANDIDATE + stream] = _admit(n, rows, arrays.agenda, arrays.candidates, arrays.marks, first, end, level)


@inlined
def _admit(n, rows, agenda, stream, marks, first, end, level):
    """Open, each at its time, the coming minute's candidates whose mark is under the level; return the next one."""
    end_ms = n[NOW] + MINUTE_MS
    while first < end and rows[DRAWN, stream[first]] < end_ms:
        if marks[first] < level:
            schedule(n, agenda, rows[DRAWN, stream[first]], key_of(PHASE_OPEN, stream[first], OPENS))
        first += 1
    return first


# --- the agenda -------------------------------------------------------------------------------------------------------


@inlined
def _moot(n, rows, row, what):
    """Return whether an event will change nothing: the wait that grows old has ended, or the question is answered."""
    if what >= IMPATIENT:
        return rows[PLACE, row] == NOBODY
    return what == ASKS and not _still_asks(n, rows, row)


@inlined
def _load(n, rows, agenda, roots):
    """Put what is due in the next minute into the heap, which so stays small."""
    minute = n[LOADED]
    end_ms = min((minute + 1) * MINUTE_MS, n[HORIZON])
    n[LOADED] += 1
    link = n[FIRST + minute]
    while link != NOBODY:
        after, key = agenda[CHAINS, link, 2], agenda[CHAINS, link, 1]
        if not _moot(n, rows, key >> WHAT_BITS & _ROW, key & _WHAT):
            schedule(n, agenda, agenda[CHAINS, link, 0], key)
        agenda[CHAINS, link, 2] = n[SPARE]
        n[SPARE] = link
        link = after
    while n[ROOT] < len(roots) and rows[DRAWN, roots[n[ROOT]]] < end_ms:
        schedule(n, agenda, rows[DRAWN, roots[n[ROOT]]], key_of(PHASE_OPEN, roots[n[ROOT]], OPENS))
        n[ROOT] += 1
    if n[LEVELS]:
        schedule(n, agenda, minute * MINUTE_MS, key_of(PHASE_LEVELS, minute, OPENS))
