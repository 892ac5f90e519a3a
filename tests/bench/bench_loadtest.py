"""The load generator's figures in one run: ``python -m tests.bench loadtest``.

How well it keeps its schedule at several rates, from one process and from two workers; what it records of a server that
stands still for two seconds, beside arithmetic, Locust's own shape, and wrk; and whether each aim was met. The server
does no work and has the machine's other core, as far as nothing else runs there.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from tests.support.trace_factory import make_run, steady

ROOT = Path(__file__).resolve().parents[2]
RIVALS = Path(__file__).with_name("rivals")
SECRETS = ("WITHSTAND_API_KEY", "WITHSTAND_API_SECRET", "WITHSTAND_TICKET_TOKEN", "WITHSTAND_ADMIN_TOKEN")
ENVIRON = {**os.environ, **{name: f"bench-{name.lower()}" for name in SECRETS}}
MIX = {"withdrawal": 0.02, "withdrawal_status": 0.66, "ticket": 0.003, "ticket_view": 0.16, "login": 0.157}
SECONDS = 10.0
RATES = ((500.0, 0), (500.0, 2), (1000.0, 0), (2000.0, 0), (3000.0, 0))
"""Requests a second, and workers (0: one process alone)."""
STALL_S, STALL_AFTER_S, STALL_SECONDS, STALL_RATE = 2.0, 5.0, 20.0, 200
CLOSED = ((20, 10.0), (200, 1.0))
"""Users, and requests a second of each: 200 a second either way."""
LONGEST_S = 300


@contextmanager
def quick_server(*options: str) -> Iterator[str]:
    """Yield the address of a server that answers at once, and end it."""
    command = [sys.executable, str(RIVALS / "quick_server.py"), *options]
    server = subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.communicate(timeout=30)


def stalling() -> Any:
    """Return a quick server that stands still once."""
    return quick_server("--stall", f"{STALL_S:g}", "--stall-after", f"{STALL_AFTER_S:g}")


def replay(folder: Path, url: str, rates: Mapping[str, float], seconds: float, workers: int = 0) -> dict[str, Any]:
    """Return the verdict of one run of evenly spaced requests at these rates."""
    run = make_run(folder, steady(rates, seconds), window_ms=round(seconds * 1000))
    command = [sys.executable, "-m", "loadtests", "run", str(run), "--host", url, "--window", f"{seconds:g} s"]
    options = ["--quiet", "--no-plots", "--no-reconcile", "--max-rate", "10000", "--timeout", "5 s"]
    spread = ["--workers", str(workers), "--out", str(run / "out")]
    subprocess.run([*command, *options, *spread], cwd=ROOT, env=ENVIRON, check=False, timeout=LONGEST_S)
    verdict: dict[str, Any] = json.loads((run / "out" / "verdict.json").read_text())
    return verdict


@dataclass(frozen=True)
class Fidelity:
    """How well one run kept its schedule."""

    rate_per_s: float
    workers: int
    verdict: dict[str, Any]

    @property
    def count_error(self) -> float:
        """The mean error of the counts per second, as a share."""
        return float(self.verdict["generator"]["count_error_per_s"]["mean_share"])

    @property
    def cpu_ms(self) -> float:
        """The generator's CPU time per request."""
        return float(self.verdict["generator"]["cpu_ms_per_request"])

    def late_ms(self, name: str) -> float:
        """Return a quantile of the lateness."""
        return float(self.verdict["generator"]["lateness_ms"][name])


@dataclass(frozen=True)
class Stalled:
    """What a tool recorded of the stall; None where it does not say, or is not there."""

    tool: str
    requests: int | None
    p95_ms: float | None
    p99_ms: float | None
    note: str = ""


def arithmetic() -> Stalled:
    """Return the truth: all requests due in the stall wait for its end, the k-th of them (k - 1)/rate less than 2 s."""
    n = round(STALL_RATE * STALL_SECONDS)
    at = {q: STALL_S - (n - ceil(n * q)) / STALL_RATE for q in (0.95, 0.99)}
    return Stalled("arithmetic", n, at[0.95] * 1000, at[0.99] * 1000)


def of_withstand(folder: Path) -> Stalled:
    """Replay a steady trace against the server that stalls."""
    with stalling() as url:
        verdict = replay(folder, url, {"withdrawal_status": float(STALL_RATE)}, STALL_SECONDS)
    measured = verdict["measured"]["endpoints"]["withdrawal_status"]
    p95, p99 = (measured["latency_ms"][name]["value"] for name in ("p95", "p99"))
    note = "" if verdict["valid"] else "invalid: " + "; ".join(verdict["reasons"])
    return Stalled("withstand, open loop", measured["sent"], p95, p99, note)


def of_locust(folder: Path, users: int, each_per_s: float) -> Stalled:
    """Run Locust's own shape, with users that keep a constant throughput, against the server that stalls."""
    tool = f"Locust's shape, {users} users x {each_per_s:g}/s"
    command = [sys.executable, "-m", "locust", "-f", str(RIVALS / "closed_loop.py"), "--headless", "--only-summary"]
    environ = {**os.environ, "USERS": str(users), "REQUESTS_PER_S": str(each_per_s), "SECONDS": str(STALL_SECONDS)}
    table = folder / f"closed-{users}"
    with stalling() as url:
        arguments = [*command, "--host", url, "--csv", str(table)]
        subprocess.run(arguments, env=environ, check=False, timeout=LONGEST_S, capture_output=True)
    with Path(f"{table}_stats.csv").open() as file:
        (row,) = [row for row in csv.DictReader(file) if row["Name"] == "Aggregated"]
    missing = round(STALL_RATE * STALL_SECONDS) - int(row["Request Count"])
    return Stalled(tool, int(row["Request Count"]), float(row["95%"]), float(row["99%"]), f"{missing} never sent")


