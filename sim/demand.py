"""Scenario and seed to ``Demand``: every random number of one replication, drawn before the engine begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sim.clock import DAY_MS, HOUR_MS, MINUTE_MS, NEVER
from sim.curve import Curve, poisson_count
from sim.itinerary import Draws, Legs, question_legs, reopened_legs, root_legs
from sim.laws import draw_ms
from sim.levels import LATE_STREAM, RUMOUR_STREAM, STREAMS
from sim.market import Market, profile_curve
from sim.scenario.model import Category, Law, Scenario
from sim.scenario.rules import queue_names
from sim.streams import DAY_STRIDE, Streams

Ints = NDArray[np.int64]
ROOT, CANDIDATE, REOPEN, CHASE = range(4)
KINDS = ("root", "candidate", "reopen", "chase")
_GENERATIONS_MAX = 60


@dataclass(frozen=True)
class Flow:
    """Withdrawals by the minute of the run (int64, one element a minute) and the posts that name no ticket (ms)."""

    withdrawals_auto: Ints
    withdrawals_review: Ints
    posts_ms: Ints


@dataclass(frozen=True)
class BotCandidates:
    """Candidates of a live level that the bot ends if they come: they touch no desk, so they have no row."""

    stream: int
    category: int
    opened_ms: Ints
    ordinals: Ints
    mark: NDArray[np.float64]


@dataclass(frozen=True)
class Demand:
    """The tickets of one replication, one row each: roots by time, then candidates by time, then children.

    ``opened_ms`` is NEVER for children, whose time the engine finds. ``legs_from`` has one element more than rows;
    the legs of row i, one or more, are legs_from[i] to legs_from[i + 1]. ``patience_ms`` counts from opening,
    ``target_ms`` too (NEVER without one);
    ``complaint_after_ms`` counts from the start of the complaint clock. ``chase`` and ``reopen`` are the rows of
    the children (-1 for none) and ``after_ms`` is a child's own delay. ``mark`` in [0, 1) admits a candidate of
    ``stream``. ``regulator`` flags customers who turn to a regulator. The roots that the bot ends have no row: by
    category ``bot_opened_ms`` has their times, in no order, and ``bot_ordinals`` what addresses their draws.
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
    bot_opened_ms: tuple[Ints, ...]
    bot_ordinals: tuple[Ints, ...]
    flow: Flow
    bot_candidates: tuple[BotCandidates, ...] = ()

    @property
    def rows(self) -> int:
        """Return how many rows there are; bot-ended roots have none (see ``bot_opened_ms``, by category)."""
        return len(self.opened_ms)


@dataclass
class _Block:
    """Rows of one category, kind and line of descent, on their way into a Demand."""

    draws: Draws
    category: int
    kind: int
    legs: Legs
    opened_ms: Ints
    last_step: Ints
    parent: tuple[int, Ints] | None = None
    after_ms: Ints | None = None
    stream: int = -1
    mark: NDArray[np.float64] | None = None
    rows: Ints | None = None

    def __len__(self) -> int:
        return len(self.opened_ms)


def draw(scenario: Scenario, market: Market, *, seed: int, replication: int) -> Demand:
    """Return every draw of one replication. Pure: the same arguments give the same bits."""
    streams = Streams(seed, replication)
    days = scenario.warmup_days + scenario.days
    busyness = _busyness(scenario, streams, days)
    queues = queue_names(scenario)
    blocks: list[_Block] = []
    bot: list[tuple[Ints, Ints]] = []
    for number, (name, category) in enumerate(scenario.categories.items()):
        curve = _tickets_curve(scenario, market, name, category)
        opened, ordinals = arrivals(curve, busyness, streams, name)
        human = streams.uniforms(name, "bot", ordinals) >= category.bot_resolve
        bot.append((opened[~human], ordinals[~human]))
        draws = Draws(streams, name, "", ordinals[human])
        legs, last_step = root_legs(scenario, category, draws, queues)
        blocks.append(_Block(draws, number, ROOT, legs, opened[human], last_step))
    candidates, for_bot = _candidates(scenario, streams, days, queues)
    blocks += candidates
    blocks += _descendants(scenario, blocks, queues)
    flow = _flow(scenario, market, busyness, streams)
    return replace(_merge(scenario, blocks, bot, flow, queues), bot_candidates=tuple(for_bot))


