"""The keys of withdrawals: the pipeline, its rails and wallets, limits, and the gateway before it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.schema.durations import Distribution
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
    Whole,
)

CEILING = Field(
    None,
    description="most such tickets that are drawn per hour; as many as the busiest hour under all shocks may ask for "
    "when left out; what is more opens later",
)


class Wallet(Part):
    """The hot wallet of a rail, from which it pays, and the cold one behind it."""

    hot_usd: Positive = Field(description="money that it aims at, and holds at the start, US dollars")
    cold_usd: NonNegative = Field(description="money in the cold wallet at the start, US dollars")
    low_share: Share = Field(description="share of hot_usd below which it orders what it lacks from the cold wallet")
    high_share: Annotated[float, Number(low=1)] = Field(
        description="share of hot_usd above which it gives what is over hot_usd to the cold wallet"
    )
    deposits_share: NonNegative = Field(description="money paid in, as a share of the money that usually leaves")
    refill: Distribution = Field(description="time from the order to the arrival of a refill: signers, then the chain")


class Rail(Part):
    """The rail of one asset: its payout line, its chain, its hot wallet."""

    payouts_per_minute: Positive | None = Field(
        None, description="withdrawals that it can pay in a minute; as many as its part of the assets when left out"
    )
    batch: Duration = Field(60_000, description="time between two batches of payments, in whole minutes")
    confirmations: Annotated[int, Whole("blocks", high=1000)] = Field(
        0, description="blocks until a payment is final; with 0 it is final after withdrawals.confirmation"
    )
    block_time: Duration | None = Field(
        None, description="mean time between blocks (exponential); one counts at the end of its minute"
    )
    wallet: Wallet | None = Field(None, description="its hot wallet; money without end when left out")


class Limits(Part):
    """Limits on single withdrawals that tighten in a crisis: less money leaves, and more people ask and complain."""

    amount_usd: Positive = Field(description="largest withdrawal while tightened, US dollars")
    stress_from: Positive | None = Field(
        None, description="the market's factor on withdrawals from which the first accounts are limited"
    )
    stress_to: Positive | None = Field(None, description="the market's factor at which all accounts are limited")
    hot_share: Share = Field(0.0, description="share of a hot wallet's money below which all accounts are limited")
    back_share: Share = Field(description="share of the customers refused who ask again")
    back_after: Duration = Field(description="time after which they do")
    tickets_per_refusal: NonNegative = Field(description="tickets per refused withdrawal")
    category: str = Field(description="category of those tickets")
    ceiling_per_hour: Positive | None = CEILING


class WrongAddress(Part):
    """Withdrawals to a wrong address: the money is gone."""

    share: Share = Field(description="share of the withdrawals confirmed by the customer")
    category: str = Field(description="category of the tickets that they open, one each")
    ceiling_per_hour: Positive | None = CEILING


class WrongNetwork(WrongAddress):
    """Withdrawals over a wrong network: with long work some of the money comes back."""

    recovered_share: Share = Field(description="share of its money that comes back once people have resolved a ticket")


class Mistakes(Part):
    """Withdrawals that the customer misdirects; they are paid like all others."""

    address: WrongAddress | None = Field(None, description="those to a wrong address")
    network: WrongNetwork | None = Field(None, description="those over a wrong network")


class Jurisdiction(Part):
    """A country, or several alike, and what its law lets the platform do for its customers."""

    share: Share = Field(
        description="share of the requests that pass the gateway; they sum to 1 over the jurisdictions"
    )
    rule: Literal["allowed", "limited", "banned"] = Field(
        description="whether withdrawals are free, refused above limit_usd, or refused altogether"
    )
    limit_usd: Positive | None = Field(None, description="largest withdrawal where they are limited, US dollars")
    breach_share: Share = Field(0.0, description="share of the forbidden requests that get past the check: breaches")
    breach_cost_usd: NonNegative = Field(0.0, description="fines and legal costs of one breach, US dollars")


class Barred(Part):
    """The tickets of customers whose requests are refused for their country."""

    tickets_per_refusal: NonNegative = Field(description="tickets per request so refused")
    category: str = Field(description="category of those tickets")
    ceiling_per_hour: Positive | None = CEILING


class Gateway(Part):
    """The capacity of the endpoints, and the outcome of the requests that they refuse."""

    loads_per_s: list[NonNegative] = Field(min_length=1, description="measured loads, requests/s, rising")
    error_shares: list[Share] = Field(min_length=1, description="share of the requests that fail at each load")
    retry_share: Share = Field(description="share of the customers who try again after a failure")
    retry_after: Duration = Field(description="time after which they do")
    tickets_per_failure: NonNegative = Field(description="tickets per customer who gives up after a failure")
    category: str = Field(description="category of those tickets")
    ceiling_per_hour: Positive | None = CEILING


class Pause(Part):
    """A time in which assets are not paid out; requests go on, and wait."""

    at: DurationOrZero = Field(description="start, from the end of the warm-up")
    length: Duration = Field(description="how long it lasts")
    assets: list[str] = Field([], description="assets that are not paid; all when empty")
    fear: Annotated[float, Number(low=1)] = Field(
        1.0, description="factor on all withdrawals right after it: what was paused once may be paused again"
    )
    fear_half_life: Duration = Field(43_200_000, description="half-life of what that factor has above 1")


class Congestion(Part):
    """A time in which blocks come slowly."""

    at: DurationOrZero = Field(description="start, from the end of the warm-up")
    length: Duration = Field(description="how long it lasts")
    factor: Annotated[float, Number(low=1)] = Field(description="factor on the time between blocks")
    assets: list[str] = Field([], description="assets whose chain is congested; all when empty")


class Withdrawals(Part):
    """The withdrawal pipeline, by the minute."""

    payouts_per_minute: Positive = Field(description="withdrawals that the pipeline can pay in a minute, all assets")
    review_share: Share = Field(description="share of the withdrawals that a person reviews first")
    reviews_per_hour: Positive = Field(description="reviews that are done in an hour")
    held_share: Share = Field(0.0, description="share of the reviewed withdrawals that are held for a while")
    hold: Duration = Field(172_800_000, description="time for which they are held")
    drop_share: Share = Field(0.0, description="share of the requests that the customer never confirms")
    confirmation: Duration = Field(description="time from payout to the customer's final state, where no blocks count")
    promise: Duration = Field(description="time from acceptance to final state after which a withdrawal is late")
    late_tickets_per_hour: NonNegative = Field(description="tickets per late withdrawal and hour")
    late_category: str = Field(description="category of the tickets about late withdrawals")
    late_ceiling_per_hour: Positive | None = Field(
        None, description="most such tickets that are drawn per hour; as many as it takes when left out"
    )
    amount_mean_usd: Positive = Field(description="mean amount, US dollars")
    amount_cv: Cv = Field(description="coefficient of variation of the amount (lognormal)")
    assets: dict[Name, Share] = Field(min_length=1, description="share of each asset (they sum to 1)")
    rails: dict[Name, Rail] = Field({}, description="how an asset leaves, where more is known than its share")
    mistakes: Mistakes | None = Field(None, description="withdrawals to a wrong address or over a wrong network")
    jurisdictions: dict[Name, Jurisdiction] = Field({}, description="what the customers' countries allow")
    barred: Barred | None = Field(None, description="tickets about requests refused for the customer's country")
    limits: Limits | None = Field(None, description="limits on single withdrawals that tighten in a crisis")
    pauses: dict[Name, Pause] = Field({}, description="times in which assets are not paid out")
    congestion: dict[Name, Congestion] = Field({}, description="times in which blocks come slowly")
