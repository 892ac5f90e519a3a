"""The route of each kind of ticket: legs of (queue, handling time, pause, hold within it), drawn in one place.

``Paths`` holds a scenario's categories, steps and loops as tables; the functions at the end follow one ticket through
them. A ticket is its key (see ``streams``), from which every number comes by its purpose, so what one mechanism
draws moves no other, and only what is needed is drawn. A new kind of leg is a purpose, the columns that it needs, and
a function that writes it with ``_leg``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Ints
from sim.core.clock import HOUR_MS, NEVER
from sim.core.jit import inlined
from sim.demand.durations import Distributions, DistributionTable, drawn_ms
from sim.drivers.policy import complaint_factor
from sim.numerics.streams import Key, purpose_key, uniform
from sim.scenario.schema.routes import path_of, queue_names, queues_of
from sim.scenario.schema.scenario import Scenario, Step

Table = NDArray[np.void]
LEG_QUEUE, LEG_HANDLE, LEG_PAUSE, LEG_HOLD = range(4)
LEG_COLUMNS = 4
"""A pause is the customer's reply and then the hold: a third party's, a chain's or the law's turn."""

CATEGORY = np.dtype(
    [("priority", "i8"), ("complaint", "i8"), ("steps", "i8"), ("last", "i8"), ("task", "?")], align=True
)
"""Priority, distribution of the time to a complaint, first and last step, and whether it is a task."""
STEP = np.dtype(
    [("key", "u8"), ("solved", "f8"), ("handle", "i8"), ("hold", "i8"), ("evidence", "?"),
     ("queues", "i8"), ("n_queues", "i8"), ("strays", "i8"), ("n_strays", "i8")], align=True,
)  # fmt: skip
"""Key of its name, share solved, two distributions, whether it asks for proof, and the ranges of its rows of SHARE: its
queues, and the wrong ones that misrouted tickets see before."""
SHARE = np.dtype([("queue", "i8"), ("below", "f8")], align=True)
"""A queue and the uniform below which it is chosen, unless one before it is."""
QUEUE = np.dtype([("patience", "i8"), ("target_ms", "i8")], align=True)
"""Distribution of the patience; first-response target, NEVER without one."""
MOVED = np.dtype([("queue", "i8"), ("key", "u8")], align=True)
"""A queue with a patience that a long wait in another one may lead to, and the key of its name."""

_HANDLE, _SOLVED, _QUEUE, _EVIDENCE, _REPLY, _HOLD, _STRAY, _STRAY_QUEUE, _STRAY_HANDLE = (
    purpose_key(name)
    for name in ("handle", "solved", "queue", "evidence", "reply", "hold", "stray", "stray/queue", "stray/handle")
)


class Loops(NamedTuple):
    """What may happen to a ticket of any category: shares (0 where it does not), durations, the queue of a question."""

    evidence_share: float
    reply: int
    first_part: float
    stray_share: float
    stray_handle: int
    reopen_share: float
    reopen_after: int
    recontact_share: float
    recontact_after: int
    question_queue: int
    question_handle: int
    regulator_share: float


class Paths(NamedTuple):
    """The ways of a scenario's tickets, as compiled code reads them; no ticket has more than ``legs_most`` legs."""

    categories: Table
    steps: Table
    shares: Table
    queues: Table
    moved: Table
    loops: Loops
    distributions: Distributions
    legs_most: int


def paths_of(scenario: Scenario) -> Paths:
    """Return the ways that a scenario's tickets can go."""
    table, names = DistributionTable(), queue_names(scenario)
    categories: list[tuple[int, ...]] = []
    steps: list[tuple[Any, ...]] = []
    shares: list[tuple[int, float]] = []
    for category_name, category in scenario.categories.items():
        hazard = category.complaint_hazard_per_hour * complaint_factor(scenario, category_name)
        complaint = table.exponential(HOUR_MS / hazard) if hazard else table.add(None)
        path = path_of(category)
        categories.append((category.priority, complaint, len(steps), len(steps) + len(path) - 1, category.task))
        for position, name in enumerate(path):
            step = category.steps[name]
            own = _choice(names, queues_of(step), shares)
            wrong = _choice(names, _wrong_queues(scenario, step) if position == 1 else {}, shares)
            steps.append((purpose_key(f"step {name}"), step.solved or 0.0, table.add(step.handle), table.add(step.hold),
                          step.evidence, *own, *wrong))  # fmt: skip
    queues = []
    for name in names:
        queue = scenario.queues.get(name)
        target = None if queue is None else queue.target
        queues.append((table.add(queue.patience if queue else None), NEVER if target is None else target))
    return Paths(
        categories=np.array(categories, CATEGORY),
        steps=np.array(steps, STEP),
        shares=np.array(shares, SHARE),
        queues=np.array(queues, QUEUE),
        moved=np.array(_moved(scenario, names), MOVED),
        loops=_loops(scenario, table, names),
        distributions=table.table(),
        legs_most=1 + 2 * max(len(path_of(category)) for category in scenario.categories.values()),
    )


def _moved(scenario: Scenario, names: list[str]) -> list[tuple[int, Key]]:
    """Return the queues with a patience that a long wait in another queue leads to."""
    to = {queue.then for queue in scenario.queues.values()}
    to |= {age.to for queue in scenario.queues.values() for age in queue.age if age.to is not None}
    found = [name for name in names if name in to and name in scenario.queues and scenario.queues[name].patience]
    return [(names.index(name), purpose_key(f"queue {name}")) for name in found]


