"""The faults that are planted in the engines, and how many worlds of the swarm it takes to notice each.

``python -m tests.tools.planted`` prints the table.
"""

from __future__ import annotations

import sys

from tests.tools.planted_withdrawals import MIXTURES, OTHERS
from tests.tools.planting import WORLDS, Change, Fault, interpreted, noticed


def fast(name: str, old: str, new: str, *more: Change) -> Fault:
    """Return a fault of ``sim/engine/compiled.py``."""
    return Fault(name, (Change("engine/compiled", old, new), *more))


def elsewhere(file: str, name: str, old: str, new: str, *more: Change) -> Fault:
    """Return a fault of another file of the compiled engine."""
    return Fault(name, (Change(file, old, new), *more))


def hands(name: str, old: str, new: str) -> Fault:
    """Return a fault in what agents have in hand."""
    return elsewhere("engine/hands", name, old, new)


def public(name: str, old: str, new: str, file: str = "public") -> Fault:
    """Return a fault in what the public does, or in one of its mechanisms."""
    return elsewhere(f"feedback/{file}", name, old, new)


COPIES, TRUST, PANIC = (f"mechanisms/{name}" for name in ("copies", "trust", "panic"))
NO_ROOM = Change("engine/compiled", "_ROOM, _WAITING = 4096, 8", "_ROOM, _WAITING = 0, 1 << 60")

