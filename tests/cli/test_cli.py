"""The command line: exit codes, faults in one list, and nothing written when something is wrong."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import redirect_stderr
from importlib import import_module
from pathlib import Path

import pytest

from sim.cli.options import CHILDREN, parser
from sim.cli.tables import progress
from sim.scenario import load
from sim.scenario.loading import catalogue
from tests.support.cli_runs import LONGEST_S, QUICK, ROOT, SCRIPT, installed, undrawn, withstand

COMMANDS = [
    "demo", "run", "check", "list", "show", "compare", "selfcheck", "hazards", "explain", "schema", "completion",
    "staging", "loadtest", "capacity", "reconcile", "inject",
]  # fmt: skip


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    undrawn(monkeypatch)


def files() -> list[str]:
    """Return everything in the working folder, hidden files too."""
    return sorted(path.as_posix() for path in Path().rglob("*"))


# --- help ---------------------------------------------------------------------------------------------------------


def test_help_names_every_command_and_code() -> None:
    began = time.perf_counter()
    told = installed("--help", cwd=Path())
    print(f"withstand --help: {time.perf_counter() - began:.2f} s")  # noqa: T201 - measured, not judged
    assert told.code == 0
    assert [name for name in COMMANDS if f"\n    {name}" not in told.out] == []
    assert "2 bad input, nothing written" in told.out


def test_no_command_is_left_out_here() -> None:
    choices = withstand("frobnicate").err.split("choose from ")[1].split(")")[0]
    assert choices.replace("'", "").split(", ") == COMMANDS


def test_what_runs_each_command_is_there() -> None:
    [commands] = [one.choices for one in parser()._actions if isinstance(one.choices, dict)]
    for name in set(COMMANDS) - set(CHILDREN):
        module, _, function = commands[name].get_default("start").partition(":")
        assert callable(getattr(import_module(f"sim.cli.{module}"), function)), name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example(name: str) -> None:
    told = installed(name, "--help", cwd=Path()) if name in CHILDREN else withstand(name, "--help")
    assert told.code == 0
    assert f"example: withstand {name}" in told.out


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("run quiet_week --replications 0", "--replications: got 0; must be a whole number, 1 or more"),
        ("run quiet_week --replications -3", "--replications: got -3; must be a whole number, 1 or more"),
        ("run quiet_week --replications x", "--replications: got x; must be a whole number, 1 or more"),
        ("run quiet_week --replications 2.5", "--replications: got 2.5; must be a whole number, 1 or more"),
        ("run quiet_week --jobs 0", "--jobs: got 0; must be a whole number, 1 or more"),
        ("run quiet_week --seed -1", "--seed: got -1; must be a whole number, 0 or more"),
        ("run quiet_week --engine magic", "invalid choice: 'magic'"),
        ("run quiet_week --precision 0", "--precision: got 0; must be above 0 and below 100 %, such as 2% or 0.02"),
        ("run quiet_week --precision 0%", "--precision: got 0%; must be above 0"),
        ("run quiet_week --precision -2%", "--precision: expected one argument"),
        ("run quiet_week --precision=-2%", "--precision: got -2%; must be above 0"),
        ("run quiet_week --precision 2%%", "--precision: got 2%%; must be above 0"),
        ("run quiet_week --precision 150%", "--precision: got 150%; must be above 0 and below 100 %"),
        ("run quiet_week --precision 2", "--precision: got 2; must be above 0 and below 100 %"),
        ("run quiet_week --precision nan", "--precision: got nan; must be above 0"),
        ("run quiet_week --precision inf%", "--precision: got inf%; must be above 0"),
        ("run quiet_week --precision much", "--precision: got much; must be above 0"),
        ("run quiet_week --set primary=backlog_peek", '--set: primary: got "backlog_peek"; must be "tickets_new_per_'),
        ("run quiet_week --set primary=backlog_peek", "did you mean backlog_peak?"),
        ("run quiet_wek", "quiet_wek: got no such file; must be a file that exists, or a scenario of the catalogue; "
         "did you mean quiet_week?"),
        ("run quiet_week --set teams.front.agents=-3", "--set: teams.front.agents: got -3; must be a whole number"),
        ("run quiet_week --set teams.front.agent=3", "got 3; must be a known key; did you mean agents?"),
        ("run quiet_week --set days=nan", "days: got nan; must be"),
        ("run quiet_week --candles prices.csv", "--from: got nothing; must be given together with --candles"),
        ("run quiet_week --from 2020-03-12", "--candles: got nothing; must be given together with --from"),
        ("run baseline --candles prices.csv --from 2020-03-12T13:00", "must be 00:00 UTC of a day, for profile"),
        ("check quiet_wek", "did you mean quiet_week?"),
        ("show absent", "absent: RUN: got no folder of that name; must be a run folder"),
        ("show .", ".: RUN: got a folder without run.json; must be a run folder"),
        ("compare absent", "RUN: got 1 run; must be 2 or more; the first is the base"),
        ("compare . .", ".: RUN: got a folder without run.json; must be a run folder"),
        ("frobnicate", "invalid choice: 'frobnicate'"),
        ("", "the following arguments are required: COMMAND"),
    ],
)  # fmt: skip
def test_bad_input_is_told_and_nothing_is_written(arguments: str, sentence: str) -> None:
    told = withstand(*arguments.split())
    assert told.code == 2
    assert sentence in told.err
    assert "Traceback" not in told.err
    assert told.out == ""
    assert files() == []


def test_candles_that_are_not_plausible_are_told_by_line_and_nothing_is_written() -> None:
    prices = Path("prices.csv")
    prices.write_text("date,open,high,low,close\n2020-03-12 00:00,9,9,8,8.5\n2020-03-12 01:00,9,9,8,85.0\n")
    told = withstand("run", "baseline", "--candles", "prices.csv", "--from", "2020-03-12", *QUICK)
    assert (told.code, told.out) == (2, "")
    assert told.err == "prices.csv: line 3, close: got 85.0; must be at most the high of its candle, 9\n"
    assert files() == [str(prices)]


def test_candles_that_do_not_exist_are_told() -> None:
    told = withstand("run", "baseline", "--candles", "absent.csv", "--from", "2020-03-12", *QUICK)
    assert told.code == 2
    assert "absent.csv" in told.err
    assert "Traceback" not in told.err
    assert files() == []


FAULTY = """extends = "quiet_week"
title = "faulty"
dayz = 3
[teams.front]
agents = -3
"""


def test_all_faults_of_a_file_come_at_once() -> None:
    Path("faulty.toml").write_text(FAULTY, encoding="utf-8")
    told = withstand("run", "faulty.toml")
    assert told.code == 2
    lines = told.err.splitlines()
    assert "faulty.toml: dayz: got 3; must be a known key; did you mean days?" in lines
    assert "faulty.toml: teams.front.agents: got -3; must be a whole number of agents from 0 to 1,000,000" in lines
    assert len(lines) == 2
    assert files() == ["faulty.toml"]


def test_check_lists_the_faults_of_all_files_and_praises_the_good_one() -> None:
    Path("first.toml").write_text(FAULTY, encoding="utf-8")
    Path("second.toml").write_text('title = "', encoding="utf-8")
    Path("third.toml").write_text("", encoding="utf-8")
    told = withstand("check", "first.toml", "quiet_week", "second.toml", "third.toml")
    assert told.code == 2
    at_fault = [line.split(":")[0] for line in told.err.splitlines()]
    assert at_fault[:2] == ["first.toml", "first.toml"]
    assert sorted(set(at_fault)) == ["first.toml", "second.toml", "third.toml"]
    assert told.out.startswith("quiet_week: A quiet week at a small desk: no fault\n")


def test_check_of_good_files_passes() -> None:
    told = withstand("check", "quiet_week", ROOT / "scenarios" / "baseline.toml")
    assert (told.code, told.err) == (0, "")
    assert told.out.count("no fault") == 2


def test_an_empty_list_of_numbers_is_not_told_as_one() -> None:
    """The fault: "numbers: , 4 undocumented"."""
    handle = '{ queue = "q", handle = { law = "exponential", mean = "5 min" } }'
    lines = ['title = "bare"', "days = 1", "[categories.a]", "arrivals_per_hour = 5", f"steps.front = {handle}"]
    Path("bare.toml").write_text("\n".join([*lines, "[teams.t]", 'serves = ["q"]', "agents = 1"]), encoding="utf-8")
    told = withstand("check", "bare.toml")
    assert told.code == 0
    assert re.search(r"^  numbers: \d+ undocumented$", told.out, re.MULTILINE), told.out


# --- where a run may be written -----------------------------------------------------------------------------------


def test_out_may_be_absent_or_empty() -> None:
    Path("empty").mkdir()
    for place in ("empty", "absent", "deep/er/absent"):
        assert withstand("run", "quiet_week", *QUICK, "--quiet", "--out", place).code == 0
        assert (Path(place) / "metrics.json").is_file()


def test_out_must_not_hold_files() -> None:
    Path("full").mkdir()
    Path("full", "mine.txt").write_text("mine")
    Path("file").write_text("mine")
    for place, got in {"full": "a folder with files in it", "file": "a file"}.items():
        told = withstand("run", "quiet_week", *QUICK, "--out", place)
        assert told.code == 2
        assert told.err == f"{place}: --out: got {got}; must not exist yet, or be an empty folder\n"
    assert withstand("run", "quiet_week", *QUICK, "--out", "file/below").code == 2
    assert files() == ["file", "full", "full/mine.txt"]


def test_a_place_that_refuses_is_told_before_the_work() -> None:
    Path("results").write_text("a file where the folder of results belongs")
    told = withstand("run", "quiet_week", *QUICK)
    assert told.code == 2
    assert "which is not writable" in told.err
    assert "simulating" not in told.err


def test_runs_of_one_second_find_places_of_their_own() -> None:
    for _ in range(3):
        assert withstand("run", "quiet_week", *QUICK, "--seed", "7", "--quiet").code == 0
    made = sorted(path.name for path in Path("results", "quiet_week").iterdir())
    assert len(made) == 3
    assert all(name.endswith("-7") for name in made)


@pytest.mark.parametrize(("error", "code"), [(RuntimeError("planted"), 4), (KeyboardInterrupt(), 130)])
@pytest.mark.parametrize("exists", [False, True])
def test_a_run_that_breaks_while_writing_leaves_nothing_that_looks_like_one(
    monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, exists: bool
) -> None:
    def broken(*_: object) -> None:
        assert any(".run.partial" in name for name in files()), "the failure must come in the middle"
        raise error

    if exists:
        Path("run").mkdir()
    monkeypatch.setattr("sim.output.run_folder.arrivals", broken)
    told = withstand("run", "quiet_week", *QUICK, "--out", "run")
    assert told.code == code
    assert [name for name in files() if ".unfinished-" not in name] == (["run"] if exists else [])
    if code == 130:
        assert "stopped; 2 of 2 replications are kept in " in told.err
    if code == 4:
        assert "planted" in told.err
        assert f"to reproduce it: withstand run quiet_week {' '.join(QUICK)} --out run" in told.err


# --- expectations -------------------------------------------------------------------------------------------------

STORY = """extends = "quiet_week"
title = "with an expectation"
days = 2
warmup_days = 0
[expect]
tickets_new_per_day = "{}"
"""


@pytest.mark.parametrize(
    ("limit", "sets", "code", "verdict"),
    [
        ("> 1", (), 0, "passed"),
        ("< 1", (), 1, "failed"),
        ("1..2", (), 1, "failed"),
        ("< 1", ("--set", "teams.front.agents=3"), 0, "not judged"),
    ],
)
def test_expectations_decide_the_exit_code(limit: str, sets: tuple[str, ...], code: int, verdict: str) -> None:
    Path("story.toml").write_text(STORY.format(limit), encoding="utf-8")
    told = withstand("run", "story.toml", *sets, "--replications", "2", "--jobs", "1", "--out", "run")
    assert told.code == code
    line = next(line for line in told.out.splitlines() if line.startswith("expect "))
    assert f"expect tickets_new_per_day {limit}: " in line
    assert verdict in line.lower()
    info = json.loads(Path("run", "run.json").read_text("utf-8"))
    assert [one["verdict"] for one in info["expect"]] == [verdict]
    shown = withstand("show", "run")
    assert shown.code == 0
    assert re.search(rf"^expect tickets_new_per_day {re.escape(limit)}: mean .*; {verdict}$", shown.out, re.MULTILINE)


# --- what is said -------------------------------------------------------------------------------------------------


def test_quiet_says_nothing_and_a_run_says_where_it_is() -> None:
    told = withstand("run", "quiet_week", *QUICK, "--quiet", "--out", "quiet")
    assert (told.code, told.out, told.err) == (0, "", "")
    told = withstand("run", "quiet_week", *QUICK, "--out", "run")
    assert "written: run (open run/report.html)" in told.out
    assert "\ntickets_new_per_day " in told.out
    assert "2/2" in told.err


@pytest.mark.parametrize(
    ("wanted", "share", "most", "primary", "sentence"),
    [
        (
            "30%",
            0.3,
            "60",
            "backlog_peak",
            r"backlog_peak ± [\d.]+ % after \d\d replications \(30 % wanted, so ± 23.1 % of the estimate\)",
        ),
        ("0.001", 0.001, "11", "backlog_peak", r"backlog_peak ± [\d.]+ % after 11 replications .*: NOT reached"),
        ("2%", 0.02, "11", "drain_days", "none for drain_days .*: of 11 replications some have no value, or .*"),
        ("2%", 0.02, "11", "agent_cost_per_day", "none for agent_cost_per_day .* the mean is 0"),
    ],
)
def test_a_precision_is_told_and_kept(wanted: str, share: float, most: str, primary: str, sentence: str) -> None:
    small = ("--set", "days=1", "--set", "warmup_days=0", "--set", f"primary={primary}")
    told = withstand("run", "quiet_week", *small, "--precision", wanted, "--replications", most, "--out", "run")
    assert told.code == 0
    line = next(line for line in told.out.splitlines() if line.startswith("precision: "))
    assert re.fullmatch(f"precision: {sentence}", line), line
    info = json.loads(Path("run", "run.json").read_text("utf-8"))
    entry = json.loads(Path("run", "metrics.json").read_text("utf-8"))["metrics"][primary]
    one = info["precision"]
    assert list(one) == ["metric", "wanted", "reached", "replications"]
    assert (one["metric"], one["wanted"]) == (primary, share)
    assert one["replications"] == info["replications"] == entry["replications"] + entry["undefined"]
    assert one["reached"] == (entry["half_width"] / entry["mean"] if "none" not in line else None)


def test_a_profile_shows_every_station_and_who_worked() -> None:
    told = withstand("run", "quiet_week", *QUICK, "--profile", "--out", "run")
    table = told.out[told.out.index("where the time went") :].splitlines()
    stations = [row.split("  ")[0] for row in table[1:-3]]
    assert stations == [
        "draw", "engine", "metrics", "keep", "write metrics", "write series", "write tickets", "write arrivals",
        "write plots", "write report", "start, and the rest", "all",
    ]  # fmt: skip
    shares = [float(row.split()[-2]) for row in table[1:-4]]
    assert sum(shares) == pytest.approx(100, abs=0.6)
    assert re.fullmatch(r"by the clock: simulate [\d.]+ s, write [\d.]+ s; 1 threads", table[-3])
    assert table[-2] == "withdrawals: none"
    assert "where the time went" not in withstand("run", "quiet_week", *QUICK, "--out", "other").out


def test_a_profile_tells_the_share_of_withdrawals_that_are_followed_one_by_one() -> None:
    day = ("--set", "days=1", "--set", "warmup_days=0", "--replications", "1", "--jobs", "1")
    told = withstand("run", "baseline", *day, "--profile", "--out", "run").out
    metrics = json.loads(Path("run", "metrics.json").read_text("utf-8"))["metrics"]
    share = metrics["withdrawals_individual_share"]["mean"]
    assert f"\nwithdrawals followed one by one: {100 * share:.2g} % of all\n" in told
    # In the baseline those are whom people review, a share of 0.006 of some 50,000: within 4 standard errors.
    assert abs(share - 0.006) < 4 * (0.006 / 50_000) ** 0.5


def test_what_takes_long_once_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[bool] = []
    monkeypatch.setattr("sim.cli.execution.is_compiled", lambda: bool(compiled))
    monkeypatch.setattr("sim.cli.execution.precompile", lambda: compiled.append(True))
    words = "compiling the engine, once for this version (about 40 s) ...\n"
    assert withstand("run", "quiet_week", *QUICK, "--out", "run").err.startswith(words)
    assert words not in withstand("run", "quiet_week", *QUICK, "--out", "other").err
    compiled.clear()
    assert withstand("run", "quiet_week", *QUICK, "--quiet", "--out", "quiet").err == ""
    assert compiled


def test_the_time_left_counts_new_steps_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("tqdm.std.time", lambda: clock[0])
    said = io.StringIO()
    with redirect_stderr(said), progress("simulating", quiet=False) as bar:
        bar.begin(90, 100)
        for _ in range(5):
            clock[0] += 60
            bar.tick()
    assert "90/100" in said.getvalue().split("\r")[1]
    assert re.search(r" 95/100 \[.*\] 05:00, 05:00 left\n$", said.getvalue())


def test_list_shows_every_scenario_of_the_catalogue() -> None:
    told = withstand("list")
    assert told.code == 0
    entries, _, foot = told.out.partition("\n\n")
    lines = entries.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == catalogue.names()
    assert len(lines) == 2 * len(catalogue.names())
    assert lines[0].split(None, 1)[1] == load(catalogue.names()[0]).question
    assert "against baseline: agent_cost_per_day -" in entries
    assert "python -m sim.studies.answers" in foot


def test_list_says_which_answers_are_not_of_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {
        "new": 'extends = "quiet_week"\ndays = 3\nquestion = "how long?"\nanswers = ["occupancy"]\n',
        "bad": 'question = "why?"\nanswers = ["occupancy"]\n',
        "mute": 'title = "A story"\nextends = "quiet_week"\n',
        "torn": "title = ",
    }.items():
        (tmp_path / f"{name}.toml").write_text(text)
    (tmp_path / "quiet_week.toml").write_text(catalogue.path_of("quiet_week").read_text())
    monkeypatch.setattr(catalogue, "folder", lambda: tmp_path)
    told = withstand("list").out
    entries = told.partition("\n\n")[0].splitlines()
    assert [line.split(None, 1)[1] if line[0] != " " else line.strip() for line in entries] == [
        "why?", "not answered: it has faults, which withstand check shows",
        "A story",
        "how long?", "not answered since it was changed: python -m sim.studies.answers new",
        "How does a small desk with one team work?",
        "not answered since it was changed: python -m sim.studies.answers quiet_week",
        "(cannot be read: withstand check shows the reason)",
    ]  # fmt: skip


def test_show_shows_the_headline_or_everything() -> None:
    withstand("run", "quiet_week", *QUICK, "--quiet", "--out", "run")
    brief, whole = withstand("show", "run"), withstand("show", "run", "--all")
    assert (brief.code, whole.code) == (0, 0)
    assert brief.out.startswith("A quiet week at a small desk: 2 replications from seed 1, ")
    found = json.loads(Path("run", "metrics.json").read_text("utf-8"))["metrics"]
    names = {name for name, one in found.items() if one["replications"]}
    assert [name for name in names if f"\n{name} " not in whole.out] == []
    assert "\nran_share " not in whole.out, "what is not modelled is not listed"
    assert "backlog_peak.front" not in brief.out


def test_a_damaged_run_folder_is_told() -> None:
    withstand("run", "quiet_week", *QUICK, "--quiet", "--out", "run")
    for name in ("replications.parquet", "metrics.json", "run.json"):
        Path("run", name).write_text("damaged")
        told = withstand("show", "run")
        assert told.code == 2
        assert told.err.startswith("run: RUN: got ")
        assert "Traceback" not in told.err
    told = withstand("show", "run/run.json")
    assert told.err.startswith("run/run.json: RUN: got a file; must be a run folder")


def test_schema_is_json_that_knows_the_keys() -> None:
    told = withstand("schema")
    assert told.code == 0
    assert {"title", "days", "categories", "teams", "extends"} <= set(json.loads(told.out)["properties"])


def test_hazards_prints_lines_to_paste() -> None:
    small = ("--set", "days=2", "--set", "warmup_days=0", "--set", "population.registered=200000")
    told = withstand("hazards", "baseline", *small, "--replications", "1", "--quiet")
    assert told.code == 0
    assert "categories.withdrawal_delayed.complaint_hazard_per_hour = 0." in told.out


def test_a_reader_that_leaves_early_is_no_fault() -> None:
    with subprocess.Popen([SCRIPT, "schema"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == ""
        assert child.wait(timeout=LONGEST_S) == 0


# --- child commands and signals -----------------------------------------------------------------------------------


def test_a_host_that_does_not_answer_is_told_in_one_sentence() -> None:
    withstand("run", "quiet_week", *QUICK, "--quiet", "--out", "run")
    before = files()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        secret = dict.fromkeys(("API_KEY", "API_SECRET", "TICKET_TOKEN", "ADMIN_TOKEN"), "k" * 40)
        told = installed(
            "loadtest", "run", "--host", url, cwd=Path(), **{f"WITHSTAND_{n}": v for n, v in secret.items()}
        )
    assert told.code == 2
    assert told.err.splitlines() == [
        f"--host: got {url}, which gave no answer (connection refused); must be a running test system"
    ]
    assert files() == before


def test_the_report_of_a_run_has_its_load_tests_in_it() -> None:
    withstand("run", "quiet_week", *QUICK, "--quiet", "--out", "run")
    for number, (code, passed) in enumerate(((0, True), (1, False))):
        folder = Path("run", "loadtest", str(number))
        folder.mkdir(parents=True)
        verdict = {"valid": True, "passed": passed, "exit_code": code, "host": f"http://h{number}"}
        (folder / "verdict.json").write_text(json.dumps(verdict))
    secret = dict.fromkeys(("API_KEY", "API_SECRET", "TICKET_TOKEN", "ADMIN_TOKEN"), "k" * 40)
    environment = {f"WITHSTAND_{name}": value for name, value in secret.items()}
    told = installed("loadtest", "run", "--host", "http://127.0.0.1:1", "--dry-run", cwd=Path(), **environment)
    assert told.code == 0, told.err
    page = Path("run", "report.html").read_text("utf-8")
    assert page.index("against http://h1") < page.index("against http://h0"), "the failed one first"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)])
def test_ending_the_command_ends_the_server_that_it_started(number: int, code: int) -> None:
    names = ("API_KEY", "API_SECRET", "TICKET_TOKEN", "ADMIN_TOKEN")
    environment = os.environ | {f"WITHSTAND_{name}": f"{name}-{'k' * 32}" for name in names}
    command = [sys.executable, "-c", "from sim.cli import main; main()", "staging", "--port", "0"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    try:
        assert child.stdout is not None
        port = int(child.stdout.readline().rsplit(":", 1)[1])
        child.send_signal(number)
        assert child.wait(timeout=LONGEST_S) == code
        assert child.stdout.read() == "", "the server has closed it, too"
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(("127.0.0.1", port))
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        assert child.stdout is not None
        child.stdout.close()
