"""Against a server that nobody here wrote: django-helpdesk gets a predicted ticket curve, and its duplicates are found.

What it holds is also counted by plain requests to its API, which owe nothing to the dialect.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import sim
from loadtests import dialects
from loadtests.dialect.contract import Arrival, Known
from tests.support.servers import helpdesk_site
from tests.support.servers.helpdesk_site import Site
from tests.support.servers.staging_client import ROOT

pytestmark = [pytest.mark.servers, pytest.mark.xdist_group("helpdesk")]

BUSY = {"howto": 900, "deposit_missing": 300, "withdrawal_delayed": 300}
WINDOW = ("--window", "4 min", "--speedup", "60")
LONGEST_S = 120


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with helpdesk_site.running(tmp_path_factory.mktemp("helpdesk")) as running:
        yield running


@pytest.fixture(scope="module")
def predicted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a simulated run: a small desk on busy days."""
    run = tmp_path_factory.mktemp("predicted") / "run"
    rates = [f"categories.{name}.arrivals_per_hour={rate}" for name, rate in BUSY.items()]
    scenario = sim.load("quiet_week", sets=["days=2", "warmup_days=1", *rates])
    sim.run(scenario, replications=2, name="quiet_week").save(run)
    return run


def loadtests(command: str, *arguments: object, site: Site, **environ: str) -> tuple[int, str]:
    """Run a command of the load test against the help desk; return its exit code and what it said."""
    options = ["--host", site.url, *(["--dialect", "django_helpdesk"] if command != "reconcile" else [])]
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", command, *map(str, arguments), *options],
        cwd=ROOT, env={"PATH": "", **site.environ(**environ)}, capture_output=True, text=True, timeout=LONGEST_S,
        check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    assert site.token not in done.stdout + done.stderr
    return done.returncode, done.stdout + done.stderr


def titles(site: Site, prefix: str) -> Counter[str]:
    """Return how often each marker of a run stands in a title, counted without the dialect."""
    with site.client() as api:
        rows = api.get("/api/tickets/", params={"page_size": 100_000}).json()["results"]
    return Counter(row["title"].split("]")[0][1:] for row in rows if row["title"].startswith(f"[{prefix}"))


def statuses(site: Site, prefix: str) -> set[int]:
    with site.client() as api:
        rows = api.get("/api/tickets/", params={"page_size": 100_000}).json()["results"]
    return {row["status"] for row in rows if row["title"].startswith(f"[{prefix}")}


def checks(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in found["checks"]}


def told_of(folder: Path, name: str) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / name).read_text())
    return value


