"""Steps judged by hand, the search on servers whose capacity is known, the scalability law, and real measurements."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from loadtests.capacity import command, usl
from loadtests.capacity.bench import BenchSettings
from loadtests.capacity.command import short_steps
from loadtests.capacity.edge import Edge, Share, edge_of
from loadtests.capacity.search import MOST_STEPS, STAIRS, Capacity, Search, Stop, capacity_of, settles_in_s
from loadtests.capacity.step import CapacityObjective, LoadStep, judge_step
from loadtests.capacity.step_load import step_schedule
from loadtests.core.faults import InputError
from loadtests.core.schedule import ALL
from loadtests.transport.guard import Caps
from loadtests.verdict.plots.capacity import draw_capacity, plt
from tests.support.servers.staging_client import ENVIRON
from tests.support.servers.tiny_server import HEALTH, Reply, TinyServer
from tests.support.trace_factory import make_run, steady
from tests.support.verdict_rows import ended, first, rows_of, unsent

SECOND_US = 1_000_000
LENGTH_US = 10 * SECOND_US
GOAL = CapacityObjective(p99_ms=100.0, error_share=0.01)


def judged(rows: pl.DataFrame, **changes: Any) -> LoadStep:
    return judge_step(
        rows, **{"asked_per_s": 100.0, "length_us": LENGTH_US, "timeout_us": SECOND_US, "objective": GOAL, **changes}
    )


def late_by(ms: pl.Expr) -> Any:
    return {"done_us": pl.col("sent_us") + (ms * 1000).cast(pl.Int64)}


# --- a step -------------------------------------------------------------------------------------------------------


def test_a_good_step_by_hand() -> None:
    # 1,000 requests in 10 s, each sent 1 ms late and done 20 ms after it was due; the first 200 are dropped.
    step = judged(rows_of())
    assert step.passed
    assert (step.n, step.offered_per_s, step.throughput_per_s) == (800, 100.0, 100.0)
    assert (step.p50_ms, step.p99_ms, step.bad) == (20.0, 20.0, {"p99": 0, "errors": 0, "rate_limited": 0})
    assert step.in_flight == pytest.approx(100 * 0.019)
    assert list(step.curve_point()) == [
        "offered_per_s", "throughput_per_s", "p50_ms", "p95_ms", "p99_ms", "error_share", "n",
    ]  # fmt: skip


def test_the_first_fifth_is_dropped() -> None:
    slow_start = pl.when(pl.col("idx") < 200).then(900).otherwise(19)
    assert judged(rows_of(**late_by(slow_start))).passed
    later = pl.when(pl.col("idx") < 220).then(900).otherwise(19)
    assert judged(rows_of(**late_by(later))).broken == ("p99",)


@pytest.mark.parametrize(("n_bad", "broken"), [(8, ()), (9, ("p99", "errors"))])
def test_errors_have_a_limit_of_1_percent_and_are_no_quick_answers(n_bad: int, broken: tuple[str, ...]) -> None:
    # 8 of the 800 that count are exactly 1 %; the first 200 do not count.
    rows = rows_of(**ended(200 + n_bad, "rejected", answered=True))
    assert judged(rows).broken == broken


def test_a_rate_limit_is_neither_an_error_nor_a_latency() -> None:
    rows = rows_of(**ended(300, "rate_limited", answered=True))
    assert judged(rows).broken == ("rate_limited",)
    assert judged(rows_of(**ended(1000, "rate_limited", answered=True))).broken == ("p99", "rate_limited")


def test_a_total_hides_no_endpoint_of_a_mix() -> None:
    # 2 of 3 logins fail, which is less than 1 % of all.
    rows = rows_of(endpoint="ticket_view").with_columns(
        endpoint=pl.when(pl.col("idx").is_in([300, 500, 700])).then(pl.lit("login")).otherwise("endpoint"),
        outcome=pl.when(pl.col("idx").is_in([300, 500])).then(pl.lit("rejected")).otherwise("outcome"),
    )
    step = judged(rows)
    assert (step.parts, step.broken) == ({"login": 3, "ticket_view": 797}, ("login p99", "login errors"))
    assert step.share_of("p99").bad > 0.01 * step.n


def test_a_queue_that_grows_is_found_before_p99_breaks() -> None:
    # The wait grows by 8 ms a second, so at 1,000/s the number in flight grows by 8 a second: 64 of 8,000, below 1 %;
    # by 16 ms a second it is 128, which is more, and still the last request has waited for 0.18 s only.
    goal = CapacityObjective(p99_ms=500.0, error_share=0.01)
    for ms_per_s, broken in ((8, ()), (16, ("backlog",))):
        rows = rows_of(10_000, **late_by(pl.col("due_us") / SECOND_US * ms_per_s + 10))
        assert judged(rows, objective=goal).broken == broken


def test_a_server_that_completes_less_than_is_offered_is_seen_without_a_latency_limit() -> None:
    # 90 of 100 a second are served, one after the other, from an empty queue on.
    rows = rows_of(done_us=((pl.col("idx") + 1) / 90 * SECOND_US).cast(pl.Int64))
    step = judged(rows, objective=CapacityObjective(p99_ms=900.0, error_share=0.01))
    assert step.broken == ("p99", "completions", "backlog")
    assert step.throughput_per_s == pytest.approx(90, rel=0.01)


def test_a_step_of_a_bad_generator_proves_nothing() -> None:
    late = judged(rows_of(sent_us=first(500, pl.col("due_us") + 21_000, "sent_us")))
    assert late.flaws == ("requests left late: p99 21 ms, limit 20 ms",)
    assert not late.passed
    assert judged(rows_of(**unsent(1, "shed"))).flaws == ("1 requests were shed",)
    assert judged(rows_of(**unsent(1, "not_sent"))).flaws == ("1 requests were not sent",)


def test_a_step_that_was_ended_early_is_judged_by_what_it_sent() -> None:
    late = late_by(pl.lit(950))
    half = rows_of(**late).with_columns(
        outcome=pl.when(pl.col("idx") >= 500).then(pl.lit("not_sent")).otherwise(pl.lit("acknowledged")),
        sent_us=pl.when(pl.col("idx") >= 500).then(-1).otherwise(pl.col("sent_us")),
        done_us=pl.when(pl.col("idx") >= 500).then(-1).otherwise(pl.col("done_us")),
    )
    step = judged(half, ended_early="enough")
    assert (step.n, step.flaws, step.hopeless) == (400, (), True)
    assert step.offered_per_s == pytest.approx(100, rel=0.01)


# --- the search ---------------------------------------------------------------------------------------------------


def step_at(rate: float, **changes: Any) -> LoadStep:
    facts: dict[str, Any] = {
        "asked_per_s": rate, "offered_per_s": rate, "throughput_per_s": rate, "p50_ms": 5.0, "p95_ms": 20.0,
        "p99_ms": 50.0, "error_share": 0.0, "n": 1000, "in_flight": rate * 0.01,
        "bad": {"p99": 0, "errors": 0, "rate_limited": 0}, "completed_share": 1.0,
        "broken": (), "flaws": (), "ended_early": "", "objective": GOAL,
    }  # fmt: skip
    return LoadStep(**{**facts, **changes})


def failed_at(rate: float) -> LoadStep:
    return with_bad(rate, 100)


def with_bad(rate: float, n_bad: int, *, condition: str = "p99", n: int = 1000) -> LoadStep:
    bad = {"p99": 0, "errors": 0, "rate_limited": 0, condition: n_bad}
    return step_at(rate, bad=bad, n=n, broken=(condition,) if n_bad > 0.01 * n else ())


def server_of(capacity_per_s: float) -> Callable[[float], LoadStep]:
    return lambda rate: step_at(rate) if rate <= capacity_per_s else failed_at(rate)


def find(measure: Callable[[float], LoadStep], **changes: Any) -> Any:
    facts = {"start_per_s": 10.0, "most_per_s": 5000.0, "resolution": 0.1, "least_held": 6}
    return Search(measure, **{**facts, **changes}).run()


@pytest.mark.parametrize("capacity_per_s", [0.3, 2.0, 9.99, 10.0, 11.0, 79.9, 300.0, 4000.0])
def test_the_search_finds_the_edge_and_stops_by_itself(capacity_per_s: float) -> None:
    found = find(server_of(capacity_per_s))
    held = capacity_of(found.steps)
    assert held.high is not None
    assert held.low <= capacity_per_s < held.high <= 1.1001 * held.low
    assert held.low <= held.value <= held.high
    assert STAIRS <= len(found.steps) < MOST_STEPS
    assert len({step.asked_per_s for step in found.steps if step.passed}) >= 6 or capacity_per_s < 1
    assert re.fullmatch(r"\d+ steps were measured; about the edge they lie 10% apart", found.ended)


def test_a_search_never_goes_beyond_the_rate_allowed() -> None:
    found = find(server_of(1e9), most_per_s=300.0)
    assert max(step.offered_per_s for step in found.steps) == 300.0
    assert found.ended == "the highest rate allowed, 300/s, was held"
    held = capacity_of(found.steps)
    assert (held.value, held.low, held.high) == (300.0, 300.0, None)


def test_a_target_that_holds_nothing_ends_the_search() -> None:
    found = find(server_of(0.0))
    held = capacity_of(found.steps)
    assert (held.value, held.low) == (0.0, 0.0)
    assert found.ended.startswith("every rate down to 0.1")


def test_a_target_that_acknowledges_nothing_is_not_asked_more_slowly() -> None:
    def nothing(rate: float) -> LoadStep:
        return step_at(rate, throughput_per_s=0.0, broken=("completions",), completed_share=0.0)

    found = find(nothing)
    assert (len(found.steps), found.ended) == (
        1,
        "nothing was acknowledged at 10/s: a lower rate would not change that",
    )


def test_a_generator_that_falls_short_ends_the_search_without_an_upper_limit() -> None:
    found = find(lambda rate: step_at(rate, flaws=("late",)) if rate > 50 else step_at(rate))
    assert re.fullmatch(r"the generator fell short at 5\d\.?\d*/s: late", found.ended)
    held = capacity_of(found.steps)
    assert 40 < held.value == held.low <= 50
    assert held.high is None
    none = find(lambda rate: step_at(rate, flaws=("late",)))
    assert none.ended.startswith("the generator fell short at")
    assert capacity_of(none.steps) == Capacity(0.0, 0.0, None)


def test_a_step_at_which_the_generator_was_held_up_is_measured_once_more() -> None:
    late = iter([True])
    found = find(lambda rate: step_at(rate, flaws=("late",)) if rate == 20 and next(late, False) else step_at(rate))
    assert [step.offered_per_s for step in found.steps[:4]] == [10.0, 20.0, 20.0, 40.0]
    assert capacity_of(found.steps).value == 5000.0


def test_a_generator_that_falls_short_far_beyond_the_edge_does_not_matter() -> None:
    found = find(lambda rate: step_at(rate, flaws=("late",)) if rate > 70 else server_of(50.0)(rate))
    held = capacity_of(found.steps)
    assert held.high is not None
    assert held.low <= 50 < held.high <= held.low * 1.1001


def test_a_cap_ends_the_search_with_what_there_is() -> None:
    n = iter(range(3))

    def measure(rate: float) -> LoadStep:
        if next(n, None) is None:
            raise Stop("a cap was reached")
        return step_at(rate)

    found = find(measure)
    assert (len(found.steps), found.ended) == (3, "a cap was reached")


def test_a_step_that_fails_closely_is_measured_again() -> None:
    closely = iter([True])
    found = find(lambda rate: with_bad(rate, 12) if rate == 20 and next(closely, False) else step_at(rate))
    assert [step.asked_per_s for step in found.steps[:5]] == [10.0, 20.0, 20.0, 20.0, 40.0]
    assert capacity_of(found.steps).value == 5000.0
    hopeless = find(lambda rate: step_at(rate) if rate < 20 else step_at(
        rate, completed_share=0.5, broken=("completions",)))  # fmt: skip
    assert [step.asked_per_s for step in hopeless.steps[:2]] == [10.0, 20.0]
    assert sum(step.asked_per_s == 20.0 for step in hopeless.steps) == 1


def test_a_constant_share_of_errors_within_the_objective_is_no_limit() -> None:
    # 0.7 % at every rate, one step above the objective by chance.
    rates = [10.0, 20.0, 40.0, 80.0, 160.0]
    steps = [with_bad(rate, n_bad, condition="errors") for rate, n_bad in zip(rates, (7, 5, 12, 7, 6), strict=True)]
    held = capacity_of(steps)
    assert (held.value, held.high) == (160.0, None)


def test_the_edge_is_that_of_the_condition_that_breaks_first() -> None:
    rates = (50.0, 60.0, 70.0, 80.0, 90.0)
    both = [
        step_at(rate, bad={"p99": p99, "errors": errors, "rate_limited": 0}, broken=("p99",) * (p99 > 10))
        for rate, p99, errors in zip(rates, (0, 1, 5, 20, 80), (0, 0, 0, 0, 11), strict=True)
    ]
    held = capacity_of(both)
    assert held.high is not None
    assert 60 < held.low < 74 < held.value < 77 < held.high < 85


def test_an_edge_by_hand() -> None:
    # The share doubles from stair to stair and is 1 % at the third: the curve goes through every point.
    rates = [10 * 1.1**k for k in range(5)]
    steps = [Share(rate, bad, 10_000, 0.01) for rate, bad in zip(rates, (25, 50, 100, 200, 400), strict=True)]
    found = edge_of(steps)
    assert found.rate_per_s == pytest.approx(rates[2], rel=0.01)
    assert found.high is not None
    assert rates[1] < found.low < rates[2] < found.high < rates[3] * 1.01
    scattered = edge_of([step if k % 2 else Share(step.rate_per_s, 2 * step.bad, step.n, 0.01)
                         for k, step in enumerate(steps)])  # fmt: skip
    assert scattered.high is not None
    assert scattered.high - scattered.low > 2 * (found.high - found.low)
    assert edge_of([Share(rate, 0, 1000, 0.01) for rate in rates]) == Edge(None, rates[-1], None)
    assert edge_of([Share(10.0, 0, 80, 0.01)]) == Edge(None, 0.0, None)  # too few to exclude 1 %
    assert capacity_of([]) == Capacity(0.0, 0.0, None)


# --- the law ------------------------------------------------------------------------------------------------------


def law_steps(
    n: np.ndarray, scale: float, sigma: float, kappa: float, noise: np.ndarray | float = 1.0
) -> list[LoadStep]:
    x = usl.throughput((scale, sigma, kappa), n) * noise
    return [step_at(float(b), throughput_per_s=float(b), in_flight=float(a)) for a, b in zip(n, x, strict=True)]


NS = np.array([1.0, 2, 4, 8, 16, 24, 32, 48])


@pytest.mark.parametrize(("scale", "sigma", "kappa"), [(100.0, 0.05, 0.001), (20.0, 0.0, 0.01), (5.0, 0.3, 0.002)])
def test_the_law_is_recovered_exactly(scale: float, sigma: float, kappa: float) -> None:
    laws, refused = usl.fit(law_steps(NS, scale, sigma, kappa))
    assert refused is None
    assert laws is not None
    found = [laws[name]["value"] for name in ("lambda", "sigma", "kappa")]
    assert found == pytest.approx([scale, sigma, kappa], rel=1e-6, abs=1e-9)


def test_the_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng, truth, covered = np.random.default_rng(1), (100.0, 0.05, 0.001), np.zeros(3)
    for _ in range(500):
        steps = law_steps(NS, *truth, noise=np.exp(rng.normal(0, 0.02, len(NS))))
        n, x = (np.array(v) for v in zip(*[(s.in_flight, s.throughput_per_s) for s in steps], strict=True))
        limits = usl.fit_law(n, x)[1]
        covered += [low <= value <= high for value, (low, high) in zip(truth, limits, strict=True)]
    assert (covered / 500 > 0.92).all(), covered
    assert (covered / 500 < 0.98).all(), covered


def test_a_fit_is_refused_where_the_steps_do_not_bear_it() -> None:
    rng = np.random.default_rng(2)
    noise = np.exp(rng.normal(0, 0.02, len(NS)))
    cases = {
        "5 steps were steady": law_steps(NS[:5], 100.0, 0.05, 0.001),
        "includes 0: no retrograde": law_steps(NS, 100.0, 0.05, 0.0, noise),
        "too close together": law_steps(np.linspace(10, 12, 8), 100.0, 0.05, 0.001),
        "predicts 200/s": [
            step_at(1.0, throughput_per_s=float(min(10 * n, 80.0)), in_flight=float(n)) for n in (1, 2, 4, 6, 8, 20)
        ],
    }  # fmt: skip
    for reason, steps in cases.items():
        laws, refused = usl.fit(steps)
        assert laws is None
        assert refused is not None
        assert reason in refused


def test_a_queue_that_only_grew_is_no_point_of_the_law() -> None:
    growing = step_at(1.0, throughput_per_s=3.0, in_flight=500.0, broken=("backlog",))
    assert usl.fit([*law_steps(NS, 100.0, 0.05, 0.001), growing])[1] is None


# --- what is sent -------------------------------------------------------------------------------------------------


def test_a_step_is_a_poisson_process_and_the_same_each_time() -> None:
    schedule = step_schedule("login", 200.0, 50 * SECOND_US, 3)
    gaps = np.diff(schedule.due_us)
    assert schedule.counts()["login"] == pytest.approx(10_000, abs=400)  # 4 standard deviations
    assert gaps.std() == pytest.approx(gaps.mean(), rel=0.05)  # exponential
    assert schedule.arrivals.equals(step_schedule("login", 200.0, 50 * SECOND_US, 3).arrivals)
    assert not schedule.arrivals.equals(step_schedule("login", 200.0, 50 * SECOND_US, 4).arrivals)


def test_reads_find_something_to_read() -> None:
    counts = step_schedule("withdrawal_status", 50.0, 10 * SECOND_US, 1).counts()
    assert counts == {"withdrawal": 5, "withdrawal_status": pytest.approx(500, abs=90)}
    writes = step_schedule("ticket_view", 50.0, 10 * SECOND_US, 1).arrivals.filter(pl.col("endpoint") == "ticket")
    assert int(writes["due_us"].to_numpy().max()) < 2 * SECOND_US  # in the part that is dropped


def test_a_mix_has_the_shares_of_the_run() -> None:
    mix = steady({"login": 6.0, "ticket": 1.0, "withdrawal": 3.0}, 60.0)
    counts = step_schedule(ALL, 1000.0, 10 * SECOND_US, 1, mix).counts()
    for name, share in {"login": 0.6, "ticket": 0.1, "withdrawal": 0.3}.items():
        assert counts[name] == pytest.approx(10_000 * share, abs=4 * (10_000 * share) ** 0.5)


# --- the command --------------------------------------------------------------------------------------------------


def ordered(*options: str, environ: dict[str, str] | None = None) -> command.CapacityOrder:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser.add_argument)
    return command.make_order(parser.parse_args(["--host", "http://127.0.0.1:1", *options]), environ or ENVIRON)


def test_the_defaults_are_those_of_an_honest_measurement() -> None:
    order = ordered()
    assert order.endpoints == ("withdrawal", "withdrawal_status", "ticket", "ticket_view", "login")
    assert (order.settings.step_s, order.settings.step_requests) == (30.0, 1000)
    assert (order.settings.caps.rate_per_s, order.settings.caps.duration_s) == (5000, 3600)


def test_every_fault_of_the_options_comes_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    options = ["--host", "http://example.com", "--endpoint", "logout", "--p99", "soon", "--start-rate", "-1"]
    with pytest.raises(InputError) as caught:
        ordered(*options, "--step", "0 s", "--resolution", "2", "--out", str(tmp_path))
    places = [fault.partition(":")[0] for fault in caught.value.faults]
    assert places == ["--host", "--p99", "--start-rate", "--step", "--resolution", "--out", "--endpoint"]


def test_a_rate_near_the_cap_keeps_its_busiest_second_below_it() -> None:
    for cap in (1, 10, 100, 5000):
        rate = command._most_per_s(cap)
        assert rate <= cap
        if cap > 10:
            peaks = [step_schedule("login", rate, 20 * SECOND_US, n).peak_count(SECOND_US) for n in range(5)]
            assert max(peaks) <= cap


def measured(server: TinyServer, folder: Path, *options: str) -> tuple[int, str, dict[str, Any]]:
    arguments = [sys.executable, "-m", "loadtests", "capacity", "--host", server.url, "--out", str(folder)]
    short = ["--step", "1 s", "--step-requests", "100", "--p99", "200 ms", "--timeout", "2 s", "--resolution", "25%"]
    env = {**ENVIRON, "PATH": "", "HOME": str(folder.parent)}
    done = subprocess.run(
        [*arguments, *short, *options], cwd=folder.parent, env=env, text=True, capture_output=True, timeout=120,
        check=False,
    )  # fmt: skip
    path = folder / "capacity.json"
    return done.returncode, done.stdout + done.stderr, json.loads(path.read_text()) if path.exists() else {}


@pytest.mark.load
def test_a_server_of_60_a_second_is_measured_as_such(tmp_path: Path) -> None:
    for attempt in range(3):  # a machine too busy to send in time proves nothing
        with TinyServer(one_at_a_time_s=1 / 66) as server:  # the server's own overhead takes it to about 60
            out_dir = tmp_path / f"out{attempt}"
            code, out, result = measured(server, out_dir, "--endpoint", "login", "--start-rate", "20")
        if "the generator fell short" not in out:
            break
    assert code == 0, out
    assert list(result) == ["format", "host", "measured_utc", "objective", "interval", "endpoints"]
    assert result["objective"] == {"p99_ms": 200.0, "error_share": 0.01}
    one = result["endpoints"]["login"]
    assert list(one) == ["capacity_per_s", "short_steps", "shares", "curve", "failures", "usl", "usl_refused"]
    held = one["capacity_per_s"]
    assert held["low"] <= held["value"] < held["high"]
    assert 30 < held["value"] < 70, out
    assert (one["usl"] is None) == (one["usl_refused"] is not None)
    assert {"capacity.png", "capacity.svg", "steps.json"} <= {path.name for path in out_dir.iterdir()}


@pytest.mark.servers
def test_the_caps_bind_all_steps_together(tmp_path: Path) -> None:
    capped = ("--step-requests", "40", "--max-requests", "150")
    with TinyServer() as server:
        code, out, result = measured(server, tmp_path / "out", "--endpoint", "login", *capped)
        assert 100 < server.n_requests <= 150
    assert code in (0, 3) or "requests left late" in out, out
    assert "a cap was reached: --max-requests" in out
    assert result["endpoints"]["login"]["capacity_per_s"]["high"] is None


def test_what_is_no_test_system_is_not_measured(tmp_path: Path) -> None:
    with TinyServer(health=Reply(body={**HEALTH, "test_system": False})) as server:
        code, out, _ = measured(server, tmp_path / "out", "--endpoint", "login")
        assert (code, server.n_requests) == (2, 0)
    assert "does not say that it is a test system" in out
    assert not (tmp_path / "out").exists()


def test_steps_that_end_before_a_queue_has_settled_are_said_to_be_short() -> None:
    # M/M/1 with mu = 100/s: its p99 is 1 s at 100 - ln(100) = 95.4/s, and there it takes 4 mu / ln(100)^2 = 18.9 s.
    assert settles_in_s(95.395, 1000.0) == pytest.approx(400 / np.log(100) ** 2, rel=1e-3)

    def settings(step_s: float, objective: CapacityObjective) -> BenchSettings:
        return BenchSettings(step_s, 1000, 10.0, Caps(5000, 500_000, 3600.0), objective)

    slow = CapacityObjective(p99_ms=1000.0, error_share=0.01)
    told_so = short_steps(95.395, settings(30.0, slow))
    assert told_so.startswith(
        "steps of 30 s are short for a p99 of 1000 ms at 95.39/s, where a queue may take 18.9 s to"
    )
    assert told_so.endswith('--step "151 s" is long enough')
    assert short_steps(95.395, settings(151.0, slow)) == ""
    assert short_steps(15.4, settings(30.0, slow)) == ""  # 1,000 requests take 65 s
    quick = CapacityObjective(p99_ms=200.0, error_share=0.01)
    assert short_steps(77.0, settings(30.0, quick)) == ""
    assert short_steps(0.0, settings(30.0, slow)) == ""


def test_the_mix_of_a_run_is_one_endpoint_called_all(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", steady({"login": 5.0, "ticket": 5.0}, 60.0))
    order = ordered("--mix", str(run))
    assert order.endpoints == (ALL,)
    with pytest.raises(InputError, match="--mix: got a run together with --endpoint"):
        ordered("--mix", str(run), "--endpoint", "login")


# --- the picture --------------------------------------------------------------------------------------------------


def endpoint_of(held: dict[str, float | None], *steps: LoadStep) -> dict[str, Any]:
    return {"capacity_per_s": held, "curve": [s.curve_point() for s in steps], "usl": None, "usl_refused": "few"}


def test_the_picture_says_what_was_found() -> None:
    endpoints = {
        "login": endpoint_of({"value": 40.0, "low": 20.0, "high": 80.0}, step_at(20.0), step_at(40.0), failed_at(80.0)),
        "ticket": endpoint_of({"value": 40.0, "low": 40.0, "high": None}, step_at(40.0)),
        "withdrawal": endpoint_of({"value": 0.0, "low": 0.0, "high": 10.0}, step_at(10.0, p99_ms=None)),
        "ticket_view": endpoint_of({"value": 0.0, "low": 0.0, "high": None}),
    }
    figure = draw_capacity({"host": "http://h", "objective": {"p99_ms": 100.0}, "endpoints": endpoints})
    titles = [axis.get_title(loc="left") for axis in figure.axes[::2]]
    plt.close(figure)
    assert titles == [
        "login: 40/s (20 to 80)",
        "ticket: at least 40/s",
        "withdrawal: no rate was held",
        "ticket_view: no rate was held",
    ]
    assert figure.get_suptitle() == "What http://h holds with p99 within 100 ms"
