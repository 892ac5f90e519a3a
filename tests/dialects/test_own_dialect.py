"""The dialect that loadtests/README.md shows: taken out of it and run, against a server that keeps what it takes."""

from __future__ import annotations

import ast
import hashlib
import hmac
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from loadtests import dialects
from loadtests.core.faults import InputError
from loadtests.dialect.contract import Arrival, Known
from loadtests.plan.accounts import Limit, read_pool
from tests.support.servers.staging_client import ROOT
from tests.support.servers.tiny_server import Reply, TinyServer
from tests.support.trace_factory import make_run, steady

PAGE = (ROOT / "loadtests" / "README.md").read_text("utf-8")
SECTION = PAGE.partition("## Test your own API\n")[2].partition("\n## ")[0]
(DIALECT,) = re.findall(r"^```python\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
(POOL,) = re.findall(r"^```toml title=accounts.toml\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
RATES = {"withdrawal": 30.0, "withdrawal_status": 20.0}
KEY = "a key of our own"


class Payouts:
    """The back office of the page's example.

    With ``forgets`` it loses some of the payouts that it took, with ``numbers`` its ids are numbers.
    """

    def __init__(self, *, forgets: bool = False, numbers: bool = False) -> None:
        self.forgets, self.numbers, self.rows = forgets, numbers, list[dict[str, Any]]()
        self.server = TinyServer(self.reply)

    def reply(self, path: str, number: int) -> Reply:
        if self.server.body:
            sent = json.loads(self.server.body)
            name = number if self.numbers else f"p{number}"
            if not (self.forgets and number % 7 == 0):
                self.rows.append({**sent, "id": name})
            return Reply(201, {"payout_id": name})
        query = parse_qs(urlsplit(path).query)
        if "prefix" in query:
            return Reply(body={"payouts": self.rows})
        return Reply(body={"payouts": [row for row in self.rows if row["ref"] == query["ref"][0]]})


def load(tmp_path: Path, url: str, *options: str) -> tuple[int, str, str]:
    mine = tmp_path / "mine.py"
    mine.write_text(DIALECT, encoding="utf-8")
    run = make_run(tmp_path / "run", steady(RATES | ({"login": 5.0} if options else {}), 2.0), window_ms=2000)
    command = [sys.executable, "-m", "loadtests", "run", str(run), "--host", url, "--window", "2 s", "--no-plots"]
    command += ["--dialect", str(mine), *options]
    env = {"PAYOUT_KEY": KEY, "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.mark.servers
def test_the_page_s_dialect_sends_and_reconciles(tmp_path: Path) -> None:
    office = Payouts()
    with office.server as server:
        code, out, err = load(tmp_path, server.url)
    assert code in (0, 3), out + err  # 3 where this machine was too busy to be on time
    (folder,) = (tmp_path / "run" / "loadtest").iterdir()
    verdict = json.loads((folder / "verdict.json").read_text())
    assert verdict["counts"]["acknowledged"] == verdict["counts"]["planned"] == 100
    assert verdict["reconciliation"]["passed"]
    assert len(office.rows) == 60
    assert len({row["ref"] for row in office.rows}) == 60
    assert all(re.fullmatch(rf"{verdict['key_prefix']}\d+", row["ref"]) for row in office.rows)


@pytest.mark.servers
def test_ids_that_are_numbers_accuse_nobody(tmp_path: Path) -> None:
    office = Payouts(numbers=True)
    with office.server as server:
        code, out, err = load(tmp_path, server.url)
    assert code in (0, 3), out + err
    assert "reconciled: 60 withdrawals" in out


@pytest.mark.servers
def test_the_page_s_dialect_finds_what_a_server_loses(tmp_path: Path) -> None:
    office = Payouts(forgets=True)
    with office.server as server:
        code, out, _ = load(tmp_path, server.url)
    assert code == 1, out
    assert "W1" in out


@pytest.mark.servers
def test_what_the_api_lacks_is_refused_or_left_out_on_request(tmp_path: Path) -> None:
    office = Payouts()
    with office.server as server:
        code, _, err = load(tmp_path, server.url, "--no-reconcile")
        assert (code, server.n_connections) == (2, 0)
        assert "whose API has no login (10 of 110 requests); must support them; --endpoints " in err
        (tmp_path / "run").rename(tmp_path / "before")
        code, out, err = load(tmp_path, server.url, "--endpoints", "withdrawal_status, withdrawal")
    assert code in (0, 3), out + err
    (folder,) = (tmp_path / "run" / "loadtest").iterdir()
    verdict = json.loads((folder / "verdict.json").read_text())
    assert verdict["counts"]["planned"] == 100
    assert verdict["endpoints"] == ["withdrawal", "withdrawal_status"]


def test_it_takes_forty_lines_and_signs_what_it_sends(tmp_path: Path) -> None:
    code = DIALECT.splitlines()
    assert len(code) <= 40, "blank lines included"
    assert max(map(len, code)) <= 120
    assert ast.get_docstring(ast.parse(DIALECT))
    mine = tmp_path / "mine.py"
    mine.write_text(DIALECT, encoding="utf-8")
    dialect = dialects.load(str(mine), {"PAYOUT_KEY": KEY})
    request = dialect.request(Arrival(3, "withdrawal", "BTC", 1, 600_000, 7), Known("ws-"))
    text = f"{request.headers['X-Time']} POST /v1/payouts ".encode() + request.body
    assert request.headers["X-Sign"] == hmac.digest(KEY.encode(), text, hashlib.sha256).hex()
    assert json.loads(request.body)["amount"] == "0.1"


def test_the_page_s_pool_is_read(tmp_path: Path) -> None:
    path = tmp_path / "accounts.toml"
    path.write_text(POOL, encoding="utf-8")
    variables = [f"STAGING_{name}_{part}" for name in ("ONE", "TWO") for part in ("KEY", "SECRET")]
    pool = read_pool(str(path), "gate", {name: name.lower() for name in variables})
    assert [account.name for account in pool.accounts] == ["one", "two"]
    assert pool.accounts[0].limits == (Limit(10, 1000), Limit(300, 60_000))
    assert pool.accounts[1].environ == {
        "WITHSTAND_GATE_FEE": "beside",
        "WITHSTAND_GATE_KEY": "staging_two_key",
        "WITHSTAND_GATE_SECRET": "staging_two_secret",
    }
    with pytest.raises(InputError) as caught:
        read_pool(str(path), "gate", {})
    assert [fault.split(": ")[1] for fault in caught.value.faults] == variables


def test_a_file_that_cannot_be_imported_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    for text, told in (("SECRETS = (", "SyntaxError"), ("import nowhere_to_be_found", "ModuleNotFoundError")):
        path.write_text(text)
        with pytest.raises(InputError, match=f"{told}.*must be a Python file that can be imported"):
            dialects.load(str(path), {})


def test_a_file_may_use_dataclasses(tmp_path: Path) -> None:
    path = tmp_path / "modern.py"
    head = "from __future__ import annotations\nfrom dataclasses import dataclass\nSECRETS = ()\n"
    path.write_text(f"{head}@dataclass\nclass Mine:\n    value: str = 'x'\ndef create(values): return Mine()\n")
    assert dialects.load(str(path), {}).value == "x"  # type: ignore[attr-defined]
