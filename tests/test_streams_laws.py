"""Counter-based uniforms and the laws of durations made from them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from pydantic import TypeAdapter
from stories import category, story

from sim.clock import MINUTE_MS
from sim.laws import draw_ms, mean_ms
from sim.scenario import ScenarioFaults
from sim.scenario.model import Law
from sim.streams import DAY_STRIDE, Streams

GRID = (np.arange(400_000) + 0.5) / 400_000
KNOWN = [0.8847941665815027, 0.4082125802342456, 0.8869300854687854, 0.5312008257295142]
DIGEST = """
import hashlib, numpy as np
from sim.streams import Streams
u = Streams(7, 3).uniforms("payout", "c:handle", np.arange(1000) * 7)
print(hashlib.sha256(u.tobytes()).hexdigest())
"""


def law(name: str, **parameters: object) -> Law:
    return TypeAdapter(Law).validate_python({"law": name, **parameters})


def uniforms(n: int = 200_000, purpose: str = "time", **where: int) -> np.ndarray:
    return Streams(where.get("seed", 1), where.get("replication", 0)).uniforms("howto", purpose, np.arange(n))


# --- uniforms -----------------------------------------------------------------------------------------------------


def test_known_answers() -> None:
    """Pinned, so that no release changes the numbers of a seed in silence; the laws below say that they are sound."""
    u = Streams(1, 0).uniforms("howto", "time", np.array([0, 1, 2, DAY_STRIDE]))
    assert u.tolist() == pytest.approx(KNOWN, rel=0, abs=2.0**-51)


def test_uniforms_are_uniform_and_independent() -> None:
    n = 200_000
    u = uniforms(n)
    assert abs(u.mean() - 0.5) < 4 * np.sqrt(1 / 12 / n)
    assert abs(u.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / n)
    counts = np.bincount((u * 100).astype(int), minlength=100)
    assert ((counts - n / 100) ** 2 / (n / 100)).sum() < 99 + 4 * np.sqrt(2 * 99)
    for lag in (1, 2, 1440):
        assert abs(np.corrcoef(u[:-lag], u[lag:])[0, 1]) < 4 / np.sqrt(n - lag)


@pytest.mark.parametrize(
    "other", [{"purpose": "count"}, {"seed": 2}, {"replication": 1}], ids=["purpose", "seed", "replication"]
)
def test_streams_of_other_names_are_other_numbers(other: dict) -> None:
    a, b = uniforms(), uniforms(**other)
    assert not (a == b).any()
    assert abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(len(a))


def test_a_name_is_not_its_parts_run_together() -> None:
    at = np.arange(4)
    names = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")]
    assert len({Streams(1, 0).uniforms(*name, at).tobytes() for name in names}) == len(names)
    assert Streams(1, 11).uniforms("a", "b", at).tobytes() != Streams(11, 1).uniforms("a", "b", at).tobytes()


def test_each_number_stands_alone_whatever_is_drawn_with_it() -> None:
    stream, at = Streams(5, 2), np.arange(1000)
    whole = stream.uniforms("a", "b", at)
    assert stream.uniforms("a", "b", at[::-1]).tolist() == whole[::-1].tolist()
    assert stream.uniforms("a", "b", np.array([[17], [400]])).tolist() == [[whole[17]], [whole[400]]]
    assert at.tolist() == list(range(1000))  # the ordinals are not overwritten


def test_uniforms_stay_inside_the_open_interval_at_both_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    for bits in (0, 2**64 - 1):
        monkeypatch.setattr("sim.streams._mix", lambda x, bits=bits: np.full(x.shape, bits, dtype=np.uint64))
        (u,) = Streams(1, 0).uniforms("a", "b", np.array([1]))
        assert 0.0 < u < 1.0


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_another_process_with_another_hash_seed_draws_the_same_bits(hash_seed: str) -> None:
    here = hashlib.sha256(Streams(7, 3).uniforms("payout", "c:handle", np.arange(1000) * 7).tobytes()).hexdigest()
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    there = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True, env=environment)
    assert there.stdout.strip() == here


# --- laws ---------------------------------------------------------------------------------------------------------

M = MINUTE_MS
PARTS = [
    {"weight": 3.0, "of": {"law": "exponential", "mean": "10 min"}},
    {"weight": 1.0, "of": {"law": "deterministic", "value": "60 min"}},
]
LAWS = [
    (law("exponential", mean="12 min"), 12, 1.0, {0.5: 12 * np.log(2), 0.9: 12 * np.log(10)}),
    (law("lognormal", mean="12 min", cv=1.0), 12, 1.0, {0.5: 12 / np.sqrt(2)}),
    (law("lognormal", mean="10 min", p90="20 min"), 10, None, {0.9: 20}),
    (law("lognormal", mean="10 min", p90="22 min"), 10, None, {0.9: 22}),
    (law("gamma", mean="12 min", cv=0.5), 12, 0.5, {}),
    (law("gamma", mean="12 min", cv=1.0), 12, 1.0, {0.5: 12 * np.log(2)}),
    (law("deterministic", value="12 min"), 12, 0.0, {0.1: 12}),
    (law("empirical", quantiles=["0 min", "10 min", "40 min"]), 15, None, {0.25: 5, 0.5: 10, 0.75: 25}),
    (law("mixture", parts=PARTS), 22.5, None, {0.375: 10 * np.log(2), 0.9: 60}),
]


@pytest.mark.parametrize(("one", "mean", "cv", "quantiles"), LAWS, ids=lambda x: getattr(x, "law", ""))
def test_a_law_has_its_mean_its_cv_and_its_quantiles(one: Law, mean: float, cv: float | None, quantiles: dict) -> None:
    times = draw_ms(one, GRID)
    assert mean_ms(one) == pytest.approx(mean * M, rel=1e-12)
    assert times.mean() == pytest.approx(mean * M, rel=2e-3)
    if cv is not None:
        assert times.std() == pytest.approx(cv * mean * M, rel=2e-2, abs=1)
    for p, value in quantiles.items():
        assert draw_ms(one, np.array([p]))[0] == pytest.approx(value * M, abs=1)


@pytest.mark.parametrize("one", [each[0] for each in LAWS], ids=lambda x: x.law)
def test_a_draw_is_the_inverse_so_it_is_whole_and_rises_with_its_uniform(one: Law) -> None:
    times = draw_ms(one, np.sort(uniforms(20_000)))
    assert times.dtype == np.int64
    assert times.min() >= 1
    if one.law != "mixture":  # there the uniform chooses the part first
        assert (np.diff(times) >= 0).all()
    ends = draw_ms(one, np.array([2.0**-54, 1 - 2.0**-53]))
    assert (ends >= 1).all()
    assert (ends < 2**62).all()


def test_a_lognormal_by_its_p90_takes_the_ordinary_one_of_two_solutions() -> None:
    """mean 10, p90 20: s = z - (z^2 - 2 ln 2)^(1/2), and the other root would put the median near 0."""
    z = 1.2815515655446004
    smaller = z - np.sqrt(z * z - 2 * np.log(2.0))
    median = draw_ms(law("lognormal", mean="10 min", p90="20 min"), np.array([0.5]))[0]
    assert median == pytest.approx(10 * M * np.exp(-(smaller**2) / 2), abs=1)


def test_a_p90_below_the_mean_is_met_or_refused() -> None:
    """Nine of ten below half the mean: a heavy tail, with s = z + (z^2 + 2 ln 2)^(1/2), or no scenario at all."""
    try:
        scenario = story(categories={"a": category(handle={"law": "lognormal", "mean": "10 min", "p90": "5 min"})})
    except ScenarioFaults:
        return
    times = draw_ms(scenario.categories["a"].steps["front"].handle, GRID)
    assert np.quantile(times, 0.9) == pytest.approx(5 * M, rel=1e-3)


def test_work_lasts_a_millisecond_at_least_and_a_pause_may_be_nothing() -> None:
    nothing = law("deterministic", value="0 min")
    assert draw_ms(nothing, GRID[:2]).tolist() == [1, 1]
    assert draw_ms(nothing, GRID[:2], least_ms=0).tolist() == [0, 0]


def test_the_parts_of_a_mixture_come_by_weight_and_each_with_a_uniform_of_its_own() -> None:
    times = draw_ms(law("mixture", parts=PARTS), GRID)
    assert (times == 60 * M).mean() == pytest.approx(0.25, abs=1e-5)
    others = times[times != 60 * M]
    assert others.mean() == pytest.approx(10 * M, rel=1e-3)
    assert np.median(others) == pytest.approx(10 * M * np.log(2), rel=1e-3)