@pytest.fixture(scope="module")
def replayed(site: Site, predicted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a replay: too few requests to decide every gate, and on a busy machine late ones."""
    out = tmp_path_factory.mktemp("replayed") / "replay"
    code, said = loadtests("run", predicted, "--no-plots", "--out", out, *WINDOW, site=site)
    verdict = told_of(out, "verdict.json")
    reasons = verdict["reasons"]
    assert (code, verdict["passed"]) in ((0, True), (3, None)), said
    assert all(reason.startswith("requests left late") for reason in reasons), reasons
    return out


def test_a_predicted_curve_is_replayed_and_every_ticket_is_in_the_help_desk_once(
    site: Site, predicted: Path, replayed: Path
) -> None:
    verdict = told_of(replayed, "verdict.json")
    rows = pl.read_parquet(replayed / "requests.parquet")
    arrivals = pl.read_parquet(predicted / "arrivals.parquet")
    mine = arrivals.join(rows.select("idx"), on="idx", how="semi")
    assert mine.height == rows.height > 80
    assert mine["due_us"].max() - mine["due_us"].min() < 4 * 60 * 1_000_000
    assert set(rows["outcome"]) == {"acknowledged"}
    found = checks(verdict["reconciliation"])
    assert [(name, found[name]["passed"], found[name]["count"]) for name in ("T1", "T2", "T3")] == [
        ("T1", True, rows.height),
        ("T2", True, 1),
        ("T3", True, rows.height),
    ]
    assert found["T1"]["not_compared"] == []
    assert found["W1"]["passed"] is None
    assert titles(site, verdict["key_prefix"]) == dict.fromkeys(rows["key"], 1)


def test_a_submission_that_a_client_repeats_is_found_twice(site: Site, predicted: Path, replayed: Path) -> None:
    assert loadtests("reconcile", replayed, site=site)[0] == 0
    prefix = told_of(replayed, "verdict.json")["key_prefix"]
    row = pl.read_parquet(predicted / "arrivals.parquet").join(
        pl.read_parquet(replayed / "requests.parquet").select("idx"), on="idx", how="semi"
    ).row(7, named=True)  # fmt: skip
    arrival = Arrival(*(row[name] for name in ("idx", "endpoint", "kind", "customer", "amount", "payload_seed")))
    again = dialects.load("django_helpdesk", site.environ()).request(arrival, Known(prefix))
    with site.client() as api:
        answer = api.request(again.method, again.path, content=again.body, headers=dict(again.headers))
    assert answer.status_code == 201
    code, said = loadtests("reconcile", replayed, site=site)
    assert code == 1, said
    found = checks(told_of(replayed, "reconcile.json"))
    assert (found["T3"]["passed"], found["T3"]["examples"]) == (False, [again.key])
    assert [titles(site, prefix)[key] for key in (again.key, f"{prefix}{row['idx'] + 1}")] == [2, 1]
    assert "T3" in said


def test_the_injection_finds_that_repeated_submissions_are_recorded_twice(
    site: Site, predicted: Path, tmp_path: Path
) -> None:
    code, said = loadtests("inject", predicted, "--out", tmp_path / "inject", site=site)
    assert code == 1, said
    result = told_of(tmp_path / "inject", "inject.json")
    cases = {case["name"]: case for case in result["cases"]}
    for name, n_sent in (("I1 ticket", 3), ("I2 ticket", 16)):
        assert (cases[name]["passed"], cases[name]["outcomes"]) == (False, {"acknowledged": n_sent})
    found = checks(result["reconciliation"])
    held = titles(site, result["key_prefix"])
    twice = {key for key, n in held.items() if n > 1}
    assert (found["T3"]["passed"], found["T3"]["n_wrong"]) == (False, len(twice))
    assert set(found["T3"]["examples"]) <= twice
    assert sorted(held.values())[-2:] == [3, 16]


def test_the_clean_up_closes_what_the_run_made_and_nothing_else(site: Site, predicted: Path, tmp_path: Path) -> None:
    with site.client() as api:
        ours = {"queue": site.queue, "title": "a customer's own", "description": "x", "priority": 3}
        mine = api.post("/api/tickets/", json=ours).json()["id"]
        out = tmp_path / "cleaned"
        options = ("--no-plots", "--cleanup", "--window", "30 s", "--speedup", "15", "--out", out)
        code, said = loadtests("run", predicted, *options, site=site)
        assert code in (0, 3), said  # may leave late
        verdict = told_of(out, "verdict.json")
        assert verdict["cleanup"]["tickets"]["done"] == verdict["cleanup"]["tickets"]["total"] > 3
        assert statuses(site, verdict["key_prefix"]) == {4}
        assert api.get(f"/api/tickets/{mine}/").json()["status"] == 1


@pytest.mark.parametrize("queue", ["other", "99"])
def test_a_queue_that_is_not_for_tests_is_refused_and_gets_nothing(
    site: Site, predicted: Path, tmp_path: Path, queue: str
) -> None:
    number = str(site.other) if queue == "other" else queue
    with site.client() as api:
        before = api.get("/api/tickets/?page_size=1").json()["count"]
        changed = {"WITHSTAND_HELPDESK_QUEUE": number}
        code, said = loadtests("run", predicted, "--out", tmp_path / "x", *WINDOW, site=site, **changed)
        assert (code, "does not say that it is a test system" in said) == (2, True), said
        assert api.get("/api/tickets/?page_size=1").json()["count"] == before
    assert not (tmp_path / "x").exists()


def test_a_token_that_is_not_known_is_told_before_anything_is_sent(site: Site, predicted: Path, tmp_path: Path) -> None:
    changed = {"WITHSTAND_HELPDESK_TOKEN": "0123456789abcdef0123456789abcdef01234567"}
    code, said = loadtests("run", predicted, "--out", tmp_path / "x", *WINDOW, site=site, **changed)
    assert (code, "cannot be read for reconciliation" in said) == (2, True), said
    assert "0123456789abcdef" not in said
