"""Where a mean is no typical run, numbers are told as quantiles: in texts, on the command line, in reports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sim import load, run
from sim.api import Run
from sim.cli.tables import metric_table
from sim.core.digits import quantiles_text
from sim.experiment.analysis.answers import Answer, recorded
from sim.experiment.analysis.estimate import Estimate, estimate, estimates
from sim.experiment.analysis.expectations import judge
from sim.output.presentation import findings
from sim.output.presentation.answer import answered
from sim.output.presentation.view import View, estimate_text, humane
from sim.output.report import report_html
from sim.output.saved_run import read_run
from tests.support.run_factory import hourly, metrics, values

TWO_PEAKS: list[float | None] = [0.0] * 6 + [0.65, 0.66, 0.64, 0.65]


@pytest.fixture(scope="module")
def few() -> Run:
    sets = ["summary=quantiles", "days=2", "warmup_days=1"]
    return run(load("quiet_week", sets=sets), replications=4, seed=1)


def test_a_median_stands_with_its_quantiles_at_the_digits_of_their_width() -> None:
    assert quantiles_text(0.0, 0.0, 0.655) == "0.00 (0.00 to 0.66)"
    assert quantiles_text(1200.4, 3456.7, 9876.5) == "3,500 (1,200 to 9,900)"
    assert quantiles_text(5.0, 5.0, 5.0) == "5 (5 to 5)"
    assert quantiles_text(None, None, None) == "undefined"


def test_an_estimate_tells_quantiles_where_its_scenario_says_so() -> None:
    mean, quantiles = (estimate("ran_share", TWO_PEAKS, summary) for summary in ("mean", "quantiles"))
    assert "±" in str(mean)
    assert str(quantiles) == "0.00 (0.00 to 0.66) of the depositors"
    assert estimate_text(quantiles) == "0.00 (0.00 to 0.66)"
    assert humane(quantiles) == "0 (0 to 66) %"
    assert "±" in humane(replace(quantiles, summary="mean"))


def test_an_expectation_may_be_of_a_quantile() -> None:
    metrics = {"ran_share": estimate("ran_share", TWO_PEAKS)}
    passed = {"ran_share:p50": "< 0.01", "ran_share:p95": "> 0.5", "ran_share": "0.2..0.3"}
    assert [one.passed for one in judge(passed, metrics)] == [True, True, True]
    failed = {"ran_share:p05": "> 0.01", "ran_share:p95": "< 0.5"}
    assert [one.passed for one in judge(failed, metrics)] == [False, False]


def test_metrics_json_says_so_only_where_it_is_so() -> None:
    assert "summary" not in estimate("ran_share", TWO_PEAKS).as_json()
    told = estimate("ran_share", TWO_PEAKS, "quantiles")
    assert Estimate(**told.as_json()) == told


def test_the_answer_comes_first_as_a_change_where_one_is_recorded() -> None:
    spike, changed = load("volatility_spike"), load("volatility_spike", sets="shocks.crash.tickets=2")
    recording = recorded(spike)
    assert recording is not None
    same = metrics(wallet_short_hours=recording.answers[3].own)
    views = [View(hourly(values(96)), same, one) for one in (spike, changed)]
    told, alone = (answered(view) for view in views)
    assert (told.base, alone.base) == ("baseline", None)
    assert [line.metric for line in told.lines] == ["drain_days", "backlog_waiting_peak", "wallet_short_hours"]
    assert told.lines[2].told == recording.answers[3].told()
    assert " (there " in told.lines[1].told  # another run than the recorded one, so no interval
    assert told.lines[1].label.endswith(f"({Answer('backlog_peak', recording.answers[1].base).told()} in baseline)")
    assert alone.lines[0].told == alone.lines[0].own
    assert not answered(View(hourly(values(96)), same, load({"extends": "volatility_spike"}))).lines


@pytest.mark.parametrize(("hours", "told"), [(7.9, True), (0.0, False), (None, False)])
def test_a_wallet_that_runs_empty_is_a_headline(hours: float | None, told: bool) -> None:
    view = View(hourly(values(96)), metrics(wallet_short_hours=hours), load("volatility_spike"))
    found = [line for line in findings.headlines(view) if "hot wallet holds less" in line]
    assert len(found) == told
    assert all("7.9" in line for line in found)


def test_the_command_line_shows_medians(few: Run, tmp_path: Path) -> None:
    text = metric_table(few.metrics)
    assert "median (5 to 95 % of replications)" in text
    assert "±" not in text
    assert "±" in metric_table(estimates([one.metrics for one in few.replications]))
    assert metric_table(read_run(few.save(tmp_path / "run")).metrics) == text


def test_report_and_pictures_show_medians(few: Run) -> None:
    view = View(few.hourly, few.metrics, few.scenario)
    assert view.middle == "median"
    assert view.centre(view.of("all", "n_backlog")).tolist() != view.of("all", "n_backlog").mean(axis=0).tolist()
    assert "median of the replications" in view.drawn_text(1)
    assert not [line for line in findings.headlines(view) if "±" in line]
    page = report_html(
        run_info={"name": "x", "seed": 1}, scenario=few.scenario, hourly=few.hourly, metrics=few.metrics, plots=[],
        expectations=few.expectations(),
    )  # fmt: skip
    assert "medians over replications" in page
    assert "±" not in page
    texts = [one.get_text() for one in few.plot().findobj(lambda artist: hasattr(artist, "get_text"))]
    assert not [one for one in texts if "±" in one]
    assert [one for one in texts if "median of 4 replications" in one]
