"""The injection mode: the reference server withstands it in each of its ways, and servers that do not are named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from loadtests.injection.cases import AT_ONCE, GIVE_UP_S
from tests.support.servers.loadtest_run import LONGEST_S, run_of
from tests.support.servers.staging_client import ENVIRON, ROOT, staging
from tests.support.servers.tiny_server import TinyServer, forgetful

pytestmark = pytest.mark.servers

WRITES = {"withdrawal": 20.0, "ticket": 20.0}
SPENDABLE = ("--payment-s", "0.3", "--review-share", "0", "--daily-limit-usd", "1000000")
CASES = [f"I{n} withdrawal" for n in (1, 2, 3, 4)] + [f"I{n} ticket" for n in (1, 2, 4, 6)] + ["I5 withdrawal"]


def inject(run: Path, url: str, *options: str) -> tuple[int, str, str]:
    """Return exit code and output of ``withstand inject``."""
    command = [sys.executable, "-c", "from sim.cli import main; main()", "inject", str(run), "--host", url, *options]
    done = subprocess.run(
        command, cwd=ROOT, env={**ENVIRON, "PATH": ""}, text=True, capture_output=True, timeout=LONGEST_S, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def injected(
    tmp_path: Path, *options: str, server: Sequence[str] = SPENDABLE, defect: str = ""
) -> tuple[int, dict[str, dict[str, Any]], dict[str, bool | None]]:
    """Return exit code, cases and checks of an injection into a server of the reference's kind."""
    run = run_of(tmp_path, WRITES, 1.0)
    program = ("-m", "tests.tools.defects", "serve", defect) if defect else ("-m", "loadtests.staging")
    with staging(*server, program=program) as (client, _):
        code, out, err = inject(run, str(client.http.base_url).rstrip("/"), "--json", *options)
    (folder,) = (run / "loadtest").iterdir()
    result = json.loads((folder / "inject.json").read_text())
    assert result["exit_code"] == code, out + err
    assert json.loads(out) == result
    cases = {case["name"]: case for case in result["cases"]}
    return code, cases, {check["name"]: check["passed"] for check in result["reconciliation"]["checks"]}


def wrong(cases: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, case in cases.items() if case["passed"] is False}


@pytest.mark.parametrize(("way", "repeat"), [("reject", "rejected"), ("replay", "replayed")])
def test_the_reference_server_withstands_every_case(tmp_path: Path, way: str, repeat: str) -> None:
    options = ("--repeat", repeat, "--repeat-tickets", "replayed")
    code, cases, checks = injected(tmp_path, *options, server=(*SPENDABLE, "--repeated-client-id", way))
    assert (code, wrong(cases), list(cases)) == (0, set(), CASES)
    assert {case["passed"] for case in cases.values()} == {True}, "each case was really made"
    told = {name for name, passed in checks.items() if passed is None} - {"W4"}  # none need be of unknown fate
    assert told == {"W10", "W11", "R1", "R2", "R3", "R4"}, "no reads are sent, and nothing is promised or limited"
    assert False not in checks.values(), checks
    assert (cases["I1 withdrawal"]["count"], cases["I2 withdrawal"]["count"]) == (3, AT_ONCE)
    assert cases["I4 withdrawal"]["count"] == 3 * len(GIVE_UP_S)
    assert cases["I5 withdrawal"]["outcomes"] == {"acknowledged": 7, "rejected": 9}, "8 parts but for the fees"


def test_the_wanted_way_is_a_setting(tmp_path: Path) -> None:
    code, cases, checks = injected(tmp_path, "--repeat", "replayed", "--repeat-tickets", "rejected")
    assert code == 1
    assert wrong(cases) == {"I1 withdrawal", "I2 withdrawal", "I1 ticket", "I2 ticket", "I6 ticket"}, cases
    assert "was rejected 409 DUPLICATE_REQUEST" in cases["I1 withdrawal"]["examples"][0]
    assert False not in checks.values(), "the books are right in either way"


