"""The keys of the public: complaints, copies of them, rumour, trust, campaigns and runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.schema.quantities import (
    Cv,
    Duration,
    DurationOrZero,
    Name,
    NonNegative,
    Number,
    Part,
    Positive,
    Share,
)


class Complaints(Part):
    """Public complaints: when their clock starts, and posts that name no ticket."""

    clock: Literal["unanswered", "opening"] = Field(
        "unanswered",
        description="when the complaint clock starts: at the first miss of the target or of a solution, or at opening",
    )
    background_per_day: NonNegative = Field(0.0, description="public posts per day that name no ticket")
    unanswerable: list[str] = Field([], description="categories about which the platform may not speak in public")


class Regulator(Part):
    """The last level of escalation: a complaint to a regulator."""

    after: Duration = Field(description="age at which an unresolved ticket may go to a regulator")
    share: Share = Field(description="share of the customers who then complain to a regulator")


class Rumour(Part):
    """A level that public complaints raise and that decays over time; above a threshold it makes customers ask."""

    half_life: Duration = Field(description="half-life of the level")
    threshold: NonNegative = Field(description="level, in complaints, below which no customer asks")
    tickets_per_hour: NonNegative = Field(description="tickets per hour for each complaint above the threshold")
    category: str = Field(description="category of those tickets")
    ceiling_per_hour: Positive | None = Field(
        None, description="most such tickets that are drawn per hour; as many as it takes when left out"
    )
    background_weight: NonNegative = Field(0.0, description="weight of a post that names no ticket, in complaints")
    campaign_weight: NonNegative = Field(0.0, description="weight of a campaign's post, in complaints")
    copy_weight: NonNegative = Field(0.0, description="weight of a copy of a post, in complaints")


class Copies(Part):
    """Posts that bring further posts: copycats and amplification, a self-exciting process."""

    per_post: Share = Field(description="further posts that a post brings on average (branching ratio, below 1)")
    half_life: Duration = Field(description="half-life of a post's power to bring others")
    unanswered_half_life: Duration = Field(description="the same where the platform may not answer")
    mark_tail: Annotated[float, Number(above=1)] = Field(
        description="tail index of the reach of a post (Pareto of mean 1); influencers are its tail"
    )


class Amplification(Part):
    """A person with reach takes up a topic."""

    at: DurationOrZero = Field(description="time, from the end of the warm-up")
    mark: Positive = Field(description="reach, in ordinary posts")
    answered: bool = Field(True, description="whether the platform may answer")


class Campaign(Part):
    """An organised wave of posts that name no ticket, and of messages to the ticket endpoint that mean nothing."""

    at: DurationOrZero = Field(description="start, from the end of the warm-up")
    length: Duration = Field(description="how long it lasts")
    posts: NonNegative = Field(description="posts on average")
    spam_per_post: NonNegative = Field(
        0.0, description="worthless, near-identical tickets per post; a filter ends them"
    )


class Trust(Part):
    """A level between 0 and 1 that posts reduce and time restores; the lower it is, the more easily people run."""

    half_life: Duration = Field(description="time in which half of the lost trust comes back")
    loss_per_post: Share = Field(description="share of the trust that one public post costs")
    distrust_weight: NonNegative = Field(description="weight of lost trust: without any, people run 1 + this as easily")
    events: dict[Name, TrustEvent] = Field({}, description="audits, and auditors who leave")


class TrustEvent(Part):
    """Something that changes trust at once."""

    at: DurationOrZero = Field(description="time, from the end of the warm-up")
    change: Annotated[float, Number(low=-1, high=1)] = Field(description="change of the trust, as a share of all")


class BankRun(Part):
    """Depositors who take their money out because others do: contagion, and the fear that rumour spreads."""

    depositors_share: Share = Field(description="depositors, as a share of the monthly active users")
    contacts: NonNegative = Field(
        description="people whom one frightened depositor frightens while all others are calm (R0)"
    )
    fright: Duration = Field(description="mean time for which a frightened depositor frightens others")
    frightened_per_hour: NonNegative = Field(
        description="depositors frightened per hour for each complaint of rumour above its threshold"
    )
    amount_mean_usd: Positive = Field(description="mean amount that one takes out, US dollars")
    amount_cv: Cv = Field(description="coefficient of variation of that amount (lognormal)")
    shocks: dict[Name, Contagion] = Field({}, description="fright from other platforms")


class Contagion(Part):
    """Another platform fails: some depositors are frightened at once."""

    at: DurationOrZero = Field(description="start, from the end of the warm-up")
    length: Duration = Field(description="time over which they are")
    frightened: NonNegative = Field(description="depositors frightened on average")


class Listening(Part):
    """How well the platform hears the public: a classifier of posts, and the noise that it reads."""

    noise_per_day: NonNegative = Field(description="posts per day about other things (spam, lotteries, jokes)")
    recall: Share = Field(description="share of the complaints that it flags")
    false_share: Share = Field(description="share of the noise that it flags")
