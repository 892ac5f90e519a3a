"""What a scenario must do, as tests: a direction and a size against another scenario, by the same customers.

A ``Claim`` says by how much a metric moves between a base and a scenario. ``show`` runs both from one seed, so that
each replication is a pair (``sim.compare``), and asserts that the mean difference lies within the claim's bounds, that
the paired 95 % interval leaves out 0, and that the same assertion **fails** with the mechanism off (``off``, --set
arguments laid over the scenario): a claim that holds without the mechanism proves nothing. With it off few pairs do,
for then the mean difference must lie outside the bounds, whatever its interval.

    CLAIMS = [
        Claim("bot_regression", "tickets_human_per_day", low=1500, high=2500, off=["bot_releases.new.resolution=1"]),
    ]

    @pytest.mark.parametrize("claim", CLAIMS, ids=str)
    def test_the_catalogue(claim: Claim) -> None:
        show(claim)

Bounds have one sign, so they are the direction too. ``sets`` are laid over both sides (``days=14`` keeps a claim
quick; the two must be equally long) and ``base_sets`` over the base alone. A run is made once in a process, however
many claims read it and however its scenario was written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from sim import compare, load, run
from sim.api import Run
from sim.experiment.analysis.comparison import Comparison
from sim.experiment.analysis.estimate import Estimate
from sim.scenario.loading.load import sha256

SEED = 1
OFF_REPLICATIONS = 4
"""With a mechanism off nothing is left that chance could hide: a few pairs show it."""


@dataclass(frozen=True)
class Claim:
    """By how much ``metric`` of ``scenario`` lies above its value in ``base``: ``low`` to ``high``, in its unit."""

    scenario: str
    metric: str
    low: float
    high: float
    off: Sequence[str]
    base: str = "baseline"
    sets: Sequence[str] = ("days=14",)
    base_sets: Sequence[str] = ()
    replications: int = 6

    def __post_init__(self) -> None:
        if not (self.low < self.high and self.low * self.high >= 0):
            raise ValueError(f"{self}: got {self.low}..{self.high}; must be rising bounds on one side of 0")

    def __str__(self) -> str:
        return f"{self.scenario}-{self.metric}"


@dataclass(frozen=True)
class First:
    """The first replications of a run that may have more of them."""

    run: Run
    replications: int

    @property
    def seed(self) -> int:
        """The seed."""
        return self.run.seed

    @property
    def days(self) -> int:
        """The days that are measured."""
        return self.run.days

    @property
    def customers(self) -> Mapping[str, str]:
        """What was drawn of the customers, by stream."""
        return self.run.customers

    @property
    def metrics(self) -> Mapping[str, Estimate]:
        """The estimates, of all replications."""
        return self.run.metrics

    def samples(self, name: str) -> dict[int, float | None]:
        """A metric by replication."""
        return {number: value for number, value in self.run.samples(name).items() if number < self.replications}


def compared(claim: Claim, *, off: bool = False) -> Comparison:
    """Return the scenario less the base, pair by pair; with ``off``, few pairs, without its mechanism."""
    mine = (*claim.sets, *claim.off) if off else tuple(claim.sets)
    count = min(claim.replications, OFF_REPLICATIONS) if off else claim.replications
    base = ran(claim.base, (*claim.sets, *claim.base_sets), count)
    other = ran(claim.scenario, mine, count)
    if (one := base.scenario.days) != (two := other.scenario.days):
        raise ValueError(f"{claim}: got {one} and {two} days; must be as many in both (sets)")
    return compare(First(base, count), First(other, count))


def holds(claim: Claim, *, off: bool = False) -> None:
    """Assert that the metric moves as claimed, whatever becomes of it with the mechanism off."""
    found = compared(claim, off=off)
    assert found.how.startswith("paired"), found.how
    difference = found.differences[claim.metric]
    told = f"{claim.metric}: {difference.mean:.6g} +- {difference.half_width}, claimed {claim.low}..{claim.high}"
    assert claim.low <= difference.mean <= claim.high, told
    assert off or difference.clear, f"{told}: the 95 % interval does not leave out 0"


def show(claim: Claim) -> None:
    """Assert that the claim holds, and that with the mechanism off the difference has not even its size."""
    assert claim.off, f"{claim}: got nothing that turns the mechanism off; must be --set arguments"
    holds(claim)
    with pytest.raises(AssertionError):
        holds(claim, off=True)


@cache
def ran(name: str, sets: tuple[str, ...], replications: int) -> Run:
    """Return a run of so many replications, or more where another claim needs them."""
    scenario = load(name, sets=sets)
    key = sha256(scenario)
    if key not in _RUNS or len(_RUNS[key].replications) < replications:
        _RUNS[key] = run(scenario, replications=replications, seed=SEED)
    return _RUNS[key]


_RUNS: dict[str, Run] = {}