def test_a_limit_that_stops_the_spending_is_told(tmp_path: Path) -> None:
    code, cases, _ = injected(tmp_path, server=("--payment-s", "0.3", "--daily-limit-usd", "100000"))
    assert code == 0
    assert cases["I5 withdrawal"]["passed"] is None
    assert cases["I5 withdrawal"]["reason"].endswith("something other than the balance stopped it")


def test_spending_below_zero_is_caught(tmp_path: Path) -> None:
    code, cases, checks = injected(tmp_path, defect="balance below zero")
    assert (code, wrong(cases)) == (1, {"I5 withdrawal"})
    assert checks["W7"] is False


def test_a_repeated_key_that_is_paid_again_is_caught(tmp_path: Path) -> None:
    code, _, checks = injected(tmp_path, "--no-spend", defect="paid twice")
    assert code == 1
    assert (checks["W1"], checks["W2"]) == (False, False)


NO_KEY = """
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Forgetful(reference.Reference):
    def request(self, arrival, known):
        request = super().request(arrival, known)
        headers = {name: value for name, value in request.headers.items() if name != "Idempotency-Key"}
        return request._replace(headers=headers)

create = Forgetful
"""


def test_tickets_recorded_twice_are_caught(tmp_path: Path) -> None:
    dialect = tmp_path / "no_key.py"
    dialect.write_text(NO_KEY)
    code, cases, checks = injected(tmp_path, "--dialect", str(dialect), "--endpoints", "ticket")
    assert (code, wrong(cases)) == (1, {"I1 ticket", "I2 ticket", "I4 ticket", "I6 ticket"})
    assert {name for name, passed in checks.items() if passed is False} == {"T1", "T2", "T3"}


BROKEN = """
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Broken(reference.Reference):
    def request(self, arrival, known):
        if arrival.endpoint == "ticket":
            raise KeyError("no such field")
        return super().request(arrival, known)

create = Broken
"""


def test_a_dialect_that_fails_is_told_and_proves_nothing(tmp_path: Path) -> None:
    dialect = tmp_path / "broken.py"
    dialect.write_text(BROKEN)
    code, cases, _ = injected(tmp_path, "--dialect", str(dialect), "--no-spend")
    assert code == 1
    assert cases["I1 withdrawal"]["passed"]
    assert "not_sent the dialect failed: KeyError: 'no such field'" in cases["I1 ticket"]["examples"][0]


def test_a_server_that_acknowledges_all_and_holds_nothing_is_caught(tmp_path: Path) -> None:
    run = run_of(tmp_path, WRITES, 1.0)
    with TinyServer(forgetful) as server:
        code, out, err = inject(run, server.url, "--no-spend")
    assert code == 1, out + err
    assert "FAILED       I1 withdrawal" in out
    assert "FAILED       W1" in out


FIXED = """
from decimal import Decimal
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Fixed(reference.Reference):
    def withdrawal(self, arrival, prefix):
        return super().withdrawal(arrival, prefix)._replace(amount=Decimal("0.125"))

create = Fixed
"""


def test_an_amount_that_the_body_cannot_say_is_not_checked(tmp_path: Path) -> None:
    dialect = tmp_path / "fixed.py"
    dialect.write_text(FIXED)
    code, cases, _ = injected(tmp_path, "--dialect", str(dialect), "--no-spend", "--endpoints", "withdrawal")
    assert code == 0
    case = cases["I3 withdrawal"]
    assert (case["passed"], case["count"]) == (None, 1)
    assert case["reason"] == "the request is the same for another amount: it cannot say it"


def test_what_is_wrong_with_the_options_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    run = run_of(tmp_path, WRITES, 1.0)
    with TinyServer() as server:
        code, _, err = inject(run, server.url, "--timeout", "soon", "--out", str(run))
    assert (code, server.n_connections) == (2, 0)
    assert [line.split(":")[0] for line in err.splitlines()] == ["--timeout", "--out"]
    assert not (run / "loadtest").exists()
