"""What ``[expect]`` and ``answers`` may say: each slip is told at once, and every name that is taken has a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim.experiment.replication import observe
from sim.metrics.registry import METRICS, measure
from sim.model.model import build
from sim.scenario import Scenario, ScenarioFaults, load
from sim.scenario.rules.expectations import expect_faults, parts_of
from sim.scenario.schema.expectation import bounds
from sim.scenario.schema.metric_names import METRIC_PARTS

INF = float("inf")
RULE = 'must be "low..high", "> x" or "< x" in quotes, of plain numbers such as 0.5 or 10_000'
OUTCOME_RULE = 'must name an outcome as "METRIC > x" or "METRIC < x", x a plain number, and no quantile'
PROBABILITY_RULE = "must be of a probability, from 0 to 1, and leave out some of these"
WORLD = Path(__file__).parents[1] / "catalogue" / "checklist_world.toml"


@pytest.mark.parametrize(("text", "expected"), [
    ("1..2", (1, 2)), (" 1.5 .. 2_000 ", (1.5, 2000)), ("-3..-1", (-3, -1)), ("4..4", (4, 4)),
    ("0.1..0.25", (0.1, 0.25)), ("> 3", (3, INF)),
    (">-1.5", (-1.5, INF)), ("< 10_000", (-INF, 10_000)), ("<0", (-INF, 0)),
])  # fmt: skip
def test_bounds(text: str, expected: tuple[float, float]) -> None:
    assert bounds(text) == pytest.approx(expected)


SLIPS = (
    "", "1", "1..", "..2", ">= 3", "=3", "1...2", "1..2..3", "a..b", "nan..1", "> 1e", "> 1e3", "1 - 2", "5 %",
    "1__0..2", "> 1_", "> .5", "> 1,000", "1–2", "> 3 h", "> x",
)  # fmt: skip


@pytest.mark.parametrize("text", SLIPS)
def test_other_bounds_are_refused_with_the_rule(text: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - its words are compared below
        bounds(text)
    assert str(refused.value) == RULE


def faults(tmp_path: Path, *lines: str) -> list[str]:
    """Return the faults of the small desk with these lines in its [expect], without the file's name."""
    file = tmp_path / "a.toml"
    file.write_text("\n".join(['extends = "quiet_week"', "[expect]", *lines]), encoding="utf-8")
    try:
        load(str(file))
    except ScenarioFaults as refused:
        return [fault.removeprefix(f"{file}: ") for fault in refused.faults]
    return []


CATEGORIES = "howto, deposit_missing, withdrawal_delayed"


@pytest.mark.parametrize(("line", "told"), [
    ("backlog_peek = '> 1'", 'backlog_peek: got "backlog_peek"; must be a metric; did you mean backlog_peak?'),
    ("Backlog_Peak = '> 1'", 'Backlog_Peak: got "Backlog_Peak"; must be a metric; did you mean backlog_peak?'),
    ("'backlog_peek.front:p95' = '> 1'",
     '"backlog_peek.front:p95": got "backlog_peek.front:p95"; must be a metric; did you mean backlog_peak.front:p95?'),
    ("'backlog_peak.frnt' = '> 1'",
     '"backlog_peak.frnt": got "backlog_peak.frnt"; must be of a team; did you mean backlog_peak.front?'),
    ("'backlog_peak.howto:p50' = '> 1'",
     '"backlog_peak.howto:p50": got "backlog_peak.howto:p50"; must be of a team: front'),
    ("'resolution_p90.' = '> 1'",
     f'"resolution_p90.": got "resolution_p90."; must be of a category: {CATEGORIES}'),
    ("'resolution_p90.front' = '> 1'",
     f'"resolution_p90.front": got "resolution_p90.front"; must be of a category: {CATEGORIES}'),
    ("'rumour_peak.front' = '> 1'",
     '"rumour_peak.front": got "rumour_peak.front"; must be rumour_peak, which has no parts here; '
     "did you mean rumour_peak?"),
    ("'wallet_low_share.BTC:p05' = '> 1'",
     '"wallet_low_share.BTC:p05": got "wallet_low_share.BTC:p05"; must be wallet_low_share, which has no parts here; '
     "did you mean wallet_low_share:p05?"),
    ("'backlog_peak:p99' = '> 1'",
     '"backlog_peak:p99": got "backlog_peak:p99"; must end with a quantile (:p05, :p50, :p95), or without; '
     "did you mean backlog_peak:p95?"),
    ("'backlog_peak:mean' = '> 1'",
     '"backlog_peak:mean": got "backlog_peak:mean"; must end with a quantile (:p05, :p50, :p95), or without'),
    ("'backlog_peek > 5' = '0.1..0.9'",
     '"backlog_peek > 5": got "backlog_peek > 5"; must be a metric; did you mean backlog_peak > 5?'),
    ("'backlog_peak.frnt>5' = '> 0.1'",
     '"backlog_peak.frnt>5": got "backlog_peak.frnt>5"; must be of a team; did you mean backlog_peak.front>5?'),
    ("'backlog_peak >= 5' = '> 0.1'", f'"backlog_peak >= 5": got "backlog_peak >= 5"; {OUTCOME_RULE}'),
    ("'backlog_peak:p95 > 5' = '> 0.1'", f'"backlog_peak:p95 > 5": got "backlog_peak:p95 > 5"; {OUTCOME_RULE}'),
    ("'backlog_peak > 5' = '10..90'", f'"backlog_peak > 5": got "10..90"; {PROBABILITY_RULE}'),
    ("'backlog_peak > 5' = '0..1'", f'"backlog_peak > 5": got "0..1"; {PROBABILITY_RULE}'),
    ("'backlog_peak > 5' = '< 0.'", f'"backlog_peak > 5": got "< 0."; {RULE}'),
    ("backlog_peak = 5", f"backlog_peak: got 5; {RULE}"),
    ("backlog_peak = [1, 2]", f"backlog_peak: got [1, 2]; {RULE}"),
    ("backlog_peak = '>= 5'", f'backlog_peak: got ">= 5"; {RULE}'),
    ("backlog_peak = '2..1'", f'backlog_peak: got "2..1"; {RULE}; low must not exceed high'),
    ("backlog_peak.front = '> 5'",
     f'backlog_peak: got {{front = "> 5"}}; {RULE}; a name with a dot stands in quotes: '
     '"backlog_peak.front" = "< 100"'),
])  # fmt: skip
def test_a_slip_is_told_when_the_scenario_is_loaded(tmp_path: Path, line: str, told: str) -> None:
    assert faults(tmp_path, line) == [f"expect.{told}"]


