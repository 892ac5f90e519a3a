"""What a pipeline reads: JUnit XML, Markdown, the comparison with a baseline, and a plan that sends nothing."""

from __future__ import annotations

import copy
import json
import re
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from loadtests.plan import dry_run
from loadtests.reconciliation.checks import not_done
from loadtests.verdict.baseline import Baseline, compare, difference
from loadtests.verdict.baseline import judged as equivalence
from loadtests.verdict.junit import junit_xml
from loadtests.verdict.shortage import told
from loadtests.verdict.summary import markdown, plain_lines
from tests.support.plans import faults, planned
from tests.support.servers.loadtest_run import LateError, load_bare, repeated_when_late
from tests.support.servers.tiny_server import Reply, TinyServer, good
from tests.support.trace_factory import make_run, steady
from tests.support.verdict_rows import ended, judged, lasting_30_s, rows_of, unsent
from tests.verdict.junit_rules import suites_of

NASTY = 'a<b> & "c" | d\n`e` *f* [g](h) \x00\x1b]]> <!-- é'


def whole(rows: pl.DataFrame, *, checks: list[dict[str, Any]] | None = None, **changes: Any) -> dict[str, Any]:
    """Return a verdict with everything that a run adds to it, checks included."""
    verdict = judged(rows, **changes)
    outcomes = dict(rows.group_by("outcome").len().iter_rows())
    names = ("acknowledged", "rejected", "rate_limited", "unknown", "shed", "not_sent")
    found = not_done("switched off", passed=True)
    if checks is not None:
        counts = {"W1": 0, "T1": 0}
        wrong = any(check["passed"] is False for check in checks)
        unknown: dict[str, Any] = {}
        listed = [{"name": n, "what": "", "passed": True, "count": c, "n_wrong": 0, "examples": []}
                  for n, c in counts.items()]  # fmt: skip
        found = {"done": True, "passed": not wrong, "checks": [*listed, *checks], "unknown": unknown, "pending": {}}
        if wrong:
            verdict |= {"passed": False, "exit_code": 1}
    return {
        **verdict,
        "reconciliation": found,
        "counts": {"planned": len(rows), **{name: outcomes.get(name, 0) for name in names}},
        "clock": {"started_utc": "2026-01-12T14:00:00.123+00:00", "elapsed_s": 10.5},
        "window": {"start_utc": "2026-01-12T14:00:00+00:00", "length_s": 10.0, "duration_s": 10.0},
        "scenario": "test", "host": "http://127.0.0.1:1", "speedup": 1.0, "objectives": {},
    }  # fmt: skip


def check_of(passed: bool | None) -> dict[str, Any]:
    return {"name": "W5", "what": "nothing invented", "passed": passed, "count": 3, "n_wrong": 0 if passed else 2,
            "examples": ["k-1", NASTY], "reason": "the API cannot tell"}  # fmt: skip


LOGIN = {"login": {"p99_ms": 100.0, "error_share": 0.01}}
VERDICTS = {
    "passed": (whole(rows_of()), 0),
    "failed": (whole(rows_of(**ended(20, "unknown"))), 1),
    "invalid": (whole(rows_of(**unsent(20, "shed"))), 3),
    "invalid and failed": (whole(rows_of(**ended(900, "rejected", answered=True)), aborted="stopped"), 1),
    "undecided": (whole(rows_of(80)), 3),
    "nothing sent to one that was wanted": (
        whole(rows_of(), objectives={**LOGIN, "ticket": {"p99_ms": 9.0}}, wanted=["login", "ticket"]),
        3,
    ),
    "nothing sent to one that was left out": (whole(rows_of(), objectives={**LOGIN, "ticket": {"p99_ms": 9.0}}), 0),
    "ended early": (whole(rows_of(), aborted="interrupted"), 3),
    "a worker was lost": (whole(rows_of(), flaws=["worker 2 was lost"]), 3),
    "books wrong": (whole(rows_of(), checks=[check_of(False)]), 1),
    "books right": (whole(rows_of(), checks=[check_of(True), check_of(None)]), 0),
}


@pytest.mark.parametrize("name", VERDICTS)
def test_errors_and_failures_say_what_the_exit_code_says(name: str) -> None:
    verdict, code = VERDICTS[name]
    assert verdict["exit_code"] == code
    root = ElementTree.fromstring(junit_xml(verdict))
    suites_of(junit_xml(verdict))
    failures, errors = int(root.attrib["failures"]), int(root.attrib["errors"])
    assert {0: failures == errors == 0, 1: failures > 0, 3: errors > 0 and failures == 0}[code]
    assert verdict["passed"] is {0: True, 1: False, 3: None}[code]
    assert verdict["valid"] or errors > 0


