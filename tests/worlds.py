"""Tiny worlds by hand: a demand and a desk from short literals, and random ones that are full of ties.

Times are milliseconds. Whatever a test does not mention has a default that does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from sim.clock import MINUTE_MS, NEVER
from sim.demand import CANDIDATE, CHASE, REOPEN, ROOT, Demand, Flow
from sim.engine import simulate
from sim.levels import LevelRules
from sim.outcome import Outcome
from sim.staffing import AGE_PRIORITY, AGE_QUEUE, LEAVE, Desk

MIN = MINUTE_MS
Leg = tuple[str, int] | tuple[str, int, int]


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """One row. ``legs`` hold (queue, handling time) or (queue, handling time, pause afterwards)."""

    at: int = NEVER
    legs: tuple[Leg, ...] = (("q", 10),)
    kind: int = ROOT
    priority: int = 5
    patience: int = NEVER
    target: int = NEVER
    complain: int = NEVER
    after: int = 1
    parent: int = -1
    stream: int = -1
    mark: float = 0.0
    category: int = 0
    regulator: bool = False


def ticket(at: int, handle: int = 10, queue: str = "q", **more: object) -> Ticket:
    """Return a root of one leg."""
    return Ticket(at=at, legs=((queue, handle),), **more)  # type: ignore[arg-type]


def path(at: int, *legs: Leg, **more: object) -> Ticket:
    """Return a root of several legs."""
    return Ticket(at=at, legs=legs, **more)  # type: ignore[arg-type]


def candidate(at: int, mark: float, handle: int = 10, queue: str = "q", **more: object) -> Ticket:
    """Return a ticket that the rumour (stream 1, unless told otherwise) may admit."""
    return Ticket(at=at, mark=mark, kind=CANDIDATE, legs=((queue, handle),), **({"stream": 1} | more))  # type: ignore[arg-type]


def reopening(parent: int, after: int, *legs: Leg, **more: object) -> Ticket:
    """Return the ticket that comes ``after`` the resolution of row ``parent``."""
    return Ticket(kind=REOPEN, parent=parent, after=after, legs=legs or (("q", 10),), **more)  # type: ignore[arg-type]


def chase(parent: int, after: int, *legs: Leg, **more: object) -> Ticket:
    """Return the question that comes ``after`` the opening of row ``parent``."""
    return Ticket(kind=CHASE, parent=parent, after=after, legs=legs or (("q", 10),), **more)  # type: ignore[arg-type]


def demand(
    *tickets: Ticket,
    queues: str = "q",
    categories: tuple[str, ...] = ("c",),
    minutes: int = 0,
    auto: Sequence[int] = (),
    review: Sequence[int] = (),
    posts: Sequence[int] = (),
    bot_opened: Sequence[Sequence[int]] | None = None,
) -> Demand:
    """Return a demand of these rows, in this order; roots must be in order of time, and so must candidates."""
    for kind in (ROOT, CANDIDATE):
        times = [t.at for t in tickets if t.kind == kind]
        assert times == sorted(times), "the rows of a kind stand in order of time"
    legs = [leg for t in tickets for leg in t.legs]
    child = {kind: {t.parent: row for row, t in enumerate(tickets) if t.kind == kind} for kind in (CHASE, REOPEN)}

    def column(values: Sequence[int]) -> np.ndarray:
        return np.array(values, dtype=np.int64)

    def by_minute(values: Sequence[int]) -> np.ndarray:
        return column([*values, *[0] * (minutes - len(values))])

    return Demand(
        categories=categories,
        category=column([t.category for t in tickets]),
        kind=column([t.kind for t in tickets]),
        parent=column([t.parent for t in tickets]),
        opened_ms=column([t.at for t in tickets]),
        priority=column([t.priority for t in tickets]),
        patience_ms=column([t.patience for t in tickets]),
        target_ms=column([t.target for t in tickets]),
        complaint_after_ms=column([t.complain for t in tickets]),
        regulator=np.array([t.regulator for t in tickets], dtype=bool),
        after_ms=column([t.after for t in tickets]),
        chase=column([child[CHASE].get(row, -1) for row in range(len(tickets))]),
        reopen=column([child[REOPEN].get(row, -1) for row in range(len(tickets))]),
        stream=column([t.stream for t in tickets]),
        mark=np.array([t.mark for t in tickets], dtype=np.float64),
        legs_from=column([0, *np.cumsum([len(t.legs) for t in tickets])]),
        leg_queue=column([queues.index(leg[0]) for leg in legs]),
        leg_handle_ms=column([leg[1] for leg in legs]),
        leg_pause_ms=column([leg[2] if len(leg) > 2 else 0 for leg in legs]),
        bot_opened_ms=tuple(column(times) for times in bot_opened or [()] * len(categories)),
        bot_ordinals=tuple(column(range(len(times))) for times in bot_opened or [()] * len(categories)),
        flow=Flow(by_minute(auto), by_minute(review), column(posts)),
    )


@dataclass(frozen=True, kw_only=True)
class Crew:
    """A team: agents (or a mapping of time to agents), and the queues it serves, the preferred first, equals joined."""

    agents: int | Mapping[int, int] = 1
    serves: tuple[str, ...] = ("q",)
    holds: int = 1
    stretch: tuple[int, ...] = ()
    cost: float = 0.0
    scheduled: int | Mapping[int, int] | None = None


def crew(agents: int | Mapping[int, int] = 1, *serves: str, **more: object) -> Crew:
    """Return a team; ``crew(2, "a", "bc")`` prefers a, and likes b and c equally."""
    return Crew(agents=agents, serves=serves or ("q",), **more)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What queues do: team numbers by preference, ages as (after, priority or queue letter), where the impatient go."""

    prefers: Mapping[str, Sequence[int]] = field(default_factory=dict)
    ages: Mapping[str, Sequence[tuple[int, int | str]]] = field(default_factory=dict)
    then: Mapping[str, str] = field(default_factory=dict)


