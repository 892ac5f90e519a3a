"""What each kind of ticket goes through: legs of (queue, handling time, pause), drawn in one place.

Every function works on all tickets of one category and one line of descent at once. A line of descent ("" for
roots, then "r" for a reopening, "c" for a customer who asks again, appended) names the streams, so a child's
numbers depend on its ancestry alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.laws import draw_ms
from sim.scenario.model import Category, Law, Scenario, Step
from sim.scenario.rules import path_of, queues_of
from sim.streams import Streams

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
_MISROUTED, _FIRST, _REST = 0, 1, 2


@dataclass(frozen=True)
class Legs:
    """Legs of many tickets, in order of ticket and position; ``ticket`` counts from 0 within the call."""

    ticket: Ints
    queue: Ints
    handle_ms: Ints
    pause_ms: Ints


@dataclass(frozen=True)
class Draws:
    """The uniforms of one category, line of descent and set of tickets, by purpose."""

    streams: Streams
    category: str
    line: str
    ordinals: Ints

    def u(self, purpose: str, of: NDArray[np.bool_] | None = None) -> Floats:
        """Return one uniform for each ticket, or for those that ``of`` selects."""
        ordinals = self.ordinals if of is None else self.ordinals[of]
        return self.streams.uniforms(self.category, f"{self.line}:{purpose}", ordinals)

    def law(self, law: Law, purpose: str, of: NDArray[np.bool_] | None = None, *, least_ms: int = 1) -> Ints:
        """Return one duration in ms of the law for each ticket, or for those that ``of`` selects."""
        return draw_ms(law, self.u(purpose, of), least_ms=least_ms)


def root_legs(scenario: Scenario, category: Category, draws: Draws, queues: list[str]) -> tuple[Legs, Ints]:
    """Return the legs of first contacts and, for each ticket, the position in the path of its last step."""
    n = len(draws.ordinals)
    reached = np.ones(n, dtype=bool)
    last_step = np.zeros(n, dtype=np.int64)
    parts: list[tuple[Ints, int, Ints, Ints, Ints]] = []
    path = path_of(category)
    for position, name in enumerate(path):
        step = category.steps[name]
        last_step[reached] = position
        if position == 1 and scenario.misroute:
            parts += _misrouted(scenario, step, draws, reached, queues)
        parts += _step_legs(scenario, step, draws, reached, (position, name, queues))
        if position + 1 < len(path):
            goes_on = reached.copy()
            goes_on[reached] = draws.u(f"{name}/solved", reached) >= (step.solved or 0.0)
            reached = goes_on
    return _assemble(parts), last_step


def reopened_legs(category: Category, draws: Draws, last_step: Ints, queues: list[str]) -> Legs:
    """Return the legs of reopened tickets: the step that had resolved them, once more."""
    parts = []
    for position, name in enumerate(path_of(category)):
        here = last_step == position
        if here.any():
            parts.append(_whole_leg(category.steps[name], draws, here, (position, name, queues)))
    return _assemble(parts)


def question_legs(scenario: Scenario, draws: Draws, queues: list[str]) -> Legs:
    """Return the legs of customers who ask again: one short answer."""
    assert scenario.recontact is not None
    n = len(draws.ordinals)
    queue = np.full(n, queues.index(scenario.recontact.queue))
    handle = draws.law(scenario.recontact.handle, "handle")
    return Legs(np.arange(n), queue, handle, np.zeros(n, dtype=np.int64))


def _step_legs(
    scenario: Scenario, step: Step, draws: Draws, reached: NDArray[np.bool_], at: tuple[int, str, list[str]]
) -> list[tuple[Ints, int, Ints, Ints, Ints]]:
    """Return the legs of one step: one, or two with a pause between where proof or a third party is awaited."""
    position, name, _ = at
    ticket, order, queue, handle, pause = _whole_leg(step, draws, reached, at)
    if scenario.evidence is None or not (step.evidence or step.hold):
        return [(ticket, order, queue, handle, pause)]
    split = np.zeros(len(ticket), dtype=bool)
    if step.evidence:
        asks = draws.u(f"{name}/evidence", reached) < scenario.evidence.share
        split |= asks
        chosen = _among(reached, asks)
        pause[asks] += draws.law(scenario.evidence.reply, f"{name}/reply", chosen, least_ms=0)
    if step.hold:
        split[:] = True
        pause += draws.law(step.hold, f"{name}/hold", reached, least_ms=0)
    first = np.maximum((handle * scenario.evidence.first_part).astype(np.int64), 1)
    rest = np.maximum(handle - first, 1)
    none = np.zeros(int(split.sum()), dtype=np.int64)
    return [
        (ticket, order, queue, np.where(split, first, handle), np.where(split, pause, 0)),
        (ticket[split], position * 3 + _REST, queue[split], rest[split], none),
    ]


def _whole_leg(
    step: Step, draws: Draws, reached: NDArray[np.bool_], at: tuple[int, str, list[str]]
) -> tuple[Ints, int, Ints, Ints, Ints]:
    position, name, queues = at
    ticket = np.flatnonzero(reached)
    shares = queues_of(step)
    numbers = np.array([queues.index(queue) for queue in shares])
    if len(numbers) == 1:
        queue = np.full(len(ticket), numbers[0])
    else:
        edges = np.cumsum(list(shares.values()))[:-1]
        queue = numbers[np.searchsorted(edges, draws.u(f"{name}/queue", reached), side="right")]
    handle = draws.law(step.handle, f"{name}/handle", reached)
    return ticket, position * 3 + _FIRST, queue, handle, np.zeros(len(ticket), dtype=np.int64)


def _misrouted(
    scenario: Scenario, step: Step, draws: Draws, reached: NDArray[np.bool_], queues: list[str]
) -> list[tuple[Ints, int, Ints, Ints, Ints]]:
    """Return the extra legs of escalated tickets that a wrong department sees first."""
    assert scenario.misroute is not None
    right = [queue for queue in queues_of(step) if queue in scenario.misroute.among]
    wrong = np.array([queues.index(queue) for queue in scenario.misroute.among if queue not in right])
    if not right or not len(wrong):
        return []
    strays = draws.u("misroute", reached) < scenario.misroute.share
    chosen = _among(reached, strays)
    which = np.floor(draws.u("misroute/queue", chosen) * len(wrong)).astype(np.int64)
    handle = draws.law(scenario.misroute.handle, "misroute/handle", chosen)
    return [(np.flatnonzero(chosen), 3 + _MISROUTED, wrong[which], handle, np.zeros(len(handle), dtype=np.int64))]


def _among(selected: NDArray[np.bool_], which: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of those of the selected tickets that ``which``, one flag for each of them, marks."""
    mask = selected.copy()
    mask[selected] = which
    return mask


def _assemble(parts: list[tuple[Ints, int, Ints, Ints, Ints]]) -> Legs:
    if not parts:
        empty = np.zeros(0, dtype=np.int64)
        return Legs(empty, empty, empty, empty)
    ticket = np.concatenate([part[0] for part in parts])
    order = np.concatenate([np.full(len(part[0]), part[1]) for part in parts])
    columns = [np.concatenate([part[i] for part in parts]) for i in (2, 3, 4)]
    sort = np.lexsort((order, ticket))
    return Legs(ticket[sort], *(column[sort] for column in columns))
