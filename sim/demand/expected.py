"""The expected demand, shared by all replications of a model and computed once: arrival rates and ticket routes.

Each day has numbers of its own: how many are expected, and how they are spread over it. So a shock on one day, or a
longer run, leaves every other day as it was, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.core.arrays import Floats, Ints
from sim.core.clock import DAY_MS, HOUR_MS, MINUTE_MS
from sim.core.lazy import lazy_property
from sim.demand.ceilings import ceilings
from sim.demand.exogenous import exogenous_of
from sim.demand.itineraries import Paths, paths_of
from sim.demand.withdrawals import ExpectedWithdrawals, expected_withdrawals_of, feared
from sim.drivers.market import MarketPath, profile_curve
from sim.drivers.newcomers import NewcomerFlows, newcomer_flows_of
from sim.drivers.policy import Policy, policy_of
from sim.feedback import STREAMS
from sim.feedback.columns import SIGNUP_STREAM
from sim.numerics.rate_curve import Curve
from sim.numerics.streams import name_keys
from sim.scenario.schema.public import Campaign
from sim.scenario.schema.scenario import Scenario

Table = NDArray[np.void]
GUIDES = 1024
"""In how many equal steps of the day's arrivals a piece of the day is looked up."""

SOURCE = np.dtype([("key0", "u8"), ("key1", "u8"), ("category", "i8"), ("stream", "i8"), ("layer", "i8")], align=True)
"""Keys of its name, category, feedback level (-1 for none), layer of candidates (see ``sim.demand.ceilings``)."""
PIECE = np.dtype(
    [("before", "f8"), ("until", "f8"), ("begin_ms", "f8"), ("length_ms", "f8"), ("last_ms", "i8")], align=True
)
"""The part of the day's arrivals that comes before it, and until its end; the time of day at which it begins, the ms
that the whole day's arrivals take at its rate, and its last ms."""


class Sources(NamedTuple):
    """Where tickets come from: a SOURCE each, and by source and day what is expected, for the bot, and spread how.

    ``expected`` are numbers of tickets, ``bot`` the share of them that the bot ends.

    Spread s over a day has the rows of PIECE from first[s] on; ``guide`` has, for each of GUIDES equal steps of the
    day's arrivals, the first of them that may hold it (guide table: Devroye 1986, Non-Uniform Random Variate
    Generation, ch. III.2.4).
    """

    rows: Table
    expected: Floats
    bot: Floats
    spread: Ints
    pieces: Table
    guide: NDArray[np.int32]


@dataclass(frozen=True)
class ExpectedDemand:
    """All of a market's demand that is not drawn: of all replications, or of one where each has its own market.

    ``roots``, a source for each category, and by the minute the ``withdrawals`` and ``logins`` are what an ordinary day
    expects, before its busyness; ``candidates`` come at their ceiling and ``posts`` at their rate:
    those of the background, of each campaign, and the worthless tickets of each campaign. ``profile`` averages 1.
    """

    scenario: Scenario
    market: MarketPath
    newcomer_flows: NewcomerFlows | None
    policy: Policy
    profile: Curve
    days: int
    paths: Paths
    roots: Sources
    candidates: Sources
    posts: Sources
    withdrawals: ExpectedWithdrawals
    logins: Floats

    @lazy_property
    def prevented(self) -> Floats:
        """By category and day the tickets that announcements and education prevent, as expected."""
        scenario, out = self.scenario, np.zeros((len(self.scenario.categories), self.days))
        if not (self.policy.spoken or scenario.education):
            return out
        curves = _ticket_curves(scenario, self.market, self.newcomer_flows, self.profile)
        for number, name in enumerate(scenario.categories):
            without = self.policy.silent.tickets(name, *curves(name)).expected(DAY_MS)
            less = without * _per_hour(scenario, self.newcomer_flows, name) - self.roots.expected[number]
            out[number] = np.maximum(less, 0.0)  # what is equal may differ in its last bit
        return out


