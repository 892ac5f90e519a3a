"""Counter-based uniforms, alone and as the draws use them, and the distributions of durations made from them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy.special import gammaincinv, ndtri

from sim.core.clock import HOUR_MS, MINUTE_MS, NEVER
from sim.demand import CHASE, REOPEN
from sim.demand.durations import draw_ms, mean_ms, quantiles, sigma_of
from sim.numerics import normal
from sim.numerics.normal import normal_quantile
from sim.numerics.streams import DAY_STRIDE, Streams, mix, unit
from sim.scenario import ScenarioFaults
from sim.scenario.schema.durations import Distribution, Empirical, Lognormal, Mixture
from tests.support.stories import category, drawn, story

GRID = (np.arange(400_000) + 0.5) / 400_000
KNOWN = [0.6766710913002126, 0.34711865041836376, 0.24140569972028925, 0.07761065760359076]
DIGEST = """
import hashlib, numpy as np
from sim.numerics.streams import Streams
u = Streams(7, 3).uniforms("payout", "c:handle", np.arange(1000) * 7)
print(hashlib.sha256(u.tobytes()).hexdigest())
"""


def distribution(name: str, **parameters: object) -> Distribution:
    return TypeAdapter(Distribution).validate_python({"law": name, **parameters})


def uniforms(n: int = 200_000, purpose: str = "time", **where: int) -> np.ndarray:
    return Streams(where.get("seed", 1), where.get("replication", 0)).uniforms("howto", purpose, np.arange(n))


# --- uniforms -----------------------------------------------------------------------------------------------------


def mixed(x: int) -> int:
    """The finaliser of SplitMix64 as it is published."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


def key(text: str, what: str, words: int) -> list[int]:
    digest = hashlib.blake2b(text.encode(), digest_size=8 * words, person=what.encode()).digest()
    return [int.from_bytes(digest[8 * i : 8 * i + 8], "little") for i in range(words)]


def by_the_book(where: tuple[int, int], stream: str, purpose: str, ordinal: int) -> float:
    """The slow twin: one number as the module's first lines say."""
    root, name = key("{} {}".format(*where), "replication", 2), key(stream, "stream", 2)
    k0, k1 = (mixed(r ^ n) for r, n in zip(root, name, strict=True))
    ticket = mixed((ordinal * 0x9E3779B97F4A7C15 + k0) % 2**64) ^ k1
    return ((mixed(ticket ^ key(purpose, "purpose", 1)[0]) >> 12) + 0.5) * 2.0**-52


def independent(a: np.ndarray, b: np.ndarray, cells: int = 24) -> bool:
    """Return whether pairs of uniforms fill the square evenly (chi-squared) and have no correlation."""
    counts = np.histogram2d(a, b, bins=cells, range=[[0, 1], [0, 1]])[0]
    expected = len(a) / cells**2
    chi = ((counts - expected) ** 2 / expected).sum()
    even = abs(chi - (cells**2 - 1)) < 4.5 * np.sqrt(2 * (cells**2 - 1))
    return bool(even and abs(np.corrcoef(a, b)[0, 1]) < 4 / np.sqrt(len(a)))


def test_known_answers() -> None:
    """Pinned, so that no release changes the numbers of a seed in silence; the tests below say that they are sound."""
    u = Streams(1, 0).uniforms("howto", "time", np.array([0, 1, 2, DAY_STRIDE]))
    assert u.tolist() == KNOWN


def test_every_number_is_the_one_by_the_book() -> None:
    at = [0, 1, 2, 77, DAY_STRIDE - 1, 3650 * DAY_STRIDE + 12_345_678]
    for seed, replication, stream, purpose in [(1, 0, "howto", "time"), (2**40, 999, "", "logins"), (3, 7, "é", "x")]:
        u = Streams(seed, replication).uniforms(stream, purpose, np.array(at))
        assert u.tolist() == [by_the_book((seed, replication), stream, purpose, one) for one in at]


def test_uniforms_are_uniform_and_independent() -> None:
    n = 200_000
    u = uniforms(n)
    assert abs(u.mean() - 0.5) < 4 * np.sqrt(1 / 12 / n)
    assert abs(u.var() - 1 / 12) < 4 * np.sqrt(1 / 180 / n)
    counts = np.bincount((u * 100).astype(int), minlength=100)
    assert ((counts - n / 100) ** 2 / (n / 100)).sum() < 99 + 4 * np.sqrt(2 * 99)
    for lag in (1, 2, 24, 1440):
        assert independent(u[:-lag], u[lag:]), lag


