"""Distributions of durations, as a scenario names them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.scenario.schema.quantities import Cv, Duration, DurationOrZero, Part, Positive


class Exponential(Part):
    """Exponential distribution."""

    law: Literal["exponential"]
    mean: Duration = Field(description="mean of the durations")


class Lognormal(Part):
    """Lognormal distribution, by its mean and either its coefficient of variation or its 90 % quantile."""

    law: Literal["lognormal"]
    mean: Duration = Field(description="mean of the durations")
    cv: Cv | None = Field(None, description="coefficient of variation: standard deviation / mean")
    p90: Duration | None = Field(None, description="90 % quantile")


class Gamma(Part):
    """Gamma distribution."""

    law: Literal["gamma"]
    mean: Duration = Field(description="mean of the durations")
    cv: Cv = Field(description="coefficient of variation: standard deviation / mean")


class Deterministic(Part):
    """Always the same duration."""

    law: Literal["deterministic"]
    value: DurationOrZero = Field(description="the duration, always the same")


class Empirical(Part):
    """Quantiles at equal steps of probability from 0 to 1, joined by straight lines."""

    law: Literal["empirical"]
    quantiles: list[DurationOrZero] = Field(min_length=2, description="quantiles, the least first")


class MixturePart(Part):
    """One part of a mixture."""

    weight: Positive = Field(description="weight, in proportion to the other parts")
    of: SimpleDistribution = Field(description="distribution of this part")


class Mixture(Part):
    """One of several distributions, chosen by weight."""

    law: Literal["mixture"]
    parts: list[MixturePart] = Field(min_length=1, description="parts, each with a weight and a distribution")


SimpleDistribution = Annotated[Exponential | Lognormal | Gamma | Deterministic | Empirical, Field(discriminator="law")]
Distribution = Annotated[
    Exponential | Lognormal | Gamma | Deterministic | Empirical | Mixture, Field(discriminator="law")
]