def desk(*crews: Crew, queues: str = "q", horizon: int = 10**6, rules: Rules | None = None) -> Desk:
    """Return a desk of these teams, t0, t1, ...; queues are single letters."""
    crews, rules = crews or (crew(),), rules or Rules()
    duty, plan = _steps(crews, scheduled=False), _steps(crews, scheduled=True)
    return Desk(
        queues=tuple(queues),
        teams=tuple(f"t{number}" for number in range(len(crews))),
        ranks=tuple(
            tuple(next((r for r, equals in enumerate(c.serves) if q in equals), -1) for q in queues) for c in crews
        ),
        prefers=tuple(
            tuple(rules.prefers[q].index(t) if t in rules.prefers.get(q, ()) else len(crews) for t in range(len(crews)))
            for q in queues
        ),
        concurrency=tuple(c.holds for c in crews),
        stretch_permille=tuple(c.stretch or (1000,) * c.holds for c in crews),
        patience_to=tuple(queues.index(rules.then[q]) if q in rules.then else LEAVE for q in queues),
        ages=tuple(tuple(_age(age, queues) for age in rules.ages.get(q, ())) for q in queues),
        shifts=duty,
        scheduled=plan,
        cost_per_hour=tuple(c.cost for c in crews),
        horizon_ms=horizon,
    )


def _steps(crews: Sequence[Crew], *, scheduled: bool) -> np.ndarray:
    rows = []
    for team, one in enumerate(crews):
        steps = one.scheduled if scheduled and one.scheduled is not None else one.agents
        rows += [(at, team, n) for at, n in ({0: steps} if isinstance(steps, int) else steps).items()]
    return np.array(sorted(rows), dtype=np.int64).reshape(-1, 3)


def _age(age: tuple[int, int | str], queues: str) -> tuple[int, int, int]:
    after, to = age
    return (after, AGE_PRIORITY, to) if isinstance(to, int) else (after, AGE_QUEUE, queues.index(to))


@dataclass(frozen=True, kw_only=True)
class Small:
    """A whole small world, ready for an engine."""

    demand: Demand
    desk: Desk
    rules: LevelRules | None = None
    at_opening: bool = False

    def run(self) -> Outcome:
        """Return what the SimPy engine makes of it."""
        return simulate(self.demand, self.desk, self.rules, complain_from_opening=self.at_opening)


# --- random worlds ------------------------------------------------------------------------------------------------


def random_world(rng: Random) -> Small:
    """Return a world of up to 14 tickets on whole minutes, with everything that the engine knows."""
    queues = "abcd"[: rng.randint(1, 4)]
    minutes = rng.randint(6, 24)
    then = _random_then(rng, queues)
    crews = [_random_crew(rng, queues, minutes) for _ in range(rng.randint(1, 3))]
    rules = Rules(
        prefers={q: rng.sample(range(len(crews)), rng.randint(0, len(crews))) for q in queues},
        ages={q: _random_ages(rng, [other for other in queues if other != q and other not in then]) for q in queues},
        then=then,
    )
    tickets = _random_tickets(rng, queues, minutes)
    counts = {name: [rng.choice((0, 0, 1, 3)) for _ in range(minutes)] for name in ("auto", "review")}
    return Small(
        demand=demand(*tickets, queues=queues, minutes=minutes, auto=counts["auto"], review=counts["review"]),
        desk=desk(*crews, queues=queues, horizon=minutes * MIN, rules=rules),
        rules=_random_level_rules(rng) if rng.random() < 0.6 else None,
        at_opening=rng.random() < 0.3,
    )


