"""The live levels' step, the engines' own, against exact answers; the slower ones are checks of the self-check."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim import theory
from sim.feedback import (
    CopiesParameters,
    FeedbackInputs,
    FeedbackParameters,
    RailParameters,
    WithdrawalRows,
    tables_of,
)
from sim.feedback.columns import (
    BOOST,
    BOOST_UNANSWERED,
    COPIES,
    COPIES_UNANSWERABLE,
    EXOGENOUS_NAMES,
    N_OPEN,
    PAID,
    PASSING,
    PAYOUT_IN,
    REVIEW_IN,
    REVIEWED,
    REVIEWED_ROW,
    ROW_CENTS,
    ROW_FLAGS,
    ROW_MINUTE,
)  # fmt: skip
from sim.feedback.declaration import DRAWN_ROWS
from sim.selfcheck import Check, checks, run_check
from sim.selfcheck import feedback as living

ORACLES: dict[str, dict[str, Any]] = {
    o["id"]: o for o in json.loads((Path(__file__).parents[1] / "support" / "oracles.json").read_text())
}
CHECKS = {check.name: check for check in checks() if check.replicate and not check.name.startswith("selection")}
HOUR = 60


def spread(total: float, minutes: int) -> np.ndarray:
    """Return a constant rate as whole numbers by the minute that sum up to the total."""
    return np.diff(np.rint(np.arange(minutes + 1) * total / minutes).astype(np.int64))


def lines(auto: np.ndarray, hand: np.ndarray, rules: FeedbackParameters) -> tuple[np.ndarray, np.ndarray]:
    """Return whole numbers and the one rail's columns, by the minute, of these requests, ``hand`` those reviewed."""
    requests = living.no_requests(len(auto))
    requests[0, PASSING] = auto, 100 * auto
    drawn = np.zeros((hand.sum(), len(DRAWN_ROWS.columns)), np.int64)
    drawn[:, ROW_MINUTE], drawn[:, ROW_CENTS] = np.repeat(np.arange(len(hand)), hand), 100
    drawn[:, ROW_FLAGS] = REVIEWED_ROW
    rows = WithdrawalRows(drawn=drawn, keys=np.zeros(len(drawn), np.uint64), account=np.zeros(len(drawn)))
    ints, _, rails, *_ = tables_of(living.run(rules, FeedbackInputs(requests=requests, rows=rows)))
    return ints, rails[0]


def test_a_surge_fills_and_drains_the_payout_line_as_a_fluid() -> None:
    oracle = ORACLES["fluid-surge-backlog"]
    base, surge, hours, capacity = oracle["parameters"].values()
    minutes = hours * HOUR
    auto = np.concatenate([spread(surge * hours, minutes), spread(base * 240, 240 * HOUR)])
    rules = FeedbackParameters(rails=(RailParameters(payouts_per_minute=capacity / HOUR, final_minutes=1),))
    _, rail = lines(auto, 0 * auto, rules)
    line = rail[PAYOUT_IN] - rail[PAID]
    peak, clear = oracle["answer"]["peak"], oracle["answer"]["clear"]
    # Exact to what comes in a minute, and to what is paid in one.
    assert abs(line.max() - peak) <= surge / HOUR
    assert abs(int(line.argmax()) - minutes) <= 1
    empty = minutes + int(np.argmax(line[minutes:] < base / HOUR))
    assert (empty - minutes) / HOUR == pytest.approx(clear, abs=surge / HOUR / (capacity - base) + 2 / HOUR)
    waits = np.searchsorted(rail[PAID], rail[PAYOUT_IN][:minutes]) - np.arange(minutes)
    assert waits.max() / HOUR == pytest.approx(oracle["answer"]["max_fifo_delay"], abs=0.05)


def test_bybit_pays_what_needs_no_review_within_its_ten_hours() -> None:
    """What is known: 350,000 requests in 10 h, of which 2,100 were pending; the rest is what that says."""
    oracle = ORACLES["bybit-2025"]
    known, answer = oracle["parameters"], oracle["answer"]
    minutes = known["hours"] * HOUR
    hand = spread(known["pending"], minutes)
    auto = spread(known["requests"], minutes) - hand
    auto = np.append(auto, np.zeros(7, np.int64))
    hand = np.append(hand, np.zeros(7, np.int64))
    rules = FeedbackParameters(rails=(RailParameters(payouts_per_minute=answer["per_second"] * 60, final_minutes=6),))
    ints, rail = lines(auto, hand, rules)
    assert (auto + hand).sum() / known["hours"] == answer["per_hour"]
    assert rail[REVIEW_IN, -1] - rail[REVIEWED, -1] == ints[N_OPEN, -1] == known["pending"]
    assert ints[N_OPEN, -1] / known["requests"] == answer["pending_share"]
    assert rail[PAID, -1] / known["requests"] == answer["processed_share"]
    jammed = replace(
        rules, rails=(RailParameters(payouts_per_minute=answer["per_second"] * 60 * 0.97, final_minutes=6),)
    )
    assert lines(auto, hand, jammed)[0][N_OPEN, -1] > known["pending"] + 1_000


