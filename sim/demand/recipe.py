"""What all replications of a world have in common, worked out once: who is expected when, and what may become of them.

Each day has numbers of its own: how many are expected, and how they are spread over it. So a shock on one day, or a
longer run, leaves every other day as it was, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.clock import DAY_MS, HOUR_MS, MINUTE_MS
from sim.curve import Curve
from sim.itinerary import Paths, paths_of
from sim.levels import LATE_STREAM, RUMOUR_STREAM, STREAMS
from sim.market import Market, profile_curve
from sim.scenario.model import Scenario
from sim.streams import name_keys

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Table = NDArray[np.void]
GUIDES = 1024
"""In how many equal steps of the day's arrivals a piece of the day is looked up."""

SOURCE = np.dtype(
    [("key0", "u8"), ("key1", "u8"), ("category", "i8"), ("stream", "i8"), ("bot_resolve", "f8")], align=True
)
"""Keys of its name, category, live level (-1 for none), share that the bot ends."""
PIECE = np.dtype(
    [("before", "f8"), ("until", "f8"), ("begin_ms", "f8"), ("length_ms", "f8"), ("last_ms", "i8")], align=True
)
"""The part of the day's arrivals that comes before it, and until its end; time of day from which, so many ms for
the whole day's arrivals at its rate, up to its last ms."""


class Sources(NamedTuple):
    """Where tickets come from: a SOURCE each, and by source and day how many are expected and which spread they have.

    Spread s over a day has the rows of PIECE from first[s] on; ``guide`` has, for each of GUIDES equal steps of the
    day's arrivals, the first of them that may hold it (guide table: Devroye 1986, Non-Uniform Random Variate
    Generation, ch. III.2.4).
    """

    rows: Table
    expected: Floats
    spread: Ints
    pieces: Table
    guide: NDArray[np.int32]


@dataclass(frozen=True)
class Recipe:
    """All of a world's demand that does not depend on seed and replication.

    ``roots``, a source for each category, and by the minute ``withdrawals`` (automatic, reviewed) and ``logins`` are
    what an ordinary day expects, before its busyness; ``candidates`` come at their ceiling and ``posts`` at their rate.
    """

    scenario: Scenario
    days: int
    paths: Paths
    roots: Sources
    candidates: Sources
    posts: Sources
    withdrawals_auto: Floats
    withdrawals_review: Floats
    logins: Floats


def recipe_of(scenario: Scenario, market: Market) -> Recipe:
    """Return the recipe for a scenario's demand in a market."""
    days = scenario.warmup_days + scenario.days
    ordinary, flat = profile_curve(scenario, 1.0), Curve(np.array([0, days * DAY_MS]), np.array([1.0]))
    roots, candidates, posts = _SourceTable(days), _SourceTable(days), _SourceTable(days)
    numbers = {name: number for number, name in enumerate(scenario.categories)}
    for name, category in scenario.categories.items():
        curve = ordinary.times(market.factor("tickets", name))
        roots.add(name, (numbers[name], -1, category.bot_resolve), _per_hour(scenario, name), curve)
    for stream, name, per_hour in ceilings(scenario):
        bot_resolve = scenario.categories[name].bot_resolve
        candidates.add(candidates_name(stream, name), (numbers[name], stream, bot_resolve), per_hour, flat)
    # Nobody answers a post that names no ticket; it is drawn like tickets of which the bot ends every one.
    posts.add("posts", (-1, -1, 1.0), scenario.complaints.background_per_day / 24, flat)

    people, money = scenario.population, scenario.withdrawals
    active = people.registered * people.mau_share / 24 if people else 0.0
    withdrawals = active * people.withdrawals_per_mau_day if people and money else 0.0
    review = money.review_share if money else 0.0
    withdrawn = by_minute(ordinary.times(market.factor("withdrawals"))) * withdrawals
    return Recipe(
        scenario=scenario,
        days=days,
        paths=paths_of(scenario),
        roots=roots.table(),
        candidates=candidates.table(),
        posts=posts.table(),
        withdrawals_auto=withdrawn * (1 - review),
        withdrawals_review=withdrawn * review,
        logins=by_minute(ordinary.times(market.factor("logins")))
        * (active * people.logins_per_mau_day if people else 0),
    )


def ceilings(scenario: Scenario) -> Iterator[tuple[int, str, float]]:
    """Yield each candidate stream in use: its number, its category, and its ceiling in tickets per hour."""
    if scenario.withdrawals:
        yield LATE_STREAM, scenario.withdrawals.late_category, scenario.withdrawals.late_ceiling_per_hour
    if scenario.rumour:
        yield RUMOUR_STREAM, scenario.rumour.category, scenario.rumour.ceiling_per_hour


