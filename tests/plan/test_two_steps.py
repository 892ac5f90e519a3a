"""A dialect whose API wants two steps: a session and a quote before the run, and reads by the server's own ids."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers.loadtest_run import LONGEST_S, interrupt
from tests.support.servers.staging_client import ROOT, wait_until
from tests.support.servers.tiny_server import Reply, TinyServer
from tests.support.trace_factory import make_run, steady

pytestmark = pytest.mark.servers

KEY = "the key of two steps"
N_WITHDRAWALS, N_READS = 40, 20
DIALECT = """
from loadtests.dialect import Request
from loadtests.dialect.answers import acknowledged, by_status, fetch, read
from loadtests.dialect.api import Api
from loadtests.dialect.payload import json_bytes, json_object

SECRETS = ("STEPS_KEY",)


class Steps(Api):
    endpoints = ("withdrawal", "withdrawal_status")

    def prepare(self, send, arrivals, prefix):
        asked = Request("POST", "/sessions", {"Authorization": self.values["STEPS_KEY"]}, b"{}")
        self.session = {"X-Session": fetch(send, asked, dict)["session"]}
        mine = [one for one in arrivals if one.endpoint == "withdrawal"]
        made = [send(Request("POST", "/quotes", self.session, json_bytes({"n": one.idx}))) for one in mine]
        keys = [self.withdrawal(one, prefix).key for one in mine]
        self.quotes = {key: json_object(answer.body)["quote"] for key, answer in zip(keys, made)}

    def request(self, arrival, known):
        if arrival.endpoint == "withdrawal_status":
            ids = list(known.withdrawal_ids.values())
            return Request("GET", f"/payouts/{ids[arrival.payload_seed % len(ids)] if ids else 'none'}", self.session)
        key = self.withdrawal(arrival, known.prefix).key
        return Request("POST", "/payouts", self.session, json_bytes({"quote": self.quotes[key]}), key)

    def outcome(self, arrival, answer):
        value = json_object(answer.body)
        if arrival.endpoint == "withdrawal":
            return by_status(answer) or acknowledged(answer, value.get("id"))
        return by_status(answer) or read(answer, "found" in value)

    def holdings(self, send, prefix):
        return None


create = Steps
"""


class Desk:
    """Hands out sessions and quotes, and takes each quote once.

    ``closed``: it opens no session. ``hangs``: it does not answer who asks for one.
    """

    def __init__(self, *, closed: bool = False, hangs: bool = False) -> None:
        self.closed, self.hangs, self.was_asked = closed, hangs, threading.Event()
        self.quotes, self.paid, self.asked = set[str](), dict[str, str](), list[str]()
        self.n_sessions = 0
        self.server = TinyServer(self.reply)

    def reply(self, path: str, number: int) -> Reply:
        if path == "/sessions":
            self.was_asked.set()
            if self.hangs:
                return Reply(delay_s=600.0)
            self.n_sessions += not self.closed
            return Reply(403, {"error": KEY}) if self.closed else Reply(200, {"session": f"s{number}"})
        if path == "/quotes":
            self.quotes.add(f"q{number}")
            return Reply(200, {"quote": f"q{number}"})
        if path == "/payouts":
            quote = str(json.loads(self.server.body)["quote"])
            if quote not in self.quotes or quote in self.paid.values():
                return Reply(400, {"error": "no such quote"})
            self.paid[f"p{number}"] = quote
            return Reply(201, {"id": f"p{number}"})
        self.asked.append(path.removeprefix("/payouts/"))
        return Reply(200, {"found": self.asked[-1] in self.paid})


def run_of(tmp_path: Path) -> Path:
    """Return a run's folder, beside which the dialect lies."""
    (tmp_path / "steps.py").write_text(DIALECT, encoding="utf-8")
    rates = {"withdrawal": N_WITHDRAWALS / 2, "withdrawal_status": N_READS / 2}
    return make_run(tmp_path / "run", steady(rates, 2.0), window_ms=2000)


def load(tmp_path: Path, url: str, *options: str) -> tuple[int, str]:
    run = run_of(tmp_path)
    return called(tmp_path, "run", str(run), "--host", url, "--window", "2 s", "--no-plots", *options)


