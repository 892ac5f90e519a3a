"""Prices drawn from regimes: their laws in the long run, what depends on what, and the weight of falls."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.core.clock import HOUR_MS
from sim.demand import draw
from sim.drivers.market import MarketPath, market_in, market_of
from sim.drivers.price_regimes import chain_of, draw_path, stationary
from sim.experiment.replication import observe
from sim.metrics.hourly import hourly
from sim.metrics.registry import measure
from sim.model.model import build
from sim.numerics.streams import Streams
from sim.scenario import Scenario, ScenarioFaults
from sim.scenario.schema.newcomers import Regime
from tests.support.stories import category, rich, story

CALM = {"volatility_per_day": 0.02, "dwell": "3 d", "next": {"panic": 0.75, "boom": 0.25}}
PANIC = {"volatility_per_day": 0.1, "drift_per_day": -0.05, "dwell": "12 h", "jumps_per_day": 2.0, "jump_mean": -0.02,
         "jump_sd": 0.05, "next": {"calm": 0.5, "boom": 0.5}}  # fmt: skip
BOOM = {"volatility_per_day": 0.05, "drift_per_day": 0.04, "dwell": "1 d", "next": {"calm": 1.0}}
RULES = {"window": "24 h", "reference": "90 d", "withdrawals_elasticity": 0.9, "tickets_elasticity": 0.5,
         "logins_elasticity": 0.7, "factor_max": 12.0}  # fmt: skip
THREE = {"calm": CALM, "panic": PANIC, "boom": BOOM}


def regimes(**tables: dict[str, Any]) -> dict[str, Regime]:
    return {name: Regime.model_validate(table) for name, table in (tables or THREE).items()}


def restless(**more: Any) -> Scenario:
    """Return the rich story in a market of regimes."""
    return rich(market=RULES | {"path": "regimes", "regimes": THREE} | more)


def path(of: dict[str, Regime], hours: int, *, replications: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return log returns and regimes, replications by hours."""
    drawn = [draw_path(of, Streams(1, r), history=0, hours=hours) for r in range(replications)]
    return np.array([one[0] for one in drawn]), np.array([one[1] for one in drawn])


# --- the law of the regimes -------------------------------------------------------------------------------------


def test_the_long_run_solves_its_balance_by_hand() -> None:
    # Visits: calm = panic / 2 + boom, panic = 3/4 calm, boom = calm / 4 + panic / 2, so 8 : 6 : 5; dwell 72, 12, 24 h.
    time = np.array([8 * 72, 6 * 12, 5 * 24])
    assert stationary(regimes()) == pytest.approx(time / time.sum(), rel=1e-12)
    assert stationary(regimes(calm={"volatility_per_day": 0.02, "dwell": "1 h"})) == pytest.approx([1.0])


@given(
    dwells=st.lists(st.integers(1, 500), min_size=2, max_size=4),
    weights=st.lists(st.floats(0.05, 1), min_size=12, max_size=12),
)
def test_the_long_run_is_the_fixed_point_of_the_hourly_chain(dwells: list[int], weights: list[float]) -> None:
    names = "abcd"[: len(dwells)]
    tables = {}
    for i, name in enumerate(names):
        others = [other for other in names if other != name]
        mine = np.array(weights[3 * i : 3 * i + len(others)])
        tables[name] = {
            "volatility_per_day": 1.0,
            "dwell": f"{dwells[i]} h",
            "next": dict(zip(others, mine / mine.sum(), strict=True)),
        }
    of = regimes(**tables)
    chain, share = chain_of(of), stationary(of)
    moves = np.diff(chain.below, axis=1, prepend=0.0)
    hour = np.diag(1 - chain.leave) + chain.leave[:, None] * moves
    assert share @ hour == pytest.approx(share, abs=1e-9)
    assert share.sum() == pytest.approx(1)