def test_there_is_a_case_for_each_threshold_each_condition_and_each_check() -> None:
    verdict, _ = VERDICTS["books right"]
    suites = suites_of(junit_xml(verdict))
    named = {name: [case.attrib["name"] for case in suite] for name, suite in suites.items()}
    lines = verdict["thresholds"]
    assert named["generator"] == [line["name"] for line in lines if line["kind"] == "generator"]
    assert named["target"] == [line["name"] for line in lines if line["kind"] == "target"]
    assert named["reconciliation"] == [f"{c['name']} {c['what']}" for c in verdict["reconciliation"]["checks"]]
    states = [[child.tag for child in case] for case in suites["reconciliation"]]
    assert states == [[], [], [], ["skipped"]]


def test_in_an_invalid_run_nothing_of_the_target_passes() -> None:
    suites = suites_of(junit_xml(VERDICTS["invalid"][0]))
    assert {child.tag for case in suites["target"] for child in case} == {"skipped"}
    assert all(len(case) == 1 for case in suites["target"])


def nasty() -> dict[str, Any]:
    verdict = copy.deepcopy(VERDICTS["books wrong"][0])
    return verdict | {"scenario": NASTY, "host": NASTY, "valid": False, "reasons": [NASTY]}


def test_what_users_and_servers_wrote_is_escaped_in_xml() -> None:
    xml = junit_xml(nasty())
    suites = suites_of(xml)
    shown = NASTY.replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
    assert suites["target"].attrib["hostname"] == shown
    (told,) = [child for case in suites["reconciliation"] for child in case]
    assert told.text == f"k-1\n{shown}"