def arrivals(curve: Curve, busyness: NDArray[np.float64], streams: Streams, name: str) -> tuple[Ints, Ints]:
    """Return the times in ms and the ordinals of a day-wise Poisson stream, by day and ordinal (not by time).

    Each day has its own numbers and its own curve, so a shock on one day, or a longer run, leaves every other day as
    it was, to the last bit.
    """
    days = [_day_of(curve, day) for day in range(len(busyness))]
    expected = np.array([day.total for day in days]) * busyness
    counts = poisson_count(expected, streams.uniforms(name, "count", np.arange(len(days))))
    first = np.concatenate([[0], np.cumsum(counts)])
    number = np.repeat(np.arange(len(days)), counts)
    ordinals = number * DAY_STRIDE + (np.arange(first[-1]) - first[number])
    u = streams.uniforms(name, "time", ordinals)
    times = number * DAY_MS
    alike: dict[tuple[bytes, bytes], list[int]] = {}
    for day, inside in enumerate(days):
        alike.setdefault((inside.edges_ms.tobytes(), inside.rate_per_hour.tobytes()), []).append(day)
    for same in alike.values():
        mine = np.isin(number, same) if len(alike) > 1 else slice(None)
        inside = days[same[0]]
        times[mine] += np.minimum(np.floor(inside.inverse(u[mine] * inside.total)).astype(np.int64), DAY_MS - 1)
    return times, ordinals


def _day_of(curve: Curve, day: int) -> Curve:
    """Return one day of a curve, with times from the day's beginning."""
    begin, end = day * DAY_MS, (day + 1) * DAY_MS
    inner = curve.edges_ms[(curve.edges_ms > begin) & (curve.edges_ms < end)]
    edges = np.concatenate([[begin], inner, [end]])
    return Curve(edges - begin, curve.rate_at(edges[:-1]))


def _busyness(scenario: Scenario, streams: Streams, days: int) -> NDArray[np.float64]:
    """Return each day's factor on demand: gamma of mean 1, shared by all that happens on that day."""
    from scipy.special import gammaincinv

    if scenario.busyness.cv == 0:
        return np.ones(days)
    shape = scenario.busyness.cv**-2
    return gammaincinv(shape, streams.uniforms("", "busyness", np.arange(days))) / shape


def _tickets_curve(scenario: Scenario, market: Market, name: str, category: Category) -> Curve:
    if category.arrivals_per_hour is not None:
        rate = category.arrivals_per_hour
    else:
        people = scenario.population
        assert people is not None
        assert category.share is not None
        rate = people.registered * people.mau_share * people.tickets_per_mau_day * category.share / 24
    return profile_curve(scenario, rate).times(market.factor("tickets", name))


def _candidates(
    scenario: Scenario, streams: Streams, days: int, queues: list[str]
) -> tuple[list[_Block], list[BotCandidates]]:
    """Return the candidate tickets of the live levels, drawn at their ceiling with a mark: for people, for the bot."""
    blocks, for_bot = [], []
    for stream, name, ceiling in ceilings(scenario):
        curve = Curve(np.array([0, days * DAY_MS]), np.array([ceiling]))
        label = f"{STREAMS[stream]} {name}"
        opened, ordinals = arrivals(curve, np.ones(days), streams, label)
        category = scenario.categories[name]
        number = list(scenario.categories).index(name)
        every = Draws(streams, label, "", ordinals)
        human, mark = every.u("bot") >= category.bot_resolve, every.u("mark")
        draws = Draws(streams, label, "", ordinals[human])
        legs, last_step = root_legs(scenario, category, draws, queues)
        blocks.append(_Block(draws, number, CANDIDATE, legs, opened[human], last_step, stream=stream, mark=mark[human]))
        for_bot.append(BotCandidates(stream, number, opened[~human], ordinals[~human], mark[~human]))
    return blocks, for_bot


def ceilings(scenario: Scenario) -> Iterator[tuple[int, str, float]]:
    """Yield each candidate stream in use: its number, its category, and its ceiling in tickets per hour."""
    if scenario.withdrawals:
        yield LATE_STREAM, scenario.withdrawals.late_category, scenario.withdrawals.late_ceiling_per_hour
    if scenario.rumour:
        yield RUMOUR_STREAM, scenario.rumour.category, scenario.rumour.ceiling_per_hour


def _descendants(scenario: Scenario, blocks: list[_Block], queues: list[str]) -> list[_Block]:
    """Return the children of all blocks, generation by generation; a child of a question is another question."""
    out: list[_Block] = []
    frontier = list(enumerate(blocks))
    for _ in range(_GENERATIONS_MAX):
        born: list[_Block] = []
        for number, block in frontier:
            born += _children(scenario, number, block, queues)
        if not born:
            return out
        start = len(blocks) + len(out)
        out += born
        frontier = list(enumerate(born, start))
    return out