def called(tmp_path: Path, *arguments: str) -> tuple[int, str]:
    """Return the exit code and output of a command that speaks the dialect."""
    command = [sys.executable, "-m", "loadtests", *arguments, "--dialect", str(tmp_path / "steps.py")]
    env = {"STEPS_KEY": KEY, "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True, timeout=60, check=False)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert KEY not in said
    return done.returncode, said


@pytest.mark.parametrize("options", [(), ("--workers", "2")])
def test_both_steps_are_taken_and_reads_go_by_the_server_s_ids(tmp_path: Path, options: tuple[str, ...]) -> None:
    desk = Desk()
    with desk.server as server:
        code, said = load(tmp_path, server.url, *options)
    assert code in (0, 3), said  # 3 where this machine was too busy to be on time
    (folder,) = (tmp_path / "run" / "loadtest").iterdir()
    counts: dict[str, Any] = json.loads((folder / "verdict.json").read_text())["counts"]
    assert counts["acknowledged"] == counts["planned"] == N_WITHDRAWALS + N_READS, said
    assert len(desk.paid) == N_WITHDRAWALS
    n_processes = 3 if options else 1  # the master prepares as well, but only to read
    assert (desk.n_sessions, len(desk.quotes)) == (n_processes, N_WITHDRAWALS)
    known = [name for name in desk.asked if re.fullmatch(r"p\d+", name)]
    assert set(known) <= set(desk.paid)
    assert len(known) >= N_READS - 4  # all but those before the first acknowledgement


def test_a_preparation_that_fails_ends_the_run_before_anything_is_sent(tmp_path: Path) -> None:
    desk = Desk(closed=True)
    with desk.server as server:
        code, said = load(tmp_path, server.url)
    assert code == 2
    assert "must let the dialect prepare for the run (ReadError: /sessions answered 403" in said
    assert (desk.paid, desk.asked) == ({}, [])


def test_a_dry_run_prepares_nothing(tmp_path: Path) -> None:
    desk = Desk()
    with desk.server as server:
        assert load(tmp_path, server.url, "--dry-run")[0] == 0
    assert desk.n_sessions == 0


def commands(tmp_path: Path, url: str) -> dict[str, list[str]]:
    """Return commands that speak the dialect, by name."""
    run = str(run_of(tmp_path))
    short = ["--step", "1 s", "--step-requests", "10", "--max-requests", "30", "--max-rate", "20", "--no-plots"]
    reads = ["--endpoint", "withdrawal_status", "--out", str(tmp_path / "capacity")]
    return {
        "run": ["run", run, "--host", url, "--window", "2 s", "--no-plots"],
        "workers": ["run", run, "--host", url, "--window", "2 s", "--no-plots", "--workers", "2"],
        "inject": ["inject", run, "--host", url],
        "capacity": ["capacity", "--host", url, *reads, *short],
    }


@pytest.mark.parametrize("name", ["inject", "capacity"])
def test_a_preparation_that_fails_ends_the_other_commands_too(tmp_path: Path, name: str) -> None:
    desk = Desk(closed=True)
    with desk.server as server:
        code, said = called(tmp_path, *commands(tmp_path, server.url)[name])
    assert code == 2, said
    assert "must let the dialect prepare for the run (ReadError: /sessions answered 403" in said
    assert (desk.paid, desk.asked, desk.quotes) == ({}, [], set())


def test_an_injection_sends_what_it_prepared(tmp_path: Path) -> None:
    desk = Desk()
    with desk.server as server:
        code, said = called(tmp_path, *commands(tmp_path, server.url)["inject"])
    assert code in (0, 1), said  # this desk takes each quote once, whatever became of the first answer
    assert desk.n_sessions == 1
    assert len(desk.quotes) > 1
    assert desk.paid, said


def test_a_search_prepares_for_each_step_what_its_requests_need(tmp_path: Path) -> None:
    desk = Desk()
    with desk.server as server:
        _, said = called(tmp_path, *commands(tmp_path, server.url)["capacity"])
    assert desk.n_sessions >= 1
    assert len(desk.paid) == len(desk.quotes) == 5 * desk.n_sessions, said  # the writes that begin a step of reads
    assert desk.asked


@pytest.mark.parametrize("name", ["run", "workers", "inject", "capacity"])
def test_a_preparation_that_hangs_is_left_at_the_second_interrupt(tmp_path: Path, name: str) -> None:
    desk = Desk(hangs=True)
    with desk.server as server:
        command = [sys.executable, "-m", "loadtests", *commands(tmp_path, server.url)[name]]
        before = sorted(path.name for path in tmp_path.rglob("*"))
        with subprocess.Popen(
            [*command, "--dialect", str(tmp_path / "steps.py")], cwd=ROOT, text=True, stderr=subprocess.PIPE,
            env={"STEPS_KEY": KEY, "PATH": "", "PYTHONDONTWRITEBYTECODE": "1"},
        ) as process:  # fmt: skip
            wait_until(desk.was_asked.is_set, "the preparation")
            interrupt(process)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 3, err
    assert "no verdict: interrupted before the first request; nothing was sent" in err
    assert (desk.paid, desk.asked, desk.quotes) == ({}, [], set())
    assert sorted(path.name for path in tmp_path.rglob("*")) == before