def test_every_bit_of_a_uniform_is_fair_and_moves_with_its_neighbour_s_half_the_time() -> None:
    n = 200_000
    bits = (uniforms(n) * 2.0**52).astype(np.int64)
    for bit in range(52):
        ones = bits >> bit & 1
        assert abs(ones.mean() - 0.5) < 4.5 * np.sqrt(0.25 / n), bit
        assert abs((ones[1:] ^ ones[:-1]).mean() - 0.5) < 4.5 * np.sqrt(0.25 / n), bit


@pytest.mark.parametrize(
    "other",
    [{"purpose": "count"}, {"purpose": "bot"}, {"seed": 2}, {"seed": 2**32 + 1}, {"replication": 1}],
    ids=["count", "bot", "seed", "far seed", "replication"],
)
def test_streams_of_other_names_are_other_numbers(other: dict) -> None:
    a, b = uniforms(), uniforms(**other)
    assert not np.isin(a, b).any()  # at whatever ordinal
    for lag in (0, 1, 2):
        assert independent(a[lag:], b[: len(b) - lag]), lag
        assert independent(b[lag:], a[: len(a) - lag]), lag


def test_neighbouring_seeds_and_replications_are_independent_at_each_ordinal() -> None:
    """Across streams: the same ordinal of 300 seeds by 300 replications, where a weak mixing of keys would show."""
    u = np.array([Streams(seed, r).uniforms("a", "time", np.arange(4)) for seed in range(300) for r in range(300)])
    for ordinal in range(4):
        square = u[:, ordinal].reshape(300, 300)
        assert abs(square.mean() - 0.5) < 4 * np.sqrt(1 / 12 / square.size)
        assert abs(square.mean(axis=1).var() * 12 * 300 - 1) < 4.5 * np.sqrt(2 / 300)
        assert abs(square.mean(axis=0).var() * 12 * 300 - 1) < 4.5 * np.sqrt(2 / 300)
        assert independent(square[:, 1:].ravel(), square[:, :-1].ravel())
        assert independent(square[1:].ravel(), square[:-1].ravel())


def test_no_two_tickets_share_their_numbers() -> None:
    """2 million tickets of ten streams and two replications: with 52 bits a chance of 1 in 2,000 to meet at all."""
    at = np.arange(100_000)
    every = [Streams(1, r).uniforms(f"category {c}", "time", at) for r in range(2) for c in range(10)]
    assert len(np.unique(np.concatenate(every))) == 2_000_000


def test_a_name_is_not_its_parts_run_together() -> None:
    at = np.arange(4)
    names = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", ""), ("c", "ab")]
    assert len({Streams(1, 0).uniforms(*name, at).tobytes() for name in names}) == len(names)
    assert Streams(1, 11).uniforms("a", "b", at).tobytes() != Streams(11, 1).uniforms("a", "b", at).tobytes()


def test_each_number_stands_alone_whatever_is_drawn_with_it() -> None:
    stream, at = Streams(5, 2), np.arange(1000)
    whole = stream.uniforms("a", "b", at)
    assert stream.uniforms("a", "b", at[::-1]).tolist() == whole[::-1].tolist()
    assert stream.uniforms("a", "b", np.array([[17], [400]])).tolist() == [[whole[17]], [whole[400]]]
    assert at.tolist() == list(range(1000))  # the ordinals are not overwritten


def test_uniforms_stay_inside_the_open_interval_at_both_ends() -> None:
    assert unit(np.uint64(0)) == 2.0**-53
    assert unit(np.uint64(2**64 - 1)) == 1 - 2.0**-53


def test_mixing_is_the_published_one() -> None:
    """SplitMix64 seeded with 0: its first three outputs (Vigna's splitmix64.c)."""
    golden = 0x9E3779B97F4A7C15
    found = [int(mix(np.uint64(golden * i % 2**64))) for i in (1, 2, 3)]
    assert found == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_another_process_with_another_hash_seed_draws_the_same_bits(hash_seed: str) -> None:
    here = hashlib.sha256(Streams(7, 3).uniforms("payout", "c:handle", np.arange(1000) * 7).tobytes()).hexdigest()
    environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    there = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True, env=environment)
    assert there.stdout.strip() == here