def expected_demand_of(scenario: Scenario, market: MarketPath, paths: Paths | None = None) -> ExpectedDemand:
    """Return the demand expected of a scenario in a market; ``paths`` are worked out where they are not given."""
    days = scenario.warmup_days + scenario.days
    ordinary, flat = profile_curve(scenario, 1.0), Curve(np.array([0, days * DAY_MS]), np.array([1.0]))
    roots, candidates, posts = _SourceTable(days), _SourceTable(days), _SourceTable(days)
    policy, flows = policy_of(scenario, market.price, market.volatility), newcomer_flows_of(scenario, market)
    curves = _ticket_curves(scenario, market, flows, ordinary)
    bot = {name: policy.bot_share(name) for name in scenario.categories}
    for number, name in enumerate(scenario.categories):
        what, per_hour = (number, _stream(flows, name)), _per_hour(scenario, flows, name)
        roots.add(name, what, bot[name], per_hour, policy.tickets(name, *curves(name)))
    for stream, name, per_hour in ceilings(scenario):
        number = list(scenario.categories).index(name)
        candidates.add(candidates_name(stream, name), (number, stream), bot[name], per_hour, flat)
    # Nobody answers a post that names no ticket; it is drawn like tickets of which the bot ends every one.
    posts.add("posts", (-1, -1), np.ones(days), scenario.complaints.background_per_day / 24, flat)
    for name, campaign in scenario.campaigns.items():
        per_hour = campaign.posts * HOUR_MS / campaign.length
        posts.add(f"campaign {name}", (-1, -1), np.ones(days), per_hour, _campaign(scenario, campaign))
    for name, campaign in scenario.campaigns.items():
        per_hour = campaign.posts * campaign.spam_per_post * HOUR_MS / campaign.length
        posts.add(f"spam {name}", (-1, -1), np.ones(days), per_hour, _campaign(scenario, campaign))

    people = scenario.population
    active = people.registered * people.mau_share / 24 if people else 0.0
    withdrawals = active * people.withdrawals_per_mau_day if people and scenario.withdrawals else 0.0
    wanted, logged_in = (
        ordinary.times(market.factor(driven)).expected(MINUTE_MS) for driven in ("withdrawals", "logins")
    )
    withdrawn, logins = policy.requests("withdrawals", wanted), policy.requests("logins", logged_in)
    deferred = np.divide(withdrawn - wanted, withdrawn, out=np.zeros_like(wanted), where=withdrawn > wanted)
    withdrawn = withdrawn * withdrawals
    if scenario.withdrawals:
        withdrawn *= feared(scenario.withdrawals, scenario.warmup_days, len(withdrawn))
    return ExpectedDemand(
        scenario=scenario,
        market=market,
        newcomer_flows=flows,
        policy=policy,
        profile=ordinary,
        days=days,
        paths=paths or paths_of(scenario),
        roots=roots.table(),
        candidates=candidates.table(),
        posts=posts.table(),
        withdrawals=expected_withdrawals_of(
            scenario,
            policy,
            usual=ordinary.expected(MINUTE_MS) * withdrawals,
            per_minute=withdrawn,
            review=_reviewed(scenario, market, len(withdrawn)),
            deferred=deferred,
            exogenous=exogenous_of(scenario, market, policy),
        ),
        logins=logins * (active * people.logins_per_mau_day if people else 0),
    )


def _reviewed(scenario: Scenario, market: MarketPath, minutes: int) -> Floats:
    """Return by the minute the share of withdrawals that a person reviews first."""
    share = scenario.withdrawals.review_share if scenario.withdrawals else 0.0
    return np.minimum(share * market.factor("reviews").rate_at(np.arange(minutes) * MINUTE_MS), 1.0)


def _campaign(scenario: Scenario, campaign: Campaign) -> Curve:
    """Return 1 while a campaign lasts, and 0 before and after it."""
    horizon_ms = (scenario.warmup_days + scenario.days) * DAY_MS
    begin = min(scenario.warmup_days * DAY_MS + campaign.at, horizon_ms)
    edges, rates = np.array([0, begin, min(begin + campaign.length, horizon_ms), horizon_ms]), np.array([0.0, 1.0, 0.0])
    keep = np.diff(edges) > 0
    return Curve(np.append(edges[:-1][keep], horizon_ms), rates[keep])


def candidates_name(stream: int, category: str, layer: int = 0) -> str:
    """Return the name by which the draws of a feedback level's candidates are addressed."""
    return f"{STREAMS[stream]} {category}" + (f" {layer}" if layer else "")


def _ticket_curves(
    scenario: Scenario, market: MarketPath, flows: NewcomerFlows | None, profile: Curve
) -> Callable[[str], tuple[Curve, Curve]]:
    """Return what yields a category's curves for its mean rate: without the market's factors, and with them.

    Newcomers' mistakes are in both. Tasks follow no market; reviews follow the documents that newcomers send.
    """
    made: dict[tuple[int, ...], tuple[Curve, Curve]] = {}

    def curves(name: str) -> tuple[Curve, Curve]:
        if scenario.categories[name].task:
            reviews = flows is not None and name == flows.newcomers.review_category
            base = profile.times(flows.kyc) if flows and reviews else profile
            return base, base
        errs = flows is not None and flows.errs(name)
        alike = (*map(id, market.shocks_on("tickets", name)), errs)
        if alike not in made:
            base = profile.times(flows.mistakes()) if flows and errs else profile
            made[alike] = base, base.times(market.factor("tickets", name))
        return made[alike]

    return curves


