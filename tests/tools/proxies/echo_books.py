"""What of a command's secrets is left in all that it writes, when a real server's answers echo each of its requests.

``python -m tests.tools.proxies.echo_books`` runs load tests and injections through a proxy that plants the
echoes, in every encoding, in the errors, ids, contents and histories, and prints how many traces stand in the results
folder and on the screen: shown contents, sightings, books, cleanup, journals, JUnit.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import polars as pl

from loadtests.core.redact import MARK
from tests.support.servers.echoing_proxy import echoing
from tests.support.servers.loadtest_run import LONGEST_S, run_of
from tests.support.servers.staging_client import ENVIRON, ROOT, SECRETS, staging
from tests.tools.proxies.echo_leaks import ENCODINGS, PIECE, views

STAGING = ("--payment-s", "0.2", "--review-share", "0")
RICH = ("--registered-customers", "1000", "--opening-balance-usd", "10000000", "--daily-limit-usd", "10000000")
POOL = """
[accounts.one]
secrets = { WITHSTAND_GATE_KEY = "POOL_KEY", WITHSTAND_GATE_SECRET = "POOL_SECRET" }
settings = { WITHSTAND_GATE_FEE = "beside" }
"""
POOLED = {"POOL_KEY": SECRETS.api_key, "POOL_SECRET": SECRETS.api_secret}
GATE = {
    "WITHSTAND_GATE_KEY": SECRETS.api_key,
    "WITHSTAND_GATE_SECRET": SECRETS.api_secret,
    "WITHSTAND_GATE_FEE": "beside",
}
ZENDESK = {"WITHSTAND_ZENDESK_EMAIL": "agent@example.invalid", "WITHSTAND_ZENDESK_TOKEN": SECRETS.ticket_token}
MONEY, DESK = ("withdrawal", "withdrawal_status"), ("ticket", "ticket_view")


class Way(NamedTuple):
    """A command that is tried: with which dialect, endpoints and environment; ``pooled`` over accounts."""

    command: str
    dialect: str
    endpoints: tuple[str, ...]
    environ: Mapping[str, str]
    pooled: bool = False


WAYS = {
    "run, reference": Way("run", "reference", (*MONEY, *DESK, "login"), ENVIRON),
    "run, gate": Way("run", "gate", MONEY, GATE),
    "run, gate, pool": Way("run", "gate", MONEY, POOLED, pooled=True),
    "run, zendesk": Way("run", "zendesk", DESK, ZENDESK),
    "inject, reference": Way("inject", "reference", (*MONEY, *DESK), ENVIRON),
    "inject, gate": Way("inject", "gate", MONEY, GATE),
}


class Left(NamedTuple):
    """What a command left: how many texts were taken out, how many echoes were planted, and the traces of secrets."""

    n_out: int
    n_planted: int
    traces: set[str]
    files: set[str]


def left_by(way: Way, folder: Path) -> Left:
    """Return what a command leaves in its folder and on the screen. Raises AssertionError without results."""
    run = run_of(folder, dict.fromkeys(way.endpoints, 20.0), 1.0)
    encodings = [*ENCODINGS.values()]
    with (
        staging(*STAGING, *(() if way.dialect == "reference" else RICH)) as (client, _),
        echoing(str(client.http.base_url), encodings) as (url, did),
    ):
        command = [sys.executable, "-m", "loadtests", way.command, str(run), "--host", url, "--dialect", way.dialect]
        command += ["--endpoints", ",".join(way.endpoints), "--cleanup"]
        command += ["--window", "1 s", "--no-plots"] if way.command == "run" else ["--no-spend"]
        if way.pooled:
            (folder / "pool.toml").write_text(POOL)
            command += ["--accounts", str(folder / "pool.toml")]
        env = {**way.environ, "PATH": "", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            command, cwd=ROOT, env=env, text=True, capture_output=True, timeout=2 * LONGEST_S, check=False
        )
    assert done.returncode in (0, 1, 3), done.stderr
    (results,) = (run / "loadtest").iterdir()
    kept = "\n".join([done.stdout, done.stderr, *(_text(path) for path in sorted(results.iterdir()))])
    secrets = {value for name, value in way.environ.items() if name.endswith(("KEY", "SECRET", "TOKEN"))}
    files = {path.name for path in results.iterdir()}
    return Left(kept.count(MARK), len(did.echoes), traces(kept, secrets | did.proofs), files)


def traces(kept: str, secrets: Iterable[str]) -> set[str]:
    """Return the pieces of secrets that stand in a long text, decoded in every way that is tried."""
    pieces = {one[i : i + PIECE] for one in secrets for i in range(max(len(one) - PIECE, 0) + 1)}
    found = set[str]()
    for view in views(kept):
        found |= {view[i : i + PIECE] for i in range(len(view))} & pieces
        found |= {piece for piece in pieces if len(piece) < PIECE and piece in view}
    return found


def _text(path: Path) -> str:
    if path.suffix == ".parquet":
        return "\n".join(str(row) for row in pl.read_parquet(path).iter_rows())
    return path.read_text(encoding="utf-8")


def main() -> None:
    """Print the table."""
    print(f"{'what is tried':18} | {'echoes':>6} | {'out':>5} | traces of secrets in all files")
    for name, way in WAYS.items():
        with TemporaryDirectory() as folder:
            left = left_by(way, Path(folder))
        print(f"{name:18} | {left.n_planted:6} | {left.n_out:5} | {len(left.traces)}")


if __name__ == "__main__":
    main()
