"""Load tests, injection, reconciliation and clean-up in the gate and zendesk dialects against a running server."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loadtests.staging.exchange.assets import ASSETS
from tests.support.servers.live_dialects import READS, WRITES, environ_of
from tests.support.servers.loadtest_run import LONGEST_S, code_but_for_lateness, run_of
from tests.support.servers.staging_client import ROOT, SECRETS, Client, staging

pytestmark = pytest.mark.servers

NAMES = ("gate", "zendesk")
RICH = ("--opening-balance-usd", "10000000", "--registered-customers", "1000", "--daily-limit-usd", "10000000")
QUICK = (*RICH, "--payment-s", "0.2", "--review-share", "0")
PASSED = {"gate": {"W1", "W2", "W5", "W6", "W9"}, "zendesk": {"T1", "T3", "W5"}}
KEYS = {"gate": ("withdrawals", "withdraw_order_id"), "zendesk": ("tickets", "external_id")}


def loadtests(command: str, run: Path, client: Client, name: str, *options: str) -> tuple[int, str]:
    """Return exit code and output of a command of the load test, in one dialect."""
    host = ("--host", str(client.http.base_url).rstrip("/"))
    dialect = () if command == "reconcile" else ("--dialect", name)
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", command, str(run), *host, *dialect, *options],
        cwd=ROOT, env=environ_of(name, run), text=True, capture_output=True, timeout=LONGEST_S, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert "Traceback" not in said, said
    assert not any(secret in said for secret in (SECRETS.api_secret, SECRETS.ticket_token))
    return done.returncode, said


def replayed(tmp_path: Path, client: Client, name: str, *options: str) -> tuple[dict[str, Any], Path]:
    """Return the verdict of a load test that a right server passes, and its folder."""
    run = run_of(tmp_path, {WRITES[name]: 20.0, READS[name]: 40.0}, 3.0)
    code, said = loadtests("run", run, client, name, "--no-plots", "--window", "3 s", *options)
    assert code_but_for_lateness(run, code) == 0, said
    (folder,) = (run / "loadtest").iterdir()
    verdict: dict[str, Any] = json.loads((folder / "verdict.json").read_text())
    return verdict, folder


def judged(found: dict[str, Any]) -> dict[str, bool | None]:
    return {check["name"]: check["passed"] for check in found["checks"]}


@pytest.mark.parametrize("name", NAMES)
def test_a_replay_is_acknowledged_and_reconciled(tmp_path: Path, name: str) -> None:
    pages, key = KEYS[name]
    with staging(*QUICK) as (client, _):
        verdict, folder = replayed(tmp_path, client, name)
        held = [row[key] for row in client.pages(pages)]
        found = judged(verdict["reconciliation"])
        assert {check for check, passed in found.items() if passed} >= PASSED[name]
        assert False not in found.values()
        assert len(held) == len(set(held)) == 60
        assert all(row.startswith(verdict["key_prefix"]) for row in held)
        assert loadtests("reconcile", folder, client, name)[0] == 0


def test_a_fee_that_is_taken_for_another_shows_in_the_balances(tmp_path: Path) -> None:
    run = run_of(tmp_path, {"withdrawal": 20.0}, 1.0)
    with staging(*QUICK) as (client, _):
        host = ("--host", str(client.http.base_url).rstrip("/"))
        within = {**environ_of("gate", run), "WITHSTAND_GATE_FEE": "within"}
        command = [sys.executable, "-m", "loadtests", "run", str(run), *host, "--dialect", "gate", "--no-plots"]
        command += ["--window", "1 s"]
        done = subprocess.run(
            command, cwd=ROOT, env=within, text=True, capture_output=True, timeout=LONGEST_S, check=False
        )
    assert done.returncode in (1, 3), done.stdout + done.stderr
    (folder,) = (run / "loadtest").iterdir()
    found = judged(json.loads((folder / "verdict.json").read_text())["reconciliation"])
    assert (found["W1"], found["W6"]) == (True, False)


@pytest.mark.parametrize(
    ("name", "cases"), [("gate", ("I1", "I2", "I3", "I4", "I5")), ("zendesk", ("I1", "I2", "I4", "I6"))]
)
def test_the_injection_finds_nothing_wrong_and_makes_its_cases(
    tmp_path: Path, name: str, cases: tuple[str, ...]
) -> None:
    run = run_of(tmp_path, {WRITES[name]: 20.0}, 1.0)
    options = ("--repeat", "rejected", "--repeat-tickets", "replayed", "--endpoints", WRITES[name])
    small = ("--opening-balance-usd", "30000", "--daily-limit-usd", "10000000", "--payment-s", "0.2")
    with staging(*small, "--review-share", "0") as (client, _):
        code, said = loadtests("inject", run, client, name, *options)
    (folder,) = (run / "loadtest").iterdir()
    result = json.loads((folder / "inject.json").read_text())
    assert code == 0, said
    made = {case["name"]: case["passed"] for case in result["cases"]}
    assert made == {f"{case} {WRITES[name]}": True for case in cases}
    assert False not in judged(result["reconciliation"]).values()


def test_the_clean_up_solves_tickets_and_cancels_what_is_not_taken_up(tmp_path: Path) -> None:
    with staging(*RICH, "--review-share", "1", "--review-s", "3600") as (client, _):
        for name, ended in (("gate", "CANCEL"), ("zendesk", "solved")):
            pages, _ = KEYS[name]
            verdict, _ = replayed(tmp_path / name, client, name, "--cleanup")
            done = verdict["cleanup"][pages]
            assert done["done"] == done["total"] == 60, done
            assert {row["status"] for row in client.pages(pages)} == {ended}
        books = [client.ledger(currency) for currency in ASSETS]
        assert [(row["sum"], row["house"]["pending"]) for row in books] == [("0", "0")] * len(ASSETS)
