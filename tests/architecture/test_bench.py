"""The benches on tiny settings: what they count, how they judge it, and the tables they print. No time is judged."""

from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from matplotlib.image import imread

from tests.bench import (
    bench_coverage,
    bench_engine,
    bench_living,
    bench_loadtest,
    bench_replications,
    bench_size,
    timing,
)
from tests.bench.bench_engine import Turn
from tests.bench.bench_replications import Row
from tests.bench.bench_size import Size
from tests.bench.size_plot import draw
from tests.bench.timing import Used, process, turns

STAGES = {"draw": 0.010, "engine": 0.002, "metrics": 0.004, "series": 0.001}


def test_models_take_turns_and_the_first_turn_does_not_count() -> None:
    called: list[tuple[str, int]] = []
    models = {name: lambda seed, name=name: called.append((name, seed)) or seed for name in "ab"}  # type: ignore[func-returns-value]
    assert list(turns(models, 2, seed=10)) == [{"a": 10, "b": 10}, {"a": 11, "b": 11}]
    assert called == [("a", 9), ("b", 9), ("a", 10), ("b", 10), ("a", 11), ("b", 11)]


def test_a_process_has_a_peak_of_its_own_whatever_its_parent_has_used() -> None:
    """A process that is started inherits the peak of the one that starts it, if it is started directly."""
    large = np.ones(300 << 17)  # 300 MB
    used = process([sys.executable, "-c", "held = b'x' * (80 << 20); print('two'); print('words')"])
    assert 80 < used.peak_mb < 200 < large.nbytes >> 20
    assert (used.code, used.out, used.last_line) == (0, "two\nwords\n", "words")


def test_a_process_ends_at_its_bounds() -> None:
    assert process([sys.executable, "-c", "import signal; signal.pause()"], limit_s=1).code == -9
    too_large = "try:\n    b'x' * (3 << 30)\nexcept MemoryError:\n    raise SystemExit(5) from None"
    assert process([sys.executable, "-c", too_large], limit_gb=2).code == 5


def test_a_process_that_must_end_well_is_refused_otherwise() -> None:
    with pytest.raises(RuntimeError, match="ended with 3"):
        timing.finished([sys.executable, "-c", "raise SystemExit(3)"])


def made_turns() -> list[dict[str, Turn]]:
    """Return three turns of plain SimPy and the compiled engine: 2, 3 and 4 s against 16 ms and a series of 1 ms."""
    return [
        {"plain": Turn({"all": seconds}, (100 + n, 20, 5)), "compiled": Turn(STAGES, (101 - n, 21, 4))}
        for n, seconds in enumerate((2.0, 4.0, 3.0))
    ]


def test_the_table_of_ratios_by_hand() -> None:
    rows = [line.split() for line in bench_engine.table(made_turns())]
    assert rows[1][-5:] == ["3,000.0", "1.0", "1.0", "to", "1.0"]
    whole = next(row for row in rows if "whole" in row)
    assert whole[-8:] == ["16.0", "188", "125", "to", "250", "100,", "aim", "250"]
    alone = next(row for row in rows if row[-7:-5] == ["engine", "alone"])
    assert alone[-5:] == ["2.0", "1500", "1000", "to", "2000"]
    assert not any("Ciw" in row for row in rows)


def test_where_the_time_goes_by_hand() -> None:
    assert [line.split() for line in bench_engine.places(made_turns())] == [
        ["draw", "engine", "metrics", "series"],
        ["compiled", "10.0", "2.0", "4.0", "1.0"],
    ]


def test_the_cost_of_the_living_market_by_hand() -> None:
    half = {station: seconds / 2 for station, seconds in STAGES.items()}
    models = {"SimPy, desk alone": half, "SimPy, baseline": STAGES, "compiled, desk alone": half}
    turn = {name: Turn(cpu_s, (1, 1, 1)) for name, cpu_s in models.items()}
    turn["compiled, baseline"] = Turn(STAGES | {"draw": 0.011}, (1, 1, 1))
    rows = [line.split() for line in bench_living.table([turn])]
    assert rows[1][-7:] == ["8.0", "16.0", "2.00", "at", "most", "2:", "yes"]
    assert rows[2][-3:] == ["1.0", "2.0", "2.00"]
    assert rows[3][-7:] == ["8.0", "17.0", "2.12", "at", "most", "2:", "NO"]


def test_the_desk_alone_has_no_clock_of_levels() -> None:
    models = bench_living.models(["days=1", "warmup_days=0"])
    whole, alone = (models[f"compiled, {name}"](1).outcome for name in ("baseline", "desk alone"))
    assert whole is not None
    assert alone is not None
    assert whole.feedback_ints.shape[1] == 1440
    assert alone.feedback_ints.shape[1] == 0