def of_wrk() -> Stalled:
    """Run wrk, which sends as fast as its connections let it, against the server that stalls."""
    tool, program = "wrk, 20 connections, no rate", shutil.which("wrk")
    if program is None:
        return Stalled(tool, None, None, None, "wrk is not installed (Debian package wrk)")
    with stalling() as url:
        command = [program, "-t1", "-c20", f"-d{STALL_SECONDS:g}s", "--latency", "--timeout", "5s"]
        target = f"{url}/api/v4/wallet/withdrawals"
        out = subprocess.run([*command, target], check=True, text=True, timeout=LONGEST_S, capture_output=True).stdout
    return read_wrk(tool, out)


def read_wrk(tool: str, out: str) -> Stalled:
    """Return what wrk printed: no 95th percentile, and at the end it adds what its own rate would have sent."""
    unit_ms = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    count, p99 = re.search(r"(\d+) requests in", out), re.search(r"99%\s+([\d.]+)(us|ms|s)\b", out)
    p99_ms = float(p99[1]) * unit_ms[p99[2]] if p99 else None
    return Stalled(tool, int(count[1]) if count else None, None, p99_ms, "after adding what it did not send")


def fidelity_table(found: Sequence[Fidelity]) -> list[str]:
    """Return how well the schedule was kept, a line for each run."""
    head = "requests/s  processes | count error per s  100 ms | lateness ms p50  p99   max | CPU ms | valid"
    lines = [head]
    for one in found:
        generator = one.verdict["generator"]
        processes = f"{one.workers} workers" if one.workers else "one"
        lines.append(
            f"{one.rate_per_s:10,.0f}  {processes:>9} | {one.count_error:17.2%} "
            f"{generator['count_error_per_100_ms']['mean_share']:7.2%} | "
            f"{one.late_ms('p50'):15.2f} {one.late_ms('p99'):4.1f} {one.late_ms('max'):5.1f} | {one.cpu_ms:6.2f} | "
            + ("yes" if one.verdict["valid"] else "no: " + "; ".join(one.verdict["reasons"]))
        )
    return lines


def stall_table(found: Sequence[Stalled]) -> list[str]:
    """Return what each tool recorded, against the first, which is the truth."""
    truth = found[0].p99_ms or 1.0
    lines = [f"{'a stall of 2 s under 200 requests/s':36} | requests |  p95 ms |  p99 ms | p99 of the truth"]
    for one in found:
        share = "-" if one.p99_ms is None else f"{one.p99_ms / truth:.1%}"
        lines.append(
            f"{one.tool:36} | {_number(one.requests):>8} | {_number(one.p95_ms):>7} | {_number(one.p99_ms):>7} | "
            f"{share:>7}  {one.note}".rstrip()
        )
    return lines


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or isinstance(value, int) else f"{value:.1f}"


def aims(found: Sequence[Fidelity], stalls: Sequence[Stalled]) -> list[str]:
    """Return each aim with what was measured and whether it was met."""
    slow = next(one for one in found if (one.rate_per_s, one.workers) == (500.0, 0))
    valid = [one.rate_per_s for one in found if one.verdict["valid"] and not one.workers]
    truth, ours = stalls[0].p99_ms or 1.0, stalls[1].p99_ms or 0.0
    error, most_per_s = abs(ours / truth - 1), max(valid, default=0.0)
    rows = [
        ("count error per second at 500/s, mean", f"{slow.count_error:.2%}", "<= 0.5%", slow.count_error <= 0.005),
        ("lateness at 500/s, p50", f"{slow.late_ms('p50'):.2f} ms", "<= 1 ms", slow.late_ms("p50") <= 1),
        ("lateness at 500/s, p99", f"{slow.late_ms('p99'):.2f} ms", "<= 6 ms", slow.late_ms("p99") <= 6),
        ("CPU per request at 500/s", f"{slow.cpu_ms:.2f} ms", "<= 0.8 ms", slow.cpu_ms <= 0.8),
        ("highest rate of a valid run, one core", f"{most_per_s:,.0f}/s", ">= 2,000/s", most_per_s >= 2000),
        ("p99 of the stall, off by", f"{error:.2%}", "<= 2%", error <= 0.02),
    ]
    head = f"{'aim':38} | measured |        aim | met"
    return [head, *(f"{what:38} | {value:>8} | {aim:>10} | {'yes' if met else 'NO'}" for what, value, aim, met in rows)]


def main() -> None:
    """Print the three tables."""
    found: list[Fidelity] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, (rate, workers) in enumerate(RATES):
            with quick_server() as url:
                rates = {endpoint: share * rate for endpoint, share in MIX.items()}
                found.append(Fidelity(rate, workers, replay(folder / f"run-{number}", url, rates, SECONDS, workers)))
        _tell(fidelity_table(found))
        locusts = [of_locust(folder, users, each_per_s) for users, each_per_s in CLOSED]
        stalls = [arithmetic(), of_withstand(folder / "stall"), *locusts, of_wrk()]
    _tell(stall_table(stalls))
    _tell(aims(found, stalls))


def _tell(lines: Sequence[str]) -> None:
    sys.stdout.write("\n".join([*lines, "", ""]))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
