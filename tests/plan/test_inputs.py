"""What is checked before anything is sent: the options, the run folder, the guard; and that no row is lost."""

from __future__ import annotations

import json
import os
import re
import resource
import ssl
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from loadtests.core.faults import LawError
from loadtests.core.schedule import Schedule, Window, cut, read_trace
from loadtests.dialect.contract import Outcome
from loadtests.transport.connections import trusting
from loadtests.transport.guard import LOCAL_HOSTS, check_url
from loadtests.transport.http1 import ForbiddenError, check_path
from loadtests.transport.recorder import LONGEST_US, Journal, Recorder, encode, merge
from tests.support.cli_runs import ROOT
from tests.support.plans import faults, planned
from tests.support.trace_factory import make_run, steady


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "run", steady({"login": 100.0, "ticket": 1.0}, 60.0))


def schedule_of(run: Path) -> Schedule:
    return cut(read_trace(run / "arrivals.parquet"), Window(1_000_000))


def test_the_defaults_make_a_plan(run: Path) -> None:
    plan = planned(run, url="http://localhost:1/")
    assert (plan.url, plan.schedule.length_us, plan.scenario) == ("http://localhost:1", 60_000_000, "test")
    assert plan.limits.in_flight >= 101 * 10
    assert plan.prefix != planned(run).prefix


def test_all_faults_come_at_once(run: Path) -> None:
    out = run / "full"
    out.mkdir()
    (out / "file").touch()
    (run / "metrics.json").write_text("[]")
    options = ["--window", "noon", "--speedup", "quick", "--dialect", "binnance", "--timeout", "10", "--max-rate", "0"]
    options += ["--abort-failure-share", "2", "--in-flight", "-3", "--out", str(out)]
    found = faults(run, *options, url="ftp://x", environ={})
    starts = [fault.split(": ")[0] for fault in found]
    assert starts == [
        "--host", "--dialect", "--timeout", "--max-rate", "--in-flight", "--abort-failure-share",
        str(run / "metrics.json"), "--out", "--window", "--speedup",
    ]  # fmt: skip
    assert sorted(run.iterdir()) == sorted([out, *(run / n for n in ("arrivals.parquet", "metrics.json", "run.json"))])


def test_the_caps_refuse_a_load_that_is_too_much(run: Path) -> None:
    found = faults(run, "--max-rate", "50", "--max-requests", "100", "--max-duration", "59 s")
    assert found == [
        "--max-rate: got a peak of 101 requests in a second; must be at most 50",
        "--max-requests: got 6060 requests; must be at most 100",
        "--max-duration: got 60 s; must be at most 59 s",
    ]
    assert planned(run, "--max-duration", "59 s", "--speedup", "2").schedule.duration_us == 30_000_000


def test_a_run_folder_that_is_none(tmp_path: Path) -> None:
    assert faults(tmp_path / "nowhere") == [f"RUN: got {tmp_path / 'nowhere'}; must be the folder of a run"]
    assert len(faults(tmp_path)) == 3


def test_objectives_are_checked(run: Path) -> None:
    objectives = {"login": {"p99_ms": -1, "p9_ms": 5}, "logout": {}, "ticket": {"error_share": True}}
    (run / "run.json").write_text(json.dumps({"scenario": {"objectives": objectives}}))
    where = f"{run / 'run.json'}: scenario.objectives"
    assert [fault.partition(": got")[0] for fault in faults(run)] == [
        f"{where}.login.p99_ms",
        f"{where}.login.p9_ms",
        f"{where}.logout",
        f"{where}.ticket.error_share",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com",
        "http://127.0.0.1@example.com",
        "http://127.0.0.1:80@example.com/",
        "http://127.0.0.1.example.com",
        "http://127.0.0.2:8080",
        "http://2130706433",
        "http://user:word@127.0.0.1",
        "http://127.0.0.1/a/../b",
        "http://127.0.0.1/a//b",
        "http://127.0.0.1/a%2f..",
        "http://127.0.0.1/a b",
        "http://127.0.0.1?x=1",
        "http://127.0.0.1?",
        "http://127.0.0.1:0",
        "http://127.0.0.1:99999",
        "http://[::1",
        "file:///etc/passwd",
        "127.0.0.1:80",
        "",
    ],
)
def test_other_targets_are_refused(url: str) -> None:
    (fault,) = check_url(url, LOCAL_HOSTS)
    assert fault.startswith("--host: got ")
    assert "word" not in fault


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:80", "https://LocalHost", "http://[::1]:8080/", "http://localhost/base/v1/"]
)
def test_this_machine_may_be_loaded(url: str) -> None:
    assert check_url(url, LOCAL_HOSTS) == []


