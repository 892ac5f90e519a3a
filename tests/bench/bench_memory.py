"""The memory that a load test's rows take: ``python -m tests.bench memory``.

A process of its own for each number of rows does what a load test does apart from the network: it cuts the trace, notes
what is asked, records each request with its key, id and what a read showed, journals the writes, makes the table and
the histograms, and reconciles the run with right books. Printed is the highest resident memory after each stage.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.bench.bench_loadtest import ENVIRON, MIX, ROOT

ROWS = (10_000, 100_000, 1_000_000)
RATE = 2000.0
PREFIX = "ws-0a1b2c3d4e-"
SHOWN = '["{}","{}","DONE",2,true,{{"amount":"1.05","address":"TPyjyZfsYaXStgz2NmAraF1uZcMtkgNan5"}}]'
"""The line that a status query leaves in its row."""


def stages(folder: Path, n: int) -> Iterator[str]:
    """Do what a load test of ``n`` requests does, and yield the name of each stage after it."""
    import polars as pl

    from loadtests import dialects
    from loadtests.core.schedule import Window, cut, read_trace
    from loadtests.dialect.contract import ACKNOWLEDGED, WRITES, Holdings, Outcome
    from loadtests.reconciliation import checks, evidence
    from loadtests.reconciliation.check import StoredEvidence
    from loadtests.reconciliation.observations import Observations
    from loadtests.transport.driver import arrivals_of
    from loadtests.transport.recorder import Journal, Recorder
    from tests.support.trace_factory import make_run, steady

    run = make_run(
        folder / "run",
        steady({name: RATE * share for name, share in MIX.items()}, n / RATE),
        window_ms=round(n / RATE * 1000),
    )
    yield "imports, trace written"
    schedule = cut(read_trace(run / "arrivals.parquet"), Window(round(n / RATE * 1e6)))
    yield "trace read and cut"
    dialect = dialects.load("reference", ENVIRON)
    asked = evidence.note_asked(folder, dialect, arrivals_of(schedule.arrivals), PREFIX)
    yield "what is asked noted"
    recorder, journal = Recorder(schedule), Journal(folder / "journal.jsonl")
    newest = ("none", "")
    for i, arrival in enumerate(arrivals_of(schedule.arrivals)):
        key, due_us = f"{PREFIX}{arrival.idx}", int(schedule.due_us[i])
        is_write = arrival.endpoint in WRITES
        if arrival.endpoint == "withdrawal":
            newest = (key, f"w{i}")
        recorder.sent(i, due_us, key if is_write else newest[0])
        outcome = Outcome(ACKNOWLEDGED, "", f"w{i}" if is_write else SHOWN.format(*newest))
        recorder.ended(i, due_us + 3000, 200, outcome)
        if is_write:
            journal.sent(arrival.idx, key, b"", due_us)
            journal.done(arrival.idx, due_us, due_us + 3000, outcome)
    journal.close()
    yield "all sent and recorded"
    rows = recorder.frame()
    recorder.histograms()
    yield "table and histograms"
    ids = dict(rows.filter(pl.col("endpoint").is_in(WRITES)).select("key", "server_id").iter_rows())
    held = Holdings(
        [
            one._replace(server_id=ids[one.key], status="DONE", stage=2, final=True)
            for one in asked.withdrawals.values()
        ],
        [one._replace(server_id=ids[one.key]) for one in asked.tickets.values()],
    )
    checks.reconcile(StoredEvidence(rows, asked, held, None, Observations(None)))
    yield "reconciled"


def child(n: int) -> None:
    """Print the memory after each stage, in MB, as a line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        told = {name: highest_mb() for name in stages(Path(folder), n)}
    print(json.dumps(told))


def highest_mb() -> float:
    """Return the highest resident memory of this program so far; ``getrusage`` would count its parent's as well."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def main() -> None:
    """Print the table."""
    columns = []
    for n in ROWS:
        command = [sys.executable, "-c", f"from tests.bench.bench_memory import child; child({n})"]
        done = subprocess.run(command, cwd=ROOT, env={**os.environ}, text=True, stdout=subprocess.PIPE, check=True)
        columns.append(json.loads(done.stdout.splitlines()[-1]))
    print(f"{'highest resident memory, MB':28}" + "".join(f"{f'{n:,} rows':>16}" for n in ROWS))
    for name in columns[0]:
        print(f"{name:28}" + "".join(f"{column[name]:16.0f}" for column in columns))
