"""The keys of a scenario, each with its type, unit and meaning. Frozen and inert."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from sim.core.clock import parse_utc
from sim.scenario.schema.durations import Distribution
from sim.scenario.schema.endpoints import Endpoint
from sim.scenario.schema.expectation import Bounds
from sim.scenario.schema.metric_names import MetricName
from sim.scenario.schema.newcomers import Mfa, Newcomers, Regime
from sim.scenario.schema.policy import (
    Announcement,
    Attrition,
    BotRelease,
    EarlyWarning,
    Education,
    Hire,
    Incident,
    ReplyPolicy,
    Silence,
    StatusMessages,
    Surge,
)
from sim.scenario.schema.public import (
    Amplification,
    BankRun,
    Campaign,
    Complaints,
    Copies,
    Listening,
    Regulator,
    Rumour,
    Trust,
)
from sim.scenario.schema.quantities import (
    Agents,
    Count,
    Date,
    Duration,
    DurationOrZero,
    Instant,
    Name,
    NonNegative,
    Number,
    Part,
    Positive,
    Share,
    Text,
    TimeOfDay,
    Whole,
)
from sim.scenario.schema.withdrawals import Gateway, Withdrawals

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS = get_args(Weekday)
Priority = Annotated[int, Whole(high=9)]

# --- demand ---------------------------------------------------------------------------------------------------


class Population(Part):
    """The users and how often they act on an ordinary day."""

    registered: Count = Field(description="registered users of the platform")
    mau_share: Share = Field(description="share of registered users that are active in a month")
    tickets_per_mau_day: NonNegative = Field(description="tickets per monthly active user and day")
    withdrawals_per_mau_day: NonNegative = Field(0.0, description="withdrawals per monthly active user and day")
    logins_per_mau_day: NonNegative = Field(0.0, description="logins per monthly active user and day")


class Profile(Part):
    """The shape of demand over a day or a week; only its proportions count."""

    period: Literal["1 d", "7 d"] = Field("1 d", description="length of the pattern, from 00:00 UTC (of a Monday)")
    weights: list[NonNegative] = Field(min_length=1, description="weights of equally long pieces of the period")


class Busyness(Part):
    """How much busier one day is than another, for all categories together."""

    cv: Annotated[float, Number(low=0, high=100)] = Field(
        description="coefficient of variation of a day's demand (gamma)"
    )


class Shock(Part):
    """A burst of demand: constant for a while, then decaying."""

    label: Text | None = Field(None, description="what people call it; made from its name when absent")
    at: DurationOrZero = Field(description="start, from the end of the warm-up")
    length: Duration = Field(description="time at full strength")
    half_life: DurationOrZero = Field(0, description="half-life of the excess afterwards; 0 ends it at once")
    price_change: Annotated[float, Number(above=-1)] = Field(
        0.0, description="change of the price over the length, as a share of it"
    )
    tickets: NonNegative = Field(1.0, description="factor on tickets")
    withdrawals: NonNegative = Field(1.0, description="factor on withdrawals")
    logins: NonNegative = Field(1.0, description="factor on logins")
    signups: NonNegative = Field(1.0, description="factor on sign-ups")
    reviews: NonNegative = Field(
        1.0, description="factor on the share of withdrawals that a person reviews first (all of them at most)"
    )
    categories: list[str] = Field([], description="categories whose tickets it moves; all when empty")


class Market(Part):
    """How the market moves demand: prices, real or drawn from regimes, act through their realised volatility."""

    candles: Text | None = Field(None, description="file of hourly or finer candles, relative to the working directory")
    begin: Instant | None = Field(None, description="midnight of the history that meets the end of the warm-up")
    window: Duration = Field(description="window of the realised volatility")
    reference: Duration = Field(description="history before the run, whose median volatility is ordinary")
    withdrawals_elasticity: NonNegative = Field(description="relative change of withdrawals per that of volatility")
    tickets_elasticity: NonNegative = Field(description="relative change of tickets per that of volatility")
    logins_elasticity: NonNegative = Field(description="relative change of logins per that of volatility")
    factor_max: Annotated[float, Number(low=1)] = Field(description="largest factor on any demand, and 1 / the least")
    fall_weight: Annotated[float, Number(low=0, high=2)] = Field(
        1.0,
        description="weight of a falling hour in the volatility that moves tickets and withdrawals; a rising one has "
        "2 minus this",
    )
    path: Literal["flat", "regimes"] = Field(
        "flat", description="the price without candles: flat but for shocks, or drawn from regimes by replication"
    )
    regimes: dict[Name, Regime] = Field({}, description="states of the market by name")
    ordinary_regime: str | None = Field(
        None, description="regime whose volatility, without jumps, is ordinary; the first when absent"
    )


# --- ticket routes --------------------------------------------------------------------------------------------


class Step(Part):
    """One level of an escalation path: the queue, the handling time, and the share of tickets solved there."""

    queue: Name | dict[Name, Share] = Field(description="queue of this level, or shares of several (they sum to 1)")
    handle: Distribution = Field(description="handling time of one agent")
    solved: Share | None = Field(None, description="share solved at this level; the last level solves all")
    evidence: bool = Field(False, description="whether this level may ask the customer for proof")
    hold: Distribution | None = Field(None, description="waiting for a third party in the middle of the work")


class Category(Part):
    """A ticket category: its volume, the bot's part, the escalation path, and its public complaints."""

    label: Text | None = Field(None, description="what people call it; made from its name when absent")
    share: Share | None = Field(None, description="share of all tickets")
    arrivals_per_hour: NonNegative | None = Field(None, description="tickets per hour, given directly")
    task: bool = Field(False, description="whether it is work that no customer asked for: no ticket, no complaint")
    bot_resolve: Share = Field(0.0, description="share of its tickets that the bot ends")
    bot_involvement: Share | None = Field(
        None, description="share of its tickets that the bot takes on; with bot_resolution instead of bot_resolve"
    )
    bot_resolution: Share | None = Field(None, description="share of the tickets taken on that the bot ends")
    priority: Priority = Field(5, description="priority, 0 the most urgent")
    path: list[str] = Field([], description="names of its steps, in order; as written when empty")
    steps: dict[Name, Step] = Field(min_length=1, description="levels of the escalation path by name")
    complaint_hazard_per_hour: NonNegative = Field(
        0.0, description="public complaints per unresolved ticket and hour while the complaint clock runs"
    )
    p_public_if_unresolved: Share | None = Field(
        None,
        description="public complaints per escalated ticket that the hazard is set to yield in the baseline",
    )
    reply_policy: ReplyPolicy | None = Field(
        None, description="how unresolved tickets are answered; as reply_policy_calibrated when absent"
    )
    reply_policy_calibrated: ReplyPolicy = Field(
        "reply", description="the reply policy under which complaint_hazard_per_hour holds"
    )
    samples: list[Text] = Field([], description="example messages, from which load-test tickets take their text")


