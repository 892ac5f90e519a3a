"""``withstand explain``: every key has a meaning, a unit and a source, and whatever is meant is found or refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.metrics.registry import METRICS
from sim.output.explain import Explanation, explain, metrics_moved, overview, values_of
from sim.scenario.faults import ScenarioFaults
from sim.scenario.reference.keys import ANY, Key, distributions, key_at, keys
from sim.scenario.reference.provenance import KINDS
from tests.support.cli_runs import withstand

PARAMETERS = [key for key in keys() if not key.is_table]


values = cache(values_of)


def told_of(text: str, scenario: str = "baseline") -> Explanation:
    return explain(text, values(scenario))


def lines(text: str, scenario: str = "baseline") -> dict[str, str]:
    return dict(told_of(text, scenario).lines)


def fault(text: str) -> str:
    with pytest.raises(ScenarioFaults) as caught:
        told_of(text)
    [sentence] = caught.value.faults
    return sentence


# --- every key ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [*keys(), *distributions()], ids=lambda key: key.name)
def test_every_key_has_a_meaning_and_every_number_a_unit(key: Key) -> None:
    assert len(key.meaning.split()) > 2, f"{key.name}: its Field says no more than {key.meaning!r}"
    if key.is_number and not key.is_table:
        assert key.unit, (
            f"{key.name}: {key.meaning!r} names no unit; say what it is measured in, or give its type a unit"
        )


@pytest.mark.parametrize("key", keys(), ids=lambda key: key.name)
def test_every_key_can_be_explained(key: Key) -> None:
    told = told_of(key.name)
    assert told.heading == key.name
    assert dict(told.lines)["meaning"] == key.meaning
    assert dict(told.lines)["read by"]
    assert "must be" in dict(told.lines) or key.is_table


def test_every_number_of_the_baseline_says_where_it_comes_from() -> None:
    places = values("baseline").provenance
    assert len(places) > 300
    for name, one in places.items():
        told = lines(name)
        assert told["source"].startswith(KINDS), name
        if one.kind in ("source", "assumption"):
            assert told["range"] != "-", f"{name}: {one.kind} without a plausible range"
            assert ".." in told["range"]


def test_the_overview_has_a_line_for_every_key_distribution_and_metric() -> None:
    told = dict(overview())
    assert len(told) == len(keys()) + len(distributions()) + len(METRICS)
    assert told["withdrawals.payouts_per_minute"].startswith("withdrawals that the pipeline can pay in a minute")
    assert told["distribution lognormal.cv"].startswith("coefficient of variation")
    assert "(tickets)" in told["metric backlog_peak"]
    assert all(told.values())


# --- what is told -------------------------------------------------------------------------------------------------


def test_a_parameter_reads() -> None:
    assert told_of("withdrawals.payouts_per_minute").heading == "withdrawals.payouts_per_minute"
    told = lines("withdrawals.payouts_per_minute")
    assert told["unit"] == "withdrawals per minute"
    assert told["must be"] == "a number above 0"
    assert told["in baseline"] == "240"
    assert told["source"].startswith("assumption (")
    assert "baseline.toml, line " in told["source"]
    assert told["range"] == "60..600"
    assert "sim/model/feedback_parameters.py" in told["read by"]
    assert told["moves"].startswith("withdrawals_late_peak")


def test_durations_and_distributions_read_in_their_units() -> None:
    told = lines("evidence.reply")
    assert told["unit"] == "duration"
    assert told["range"] == "2 h..1 d, 0.8..2.5"
    assert told["must be"].startswith("a table with law = exponential, lognormal")
    inner = lines("evidence.reply.mean")
    assert (inner["in baseline"], inner["range"]) == ('"8 h"', "2 h..1 d")
    assert "mean of the durations" in inner["meaning"]
    assert lines("evidence.reply.cv")["unit"].startswith("ratio")


def test_the_key_of_a_distribution_reads() -> None:
    told = told_of("lognormal.p90")
    assert told.heading == "distribution lognormal.p90"
    assert dict(told.lines)["meaning"] == "90 % quantile"
    assert "did you mean lognormal.p90?" in fault("lognormal.p9")


def test_a_star_stands_for_every_name() -> None:
    told = told_of("categories.*.share")
    assert told.rows[0] == ("key", "in baseline", "source", "range")
    assert [row[0] for row in told.rows[1:3]] == ["categories.howto.share", "categories.deposit_missing.share"]
    assert told.rows[1][1] == "0.3"
    assert "in baseline" not in dict(told.lines)


def test_what_no_file_says_is_called_default_or_absent() -> None:
    assert lines("shifts.day.days")["in baseline"] == "[] (default)"
    assert lines("categories.howto.arrivals_per_hour")["in baseline"] == "absent"
    assert lines("teams.*.concurrency")["default"] == "1"
    assert lines("shocks.*.half_life", scenario="volatility_spike")["default"] == '"0 ms"'


def test_another_scenario_has_values_of_its_own(tmp_path: Path) -> None:
    told = lines("shocks.crash.tickets", scenario="volatility_spike")
    assert told["in volatility_spike"] == "3"
    file = tmp_path / "mine.toml"
    file.write_text('extends = "baseline"\nwithdrawals.reviews_per_hour = 7  # source: me; range 1..9\n')
    told = lines("reviews_per_hour", scenario=str(file))
    assert (told["in mine"], told["source"], told["range"]) == ("7", f"source: me ({file}, line 2)", "1..9")


def test_a_table_lists_its_keys() -> None:
    told = told_of("readers")
    assert [row[0] for row in told.rows[1:]] == ["readers.poll_every", "readers.poll_share", "readers.view_every"]
    assert told.rows[1][2] == '"30 s"'
    assert "reads_peak_per_s" in dict(told.lines)["moves"]


def test_a_metric_reads() -> None:
    told = told_of("backlog_peak.compliance")
    assert told.heading == "metric backlog_peak.compliance"
    told = lines("within_target_share")
    assert told["unit"] == "of human-handled tickets with a target"
    assert told["better"] == "more is better"
    assert "queues.*.target" in told["moved by"]


def test_what_moves_nothing_says_why() -> None:
    assert lines("title")["moves"].startswith("no metric: ")
    nothing = [key.name for key in PARAMETERS if not metrics_moved(key)]
    for name in nothing:
        assert dict(told_of(name).lines)["moves"] != ""


# --- what was meant -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        ("reviews_per_hour", "withdrawals.reviews_per_hour"),
        ("mau_share", "population.mau_share"),
        ("bot_resolve", "categories.*.bot_resolve"),
        ("steps.*.solved", "categories.*.steps.*.solved"),
        ("categories.howto", "categories.howto"),
        ("queues.finance.age.1.to", "queues.finance.age.1.to"),
        ("teams.front.agents.day", "teams.front.agents.day"),
    ],
)
def test_the_last_keys_are_enough_where_they_are_no_others(short: str, whole: str) -> None:
    assert told_of(short).heading == whole


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("review_per_hour", "did you mean reviews_per_hour?"),
        ("withdrawals.payout_per_minute", "did you mean withdrawals.payouts_per_minute?"),
        ("categories.howtoo.share", "did you mean categories.howto.share?"),
        ("backlog_peek", "did you mean backlog_peak?"),
        ("bot.handle.meen", "command line: KEY: got bot.handle.meen; must be a key of the scenarios or a metric"),
        ("xyzzy", "got xyzzy; must be a key of the scenarios or a metric (withstand explain lists them)"),
        ("", "command line: KEY: got ; must be a key"),
        ("...", "must be a key of the scenarios or a metric"),
    ],
)
def test_a_mistake_is_told(text: str, sentence: str) -> None:
    assert sentence in fault(text)


def test_what_could_be_several_lists_them() -> None:
    sentence = fault("poll")
    assert "must be a key" in sentence
    sentence = fault("share")
    assert sentence.startswith("command line: KEY: got share; must be a single key: categories.*.share, ")
    assert "evidence.share" in sentence


def test_a_scenario_that_does_not_exist_is_told() -> None:
    with pytest.raises(ScenarioFaults, match=r"did you mean baseline\?"):
        values_of("baselin")


@given(
    st.lists(st.sampled_from(["categories", "howto", ANY, "share", "0", "bot", "handle", "mean", "x", ""]), max_size=5)
)
def test_anything_is_explained_or_refused(words: list[str]) -> None:
    try:
        told = told_of(".".join(words))
    except ScenarioFaults:
        return
    assert key_at(told.heading.split(".")) is not None


# --- the command --------------------------------------------------------------------------------------------------


def test_the_command_prints_and_refuses() -> None:
    told = withstand("explain", "withdrawals.payouts_per_minute")
    assert told.code == 0
    assert "  unit         withdrawals per minute\n" in told.out
    told = withstand("explain", "categories.*.share", "--scenario", "quiet_week")
    assert told.code == 0
    assert "in quiet_week" in told.out
    told = withstand("explain")
    assert told.code == 0
    assert len(told.out.splitlines()) == len(overview())
    told = withstand("explain", "payout_per_minute")
    assert (told.code, told.out) == (2, "")
    assert told.err.startswith("command line: KEY: got payout_per_minute; must be a key")
    told = withstand("explain", "days", "--scenario", "none.toml")
    assert told.code == 2
    assert told.err.startswith("none.toml: got no such file")
