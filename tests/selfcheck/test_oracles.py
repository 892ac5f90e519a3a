"""The self-check: every exact answer comes out of the simulation, and the checker itself can fail."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sim.numerics.selection import spread_factor
from sim.selfcheck import Check, Compared, Result, checks, run_check, selfcheck
from sim.selfcheck.check import result
from sim.selfcheck.networks import routes
from sim.selfcheck.public import TYPES

ORACLES: dict[str, dict[str, Any]] = {
    o["id"]: o for o in json.loads((Path(__file__).parents[1] / "support" / "oracles.json").read_text())
}
CHECKS = {check.name: check for check in checks()}
MET_BY_SIMULATION = (
    "erlangB-1", "erlangB-2", "erlangB-3", "erlangB-4", "erlangB-5", "erlangC-1", "erlangC-2", "erlangC-3",
    "erlangA-1", "erlangA-SL-1", "erlangA-SL-2", "mmnG-exp", "mmnG-det", "mg1-lognormal-1", "mg1-lognormal-2", "md1",
    "cobham-mmc-np-1", "cobham-mmc-np-2", "jackson-feedback", "tandem-2", "mtginf-1-exponential",
    "mtginf-2-deterministic", "poisson-gamma-1", "fluid-surge-backlog", "mt-spike-erlangC",
    "complaint-hazard-calibration", "gate-funnel", "bot-agent-reconcile", "funnel-by-type",
    "hawkes-1", "hawkes-2", "hawkes-shock", "final-size-1.2", "final-size-1.5", "hotwallet-ruin-500", "btc-confirm-1",
    "btc-confirm-2", "btc-confirm-3",
)  # fmt: skip


def answer(oracle: str) -> float:
    """Return the number at "id:key.key", where a key may be the position in a list."""
    name, _, keys = oracle.partition(":")
    value = ORACLES[name]["answer"]
    for key in keys.split("."):
        value = value[int(key)] if isinstance(value, list) else value[key]
    return float(value)


@pytest.mark.parametrize("name", CHECKS)
def test_the_simulation_gives_the_exact_answer(name: str) -> None:
    for one in run_check(CHECKS[name], seed=1):
        assert one.passed, (
            f"{name}, {one.quantity}: {one.estimate:.6g} for {one.expected:.6g}, z {one.z:.2f}, "
            f"standard error {one.relative_se:.2%} of the answer"
        )


def test_what_is_expected_is_what_the_table_of_oracles_says() -> None:
    for check in CHECKS.values():
        for quantity in check.quantities:
            if quantity.oracle:
                # The forward equations are good to 7 digits, everything else to the 12 of the table.
                digits = 1e-6 if quantity.oracle.startswith("mt-") else 1e-9
                assert quantity.expected == pytest.approx(answer(quantity.oracle), rel=digits), quantity.oracle
    assert ORACLES["funnel-by-type"]["parameters"]["types"] == TYPES


def test_no_oracle_of_the_list_is_forgotten() -> None:
    cited = {q.oracle.partition(":")[0] for check in CHECKS.values() for q in check.quantities}
    assert set(MET_BY_SIMULATION) <= cited


def test_every_check_has_a_name_of_its_own() -> None:
    assert len(CHECKS) == len(checks())


def small(**changes: Any) -> Check:
    """Return Erlang B with 10 agents, the quickest check, with changes."""
    return replace(CHECKS["erlangB-3"], **changes)


def test_an_answer_that_is_wrong_by_a_tenth_is_noticed() -> None:
    right = CHECKS["erlangB-3"].quantities[0]
    wrong = tuple(replace(right, expected=right.expected * factor) for factor in (0.9, 1.1))
    results = run_check(small(quantities=(right, *wrong)), seed=1)
    assert [one.passed for one in results] == [True, False, False]
    assert results[1].z > 4
    assert results[2].z < -4
    assert not any(one.vacuous for one in results)


def test_a_run_too_short_to_tell_is_vacuous_not_passed() -> None:
    short = CHECKS["erlangB-3"].scenario.replace("days = 30", "days = 3")
    assert short != CHECKS["erlangB-3"].scenario
    (one,) = run_check(small(scenario=short), seed=1)
    assert abs(one.z) < 4
    assert one.vacuous
    assert not one.passed


def test_too_few_replications_are_vacuous() -> None:
    (one,) = run_check(small(replications=19), seed=1)
    assert one.relative_se < 0.02
    assert one.vacuous
    assert not one.passed


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("erlangB-3", "agents = 10", "agents = 9"),
        ("erlangB-3", 'value = "0.000000000 h"', 'value = "30 min"'),
        ("mmcK-1-4", "places = 3", "places = 4"),
        ("mmcK-5-5", "places = 0", "places = 1"),
        ("md1", 'law = "deterministic", value', 'law = "exponential", mean'),
        ("complaint-hazard-exponential-2", 'mean = "96', 'mean = "107'),
        ("chats-20x2-85", "stretch = [1.0, 1.25]", "stretch = [1.25, 1.25]"),
        ("shrinkage-2", "shrinkage = 0.3", "shrinkage = 0.27"),
        ("shrinkage-throughput", "break_blocks = 8", "break_blocks = 1"),
        ("overtime-lognormal", "cv = 0.5", "cv = 1.0"),
        ("payout-rate", "payouts_per_minute = 3.3", "payouts_per_minute = 3.301"),
        ("payout-line-minute", "withdrawals_per_mau_day = 0.108", "withdrawals_per_mau_day = 0.11"),
        ("payout-line-batch", 'batch = "10 min"', 'batch = "5 min"'),
        ("gateway-retries", "retry_share = 0.6", "retry_share = 0.57"),
        ("limit-lognormal", "amount_cv = 1", "amount_cv = 0.95"),
        ("hold-promise", 'promise = "1 h"', 'promise = "75 min"'),
        ("hold-promise", "held_share = 0.5", "held_share = 0.48"),
    ],
)
def test_a_fault_planted_in_the_model_is_noticed(name: str, text: str, fault: str) -> None:
    broken = CHECKS[name].scenario.replace(text, fault)
    assert broken != CHECKS[name].scenario
    assert not all(one.passed for one in run_check(replace(CHECKS[name], scenario=broken), seed=1))


@pytest.mark.parametrize(
    ("name", "factor"), [("selection-of-two", 0.5), ("selection-of-two", 2.0), ("selection-of-five", 0.25)]
)
def test_a_selection_that_allows_too_much_or_too_little_spread_is_noticed(
    name: str, factor: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a bound only what falls short of it can be noticed."""

    def wrong(**given: Any) -> float:
        return factor * spread_factor(**given)

    monkeypatch.setattr("sim.numerics.selection.spread_factor", wrong)
    (one,) = run_check(CHECKS[name], seed=1)
    assert not one.passed


