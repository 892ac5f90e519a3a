"""How often the intervals of a run's numbers hold the truth: ``python -m tests.bench intervals``.

Replications are drawn from laws whose mean is known, from symmetric to strongly skewed. Of each kind of interval that a
run or a comparison prints, the share of trials that hold the truth should be 95 %; AIM is what the texts promise, and
the last law is beyond it, as they say. The 5 to 95 % range is no interval: of it, the share of further replications
that fall within.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from sim.experiment.analysis.estimate import estimate
from sim.numerics.statistics import Difference, half_width, paired_difference, welch_difference

SIZES = (5, 10, 20, 30)
AIM = (0.92, 0.985)
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Law:
    """A law of replications: how to draw from it, and its mean."""

    draw: Draw
    mean: float


LAWS = {
    "normal": Law(lambda rng, shape: rng.normal(0, 1, shape), 0.0),
    "uniform": Law(lambda rng, shape: rng.uniform(0, 1, shape), 0.5),
    "share, 3 % of 200": Law(lambda rng, shape: rng.binomial(200, 0.03, shape) / 200, 0.03),
    "exponential": Law(lambda rng, shape: rng.exponential(1, shape), 1.0),
    "lognormal, cv 0.53": Law(lambda rng, shape: rng.lognormal(-0.125, 0.5, shape), 1.0),
    "lognormal, cv 1.31": Law(lambda rng, shape: rng.lognormal(-0.5, 1, shape), 1.0),
}
BEYOND = "lognormal, cv 1.31"
"""The law that the promise leaves out."""


def of_mean(law: Law, n: int, trials: int, rng: np.random.Generator) -> float:
    """Return how often the half-width of a mean reaches the truth."""
    rows = law.draw(rng, (trials, n))
    return _share(abs(float(row.mean()) - law.mean) <= (half_width(row) or 0.0) for row in rows)


def of_paired(law: Law, n: int, trials: int, rng: np.random.Generator) -> float:
    """Return that of a paired difference: half of what moves a plan moves both alike."""
    shared, own, other = (law.draw(rng, (trials, n)) for _ in range(3))
    pairs = zip(shared + 2 * own, shared + other, strict=True)
    return _share(_holds(paired_difference(a, b), law.mean) for a, b in pairs)


def of_welch(law: Law, n: int, trials: int, rng: np.random.Generator) -> float:
    """Return that of a difference of other seeds, one plan with twice the replications and half the spread."""
    pairs = zip(law.draw(rng, (trials, n)), law.draw(rng, (trials, 2 * n)) / 2, strict=True)
    return _share(_holds(welch_difference(a, b), law.mean / 2) for a, b in pairs)


def of_range(law: Law, n: int, trials: int, rng: np.random.Generator) -> float:
    """Return the share of further replications between the 5 and the 95 % quantile of n."""
    found = (estimate("agent_cost_per_day", row.tolist()) for row in law.draw(rng, (trials, n)))
    more = law.draw(rng, (trials, 50))
    shares = [np.mean((one.p05 <= row) & (row <= one.p95)) for one, row in zip(found, more, strict=True)]
    return float(np.mean(shares))


KINDS = {"mean": of_mean, "paired difference": of_paired, "Welch's difference": of_welch}


def _holds(one: Difference, truth: float) -> bool:
    return abs(one.mean - truth) <= (one.half_width or 0.0)


def _share(hits: Iterable[bool]) -> float:
    return float(np.mean(list(hits)))


def main(trials: int = 4000) -> None:
    """Print the table, and whether each share is within the aim."""
    rng = np.random.default_rng(1)
    _tell(f"share of {trials:,} trials in which a 95 % interval holds the truth, by replications")
    _tell(f"{'':<20}{'':<20}{''.join(f'{n:>9}' for n in SIZES)}")
    for kind, of in KINDS.items():
        for name, law in LAWS.items():
            shares = [of(law, n, trials, rng) for n in SIZES]
            met = "" if name == BEYOND else "yes" if all(AIM[0] <= share <= AIM[1] for share in shares) else "NO"
            _tell(f"{kind:<20}{name:<20}{''.join(f'{share:9.1%}' for share in shares)}  {met}")
    _tell("\nshare of further replications within the 5 to 95 % range of so many")
    for name in ("normal", "exponential"):
        shares = [of_range(LAWS[name], n, trials // 4, rng) for n in SIZES]
        _tell(f"{'range':<20}{name:<20}{''.join(f'{share:9.1%}' for share in shares)}")


def _tell(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