def test_models_that_are_not_the_same_desk_are_told() -> None:
    same = [{"a": Turn({}, (n, n, n)), "b": Turn({}, (n + 1, n, n))} for n in (10, 12, 11, 13)]
    z = 1 / math.sqrt(2 * np.var([10, 12, 11, 13], ddof=1) / 4)
    assert bench_engine.equal_in_law("a", "b", same)[0].endswith(f"z {z:+.1f}")
    other = [turn | {"b": Turn({}, (turn["a"].handled[0], turn["a"].handled[1] + 4, 11))} for turn in same]
    with pytest.raises(ValueError, match="second pool: a 12, b 16, z"):
        bench_engine.equal_in_law("a", "b", other)


@pytest.fixture(scope="module")
def day() -> dict[str, Turn]:
    """One turn of each model on one day, but for Ciw, which need not be installed."""
    models = {name: model for name, model in bench_engine.models(1).items() if name != "Ciw"}
    return {name: model(100) for name, model in models.items()}


def test_every_model_does_its_day(day: dict[str, Turn]) -> None:
    for name, turn in day.items():
        front, second, left = turn.handled
        assert front > 1000, name
        assert second > 50, name
        assert left < 500, name
        assert all(seconds > 0 for seconds in turn.cpu_s.values()), name
    lines = bench_engine.table([day])
    rows = [row for row in bench_engine.ROWS if row.model != "Ciw"]
    assert [line[:42].rstrip() for line in lines[1:]] == [row.label for row in rows]
    assert len(bench_engine.places([day])) == 5


@pytest.mark.parametrize("kind", ["", ", levels"])
def test_the_twins_are_compared_bit_by_bit(day: dict[str, Turn], kind: str) -> None:
    ours, theirs = day[f"SimPy{kind}"].outcome, day[f"compiled{kind}"].outcome
    bench_engine.must_be_twins(ours, theirs)
    assert theirs is not None
    late = theirs.leg_end_ms.copy()
    late[0] += 1
    with pytest.raises(ValueError, match="differ in leg_end_ms"):
        bench_engine.must_be_twins(ours, replace(theirs, leg_end_ms=late))


def test_replications_in_python_and_their_table() -> None:
    row = bench_replications.in_python(2, 1, sets=["days=1", "warmup_days=0"])
    assert 0 < float(row.used.last_line) < row.used.wall_s
    made = Row("sim.run", 1000, 2, Used(wall_s=40.0, cpu_s=60.0, peak_mb=400.4, code=0, out=""))
    assert bench_replications.table([made])[1].split() == [
        "sim.run",
        "1,000",
        "2",
        "40.0",
        "60.0",
        "1.50",
        "25.0",
        "400",
    ]


def test_a_size_is_measured_in_a_process_of_its_own() -> None:
    one = bench_size.measured(1_000_000, "1 day")
    assert isinstance(one, Size)
    assert 500 < one.tickets < 2000
    assert 0 < one.occupancy < 1
    assert one.cpu_s.keys() == set(bench_size.STAGES)
    assert len(bench_size.table([one])) == 2


def test_a_size_beyond_the_bounds_is_left_out_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = {"-9": "it took more than 600 s", "1": "it ended with 1"}
    for code, why in ends.items():
        used = Used(wall_s=600.0, cpu_s=600.0, peak_mb=2048.0, code=int(code), out="")
        monkeypatch.setattr(bench_size, "process", lambda *_, used=used, **__: used)
        told = bench_size.measured(10_000_000, "1 year")
        assert told == f"left out: 10,000,000 users, 1 year: {why}, with 2,048 MB (the most is 20 GB)"


def test_a_smaller_exchange_has_staff_in_proportion() -> None:
    small, base = bench_size.scaled(1_000_000, 3), bench_size.scaled(10_000_000, 3)
    assert (small.days, small.warmup_days, small.population.registered) == (3, 0, 1_000_000)
    assert base.teams["compliance"].agents == {"night": 14, "day": 37, "evening": 24}
    assert small.teams["compliance"].agents == {"night": 1, "day": 4, "evening": 2}
    assert small.teams["supervisor"].agents == {"night": 1, "day": 1, "evening": 1, "part": 1}
    assert small.withdrawals.payouts_per_minute == 24


def test_the_fit_is_least_squares_on_logarithms() -> None:
    x = [1.0, 10.0, 100.0, 1000.0]
    assert bench_size.fit(x, [3 * one**0.5 for one in x]) == pytest.approx((0.5, 0, math.log10(3)), abs=1e-12)
    slope, error, _ = bench_size.fit(x, [1, 10, 100, 10])  # log10: 0, 1, 2, 1 over 0..3
    assert (slope, error) == pytest.approx((0.4, math.sqrt(1.2 / 2 / 5)))


def test_the_picture_shows_the_slopes(tmp_path: Path) -> None:
    sizes = [
        Size(users, span, tickets=days * users / 1000, occupancy=0.8, peak_mb=200.0 + days, cpu_s=dict.fromkeys(
            bench_size.STAGES, (days * users) ** 0.8 / 1e6))
        for users in bench_size.USERS
        for span, days in bench_size.SPANS.items()
    ]  # fmt: skip
    figure = draw(sizes, tmp_path / "size.png")
    assert figure.get_suptitle() == (
        "CPU time grows as tickets to the power 0.80 ± 0.00 (1 M users) and 0.80 ± 0.00 (10 M users)"
    )
    named = [text.get_text() for text in figure.axes[0].texts]
    assert named == 2 * list(bench_size.SPANS)
    assert imread(tmp_path / "size.png").std() > 0.05