def test_a_name_like_no_metric_s_lists_them_all(tmp_path: Path) -> None:
    (told,) = faults(tmp_path, "zzz = '> 1'")
    assert told == f'expect.zzz: got "zzz"; must be a metric: {", ".join(metric.name for metric in METRICS)}'


def test_every_slip_is_told_at_once(tmp_path: Path) -> None:
    assert len(faults(tmp_path, "backlog_peek = '> 1'", "'occupancy:p9' = '> 1'", "'occupancy.back' = '> 1'")) == 3
    assert len(faults(tmp_path, "backlog_peak = '?'", "occupancy = 1")) == 2


ASKED = 'question = "how long?"'


@pytest.mark.parametrize(("line", "told"), [
    ("answers = ['backlog_peek']", 'answers.0: got "backlog_peek"; must be a metric; did you mean backlog_peak?'),
    ("answers = ['occupancy', 'backlog_peek.front:p95']",
     'answers.1: got "backlog_peek.front:p95"; must be a metric; did you mean backlog_peak.front:p95?'),
    ("answers = ['backlog_peak.frnt']",
     'answers.0: got "backlog_peak.frnt"; must be of a team; did you mean backlog_peak.front?'),
    ("answers = ['ran_share:p99']",
     'answers.0: got "ran_share:p99"; must end with a quantile (:p05, :p50, :p95), or without; '
     "did you mean ran_share:p95?"),
    ("answers = ['occupancy', 'occupancy']", 'answers.1: got "occupancy"; must be named once'),
    ("answers = []", "answers: got []; must name the metrics that answer the question"),
    ("", "answers: got nothing; must name the metrics that answer the question"),
    ("answers = 'occupancy'",
     'answers: got "occupancy"; must be a list (metrics that answer the question, named as in expect)'),
    ("answers = [3]", "answers.0: got 3; must be text in quotes"),
])  # fmt: skip
def test_a_slip_in_the_answers_is_told_as_well(tmp_path: Path, line: str, told: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text("\n".join(['extends = "quiet_week"', ASKED, line]), encoding="utf-8")
    with pytest.raises(ScenarioFaults) as refused:
        load(file)
    assert [fault.removeprefix(f"{file}: ") for fault in refused.value.faults] == [told]


def test_answers_need_a_question_and_neither_is_inherited(tmp_path: Path) -> None:
    assert load("quiet_week").question
    assert load("quiet_week").answers
    heir = load({"extends": "quiet_week", "days": 2})
    assert (heir.question, heir.answers) == ("", [])
    with pytest.raises(ScenarioFaults, match="question: got nothing; must be given, since answers names"):
        load({"extends": "quiet_week", "answers": ["occupancy"]})


def test_a_name_on_the_command_line_is_checked_as_well() -> None:
    with pytest.raises(ScenarioFaults, match="did you mean backlog_peak"):
        load("quiet_week", sets=['expect.backlog_peek="> 1"'])


@pytest.mark.parametrize("name", ["baseline", "quiet_week", str(WORLD)])
def test_the_names_taken_are_those_that_have_a_value(name: str) -> None:
    scenario = load(name, sets=["days=1", "warmup_days=0"])
    measured = measure(observe(build(scenario), seed=1, replication=0))
    named = {one.name for one in METRICS} | {f"{m.name}.{part}" for m in METRICS for part in parts_of(scenario, m.name)}
    # A rail without a wallet is no part of what wallets hold: there it has no value.
    assert named == {one for one in measured if one in named or measured[one] is not None}
    assert named <= set(measured)


def test_every_part_and_quantile_may_be_expected() -> None:
    world = load(str(WORLD))
    names = [f"{one}.{part}" for metrics in METRIC_PARTS.values() for one in metrics for part in parts_of(world, one)]
    assert len(names) > 50
    expect: dict[str, Any] = {name + tail: "> 0" for name in names for tail in ("", ":p05", ":p50", ":p95")}
    taken = Scenario.model_validate(world.model_dump(mode="json") | {"expect": expect})
    assert not list(expect_faults(taken))


def test_a_path_of_steps_that_do_not_exist_is_a_fault_and_hides_none_of_what_is_expected() -> None:
    with pytest.raises(ScenarioFaults) as caught:
        load(
            {
                "extends": "quiet_week",
                "categories": {"howto": {"path": ["nosuch"]}},
                "expect": {"backlog_peak.nobody": "> 1"},
            }
        )
    told = str(caught.value)
    assert "categories.howto.path" in told
    assert "backlog_peak.nobody" in told