FAULTS = (
    # phases
    fast(
        "openings come before work done",
        "PHASE_OPEN, PHASE_SHIFT\n",
        "PHASE_OPEN, PHASE_SHIFT\nPHASE_DONE, PHASE_OPEN = PHASE_OPEN, PHASE_DONE\n",
    ),
    fast("decides after every event", "n[DECIDING] and due_ms > n[NOW] and n[CHANGE_AT] > n[NOW]", "n[DECIDING]"),
    elsewhere(
        "engine/agenda", "what is due at the horizon happens", "if due_ms >= n[HORIZON]:", "if due_ms > n[HORIZON]:"
    ),
    fast(
        "a lone waiter overtakes what is due at the same instant",
        "(not n[DUE] or agenda[HEAP, 0, 0] > now)",
        "True",
    ),
    fast("what may still happen is dropped as moot", "return rows[PLACE, row] == NOBODY", "return True"),
    fast("pauses take no time", "now + legs[PAUSE, leg]", "now"),
    # decisions
    fast("ranks are ignored", "pair = (queues[queue, taker], place,", "pair = (0, place,"),
    elsewhere(
        "engine/arrays",
        "preferences are ignored",
        "zip(takers(desk), desk.ages,",
        "zip([sorted((r, 0, t) for r, _, t in one) for one in takers(desk)], desk.ages,",
    ),
    fast("priorities are ignored", "rows[PRIORITY, row] << PLACE_BITS | now", "5 << PLACE_BITS | now"),
    elsewhere(
        "engine/agenda", "the heap rises by its first key alone", "if a < x or (a == x and b <= y):", "if a <= x:"
    ),
    elsewhere("engine/agenda", "the heap sinks by its first key alone", "(c < a) | ((c == a) & (d < b))", "c < a"),
    fast(
        "the last team that can takes",
        "range(LISTS, LISTS + TAKER * queues[queue, TAKERS], TAKER):\n                team =",
        "range(LISTS + TAKER * (queues[queue, TAKERS] - 1), LISTS - 1, -TAKER):\n                team =",
    ),
    fast(
        "stale places count",
        "if rows[PLACE, row] == place and legs[QUEUE, rows[LEG, row]] == queue:",
        "if rows[PLACE, row] != NOBODY:",
    ),
    # agents and what they have in hand
    hands("who has gone takes more", "agents[agent, DUTY] == ON_DUTY and ", ""),
    hands(
        "an e-mail does not fill a hand", "held + 1, min(agents[agent, CAP], places)", "held + 1, agents[agent, CAP]"
    ),
    hands(
        "a hand stays as full as it was",
        "agents[agent, CAP] = last, cap",
        "agents[agent, CAP] = last, agents[agent, CAP]",
    ),
    hands(
        "work that is due is rounded down",
        "left = rows[WORK_LEFT, row]\n",
        "left = rows[WORK_LEFT, row] // speed * speed\n",
    ),
    hands("who learns is as fast as all", "full * agents[agent, PRODUCTIVITY] // WORK_UNITS", "full"),
    hands(
        "a second ticket leaves the first as fast as it was",
        "legs[AGENT, leg] = agent\n    _reckon(n, rows, staff, agenda, agent)",
        "legs[AGENT, leg] = agent\n"
        "    rows[DUE_AT, row] = n[NOW] + -(-rows[WORK_LEFT, row] // _speed(n, staff, agent))\n"
        "    schedule(n, agenda, rows[DUE_AT, row], key_of(PHASE_DONE, row, 0))",
    ),
    hands(
        "what is left in a hand goes no faster",
        "rows[DUE_AT, row] = NEVER\n    _enlist(n, staff, agent)\n    _reckon(n, rows, staff, agenda, agent)",
        "rows[DUE_AT, row] = NEVER\n    _enlist(n, staff, agent)",
    ),
    hands("work is settled once only", "    agents[agent, SETTLED] = n[NOW]\n", ""),
    fast(
        "what was due before a hand changed is done",
        "if rows[DUE_AT, row] == n[NOW]:",
        "if rows[DUE_AT, row] < 1 << 62:",
    ),
    # patience and age
    fast(
        "who can start at the deadline has left",
        "rows[LEAVING, row] < n[NOW] - rows[OPENED, row]",
        "rows[LEAVING, row] <= n[NOW] - rows[OPENED, row]",
    ),
    fast("patience ends later legs, too", "return first and rows[LEAVING, row]", "return rows[LEAVING, row]"),
    fast(
        "who has left counts as resolved",
        "rows[HAS_LEFT, row], rows[PLACE, row] = LEFT, NOBODY",
        "rows[HAS_LEFT, row], rows[PLACE, row] = 0, NOBODY",
    ),
    fast("nobody is flushed at the horizon", "                _flush(n, rows)\n", ""),
    fast("impatience moves who has had an answer", "return waits and", "return"),
    fast(
        "a queue's own patience does not hold for who is moved", "NEVER if own == NOBODY else rows[own, row]", "NEVER"
    ),
    fast(
        "who is moved keeps the old deadline",
        "_leaves_at(n, rows, agenda, row, n[NOW] + rows[PATIENCE, row] if",
        "return  # ",
    ),
    fast(
        "patience with a new queue counts from opening",
        "n[NOW] + rows[PATIENCE, row] if",
        "rows[OPENED, row] + rows[PATIENCE, row] if",
    ),
    fast("impatience goes round in a circle", "rows[queues[queue, PATIENCE_OF], row] = NEVER", "pass"),
    fast("a complaint keeps the old queue's time", "    note_anew(n, rows, agenda, row, POSTS)\n", ""),
    elsewhere(
        "engine/due_complaints",
        "a complaint is made at its old time, too",
        "begun and rows[POSTS_AT, row] == NOBODY",
        "begun",
    ),
    elsewhere(
        "engine/due_complaints",
        "a complaint is made at each of its times",
        "if rows[POSTS_AT, row] != n[NOW]:",
        "if False:",
    ),
    # places
    fast("nobody is turned away", "range(len(queues) if n[FINITE] else 0)", "range(0)"),
    fast(
        "one more may wait than there are places",
        "while queues[queue, SIZE] > queues[queue, PLACES]:",
        "while queues[queue, SIZE] > queues[queue, PLACES] + 1:",
    ),
    fast(
        "who has been answered is turned away",
        "n[NOW] and rows[LEG, row] == rows[FIRST_LEG, row]:\n            last",
        "n[NOW]:\n            last",
    ),
    fast("who waited before is driven out", "if place & _ENTERED == n[NOW] and rows[LEG", "if rows[LEG"),
    fast(
        "the first who came is turned away", "last = max(last, row)", "last = row if last == NOBODY else min(last, row)"
    ),
    fast(
        "who has lost patience takes a place",
        "        if _gone(n, rows, row):\n            _leave(rows, row)\n            continue\n",
        "",
    ),
    fast("who is turned away has left", "rows[HAS_LEFT, last] = TURNED_AWAY", "pass"),
    fast("a new priority forgets when the queue was entered", "<< PLACE_BITS | entered))", "<< PLACE_BITS | n[NOW]))"),
    fast("age makes a priority worse", "if to < place >> PLACE_BITS:", "if True:"),
    fast(
        "a new queue keeps when the old one was entered",
        "_wait_anew(n, rows, queues, agenda, row, to)\n        _wait(n, rows, legs, staff, queues, agenda, lines, row)",
        "_wait_anew(n, rows, queues, agenda, row, to)\n        n[DECIDING] = 1\n"
        "        stand(n, rows, queues, lines, (row, to, rows[PRIORITY, row] << PLACE_BITS | entered))",
    ),
    fast(
        "the age of a wait that has ended counts",
        "if n[NOW] - entered != after_ms:",
        "if n[NOW] - entered < 1:",
    ),
    fast(
        "who has left grows old", "    if _gone(n, rows, row):\n        _leave(rows, row)\n    elif kind", "    if kind"
    ),
    # children
    fast(
        "a chase opens although its parent is resolved",
        "return rows[CLOSED, parent] > n[NOW] or rows[HAS_LEFT, parent]",
        "return True",
    ),
    fast("a chase opens as its parent is resolved", "rows[CLOSED, parent] > n[NOW]", "rows[CLOSED, parent] >= n[NOW]"),
    fast("who has left asks no more", " or rows[HAS_LEFT, parent]", ""),
    # live levels
    fast(
        "the level is that of the minute before",
        "arrays.levels.floats[minute + 1, ADMISSION_COLUMNS[stream]]",
        "arrays.levels.floats[minute, ADMISSION_COLUMNS[stream]]",
    ),
    fast("a mark equal to the level is admitted", "if marks[first] < level:", "if marks[first] <= level:"),
    fast(
        "complaints are counted a minute early",
        "complaints_of(rows, legs, first_due, minute - 1,",
        "complaints_of(rows, legs, first_due, minute,",
    ),
    elsewhere(
        "engine/due_complaints",
        "a resolution as the complaint is due does not prevent it",
        "rows[CLOSED, row] > due_ms",
        "rows[CLOSED, row] >= due_ms",
    ),
    elsewhere(
        "engine/due_complaints",
        "an answer at the target is late",
        "begun = at_opening or legs[START, leg] - rows[OPENED, row] > rows[SILENCE, row]",
        "begun = at_opening or legs[START, leg] - rows[OPENED, row] >= rows[SILENCE, row]",
    ),
    fast("who starts at once has no clock from opening", "(waits or n[AT_OPENING])", "waits"),
    elsewhere(
        "engine/due_complaints",
        "who has left does not complain",
        "(rows[CLOSED, row] > due_ms or rows[HAS_LEFT, row])",
        "rows[CLOSED, row] > due_ms",
    ),
    *MIXTURES,
    *OTHERS,
    public(
        "what may not be answered fades like the rest",
        "lv.sums[UNANSWERED] *= numbers.copies_unanswered_decay",
        "lv.sums[UNANSWERED] *= numbers.copies_decay",
        COPIES,
    ),
    public(
        "copies copy nothing",
        "copy(lv, row, posts - hidden, hidden)",
        "copy(lv, row, posts - hidden - copied, hidden)",
    ),
    public(
        "every copy may be answered",
        "hidden = unanswerable + lv.ints[row - 1, COPIES_UNANSWERABLE]",
        "hidden = unanswerable",
    ),
    public("parts of a copy are forgotten", "exact = lv.sums[COPY_CARRY] + new", "exact = 0.0 + new", COPIES),
    public("newcomers come whatever they hear", "numbers.trust_signup_weight * (1.0", "0.0 * (1.0", TRUST),
    public("a post has the mark of another", "[at] if at < len(lv.post_marks)", "[at % 3] if at >= 0", COPIES),
    public("the frightened never calm down", "spreaders -= 1", "spreaders -= 0", PANIC),
    public(
        "nobody is too frightened twice",
        "* (numbers.panic_depositors - panicked) / numbers.panic_depositors",
        "",
        PANIC,
    ),
    public("trust may go below nothing", "min(max(now", "min((lambda one, _: one)(now", TRUST),
    public("campaigns feed no rumour", "numbers.rumour_campaign * campaign", "0.0", "mechanisms/rumour"),
    # room
    elsewhere(
        "engine/agenda",
        "who finds a full line does not wait",
        "if size == lines.shape[1]:\n        n[FULL] = 1",
        "if size == lines.shape[1]:",
        NO_ROOM,
    ),
    elsewhere(
        "engine/agenda",
        "what finds a full heap does not happen",
        "if n[DUE] == room:\n            n[FULL] = 1",
        "if n[DUE] == room:",
        NO_ROOM,
    ),
    elsewhere(
        "engine/agenda", "what finds no link does not happen", "    else:\n        n[FULL] = 1", "    else:", NO_ROOM
    ),
)
"""Faults that make other tables."""

