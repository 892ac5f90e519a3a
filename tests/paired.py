"""What a scenario must do, as tests: a direction and a size against another scenario, by the same customers.

A ``Claim`` says by how much a metric moves between a base and a scenario. ``show`` runs both from one seed, so that
each replication is a pair (``sim.compare``), and asserts that the mean difference lies within the claim's bounds, that
the paired 95 % interval leaves out 0, and that the same assertion **fails** with the mechanism off (``off``, --set
arguments laid over the scenario): a claim that holds without the mechanism proves nothing.

    CLAIMS = [
        Claim("bot_regression", "tickets_human_per_day", low=1500, high=2500, off=["bot_releases.new.resolution=1"]),
    ]

    @pytest.mark.parametrize("claim", CLAIMS, ids=str)
    def test_the_catalogue(claim: Claim) -> None:
        show(claim)

Bounds have one sign, so they are the direction too. ``sets`` are laid over both sides (``days=14`` keeps a claim
quick; the two must be equally long) and ``base_sets`` over the base alone. A run is made once in a process, however
many claims read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from sim import compare, load, run
from sim.comparison import Comparison
from sim.runner import Run

SEED = 1


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
    replications: int = 12

    def __post_init__(self) -> None:
        if not (self.low < self.high and self.low * self.high >= 0):
            raise ValueError(f"{self}: got {self.low}..{self.high}; must be rising bounds on one side of 0")

    def __str__(self) -> str:
        return f"{self.scenario}-{self.metric}"


def compared(claim: Claim, *, off: bool = False) -> Comparison:
    """Return the scenario less the base, pair by pair; with ``off``, the scenario without its mechanism."""
    mine = (*claim.sets, *claim.off) if off else tuple(claim.sets)
    base = _run(claim.base, (*claim.sets, *claim.base_sets), claim.replications)
    other = _run(claim.scenario, mine, claim.replications)
    if (one := base.scenario.days) != (two := other.scenario.days):
        raise ValueError(f"{claim}: got {one} and {two} days; must be as many in both (sets)")
    return compare(base, other)


def holds(claim: Claim, *, off: bool = False) -> None:
    """Assert that the metric moves as claimed, whatever becomes of it with the mechanism off."""
    found = compared(claim, off=off)
    assert found.how.startswith("paired"), found.how
    difference = found.differences[claim.metric]
    told = f"{claim.metric}: {difference.mean:.6g} +- {difference.half_width}, claimed {claim.low}..{claim.high}"
    assert difference.clear, f"{told}: the 95 % interval does not leave out 0"
    assert claim.low <= difference.mean <= claim.high, told


def show(claim: Claim) -> None:
    """Assert that the claim holds, and that it does not with the mechanism off."""
    assert claim.off, f"{claim}: got nothing that turns the mechanism off; must be --set arguments"
    holds(claim)
    with pytest.raises(AssertionError):
        holds(claim, off=True)


@cache
def _run(name: str, sets: tuple[str, ...], replications: int) -> Run:
    return run(load(name, sets=sets), replications=replications, seed=SEED)
