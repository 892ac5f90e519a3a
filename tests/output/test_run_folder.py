"""A run's folder: everything in it, the same bits from the same seed, and enough in it to do the run again."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import polars as pl
import pytest

from sim import run
from sim.core import tables
from sim.core.clock import DAY_MS
from sim.core.tables import ARRIVALS, REPLICATIONS, SERIES, TICKET_TIMES, TICKETS
from sim.metrics.registry import METRICS
from sim.output.run_folder import add_verdicts
from sim.scenario.loading.load import from_resolved
from tests.support.cli_runs import QUICK, ROOT, installed, undrawn, withstand

pytestmark = pytest.mark.xdist_group("run_folder")

FIGURES = ("mean", "p05", "p50", "p95")
SCHEMAS = {"series": SERIES, "tickets": TICKETS, "replications": REPLICATIONS, "arrivals": ARRIVALS}
TABLES = [f"{name}.parquet" for name in SCHEMAS]
# Small, but with everything in it: bot, departments, evidence, withdrawals, live levels, complaints.
SMALL = (
    "volatility_spike", "--set", "days=2", "--set", "warmup_days=1", "--set", "population.registered=200000",
    "--set", "teams.front.agents=1", "--set", 'bot.handle={law="deterministic", value="3 h"}',
    "--tickets", "all", "--replications", "2", "--quiet",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("first") / "run"
    assert withstand("run", *SMALL, "--jobs", "1", "--out", place).code == 0
    return place


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same run made by another process: two workers, other salt for Python's own hash."""
    place = tmp_path_factory.mktemp("again")
    told = installed("run", *SMALL, "--jobs", "2", "--out", "run", cwd=place, PYTHONHASHSEED="7")
    assert (told.code, told.out, told.err) == (0, "", "")
    return place / "run"


def _json(path: Path) -> Any:
    def refuse(word: str) -> float:
        raise ValueError(f"{path.name} holds {word}, which is no JSON")

    return json.loads(path.read_text("utf-8"), parse_constant=refuse)