def candidates_name(stream: int, category: str) -> str:
    """Return the name by which the draws of a live level's candidates are addressed."""
    return f"{STREAMS[stream]} {category}"


def _per_hour(scenario: Scenario, name: str) -> float:
    """Return the tickets of a category in an ordinary hour, averaged over the profile."""
    category, people = scenario.categories[name], scenario.population
    if category.arrivals_per_hour is not None:
        return category.arrivals_per_hour
    assert people is not None
    assert category.share is not None
    return people.registered * people.mau_share * people.tickets_per_mau_day * category.share / 24


def by_minute(curve: Curve) -> Floats:
    """Return what a curve from time 0 expects in each of its minutes, each from its own pieces alone."""
    marks = np.arange(0, curve.edges_ms[-1] + MINUTE_MS, MINUTE_MS)
    between = curve.edges_ms[curve.edges_ms % MINUTE_MS != 0]
    edges = np.sort(np.concatenate([marks, between]), kind="stable")
    parts = np.diff(edges) * curve.rate_at(edges[:-1]) / HOUR_MS
    return np.add.reduceat(parts, np.searchsorted(edges, marks[:-1]))


class _SourceTable:
    """Sources on their way into a table; days that are alike, of whichever source, share a spread."""

    def __init__(self, days: int) -> None:
        self.days = days
        self.rows: list[tuple[float, ...]] = []
        self.expected: list[Floats] = []
        self.spread: list[Ints] = []
        self.pieces: list[Table] = []
        self.guide: list[NDArray[np.int32]] = []
        self._spreads: dict[bytes, int] = {}
        self._curves: dict[bytes, tuple[Floats, Ints]] = {}

    def add(self, name: str, what: tuple[int, int, float], per_hour: float, curve: Curve) -> None:
        """Add a source (category, stream, share for the bot) whose rate is ``per_hour`` times a curve."""
        alike = curve.edges_ms.tobytes() + curve.rate_per_hour.tobytes()
        if alike not in self._curves:
            days = [self._day(*_day_of(curve, day)) for day in range(self.days)]
            self._curves[alike] = np.array([one[0] for one in days]), np.array([one[1] for one in days])
        expected, spread = self._curves[alike]
        self.rows.append((*name_keys(name), *what))
        self.expected.append(expected * per_hour)
        self.spread.append(spread)

    def _day(self, edges: Ints, rate: Floats) -> tuple[float, int]:
        """Return the total of a day's curve, and the number of its spread."""
        cum = np.cumsum(np.diff(edges) * rate / HOUR_MS)
        alike = edges.tobytes() + rate.tobytes()
        if cum[-1] > 0 and alike not in self._spreads:
            self._spreads[alike] = len(self.guide)
            until = cum / cum[-1]
            before = np.append(0.0, until[:-1])
            some = until > before
            pieces = np.empty(some.sum(), PIECE)
            pieces["before"], pieces["until"], pieces["begin_ms"] = before[some], until[some], edges[:-1][some]
            pieces["length_ms"] = np.diff(edges)[some] / (until - before)[some]
            pieces["last_ms"] = edges[1:][some] - 1
            first = sum(len(one) for one in self.pieces)
            self.guide.append(first + np.searchsorted(until[some], np.arange(GUIDES) / GUIDES).astype(np.int32))
            self.pieces.append(pieces)
        return float(cum[-1]), self._spreads.get(alike, -1)

    def table(self) -> Sources:
        """Return the sources as they stand."""
        pieces = np.concatenate(self.pieces) if self.pieces else np.empty(0, PIECE)
        shape = (len(self.rows), self.days)
        return Sources(
            np.array(self.rows, SOURCE),
            np.array(self.expected, dtype=np.float64).reshape(shape),
            np.array(self.spread, dtype=np.int64).reshape(shape),
            pieces,
            np.array(self.guide, dtype=np.int32).reshape(-1, GUIDES),
        )


def _day_of(curve: Curve, day: int) -> tuple[Ints, Floats]:
    """Return one day of a curve: edges, in ms of the day, and the rates between them."""
    begin, end = day * DAY_MS, (day + 1) * DAY_MS
    inner = curve.edges_ms[np.searchsorted(curve.edges_ms, begin, side="right") : np.searchsorted(curve.edges_ms, end)]
    edges = np.concatenate([[begin], inner, [end]])
    return edges - begin, curve.rate_at(edges[:-1])