class Bot(Part):
    """The automatic first answer."""

    handle: Distribution = Field(description="time from opening to the bot's solution")


class Evidence(Part):
    """The loop in which the customer must send proof."""

    share: Share = Field(description="share of the tickets of a level with evidence = true that need more proof")
    reply: Distribution = Field(description="time until the customer sends it")
    first_part: Share = Field(description="share of the handling done before the question (or before a hold)")


class Misroute(Part):
    """Escalations sent to the wrong department first."""

    share: Share = Field(description="share of the escalated tickets that reach a wrong department first")
    among: list[str] = Field(min_length=2, description="queues that are mistaken for each other")
    handle: Distribution = Field(description="time the wrong department spends before it passes the ticket on")


class Reopen(Part):
    """Tickets that come back after they were resolved."""

    share: Share = Field(description="share of the resolved tickets of people that are opened again")
    after: Distribution = Field(description="time from resolution to reopening")


class Recontact(Part):
    """Customers who ask again while they wait."""

    share: Share = Field(description="share of the customers who ask again if their ticket is open for that long")
    after: Distribution = Field(description="time from opening to asking again")
    queue: Name = Field(description="queue in which the question lands")
    handle: Distribution = Field(description="handling time of the question")


# --- the desk -------------------------------------------------------------------------------------------------