def test_the_market_is_in_each_regime_as_often_and_as_long_as_it_should_be() -> None:
    of = regimes()
    _, states = path(of, 24 * 60, replications=200)
    expected = stationary(of)
    for hour in (0, 24 * 60 - 1):  # from the first hour on: the start is drawn from the long run
        found = np.bincount(states[:, hour], minlength=3) / 200
        assert np.abs(found - expected).max() < 4 * math.sqrt(0.25 / 200)
    shares = np.array([(states == s).mean(axis=1) for s in range(3)])
    error = shares.std(axis=1, ddof=1) / math.sqrt(200)
    assert (np.abs(shares.mean(axis=1) - expected) < 4 * error).all()
    for number, regime in enumerate(of.values()):
        inside = states[:, :-1] == number
        left = (inside & (states[:, 1:] != number)).sum() / inside.sum()
        p = HOUR_MS / regime.dwell
        assert abs(left - p) < 4 * math.sqrt(p / inside.sum())
    gone = [(states[:, :-1] == 0) & (states[:, 1:] == to) for to in (1, 2)]
    n = int(gone[0].sum() + gone[1].sum())
    assert abs(gone[0].sum() / n - 0.75) < 4 * math.sqrt(0.1875 / n)


@pytest.mark.parametrize("name", THREE)
def test_a_regime_s_returns_have_its_drift_and_volatility_with_jumps(name: str) -> None:
    one = regimes(only=THREE[name] | {"next": {}})
    regime = one["only"]
    returns, _ = path(one, 24 * 400, replications=10)
    days = returns.reshape(-1, 24).sum(axis=1)
    n = len(days)
    mean = regime.drift_per_day + regime.jumps_per_day * regime.jump_mean
    variance = regime.volatility_per_day**2 + regime.jumps_per_day * (regime.jump_mean**2 + regime.jump_sd**2)
    assert abs(days.mean() - mean) < 4 * math.sqrt(variance / n)
    assert abs(days.var() / variance - 1) < 4 * math.sqrt(((days - mean) ** 2).var() / n) / variance
    assert ((days - mean) ** 2).var() / n < (0.05 * variance) ** 2  # close enough to tell
    if regime.jumps_per_day:  # of the hours with 0, 1, 2, ... jumps, those with none have the normal law
        quiet = math.exp(-regime.jumps_per_day / 24)
        far = np.abs(returns - regime.drift_per_day / 24) > 3 * regime.volatility_per_day / math.sqrt(24)
        assert 0.0027 * quiet < far.mean() < 0.0027 * quiet + (1 - quiet)


# --- what depends on what ---------------------------------------------------------------------------------------


def markets(scenario: Scenario, count: int = 3, seed: int = 1) -> list[MarketPath]:
    shared = market_of(scenario)
    return [market_in(shared, Streams(seed, r)) for r in range(count)]


def test_each_replication_has_a_market_of_its_own_and_always_the_same() -> None:
    one, again, other = markets(restless()), markets(restless()), markets(restless(), seed=2)
    assert [m.price.tobytes() for m in one] == [m.price.tobytes() for m in again]
    assert len({m.price.tobytes() for m in one + other}) == 6
    assert all(m.price[0] == 1 and (m.price > 0).all() for m in one)


def test_a_longer_run_begins_in_the_same_market() -> None:
    market = RULES | {"path": "regimes", "regimes": THREE}
    short, long = (markets(rich(days=days, market=market))[1] for days in (2, 9))
    for name in ("price", "volatility", "stress", "rally"):
        assert getattr(long, name)[: 3 * 24].tobytes() == getattr(short, name).tobytes()


def test_how_far_the_factors_look_back_moves_no_price() -> None:
    market = RULES | {"path": "regimes", "regimes": {"calm": CALM | {"next": {}}}}
    near, far = (markets(rich(market=market | {"window": window}))[0] for window in ("24 h", "10 d"))
    assert near.price == pytest.approx(far.price, rel=1e-12)


def test_no_hour_reads_its_own_future() -> None:
    """The factors of an hour depend on the returns before it alone: the price at its beginning is the last of them."""
    scenario = restless(window="5 h")
    market = markets(scenario)[0]
    back = 168 + 1  # the rally's week and an hour
    returns, _ = draw_path(regimes(), Streams(1, 0), history=back, hours=96)
    usual = 0.02 * math.sqrt(5 / 24)
    assert market.volatility is not None
    for hour in (0, 1, 50):
        seen = returns[back + hour - 5 : back + hour]
        assert market.volatility[hour] == pytest.approx(math.sqrt((seen**2).sum()) / usual, rel=1e-12)
        assert market.price[hour] == pytest.approx(math.exp(returns[back : back + hour].sum()), rel=1e-12)


