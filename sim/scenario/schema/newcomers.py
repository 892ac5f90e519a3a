"""The keys of a growing market and customer base: price regimes and newcomers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sim.core.clock import HOUR_MS
from sim.scenario.schema.quantities import (
    Duration,
    DurationOrZero,
    Finite,
    Lasting,
    Name,
    NonNegative,
    Number,
    Part,
    Positive,
    Share,
)


class Regime(Part):
    """A state of the market, such as calm or panic: hourly log returns are normal, and jumps come on top."""

    volatility_per_day: Positive = Field(description="standard deviation of a day's log return, without jumps")
    drift_per_day: Finite = Field(0.0, description="mean of a day's log return, without jumps")
    dwell: Annotated[int, Lasting(low_ms=HOUR_MS)] = Field(description="mean time until the market leaves the regime")
    jumps_per_day: NonNegative = Field(0.0, description="jumps of the price per day (Poisson)")
    jump_mean: Finite = Field(0.0, description="mean of a jump's log return (normal)")
    jump_sd: NonNegative = Field(0.0, description="standard deviation of a jump's log return")
    next: dict[Name, Share] = Field({}, description="where the market goes next: shares that sum to 1")


class Newcomers(Part):
    """Users who sign up: their onboarding, the reviews of their documents, and the mistakes from which they learn."""

    industry_per_day: NonNegative = Field(description="new users of the whole industry on an ordinary day")
    platform_share: Share = Field(description="share of them that sign up here")
    kyc_share: Share = Field(description="share of the sign-ups who go on to send their documents (POST /kyc)")
    kyc_delay: DurationOrZero = Field(description="mean time from sign-up to the documents (exponential)")
    deposit_share: Share = Field(description="share of those who sent documents who go on to a first deposit")
    deposit_delay: DurationOrZero = Field(description="mean time from the documents to the first deposit (exponential)")

    review_share: Share = Field(0.0, description="share of the documents that a person reviews")
    review_category: str | None = Field(None, description="category, a task, of those reviews; their rate follows")

    rally_elasticity: NonNegative = Field(
        0.0, description="relative change of sign-ups per that of the price, when it has risen over rally_window"
    )
    rally_window: Duration = Field(7 * 24 * HOUR_MS, description="time over which the rise is taken")
    rally_lag: DurationOrZero = Field(0, description="time until a rise moves sign-ups")
    rally_factor_max: Annotated[float, Number(low=1)] = Field(100.0, description="largest factor of a rise on sign-ups")

    trust_weight: Share = Field(
        0.0, description="share of the newcomers who stay away at zero trust in the platform; 0: trust has no effect"
    )

    mistake_factor: Annotated[float, Number(low=1)] = Field(
        1.0, description="tickets of a user at the first deposit, as a multiple of an experienced user's"
    )
    learning: Duration = Field(
        30 * 24 * HOUR_MS, description="time in which the excess of a newcomer's mistakes falls to 1/e"
    )
    categories: list[str] = Field([], description="categories in which newcomers make more mistakes; all when empty")


class Mfa(Part):
    """The second factor, asked for with each withdrawal (POST /mfa)."""

    failure_share: Annotated[float, Number(low=0, high=0.9)] = Field(
        description="share of the codes that are wrong or late, and are entered again"
    )