class Age(Part):
    """A rule for tickets that have waited too long in a queue."""

    after: Duration = Field(description="time since it entered the queue")
    priority: Priority | None = Field(None, description="its new priority")
    to: str | None = Field(None, description="the queue that it moves to")


class Queue(Part):
    """A line of waiting tickets."""

    label: Text | None = Field(None, description="what people call it; made from its name when absent")
    target: Duration | None = Field(None, description="first-response target of tickets that start here")
    patience: Distribution | None = Field(
        None, description="time a customer waits here for the first answer, from entering"
    )
    then: str = Field("leave", description='where impatient customers go: a queue, or "leave"')
    places: Annotated[int, Whole("waiting places", low=0, high=1_000_000)] | None = Field(
        None, description="how many may wait here; who comes for a first answer and finds no place is turned away"
    )
    age: list[Age] = Field([], description="what happens to tickets that wait long, the youngest age first")
    prefers: list[str] = Field([], description="teams, the preferred first, when several could take a ticket")


class Shift(Part):
    """A daily working time."""

    start: TimeOfDay = Field(description="when it begins, UTC")
    length: Duration = Field(description="how long it lasts")
    days: list[Weekday] = Field([], description="days on which it starts; every day when empty")


Held = Annotated[int, Whole("tickets", low=1, high=9)]
Stretch = Annotated[float, Number(low=1, high=1000, noun="a factor")]


class Shrinking(Part):
    """The part of the scheduled time that is not worked."""

    shrinkage: Share | None = Field(
        None, description="share of the scheduled time that is not worked: a third of it absence, the rest breaks"
    )
    absence: Share | None = Field(None, description="share of the turns from which an agent is absent")
    breaks: Share | None = Field(None, description="share of a turn in breaks and meetings")
    break_blocks: Annotated[int, Whole("breaks", low=1, high=96)] | None = Field(
        None, description="breaks of a turn, at equal distances; one for each two hours when absent"
    )


class Team(Shrinking):
    """A pool of agents with the same skills."""

    label: Text | None = Field(None, description="what people call it; made from its name when absent")
    serves: list[str | list[str]] = Field(min_length=1, description="queues, the preferred first; a list pools equals")
    agents: Agents | dict[Name, Agents] = Field(description="scheduled agents, around the clock or by shift")
    concurrency: Held | dict[Name, Held] = Field(
        1, description="tickets that one agent holds at once, of all its queues or by queue (1 where none is given)"
    )
    stretch: list[Stretch] = Field(
        [1.0], description="how many times as long each ticket takes while its agent holds 1, 2, ... of them"
    )
    cost_per_hour: NonNegative = Field(0.0, description="cost of one scheduled agent, US dollars per hour")


class Staffing(Shrinking):
    """The loss between scheduled agents and agents on duty, of all teams that do not say their own."""


# --- the public, money, and the feedback levels -------------------------------------------------------------------


class Readers(Part):
    """Requests that only read."""

    poll_every: Duration = Field(description="time between two status queries of one withdrawal")
    poll_share: Share = Field(description="share of the owners of an open withdrawal who poll")
    view_every: Duration = Field(description="time between two views of one open ticket")


class Objective(Part):
    """The objectives of an endpoint in a load test."""

    p50_ms: Positive | None = Field(None, description="limit of the median latency, ms")
    p95_ms: Positive | None = Field(None, description="limit of the 95 % quantile of latency, ms")
    p99_ms: Positive | None = Field(None, description="limit of the 99 % quantile of latency, ms")
    error_share: Share | None = Field(None, description="limit of the share of failed requests, of all sent")
    rate_limited_share: Share | None = Field(
        None, description="limit of the share of rate-limited requests, of all sent (without one: error_share)"
    )
    throughput_per_s: Positive | None = Field(
        None, description="least acknowledged requests a second over the load test: what it must have proven"
    )