def test_without_regimes_nothing_changes_and_all_replications_share_a_recipe() -> None:
    plain, idle = build(rich()), build(rich(market=RULES | {"path": "flat", "regimes": THREE}))
    for world in (plain, idle):
        assert world.expected_in(Streams(1, 0)) is world.expected_in(Streams(1, 1)) is world.expected_demand
    a, b = (draw(world.expected_demand, seed=1, replication=0) for world in (plain, idle))
    assert a.opened_ms.tobytes() == b.opened_ms.tobytes()
    assert a.leg_handle_ms.tobytes() == b.leg_handle_ms.tobytes()


def test_a_replication_s_demand_and_series_are_those_of_its_market() -> None:
    world = build(restless())
    observed = [observe(world, seed=1, replication=r) for r in range(2)]
    for one in observed:
        market = market_in(world.market, one.streams)
        assert hourly(one)["all", "price_index"].tobytes() == market.price[24:].tobytes()
        factor = market.factor("tickets").rate_at(np.arange(96) * HOUR_MS)
        even = market_in(world.market, one.streams).factor("tickets").expected(HOUR_MS)
        assert even == pytest.approx(factor)
        expected = one.expected_demand.roots.expected[0]
        profile = np.repeat([1.0, 2.0, 4.0, 2.0], 6) / 2.25
        assert expected == pytest.approx((6.0 * factor.reshape(4, 24) * profile).sum(axis=1))
    assert observed[0].expected_demand.roots.expected.tobytes() != observed[1].expected_demand.roots.expected.tobytes()
    assert observed[0].expected_demand.paths is observed[1].expected_demand.paths


def test_the_extremes_of_a_market_are_those_of_its_measured_hours() -> None:
    one = observe(build(restless()), seed=1, replication=0)
    market, found = one.expected_demand.market, measure(one)
    assert market.volatility is not None
    assert found["price_low"] == min([*market.price[24:], market.price_end]) / market.price[24]
    assert found["volatility_peak"] == max(market.volatility[24:])
    assert market.price[:24].min() != market.price[24:].min()


def test_a_shock_s_price_lies_over_the_path() -> None:
    fall = {"crash": {"at": "1 d", "length": "2 h", "price_change": -0.5}}
    plain, shaken = restless(), restless().model_copy(update={"shocks": rich(shocks=fall).shocks})
    a, b = (markets(scenario)[0].price for scenario in (plain, shaken))
    assert b[24 + 24 + 2 :] == pytest.approx(a[24 + 24 + 2 :] / 2)
    assert b[:48].tobytes() == a[:48].tobytes()


# --- falls weigh more than rises --------------------------------------------------------------------------------


def stressed(sign: float, **more: Any) -> MarketPath:
    """Return a market that moves steadily, up or down, by 12 % a day."""
    only = {"volatility_per_day": 1e-9, "drift_per_day": sign * 0.12, "dwell": "1 d"}
    rules = RULES | {"path": "regimes", "regimes": {"only": only}} | more
    return markets(story(market=rules, categories={"howto": category()}))[0]


@given(weight=st.floats(0, 2), elasticity=st.floats(0.05, 1))
def test_a_fall_moves_demand_by_its_weight_and_a_rise_by_the_rest(weight: float, elasticity: float) -> None:
    down, up = (stressed(s, fall_weight=weight, tickets_elasticity=elasticity, factor_max=1e9) for s in (-1.0, 1.0))
    plain = stressed(1.0, tickets_elasticity=elasticity, factor_max=1e9)
    even, calm_head = (plain.factor(driven).rate_at(HOUR_MS) for driven in ("tickets", "logins"))
    for market, mine in ((down, weight), (up, 2 - weight)):
        ratio = market.factor("tickets").rate_at(HOUR_MS) / even
        if mine > 1e-6:
            assert ratio == pytest.approx(mine ** (elasticity / 2), rel=1e-6)
        assert market.factor("logins").rate_at(HOUR_MS) == pytest.approx(calm_head, rel=1e-6)
    if weight > 1.01:
        for driven in ("tickets", "withdrawals"):
            assert down.factor(driven).rate_at(HOUR_MS) > up.factor(driven).rate_at(HOUR_MS)


