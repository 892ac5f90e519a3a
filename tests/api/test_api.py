"""The face in Python: runs by name, shown in a line, as plain tables and as frames, and read back from their folder."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from sim import Run, ScenarioFaults, compare, load, read_run, run
from sim.core import tables
from sim.core.at_least import AtLeast
from sim.experiment.analysis.estimate import Estimates, estimate
from sim.experiment.analysis.frames import DIFFERENCES, ESTIMATES
from sim.experiment.analysis.headline import HEADLINE
from sim.experiment.analysis.html import table
from sim.experiment.analysis.words import TYPICAL
from sim.scenario.rules.expectations import parts_of
from sim.scenario.schema.metric_names import METRIC_PARTS
from tests.support.cli_runs import undrawn

pytestmark = pytest.mark.xdist_group("api")
QUICK = {"extends": "quiet_week", "days": 2, "warmup_days": 0}


@pytest.fixture(scope="module")
def base() -> Run:
    return run(QUICK, replications=3, name="as it is")


@pytest.fixture(scope="module")
def more() -> Run:
    return run(load(QUICK, sets="teams.front.agents=4"), replications=3)


class Cells(HTMLParser):
    """The cells of a table, row by row; a tag that is not closed, or no table's, is an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.open: list[str] = []
        self.caption = ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag in ("table", "caption", "thead", "tbody", "tr", "th", "td")
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] == "caption":
            self.caption += data
        else:
            self.rows[-1][-1] += data


def test_a_scenario_runs_by_name_path_and_dict(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('extends = "quiet_week"\ndays = 2\nwarmup_days = 0\n', encoding="utf-8")
    by_path, by_dict = run(path, replications=1), run(QUICK, replications=1)
    assert (by_path.name, by_dict.name, run("quiet_week", replications=1).name) == ("mine", "scenario", "quiet_week")
    assert by_path.metrics == by_dict.metrics
    with pytest.raises(ScenarioFaults, match="did you mean quiet_week"):
        run("quiet_weak")


# --- shown ----------------------------------------------------------------------------------------------------------


def test_everything_shows_itself_in_one_short_line(base: Run, more: Run) -> None:
    assert repr(base) == "<Run of as it is: 3 replications of 2 days from seed 1>"
    assert repr(base.metrics) == f"<{len(base.metrics)} estimates, such as tickets_new_per_day>"
    found = compare(base, more)
    assert re.fullmatch(r"<Comparison of \d+ metrics, \d+ clearly different; .*>", repr(found))
    for one in (base, base.metrics, base.metrics["backlog_peak"], found):
        assert len(repr(one)) < 250
        assert "\n" not in repr(one)


def test_a_run_is_a_table_of_its_headline_metrics(base: Run) -> None:
    shown = Cells(base._repr_html_())
    assert shown.caption == base.caption()
    head, *rows = shown.rows
    assert head == ["metric", *TYPICAL]
    assert [row[0] for row in rows] == [name for name in HEADLINE if name in base.metrics]
    assert all(row[1] == str(base.metrics[row[0]]) for row in rows)


def test_estimates_are_tables(base: Run) -> None:
    assert [row[0] for row in Cells(base.metrics._repr_html_()).rows[1:]] == list(base.metrics)
    assert Cells(base.metrics["backlog_peak"]._repr_html_()).rows[1][0] == str(base.metrics["backlog_peak"])


def test_two_kinds_of_outcome_are_shown_as_two() -> None:
    shown = Estimates(ran_share=estimate("ran_share", [0.0, 0.001, 0.002] * 4 + [0.69, 0.7, 0.71] * 2))
    told = "0.10 % (0 to 0.20 %) of the depositors in 12 of 18 replications, 70 % (69 to 71 %) of the depositors in 6"
    assert Cells(shown._repr_html_()).rows[1] == ["ran_share", told, ""]


def test_a_comparison_is_a_table_of_what_is_printed(base: Run, more: Run) -> None:
    found = compare(base, more)
    shown = Cells(found._repr_html_())
    assert found.how in shown.caption
    assert [tuple(row) for row in shown.rows[1:]] == [found.row(n) for n in found.names() if n in HEADLINE]


def test_texts_in_tables_are_escaped() -> None:
    hostile = '<script>alert("1")</script> & co'
    shown = Cells(table((hostile,), [(hostile,)], caption=hostile))
    assert (shown.caption, shown.rows) == (hostile, [[hostile], [hostile]])


# --- frames ---------------------------------------------------------------------------------------------------------


def test_the_frame_of_a_run_has_every_estimate(base: Run) -> None:
    found = base.frame()
    assert dict(found.schema) == tables.dtypes(ESTIMATES)
    for row, (name, one) in zip(found.iter_rows(named=True), base.metrics.items(), strict=True):
        assert f"{row['name']}.{row['entity']}".rstrip(".") == name
        for figure in ("unit", "half_width", "replications", "undefined", "censored"):
            assert row[figure] == getattr(one, figure)
        for figure in ("mean", "p05", "p50", "p95"):
            value = getattr(one, figure)
            known, bound = row[figure], row["at_least"][figure]
            assert (known, bound) == ((None, value) if isinstance(value, AtLeast) else (value, None))


def test_a_bound_is_no_figure_of_the_frame() -> None:
    beyond = Estimates(backlog_peak=estimate("backlog_peak", [1.0, 2.0, AtLeast(9.0)]))
    (row,) = beyond.frame().iter_rows(named=True)
    assert (row["mean"], row["half_width"], row["p50"], row["censored"]) == (None, None, 2.0, 1)
    assert row["at_least"] == {
        "mean": 4.0, "p05": None, "p50": None, "p95": pytest.approx(8.3), "p50_low": None, "p50_high": None,
    }  # fmt: skip


def test_a_part_of_the_frame_has_the_scenario_s_name_and_its_kind(base: Run) -> None:
    parts = base.frame().filter(pl.col("kind") != "")
    assert {"team", "category", "endpoint"} <= set(parts["kind"])
    for kind, named in (("team", base.scenario.teams), ("category", base.scenario.categories)):
        assert set(parts.filter(kind=kind)["entity"]) == set(named)


def test_the_frame_of_a_comparison_has_every_difference(base: Run, more: Run) -> None:
    found = compare(base, more)
    rows = found.frame()
    assert dict(rows.schema) == tables.dtypes(DIFFERENCES)
    assert rows.height == len(found.names()) == len(found.differences) + len(found.censored)
    peak = rows.row(by_predicate=(pl.col("name") == "backlog_peak") & (pl.col("entity") == "front"), named=True)
    name = "backlog_peak.front"
    assert peak["difference"] == found.differences[name].mean == pytest.approx(peak["other"] - peak["base"])
    assert (peak["half_width"], peak["verdict"]) == (found.differences[name].half_width, found.row(name)[-1])


# --- the names of [expect] ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["quiet_week", "volatility_spike"])
def test_every_part_that_expect_may_name_is_a_metric_of_the_run_and_no_other(scenario: str) -> None:
    done = run(load(scenario, sets=["days=1", "warmup_days=0"]) if scenario != "volatility_spike" else scenario,
               replications=1)  # fmt: skip
    may_be = {f"{name}.{part}" for names in METRIC_PARTS.values() for name in names
              for part in parts_of(done.scenario, name)}  # fmt: skip
    assert {name for name in done.metrics if "." in name} == may_be


def test_a_value_is_read_by_the_name_by_which_it_is_expected() -> None:
    limits = {"backlog_peak": "> 0", "backlog_peak.front": "> 0", "backlog_peak.front:p95": "> 0"}
    done = run(QUICK | {"expect": limits}, replications=3)
    assert [one.metric for one in done.expectations() if one.passed] == list(limits)
    peak = done.metrics["backlog_peak.front"]
    assert [done.metrics.value(name) for name in list(limits)[1:]] == [peak.mean, peak.p95]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("backlog_peek", "no metric of this run; did you mean backlog_peak?"),
        ("backlog_peak.frond", "did you mean backlog_peak.front?"),
        ("backlog_peak:p95", "value('backlog_peak:p95') reads a quantile"),
    ],
)
def test_a_name_that_is_no_metric_is_told_what_is_near(base: Run, name: str, hint: str) -> None:
    with pytest.raises(KeyError) as refused:
        base.metrics[name]
    assert hint in refused.value.args[0]
    assert name not in base.metrics