def test_what_users_and_servers_wrote_cannot_break_the_markdown() -> None:
    page = markdown(nasty())
    assert "\x00" not in page
    assert not re.search(r"(?<!\\)<", page)
    table = [line for line in page.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {4}
    assert [line for line in page.splitlines() if "[g](h)" in line] == []


@pytest.mark.parametrize("name", VERDICTS)
def test_the_summary_says_the_same(name: str) -> None:
    verdict, code = VERDICTS[name]
    page, lines = markdown(verdict), plain_lines(verdict, "folder")
    word = {0: "Passed", 1: "Failed", 3: "Invalid" if not verdict["valid"] else "Undecided"}[code]
    assert page.startswith(f"# {word}: load test of test\n")
    assert lines[0].startswith(word.upper())
    assert page.count("| **failed** |") == int(ElementTree.fromstring(junit_xml(verdict)).attrib["failures"])
    assert page.count("| **not proven** |") == int(ElementTree.fromstring(junit_xml(verdict)).attrib["errors"])


def test_each_file_says_what_staging_proved_in_the_same_words() -> None:
    rows, peaks = lasting_30_s(), {"login": 20.0, "ticket": 1.0}
    verdict = whole(rows, duration_us=30_000_000, peaks_per_s=peaks)
    verdict["manager"] = told(verdict, {}, None, None)
    said = verdict["manager"]["sentence"]
    assert said == (
        "staging: enough for what was sent, with 67% to spare at the tightest: logins proven to 33.3/s, peak 20/s: "
        "1.67 times the peak; not sent, so not proven: new tickets"
    )
    assert said in plain_lines(verdict, "folder")
    assert f"\n> {said}\n" in markdown(verdict)
    assert [one.text for one in suites_of(junit_xml(verdict))["target"] if one.tag == "system-out"] == [said]


def test_the_summary_says_what_is_pending_and_what_was_not_compared() -> None:
    untold = {**check_of(True), "not_compared": ["chain", "memo"]}
    verdict = whole(rows_of(), checks=[untold])
    verdict["reconciliation"]["pending"] = {"withdrawals": 77, "of": 383, "untold": 2}
    for text in (markdown(verdict), "\n".join(plain_lines(verdict, "folder"))):
        told = "pending: 77 of 383 acknowledged withdrawals, and 2 in states that the dialect does not know"
        assert told in text
        assert "not compared: W5 chain, memo" in text
    for text in (markdown(VERDICTS["books right"][0]), "\n".join(plain_lines(VERDICTS["books right"][0], "folder"))):
        assert "pending" not in text
        assert "not compared" not in text


# --- the baseline -------------------------------------------------------------------------------------------------


def latencies(seed: int, *, scale: float = 1.0, n: int = 4000) -> pl.DataFrame:
    """Return n requests with lognormal latencies around 20 ms."""
    ms = np.random.default_rng(seed).lognormal(3.0, 0.5, n) * scale
    return rows_of(n, done_us=pl.col("due_us") + pl.Series((ms * 1000).astype(np.int64)))


def baseline_of(rows: pl.DataFrame, margin: float = 0.2) -> Baseline:
    return Baseline(Path("before"), {"host": "http://h"}, rows, margin)


@pytest.mark.parametrize(
    ("scale", "n", "verdict"),
    [
        (1.0, 4000, "equivalent"),
        (1.05, 4000, "equivalent"),
        (1.5, 4000, "regress"),
        (0.6, 4000, "improved"),
        (1.2, 4000, "undecided"),
        (1.0, 60, "undecided"),
    ],
)
def test_a_baseline_is_told_apart_by_its_margin(scale: float, n: int, verdict: str) -> None:
    compared = compare(baseline_of(latencies(1, n=n)), latencies(2, scale=scale, n=n), valid=True)
    (line,) = compared["lines"]
    assert (compared["verdict"], line["name"]) == (verdict, "login.p95_ms")
    assert (line["difference_ms"] is None) == (n == 60)  # too few for the p95 of a fifth
    if n == 60:
        return
    assert line["difference_ms"]["value"] == pytest.approx(line["measured_ms"] - line["baseline_ms"], rel=0.2, abs=1.0)
    assert line["margin_ms"] == pytest.approx(0.2 * line["baseline_ms"], abs=0.002)
    assert 0 < min(line["effective_n"]) <= max(line["effective_n"]) <= n


def test_an_interval_is_judged_by_where_all_of_it_lies() -> None:
    cases = {
        (11.0, 30.0): "regress", (9.0, 30.0): "undecided", (-10.0, 10.0): "equivalent", (-30.0, -11.0): "improved",
        (-30.0, 30.0): "undecided",
    }  # fmt: skip
    assert {limits: equivalence(*limits, 10.0) for limits in cases} == cases


def test_the_interval_of_a_difference_covers_the_truth_as_often_as_it_says() -> None:
    rng, truth, covered = np.random.default_rng(3), float(np.exp(0.5 * 1.6448536)) * 0.2, 0
    for _ in range(400):
        x, y = rng.lognormal(0, 0.5, 800) * 1.2, rng.lognormal(0, 0.5, 500)
        found = difference(x, y)
        assert found is not None
        _, low, high = found
        covered += low <= truth <= high
    assert 0.85 <= covered / 400 <= 0.95


def test_a_regression_fails_the_run_and_an_invalid_run_decides_nothing() -> None:
    slow, fast = latencies(2, scale=3.0), latencies(1)
    assert compare(baseline_of(fast), slow, valid=False)["verdict"] == "undecided"
    nothing = rows_of(**ended(1000, "rejected", answered=True))
    assert compare(baseline_of(fast), nothing, valid=True)["verdict"] == "regress"
    assert compare(baseline_of(nothing), fast, valid=True)["verdict"] == "undecided"
    verdict = whole(rows_of()) | {"baseline": compare(baseline_of(fast), slow, valid=True)}
    (case,) = suites_of(junit_xml(verdict))["baseline"]
    assert case[0].tag == "failure"
    assert "login.p95_ms regress: p95" in "\n".join(plain_lines(verdict, "x"))


@pytest.mark.load
@repeated_when_late
def test_a_server_that_got_slower_fails_against_its_baseline(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", steady({"login": 100.0}, 2.0), window_ms=2000)
    before, after = tmp_path / "before", tmp_path / "after"
    with TinyServer(lambda path, n: Reply(body={"token": "t"}, delay_s=0.03)) as server:
        code, out = load_bare(run, server.url, "--out", str(before))
        if "requests left late" in out:
            raise LateError(out)
        assert code == 0, out
    with TinyServer(lambda path, n: Reply(body={"token": "t"}, delay_s=0.09)) as server:
        code, out = load_bare(run, server.url, "--out", str(after), "--baseline", str(before), "--margin", "50%")
        other = load_bare(run, server.url, "--baseline", str(before), "--speedup", "2")
    if "requests left late" in out:
        raise LateError(out)
    assert code == 1, out
    assert "login.p95_ms regress" in out
    verdict = json.loads((after / "verdict.json").read_text())
    assert (verdict["baseline"]["verdict"], verdict["exit_code"], verdict["passed"]) == ("regress", 1, False)
    assert "regress" in (after / "junit.xml").read_text()
    assert "**failed** | regress" in (after / "summary.md").read_text()
    assert other[0] == 2
    assert "must have sent the same load" in other[1]


def test_a_baseline_that_is_none_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", steady({"login": 10.0}, 60.0))
    (fault,) = faults(run, "--baseline", str(tmp_path))
    assert fault == f"--baseline: got {tmp_path}; must be the folder of a load test, with its verdict and its requests"
    assert faults(run, "--margin", "0")[0].startswith("--margin: got 0; must be a share")


# --- the dry run --------------------------------------------------------------------------------------------------


def test_a_dry_run_says_everything_and_sends_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", steady({"withdrawal": 10.0, "login": 50.0}, 2.0), window_ms=2000)
    with TinyServer(good) as server:
        code, out = load_bare(run, server.url, "--dry-run", "--speedup", "2")
        as_json = load_bare(run, server.url, "--dry-run", "--json", "--workers", "2")
        assert server.n_connections == 0
    assert not (run / "loadtest").exists()
    assert (code, as_json[0]) == (0, 0)
    plan = json.loads(as_json[1])
    funds = plan["funds"][""]
    assert plan["host"] == server.url
    assert plan["requests"] == 120
    assert plan["endpoints"]["login"] == {"requests": 100, "per_s": 50.0, "peak_per_s": 50}
    assert plan["caps"] == {"rate_per_s": 5000, "requests": 500_000, "duration_s": 1800.0}
    assert (plan["workers"], plan["window"]["duration_s"], plan["dialect"]) == (2, 2.0, "reference")
    assert set(funds) == {"USDT", "ETH"}  # the kinds of every second row
    for words in (
        "nothing was sent",
        "login: 100 requests, 100 a second",
        "so 1 s",
        "USDT",
        "5,000 a second",
        server.url,
    ):
        assert words in out


def test_the_test_funds_are_what_the_withdrawals_ask_for(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", steady({"withdrawal": 10.0}, 60.0))
    plan = planned(run)
    cents = pl.read_parquet(run / "arrivals.parquet").filter(pl.col("kind") == "USDT")["amount"].sum()
    assert float(dry_run.describe(plan, workers=1)["funds"][""]["USDT"]) == cents / 100


def test_a_dry_run_does_not_look_up_a_name(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", steady({"login": 50.0}, 2.0), window_ms=2000)
    host = "no-such-host.invalid"
    code, out = load_bare(run, f"http://{host}", "--allow-host", host, "--dry-run")
    assert code == 0, out
    assert load_bare(run, f"http://{host}", "--allow-host", host)[0] == 2


# --- the caps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["--speedup", "10"], ["--speedup", "10", "--workers", "4"]])
def test_no_option_sends_more_than_the_caps_allow(tmp_path: Path, options: list[str]) -> None:
    run = make_run(tmp_path / "run", steady({"login": 50.0}, 2.0), window_ms=2000)
    with TinyServer(good) as server:
        code, out = load_bare(run, server.url, *options, "--max-rate", "60")
        assert server.n_connections == 0
    assert code == 2
    assert "--max-rate: got a peak of 100 requests in a second; must be at most 60" in out


STANDING_STILL = """
from gevent.monkey import get_original
from loadtests.dialects import reference
SECRETS, block = reference.SECRETS, get_original("time", "sleep")

class Still(reference.Reference):
    def request(self, arrival, known):
        if arrival.idx == 50:
            block(1.0)
        return super().request(arrival, known)

create = Still
"""


@pytest.mark.load
def test_a_generator_that_catches_up_does_not_exceed_the_cap_on_the_rate(tmp_path: Path) -> None:
    # 100/s; request 50 holds everything up for 1 s, so that 100 requests are owed at once. At most 110 may leave in a
    # second; what reaches the server is that, and a few that were delayed on the way.
    run = make_run(tmp_path / "run", steady({"login": 100.0}, 4.0), window_ms=4000)
    (tmp_path / "still.py").write_text(STANDING_STILL)
    at_s: list[float] = []

    def reply(path: str, n: int) -> Reply:
        at_s.append(time.monotonic())
        return good(path, n)

    with TinyServer(reply) as server:
        options = ("--window", "4 s", "--dialect", str(tmp_path / "still.py"), "--max-rate", "110")
        code, out = load_bare(run, server.url, *options)
    seconds = np.array(at_s)
    assert (code, len(seconds)) == (3, 400), out
    assert int(np.max(np.searchsorted(seconds, seconds + 1.0) - np.arange(len(seconds)))) <= 115