class Scenario(Part):
    """A complete scenario: demand, ticket routes, staffing, feedback and expectations."""

    title: Text = Field(description="the story in one line")
    why: str = Field("", description="the story, and what it leaves out")
    question: str = Field("", description="the question that it answers")
    answers: list[str] = Field([], description="metrics that answer the question, named as in expect")
    start: Date = Field(
        date(2026, 1, 5),
        description="first day of the run, warm-up included; without one that of its candles (2026-01-05 is a Monday)",
    )
    days: Annotated[int, Whole("days", low=1, high=3660)] = Field(description="days that are measured")
    warmup_days: Annotated[int, Whole("days", high=366)] = Field(
        0, description="days before, which are simulated but not measured"
    )
    primary: MetricName = Field("backlog_peak", description="metric that --precision makes as precise as asked")
    summary: Literal["mean", "quantiles"] = Field(
        "mean",
        description="what lines and bars are of the replications: the mean, or the median where that is no typical one",
    )

    population: Population | None = None
    profile: Profile = Profile(weights=[1.0])
    busyness: Busyness = Busyness(cv=0.0)
    shocks: dict[Name, Shock] = {}
    market: Market | None = None

    categories: dict[Name, Category] = Field(min_length=1, description="ticket categories by name")
    bot: Bot | None = None
    evidence: Evidence | None = None
    misroute: Misroute | None = None
    reopen: Reopen | None = None
    recontact: Recontact | None = None

    queues: dict[Name, Queue] = {}
    shifts: dict[Name, Shift] = {}
    staffing: Staffing = Staffing()
    teams: dict[Name, Team] = Field(min_length=1, description="teams by name")

    complaints: Complaints = Complaints()
    regulator: Regulator | None = None
    withdrawals: Withdrawals | None = None
    gateway: Gateway | None = None
    rumour: Rumour | None = None
    copies: Copies | None = None
    amplification: dict[Name, Amplification] = {}
    campaigns: dict[Name, Campaign] = {}
    listening: Listening | None = None
    trust: Trust | None = None
    run: BankRun | None = None
    readers: Readers | None = None
    newcomers: Newcomers | None = None
    mfa: Mfa | None = None

    announcements: dict[Name, Announcement] = {}
    status_messages: StatusMessages | None = None
    silence: Silence | None = None
    education: Education | None = None
    bot_releases: dict[Name, BotRelease] = {}
    incidents: dict[Name, Incident] = {}
    early_warnings: dict[Name, EarlyWarning] = {}
    surges: dict[Name, Surge] = {}
    hires: dict[Name, Hire] = {}
    attrition: Attrition | None = None

    objectives: dict[Endpoint, Objective] = {}
    expect: dict[str, Annotated[str, Bounds()]] = Field(
        {},
        description='what must come out, metric by metric: "low..high", "> x", "< x"; of the mean, of a quantile '
        '("ran_share:p95"), or of the probability of an outcome ("ran_share > 0.1")',
    )

    def __repr__(self) -> str:
        """Return one line, instead of every key."""
        return (
            f"<Scenario {self.title!r}: {self.days} days, {len(self.categories)} categories, {len(self.teams)} teams>"
        )

    @model_validator(mode="before")
    @classmethod
    def _dated_by_its_candles(cls, data: Any) -> Any:
        """Give a run with candles and no ``start`` the dates of its prices, so that a Thursday runs as one."""
        if not isinstance(data, dict) or "start" in data:
            return data
        try:
            begin = data["market"]["begin"]
            day = parse_utc(begin if isinstance(begin, str) else begin.isoformat()).date()
            return data | {"start": (day - timedelta(days=data.get("warmup_days", 0))).isoformat()}
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            return data  # no candles, or a fault that the keys' own rules tell