def _stream(flows: NewcomerFlows | None, name: str) -> int:
    """Return the feedback level that admits a category's tasks, or -1: newcomers' documents depend on trust."""
    if flows and flows.newcomers.trust_weight > 0 and name == flows.newcomers.review_category:
        return SIGNUP_STREAM
    return -1


def _per_hour(scenario: Scenario, flows: NewcomerFlows | None, name: str) -> float:
    """Return the tickets of a category in an ordinary hour, averaged over the profile."""
    category, people = scenario.categories[name], scenario.population
    if flows and name == flows.newcomers.review_category:
        return flows.reviews_per_hour
    if category.arrivals_per_hour is not None:
        return category.arrivals_per_hour
    assert people is not None
    assert category.share is not None
    return people.registered * people.mau_share * people.tickets_per_mau_day * category.share / 24


class _SourceTable:
    """Sources on their way into a table; days that are alike, of whichever source, share a spread."""

    def __init__(self, days: int) -> None:
        self.days = days
        self.rows: list[tuple[int, ...]] = []
        self.expected: list[Floats] = []
        self.bot: list[Floats] = []
        self.spread: list[Ints] = []
        self.pieces: list[tuple[Floats | Ints, ...]] = []
        self.guide: list[NDArray[np.int32]] = []
        self._n_pieces = 0
        self._spreads: dict[bytes, int] = {}
        self._curves: dict[bytes, tuple[Floats, Ints]] = {}

    def add(self, name: str, what: tuple[int, int], bot: Floats, per_hour: float, curve: Curve) -> None:
        """Add a source (category, stream), by day the share for the bot, whose rate is ``per_hour`` times a curve."""
        alike = curve.edges_ms.tobytes() + curve.rate_per_hour.tobytes()
        if alike not in self._curves:
            days = [self._day(edges, rate) for edges, rate in _days_of(curve, self.days)]
            self._curves[alike] = np.array([one[0] for one in days]), np.array([one[1] for one in days])
        expected, spread = self._curves[alike]
        self.rows.append((*name_keys(name), *what, 0))
        self.expected.append(expected * per_hour)
        self.bot.append(bot)
        self.spread.append(spread)

    def _day(self, edges: Ints, rate: Floats) -> tuple[float, int]:
        """Return the total of a day's curve, and the number of its spread."""
        length = edges[1:] - edges[:-1]
        cum = (length * rate / HOUR_MS).cumsum()
        alike = edges.tobytes() + rate.tobytes()
        if cum[-1] > 0 and alike not in self._spreads:
            self._spreads[alike] = len(self.guide)
            until = cum / cum[-1]
            before = np.concatenate([[0.0], until[:-1]])
            some = until > before
            before, until, begin = before[some], until[some], edges[:-1][some]
            self.pieces.append((before, until, begin, length[some] / (until - before), edges[1:][some] - 1))
            # Piece i lies before step k when until < k / GUIDES; that product is exact, for GUIDES is a power of 2.
            passed = np.bincount((until * GUIDES).astype(np.int64) + 1, minlength=GUIDES)[:GUIDES].cumsum()
            self.guide.append((self._n_pieces + passed).astype(np.int32))
            self._n_pieces += len(until)
        return float(cum[-1]), self._spreads.get(alike, -1)

    def table(self) -> Sources:
        """Return the sources as they stand."""
        pieces = np.empty(self._n_pieces, PIECE)
        for name, parts in zip(PIECE.names or (), zip(*self.pieces, strict=True), strict=False):
            pieces[name] = np.concatenate(parts)
        shape = (len(self.rows), self.days)
        return Sources(
            np.array(self.rows, SOURCE),
            np.array(self.expected, dtype=np.float64).reshape(shape),
            np.array(self.bot, dtype=np.float64).reshape(shape),
            np.array(self.spread, dtype=np.int64).reshape(shape),
            pieces,
            np.array(self.guide, dtype=np.int32).reshape(-1, GUIDES),
        )


def _days_of(curve: Curve, days: int) -> Iterator[tuple[Ints, Floats]]:
    """Yield each day of a curve: edges, in ms of the day, and the rates between them."""
    marks = np.arange(days + 1) * DAY_MS
    edges = np.union1d(curve.edges_ms, marks)
    rate, first = curve.rate_at(edges[:-1]), np.searchsorted(edges, marks)
    for day in range(days):
        here = slice(first[day], first[day + 1])
        yield edges[first[day] : first[day + 1] + 1] - marks[day], rate[here]