def test_the_folder_holds_every_file_of_the_design(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names == {"run.json", "metrics.json", "report.html", "plots", *TABLES}
    plots = sorted(path.name for path in (folder / "plots").iterdir())
    stems = sorted({name.split(".")[0] for name in plots})
    assert plots == sorted(f"{stem}.{kind}" for stem in stems for kind in ("png", "svg"))
    assert {"overview", "backlog", "complaints", "waits", "staffing", "endpoints"} <= set(stems)
    assert all((folder / "plots" / name).stat().st_size > 1000 for name in plots)
    assert 10_000 < (folder / "report.html").stat().st_size < 3_000_000
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


def test_metrics_json_has_the_shape_that_others_read(folder: Path) -> None:
    data = _json(folder / "metrics.json")
    assert list(data) == ["metrics"]
    assert {name.split(".")[0] for name in data["metrics"]} == {metric.name for metric in METRICS}
    units = {metric.name: metric.unit for metric in METRICS}
    for name, entry in data["metrics"].items():
        always = ["unit", "mean", "half_width", "p05", "p50", "p95", "replications", "undefined"]
        sometimes = ["censored", "p50_low", "p50_high", "outcomes", "at_least"]
        assert list(entry)[: len(always)] == always, name
        assert set(entry) <= {*always, *sometimes}, name
        assert entry["unit"] == units[name.split(".")[0]]
        assert entry["replications"] + entry["undefined"] == 2
        figures = [key for key in FIGURES if key in entry]
        values = [entry[key] for key in figures]
        if entry["replications"] == 0:
            assert [*values, entry["half_width"]] == [None] * 5, name
            continue
        values = [entry["at_least"][key] if entry[key] is None else entry[key] for key in figures]
        assert all(math.isfinite(value) for value in values), name
        assert values[1] <= values[2] <= values[3], name
        exact = "censored" not in entry and entry["replications"] > 1
        assert (entry["half_width"] is not None) == exact, name


def test_metrics_json_is_the_mean_of_the_replications(folder: Path) -> None:
    values = tables.read(folder / "replications.parquet", REPLICATIONS)
    for name, entry in _json(folder / "metrics.json")["metrics"].items():
        known = values.filter(pl.col("name") == name)["value"].drop_nulls().to_numpy()
        assert len(known) == entry["replications"]
        if len(known):
            mean = entry["at_least"]["mean"] if "censored" in entry else entry["mean"]
            assert mean == pytest.approx(known.mean(), rel=1e-12), name


def test_the_same_seed_gives_the_same_bits_whoever_works(folder: Path, again: Path) -> None:
    assert (folder / "metrics.json").read_bytes() == (again / "metrics.json").read_bytes()
    for name in TABLES:
        assert pl.read_parquet(folder / name).equals(pl.read_parquet(again / name)), name
    assert tables.header(folder / "arrivals.parquet") == tables.header(again / "arrivals.parquet")
    first, second = _json(folder / "run.json"), _json(again / "run.json")
    for other in (first, second):
        del other["started_utc"], other["finished_utc"]
    assert first == second


def test_another_seed_gives_other_customers(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undrawn(monkeypatch)
    assert withstand("run", *SMALL, "--jobs", "1", "--seed", "2", "--out", tmp_path / "run").code == 0
    for name in ("metrics.json", *TABLES):
        assert (folder / name).read_bytes() != (tmp_path / "run" / name).read_bytes(), name


def test_more_replications_leave_the_first_as_they_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undrawn(monkeypatch)
    assert withstand("run", *SMALL, "--replications", "3", "--jobs", "1", "--out", tmp_path / "run").code == 0
    for name in ("tickets.parquet", "replications.parquet", "series.parquet"):
        longer = pl.read_parquet(tmp_path / "run" / name)
        assert longer["replication"].max() == 2
        assert longer.filter(pl.col("replication") < 2).equals(pl.read_parquet(folder / name)), name


def test_run_json_is_enough_to_do_it_again(folder: Path) -> None:
    info = _json(folder / "run.json")
    scenario = from_resolved(info["scenario"])
    redone = run(scenario, seed=info["seed"], replications=info["replications"], engine=info["engine"])
    metrics = {name: one.as_json() for name, one in redone.metrics.items()}
    assert metrics == _json(folder / "metrics.json")["metrics"]


def test_run_json_tells_what_was_run(folder: Path) -> None:
    info = _json(folder / "run.json")
    assert (info["name"], info["seed"], info["replications"], info["engine"]) == ("volatility_spike", 1, 2, "fast")
    assert info["source"] == "volatility_spike"
    assert "population.registered=200000" in info["sets"]
    text = json.dumps(info["scenario"], ensure_ascii=False, separators=(",", ":"))
    assert info["scenario_sha256"] == sha256(text.encode("utf-8")).hexdigest()
    assert {"python", "withstand", "numpy", "polars", "simpy"} <= set(info["versions"])
    assert info["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert datetime.fromisoformat(info["started_utc"]) <= datetime.fromisoformat(info["finished_utc"])
    assert {one["verdict"] for one in info["expect"]} == {"not judged"}
    assert "commit" in info


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_tables_open_in_polars_and_pandas_alike(folder: Path, name: str) -> None:
    path = folder / f"{name}.parquet"
    ours, theirs = tables.read(path, SCHEMAS[name]), pd.read_parquet(path)
    assert list(theirs.columns) == ours.columns == [column.name for column in SCHEMAS[name]]
    assert len(theirs) == ours.height > 0
    for column in ours.columns:
        assert (ours[column].is_null().to_numpy() == theirs[column].isna().to_numpy()).all(), column
        known = theirs[column].notna().to_numpy()
        mine, other = ours[column].to_numpy()[known], theirs[column].to_numpy()[known]
        if ours[column].dtype == pl.Float64:
            np.testing.assert_array_equal(mine.astype(float), other.astype(float))
        elif ours[column].dtype.is_temporal():
            asi8 = pd.DatetimeIndex(theirs[column][known]).as_unit("ms").asi8
            assert (ours[column].drop_nulls().dt.epoch("ms").to_numpy() == asi8).all()
        else:
            assert list(mine) == list(other), column


def test_no_ticket_vanishes(folder: Path) -> None:
    every = tables.read(folder / "tickets.parquet", TICKETS)
    assert every["replication"].unique().sort().to_list() == [0, 1]
    assert every.height == sum((every["outcome"] == outcome).sum() for outcome in ("open", "resolved", "left"))
    assert (every["closed_ms"].is_null() == (every["outcome"] == "open")).all()
    assert (every["opened_ms"] <= every["closed_ms"]).drop_nulls().all()
    end = 3 * DAY_MS  # a day of warm-up and two days
    assert (every["opened_ms"] < end).all()
    assert (every["closed_ms"].drop_nulls() < end).all()
    assert every.filter(pl.col("bot") & (pl.col("outcome") == "open")).height > 0, "the bot was not done with it"
    assert every.select("replication", "ticket").is_unique().all()
    parents = every.filter(pl.col("parent") >= 0).select("replication", ticket="parent")
    assert parents.height > 0
    assert parents.join(every, on=["replication", "ticket"], how="anti").height == 0, "a child's parent is there too"


def test_a_ticket_says_where_it_was_and_when(folder: Path) -> None:
    every = tables.read(folder / "tickets.parquet", TICKETS)
    assert every.select(pl.selectors.numeric()).max().max_horizontal().item() < 10**12, "no time stands for never"
    begin = datetime(2026, 1, 5, tzinfo=UTC)
    for name in TICKET_TIMES:
        assert (every[f"{name}_ms"].is_null() == every[f"{name}_utc"].is_null()).all(), name
        since_ms = (every[f"{name}_utc"] - begin).dt.total_milliseconds()
        assert since_ms.equals(every[f"{name}_ms"]), name
    people = every.filter(~pl.col("bot"))
    assert people["queue"].null_count() == 0
    assert (people["legs"] >= 1).all()
    assert (people["team"].is_null() == people["first_start_ms"].is_null()).all()
    assert every.filter(pl.col("bot")).select(
        "queue", "team", "first_start_ms"
    ).null_count().sum_horizontal().item() == (3 * int(every["bot"].sum()))


def test_tickets_and_metrics_count_the_same(folder: Path) -> None:
    tickets = tables.read(folder / "tickets.parquet", TICKETS)
    values = tables.read(folder / "replications.parquet", REPLICATIONS)
    for replication in (0, 1):
        metric = dict(values.filter(pl.col("replication") == replication).select("name", "value").iter_rows())
        mine = tickets.filter(pl.col("replication") == replication)
        tickets_of_their_own = (pl.col("parent") < 0) & (pl.col("kind") != "task")
        roots = mine.filter(tickets_of_their_own & (pl.col("opened_ms") >= DAY_MS))
        assert metric["tickets_new_per_day"] * 2 == pytest.approx(roots.height)
        assert metric["tickets_bot_per_day"] * 2 == pytest.approx(roots["bot"].sum())
        assert metric["tickets_human_per_day"] * 2 == pytest.approx((~roots["bot"]).sum())
        for (category,), of_category in roots.group_by("category"):
            assert metric[f"tickets_new_per_day.{category}"] * 2 == pytest.approx(of_category.height)
        complained = mine.filter(pl.col("complaint_ms").is_between(DAY_MS, 3 * DAY_MS, closed="left"))
        assert metric["complaints_direct_per_day"] * 2 == pytest.approx(complained.height)
        assert metric["backlog_end"] == mine.filter(~pl.col("bot") & (pl.col("outcome") == "open")).height


def test_the_report_is_written_again_from_the_files_with_a_verdict_in_it(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "run")
    before = (folder / "report.html").read_text("utf-8")
    for name in ("slow", "fast"):
        (tmp_path / "run" / "loadtest" / name).mkdir(parents=True)
        verdict = {"valid": True, "passed": True, "host": f"the {name} server"}
        (tmp_path / "run" / "loadtest" / name / "verdict.json").write_text(json.dumps(verdict))
    add_verdicts(tmp_path / "run")
    after = (tmp_path / "run" / "report.html").read_text("utf-8")
    begin, end = after.index("<h2>Load tests</h2>"), after.index("<h2>The funnel</h2>")
    assert "against the slow server" in after[begin:end]
    assert "against the fast server" in after[begin:end]
    assert (after[:begin] + after[end:]).split() == before.split()
    assert {path.name for path in (tmp_path / "run").iterdir()} == {path.name for path in folder.iterdir()} | {
        "loadtest"
    }


def test_only_the_first_replication_keeps_its_tickets_unless_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undrawn(monkeypatch)
    assert withstand("run", "quiet_week", *QUICK, "--out", tmp_path / "run").code == 0
    assert pl.read_parquet(tmp_path / "run" / "tickets.parquet")["replication"].unique().to_list() == [0]


def test_one_replication_has_a_mean_and_no_half_width(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    undrawn(monkeypatch)
    told = withstand("run", "quiet_week", *QUICK, "--replications", "1", "--out", tmp_path / "run")
    assert told.code == 0
    entry = _json(tmp_path / "run" / "metrics.json")["metrics"]["tickets_new_per_day"]
    assert entry["mean"] > 0
    assert entry["half_width"] is None


# --- from Python --------------------------------------------------------------------------------------------------


def test_the_face_in_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sim import compare, load

    undrawn(monkeypatch)
    quick = load("quiet_week", sets=["days=2"])
    done = run(quick, replications=2, seed=3)
    assert done.metrics["backlog_peak"].replications == 2
    assert compare(done, done).differences["backlog_peak"].mean == 0
    assert (done.save(tmp_path / "run") / "metrics.json").is_file()
    assert done.series.equals(tables.read(tmp_path / "run" / "series.parquet", SERIES))
    peaks = done.hourly.matrix("all", "n_backlog").max(axis=1)
    assert (peaks <= list(done.samples("backlog_peak").values())).all()
    with pytest.raises(ValueError, match="must be whole: 1 or more replications"):
        run(quick, replications=0)


def test_importing_sim_loads_nothing_heavy() -> None:
    heavy = {"numpy", "polars", "scipy", "pydantic", "matplotlib", "simpy", "tomlkit", "locust"}
    script = "import sys, sim, sim.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()
