"""The keys of the platform's own levers: announcements, staff and the bot, set by calendar or market.

All of it is off by default. Times ``at`` count from the end of the warm-up.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.schema.quantities import (
    Agents,
    Duration,
    DurationOrZero,
    Name,
    NonNegative,
    Number,
    Part,
    Positive,
    Share,
)

Driven = Literal["tickets", "withdrawals", "logins"]
ReplyPolicy = Literal["reply", "strategic_silence", "legal_silence"]


class Announcement(Part):
    """A message to all customers at once: they make fewer contacts about incidents, and log in to read it."""

    at: DurationOrZero | None = Field(
        None, description="when it is made, from the end of the warm-up; absent when an early warning makes it"
    )
    lag: Duration = Field(description="time in which half of those whom it reaches have seen it")
    reach: Share = Field(description="share of the customers whom it reaches in the end")
    effect: Share = Field(description="share of the contacts about an incident that those who saw it do not make")
    half_life: Duration | None = Field(None, description="half-life of its effect; it lasts when absent")
    login_spike: Annotated[float, Number(low=1)] = Field(
        1.0, description="factor on logins at its time; the excess halves with each lag"
    )
    categories: list[str] = Field([], description="categories whose contacts it concerns; all when empty")


class StatusMessages(Part):
    """Progress reports to all waiting customers before they ask; a factor of 1 turns an effect off."""

    recontact: Share = Field(1.0, description="factor on the share of waiting customers who ask again")
    late_tickets: Share = Field(1.0, description="factor on the tickets about late withdrawals")
    complaint_hazard: Positive = Field(1.0, description="factor on the complaint hazard: informed customers are calmer")


class Silence(Part):
    """The increase in public complaints by customers who get no real answer, relative to a reply."""

    strategic: Positive = Field(description="factor on the complaint hazard where the platform chooses to be silent")
    legal: Positive = Field(description="factor on the complaint hazard where the law forbids an answer")


class Education(Part):
    """Teaching customers: fewer incidents, from some day on."""

    at: DurationOrZero = Field(description="start, from the end of the warm-up")
    ramp: DurationOrZero = Field(0, description="time until it has its full effect, in a straight line")
    reduction: dict[Name, Share] = Field(description="share of the tickets of a category that it prevents in the end")


class BotRelease(Part):
    """Another version of the bot, better or worse."""

    at: DurationOrZero = Field(description="start, from the end of the warm-up, in whole days")
    length: Duration | None = Field(None, description="time until it is taken back, in whole days; never when absent")
    involvement: NonNegative = Field(1.0, description="factor on the share of the tickets that the bot takes on")
    resolution: NonNegative = Field(1.0, description="factor on the share of those that it ends")
    categories: list[str] = Field([], description="categories that it changes; all when empty")


class Incident(Part):
    """A planned incident: maintenance, an upgrade, a change of policy."""

    at: DurationOrZero = Field(description="start, from the end of the warm-up")
    length: Duration = Field(description="how long it lasts")
    contacts: dict[Name, NonNegative] = Field(
        {}, description="additional tickets while it lasts, by category, as multiples of the ordinary ones"
    )
    half_life: DurationOrZero = Field(0, description="half-life of those contacts afterwards; 0 ends them at once")
    closes: list[Driven] = Field([], description="what customers cannot do while it lasts")
    deferred: NonNegative = Field(1.0, description="share of what it closed that is done afterwards; fear makes it > 1")
    catch_up: Duration | None = Field(None, description="half-life of what remains to be done afterwards")


class EarlyWarning(Part):
    """An alarm by the market, which calls for announcements and surges before the tickets do."""

    volatility_ratio: Positive | None = Field(
        None, description="alarm when the realised volatility is this many times the ordinary"
    )
    price_fall: Annotated[float, Number(above=0, high=1, noun="a share")] | None = Field(
        None, description="alarm when the price has fallen by this share over the window"
    )
    window: Duration = Field(description="time over which the price's fall is measured, in whole hours")
    lead: DurationOrZero = Field(0, description="time by which observers foresee the crossing")
    delay: DurationOrZero = Field(0, description="time from the alarm to the responses")
    rest: Duration = Field(description="time after a crossing in which no other raises an alarm")
    announce: list[str] = Field([], description="announcements that it makes")
    surge: list[str] = Field([], description="surges that it calls in")


class Surge(Part):
    """More agents of a team for a while."""

    team: str = Field(description="team that they join")
    agents: Agents = Field(description="agents called in, who have breaks but are never absent")
    at: DurationOrZero | None = Field(
        None, description="when they are called, from the end of the warm-up; absent when an early warning does"
    )
    delay: DurationOrZero = Field(0, description="time from the call until they are there")
    length: Duration = Field(description="time for which they stay")
    cost_per_hour: NonNegative = Field(description="cost of one of them, US dollars per hour")


class Hire(Part):
    """More agents of a team for good, in training at first."""

    team: str = Field(description="team that they join")
    agents: Agents | dict[Name, Agents] = Field(description="agents who join, around the clock or by shift")
    at: DurationOrZero = Field(description="first day of the first of them, from the end of the warm-up")
    over: DurationOrZero = Field(0, description="time over which they join, evenly")
    training: DurationOrZero = Field(0, description="time for which each is in training")
    training_productivity: Share = Field(0.0, description="work of an agent in training, as a share of a trained one's")


class Attrition(Part):
    """Agents who quit, more of them where the planned occupancy is high, and the hiring that replaces them.

    The rate at which an agent quits is ``quits_per_year`` while the occupancy is at most the knee, rises from there in
    a straight line to ``quits_per_year_at_1`` at an occupancy of 1, and no further.
    """

    quits_per_year: NonNegative = Field(description="agents who quit, per agent and year, at a bearable occupancy")
    quits_per_year_at_1: NonNegative = Field(description="agents who quit, per agent and year, at an occupancy of 1")
    knee: Annotated[float, Number(low=0, high=0.99, noun="a share")] = Field(
        description="planned occupancy, the expected load over the agents who stayed, that is still bearable; the "
        "backlog and overtime of the run itself do not make agents quit"
    )
    replacements_per_year: NonNegative = Field(
        0.0, description="most hires a year to fill the places of those who quit, per planned agent"
    )
    teams: list[str] = Field([], description="teams that it concerns; all when empty")
