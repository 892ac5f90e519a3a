"""The sentence that a manager needs, on numbers made by hand."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sim
from loadtests.core.faults import InputError
from loadtests.plan import costs
from loadtests.verdict.shortage import Amount, Shortage, costs_of, peaks_of, read_capacity, sentence, shortage, told
from sim.numerics.statistics import Difference
from tests.support.plans import faults, planned
from tests.support.servers.loadtest_run import load_bare
from tests.support.servers.staging_client import ENVIRON, ROOT, staging
from tests.support.servers.tiny_server import TinyServer, good
from tests.support.trace_factory import make_run, steady
from tests.support.verdict_rows import judged, lasting_30_s, rows_of

# Five minutes; 60 requests in a minute are 1 a second.
PREDICTED: dict[str, Any] = {
    "per_minute": {
        "withdrawal": [600, 1200, 1800, 1200, 600],
        "login": [600, 1800, 3600, 1200, 0],
    },
    "whole_run_peak_per_s": {
        "requests_peak_per_s": {"p50": 80.0, "p95": 95.0},
        "withdrawals_peak_per_s": {"p50": 25.0, "p95": 33.0},
    },
}


def capacity(tmp_path: Path, **endpoints: Any) -> Path:
    path = tmp_path / "capacity.json"
    more: dict[str, Any] = {"curve": [], "usl": None, "usl_refused": ""}
    rows = {name: {"capacity_per_s": held, **more} for name, held in endpoints.items()}
    path.write_text(json.dumps({"format": 1, "endpoints": rows}))
    return path


def held(value: float, low: float, high: float | None) -> dict[str, float | None]:
    return {"value": value, "low": low, "high": high}


def test_a_capacity_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = capacity(tmp_path, all=held(50, 40, 60), login=held(9.5, 9, None))
    assert read_capacity(path) == {"all": Amount(50, 40, 60), "login": Amount(9.5, 9, None)}


def test_every_fault_of_a_capacity_file_is_told(tmp_path: Path) -> None:
    path = capacity(tmp_path, logout=held(1, 1, 1), login=held(-1, 0, 1), ticket=held(1, None, 2))  # type: ignore[arg-type]
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))
    with pytest.raises(InputError) as caught:
        read_capacity(path)
    assert [fault.partition(": got")[0] for fault in caught.value.faults] == [
        f"{path}: format",
        f"{path}: endpoints.logout",
        f"{path}: endpoints.login.capacity_per_s",
        f"{path}: endpoints.ticket.capacity_per_s",
    ]
    with pytest.raises(InputError, match=r"must be a capacity\.json"):
        read_capacity(tmp_path / "nowhere.json")


def test_the_minutes_above_what_is_held_are_those_of_the_trace() -> None:
    # Together 20, 50, 90, 40 and 10 a second: above 45 are two minutes, above 30 three, above 60 one.
    found = shortage({"all": Amount(45, 30, 60)}, PREDICTED)
    assert found == Shortage("all", Amount(45, 30, 60), 95.0, Amount(2, 1, 3), open_ended=False)
    assert found.short_per_s == 50.0
    assert shortage({"all": Amount(15, 15, 15)}, PREDICTED) == Shortage(
        "all", Amount(15, 15, 15), 95.0, Amount(4, 4, 4), open_ended=True
    )


def test_the_tightest_endpoint_speaks_where_the_mix_was_not_measured() -> None:
    both = {"withdrawal": Amount(30, 28, 31), "login": Amount(20, 18, 22)}
    found = shortage(both, PREDICTED)
    assert found is not None
    assert (found.endpoint, found.peak_per_s, found.minutes) == ("login", 60.0, Amount(2, 2, 3))
    # A total stands for none of its parts: it is one more that may be the tightest.
    assert shortage({**both, "all": Amount(100, 95, 105)}, PREDICTED) == found
    assert peaks_of(PREDICTED) == {"all": 95.0, "withdrawal": 33.0, "login": 60.0}
    alone = shortage({"withdrawal": Amount(30, 28, 31)}, PREDICTED)
    assert alone is not None
    assert (alone.peak_per_s, alone.missing) == (33.0, ("login",))
    assert shortage({"ticket": Amount(1, 1, 1)}, PREDICTED) is None


def test_the_tightest_endpoint_decides_in_a_mix_that_is_short_too(tmp_path: Path) -> None:
    # 45/s are held of the mix: 30 logins, half of their peak, and 15 withdrawals, a little less than half of theirs.
    mix = {"capacity_per_s": held(45, 40, 50), "shares": {"withdrawal": 1 / 3, "login": 2 / 3}}
    path = tmp_path / "capacity.json"
    path.write_text(json.dumps({"format": 1, "endpoints": {"all": mix}}))
    found = shortage(read_capacity(path), PREDICTED)
    assert found is not None
    assert (found.endpoint, found.holds.high, found.missing) == ("withdrawal", None, ())
    assert found.mix is not None
    assert found.mix == shortage({"all": Amount(45, 40, 50)}, PREDICTED)
    assert sentence(found, COSTS) == (
        f"{sentence(found.mix, COSTS)}; least is proven of withdrawals: at least 15/s, their p95 peak is 33"
    )
    little = shortage({"login": Amount(40, 40, None)}, PREDICTED)
    assert little is not None
    assert "their p95 peak is 60: not proven, for no higher rate was measured" in sentence(little, None)
    # With room for the mix, the endpoint alone is told, and what was not sent is not counted as proven.
    more = {**PREDICTED, "per_minute": {**PREDICTED["per_minute"], "deposit": [6, 6, 6, 6, 6]}}
    large = shortage({"all": Amount(300, 270, 330), "withdrawal": Amount(100, 90, None)}, more)
    assert large is not None
    assert sentence(large, None) == (
        "staging holds at least 100 withdrawals/s, their p95 peak is 33: enough for what was measured, with 173% to "
        "spare at the tightest; not measured: logins, first deposits"
    )


COSTS = {"failed withdrawals": Amount(1234, 1000, 1468), "tickets": Amount(310.4, 290.2, 330.6)}


def test_the_sentence_of_a_server_too_small() -> None:
    found = shortage({"all": Amount(45, 30, 60)}, PREDICTED)
    assert found is not None
    assert sentence(found, COSTS) == (
        "staging holds 45 (30 to 60) requests/s of the run's mix, their p95 peak is 95; short by 50 for 2 (1 to 3) "
        "minutes; that costs about 1,200 (1,000 to 1,500) failed withdrawals, 310 (290 to 330) tickets"
    )
    assert sentence(found, None).endswith("minutes; what that costs is not known without a run of the "
                                                         "scenario with this capacity")  # fmt: skip


def test_the_sentence_of_a_server_large_enough() -> None:
    found = shortage({"all": Amount(190, 180, 200)}, PREDICTED)
    assert found is not None
    assert sentence(found, COSTS) == (
        "staging holds 190 (180 to 200) requests/s of the run's mix, their p95 peak is 95: enough, with 89% to spare"
    )


def test_the_tightest_endpoint_is_named_and_so_is_what_was_not_measured() -> None:
    found = shortage({"withdrawal": Amount(50, 40, 55)}, PREDICTED)
    assert found is not None
    assert sentence(found, None) == (
        "staging holds 50 (40 to 55) withdrawals/s, their p95 peak is 33: enough for what was measured, with 21% to "
        "spare at the tightest; not measured: logins"
    )
    close = shortage({"withdrawal": Amount(50, 30, 55)}, PREDICTED)
    assert close is not None
    assert "their p95 peak is 33: not proven, for the interval begins below it" in sentence(close, None)


def test_what_only_chance_can_make_is_no_cost() -> None:
    found = shortage({"all": Amount(45, 30, 60)}, PREDICTED)
    assert found is not None
    costs_found = {"tickets": Amount(84.5, -1.75, 170.8), "public complaints": Amount(-0.625, -1.96, 0.711)}
    told_so = sentence(found, costs_found)
    assert told_so.endswith("that costs about 84 (-2 to 170) tickets, no (-2 to 1) public complaints")


def test_the_readme_shows_the_sentence_as_it_is_told() -> None:
    mix = Shortage("all", Amount(41.27, 38.97, 42.47), 67.28, Amount(60, 60, 60), open_ended=True)
    missing = ("signup", "kyc", "deposit", "mfa")
    least = Amount(0.04212, 0.03977, None)
    found = Shortage("ticket_view", least, 0.25, Amount(41, None, 41), open_ended=False, missing=missing, mix=mix)
    costs = {"failed withdrawals": Amount(5457.7, 3108.3, 7807.1), "tickets": Amount(112.2, 65.1, 159.3)}
    told_so = sentence(found, {**costs, "public complaints": Amount(1.0, 0.1, 1.9)})
    shown = (ROOT / "README.md").read_text("utf-8").replace("\n> ", " ")
    assert f" {told_so}\n" in shown


def test_a_trace_that_ends_above_says_so() -> None:
    found = shortage({"all": Amount(15, 15, 15)}, PREDICTED)
    assert found is not None
    assert "for 4 minutes or more, for the trace begins or ends above it" in sentence(found, None)


def test_costs_are_paired_differences_over_the_days_of_the_scenario() -> None:
    def by(mean: float, half_width: float | None) -> Difference:
        return Difference(mean=mean, half_width=half_width, degrees_of_freedom=9)

    differences = {
        "withdrawals_failed_per_day": by(100.0, 10.0),
        "tickets_new_per_day": by(20.0, None),
        "complaints_public_per_day": by(3.0, 0.75),
        "backlog_peak": by(9.0, 1.0),
    }
    assert costs_of(differences, 7) == {
        "failed withdrawals": Amount(700.0, 630.0, 770.0),
        "tickets": Amount(140.0, None, None),
        "public complaints": Amount(21.0, 15.75, 26.25),
    }
    del differences["complaints_public_per_day"]
    assert set(costs_of(differences, 7)) == {"failed withdrawals", "tickets"}


def test_a_run_is_told_by_what_it_proved_of_each_endpoint() -> None:
    lasting = {"duration_us": 30 * 1_000_000, "peaks_per_s": {"login": 25.0}}
    rows = lasting_30_s()
    spoken = told(judged(rows, **lasting), PREDICTED, None, None)
    assert spoken is not None
    assert spoken["sentence"] == (
        "staging: enough, with 33% to spare at the tightest: logins proven to 33.3/s, peak 25/s: 1.33 times the peak"
    )
    higher = told(judged(rows, **lasting | {"peaks_per_s": {"login": 40.0, "ticket": 1.0}}), PREDICTED, None, None)
    assert higher is not None
    assert higher["sentence"] == (
        "staging: logins proven to 33.3/s, peak 40/s: not proven; not sent, so not proven: new tickets"
    )
    short = told(judged(rows_of(), peaks_per_s={"login": 25.0}), PREDICTED, None, None)
    assert short is not None
    assert short["sentence"] == "staging: logins nothing proven, peak 25/s: not proven (10 s, fewer than 30)"
    assert told(judged(rows), PREDICTED, None, None) is None  # nothing is predicted to compare with


def test_a_wrong_capacity_file_is_a_fault_of_the_command_line(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", steady({"login": 10.0}, 60.0))
    assert faults(run, "--capacity", str(tmp_path))[0].startswith(
        f"--capacity: got {tmp_path}; must be a capacity.json"
    )
    path = capacity(tmp_path, login=held(5, 4, 6))
    assert planned(run, "--capacity", str(path)).capacity == {"login": Amount(5, 4, 6)}


def test_the_costs_come_from_a_pair_of_runs(tmp_path: Path) -> None:
    def simulated(name: str, *more: str, seed: int = 1) -> Path:
        scenario = sim.load("quiet_week", sets=["days=2", "warmup_days=0", *more])
        return sim.run(scenario, replications=3, seed=seed, name="quiet_week").save(tmp_path / name)

    without, limited = simulated("without"), simulated("limited", "categories.howto.arrivals_per_hour=24")
    found = costs.of_pair(without, limited)
    new = [
        json.loads((run / "metrics.json").read_text())["metrics"]["tickets_new_per_day"] for run in (without, limited)
    ]
    assert found["tickets"].value == pytest.approx(2 * (new[1]["mean"] - new[0]["mean"]))
    assert found["tickets"].low is not None
    assert 400 < found["tickets"].low < found["tickets"].value < 750
    with pytest.raises(InputError, match="must be a run of the same scenario and seed"):
        costs.of_pair(without, simulated("other", seed=2))
    with pytest.raises(InputError, match=r"--with-capacity: .*nowhere"):
        costs.of_pair(without, tmp_path / "nowhere")


class Made:
    """A saved run as far as failed withdrawals need it: replication to value, by metric."""

    def __init__(self, **metrics: dict[int, float | None]) -> None:
        self._metrics = metrics

    def samples(self, name: str) -> dict[int, float | None]:
        return self._metrics.get(name, {})


def test_failed_withdrawals_are_a_share_of_the_requests_and_unknown_without_a_gateway() -> None:
    requests: dict[int, float | None] = {1: 100.0, 2: 200.0}
    limited = Made(withdrawals_requests_per_day=requests, withdrawals_failed_share={1: 0.1, 2: 0.0})
    assert costs._failed_per_day(limited) == {1: 10.0, 2: 0.0}  # type: ignore[arg-type]
    assert costs._failed_per_day(Made(withdrawals_requests_per_day=requests)) == {1: None, 2: None}  # type: ignore[arg-type]


def test_a_shortage_is_costed_by_a_run_with_the_capacity(tmp_path: Path) -> None:
    sets = ["days=1", "warmup_days=0", "population.registered=300000"]
    base = sim.run(sim.load("volatility_spike", sets=[*sets, "shocks.crash.at=0 h"]), replications=3, name="spike")
    folder = base.save(tmp_path / "run")
    step = {"offered_per_s": 1.0, "throughput_per_s": 1.0, "error_share": 0.0, "n": 60}
    small, large = tmp_path / "small.json", tmp_path / "large.json"
    for path, factor in ((small, 1.0), (large, 1e6)):
        curve = [step | {"offered_per_s": factor, "throughput_per_s": factor}]
        path.write_text(json.dumps({"format": 1, "host": "h", "endpoints": {"all": {"curve": curve}}}))
    short, enough = costs.of_capacity(folder, small), costs.of_capacity(folder, large)
    assert short is not None
    assert enough is not None
    assert short["failed withdrawals"].low is not None
    assert short["failed withdrawals"].low > 1000
    assert short["tickets"].value > 0
    assert enough["failed withdrawals"].value == 0
    assert enough["tickets"].value == 0
    assert costs.of_capacity(tmp_path / "nowhere", small) is None
    with pytest.raises(InputError, match="--capacity: "):
        costs.of_capacity(folder, tmp_path / "nothing.json")


@pytest.mark.servers
def test_a_load_test_prints_the_sentence_and_keeps_it(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", steady({"login": 50.0}, 2.0), window_ms=2000)
    path = capacity(tmp_path, all=held(0.5, 0.4, 0.6))
    with TinyServer(good) as server:
        code, out = load_bare(run, server.url, "--capacity", str(path), "--out", str(tmp_path / "out"))
    assert code in (0, 3), out
    assert (
        "staging holds 0.5 (0.4 to 0.6) requests/s of the run's mix, their p95 peak is 1.67; short by 1.17 for 1 minute"
        in out
    )
    verdict = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert verdict["manager"]["short_per_s"] == pytest.approx(1.1667, abs=1e-3)
    assert "> staging holds 0.5" in (tmp_path / "out" / "summary.md").read_text()


def capacity_of_staging(run: Path, url: str, out: Path, *options: str) -> str:
    """Measure what a staging server holds of a run's mix, in steps of a second; return what was said."""
    command = [sys.executable, "-m", "loadtests", "capacity", "--host", url, "--mix", str(run), "--out", str(out)]
    command += ["--step", "1 s", "--resolution", "25%", "--no-plots", *options]
    done = subprocess.run(
        command, cwd=ROOT, env={**ENVIRON, "PATH": ""}, text=True, capture_output=True, timeout=240, check=False
    )
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr  # 1: not even the lowest rate was held
    return done.stdout + done.stderr


