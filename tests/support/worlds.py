"""Tiny worlds by hand: a demand and a desk from short literals, and random ones that are full of ties.

Times are milliseconds. Whatever a test does not mention has a default that does nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np

from sim.core.clock import MINUTE_MS, NEVER
from sim.demand import CANDIDATE, CHASE, REOPEN, ROOT, TASK, Demand
from sim.engine.outcome import DeskOutcome
from sim.engine.reference import simulate
from sim.feedback import (
    CopiesParameters,
    FeedbackInputs,
    FeedbackParameters,
    PanicParameters,
    RailParameters,
    RumourParameters,
    TrustParameters,
    WithdrawalRows,
)
from sim.feedback.columns import CLASSES, PASSING, REVIEWED_ROW, RUMOUR_STREAM, SIGNUP_STREAM, STREAMS
from sim.staffing.desk import Desk
from sim.staffing.skills import AGE_PRIORITY, AGE_QUEUE, AWAY, ENDLESS, IN_BREAK, LEAVE, ON_DUTY
from tests.support.random_withdrawals import SCALES, random_flow, random_pipeline

MIN = MINUTE_MS
Leg = tuple[str, int] | tuple[str, int, int] | tuple[str, int, int, int]

_TIMES = {"late": 2, "rumour": 2, "fault": 5, "limited": 6, "address": 4, "network": 5, "barred": 3, "signup": 2}
OFTEN = tuple(
    STREAMS.index(name)
    for name, times in (_TIMES | {name: 5 for name in STREAMS if name not in _TIMES}).items()
    for _ in range(times)
)
"""The streams of candidates, each as often as a swarm needs it to meet what it does."""


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """One row. ``legs`` hold (queue, handling time), and perhaps the pause afterwards and the hold within it.

    ``moved`` is by queue letter the patience with a queue that a wait may lead to.
    """

    at: int = NEVER
    legs: tuple[Leg, ...] = (("q", 10),)
    kind: int = ROOT
    priority: int = 5
    patience: int = NEVER
    moved: Mapping[str, int] = field(default_factory=dict)
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
    """Return a ticket that the rumour, or another stream, may admit."""
    return Ticket(at=at, mark=mark, kind=CANDIDATE, legs=((queue, handle),), **({"stream": RUMOUR_STREAM} | more))  # type: ignore[arg-type]


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
    automatic: Sequence[int] = (),
    review: Sequence[int] = (),
    cents: int = 0,
    posts: Sequence[int] = (),
    bot_opened: Sequence[Sequence[int]] | None = None,
) -> Demand:
    """Return a demand of these rows, in this order; roots must be in order of time, and so must candidates.

    ``automatic`` are by the minute requests that pass, counted; ``review`` those that people review, each a row.
    ``cents`` is the amount of each, on one rail.
    """
    for kind in (ROOT, CANDIDATE):
        times = [t.at for t in tickets if t.kind == kind]
        assert times == sorted(times), "the rows of a kind stand in order of time"
    legs = [leg for t in tickets for leg in t.legs]
    moved_to = sorted({queue for t in tickets for queue in t.moved})
    child = {kind: {t.parent: row for row, t in enumerate(tickets) if t.kind == kind} for kind in (CHASE, REOPEN)}

    def column(values: Sequence[int]) -> np.ndarray:
        return np.array(values, dtype=np.int64)

    def by_minute(values: Sequence[int]) -> np.ndarray:
        return column([*values, *[0] * (minutes - len(values))])

    requests = np.zeros((1, CLASSES, 2, minutes), np.int64)
    requests[0, PASSING] = by_minute(automatic), by_minute(automatic) * cents
    reviewed = [[minute, 0, cents, REVIEWED_ROW, 0] for minute, n in enumerate(review) for _ in range(n)]
    rows = WithdrawalRows(
        drawn=column(reviewed).reshape(-1, 5),
        keys=np.arange(len(reviewed), dtype=np.uint64),
        account=np.zeros(len(reviewed)),
    )
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
        leg_hold_ms=column([leg[3] if len(leg) > 3 else 0 for leg in legs]),
        bot_opened_ms=tuple(column(times) for times in bot_opened or [()] * len(categories)),
        bot_ordinals=tuple(column(range(len(times))) for times in bot_opened or [()] * len(categories)),
        inputs=FeedbackInputs(requests=requests, rows=rows, posts_ms=column(posts)),
        moved_to=tuple(queues.index(queue) for queue in moved_to),
        moved_patience_ms=column([[t.moved.get(queue, NEVER) for t in tickets] for queue in moved_to]).reshape(
            len(moved_to), len(tickets)
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Crew:
    """A team: its agents, and the queues it serves, the preferred first, equals joined.

    ``agents`` is how many there are, from which time on if need be, of whom the first n are on duty; or a list with the
    changes (time, duty, productivity in millionths) of each. ``holds`` is how many tickets each holds at once, by queue
    if need be; ``stretch``, per mille, how long each of them then takes.
    """

    agents: int | Mapping[int, int] | Sequence[Sequence[tuple[int, int, int]]] = 1
    serves: tuple[str, ...] = ("q",)
    holds: int | Mapping[str, int] = 1
    stretch: tuple[int, ...] = ()
    cost: float = 0.0
    scheduled: int | Mapping[int, int] | None = None


def crew(
    agents: int | Mapping[int, int] | Sequence[Sequence[tuple[int, int, int]]] = 1, *serves: str, **more: object
) -> Crew:
    """Return a team; ``crew(2, "a", "bc")`` prefers a, and likes b and c equally."""
    return Crew(agents=agents, serves=serves or ("q",), **more)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What queues do: team numbers by preference, ages as (after, priority or queue letter), where the impatient go,
    how many may wait."""

    prefers: Mapping[str, Sequence[int]] = field(default_factory=dict)
    ages: Mapping[str, Sequence[tuple[int, int | str]]] = field(default_factory=dict)
    then: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, int] = field(default_factory=dict)


