"""Values beyond the horizon: they are the bad outcome, and never left out in favour of the luckier replications."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sim import compare, load, run
from sim.api import Run
from sim.core.at_least import AtLeast, is_censored
from sim.experiment.analysis.estimate import Estimate, estimate
from sim.experiment.analysis.expectations import judge
from sim.experiment.analysis.words import mean_text
from sim.experiment.store import ReplicationStore
from sim.output.run_folder import write_run
from sim.output.saved_run import read_run
from tests.support.cli_runs import undrawn, withstand
from tests.support.run_factory import Estimated

P90 = "first_response_p90"
# One agent, 30 calls an hour of 10 minutes each: five times what he can do. Whoever is answered after five days waited
# as long as those who are not, so the 90 % quantile lies beyond the horizon but for luck.
OVERLOADED = """
title = "A desk five times overloaded"
days = 5
warmup_days = 1
[categories.call]
arrivals_per_hour = 30
steps.serve = { queue = "line", handle = { law = "exponential", mean = "10 min" } }
[queues.line]
[teams.desk]
serves = ["line"]
agents = 1
[expect]
first_response_p90 = "< 7000"
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("overloaded") / "overloaded.toml"
    file.write_text(OVERLOADED)
    return file


@pytest.fixture(scope="module")
def overloaded(scenario: Path) -> Run:
    return run(load(str(scenario)), replications=20)


def test_the_luckier_replications_do_not_stand_for_all(overloaded: Run) -> None:
    one = overloaded.metrics[P90]
    assert (one.undefined, one.replications) == (0, 20)
    assert one.censored > 10
    assert is_censored(one.mean)
    assert is_censored(one.p95)
    assert one.half_width is None
    assert str(one).endswith(f"(not over by the end) in {one.censored}")


def test_an_upper_bound_fails_on_them(overloaded: Run, scenario: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (only,) = overloaded.expectations()
    assert not only.passed
    monkeypatch.chdir(scenario.parent)
    undrawn(monkeypatch)
    told = withstand("run", scenario, "--replications", 5, "--out", "judged")
    assert told.code == 1
    assert f"expect {P90} < 7000: mean > " in told.out + told.err


@pytest.mark.parametrize(
    ("limit", "passed"), [("< 100", False), ("5..100", False), ("> 5", True), ("> 40", False), ("< 9_000_000", False)]
)
def test_bounds_by_hand(limit: str, passed: bool) -> None:
    run = Estimated({P90: estimate(P90, [10.0, AtLeast(20.0)])})
    assert [one.passed for one in judge({P90: limit}, run)] == [passed]


def test_figures_that_rest_on_them_are_bounds_and_others_are_exact() -> None:
    one = estimate(P90, [AtLeast(50.0), 10.0, 20.0, 30.0, 40.0])
    assert (one.mean, one.p05, one.p50, one.p95) == (30.0, 12.0, 30.0, pytest.approx(48.0))
    assert [is_censored(figure) for figure in (one.mean, one.p05, one.p50, one.p95)] == [True, False, False, True]
    low = estimate(P90, [AtLeast(1.0), 10.0, 20.0, 30.0, 40.0])  # it may be anything: none of the figures is known
    assert all(map(is_censored, (low.mean, low.p05, low.p50, low.p95)))


def test_they_are_told_from_what_does_not_exist() -> None:
    one = estimate("drain_days", [AtLeast(3.0), None, 5.0])
    assert (one.replications, one.undefined, one.censored) == (2, 1, 1)
    assert (
        str(one)
        == "5 days in 1 of 2 replications, > 3.0 days (not over by the end) in 1 (no value in 1 of 3 replications)"
    )


def test_text_says_more_than_and_never_rounds_up() -> None:
    one = estimate(P90, [AtLeast(7196.0)])
    assert str(one) == "> 4.9 days (not over by the end in any replication)"
    assert mean_text(one) == "> 7,100 min"


def test_a_number_of_metrics_json_is_none_where_only_a_bound_is_known() -> None:
    one = estimate(P90, [AtLeast(50.0), 10.0, 20.0, 30.0, 40.0])
    entry = json.loads(json.dumps(one.as_json(), allow_nan=False))
    assert (entry["mean"], entry["p95"], entry["p50"], entry["censored"]) == (None, None, 30.0, 1)
    assert entry["at_least"] == {"mean": 30.0, "p95": pytest.approx(48.0)}
    again = Estimate.from_json(entry)
    assert again == one
    assert is_censored(again.mean)
    assert not {"censored", "at_least"} & set(estimate(P90, [1.0]).as_json())


def test_what_is_kept_and_written_comes_back_as_it_was(
    overloaded: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ReplicationStore(tmp_path / "store")
    one = overloaded.replications[0]
    store.add(0, {"a": AtLeast(2.5), "b": 2.5, "c": None}, {("all", "x"): np.arange(3.0)})
    store.close()
    kept = ReplicationStore(tmp_path / "store").finished[0]
    assert [(type(value), value) for value in kept.values()] == [(AtLeast, 2.5), (float, 2.5), (type(None), None)]
    undrawn(monkeypatch)
    saved = read_run(write_run(overloaded, tmp_path / "run"))
    assert saved.metrics == overloaded.metrics
    assert saved.samples(P90) == overloaded.samples(P90)
    assert list(map(is_censored, saved.samples(P90).values())) == list(
        map(is_censored, overloaded.samples(P90).values())
    )
    assert one.number == 0


def test_a_comparison_says_that_it_does_not_know(overloaded: Run, scenario: Path) -> None:
    staffed = run(load(str(scenario), sets=["teams.desk.agents=8"]), replications=20)
    found = compare(overloaded, staffed)
    assert P90 not in found.differences
    assert found.censored[P90] == overloaded.metrics[P90].censored
    name, base, other, difference, verdict = found.row(P90)
    assert name == P90
    assert base.startswith("> ")
    assert not other.startswith(">")
    assert (difference, verdict) == ("? min", f"not known: {found.censored[P90]} values lie beyond the horizon")
    assert "backlog_end" in found.differences
