"""Disks without room: told before anything is sent; later, the verdict is not lost, and what is missing is finished."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from loadtests.core.folders import give_room, keep_room
from loadtests.dialect.contract import Outcome
from loadtests.reconciliation.observations import Observations
from loadtests.transport.recorder import Journal
from sim.core.tables import REQUESTS, read
from tests.support.servers.loadtest_run import LONGEST_S, load, run_of
from tests.support.servers.staging_client import ENVIRON, ROOT, staging

pytestmark = pytest.mark.servers

RATES, SECONDS = {"withdrawal": 40.0, "ticket": 20.0}, 2.0
PAYS = ("--payment-s", "0.2", "--review-share", "0")
WINDOW = ("--window", f"{SECONDS:g} s")
NO_LONGER_THAN = """
import resource
from loadtests.dialects import reference
SECRETS = reference.SECRETS

class Filling(reference.Reference):
    n_answers = 0

    def outcome(self, arrival, answer):
        self.n_answers += 1
        if self.n_answers == 10:
            resource.setrlimit(resource.RLIMIT_FSIZE, (N_BYTES, N_BYTES))
        return super().outcome(arrival, answer)

create = Filling
"""
"""A dialect during whose load test files may no longer grow beyond a limit: what the system says is no full disk's
ENOSPC but EFBIG, by the same call, and needs no disk of one's own."""


def replayed(tmp_path: Path, limit: int) -> tuple[int, str, str, Path]:
    """Return exit code, output and run of a load test during which files may no longer grow beyond a limit."""
    run, dialect = run_of(tmp_path, RATES, SECONDS), tmp_path / "filling.py"
    dialect.write_text(NO_LONGER_THAN.replace("N_BYTES", str(limit)))
    with staging(*PAYS) as (client, _):
        url = str(client.http.base_url).rstrip("/")
        code, out, err = load_of(run, url, *WINDOW, "--dialect", str(dialect))
    return code, out, err, run


def load_of(run: Path, url: str, *options: str, limit: int = 0) -> tuple[int, str, str]:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "loadtests", "run", str(run), "--host", url, "--no-plots", *options]
    env = {**ENVIRON, "PATH": "", "HOME": str(run), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=ROOT, env=env, text=True, capture_output=True, timeout=LONGEST_S, check=False,
        preexec_fn=limited if limit else None,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, done.stderr


def test_no_room_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    run = run_of(tmp_path, RATES, SECONDS)
    with staging(*PAYS) as (client, _):
        url = str(client.http.base_url).rstrip("/")
        code, _, err = load_of(run, url, *WINDOW, "--out", str(tmp_path / "out"), limit=100_000)
        held = client.http.get("/test/state").status_code  # it still answers
    assert held
    assert code == 2
    assert err.startswith(f"--out: got {tmp_path / 'out'}; must lie on a disk with room for about 0.4 MB of results (")
    assert err.count("\n") == 1
    assert not (tmp_path / "out.part").exists()


def test_a_journal_that_cannot_grow_ends_the_load_test_and_every_row_is_there(tmp_path: Path) -> None:
    code, out, _, run = replayed(tmp_path, limit=20_000)
    assert code in (1, 3)
    (folder,) = (run / "loadtest").iterdir()
    verdict, rows = json.loads((folder / "verdict.json").read_text()), read(folder / "requests.parquet", REQUESTS)
    assert "the journal could not be written: File too large" in " ".join(verdict["reasons"]) + out
    assert not verdict["passed"]
    journal = (folder / "journal.jsonl").read_text().splitlines()
    told = {line["idx"] for line in map(json.loads, journal[:-1]) if "key" in line}
    sent = rows.filter(pl.col("sent_us") >= 0)
    assert 10 <= len(sent) < len(rows) == round(sum(RATES.values()) * SECONDS)
    assert set(sent["idx"]) <= told, "what is not on record did not leave"
    assert set(rows.filter(pl.col("sent_us") < 0)["outcome"]) == {"not_sent"}


def test_a_verdict_that_cannot_be_written_is_told_all_the_same(tmp_path: Path) -> None:
    code, out, _, run = replayed(tmp_path, limit=12_000)
    assert code
    assert "sent " in out
    (part,) = (run / "loadtest").iterdir()
    whole = part.with_suffix("")
    assert "results: not written (the system: got File too large; must have room)" in out
    assert f"what there was room for: {whole}.part" in out


def test_what_lacked_only_room_is_finished(tmp_path: Path) -> None:
    run = run_of(tmp_path, RATES, SECONDS)
    with staging(*PAYS) as (client, _):
        url = str(client.http.base_url).rstrip("/")
        load(run, url, *WINDOW)
        (folder,) = (run / "loadtest").iterdir()
        before: dict[str, Any] = {path.name: path.read_bytes() for path in folder.iterdir()}
        for name in ("junit.xml", "summary.md"):
            (folder / name).unlink()
        part = folder.rename(f"{folder}.part")
        command = [sys.executable, "-m", "loadtests", "reconcile", str(part), "--host", url]
        done = subprocess.run(command, cwd=ROOT, env=ENVIRON, text=True, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"results: {folder}\n")
    assert not part.exists()
    assert {name: (folder / name).read_bytes() for name in ("junit.xml", "summary.md", "verdict.json")} == {
        name: before[name] for name in ("junit.xml", "summary.md", "verdict.json")
    }
    assert (folder / "latency.png").exists()


# --- the parts ----------------------------------------------------------------------------------------------------


def test_a_journal_writes_nothing_behind_half_a_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    assert journal.sent(1, "k", b"", 0)
    size = (tmp_path / "journal.jsonl").stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, before[1]))
    try:
        assert not journal.done(1, 0, 1, Outcome("acknowledged", "", "w1"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert journal.fault == "the journal could not be written: File too large"
    assert not journal.sent(2, "k2", b"", 0)
    journal.close()
    assert '"k2"' not in (tmp_path / "journal.jsonl").read_text()


def test_sightings_wait_whole_until_there_is_room(tmp_path: Path) -> None:
    path, before = tmp_path / "sightings.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    seen = Observations(path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, before[1]))
    try:
        seen.see([], [], 1, [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b""
    seen.keep()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"counts": [0, 0, 1]}]


def test_room_is_kept_and_given(tmp_path: Path) -> None:
    keep_room(tmp_path, 50_000)
    (kept,) = tmp_path.iterdir()
    assert kept.stat().st_blocks * 512 >= 50_000
    give_room(tmp_path)
    assert not list(tmp_path.iterdir())