def test_a_ticket_and_its_children_are_independent() -> None:
    """By the ranks of what is drawn for them: parent and child, and two children of one parent."""
    exponential = {"law": "exponential", "mean": "5 h"}
    d = drawn(
        story(
            days=60,
            categories={"a": category(20.0, handle=exponential, complaint_hazard_per_hour=0.1)},
            complaints={"clock": "opening"},
            recontact={"share": 0.6, "after": exponential, "queue": "inbox", "handle": exponential},
            reopen={"share": 0.6, "after": exponential},
        )
    )

    def uniform(drawn_ms: np.ndarray, rows: np.ndarray, mean_ms: float) -> np.ndarray:
        return -np.expm1(-drawn_ms[rows] / mean_ms)

    handle = d.leg_handle_ms[d.legs_from[:-1]]
    for kind, link in ((CHASE, d.chase), (REOPEN, d.reopen)):
        child = np.flatnonzero(d.kind == kind)
        parent = d.parent[child]
        assert (link[parent] == child).all()
        assert independent(uniform(handle, parent, 5 * HOUR_MS), uniform(handle, child, 5 * HOUR_MS))
        assert independent(uniform(handle, parent, 5 * HOUR_MS), uniform(d.after_ms, child, 5 * HOUR_MS))
        assert independent(uniform(handle, child, 5 * HOUR_MS), uniform(d.after_ms, child, 5 * HOUR_MS))
    both = np.flatnonzero((d.chase >= 0) & (d.reopen >= 0))
    for column in (handle, d.after_ms):
        assert independent(uniform(column, d.chase[both], 5 * HOUR_MS), uniform(column, d.reopen[both], 5 * HOUR_MS))
    again = np.flatnonzero((d.kind == REOPEN) & (d.complaint_after_ms < NEVER))
    complaints = [uniform(d.complaint_after_ms, rows, 10 * HOUR_MS) for rows in (d.parent[again], again)]
    assert independent(*complaints)


# --- distributions ------------------------------------------------------------------------------------------------

M = MINUTE_MS
PARTS = [
    {"weight": 3.0, "of": {"law": "exponential", "mean": "10 min"}},
    {"weight": 1.0, "of": {"law": "deterministic", "value": "60 min"}},
]
DISTRIBUTIONS = [
    (distribution("exponential", mean="12 min"), 12, 1.0, {0.5: 12 * np.log(2), 0.9: 12 * np.log(10)}),
    (distribution("lognormal", mean="12 min", cv=1.0), 12, 1.0, {0.5: 12 / np.sqrt(2)}),
    (distribution("lognormal", mean="10 min", p90="20 min"), 10, None, {0.9: 20}),
    (distribution("lognormal", mean="10 min", p90="22 min"), 10, None, {0.9: 22}),
    (distribution("gamma", mean="12 min", cv=0.5), 12, 0.5, {}),
    (distribution("gamma", mean="12 min", cv=1.0), 12, 1.0, {0.5: 12 * np.log(2)}),
    (distribution("deterministic", value="12 min"), 12, 0.0, {0.1: 12}),
    (distribution("empirical", quantiles=["0 min", "10 min", "40 min"]), 15, None, {0.25: 5, 0.5: 10, 0.75: 25}),
    (distribution("mixture", parts=PARTS), 22.5, None, {0.375: 10 * np.log(2), 0.9: 60}),
]


@pytest.mark.parametrize(("one", "mean", "cv", "quantiles"), DISTRIBUTIONS, ids=lambda x: getattr(x, "law", ""))
def test_a_exponentialhas_its_mean_its_cv_and_its_quantiles(
    one: Distribution, mean: float, cv: float | None, quantiles: dict
) -> None:
    times = draw_ms(one, GRID)
    assert mean_ms(one) == pytest.approx(mean * M, rel=1e-12)
    assert times.mean() == pytest.approx(mean * M, rel=2e-3)
    if cv is not None:
        assert times.std() == pytest.approx(cv * mean * M, rel=2e-2, abs=1)
    for p, value in quantiles.items():
        assert draw_ms(one, np.array([p]))[0] == pytest.approx(value * M, abs=1)


@pytest.mark.parametrize("one", [each[0] for each in DISTRIBUTIONS], ids=lambda x: x.law)
def test_a_draw_is_the_inverse_so_it_is_whole_and_rises_with_its_uniform(one: Distribution) -> None:
    times = draw_ms(one, np.sort(uniforms(20_000)))
    assert times.dtype == np.int64
    assert times.min() >= 1
    if one.law != "mixture":  # there the uniform chooses the part first
        assert (np.diff(times) >= 0).all()
    ends = draw_ms(one, np.array([2.0**-54, 1 - 2.0**-53]))
    assert (ends >= 1).all()
    assert (ends < 2**62).all()