CRASHES = (
    elsewhere("engine/agenda", "a full line goes unnoticed", "if size == lines.shape[1]:", "if False:", NO_ROOM),
    elsewhere("engine/agenda", "a full heap goes unnoticed", "if n[DUE] == room:", "if False:", NO_ROOM),
    elsewhere("engine/agenda", "too many links go unnoticed", "elif n[LINKS] < room:", "elif True:", NO_ROOM),
)
"""Faults that write beyond a table."""

BEHIND = (
    Change("engine/reference", "place = (self.priority[row], now, row)", "place = (self.priority[row], -now, row)"),
    Change(
        "engine/reference",
        "self.opened[row] + leaving_ms >= self.env._now:",
        "self.opened[row] + leaving_ms > self.env._now:",
    ),
    Change("engine/reference", "best = min(self._pairs(), default=None)", "best = max(self._pairs(), default=None)"),
    Change("engine/reference", "if self.chase[parent] != row or not self.resolved(parent):", "if True:"),
    Change("engine/reference", "for team, places in teams:", "for team, places in reversed(teams):"),
    Change("engine/crew", "agent.room = min(agent.room, places)", "pass"),
    Change("engine/feedback_clock", "if marks[i] < now:", "if marks[i] <= now:"),
)
"""Changes of the definition, which the compiled engine then is behind."""


def main() -> int:
    """Print after how many worlds each fault is noticed; return the exit code, 1 if one is not."""
    after = []
    for fault in FAULTS:
        after.append(noticed(interpreted(*fault.changes).simulate, WORLDS))
        told = f"noticed after {after[-1]:>4} worlds" if after[-1] else "not noticed"
        print(f"{fault.name:<64}{told}", flush=True)
    return 0 if all(after) else 1


if __name__ == "__main__":
    sys.exit(main())