@pytest.mark.parametrize("path", ["http://x/", "//x/", "x", "", "/a b", "/a\r\nHost: x", "/ä", "\\\\x"])
def test_a_path_that_could_leave_the_host_is_refused(path: str) -> None:
    with pytest.raises(ForbiddenError):
        check_path(path)


def test_tls_is_verified() -> None:
    context = trusting()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_no_row_is_lost_whatever_becomes_of_it(run: Path) -> None:
    recorder = Recorder(schedule_of(run))
    recorder.shed(0, "cap")
    recorder.sent(1, 5, "k")
    recorder.sent(2, 6, "")
    recorder.ended(2, 9, 200, Outcome("acknowledged"))
    recorder.sent(3, 7, "")
    recorder.ended(3, 11, 0, Outcome("unknown", "time-out"))
    counts = recorder.counts()
    assert counts == {
        "planned": 101, "acknowledged": 1, "rejected": 0, "rate_limited": 0, "unknown": 2, "shed": 1, "not_sent": 97,
    }  # fmt: skip
    frame = recorder.frame()
    assert len(frame) == 101
    assert frame["reason"][:4].to_list() == ["cap", "still under way when the run ended", "", "time-out"]
    assert (frame["done_us"][:4].to_list(), frame["status"][2]) == ([-1, -1, 9, -1], 200)
    recorder.outcome[4] = "lost"
    with pytest.raises(LawError, match="planned 101 requests"):
        recorder.counts()


def test_histograms_add_up() -> None:
    values = np.random.default_rng(1).lognormal(8, 2, 2000).astype(np.int64)
    both, whole = merge([encode(values[:700]), encode(values[700:])]), merge([encode(values)])
    assert isinstance(both, HdrHistogram)
    assert both.get_total_count() == 2000
    for percentile in (50, 95, 99, 100):
        value = both.get_value_at_percentile(percentile)
        assert value == whole.get_value_at_percentile(percentile)
        assert value == pytest.approx(np.percentile(values, percentile, method="inverted_cdf"), rel=2e-3, abs=1)
    assert merge([encode(np.array([0, 2 * LONGEST_US]))]).get_total_count() == 2


def test_the_journal_is_on_disk_before_the_request_leaves(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.sent(4, "k-4", b"body", 10)
    assert json.loads(path.read_text())["key"] == "k-4"
    journal.done(4, 11, 12, Outcome("acknowledged", "", "w1"))
    assert [json.loads(line)["idx"] for line in path.read_text().splitlines()] == [4, 4]
    journal.close()
    with pytest.raises(FileExistsError):
        Journal(path)


@pytest.mark.parametrize(("files", "code"), [(64, 2), (100, 2), (110, 0)])
def test_too_few_open_files_are_told_before_anything_else(run: Path, files: int, code: int) -> None:
    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

    command = [sys.executable, "-m", "loadtests", "run", str(run), "--host", "http://127.0.0.1:1", "--dry-run"]
    secrets = {f"WITHSTAND_{name}": "k" * 40 for name in ("API_KEY", "API_SECRET", "TICKET_TOKEN", "ADMIN_TOKEN")}
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | secrets, capture_output=True, text=True, preexec_fn=few, check=False
    )
    assert done.returncode == code, done.stderr
    rule = r"must be 101 or more, and \d+ for all of this load \(ulimit -n\)"
    told = rf"open-file limit: got {files}; {rule}\n" if code else ""
    assert re.fullmatch(told, done.stderr)
