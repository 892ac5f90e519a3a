"""A measured capacity in a gateway: what ``withstand run --capacity`` takes from its file, and does with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sim import load, run
from sim.scenario.loading.measured_gateway import DEFAULTS, capacity_sets
from tests.support.cli_runs import QUICK, undrawn, withstand


def step(offered: float, throughput: float | None = None, errors: float = 0.0, n: int = 1000) -> dict[str, Any]:
    measured = offered if throughput is None else throughput
    times = {"p50_ms": 5.0, "p95_ms": 9.0, "p99_ms": None}
    return {"offered_per_s": offered, "throughput_per_s": measured, **times, "error_share": errors, "n": n}


def written(folder: Path, *curve: Any, name: str = "all", **changed: Any) -> Path:
    held = {"value": 40.0, "low": 30.0, "high": None}
    endpoints = {name: {"capacity_per_s": held, "curve": list(curve), "usl": None, "usl_refused": "few"}}
    data = {"format": 1, "host": "http://h", "measured_utc": "2026-01-05T00:00:00+00:00", "endpoints": endpoints}
    path = folder / "capacity.json"
    path.write_text(json.dumps(data | changed), "utf-8")
    return path


def test_the_curve_becomes_the_gateway_by_rising_load(tmp_path: Path) -> None:
    file = written(tmp_path, step(80.0, 48.0), step(20.0, 19.95), step(40.0, errors=0.1, n=3000), step(40.0, n=1000))
    sets, note = capacity_sets(file, "baseline")
    gateway = load("baseline", sets=sets).gateway
    assert gateway is not None
    assert gateway.loads_per_s == [20.0, 40.0, 80.0]
    assert gateway.error_shares == [0.0, 0.075, 0.4]  # what is not completed at 80 is lost; 0.25 % at 20 is noise
    assert gateway.category == "withdrawal_delayed"
    assert gateway.retry_share == float(DEFAULTS["retry_share"])
    assert "http://h" in note


def test_the_scenario_s_own_gateway_and_the_command_line_keep_their_other_keys(tmp_path: Path) -> None:
    file = written(tmp_path, step(20.0), name="withdrawal")
    own, melts = load("api_melts").gateway, load("api_melts", sets=capacity_sets(file, "api_melts")[0]).gateway
    assert own is not None
    assert melts == own.model_copy(update={"loads_per_s": [20.0], "error_shares": [0.0]})
    given = ["gateway.retry_share=0.9"]
    gateway = load("baseline", sets=[*given, *capacity_sets(file, "baseline", given)[0]]).gateway
    assert gateway is not None
    assert gateway.retry_share == 0.9


def test_too_little_capacity_fails_withdrawals_and_enough_does_nothing(tmp_path: Path) -> None:
    short = ["days=1", "warmup_days=1"]
    failed, tickets = [], []
    for most in (10.0, 1000.0):
        sets, _ = capacity_sets(written(tmp_path, step(most)), "baseline", short)
        metrics = run(load("baseline", sets=[*short, *sets]), replications=2, seed=1).metrics
        failed.append(metrics["withdrawals_failed_share"].mean)
        tickets.append(metrics["tickets_new_per_day"].mean)
    assert failed[0] > 0.3
    assert failed[1] == 0
    assert tickets[0] > tickets[1] + 300


def test_the_run_folder_says_whose_capacity_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undrawn(monkeypatch)
    file, folder = written(tmp_path, step(20.0)), tmp_path / "run"
    told = withstand("run", "baseline", "--capacity", file, "--out", folder, *QUICK)
    assert told.code == 0, told.err
    info = json.loads((folder / "run.json").read_text("utf-8"))
    assert info["scenario"]["gateway"]["loads_per_s"] == [20.0]
    assert "gateway.loads_per_s=[20.0]" in info["sets"]
    assert any("http://h" in note and str(file) in note for note in info["notes"])
    assert "http://h" in told.out


@pytest.mark.parametrize(
    ("curve", "changed", "sentence"),
    [
        ([], {}, "endpoints.all.curve: got []; must be the steps of the curve, one or more"),
        ([step(0.0)], {}, "endpoints.all.curve.0.offered_per_s: got 0.0; must be a number above 0, requests/s"),
        ([step(9.0), step(9.0, errors=2.0)], {}, "curve.1.error_share: got 2.0; must be a number from 0 to 1"),
        ([step(9.0, n=0)], {}, "curve.0.n: got 0; must be a number above 0, requests"),
        ([3], {}, "endpoints.all.curve.0: got 3; must be a step of the curve"),
        ([step(9.0)], {"format": 2}, "format: got 2; must be 1"),
        ([step(9.0)], {"endpoints": {"login": {}}}, 'endpoints: got ["login"]; must have "all", a run'),
    ],
)
def test_a_file_that_is_no_capacity_is_refused(
    tmp_path: Path, curve: list[Any], changed: dict[str, Any], sentence: str
) -> None:
    file, out = written(tmp_path, *curve, **changed), tmp_path / "run"
    told = withstand("run", "baseline", "--capacity", file, "--out", out)
    assert told.code == 2
    assert sentence in told.err
    assert not out.exists()


def test_a_file_that_cannot_be_read_and_a_scenario_without_withdrawals_are_refused(tmp_path: Path) -> None:
    told = withstand("run", "baseline", "--capacity", tmp_path / "absent.json")
    assert told.code == 2
    assert "absent.json; must be a capacity.json, as withstand capacity writes" in told.err
    story = tmp_path / "small.toml"
    story.write_text(
        'title = "x"\ndays = 1\n[categories.a]\narrivals_per_hour = 1\n'
        'steps.s = { queue = "q", handle = { law = "exponential", mean = "1 h" } }\n'
        '[queues.q]\n[teams.t]\nserves = ["q"]\nagents = 1\n',
        "utf-8",
    )
    told = withstand("run", story, "--capacity", written(tmp_path, step(9.0)))
    assert told.code == 2
    assert "withdrawals: got nothing; must have a table withdrawals" in told.err
