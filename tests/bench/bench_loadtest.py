"""How well the load generator keeps its schedule: ``python tests/bench/bench_loadtest.py [RATE ...]`` (per second).

Starts a staging server, replays evenly mixed arrivals at each rate for ten seconds through ``python -m loadtests run``,
and prints, a line each, the error of the counts per second, the lateness, the generator's CPU per request and whether
the run was valid. The last line is the highest rate of a valid run. Generator and server share this machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from trace_factory import make_run, steady  # noqa: E402

SECONDS = 10.0
HEAD = (
    "  rate | count error: per s  per 100 ms | lateness ms: p50   p99    max | CPU ms | status ms: p50    p99 | valid"
)
RATES_PER_S = (100, 300, 500, 750, 1000, 1500)
MIX = {"withdrawal": 0.02, "withdrawal_status": 0.66, "ticket": 0.003, "ticket_view": 0.16, "login": 0.157}
SECRETS = ("WITHSTAND_API_KEY", "WITHSTAND_API_SECRET", "WITHSTAND_TICKET_TOKEN", "WITHSTAND_ADMIN_TOKEN")
ENVIRON = {**os.environ, **{name: f"bench-{name.lower()}" for name in SECRETS}}


def replay(folder: Path, url: str, rate_per_s: float) -> dict[str, Any]:
    """Return the verdict of one run at a rate."""
    rates = {name: share * rate_per_s for name, share in MIX.items()}
    run = make_run(folder / f"run-{rate_per_s}", steady(rates, SECONDS), window_ms=round(SECONDS * 1000))
    command = [sys.executable, "-m", "loadtests", "run", str(run), "--host", url, "--window", f"{SECONDS:g} s"]
    options = ["--quiet", "--no-plots", "--max-rate", "10000", "--timeout", "5 s", "--out", str(run / "out")]
    subprocess.run([*command, *options], cwd=ROOT, env=ENVIRON, check=False, timeout=300)
    verdict: dict[str, Any] = json.loads((run / "out" / "verdict.json").read_text())
    return verdict


def main(rates: Sequence[float] = RATES_PER_S) -> None:
    """Print a line for each rate."""
    command = [sys.executable, "-m", "loadtests", "staging", "--port", "0"]
    server = subprocess.Popen(command, cwd=ROOT, env=ENVIRON, text=True, stdout=subprocess.PIPE)
    assert server.stdout is not None
    best = 0.0
    try:
        url = server.stdout.readline().split()[1]
        _tell(HEAD)
        with tempfile.TemporaryDirectory() as name:
            for rate in rates:
                verdict = replay(Path(name), url, rate)
                best = max(best, rate) if verdict["valid"] else best
                _tell(_line(rate, verdict))
    finally:
        server.terminate()
        server.wait(30)
    _tell(f"highest rate of a valid run: {best:g}/s")


def _line(rate_per_s: float, verdict: dict[str, Any]) -> str:
    generator, late = verdict["generator"], verdict["generator"]["lateness_ms"]
    seconds, tenths = generator["count_error_per_s"]["mean_share"], generator["count_error_per_100_ms"]["mean_share"]
    status = verdict["measured"]["endpoints"]["withdrawal_status"]["latency_ms"]
    parts = [
        f"{rate_per_s:6.0f}",
        f"{seconds:19.2%} {tenths:11.2%}",
        f"{late['p50']:16.2f} {late['p99']:5.1f} {late['max']:6.1f}",
        f"{generator['cpu_ms_per_request']:6.2f}",
        f"{status['p50']['value']:14.1f} {status['p99']['value']:6.1f}",
        "yes" if verdict["valid"] else "no: " + "; ".join(verdict["reasons"]),
    ]
    return " | ".join(parts)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main([float(text) for text in sys.argv[1:]] or RATES_PER_S)
