"""The selection of the best: its constants, what it does by hand, and that it drops the worse early."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim.numerics.selection import Selection, select, spread_factor

ORACLES = {o["id"]: o for o in json.loads((Path(__file__).parents[1] / "support" / "oracles.json").read_text())}


@pytest.mark.parametrize("name", ["KN-5-10", "KN-3-10"])
def test_the_spread_factor_is_that_of_the_table(name: str) -> None:
    p, answer = ORACLES[name]["parameters"], ORACLES[name]["answer"]
    found = spread_factor(systems=p["k"], first=p["n0"], confidence=1 - p["alpha"])
    assert found == pytest.approx(answer["h2"], rel=1e-10)
    assert found / 2 / (p["n0"] - 1) == pytest.approx(answer["eta"], rel=1e-10)


def rows(*values: list[float]) -> Callable[[int, int], float]:
    return lambda system, number: values[system][number]


def test_a_system_drops_out_when_its_sum_falls_behind_by_the_region() -> None:
    """Of two after first = 3: alpha = 0.125 makes h^2 = (0.25^-1 - 1) x 2 = 6. The differences 1, 0, 2 have S^2 = 1;
    with d = 1 a system drops out when it is behind by more than max(0, 3 - r / 2): 1.5 at 3, 1 at 4. The first three
    say 3."""
    better, worse = [1.0, 0.0, 2.0], [0.0, 0.0, 0.0]
    found = select(rows(worse, better), 2, indifference=1.0, confidence=0.875, first=3)
    assert found == Selection(best=1, samples=(3, 3))
    # Alternating the same three, 1.5 behind is not more than 1.5: one sample more, which makes it 1.5 > 1.
    at_the_edge = select(rows([0.0] * 4, [0.5, -0.5, 1.5, 0.0]), 2, indifference=1.0, confidence=0.875, first=3)
    assert at_the_edge == Selection(best=1, samples=(4, 4))


def test_at_the_end_of_the_region_the_larger_sum_wins_and_alike_the_first() -> None:
    """As above, S^2 = 1: the region closes at r = 6. The sums are level until the last sample."""
    level = [0.0, -1.0, 1.0, 0.0, 0.0]
    for last, best in ((0.1, 1), (-0.1, 0), (0.0, 0)):
        found = select(rows([0.0] * 6, [*level, last]), 2, indifference=1.0, confidence=0.875, first=3)
        assert found == Selection(best=best, samples=(6, 6))


def test_without_any_spread_the_first_samples_decide() -> None:
    assert select(rows([1.0] * 5, [2.0] * 5, [0.0] * 5), 3, indifference=0.1, first=5).best == 1


def test_who_is_clearly_worse_is_sampled_no_more() -> None:
    draws = np.random.default_rng(3).normal(0, 1, (3, 5_000)) + np.array([0.0, 0.1, -3.0])[:, None]
    found = select(lambda system, number: float(draws[system, number]), 3, indifference=0.1)
    assert found.best == 1
    assert found.samples[2] < found.samples[0] / 10


def test_what_all_systems_share_costs_no_samples() -> None:
    """The same noise in both: their difference is known at once."""
    draws = np.random.default_rng(4).normal(0, 10, 100)
    found = select(lambda system, number: float(draws[number]) + system, 2, indifference=0.5)
    assert found == Selection(best=1, samples=(10, 10))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"systems": 1}, "systems, first: got 1, 10; must be 2 or more each"),
        ({"first": 1}, "systems, first: got 2, 1; must be 2 or more each"),
        ({"indifference": 0.0}, "indifference: got 0.0; must be above 0, in the unit of the samples"),
        ({"confidence": 0.5}, "confidence: got 0.5; must be above 0.5, a guess, and below 1"),
        ({"confidence": 1.0}, "confidence: got 1.0; must be above 0.5, a guess, and below 1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(changed: dict[str, float], told: str) -> None:
    given = {"systems": 2, "indifference": 1.0, "confidence": 0.95, "first": 10} | changed
    systems = int(given.pop("systems"))
    with pytest.raises(ValueError, match=told):
        select(lambda system, number: 0.0, systems, **given)  # type: ignore[arg-type]
