"""Many replications of the 28-day baseline: time, memory and what a second thread brings.

    python -m tests.bench replications [--replications N]

Each row is a process of its own, timed from its start to its end: the command that writes the run's folder, or
``sim.run`` in Python, which keeps metrics and series. A tenth of the replications shows what grows with them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.timing import Used, compiled_first, finished

COMMAND = str(Path(sys.executable).with_name("withstand"))
IN_PYTHON = """
import sys
from sim import load, run
done = run(load("baseline", sets=sys.argv[3:]), replications=int(sys.argv[1]), jobs=int(sys.argv[2]))
print(done.profile.wall_s["simulate"])
"""


@dataclass(frozen=True)
class Row:
    """A process: how it was started, its replications and threads, and what it took."""

    label: str
    replications: int
    jobs: int
    used: Used


def main(replications: int = 1000) -> None:
    """Print a row for each process, and what they say together."""
    compiled_first()
    few = max(replications // 10, 1)
    alone, paired = in_python(few, 1), in_python(few, 2)
    rows = [alone, paired, in_python(replications, 2), by_command(few, 2), by_command(replications, 2)]
    print("The 28-day baseline, compiled engine; wall and CPU seconds of the whole process, its peak memory")
    print("\n".join(table(rows)))
    grown = [rows[2].used.peak_mb - rows[1].used.peak_mb, rows[4].used.peak_mb - rows[3].used.peak_mb]
    print(f"goals for 1,000 on 2 cores: under 60 s (aim 30), under 500 MB; {few} replications to {replications}:")
    print(f"  memory grows by {grown[0]:+.0f} MB in Python, {grown[1]:+.0f} MB with the folder written")
    faster = float(alone.used.last_line) / float(paired.used.last_line)
    print(f"  2 threads simulate {faster:.2f} times as fast as 1, by the wall clock")


def in_python(replications: int, jobs: int, sets: Sequence[str] = ()) -> Row:
    """Return the row of ``sim.run``; the last line that it printed is the wall time of its simulation, in seconds."""
    used = finished([sys.executable, "-c", IN_PYTHON, str(replications), str(jobs), *sets])
    return Row("sim.run", replications, jobs, used)


def by_command(replications: int, jobs: int) -> Row:
    """Return the row of ``withstand run``, which writes plots, a report and tables as well."""
    with TemporaryDirectory() as folder:
        options = ["--replications", str(replications), "--jobs", str(jobs), "--out", f"{folder}/run", "--quiet"]
        used = finished([COMMAND, "run", "baseline", *options])
    return Row("withstand run", replications, jobs, used)


def table(rows: Sequence[Row]) -> list[str]:
    """Return the rows as text; ``cores`` is CPU time by wall time."""
    lines = [f"{'':14} {'replications':>12} {'jobs':>5} {'wall s':>8} {'CPU s':>8} {'cores':>6} {'per s':>7} {'MB':>6}"]
    for row in rows:
        used = row.used
        times = f"{used.wall_s:8.1f} {used.cpu_s:8.1f} {used.cpu_s / used.wall_s:6.2f}"
        rate = f"{row.replications / used.wall_s:7.1f} {used.peak_mb:6.0f}"
        lines.append(f"{row.label:14} {row.replications:12,} {row.jobs:5} {times} {rate}")
    return lines