def _random_then(rng: Random, queues: str) -> dict[str, str]:
    """Return where the impatient go: from chats (the first queues) to an inbox (the last one)."""
    return {q: queues[-1] for q in queues[:-1] if rng.random() < 0.25}


def _random_crew(rng: Random, queues: str, minutes: int) -> Crew:
    serves: list[str] = []
    for queue in rng.sample(queues, rng.randint(1, len(queues))):
        if serves and rng.random() < 0.4:
            serves[-1] += queue
        else:
            serves.append(queue)
    changes = sorted({0, *(rng.randint(1, minutes) * MIN for _ in range(rng.randint(0, 3)))})
    holds = rng.choice((1, 1, 2, 3))
    return Crew(
        agents={at: rng.choice((0, 1, 1, 2)) for at in changes},
        serves=tuple(serves),
        holds=holds,
        stretch=tuple(rng.choice((500, 1000, 1001, 1500, 2000)) for _ in range(holds)),
    )


def _random_ages(rng: Random, others: list[str]) -> list[tuple[int, int | str]]:
    ages: list[tuple[int, int | str]] = []
    after = 0
    for _ in range(rng.choice((0, 0, 1, 2))):
        after += rng.randint(1, 3) * MIN
        ages.append((after, rng.randint(0, 9)))
    if others and rng.random() < 0.25:
        ages.append((after + rng.randint(1, 3) * MIN, rng.choice(others)))
    return ages


def _random_tickets(rng: Random, queues: str, minutes: int) -> list[Ticket]:
    def times(n: int) -> list[int]:
        return sorted(rng.randint(0, minutes - 1) * MIN for _ in range(n))

    tickets = [_random_ticket(rng, queues, at=at) for at in times(rng.randint(1, 10))]
    for at in times(rng.randint(0, 4)):
        mark, stream = rng.choice((0.0, 0.25, 0.5, 0.75)), rng.randint(0, 1)
        tickets.append(_random_ticket(rng, queues, at=at, kind=CANDIDATE, mark=mark, stream=stream))
    parents = {kind: list(range(len(tickets))) for kind in (REOPEN, CHASE)}
    for _ in range(rng.choice((0, 0, 1, 2, 4))):
        kind = rng.choice((REOPEN, CHASE))
        if parents[kind]:
            parent = parents[kind].pop(rng.randrange(len(parents[kind])))
            after = rng.randint(1, 4) * MIN
            for line in parents.values():
                line.append(len(tickets))
            tickets.append(_random_ticket(rng, queues, kind=kind, parent=parent, after=after))
    return tickets


def _random_ticket(rng: Random, queues: str, **given: object) -> Ticket:
    legs = tuple(
        (rng.choice(queues), rng.choice((1, MIN, MIN, 2 * MIN, 3 * MIN, 61_001)), rng.choice((0, 0, MIN, 2 * MIN)))
        for _ in range(rng.choice((1, 1, 2, 3)))
    )
    drawn = {
        "legs": legs,
        "priority": rng.choice((0, 5, 5, 9)),
        "patience": rng.choice((NEVER, NEVER, 0, MIN, 2 * MIN, 4 * MIN)),
        "target": rng.choice((NEVER, MIN, 2 * MIN, 3 * MIN)),
        "complain": rng.choice((NEVER, 1, MIN, MIN, 2 * MIN, 90_000)),
    }
    return Ticket(**(drawn | given))  # type: ignore[arg-type]


def _random_level_rules(rng: Random) -> LevelRules:
    return LevelRules(
        reviews_per_minute=rng.choice((0.25, 1.0)),
        payouts_per_minute=rng.choice((0.5, 1.0, 2.0)),
        promise_minutes=rng.randint(1, 3),
        confirmation_minutes=rng.randint(1, 3),
        late_level_per_withdrawal=rng.choice((0.0, 0.125, 0.25, 1.0)),
        rumour_decay=rng.choice((0.0, 0.5, 1.0)),
        rumour_threshold=rng.choice((0.0, 1.0)),
        rumour_level_per_complaint=rng.choice((0.25, 0.5, 1.0)),
    )