def _choice(names: list[str], shares: dict[str, float], table: list[tuple[int, float]]) -> tuple[int, int]:
    """Add a choice among queues to a table; return its first row and how many there are."""
    first = len(table)
    edges = np.cumsum(list(shares.values()))
    table += [(names.index(name), edge) for name, edge in zip(shares, edges, strict=True)]
    if shares:
        table[-1] = (table[-1][0], 1.0)  # whatever rounding has left of their sum
    return first, len(shares)


def _wrong_queues(scenario: Scenario, step: Step) -> dict[str, float]:
    """Return the queues, all alike, where tickets for this step may go by mistake."""
    among = scenario.misroute.among if scenario.misroute else []
    wrong = [queue for queue in among if queue not in queues_of(step)]
    return {queue: 1 / len(wrong) for queue in wrong} if len(wrong) < len(among) else {}


def _loops(scenario: Scenario, table: DistributionTable, names: list[str]) -> Loops:
    evidence, misroute = scenario.evidence, scenario.misroute
    reopen, recontact, status = scenario.reopen, scenario.recontact, scenario.status_messages
    return Loops(
        evidence_share=evidence.share if evidence else 0.0,
        reply=table.add(evidence.reply if evidence else None),
        first_part=evidence.first_part if evidence else 0.0,
        stray_share=misroute.share if misroute else 0.0,
        stray_handle=table.add(misroute.handle if misroute else None),
        reopen_share=reopen.share if reopen else 0.0,
        reopen_after=table.add(reopen.after if reopen else None),
        recontact_share=recontact.share * (status.recontact if status else 1.0) if recontact else 0.0,
        recontact_after=table.add(recontact.after if recontact else None),
        question_queue=names.index(recontact.queue) if recontact else 0,
        question_handle=table.add(recontact.handle if recontact else None),
        regulator_share=scenario.regulator.share if scenario.regulator else 0.0,
    )


# --- one ticket: legs are written from ``at`` on, and each function returns where they end ------------------------


@inlined
def first_contact(paths: Paths, legs: Ints, at: int, key: Key, category: int) -> tuple[int, int]:
    """Write the legs of a first contact; return where they end, and the step that solves it."""
    first, last = paths.categories[category].steps, paths.categories[category].last
    step = first
    while True:
        one = paths.steps[step]
        if one.n_strays > 0 and uniform(key, _STRAY) < paths.loops.stray_share:
            at = _stray(paths, legs, at, key, step)
        at = _work(paths, legs, at, key, step)
        if step == last or uniform(key ^ one.key, _SOLVED) < one.solved:
            return at, step
        step += 1


@inlined
def reopened(paths: Paths, legs: Ints, at: int, key: Key, step: int) -> int:
    """Write the leg of a reopened ticket: the step that had solved it, once more."""
    one = paths.steps[step]
    queue = _queue(paths, one.queues, one.n_queues, key ^ one.key, _QUEUE)
    handle_ms = max(drawn_ms(paths.distributions, one.handle, uniform(key ^ one.key, _HANDLE)), 1)
    return _leg(legs, at, queue, handle_ms, 0, 0)


@inlined
def question(paths: Paths, legs: Ints, at: int, key: Key) -> int:
    """Write the leg of a customer who asks again: one short answer."""
    handle_ms = max(drawn_ms(paths.distributions, paths.loops.question_handle, uniform(key, _HANDLE)), 1)
    return _leg(legs, at, paths.loops.question_queue, handle_ms, 0, 0)


@inlined
def _work(paths: Paths, legs: Ints, at: int, key: Key, step: int) -> int:
    """Write the legs of one step: one, or two with a pause between where proof or a third party is awaited."""
    one, loops = paths.steps[step], paths.loops
    own = key ^ one.key
    queue = _queue(paths, one.queues, one.n_queues, own, _QUEUE)
    handle_ms = max(drawn_ms(paths.distributions, one.handle, uniform(own, _HANDLE)), 1)
    asks = one.evidence and uniform(own, _EVIDENCE) < loops.evidence_share
    holds = one.hold >= 0
    if not (asks or holds):
        return _leg(legs, at, queue, handle_ms, 0, 0)
    reply_ms = hold_ms = 0
    if asks:
        reply_ms = drawn_ms(paths.distributions, loops.reply, uniform(own, _REPLY))
    if holds:
        hold_ms = drawn_ms(paths.distributions, one.hold, uniform(own, _HOLD))
    first_ms = max(int(handle_ms * loops.first_part), 1)
    at = _leg(legs, at, queue, first_ms, reply_ms + hold_ms, hold_ms)
    return _leg(legs, at, queue, max(handle_ms - first_ms, 1), 0, 0)


@inlined
def _stray(paths: Paths, legs: Ints, at: int, key: Key, step: int) -> int:
    """Write the leg of an escalated ticket that a wrong department sees first."""
    one = paths.steps[step]
    queue = _queue(paths, one.strays, one.n_strays, key, _STRAY_QUEUE)
    handle_ms = max(drawn_ms(paths.distributions, paths.loops.stray_handle, uniform(key, _STRAY_HANDLE)), 1)
    return _leg(legs, at, queue, handle_ms, 0, 0)


@inlined
def _queue(paths: Paths, first: int, size: int, key: Key, purpose: Key) -> int:
    """Return one of ``size`` queues by their shares."""
    i = first
    if size > 1:
        u = uniform(key, purpose)
        while u >= paths.shares[i].below:
            i += 1
    return paths.shares[i].queue


@inlined
def _leg(legs: Ints, at: int, queue: int, handle_ms: int, pause_ms: int, hold_ms: int) -> int:
    legs[LEG_QUEUE, at], legs[LEG_HANDLE, at] = queue, handle_ms
    legs[LEG_PAUSE, at], legs[LEG_HOLD, at] = pause_ms, hold_ms
    return at + 1