def _children(scenario: Scenario, number: int, parent: _Block, queues: list[str]) -> Iterator[_Block]:
    """Yield the reserved children of one block: the customers who ask again, and the tickets that are reopened."""
    old = parent.draws
    with_legs = np.flatnonzero(np.bincount(parent.legs.ticket, minlength=len(parent)))
    for kind, letter, share, after in _reserved(scenario, parent.kind):
        u = Draws(old.streams, old.category, old.line, old.ordinals[with_legs]).u(f"{letter}?")
        chosen = with_legs[u < share]
        if not len(chosen):
            continue
        draws = Draws(old.streams, old.category, old.line + letter, old.ordinals[chosen])
        steps = parent.last_step[chosen]
        if kind == CHASE:
            legs = question_legs(scenario, draws, queues)
        else:
            legs = reopened_legs(list(scenario.categories.values())[parent.category], draws, steps, queues)
        block = _Block(draws, parent.category, kind, legs, np.full(len(chosen), NEVER), steps)
        block.parent, block.after_ms = (number, chosen), draws.law(after, "after")
        yield block


def _reserved(scenario: Scenario, kind: int) -> Iterator[tuple[int, str, float, Law]]:
    if scenario.recontact:
        yield CHASE, "c", scenario.recontact.share, scenario.recontact.after
    if scenario.reopen and kind != CHASE:
        yield REOPEN, "r", scenario.reopen.share, scenario.reopen.after


def logins(market: Market, streams: Streams) -> Ints:
    """Return the logins by the minute of the run. They meet no desk, so they are drawn when they are asked for."""
    scenario, people = market.scenario, market.scenario.population
    rate = people.registered * people.mau_share * people.logins_per_mau_day / 24 if people else 0.0
    busyness = _busyness(scenario, streams, scenario.warmup_days + scenario.days)
    expected = expected_by_minute(market, busyness, rate, "logins")
    return poisson_count(expected, streams.uniforms("", "logins", np.arange(len(expected))))


def expected_by_minute(
    market: Market, busyness: NDArray[np.float64], rate_per_hour: float, driven: str
) -> NDArray[np.float64]:
    """Return expected counts by the minute: an ordinary rate, times the profile, the market and the day's busyness."""
    curve = profile_curve(market.scenario, rate_per_hour).times(market.factor(driven))
    edges = np.arange(len(busyness) * 1440 + 1) * MINUTE_MS
    return np.diff(curve.cumulative(edges)) * np.repeat(busyness, 1440)


def _flow(scenario: Scenario, market: Market, busyness: NDArray[np.float64], streams: Streams) -> Flow:
    """Return the requests by the minute and the posts that name no ticket."""
    people, money = scenario.population, scenario.withdrawals
    active = people.registered * people.mau_share if people else 0.0
    rate = active * people.withdrawals_per_mau_day / 24 if people and money else 0.0
    review = money.review_share if money else 0.0
    expected = expected_by_minute(market, busyness, rate, "withdrawals")
    minutes, days = np.arange(len(expected)), len(busyness)
    post_curve = Curve(np.array([0, days * DAY_MS]), np.array([scenario.complaints.background_per_day / 24]))
    posts, _ = arrivals(post_curve, np.ones(days), streams, "posts")
    return Flow(
        withdrawals_auto=poisson_count(expected * (1 - review), streams.uniforms("", "withdrawals/auto", minutes)),
        withdrawals_review=poisson_count(expected * review, streams.uniforms("", "withdrawals/review", minutes)),
        posts_ms=np.sort(posts),
    )