def desk(*crews: Crew, queues: str = "q", horizon: int = 10**6, rules: Rules | None = None) -> Desk:
    """Return a desk of these teams, t0, t1, ...; queues are single letters."""
    crews, rules = crews or (crew(),), rules or Rules()
    people = [_people(one) for one in crews]
    agent_team = [team for team, mine in enumerate(people) for _ in mine]
    changes = [
        (at, agent, *to) for agent, mine in enumerate(one for team in people for one in team) for at, *to in mine
    ]
    holds = [{q: c.holds if isinstance(c.holds, int) else c.holds.get(q, 1) for q in "".join(c.serves)} for c in crews]
    most = [max(mine.values()) for mine in holds]
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
        concurrency=tuple(tuple(mine.get(q, 1) for q in queues) for mine in holds),
        stretch_ppm=tuple(
            tuple(1000 * factor for factor in c.stretch) or (10**6,) * n for c, n in zip(crews, most, strict=True)
        ),
        patience_to=tuple(queues.index(rules.then[q]) if q in rules.then else LEAVE for q in queues),
        places=tuple(rules.places.get(q, ENDLESS) for q in queues),
        ages=tuple(tuple(_age(age, queues) for age in rules.ages.get(q, ())) for q in queues),
        agent_team=np.array(agent_team, dtype=np.int64),
        changes=np.array(sorted(changes), dtype=np.int64).reshape(-1, 4),
        scheduled=_scheduled(crews),
        cost_per_hour=tuple(c.cost for c in crews),
        horizon_ms=horizon,
    )


def _people(crew: Crew) -> list[list[tuple[int, int, int]]]:
    """Return the changes of each agent of a team; of n agents on duty, those are the first n."""
    if not isinstance(crew.agents, int | Mapping):
        return [list(mine) for mine in crew.agents]
    steps = sorted({0: crew.agents}.items() if isinstance(crew.agents, int) else crew.agents.items())
    people: list[list[tuple[int, int, int]]] = [[] for _ in range(max(n for _, n in steps))]
    for at, n in steps:
        for agent, mine in enumerate(people):
            duty = ON_DUTY if agent < n else AWAY
            if duty != (mine[-1][1] if mine else AWAY):
                mine.append((at, duty, 10**6))
    return people


