"""What moves demand: shocks, the profile, and real candles through their realised volatility."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.core.clock import DAY_MS, HOUR_MS
from sim.drivers.market import MarketPath, market_of, profile_curve
from sim.experiment.replication import observe
from sim.metrics.registry import measure
from sim.model.model import build
from sim.numerics.rate_curve import Curve
from sim.scenario import ScenarioFaults
from tests.support.candles import BEGIN, candle_file, walk
from tests.support.real_data import real_file
from tests.support.stories import category, story


def shocked(shock: dict[str, Any], *, days: int = 10, **more: Any) -> MarketPath:
    return market_of(story(days=days, shocks={"x": shock}, **more))


def integral(curve: Curve, begin_ms: float, end_ms: float) -> float:
    """Return the mean factor times hours between two instants."""
    spans = np.diff(np.clip(curve.edges_ms, begin_ms, end_ms))
    return float(spans @ curve.rate_per_hour) / HOUR_MS


# --- shocks -------------------------------------------------------------------------------------------------------


def test_a_shock_is_flat_and_its_excess_then_halves() -> None:
    """Hours of excess: (f - 1) length, then (f - 1) h / ln 2 of the tail; MODEL's fluid surge."""
    at, length, half_life, factor = 24.0, 12.0, 6.0, 3.0
    market = shocked({"at": "24 h", "length": "12 h", "half_life": "6 h", "tickets": factor})
    curve = market.factor("tickets")
    assert curve.rate_at([0, int(24 * HOUR_MS) - 1, 24 * HOUR_MS, 36 * HOUR_MS - 1]).tolist() == [1, 1, 3, 3]
    assert integral(curve, 0, 36 * HOUR_MS) == pytest.approx(24 + 36, rel=1e-12)
    for age in (6.0, 12.0, 30.0):  # exact at every step of the tail
        begin = (at + length) * HOUR_MS
        expected = age + (factor - 1) * half_life / np.log(2) * (1 - 0.5 ** (age / half_life))
        assert integral(curve, begin, begin + age * HOUR_MS) == pytest.approx(expected, rel=1e-12)
    assert curve.rate_at(9 * DAY_MS) == pytest.approx(1.0, abs=1e-3)


def test_without_a_half_life_a_shock_ends_at_once() -> None:
    curve = shocked({"at": "1 d", "length": "1 d", "withdrawals": 0.25}).factor("withdrawals")
    assert curve.rate_at([DAY_MS, 2 * DAY_MS - 1, 2 * DAY_MS]).tolist() == [0.25, 0.25, 1.0]


def test_shocks_multiply_and_each_drives_its_own() -> None:
    shocks = {
        "a": {"at": "0 d", "length": "2 d", "tickets": 2.0, "logins": 5.0},
        "b": {"at": "1 d", "length": "2 d", "tickets": 3.0, "withdrawals": 7.0},
    }
    market = market_of(story(days=4, shocks=shocks))
    days = [0, DAY_MS, 2 * DAY_MS, 3 * DAY_MS]
    assert market.factor("tickets").rate_at(days).tolist() == [2, 6, 3, 1]
    assert market.factor("withdrawals").rate_at(days).tolist() == [1, 7, 7, 1]
    assert market.factor("logins").rate_at(days).tolist() == [5, 5, 1, 1]


def test_a_shock_of_some_categories_moves_their_tickets_alone() -> None:
    market = shocked({"at": "0 d", "length": "1 d", "tickets": 2.0, "withdrawals": 3.0, "categories": ["howto"]},
                     categories={"howto": category(), "other": category()})  # fmt: skip
    assert market.factor("tickets", "howto").rate_at(0) == 2
    assert market.factor("tickets", "other").rate_at(0) == 1
    assert market.factor("withdrawals").rate_at(0) == 3


def test_a_shock_counts_from_the_end_of_the_warm_up_and_may_outlast_the_run() -> None:
    market = shocked({"at": "1 d", "length": "90 d", "tickets": 2.0}, days=3, warmup_days=2)
    assert market.factor("tickets").rate_at([0, 3 * DAY_MS - 1, 3 * DAY_MS, 5 * DAY_MS - 1]).tolist() == [1, 1, 2, 2]
    late = shocked({"at": "99 d", "length": "1 d", "half_life": "1 h", "tickets": 2.0}, days=3)
    assert integral(late.factor("tickets"), 0, 3 * DAY_MS) == pytest.approx(72)