def fidelity(rate: float, workers: int = 0, *, late: float = 2.0, valid: bool = True) -> bench_loadtest.Fidelity:
    generator = {
        "count_error_per_s": {"mean_share": 0.001},
        "count_error_per_100_ms": {"mean_share": 0.01},
        "lateness_ms": {"p50": 0.5, "p99": late, "max": 9.0},
        "cpu_ms_per_request": 0.25,
    }
    return bench_loadtest.Fidelity(rate, workers, {"generator": generator, "valid": valid, "reasons": ["late"]})


def test_the_stall_by_arithmetic_and_the_tables_of_the_load_test() -> None:
    truth = bench_loadtest.arithmetic()
    assert (truth.requests, truth.p95_ms, truth.p99_ms) == (4000, 1000.0, 1800.0)
    found = [fidelity(500.0), fidelity(500.0, 2, late=99.0), fidelity(2000.0), fidelity(3000.0, valid=False)]
    lines = bench_loadtest.fidelity_table(found)
    assert lines[1].split() == ["500", "one", "|", "0.10%", "1.00%", "|", "0.50", "2.0", "9.0", "|", "0.25", "|", "yes"]
    assert lines[4].endswith("no: late")
    stalls = [truth, bench_loadtest.Stalled("ours", 4000, 1005.0, 1827.0), bench_loadtest.Stalled("wrk", *[None] * 3)]
    assert [line.split("|")[-1].split()[0] for line in bench_loadtest.stall_table(stalls)[1:]] == [
        "100.0%",
        "101.5%",
        "-",
    ]
    assert [line.split()[-1] for line in bench_loadtest.aims(found, stalls)[1:]] == ["yes"] * 6
    stalls[1] = bench_loadtest.Stalled("ours", 4000, 1005.0, 1763.0)
    found = [fidelity(500.0, late=6.1), fidelity(1999.0)]
    judged = [line.split()[-1] for line in bench_loadtest.aims(found, stalls)[1:]]
    assert judged == ["yes", "yes", "NO", "yes", "NO", "NO"]


WRK = """  Latency Distribution
     50%  151.00us
     99%    1.77s
  1898905 requests in 20.02s, 181.09MB read
"""


def test_what_wrk_prints_is_read_in_ms() -> None:
    one = bench_loadtest.read_wrk("wrk", WRK)
    assert (one.requests, one.p95_ms, one.p99_ms) == (1898905, None, 1770.0)
    assert bench_loadtest.read_wrk("wrk", WRK.replace("1.77s", "870.00us")).p99_ms == 0.87
    assert bench_loadtest.read_wrk("wrk", "").p99_ms is None


def test_the_quick_server_answers_as_the_reference_api_and_stands_still_once() -> None:
    with bench_loadtest.quick_server("--stall", "0.2", "--stall-after", "0") as url, httpx.Client(base_url=url) as http:
        assert http.get("/health").json()["test_system"] is True
        assert http.post("/api/v4/withdrawals", json={"amount": "1"}).status_code == 202
        took = [http.get("/api/v4/wallet/withdrawals").elapsed.total_seconds() for _ in range(3)]
    assert [second > 0.2 for second in took] == [True, False, False]


def test_an_unknown_bench_is_refused() -> None:
    command = [sys.executable, "-m", "tests.bench", "enigne"]
    told = subprocess.run(command, cwd=timing.ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 2
    assert "got enigne; must be of engine, living, replications, size, loadtest" in told.stderr


def test_a_queue_of_the_coverage_bench_is_the_one_whose_truth_is_known() -> None:
    # By hand: three arrivals at 0, 1, 5, served for 2, 2, 1.
    assert bench_coverage.sojourns(np.array([0.0, 1.0, 5.0]), np.array([2.0, 2.0, 1.0])).tolist() == [2.0, 3.0, 1.0]
    rng, load = np.random.default_rng(4), 0.5
    times = bench_coverage.sojourns(np.cumsum(rng.exponential(1 / load, 200_000)), rng.exponential(1, 200_000))
    assert np.quantile(times, 0.99) == pytest.approx(math.log(100) / (1 - load), rel=0.05)
    assert bench_coverage.Queue(100.0, 200.0).capacity_per_s == pytest.approx(76.97, abs=0.01)


def test_the_interval_of_a_difference_holds_zero_about_as_often_as_it_says_at_every_load() -> None:
    for load in bench_coverage.LOADS:
        covered, regressed = bench_coverage.pair_coverage(load, 150, np.random.default_rng(5))
        assert 0.82 <= covered <= 0.98, load
        assert regressed < 0.1


def test_the_interval_of_a_capacity_holds_the_truth_in_most_of_a_few_searches() -> None:
    few = bench_coverage.searched(bench_coverage.Queue(100.0, 200.0), 10, np.random.default_rng(6))
    assert few.coverage >= 0.6
    assert few.medians[1] < few.medians[0] < few.medians[2]