def _scheduled(crews: Sequence[Crew]) -> np.ndarray:
    rows = []
    for team, one in enumerate(crews):
        steps = one.agents if one.scheduled is None else one.scheduled
        if isinstance(steps, int | Mapping):
            rows += [(at, team, n) for at, n in ({0: steps} if isinstance(steps, int) else steps).items()]
        else:
            rows.append((0, team, len(steps)))
    return np.array(sorted(rows), dtype=np.int64).reshape(-1, 3)


def _age(age: tuple[int, int | str], queues: str) -> tuple[int, int, int]:
    after, to = age
    return (after, AGE_PRIORITY, to) if isinstance(to, int) else (after, AGE_QUEUE, queues.index(to))


@dataclass(frozen=True, kw_only=True)
class Small:
    """A whole small world, ready for an engine."""

    demand: Demand
    desk: Desk
    parameters: FeedbackParameters | None = None
    at_opening: bool = False

    def run(self) -> DeskOutcome:
        """Return what the SimPy engine makes of it."""
        return simulate(self.demand, self.desk, self.parameters, complain_from_opening=self.at_opening)


# --- random worlds ------------------------------------------------------------------------------------------------


def random_world(rng: Random, *, scale: int = 1) -> Small:
    """Return a world of up to 24 tickets that is full of ties, with everything that the engine knows.

    All times are multiples of a unit, whole minutes as a rule, and each kind of thing is missing from some worlds.
    ``scale`` multiplies the tickets, and the time by less, so that lines grow long.
    """
    queues = "abcd"[: rng.randint(1, 4)]
    grid = Grid(rng, unit=rng.choice((MIN, MIN, MIN, MIN // 3, 1)), span=rng.randint(6, 24) * -(-scale // 4))
    crews = [_random_crew(grid, queues) for _ in range(rng.randint(1, 3))]
    then = {q: rng.choice(queues) for q in queues if rng.random() < 0.25}
    finite = rng.choice((0.0, 0.0, 0.5, 1.0))
    rules = Rules(
        prefers={q: rng.sample(range(len(crews)), rng.randint(0, len(crews))) for q in queues},
        ages={q: _random_ages(grid, [other for other in queues if other != q]) for q in queues},
        then={q: to for q, to in then.items() if q != to},
        places={q: rng.choice((0, 0, 1, 1, 2, 3)) for q in queues if rng.random() < finite},
    )
    levels = _random_level_rules(rng) if rng.random() < 0.6 else None
    end = grid.span * grid.unit
    minutes = -(-end // MIN) if levels else 0
    horizon = minutes * MIN if levels else end + rng.choice((0, 0, 0, 1))  # with levels a run is of whole minutes
    counts = {name: [rng.choice((0, 0, 1, 3)) for _ in range(minutes)] for name in ("auto", "review")}
    tickets = _random_tickets(grid, queues, scale)
    met = demand(*tickets, queues=queues, minutes=minutes, automatic=counts["auto"], review=counts["review"], cents=100)
    if levels and levels.panic != PLAIN:
        met = replace(met, inputs=random_flow(rng, levels, minutes), unanswerable=rng.choice(((), (0,))))
    if rng.random() < 0.4:
        met = replace(met, closed_ms=_random_closures(grid))
    return Small(
        demand=met,
        desk=desk(*crews, queues=queues, horizon=horizon, rules=rules),
        parameters=levels,
        at_opening=rng.random() < 0.3,
    )


class Grid:
    """A random number generator that knows the world's unit of time and how many units it lasts."""

    def __init__(self, rng: Random, *, unit: int, span: int) -> None:
        self.rng, self.unit, self.span = rng, unit, span

    def at(self, n: int) -> list[int]:
        """Return n times in order, the horizon's among them; often all are one."""
        last = self.rng.choice((0, self.span, self.span, self.span))
        return sorted(self.rng.randint(0, last) * self.unit for _ in range(n))

    def some(self, *units: int) -> int:
        """Return one of these numbers of units, in ms; NEVER for NEVER."""
        number = self.rng.choice(units)
        return NEVER if number == NEVER else number * self.unit


def _random_crew(grid: Grid, queues: str) -> Crew:
    rng = grid.rng
    serves: list[str] = []
    for queue in rng.sample(queues, rng.randint(1, len(queues))):
        if serves and rng.random() < 0.4:
            serves[-1] += queue
        else:
            serves.append(queue)
    holds = {queue: rng.choice((1, 1, 2, 3)) for queue in "".join(serves)}
    if rng.random() < 0.5:
        holds = dict.fromkeys(holds, rng.choice((1, 1, 2, 3)))
    stretch = sorted(rng.choice((1000, 1000, 1001, 1250, 1500, 2000)) for _ in range(max(holds.values())))
    return Crew(
        agents=_random_people(grid),
        serves=tuple(serves),
        holds=holds,
        stretch=tuple(stretch) if rng.random() < 0.7 else (),
    )


def _random_people(grid: Grid) -> Mapping[int, int] | list[list[tuple[int, int, int]]]:
    """Return how many agents are there from when on; or who comes, goes, has a break and works how fast."""
    rng = grid.rng

    def times() -> list[int]:
        return sorted({0, *(rng.randint(1, grid.span) * grid.unit for _ in range(rng.choice((0, 0, 1, 2, 4))))})

    if rng.random() < 0.5:
        return {at: rng.choice((0, 1, 1, 2)) for at in times()}
    duty, productivity = (ON_DUTY, ON_DUTY, IN_BREAK, AWAY), (10**6, 10**6, 500_000, 333_333)
    return [[(at, rng.choice(duty), rng.choice(productivity)) for at in times()] for _ in range(rng.randint(0, 3))]


def _random_ages(grid: Grid, others: list[str]) -> list[tuple[int, int | str]]:
    """Return ages, the youngest first, some at one time; one that moves a ticket may stand anywhere."""
    rng = grid.rng
    ages: list[tuple[int, int | str]] = []
    after = 0
    for _ in range(rng.choice((0, 0, 1, 2, 3))):
        after += grid.some(0, 1, 1, 2, 3) if ages else grid.some(1, 2, 3)
        ages.append((after, rng.choice(others) if others and rng.random() < 0.5 else rng.randint(0, 9)))
    return ages


def _random_closures(grid: Grid) -> np.ndarray:
    """Return times in which no customer can open a ticket; one may begin as, or before, another ends."""
    begins = sorted(grid.rng.randint(0, grid.span) for _ in range(grid.rng.randint(1, 3)))
    return np.array([(begin, begin + grid.rng.randint(1, 4)) for begin in begins], np.int64) * grid.unit


def _random_tickets(grid: Grid, queues: str, scale: int) -> list[Ticket]:
    rng = grid.rng
    drawn = _Drawn(grid, queues)
    tickets = [drawn.ticket(at=at) for at in grid.at(scale * rng.randint(1, 10))]
    for at in grid.at(scale * rng.randint(0, 9)):
        mark, stream = rng.choice((0.0, 0.25, 0.5, 0.75)), rng.choice(OFTEN)
        kind = TASK if stream == SIGNUP_STREAM else CANDIDATE
        tickets.append(drawn.ticket(at=at, kind=kind, mark=mark, stream=stream))
    parents = {kind: list(range(len(tickets))) for kind in (REOPEN, CHASE)}
    for _ in range(scale * rng.choice((0, 0, 1, 2, 4, 8))):
        kind = rng.choice((REOPEN, CHASE))
        if parents[kind]:
            which = -1 if rng.random() < 0.4 else rng.randrange(len(parents[kind]))  # the youngest: a line of descent
            parent = parents[kind].pop(which)
            for line in parents.values():
                line.append(len(tickets))
            tickets.append(drawn.ticket(kind=kind, parent=parent, after=grid.some(1, 1, 2, 3, 4)))
    return tickets


class _Drawn:
    """Tickets of one world: what is missing from one of them may be missing from all."""

    def __init__(self, grid: Grid, queues: str) -> None:
        rng = grid.rng
        self.grid, self.queues = grid, queues
        self.legs = rng.choice(((1,), (1, 1, 2, 3)))
        self.patience = rng.choice(((NEVER,), (0,), (NEVER, NEVER, 0, 1, 2, 4), (0, 1, 2, 3)))
        self.moved = rng.choice(("", queues, "".join(q for q in queues if rng.random() < 0.5)))
        self.priorities = rng.choice(((5,), (0, 5, 5, 9)))

    def ticket(self, **exogenous: object) -> Ticket:
        """Return a ticket; what is not given is drawn."""
        rng, some, unit = self.grid.rng, self.grid.some, self.grid.unit
        legs = tuple(
            (rng.choice(self.queues), rng.choice((1, unit, unit, 2 * unit, 3 * unit, unit + 1001)), some(0, 0, 1, 2))
            for _ in range(rng.choice(self.legs))
        )
        drawn = {
            "legs": legs,
            "priority": rng.choice(self.priorities),
            "patience": some(*self.patience),
            "moved": {queue: some(NEVER, 0, 0, 1, 1, 2, 3) for queue in self.moved},
            "target": some(NEVER, 1, 2, 3),
            "complain": rng.choice((NEVER, 1, unit, unit, 2 * unit, unit + unit // 2 + 1)),
        }
        return Ticket(**(drawn | exogenous))  # type: ignore[arg-type]


def _random_level_rules(rng: Random) -> FeedbackParameters:
    """Return rules in which everything is on or off by chance, with numbers that make ties."""
    rumour = RumourParameters(
        decay=rng.choice((0.0, 0.5, 1.0)),
        threshold=rng.choice((0.0, 1.0)),
        admitted_per_complaint=rng.choice((0.25, 0.5, 1.0)),
    )
    if rng.random() < 0.7:
        return random_rules(rng, rumour)
    return FeedbackParameters(  # the withdrawals' plain line and the rumour alone
        rails=(RailParameters(payouts_per_minute=rng.choice((0.5, 1.0, 2.5)), final_minutes=rng.randint(1, 3)),),
        reviews_per_minute=rng.choice((0.25, 1.0, 2.5)),
        promise_minutes=rng.randint(1, 3),
        late_admitted_per_withdrawal=rng.choice((0.0, 0.125, 0.25, 1.0)),
        rumour=rumour,
    )


PLAIN = PanicParameters()
"""Nobody runs: rules with another panic have all else too."""


def random_rules(rng: Random, rumour: RumourParameters) -> FeedbackParameters:
    """Return rules of a whole pipeline and public."""
    scale = rng.choice(SCALES)

    def some(*values: float) -> float:
        return rng.choice((0.0, *values)) * scale

    return FeedbackParameters(
        **random_pipeline(rng),  # type: ignore[arg-type]
        copies=CopiesParameters(
            per_post=some(0.5, 0.75),
            decay=rng.choice((0.0, 0.5)),
            unanswered_decay=rng.choice((0.5, 0.75)),
        ),
        rumour=replace(rumour, background=some(0.5), campaign=some(1.0), copied=some(0.5, 1.0)),
        trust=TrustParameters(
            recovery=some(0.25),
            loss_per_post=some(0.125, 0.5),
            signup_weight=some(0.5, 1.0, 1.0),
        ),
        panic=PanicParameters(
            depositors=rng.choice((0, 3, 8)),
            spread=some(0.5),
            calm=rng.choice((0.125, 0.25, 0.5)),
            per_rumour=some(0.5, 1.0),
            distrust_weight=some(1.0),
        ),
    )