def test_a_bound_is_met_from_above_and_missed_from_below() -> None:
    bound = Compared("x", 10.0, float, least=True)
    check = Check(name="by hand", quantities=(bound,), source="arithmetic")
    more, less = (result(check, bound, [value, value + 0.1] * 10) for value in (20.0, 9.0))
    assert (more.passed, less.passed) == (True, False)
    exact = replace(bound, least=False)
    assert not result(check, exact, [20.0, 20.1] * 10).passed


def test_priorities_that_are_ignored_are_noticed() -> None:
    check = CHECKS["cobham-mmc-np-2"]
    broken = check.scenario.replace("priority = 1", "priority = 0").replace("priority = 2", "priority = 0")
    results = run_check(replace(check, scenario=broken), seed=1)
    assert [one.passed for one in results] == [False, False, True]  # who waits longest differs, how many wait does not


def test_the_routes_of_the_network_are_its_markov_chain() -> None:
    routing = ((0.08, 0.25), (0.2, 0.0))
    known = list(routes(routing, 0))
    assert sum(p for _, p in known) == pytest.approx(1, abs=1e-5)
    per_customer = [sum(p * route.count(station) for route, p in known) for station in (0, 1)]
    visits = [rate / 40 for rate in ORACLES["jackson-feedback"]["answer"]["lam"]]
    assert per_customer == pytest.approx(visits, rel=4e-5)
    assert dict(known)[(0, 1, 0)] == pytest.approx(0.25 * 0.2 * 0.67)


def test_z_counts_standard_errors_and_an_exact_hit_needs_none() -> None:
    check = Check(name="by hand", quantities=(), source="arithmetic")
    quantity = Compared("x", 10.0, lambda observed: 0.0)
    one = result(check, quantity, [10.0, 11.0, 12.0, 11.0])  # mean 11, variance 2 / 3, n = 4
    assert one.standard_error == pytest.approx(math.sqrt(2 / 3 / 4))
    assert one.z == pytest.approx(1 / math.sqrt(1 / 6))
    assert one.relative_se == pytest.approx(math.sqrt(1 / 6) / 10)
    always = Result("x", "x", 10.0, 10.0, 0.0, 20, "")
    assert (always.z, always.passed) == (0.0, True)
    off = replace(always, estimate=10.5)
    assert (off.z, off.passed) == (math.inf, False)


def test_results_come_one_by_one_and_again_the_same() -> None:
    first = next(iter(selfcheck(seed=3)))
    again = run_check(CHECKS[first.name], seed=3)[0]
    assert first == again
    assert first != run_check(CHECKS[first.name], seed=4)[0]