def test_the_price_falls_straight_over_the_shock_and_stays() -> None:
    market = shocked({"at": "24 h", "length": "4 h", "price_change": -0.5}, days=2, warmup_days=1)
    assert market.price[48:54].tolist() == [1.0, 0.875, 0.75, 0.625, 0.5, 0.5]
    assert len(market.price) == 72


# --- the profile --------------------------------------------------------------------------------------------------


def test_the_profile_averages_1_and_repeats_each_day() -> None:
    curve = profile_curve(story(days=3, profile={"period": "1 d", "weights": [1.0, 3.0]}), 10.0)
    assert integral(curve, 0, 3 * DAY_MS) == pytest.approx(720)
    assert curve.rate_at(np.arange(6) * DAY_MS // 2).tolist() == [5, 15] * 3


@pytest.mark.parametrize(("start", "expected"), [("2026-01-05", 0), ("2026-01-10", 5), ("2026-01-11", 6)])
def test_a_weekly_profile_begins_on_the_run_s_own_weekday(start: str, expected: int) -> None:
    weights = [float(day + 1) for day in range(7)]
    curve = profile_curve(story(days=9, start=start, profile={"period": "7 d", "weights": weights}), 4.0)
    days = curve.rate_at(np.arange(9) * DAY_MS)
    assert days.tolist() == [weights[(expected + day) % 7] for day in range(9)]


def test_a_week_s_rate_stays_whatever_its_shape() -> None:
    weights = [float(1 + hour % 5) for hour in range(168)]
    curve = profile_curve(story(days=7, start="2026-01-08", profile={"period": "7 d", "weights": weights}), 3.0)
    assert integral(curve, 0, 7 * DAY_MS) == pytest.approx(3 * 168)


# --- candles ------------------------------------------------------------------------------------------------------


def lively(path: Path, begin: datetime, *, days: int = 2, **more: Any) -> MarketPath:
    rules = {
        "candles": str(path),
        "begin": f"{begin:%Y-%m-%dT%H:%M:%SZ}",
        "window": "24 h",
        "reference": "5 d",
        "withdrawals_elasticity": 1.0,
        "tickets_elasticity": 0.5,
        "logins_elasticity": 0.0,
        "factor_max": 20.0,
    }
    return market_of(story(days=days, market=rules | more))


def faults(call: Any) -> list[str]:
    with pytest.raises(ScenarioFaults) as caught:
        call()
    return caught.value.faults


def test_missing_hours_are_told_those_measured_first(tmp_path: Path) -> None:
    begin = BEGIN + timedelta(days=8)
    path = candle_file(tmp_path, walk(24 * 12), leave_out=(50, 150, 200))
    measured, earlier, *others = lively(path, begin).notes
    assert measured == (
        f"{path}: 1 of 48 measured hours without a price (the first 2024-03-09 08:00 UTC); "
        "each keeps the close before it"
    )
    assert earlier.startswith(f"{path}: 1 of 120 earlier hours without a price (the first 2024-03-07 06:00 UTC)")
    assert others == []
    assert lively(candle_file(tmp_path, walk(24 * 12)), begin).notes == ()


@pytest.mark.parametrize(("lost", "got"), [
    (range(192, 240), "48 of 48 measured hours without a price (the first 2024-03-09 00:00 UTC)"),
    (range(200, 203), "3 of 48 measured hours without a price (the first 2024-03-09 08:00 UTC)"),
    (range(180, 192), "12 of 24 earlier hours without a price (the first 2024-03-08 12:00 UTC)"),
])  # fmt: skip
def test_a_gap_in_what_moves_the_measured_days_is_refused(tmp_path: Path, lost: range, got: str) -> None:
    path = candle_file(tmp_path, walk(24 * 12), leave_out=lost)
    (fault,) = faults(lambda: lively(path, BEGIN + timedelta(days=8)))
    assert fault == f"{path}: market.candles: got {got}; must have a price in all but 5% of them"


def test_a_gap_within_the_warm_up_is_refused_too(tmp_path: Path) -> None:
    path = candle_file(tmp_path, walk(24 * 12), leave_out=range(180, 192))
    rules = lively(path, BEGIN + timedelta(days=9)).scenario.market
    assert rules is not None
    warm = story(days=2, warmup_days=1, market=rules.model_dump(mode="json"))
    (fault,) = faults(lambda: market_of(warm))
    assert "got 12 of 48 earlier hours without a price" in fault


def test_times_without_a_zone_and_another_calendar_are_told(tmp_path: Path) -> None:
    path = candle_file(tmp_path, walk(24 * 12))
    path.write_text(path.read_text().replace("Z", ""))
    (note,) = lively(path, BEGIN + timedelta(days=8)).notes
    assert note == f"{path}: its times name no zone, and are read as UTC"
    path = candle_file(tmp_path, walk(24 * 12))
    rules = lively(path, BEGIN + timedelta(days=8)).scenario.market
    assert rules is not None
    (note,) = market_of(story(start="2026-01-05", market=rules.model_dump(mode="json"))).notes
    days = "Saturday, 2024-03-09 meet the profile and shifts of Monday, 2026-01-05"
    assert note == f"{path}: the prices of {days}, as start says"


def test_a_day_s_candles_begin_at_midnight() -> None:
    with pytest.raises(ScenarioFaults) as caught:
        lively(Path("x.csv"), BEGIN + timedelta(hours=13))
    rule = "must be 00:00 UTC of a day, for profile and shifts go by the day"
    assert caught.value.faults == [f'run.json: market.begin: got "2024-03-01T13:00:00Z"; {rule}']


@pytest.mark.parametrize("day", [-20, 1, 11, 500])
def test_a_run_that_the_file_does_not_cover_is_refused_with_the_span(tmp_path: Path, day: int) -> None:
    path = candle_file(tmp_path, walk(24 * 12))
    (fault,) = faults(lambda: lively(path, BEGIN + timedelta(days=day)))
    assert "market.begin: got" in fault
    assert "(2024-03-01 00:00 to 2024-03-12 23:00 UTC)" in fault
    lively(path, BEGIN + timedelta(days=10))


def test_prices_that_never_move_are_refused(tmp_path: Path) -> None:
    (fault,) = faults(lambda: lively(candle_file(tmp_path, [5.0] * 300), BEGIN + timedelta(days=8)))
    assert "must be prices that move" in fault


def test_the_factor_is_the_ratio_of_volatility_to_its_median_to_the_elasticity(tmp_path: Path) -> None:
    closes = walk(24 * 12)
    closes[24 * 9 :] *= 0.7  # a fall of 30 % within the hour that begins day 9
    market = lively(candle_file(tmp_path, closes), BEGIN + timedelta(days=9))
    returns = np.diff(np.log(closes))

    def volatility(hour: int) -> float:  # known when the hour begins: from the 24 returns that end before it
        return float(np.sqrt((returns[hour - 25 : hour - 1] ** 2).sum()))

    ordinary = np.median([volatility(hour + 1) for hour in range(24 * 4, 24 * 9)])
    for hour in (0, 1, 2, 23, 30):
        ratio = volatility(24 * 9 + hour) / ordinary
        at = hour * HOUR_MS
        assert market.factor("withdrawals").rate_at(at) == pytest.approx(np.clip(ratio, 1 / 20, 20), rel=1e-9)
        assert market.factor("tickets").rate_at(at) == pytest.approx(np.sqrt(ratio), rel=1e-9)
        assert market.factor("logins").rate_at(at) == 1.0


def test_no_hour_reads_its_own_future(tmp_path: Path) -> None:
    """Change the closes from one hour on: no factor before that hour's end may move."""
    closes = walk(24 * 12)
    other = closes.copy()
    turn = 24 * 10 + 7
    other[turn:] *= np.exp(np.cumsum(np.random.default_rng(9).normal(0, 0.2, len(other) - turn)))
    curves = [
        lively(candle_file(tmp_path, c), BEGIN + timedelta(days=10)).factor("withdrawals") for c in (closes, other)
    ]
    hours = np.arange(48) * HOUR_MS
    a, b = (curve.rate_at(hours) for curve in curves)
    assert a[:8].tolist() == b[:8].tolist()  # the close of hour 7 is known when hour 8 begins
    assert a[8] != b[8]


def test_the_factor_is_bounded_both_ways(tmp_path: Path) -> None:
    closes = walk(24 * 12)
    closes[24 * 10 :] = closes[24 * 10] * 50  # one jump, then a flat line
    market = lively(candle_file(tmp_path, closes), BEGIN + timedelta(days=9), days=3, factor_max=4.0)
    rates = market.factor("withdrawals").rate_at(np.arange(72) * HOUR_MS)
    assert rates.max() == 4.0
    assert rates.min() == 0.25


def test_the_price_of_an_hour_is_that_at_its_beginning_and_the_end_has_one_too(tmp_path: Path) -> None:
    closes = walk(24 * 14)
    path = candle_file(tmp_path, closes)
    market = lively(path, BEGIN + timedelta(days=10))
    assert market.price[0] == 1.0
    assert len(market.price) == 48
    assert market.price[30] == pytest.approx(closes[269] / closes[239])  # the close of the hour before
    assert market.price_end == pytest.approx(closes[287] / closes[239])
    warm = market_of(story(days=2, warmup_days=1, market=market.scenario.market.model_dump(mode="json")))  # type: ignore[union-attr]
    assert warm.price[30] / warm.price[24] == pytest.approx(closes[245] / closes[239])


@pytest.mark.parametrize("hour", [0, 20, 47])
def test_a_fall_in_whatever_hour_is_the_lowest_price_and_alarms_as_it_ends(tmp_path: Path, hour: int) -> None:
    closes = walk(24 * 14, scale=1e-4)
    closes[240 + hour :] *= 0.7
    rules = lively(candle_file(tmp_path, closes), BEGIN + timedelta(days=10)).scenario.market
    assert rules is not None
    fall = {"price_fall": 0.25, "window": "2 h", "rest": "9 d"}
    scenario = story(market=rules.model_dump(mode="json"), early_warnings={"fall": fall})
    one = observe(build(scenario), seed=1, replication=0)
    assert measure(one)["price_low"] == pytest.approx(0.7, abs=0.01)
    assert one.expected_demand.policy.alarms["fall"] == (((hour + 1) * HOUR_MS,) if hour < 47 else ())


@pytest.mark.parametrize("hour", [0, 47])
def test_a_shock_s_fall_in_the_first_or_last_hour_is_the_lowest_price(hour: int) -> None:
    shock = {"at": f"{hour} h", "length": "1 h", "price_change": -0.3}
    assert measure(observe(build(story(shocks={"x": shock})), seed=1, replication=0))["price_low"] == 0.7


def test_a_short_reference_and_shocks_beside_candles_are_told(tmp_path: Path) -> None:
    path = candle_file(tmp_path, walk(24 * 12))
    assert any("the reference period is 3 days" in note for note in lively(path, BEGIN + timedelta(days=4)).notes)
    rules = lively(path, BEGIN + timedelta(days=8)).scenario.market
    assert rules is not None
    both = story(market=rules.model_dump(mode="json"), shocks={"leak": {"at": "0 d", "length": "1 d", "tickets": 2.0}})
    market = market_of(both)
    assert any("the scenario's own shocks (leak) act as well" in note for note in market.notes)
    alone = lively(path, BEGIN + timedelta(days=8))
    ratio = market.factor("tickets").rate_at(0) / alone.factor("tickets").rate_at(0)
    assert ratio == pytest.approx(2.0)


# --- the real thing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crash", ["2020-03-12", "2022-11-08"])
def test_known_crashes_move_withdrawals_and_the_week_before_does_not(crash: str) -> None:
    path = real_file("btcusdt_binance_hourly_2017_2026.csv.gz")
    day = datetime.fromisoformat(crash).replace(tzinfo=UTC)
    rules = {"reference": "28 d", "withdrawals_elasticity": 1.0}
    market = lively(path, day - timedelta(days=7), days=10, **rules)
    by_day = market.factor("withdrawals").rate_at(np.arange(240) * HOUR_MS).reshape(10, 24)
    assert by_day[7:9].max() > 3
    assert 0.4 < by_day[0].mean() < 1.6
    assert market.factor("tickets").rate_at(0) == pytest.approx(np.sqrt(by_day[0, 0]))