def test_a_quantile_that_there_is_not_is_told(base: Run) -> None:
    with pytest.raises(KeyError, match=r"must end with :p05, :p50, :p95, or without"):
        base.metrics.value("backlog_peak:p90")


# --- read back ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(base: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    undrawn(monkeypatch)
    return base.save(tmp_path / "run")


def test_a_folder_opens_as_the_run_that_it_was(base: Run, folder: Path) -> None:
    saved = read_run(str(folder))
    assert repr(saved) == repr(base).replace("Run of", "SavedRun of")
    assert saved._repr_html_() == base._repr_html_()
    assert saved.metrics == base.metrics
    assert saved.frame().equals(base.frame())
    assert saved.series.equals(base.series)
    assert saved.scenario == base.scenario
    assert not any(one.clear for one in compare(base, saved).differences.values())


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _with(name: str, text: str) -> Callable[[Path], int]:
    return lambda folder: (folder / name).write_text(text, encoding="utf-8")


def _folder_for_file(folder: Path) -> None:
    (folder / "run.json").unlink()
    (folder / "run.json").mkdir()


def _without_seed(folder: Path) -> None:
    info = json.loads((folder / "run.json").read_text("utf-8"))
    del info["seed"]
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (_without("run.json"), "got a folder without run.json; must be a run folder"),
        (_without("metrics.json"), "got a folder without metrics.json; must be a run folder"),
        (_without("replications.parquet"), "got a folder without replications.parquet; must be a run folder"),
        (_with("run.json", "[]"), "got a run.json that is no table; must be a run folder as it was written"),
        (_without_seed, "got a run.json without seed; must be a run folder as it was written"),
        (_with("metrics.json", "[]"), "must be a run folder as it was written"),
        (_with("metrics.json", '{"metrics": {"backlog_peak": 3}}'), "must be a run folder as it was written"),
        (_with("replications.parquet", "none"), "must be a run folder as it was written"),
        (_folder_for_file, "got no access (Is a directory); must be a run folder that can be read"),
    ],
)
def test_what_is_no_run_folder_is_a_sentence(folder: Path, damage: Callable[[Path], Any], fault: str) -> None:
    damage(folder)
    with pytest.raises(ScenarioFaults) as refused:
        read_run(folder)
    (told,) = refused.value.faults
    assert told.startswith(f"{folder}: RUN: got ")
    assert fault in told


def test_what_is_no_folder_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ScenarioFaults, match="got no folder of that name; must be a run folder"):
        read_run(tmp_path / "none")


def test_a_folder_without_its_series_opens_and_says_so_when_they_are_asked_for(folder: Path) -> None:
    (folder / "series.parquet").unlink()
    saved = read_run(folder)
    with pytest.raises(ScenarioFaults, match=r"got a folder without series\.parquet; must be a run folder"):
        _ = saved.series
    (folder / "run.json").write_text(
        (folder / "run.json").read_text("utf-8").replace('"days": 2', '"days": -2'), encoding="utf-8"
    )
    with pytest.raises(ScenarioFaults, match=r"run\.json: days: got -2; must be a whole number"):
        _ = read_run(folder).scenario
