"""``withstand demo``: a prediction, replayed against a running back end until that back end fails."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from sim.api import Run
from sim.cli.execution import produced
from sim.cli.subprocesses import child_command
from sim.core.proven import Proof, conclusion, proofs_of
from sim.core.replay_window import ReplayLoad, own_load
from sim.output.run_folder import add_verdicts
from sim.output.run_place import must_be_free
from sim.scenario import load

SCENARIO = "volatility_spike"
SERVER = ("--withdrawal-capacity-per-s", "11", "--service-slots", "2")
SPEEDUPS = (1.5, 2.0, 2.5, 3.0, 4.0, 6.0)
STEP_S = 32.0
"""How long a step lasts: a rate counts as held after 30 s."""
_SECRETS = ("WITHSTAND_API_KEY", "WITHSTAND_API_SECRET", "WITHSTAND_TICKET_TOKEN", "WITHSTAND_ADMIN_TOKEN")
_PASSED, _OPEN = 0, 3


@dataclass(frozen=True)
class DemoReplay:
    """One load test of the demo: what it sent, its exit code, and its verdict (None when it wrote none)."""

    load: ReplayLoad
    code: int
    verdict: Mapping[str, Any] | None

    @property
    def goes_on(self) -> bool:
        """Whether a faster one makes sense: nothing failed, and the generator did not fall short."""
        return self.code == _PASSED or (self.code == _OPEN and bool((self.verdict or {}).get("valid")))


def demo(options: Namespace) -> int:
    """Predict, start the reference server, replay the busiest minute, step up until it fails, and report."""
    options.scenario = SCENARIO
    scenario = load(SCENARIO)
    if options.out:
        must_be_free(Path(options.out))
    done, folder = produced(scenario, options)
    # The demo's server is its own and ends with it, so its secrets are made here and never written.
    environment = os.environ | {name: secrets.token_hex(16) for name in _SECRETS}
    with staging(environment) as url:
        replays = _replays(folder, url, environment, quiet=options.quiet)
    add_verdicts(folder)
    if not options.quiet:
        print("\n".join(["", *_five_lines(done, folder, replays)]))
    return _exit_code(replays)


def _exit_code(replays: Sequence[DemoReplay]) -> int:
    """Return 0 where each endpoint is proven, 3 where nothing failed as predicted, else what the first replay says."""
    first, proofs = replays[0].code, _proofs(replays)
    if first not in (_PASSED, _OPEN):
        return first
    return _PASSED if proofs and all(proof.enough for proof in proofs) else _OPEN


@contextmanager
def staging(environment: Mapping[str, str]) -> Iterator[str]:
    """Start the reference server on a free port, yield its address, and end it by its process id."""
    with tempfile.TemporaryFile("w+") as errors:
        child = subprocess.Popen(
            child_command("staging", ["--port", "0", *SERVER]),
            stdout=subprocess.PIPE, stderr=errors, text=True, env=dict(environment),
        )  # fmt: skip
        try:
            assert child.stdout is not None
            line = child.stdout.readline()
            if not line.startswith("staging: "):
                errors.seek(0)
                raise RuntimeError(f"the reference server did not start: {line.strip()} {errors.read().strip()}")
            yield line.removeprefix("staging: ").split()[0]
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(timeout=20)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _replays(folder: Path, url: str, environment: Mapping[str, str], *, quiet: bool) -> list[DemoReplay]:
    """Replay the busiest minute as predicted, then ever faster until the server misses an objective, then the rest.

    The rest are endpoints whose own predicted peak is not proven by then: the busiest part of each, by itself, as much
    faster as it takes for enough of its requests.
    """

    def replay(one: ReplayLoad) -> DemoReplay:
        return _replay(folder, url, environment, one, quiet=quiet)

    replays = [replay(ReplayLoad("x1", 60.0, 1.0))]
    for speedup in SPEEDUPS:
        if not replays[-1].goes_on:
            break
        replays.append(replay(ReplayLoad(f"x{speedup:g}", STEP_S * speedup, speedup)))
    arrivals = pl.read_parquet(folder / "arrivals.parquet", columns=["due_us", "endpoint"])
    for proof in _proofs(replays):
        own = None if proof.enough else own_load(arrivals, proof)
        if own is not None:
            replays.append(replay(own))
    return replays


def _replay(folder: Path, url: str, environment: Mapping[str, str], load: ReplayLoad, *, quiet: bool) -> DemoReplay:
    out = folder / "loadtest" / load.name
    arguments = [str(folder), "--host", url, *load.options(), "--out", str(out)]
    if not quiet:
        print(f"\n{load.words()}", flush=True)
    code = subprocess.call(child_command("loadtest", [*arguments, *["--quiet"] * quiet]), env=dict(environment))
    path = out / "verdict.json"
    verdict = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return DemoReplay(load, code, verdict)


def _headrooms(replays: Sequence[DemoReplay]) -> list[Mapping[str, Any]]:
    return [one.verdict["headroom"] for one in replays if one.verdict is not None]


def _proofs(replays: Sequence[DemoReplay]) -> list[Proof]:
    return [proof for proof in proofs_of(_headrooms(replays)) if proof.peak_per_s]


def _five_lines(run: Run, folder: Path, replays: Sequence[DemoReplay]) -> list[str]:
    """Return the prediction, the measurement, the headroom, and the path of the report."""
    metrics = run.metrics
    return [
        f"predicted: backlog peaks at {metrics['backlog_peak']}; it drains in {metrics['drain_days']}",
        f"predicted: {metrics['complaints_direct_per_day']} in public, "
        f"{metrics['complaints_floor_per_day']} that remain with any staffing (background included)",
        f"measured:  {_measured(replays[0])}; {'; '.join(proof.words() for proof in _proofs(replays))}",
        f"headroom:  {conclusion(_headrooms(replays)) or 'not known: no load test ended with a verdict'}",
        f"report:    {folder / 'report.html'}",
    ]


def _measured(replay: DemoReplay) -> str:
    verdict = replay.verdict
    if verdict is None:
        return f"no verdict (exit code {replay.code})"
    if not verdict["valid"]:
        return f"the busiest minute, replayed as predicted, is not valid: {'; '.join(verdict['reasons'])}"
    failed = [line["name"] for line in verdict["thresholds"] if line["passed"] is False]
    open_ones = [line["name"] for line in verdict["thresholds"] if line["passed"] is None and line["required"]]
    if failed:
        return f"the busiest minute, replayed as predicted, failed ({', '.join(failed[:3])})"
    few = f" ({len(open_ones)} gates had too few requests)" if open_ones else ""
    return f"the busiest minute, replayed as predicted, failed nothing{few}"