def _merge(
    scenario: Scenario, blocks: list[_Block], bot: list[tuple[Ints, Ints]], flow: Flow, queues: list[str]
) -> Demand:
    """Return the Demand of all blocks: rows in their order, legs flat, children linked to their parents."""
    _number(blocks)
    total = sum(len(block) for block in blocks)

    def column(fill: int, values: Iterator[tuple[_Block, Ints | int]]) -> Ints:
        out = np.full(total, fill, dtype=np.int64)
        for block, value in values:
            out[block.rows] = value
        return out

    links = {CHASE: np.full(total, -1), REOPEN: np.full(total, -1)}
    parent = np.full(total, -1)
    for block in blocks:
        if block.parent is not None and block.rows is not None:
            above = blocks[block.parent[0]].rows
            assert above is not None
            parent[block.rows] = above[block.parent[1]]
            links[block.kind][parent[block.rows]] = block.rows
    categories = list(scenario.categories.values())
    legs_from, leg_columns = _flat_legs(blocks, total)
    patience, target = _first_waits(scenario, blocks, total, queues)
    mark = np.zeros(total)
    regulator = np.zeros(total, dtype=bool)
    for block in blocks:
        if block.mark is not None:
            mark[block.rows] = block.mark
        if scenario.regulator and block.kind in (ROOT, CANDIDATE):
            regulator[block.rows] = block.draws.u("regulator") < scenario.regulator.share
    return Demand(
        categories=tuple(scenario.categories),
        category=column(0, ((b, b.category) for b in blocks)),
        kind=column(0, ((b, b.kind) for b in blocks)),
        parent=parent,
        opened_ms=column(NEVER, ((b, b.opened_ms) for b in blocks)),
        priority=column(0, ((b, categories[b.category].priority) for b in blocks)),
        patience_ms=patience,
        target_ms=target,
        complaint_after_ms=column(NEVER, ((b, _complaint_after(b, categories[b.category])) for b in blocks)),
        regulator=regulator,
        after_ms=column(0, ((b, b.after_ms) for b in blocks if b.after_ms is not None)),
        chase=links[CHASE],
        reopen=links[REOPEN],
        stream=column(-1, ((b, b.stream) for b in blocks)),
        mark=mark,
        legs_from=legs_from,
        leg_queue=leg_columns[0],
        leg_handle_ms=leg_columns[1],
        leg_pause_ms=leg_columns[2],
        bot_opened_ms=tuple(opened for opened, _ in bot),
        bot_ordinals=tuple(ordinals for _, ordinals in bot),
        flow=flow,
    )


def _number(blocks: list[_Block]) -> None:
    """Give each block its rows: roots by time, candidates by time, then children as they were reserved."""
    first = 0
    for kind in (ROOT, CANDIDATE):
        mine = [block for block in blocks if block.kind == kind]
        opened = np.concatenate([block.opened_ms for block in mine]) if mine else np.zeros(0, dtype=np.int64)
        rank = np.empty(len(opened), dtype=np.int64)
        rank[np.argsort(opened, kind="stable")] = np.arange(len(opened))
        at = 0
        for block in mine:
            block.rows = first + rank[at : at + len(block)]
            at += len(block)
        first += len(opened)
    for block in blocks:
        if block.rows is None:
            block.rows = np.arange(first, first + len(block))
            first += len(block)


def _flat_legs(blocks: list[_Block], total: int) -> tuple[Ints, list[Ints]]:
    """Return where each row's legs begin, and queue, handling time and pause of all legs in row order."""
    rows = np.concatenate([block.rows[block.legs.ticket] for block in blocks if block.rows is not None])
    order = np.argsort(rows, kind="stable")
    names = ("queue", "handle_ms", "pause_ms")
    columns = [np.concatenate([getattr(block.legs, name) for block in blocks])[order] for name in names]
    legs_from = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=total))]).astype(np.int64)
    # A pause follows work that goes on: after a ticket's last leg there is none.
    last = legs_from[1:][np.diff(legs_from) > 0] - 1
    columns[2][last] = 0
    return legs_from, columns


def _first_waits(scenario: Scenario, blocks: list[_Block], total: int, queues: list[str]) -> tuple[Ints, Ints]:
    """Return patience and first-response target of every row, by the queue of its first leg."""
    patience, target = np.full(total, NEVER), np.full(total, NEVER)
    for block in blocks:
        assert block.rows is not None
        first = np.full(len(block), -1)
        first[block.legs.ticket[::-1]] = block.legs.queue[::-1]
        for name, queue in scenario.queues.items():
            here = first == queues.index(name)
            if queue.target is not None:
                target[block.rows[here]] = queue.target
            if queue.patience is not None and here.any():
                u = block.draws.streams.uniforms(
                    block.draws.category, f"{block.draws.line}:patience", block.draws.ordinals[here]
                )
                patience[block.rows[here]] = draw_ms(queue.patience, u, least_ms=0)
    return patience, target


def _complaint_after(block: _Block, category: Category) -> Ints:
    """Return when each ticket goes public after the start of its complaint clock: exponential, NEVER for questions."""
    hazard = category.complaint_hazard_per_hour
    if hazard == 0 or block.kind == CHASE:
        return np.full(len(block), NEVER)
    hours = -np.log1p(-block.draws.u("complaint")) / hazard
    return np.maximum(np.rint(np.minimum(hours * HOUR_MS, 2.0**62)), 1).astype(np.int64)
