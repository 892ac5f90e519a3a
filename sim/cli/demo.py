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

from sim.api import Run
from sim.cli.execution import produced
from sim.cli.subprocesses import child_command
from sim.output.run_folder import add_verdict
from sim.output.run_place import must_be_free
from sim.scenario import load

SCENARIO = "volatility_spike"
SERVER = ("--withdrawal-capacity-per-s", "11", "--service-slots", "2")
SPEEDUPS = (1.5, 2.0, 2.5, 3.0, 4.0, 6.0)
FIRST_WINDOW, STEP_WINDOW = "60 s", "45 s"
_SECRETS = ("WITHSTAND_API_KEY", "WITHSTAND_API_SECRET", "WITHSTAND_TICKET_TOKEN", "WITHSTAND_ADMIN_TOKEN")
_PASSED, _FAILED = 0, 1


@dataclass(frozen=True)
class DemoReplay:
    """One load test of the demo: how fast it was, its exit code, and its verdict (None when it wrote none)."""

    speedup: float
    code: int
    verdict: Mapping[str, Any] | None


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
    first = replays[0]
    if first.verdict is not None:
        add_verdict(folder, first.verdict)
    if not options.quiet:
        print("\n".join(["", *_five_lines(done, folder, replays)]))
    return first.code


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
    """Replay the prediction as it is, then ever faster until the server misses an objective (or the generator does)."""
    replays = [_replay(folder, url, environment, (1.0, FIRST_WINDOW), quiet=quiet)]
    for speedup in SPEEDUPS:
        if replays[-1].code != _PASSED:
            break
        replays.append(_replay(folder, url, environment, (speedup, STEP_WINDOW), quiet=quiet))
    return replays


def _replay(
    folder: Path, url: str, environment: Mapping[str, str], load: tuple[float, str], *, quiet: bool
) -> DemoReplay:
    speedup, window = load
    out = folder / "loadtest" / f"x{speedup:g}"
    arguments = [str(folder), "--host", url, "--window", window, "--speedup", f"{speedup:g}", "--out", str(out)]
    if not quiet:
        print(f"\nreplaying the busiest {window}, {speedup:g} x as fast as predicted", flush=True)
    code = subprocess.call(child_command("loadtest", [*arguments, *["--quiet"] * quiet]), env=dict(environment))
    path = out / "verdict.json"
    verdict = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return DemoReplay(speedup, code, verdict)


def _five_lines(run: Run, folder: Path, replays: Sequence[DemoReplay]) -> list[str]:
    """Return the prediction, the measurement, the headroom, and the path of the report."""
    metrics = run.metrics
    passed = [one.speedup for one in replays if one.code == _PASSED]
    last = replays[-1]
    return [
        f"predicted: backlog peaks at {metrics['backlog_peak']}; it drains in {metrics['drain_days']}",
        f"predicted: {metrics['complaints_direct_per_day']} in public, "
        f"{metrics['complaints_floor_per_day']} that remain with any staffing (background included)",
        f"measured:  {_measured(replays[0])}",
        f"headroom:  {_headroom(passed, last)}",
        f"report:    {folder / 'report.html'}",
    ]


def _measured(replay: DemoReplay) -> str:
    if replay.verdict is None:
        return f"no verdict (exit code {replay.code})"
    verdict = replay.verdict
    worst = max((one for one in verdict["thresholds"] if "p99" in one["name"]), key=_used, default=None)
    passed = "passed" if replay.code == _PASSED else "did not pass"
    words = f"the busiest minute, replayed as predicted, {passed}"
    if worst is not None and worst["measured"] is not None:
        words += f"; nearest its limit: {worst['name']} {worst['measured']:.0f} of {worst['limit']:.0f} ms"
    return words if verdict["valid"] else f"{words}; not valid: {'; '.join(verdict['reasons'])}"


def _used(threshold: Mapping[str, Any]) -> float:
    return (threshold["measured"] or 0.0) / threshold["limit"]


def _headroom(passed: Sequence[float], last: DemoReplay) -> str:
    if not passed:
        return "none: the server does not carry the predicted minute"
    words = f"the server meets its objectives at {max(passed):g} x the predicted peak"
    if last.code == _FAILED:
        failed = [one["name"] for one in (last.verdict or {}).get("thresholds", []) if not one["passed"]]
        return f"{words} and misses them at {last.speedup:g} x ({', '.join(failed[:2])})"
    if last.code == _PASSED:
        return f"{words}, the highest speed-up tried"
    return f"{words}; at {last.speedup:g} x the generator itself fell short (exit code {last.code})"
