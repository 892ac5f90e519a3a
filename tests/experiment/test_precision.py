"""When replication stops: hand-made values, whose half-widths are known."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest

from sim.core.at_least import AtLeast, is_censored
from sim.experiment.analysis.precision import LEAST, MOST, USUAL, Goal, Precision, at_most, relative_half_width
from sim.numerics.statistics import half_width, t_critical

Value = float | None


def finished(*values: Value) -> dict[int, dict[str, Value]]:
    return {number: {"m": value} for number, value in enumerate(values)}


def alternating(mean: float, apart: float, n: int) -> list[Value]:
    """Return values of which half lie ``apart`` above the mean and half below."""
    return [mean + apart * (-1) ** i for i in range(n)]


def goal(wanted: float | None, most: int = 100) -> Goal:
    return Goal(most, metric="m", wanted=wanted)


def test_without_a_wanted_precision_all_count() -> None:
    one = goal(None, 3)
    assert not one.reached(finished(1.0, 1.0))
    assert one.reached(finished(1.0, 1.0, 1.0))
    assert one.count == 3
    assert one.outcome() is None


def test_it_stops_at_the_first_number_from_the_least_on_that_is_precise_enough() -> None:
    values = np.array(alternating(100.0, 5.0, 100))
    rule = 0.015 / 1.015  # Law's g / (1 + g)
    enough = [n for n in range(2, 101) if (half_width(values[:n]) or 0.0) <= rule * values[:n].mean()]
    one = goal(0.015)
    assert one.reached(finished(*values.tolist()))
    assert one.count == min(n for n in enough if n >= LEAST) > LEAST
    assert one.outcome() == Precision("m", 0.015, relative_half_width(values[: one.count].tolist()), one.count)


def test_a_half_width_of_the_wanted_share_of_the_estimate_is_not_enough() -> None:
    """The error is relative to the true mean, which may lie a half-width below the estimate."""
    assert not Precision("m", 0.25, 0.21, 40).met
    assert Precision("m", 0.25, 0.2, 40).met


def test_the_error_of_a_skewed_metric_is_within_what_is_wanted_as_often_as_is_said() -> None:
    """A lognormal distribution with sigma 0.5, whose mean is known: 95 % and two standard errors of 2,000 trials."""
    trials, wanted = 2000, 0.2
    draws = np.random.default_rng(5).lognormal(-0.125, 0.5, (trials, 100))  # mean exp(-0.125 + 0.5^2 / 2) = 1
    within = 0
    for row in draws:
        one = goal(wanted)
        one.reached(finished(*row.tolist()))
        within += abs(float(row[: one.count].mean()) - 1.0) <= wanted
    assert within / trials >= 0.95 + 2 * (0.95 * 0.05 / trials) ** 0.5


def test_its_interval_holds_the_mean_more_often_from_the_least_number_on() -> None:
    draws = np.random.default_rng(6).lognormal(-0.125, 0.5, (20_000, LEAST))

    def coverage(n: int) -> float:
        widths = t_critical(n - 1) * draws[:, :n].std(axis=1, ddof=1) / n**0.5
        return float((np.abs(draws[:, :n].mean(axis=1) - 1.0) <= widths).mean())

    assert coverage(10) < 0.926 < coverage(LEAST)


def test_there_is_a_least_number_however_alike_they_are() -> None:
    one = goal(0.5)
    assert not one.reached(finished(*[7.0] * 29))
    assert one.reached(finished(*[7.0] * 50))
    assert one.count == LEAST == 30
    assert one.outcome() == Precision("m", 0.5, 0.0, 30)


@pytest.mark.parametrize("seed", range(5))
def test_the_order_in_which_they_finish_changes_nothing(seed: int) -> None:
    chance = random.Random(seed)
    values: list[Value] = [100 + 8 * chance.gauss(0, 1) for _ in range(200)]
    straight = goal(0.02, 200)
    assert straight.reached(finished(*values))
    order = list(range(200))
    for start in range(0, 200, 4):  # four workers, each group in any order
        group = order[start : start + 4]
        chance.shuffle(group)
        order[start : start + 4] = group
    shaken, so_far = goal(0.02, 200), dict[int, dict[str, Value]]()
    for number in order:
        so_far[number] = {"m": values[number]}
        if shaken.reached(so_far):
            break
    assert shaken.outcome() == straight.outcome()
    assert LEAST < shaken.count < 200


def test_a_gap_is_waited_for() -> None:
    one, all_there = goal(0.5), finished(*[7.0] * 50)
    without_four = {number: metrics for number, metrics in all_there.items() if number != 4}
    assert not one.reached(without_four)
    assert one.count == 4
    assert one.reached(all_there)


@pytest.mark.parametrize(
    "values",
    [
        [*[7.0] * 31, None, *[7.0] * 20],  # precise after 30, but for none of it: see the first number that counts
        [None, *[7.0] * 31],
        [0.0] * 32,
        alternating(0.0, 1.0, 32),
        [AtLeast(7.0), *[7.0] * 31],
    ],
)
def test_no_value_and_a_mean_of_zero_have_no_relative_precision(values: list[Value]) -> None:
    one = goal(0.02, 32)
    assert one.reached(finished(*values))
    if values[:30] == [7.0] * 30 and not any(map(is_censored, values)):
        assert one.count == 30  # what comes later was not needed
        return
    assert one.count == 32
    assert one.outcome() == Precision("m", 0.02, None, 32)
    assert not one.outcome().met  # type: ignore[union-attr]


def test_it_is_given_up_after_the_most() -> None:
    one = goal(0.001, 40)
    assert one.reached(finished(*alternating(100.0, 5.0, 50)))
    outcome = one.outcome()
    assert outcome is not None
    assert (outcome.replications, outcome.met) == (40, False)
    assert outcome.reached == pytest.approx(half_width(alternating(100.0, 5.0, 40)) / 100.0)  # type: ignore[operator, arg-type]


def test_how_many_at_most() -> None:
    asked = [at_most(n, wanted) for n, wanted in itertools.product((None, 7), (None, 0.02))]
    assert asked == [USUAL, MOST, 7, 7] == [20, 1000, 7, 7]