def test_confirmation_times_have_the_gamma_law_of_the_table() -> None:
    for blocks in (1, 2, 3):
        answer = ORACLES[f"btc-confirm-{blocks}"]["answer"]
        for name, share in (("p50", 0.5), ("p95", 0.05), ("p99", 0.01)):
            late = theory.unconfirmed(blocks=blocks, block_time=10.0, after=answer[name])
            assert late == pytest.approx(share, rel=1e-9)
    assert theory.unconfirmed(blocks=3, block_time=10.0, after=30.0) == pytest.approx(0.4232, abs=5e-5)


def test_the_clusters_of_the_table_give_its_index_of_dispersion() -> None:
    for name in ("hawkes-1", "hawkes-2"):
        q = theory.hawkes(**ORACLES[name]["parameters"])
        answer = ORACLES[name]["answer"]
        assert (q.branching, q.cluster_variance) == pytest.approx((answer["branching"], answer["cluster_var"]))
        assert q.cluster_variance / q.cluster_mean + q.cluster_mean == pytest.approx(q.fano)


@pytest.mark.parametrize("fault", [{"alpha": 1.0, "beta": 1.0}, {"alpha": 2.0, "beta": 1.0}])
def test_posts_that_bring_as_many_are_refused(fault: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="below 1"):
        theory.hawkes(mu=1.0, **fault)


@pytest.mark.parametrize(
    ("boosts", "copies", "unanswerable"),
    [
        # Intensities: 2 + 1, so that 3 come, 1 of the second kind; 1 + 0.75: 2, 6/7 of one; 1 + 0.375: 1, which makes
        # 1.13 of one; 0 + 0.4375: 1, as 6.5 has passed, of the second kind.
        ((4.0, 4.0), [3, 2, 1, 1], [1, 0, 1, 1]),
        ((4.0, 0.0), [2, 1, 1, 0], [0, 0, 0, 0]),
        ((0.0, 8.0), [2, 2, 1, 1], [2, 2, 1, 1]),
    ],
)
def test_copies_are_shared_out_by_the_intensities_of_both_kinds(
    boosts: tuple[float, float], copies: list[int], unanswerable: list[int]
) -> None:
    exogenous = np.zeros((len(EXOGENOUS_NAMES), 4))
    exogenous[[BOOST, BOOST_UNANSWERED], 0] = boosts
    rules = FeedbackParameters(copies=CopiesParameters(per_post=0.5, decay=0.0, unanswered_decay=0.5))
    inputs = FeedbackInputs(requests=living.no_requests(4), exogenous=exogenous, copy_times=np.arange(40) + 0.5)
    ints = tables_of(living.run(rules, inputs))[0]
    assert ints[COPIES].tolist() == copies
    assert ints[COPIES_UNANSWERABLE].tolist() == unanswerable


def test_a_run_and_a_reserve_outside_their_theory_are_refused() -> None:
    with pytest.raises(ValueError, match="above 1"):
        theory.final_size(1.0)
    with pytest.raises(ValueError, match="must exceed the claims"):
        theory.ruin(reserve=1.0, claim_rate=1.0, claim_mean=1.0, premium=1.0)


def test_posts_that_nobody_copies_are_poisson() -> None:
    """n = 0: the process that is left has an index of dispersion of 1."""
    streams = living.Streams(4, 0)
    times = living.unit_times(streams, "posts", 200_000) * 60_000 / 2
    minutes = 90_000
    own = times[times < minutes * 60_000].astype(np.int64)
    copies = living.copies_of(streams, "none", own, minutes, ratio=0.0, decay=0.5)
    assert not copies.any()
    hours = np.bincount(own // 3_600_000, minlength=minutes // 60)
    assert hours.var(ddof=1) / hours.mean() == pytest.approx(1, abs=4 * np.sqrt(2 / len(hours)))


# --- the checks can fail ------------------------------------------------------------------------------------------


def changed(module: Any, name: str, change: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    real = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *values, **named: real(*values, **change(named)))


FAULTS: dict[str, tuple[str, str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "posts that bring a fiftieth more": (
        "hawkes-1",
        "CopiesParameters",
        lambda v: v | {"per_post": v["per_post"] * 1.02},
    ),
    "power that fades faster": ("hawkes-shock", "CopiesParameters", lambda v: v | {"decay": v["decay"] ** 1.15}),
    "frightened people who meet more": (
        "final-size-1.5",
        "PanicParameters",
        lambda p: p | {"spread": p["spread"] * 1.04},
    ),
    "a wallet that holds a tenth more": ("hotwallet-ruin-500", "RailParameters", lambda r: r | {"hot_cents": 55_000}),
    "a block too many": ("btc-confirm-2", "RailParameters", lambda r: r | {"confirmations": 3}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_process_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name, what, change = FAULTS[fault]
    changed(living, what, change, monkeypatch)
    assert not all(one.passed for one in run_check(CHECKS[name], seed=1))


def test_draws_that_do_not_suffice_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(living, "_enough", lambda expected, fano: 10)
    with pytest.raises(ArithmeticError, match="used up their draws"):
        run_check(CHECKS["hawkes-shock"], seed=1)


def test_every_oracle_of_the_levels_is_met_here_or_in_the_self_check() -> None:
    prefixes = ("hawkes", "final-size", "hotwallet", "btc-confirm")
    assert {name for name in ORACLES if name.startswith(prefixes)} == set(CHECKS)
    assert all(isinstance(check, Check) for check in CHECKS.values())
