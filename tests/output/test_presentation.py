"""What is told of a run in sentences: what the futures are like, of two kinds both, apart from it the error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sim import load, run
from sim.api import Run
from sim.cli.tables import metric_table
from sim.core.at_least import AtLeast
from sim.experiment.analysis.answers import Answer, recorded
from sim.experiment.analysis.estimate import Estimate, estimate, estimates
from sim.experiment.analysis.expectations import judge
from sim.experiment.analysis.outcomes import common_cut
from sim.experiment.analysis.words import amount, error_text, futures, mean_text, typical
from sim.output.presentation import findings
from sim.output.presentation.answer import answered
from sim.output.presentation.view import View
from sim.output.report import report_html
from sim.output.saved_run import read_run
from tests.support.run_factory import Estimated, hourly, metrics, scenario, values

DIES_OUT: list[float | None] = [1e-6 * n for n in range(10)]
RUNS: list[float | None] = [0.62 + 0.005 * n for n in range(10)]
RAN = [*DIES_OUT, *RUNS]


@pytest.fixture(scope="module")
def few() -> Run:
    sets = ["summary=quantiles", "days=2", "warmup_days=1"]
    return run(load("quiet_week", sets=sets), replications=4, seed=1)


# --- futures, and the error apart ------------------------------------------------------------------------------


def test_a_headline_says_what_the_futures_are_like_and_not_how_well_the_mean_is_known() -> None:
    """The fault: "230 ± 30 complaints/day", of months with 141 to 326."""
    one = estimate("complaints_per_day", [141.0, 200.0, 210.0, 215.0, 326.0] * 4)
    assert futures(one, "months") == "typically 210, in 9 of 10 months 140 to 330"
    assert amount(one) == "210 (140 to 330) complaints/day"
    assert typical(one) == "210"
    assert error_text(one) == "200 to 220"


def test_the_error_is_told_only_where_it_changes_a_digit() -> None:
    assert error_text(estimate("backlog_peak", [100.0, 501.0, 502.0, 503.0, 900.0] * 8)) == ""
    assert error_text(estimate("backlog_peak", [1.0, 2.0, 3.0])) == "", "of three there is none"


def test_few_replications_do_not_speak_of_nine_in_ten() -> None:
    assert (
        futures(estimate("backlog_peak", [100.0, 150.0, 300.0]), "weeks")
        == "typically 150, in most of 3 weeks 100 to 280"
    )
    assert futures(estimate("backlog_peak", [100.0])) == "100"


def test_a_skewed_quantity_has_no_symmetric_interval() -> None:
    """The fault: "6 ± 9 h" with a median of 2 min."""
    one = estimate("resolution_p50", [0.03, 0.033, 0.034, 0.035, 0.04, 0.05, 0.1, 0.5, 6.0, 60.0])
    assert amount(one) == "2.7 min (1.9 min to 36 h)"
    assert mean_text(one) == "10 h"
    assert mean_text(estimate("resolution_p50", [4.0, 5.0, 5.0, 6.0])) == "5.0 ± 1.3 h"


def test_what_is_the_same_in_all_is_exact_and_has_no_interval() -> None:
    """The fault: "$67,373.7 ± 0"."""
    one = estimate("agent_cost_per_day", [67_373.7] * 20)
    assert (amount(one), futures(one), error_text(one)) == ("67,374 US dollars/day", "67,374", "")


def test_shares_are_in_per_cent_times_in_their_unit_and_large_sums_in_millions() -> None:
    assert amount(estimate("within_target_share", [0.45, 0.48, 0.5])).startswith("48 % (45 to 50 %) of human")
    assert amount(estimate("unharmed_share_of_registered", [0.999995] * 3)) == "99.9995 % of registered users"
    assert amount(estimate("outflow_usd_per_day", [7e7, 7.5e7, 9e7])) == "75 million (70 to 88 million) US dollars/day"
    assert amount(estimate("ran_share", [2e-9, 2e-9])) == "under 0.001 % of the depositors"
    assert amount(estimate("ran_share", [None, None])) == "no value"


# --- outcomes ----------------------------------------------------------------------------------------------------


def test_two_modes_are_told_apart_and_no_number_between_them_is_named() -> None:
    """The fault: a run share of 0.33, which no replication has."""
    one = estimate("ran_share", RAN)
    assert [(kind.replications, round(kind.p50, 3)) for kind in one.outcomes] == [(10, 0.0), (10, 0.643)]
    told = "under 0.001 % of the depositors in 10 of 20 replications, 64 % (62 to 66 %) of the depositors in 10"
    assert str(one) == told
    assert typical(one) == "under 0.001 % or 64 %"
    assert error_text(one) == ""
    assert "±" not in mean_text(one)


def test_a_run_of_two_kinds_tells_every_number_by_kind() -> None:
    """In a run of two kinds the median of tickets a day, too, is one that no replication has."""
    rng = np.random.default_rng(1)
    kinds = [0.0] * 10 + [1.0] * 10
    columns = {
        "ran_share": [1e-5 + 0.65 * kind + 0.001 * rng.uniform() for kind in kinds],
        "withdrawals_late_peak": [600 + 430_000 * kind + 100 * rng.uniform() for kind in kinds],
        "requests_peak_per_s": [45 + 2_900 * kind + rng.uniform() for kind in kinds],
        "tickets_new_per_day": [9_000 + 4_000 * kind + 3_000 * rng.uniform() for kind in kinds],
        "occupancy": [0.8 + 0.01 * rng.uniform() for _ in kinds],
        "assets_left_share": [1 - 0.6 * kind - 0.01 * rng.uniform() for kind in kinds],
    }
    found = estimates([{name: column[n] for name, column in columns.items()} for n in range(20)])
    assert {name: len(one.outcomes) for name, one in found.items()} == dict.fromkeys(columns, 2) | {"occupancy": 0}
    first, second = found["assets_left_share"].outcomes
    assert first.p50 > 0.9, "in the order of the run's kinds, whichever is less"
    assert second.p50 < 0.5
    alone = {"ran_share": columns["ran_share"], "occupancy": columns["occupancy"]}
    assert common_cut(alone.values()) is None, "one metric alone may lie in two clusters by chance"
    found = estimates([{name: column[n] for name, column in alone.items()} for n in range(20)])
    assert not found["ran_share"].outcomes
    assert not found.second_kind


def test_the_first_headline_of_such_a_run_tells_its_outcomes_with_their_probability() -> None:
    story = scenario().model_copy(update={"expect": {"ran_share > 0.1": "0.2..0.8"}})
    view = View(hourly(values(24 * 4)), metrics() | {"ran_share": estimate("ran_share", RAN)}, story)
    assert findings.headlines(view)[0] == (
        "Two kinds of future: in 10 of 20 nothing of it happens; in 10, 64 % (62 to 66 %) of the depositors took "
        "their money out in a run by the end. The second kind has a probability of 27 to 73 %."
    )
    assert findings.split(View(hourly(values(24 * 4)), metrics(), scenario())) == ""


def test_draining_is_told_by_what_becomes_of_it() -> None:
    """The faults: "0 (0 to 0) days; 10 of 20 do not", and a mean over those that drained alone."""
    drain = [*[0.0] * 8, 2.0, 3.0, *[AtLeast(12.0)] * 10]
    numbers = metrics() | {"drain_days": estimate("drain_days", drain)}
    view = View(hourly(values(24 * 4)), numbers, scenario())
    assert findings.drained(view) == (
        "The backlog: of 20 replications, in 8 it never rises above calm, in 2 it drains in 2.5 days (2.0 to 3.0 "
        "days), in 10 it has not drained by the end"
    )
    never = metrics() | {"drain_days": estimate("drain_days", [AtLeast(9.0)] * 3)}
    assert "does not drain before the end in any" in findings.drained(View(view_of(), never, scenario()))
    calm = metrics() | {"drain_days": estimate("drain_days", [0.0] * 3)}
    assert "nothing to drain" in findings.drained(View(view_of(), calm, scenario()))


def view_of():
    return hourly(values(24 * 4))


def test_estimates_come_back_from_json_with_their_outcomes() -> None:
    for one in (estimate("ran_share", RAN), estimate("drain_days", [0.0, 0.0, 3.0, AtLeast(9.0)])):
        assert Estimate.from_json(one.as_json()) == one
    assert "outcomes" not in estimate("ran_share", RUNS).as_json()


# --- expectations --------------------------------------------------------------------------------------------------


def test_an_expectation_may_be_of_a_quantile() -> None:
    run = Estimated({"ran_share": estimate("ran_share", RAN)})
    passed = {"ran_share:p05": "< 0.01", "ran_share:p95": "> 0.5", "ran_share": "0.2..0.4"}
    assert [one.passed for one in judge(passed, run)] == [True, True, True]
    failed = {"ran_share:p05": "> 0.01", "ran_share:p95": "< 0.5"}
    assert [one.passed for one in judge(failed, run)] == [False, False]


def test_an_expectation_may_be_of_the_probability_of_an_outcome() -> None:
    run = Estimated({"ran_share": estimate("ran_share", RAN)}, {"ran_share": [*RAN, None]})
    (one,) = judge({"ran_share > 0.1": "0.2..0.8"}, run)
    assert (one.value, one.passed) == (0.5, True)
    assert one.measured == "0.50 (0.27 to 0.73), in 10 of 20 replications"
    assert not judge({"ran_share > 0.1": "> 0.6"}, run)[0].passed
    assert judge({"ran_share < 0.1": "0.2..0.8"}, run)[0].passed
    assert not judge({"ran_share > 0.1": "> 0"}, Estimated({}, {"ran_share": [None]}))[0].passed


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


def test_what_lies_beyond_the_horizon_counts_where_its_bound_decides() -> None:
    run = Estimated({}, {"drain_days": [1.0, AtLeast(2.0), AtLeast(9.0)]})
    (one,) = judge({"drain_days > 5": "0.4..0.6"}, run)
    assert one.measured == "0.50 (0.013 to 0.99), in 1 of 2 replications", "that of 2 days is not known"


# --- everywhere ----------------------------------------------------------------------------------------------------


def test_the_command_line_shows_the_same_of_a_saved_run(few: Run, tmp_path: Path) -> None:
    text = metric_table(few.metrics, days=2)
    assert "median (5 to 95 % of the replications)" in text
    assert text.endswith("a day: averaged over the 2 days that are measured")
    assert "±" not in text
    assert metric_table(read_run(few.save(tmp_path / "run")).metrics, days=2) == text


def test_what_is_not_modelled_is_not_in_the_table(few: Run) -> None:
    """The fault: "not reached" for what the scenario does not have."""
    assert few.metrics["ran_share"].mean is None
    assert "ran_share" not in metric_table(few.metrics, days=2, everything=True)


def test_lines_are_medians_where_the_scenario_says_so_and_numbers_always(few: Run) -> None:
    view = View(few.hourly, few.metrics, few.scenario)
    assert view.middle == "median"
    assert view.centre(view.of("all", "n_backlog")).tolist() != view.of("all", "n_backlog").mean(axis=0).tolist()
    assert "median of the replications" in view.drawn_text(1)
    assert not [line for line in findings.headlines(view) if "±" in line]
    page = report_html(
        run_info={"name": "x", "seed": 1}, scenario=few.scenario, hourly=few.hourly, metrics=few.metrics, plots=[],
        expectations=few.expectations(),
    )  # fmt: skip
    assert "Each number is the median of the replications" in page
    assert "averages over all 2 days" in page
    texts = [one.get_text() for one in few.plot().findobj(lambda artist: hasattr(artist, "get_text"))]
    assert not [one for one in texts if "±" in one]
    assert [one for one in texts if "median of 4 replications" in one]