def by_scipy(one: Distribution, u: np.ndarray) -> np.ndarray:
    """The slow twin: quantiles with numpy and scipy alone."""
    if isinstance(one, Lognormal):
        s = sigma_of(one)
        return one.mean * np.exp(s * ndtri(u) - s * s / 2)
    if isinstance(one, Empirical):
        return np.interp(u, np.linspace(0, 1, len(one.quantiles)), np.asarray(one.quantiles, dtype=np.float64))
    if isinstance(one, Mixture):
        weights = np.array([part.weight for part in one.parts])
        edges = np.concatenate([[0.0], np.cumsum(weights / weights.sum())])
        which = np.searchsorted(edges, u, side="right") - 1
        within = np.clip((u - edges[which]) / (edges[which + 1] - edges[which]), 2.0**-54, 1 - 2.0**-53)
        parts = [by_scipy(part.of, within) for part in one.parts]
        return np.choose(which, parts)
    if one.law == "gamma":
        return one.mean * one.cv**2 * gammaincinv(one.cv**-2, u)
    return -one.mean * np.log1p(-u) if one.law == "exponential" else np.full(len(u), float(one.value))


@pytest.mark.parametrize("one", [each[0] for each in DISTRIBUTIONS], ids=lambda x: x.law)
def test_quantiles_agree_with_scipy_to_rounding(one: Distribution) -> None:
    u = np.concatenate([uniforms(100_000), [2.0**-53, 3 * 2.0**-53, 0.25, 0.5, 1 - 3 * 2.0**-53, 1 - 2.0**-53]])
    np.testing.assert_allclose(quantiles(one, u), by_scipy(one, u), rtol=1e-13, atol=1e-9)  # ms


def test_the_normal_quantile_agrees_with_scipy_to_rounding_far_into_both_tails() -> None:
    halves = 2.0 ** -np.arange(2.0, 54.0)
    u = np.concatenate([GRID[::20], 0.5 + halves, halves, 1 - halves, np.exp(-np.linspace(1, 80, 5000))])
    z = np.array([normal_quantile(float(one)) for one in u])
    np.testing.assert_allclose(z, ndtri(u), rtol=1e-13, atol=0)
    assert normal_quantile(0.5) == 0.0


def test_the_coefficients_of_the_normal_quantile_have_their_published_sums() -> None:
    """AS 241 prints a check sum of the digits of each pair of polynomials."""
    published = {"AB": 55.8831928806149014439, "CD": 49.33206503301610289036, "EF": 47.52583317549289671629}
    for names, expected in published.items():
        both = [*getattr(normal, f"_{names[0]}"), *getattr(normal, f"_{names[1]}")[:-1]]
        assert sum(one / 10 ** np.floor(np.log10(one)) for one in both) == pytest.approx(expected, rel=1e-15)


def test_lognormal_times_are_quantiles_of_their_distribution() -> None:
    one = distribution("lognormal", mean="1500 ms", cv=float(np.sqrt(np.expm1(0.64))))
    np.testing.assert_allclose(quantiles(one, GRID), 1500 * np.exp(0.8 * ndtri(GRID) - 0.32), rtol=1e-13)


def test_a_lognormal_by_its_p90_takes_the_ordinary_one_of_two_solutions() -> None:
    """mean 10, p90 20: s = z - (z^2 - 2 ln 2)^(1/2), and the other root would put the median near 0."""
    z = 1.2815515655446004
    smaller = z - np.sqrt(z * z - 2 * np.log(2.0))
    median = draw_ms(distribution("lognormal", mean="10 min", p90="20 min"), np.array([0.5]))[0]
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
    nothing = distribution("deterministic", value="0 min")
    assert draw_ms(nothing, GRID[:2]).tolist() == [1, 1]
    assert draw_ms(nothing, GRID[:2], least_ms=0).tolist() == [0, 0]


def test_the_parts_of_a_mixture_come_by_weight_and_each_with_a_uniform_of_its_own() -> None:
    times = draw_ms(distribution("mixture", parts=PARTS), GRID)
    assert (times == 60 * M).mean() == pytest.approx(0.25, abs=1e-5)
    others = times[times != 60 * M]
    assert others.mean() == pytest.approx(10 * M, rel=1e-3)
    assert np.median(others) == pytest.approx(10 * M * np.log(2), rel=1e-3)
