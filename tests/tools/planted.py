"""Engines with faults planted in their source text, and how many worlds of the swarm it takes to notice each.

The compiled engine is loaded as plain Python, which small worlds do not mind; so every index is checked as well, and
an integer that overflows is an error. ``python -m tests.tools.planted`` prints the table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

from sim.engine import compiled as twin
from sim.engine import reference as engine
from sim.engine.outcome import DeskOutcome
from tests.support.worlds import Small, random_world
from tests.tools.swarm import Simulate, differences, run

SIM = Path(twin.__file__).parents[1]
PARTS = (
    "engine/heap", "feedback/declaration", "feedback/mechanisms/copies", "feedback/mechanisms/rumour",
    "feedback/mechanisms/trust", "feedback/mechanisms/withdrawals", "feedback/mechanisms/panic", "feedback/columns",
    "feedback/inputs", "feedback/parameters", "feedback/state", "feedback/withdrawals", "feedback/public",
    "feedback/step", "feedback", "engine/arrays", "engine/compiled",
)  # fmt: skip
"""The files that the compiled engine is made of, each after those that it imports."""


WORLDS = 1_000
"""The worlds within which a fault is noticed."""


class Change(NamedTuple):
    """A change of a source file: a text that stands in it exactly once, and what takes its place."""

    file: str
    old: str
    new: str


class Fault(NamedTuple):
    """A fault: its name in words, and the changes that plant it."""

    name: str
    changes: tuple[Change, ...]


def name_of(file: str) -> str:
    """Return the name of the module in a file."""
    return f"sim.{file.replace('/', '.')}"


def changed(file: str, changes: Iterable[Change], stand_ins: dict[str, ModuleType]) -> ModuleType:
    """Return a module of ``sim`` made from its changed source; it finds the stand-ins where it imports."""
    path = SIM / file / "__init__.py" if (SIM / file).is_dir() else SIM / f"{file}.py"
    text = path.read_text("utf-8")
    for change in changes:
        if change.file == file:
            assert text.count(change.old) == 1, f"{path.name} must hold exactly once: {change.old}"
            text = text.replace(change.old, change.new)
    module = ModuleType(name_of(file))
    with patch.dict(sys.modules, stand_ins):
        exec(compile(text, str(path), "exec"), module.__dict__)
    return module


def interpreted(*changes: Change, file: str = "engine/compiled") -> ModuleType:
    """Return the compiled engine, or another file that it is made of, as plain Python with these changes."""
    plain = ModuleType("sim.core.jit")
    plain.compiled = plain.inlined = plain.outlined = lambda function: function  # type: ignore[attr-defined]
    stand_ins = {"sim.core.jit": plain}
    for part in PARTS:
        stand_ins[name_of(part)] = changed(part, changes, stand_ins)
    return stand_ins[name_of(file)]


class Counted(np.ndarray):
    """An array that refuses to count from its end: in a kernel a negative index is a mistake."""

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(_from_the_start(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_from_the_start(key), value)


def _from_the_start(key: Any) -> Any:
    if min(key if isinstance(key, tuple) else (key,)) < 0:
        raise IndexError(f"negative index: {key}")
    return key


def counting(module: ModuleType) -> ModuleType:
    """Return an interpreted engine, made to refuse negative indices."""
    loop = module._loop

    def view(one: Any) -> Any:
        if isinstance(one, np.ndarray):
            return one.view(Counted)
        if isinstance(one, tuple) and hasattr(one, "_make"):
            return one._make(view(part) for part in one)
        return one

    module._run = lambda arrays: loop(arrays._make(view(one) for one in arrays))  # type: ignore[attr-defined]
    return module


@cache
def defined(seed: int) -> tuple[Small, DeskOutcome]:
    """Return a world of the swarm, and what the definition makes of it."""
    world = random_world(Random(seed))
    return world, run(engine.simulate, world)


def noticed(simulate: Simulate, worlds: int) -> int | None:
    """Return after how many worlds of the swarm an engine is seen to make other tables; None if it is not."""
    with np.errstate(divide="ignore"):
        for seed in range(worlds):
            world, outcome = defined(seed)
            if differences(outcome, run(simulate, world)):
                return seed + 1
    return None


def fast(name: str, old: str, new: str, *more: Change) -> Fault:
    """Return a fault of ``sim/engine/compiled.py``."""
    return Fault(name, (Change("engine/compiled", old, new), *more))


def elsewhere(file: str, name: str, old: str, new: str) -> Fault:
    """Return a fault of another file of the compiled engine."""
    return Fault(name, (Change(file, old, new),))


def pipeline(name: str, old: str, new: str) -> Fault:
    """Return a fault in the withdrawal pipeline."""
    return elsewhere("feedback/withdrawals", name, old, new)


def public(name: str, old: str, new: str, file: str = "public") -> Fault:
    """Return a fault in what the public does, or in one of its mechanisms."""
    return elsewhere(f"feedback/{file}", name, old, new)


COPIES, TRUST, PANIC = (f"mechanisms/{name}" for name in ("copies", "trust", "panic"))
NO_ROOM = Change("engine/compiled", "_ROOM, _WAITING = 4096, 8", "_ROOM, _WAITING = 0, 1 << 60")

FAULTS = (
    # phases
    fast(
        "openings come before work done",
        "PHASE_SHIFT\n",
        "PHASE_SHIFT\nPHASE_DONE, PHASE_OPEN = PHASE_OPEN, PHASE_DONE\n",
    ),
    fast("decides after every event", "n[DECIDING] and (not n[DUE] or agenda[HEAP, 0, 0] > n[NOW])", "n[DECIDING]"),
    fast("what is due at the horizon happens", "if due_ms >= n[HORIZON]:", "if due_ms > n[HORIZON]:"),
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
    elsewhere("engine/heap", "the heap rises by its first key alone", "if a < x or (a == x and b <= y):", "if a <= x:"),
    elsewhere("engine/heap", "the heap sinks by its first key alone", "(c < a) | ((c == a) & (d < b))", "c < a"),
    fast(
        "the last team that can takes",
        "range(LISTS, LISTS + 3 * queues[queue, TAKERS], 3):\n                team =",
        "range(LISTS + 3 * queues[queue, TAKERS] - 3, LISTS - 1, -3):\n                team =",
    ),
    fast(
        "stale places count",
        "if rows[PLACE, row] == place and legs[QUEUE, rows[LEG, row]] == queue:",
        "if rows[PLACE, row] != NOBODY:",
    ),
    # shifts and concurrency
    fast(
        "a shift change forgets who is busy",
        "teams[team, FREE] += slots - teams[team, SLOTS]",
        "teams[team, FREE] = slots",
    ),
    fast("a shift change counts agents for slots", "shifts[change, 2] * teams[team, HOLDS]", "shifts[change, 2]"),
    fast(
        "held tickets are rounded down",
        "held = -(-(teams[team, SLOTS] - teams[team, FREE]) * teams[team, HOLDS] // teams[team, SLOTS])",
        "held = max((teams[team, SLOTS] - teams[team, FREE]) * teams[team, HOLDS] // teams[team, SLOTS], 1)",
    ),
    fast(
        "stretched times are rounded to the nearest",
        "max(handle_ms * stretch // UNSTRETCHED, 1)",
        "max((handle_ms * stretch + 500) // UNSTRETCHED, 1)",
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
        "rows[HAS_LEFT, row], rows[PLACE, row] = 1, NOBODY",
        "rows[HAS_LEFT, row], rows[PLACE, row] = 0, NOBODY",
    ),
    fast("nobody is flushed at the horizon", "                _flush(n, rows)\n", ""),
    fast("impatience moves from any queue", "return first_wait and", "return"),
    fast(
        "a new priority forgets when the queue was entered", "to << PLACE_BITS | entered)", "to << PLACE_BITS | n[NOW])"
    ),
    fast(
        "a new queue keeps when the old one was entered",
        "legs[QUEUE, rows[LEG, row]] = to\n        _wait(n, rows, legs, teams, queues, agenda, lines, row)",
        "legs[QUEUE, rows[LEG, row]], n[DECIDING] = to, 1\n"
        "        _stand(n, rows, queues, lines, (row, to, rows[PRIORITY, row] << PLACE_BITS | entered))",
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
        "_complaints(rows, legs, first_due, minute - 1,",
        "_complaints(rows, legs, first_due, minute,",
    ),
    fast(
        "a resolution as the complaint is due does not prevent it",
        "rows[CLOSED, row] > due_ms",
        "rows[CLOSED, row] >= due_ms",
    ),
    fast(
        "an answer at the target is late",
        "- rows[OPENED, row] > rows[SILENCE, row]",
        "- rows[OPENED, row] >= rows[SILENCE, row]",
    ),
    fast("who starts at once has no clock from opening", "(waits or n[AT_OPENING])", "waits"),
    fast(
        "who has left does not complain",
        "(rows[CLOSED, row] > due_ms or rows[HAS_LEFT, row])",
        "rows[CLOSED, row] > due_ms",
    ),
    pipeline(
        "unused review capacity is lost",
        "lv.floats[row, REVIEW_CREDIT] = credit - able if waiting > able else 0.0",
        "lv.floats[row, REVIEW_CREDIT] = 0.0",
    ),
    pipeline("capacity is kept when nobody waits", "credit - paid if waiting > paid else 0.0", "credit - paid"),
    pipeline(
        "lateness begins a minute late",
        "row - lv.numbers[0].promise_minutes",
        "row - lv.numbers[0].promise_minutes - 1",
    ),
    pipeline("a paused rail pays", "if waiting and not lv.closed[r, row - 1]:", "if waiting:"),
    pipeline("every minute is a batch", "if row % rules[r, BATCH] == 0 else 0", "if True else 0"),
    pipeline("a wallet pays what it has not", "if rules[r, HAS_WALLET] and cost > hot:", "if False:"),
    pipeline("one refill does not wait for another", "and ordered_for <= row and", "and"),
    pipeline("a wallet keeps what is over", "if hot > rules[r, HIGH_C]:", "if False:"),
    pipeline("refills come from nowhere", "rails[row, r, COLD_C] -= order", "rails[row, r, COLD_C] -= 0"),
    pipeline(
        "a block confirms what is sent after it", "rails[row - 1, r, PAID]  # what", "rails[row, r, PAID]  # what"
    ),
    pipeline(
        "one confirmation is as good as two", "lv.paid_at_block[r, block + 1 - needed]", "lv.paid_at_block[r, block]"
    ),
    pipeline("all who failed give up", "+= back\n    return", "+= 0\n    return"),
    pipeline("who comes again is not new", "again += lv.due[row, r, AGAIN + AUTO] +", "again += 0 +"),
    pipeline("a refusal takes the mean amount", "cut[what], now[r, what]) * weight)", "cut[what], now[r, what]))"),
    pipeline("reviews pass the rails by turns", "        if able > 0:\n            minute += 1", "        minute += 1"),
    pipeline("what is held is paid", "cents - held_cents", "cents"),
    pipeline("money that is refused vanishes", "lv.rails[row, r, LOST_C] += cents", "pass"),
    pipeline(
        "money on its way is counted once more",
        "rails[row, r, TRANSIT_C] += order",
        "rails[row, r, TRANSIT_C] += 2 * order",
    ),
    pipeline("a full gateway still lets more through", "* loads[last] / load", ""),
    pipeline("polls do not load the gateway", "* lv.numbers[0].gateway_polls_per_open", "* 0.0"),
    pipeline(
        "announcements have no effect",
        "late_level_per_withdrawal * (1.0 - lv.exogenous[QUIET_LATE, row - 1])",
        "late_level_per_withdrawal",
    ),
    pipeline(
        "a country bars nobody", "_take_out(lv, r, lv.numbers[0].countries_barred_share,", "_take_out(lv, r, 0.0,"
    ),
    pipeline("who is barred takes the mean amount", "lv.numbers[0].countries_barred_weight, BARRING", "1.0, BARRING"),
    pipeline("the reviewed money of those barred vanishes", "lv.cut[HAND_C]\n        credit", "0\n        credit"),
    pipeline(
        "breaches are a part of those who pass",
        "here * lv.numbers[0].countries_breach_share",
        "(here - gone) * lv.numbers[0].countries_breach_share",
    ),
    pipeline("parts of a breach are forgotten", "lv.carry[r, BREACHING] = credit - passed", "pass"),
    pipeline("those barred write no tickets", "* lv.numbers[0].countries_level_per_barred", "* 0.0"),
    pipeline(
        "a limit comes before the country's law",
        "    if lv.numbers[0].countries_barred_share + lv.numbers[0].countries_breach_share > 0.0:\n"
        "        _pass_countries(lv, row)\n    _pass_limits(lv, row)\n",
        "    _pass_limits(lv, row)\n    _pass_countries(lv, row)\n",
    ),
    pipeline(
        "a wrong network is a wrong address",
        "_go_astray(lv, row, 1, lv.numbers[0].wrong_network_share,",
        "_go_astray(lv, row, 1, lv.numbers[0].wrong_address_share,",
    ),
    pipeline(
        "only automatic withdrawals go astray", "lv.now[r, AUTO_C] + lv.now[r, HAND_C], some", "lv.now[r, AUTO_C], some"
    ),
    pipeline("parts of a mistake are forgotten", "lv.carry[r, ERRING_ADDRESS + kind] = credit - some", "pass"),
    pipeline("every confirmed withdrawal opens a ticket", "confirmed * share * level", "confirmed * level"),
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
    public("the frightened never calm down", "spreaders + new - calmed", "spreaders + new", PANIC),
    public("nobody is too frightened twice", "* calm_ones / numbers.panic_depositors", "", PANIC),
    public("trust may go below nothing", "min(max(now", "min((lambda one, _: one)(now", TRUST),
    public("campaigns feed no rumour", "numbers.rumour_campaign * campaign", "0.0", "mechanisms/rumour"),
    # room
    fast(
        "who finds a full line does not wait",
        "if size == lines.shape[1]:\n        n[FULL] = 1",
        "if size == lines.shape[1]:",
        NO_ROOM,
    ),
    fast(
        "what finds a full heap does not happen",
        "if n[DUE] == room:\n            n[FULL] = 1",
        "if n[DUE] == room:",
        NO_ROOM,
    ),
    fast("what finds no link does not happen", "    else:\n        n[FULL] = 1", "    else:", NO_ROOM),
)
"""Faults that make other tables."""

CRASHES = (
    fast("a full line goes unnoticed", "if size == lines.shape[1]:", "if False:", NO_ROOM),
    fast("a full heap goes unnoticed", "if n[DUE] == room:", "if False:", NO_ROOM),
    fast("too many links go unnoticed", "elif n[LINKS] < room:", "elif True:", NO_ROOM),
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
    Change("engine/reference", "            for team in teams:", "            for team in reversed(teams):"),
    Change("engine/feedback_clock", "if marks[i] < now:", "if marks[i] <= now:"),
)
"""Changes of the definition, which the compiled engine then is behind."""


def redefined(change: Change) -> Simulate:
    """Return the SimPy engine with a change."""
    stand_ins: dict[str, ModuleType] = {}
    for file in ("engine/feedback_clock", "engine/reference"):
        stand_ins[name_of(file)] = changed(file, [change], stand_ins)
    return stand_ins["sim.engine.reference"].simulate  # type: ignore[no-any-return]


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