def test_equal_weights_are_plain_volatility_to_the_last_bit() -> None:
    market = markets(restless())[0]
    assert market.volatility is not None
    assert market.stress is not None
    assert market.stress.tobytes() == market.volatility.tobytes()
    heavy = markets(restless(fall_weight=1.5))[0]
    assert heavy.stress is not None
    assert heavy.volatility is not None
    assert heavy.volatility.tobytes() == market.volatility.tobytes()
    assert heavy.stress.tobytes() != market.stress.tobytes()


def test_falls_weigh_more_in_real_candles_too(tmp_path: Any) -> None:
    hours = 24 * 40
    steps = np.where(np.arange(hours) % 2, 0.01, -0.01)
    found = {}
    for sign in (-1, 1):
        moves = steps.copy()
        moves[30 * 24 + 1 : 31 * 24 + 1] = sign * 0.03
        price = 100 * np.exp(np.cumsum(moves))
        file = tmp_path / f"{sign}.csv"
        times = [datetime.fromtimestamp(h * 3600, UTC).strftime("%Y-%m-%d %H:%M:%S") for h in range(hours)]
        rows = [f"{t},{p!r},{p!r},{p!r},{p!r},1" for t, p in zip(times, price.tolist(), strict=True)]
        file.write_text("\n".join(["date,open,high,low,close,volume", *rows]))
        rules = RULES | {"candles": str(file), "begin": "1970-01-31", "fall_weight": 1.5, "reference": "20 d"}
        market = market_of(story(days=3, market=rules))
        found[sign] = {name: market.factor(name).rate_at(25 * HOUR_MS) for name in ("tickets", "logins")}
    assert found[-1]["tickets"] == pytest.approx(3**0.5 * (1 / 3) ** 0.25 * 1.5**0.25 * 3**0.25, rel=0.02)
    assert found[-1]["tickets"] / found[1]["tickets"] == pytest.approx((1.5 / 0.5) ** (0.5 / 2), rel=1e-6)
    assert found[-1]["logins"] == pytest.approx(found[1]["logins"], rel=1e-9)


# --- what is refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("market", "fault"),
    [
        (
            {"path": "regimes"},
            'market.path: got "regimes"; must be given together with one or more tables market.regimes.NAME',
        ),
        ({"ordinary_regime": "mild", "regimes": THREE}, 'market.ordinary_regime: got "mild"; must be a regime: calm'),
        ({"regimes": THREE | {"boom": BOOM | {"next": {"mild": 1.0}}}}, 'market.regimes.boom.next.mild: got "mild"'),
        (
            {"regimes": THREE | {"boom": BOOM | {"next": {"calm": 0.9}}}},
            "market.regimes.boom.next: got shares that sum to 0.9; must sum",
        ),
        ({"regimes": THREE | {"calm": CALM | {"dwell": "5 min"}}}, 'market.regimes.calm.dwell: got "5 min"; must be'),
        ({"regimes": THREE | {"calm": CALM | {"jumps_per_day": 99.0}}}, "must be at most 24 jumps a day"),
        (
            {"regimes": {"calm": CALM | {"next": {"boom": 1.0, "panic": 0.0}}, "panic": PANIC, "boom": BOOM}},
            "market.regimes.calm.next: got no way to panic; must lead to every other regime",
        ),
        (
            {"path": "regimes", "regimes": THREE, "candles": "x.csv", "begin": "2020-01-01"},
            'market.path: got "regimes"; must be flat where candles give the price',
        ),
    ],
)
def test_a_market_without_sense_is_refused(market: dict[str, Any], fault: str) -> None:
    with pytest.raises(ScenarioFaults, match=r".*") as refused:
        story(market=RULES | market)
    assert any(fault in one for one in refused.value.faults), refused.value.faults