@pytest.mark.servers
def test_a_staging_server_too_small_and_then_large_enough(tmp_path: Path) -> None:
    sets = ["days=1", "warmup_days=0", "population.registered=2000000", "shocks.crash.at=0 h"]
    simulated = sim.run(sim.load("volatility_spike", sets=sets), replications=3, name="volatility_spike")
    run, peak = simulated.save(tmp_path / "run"), simulated.metrics["requests_peak_per_s"].p95
    assert peak is not None
    capacity_per_s = ("--read-capacity-per-s", "20", "--withdrawal-capacity-per-s", "20")
    # A short queue: a rate that is too high then shows in a step of a second, not only once a second of work waits.
    small = (*capacity_per_s, "--service-slots", "2", "--queue-limit", "4")
    steps = {
        "small": ("--start-rate", "10", "--max-requests", "1500", "--step-requests", "40"),
        "large": ("--start-rate", "60", "--max-requests", "1500", "--step-requests", "400"),
    }
    said = {}
    for name, options in (("small", small), ("large", ())):
        with staging(*options) as (client, _):
            url = str(client.http.base_url).rstrip("/")
            for attempt in range(3):  # steps of a machine too busy to send in time prove nothing
                place = tmp_path / f"{name}{attempt}"
                measured = capacity_of_staging(run, url, place, *steps[name])
                if "proves nothing" not in measured:
                    break
            path = place / "capacity.json"
            _, out = load_bare(run, url, "--capacity", str(path), "--out", str(tmp_path / f"{name}-test"))
        (said[name],) = [line for line in out.splitlines() if line.startswith("staging holds ")] or [measured + out]
    costs_found = json.loads((tmp_path / "small-test" / "verdict.json").read_text())["manager"]["costs"]
    assert re.fullmatch(
        rf"staging holds [^;]* requests/s of the run's mix, their p95 peak is {peak:.3g}; short by \S+ for .* "
        r"minutes.*; that costs about [\d,]+ \([\d,]+ to [\d,]+\) failed withdrawals, .* tickets, .* public complaints"
        r"; least is proven of [a-z ]+: at least \S+/s, their p95 peak is \S+; not measured: .*",
        said["small"],
    ), said["small"]
    assert costs_found["failed withdrawals"]["value"] > 0
    assert re.fullmatch(
        r"staging holds (at least )?\S+ .*/s.*, their p95 peak is \S+: enough for what was measured, with [\d,]+% .*",
        said["large"],
    ), said["large"]
