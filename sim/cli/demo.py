"""``withstand demo``: a prediction, replayed against a running back end until that back end fails.

It ends with 0 where each endpoint that it sends to held its predicted peak, whatever broke above that; with 1 where one
broke at or below its peak, or the server's records were wrong; with 3 where a peak was not proven either way.
"""

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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from sim.api import Run
from sim.cli.execution import produced
from sim.cli.subprocesses import start_child
from sim.core.proven import PLURALS, Proof, conclusion, proofs_of, shown
from sim.core.replay_window import ABOVE_PEAK, ReplayLoad, own_load
from sim.output.run_folder import add_verdicts
from sim.output.run_place import must_be_free
from sim.scenario import load

SCENARIO = "volatility_spike"
SERVER = ("--withdrawal-capacity-per-s", "14", "--service-slots", "2")
"""It holds the predicted peak of the withdrawals with a planner's reserve, and not twice that peak."""
MIXES = (ReplayLoad("x1", 60.0, 1.0), ReplayLoad("x2", 96.0, 2.0))
"""All endpoints together: a rate counts as held after 30 s with 300 requests acknowledged."""
STEPS = (1.5, 2.0, 3.0, 4.0, 6.0)
"""Multiples of the tightest endpoint's predicted peak at which it is sent until it breaks."""
_SECRETS = ("WITHSTAND_API_KEY", "WITHSTAND_API_SECRET", "WITHSTAND_TICKET_TOKEN", "WITHSTAND_ADMIN_TOKEN")
_PASSED, _FAILED, _OPEN = 0, 1, 3


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

    @property
    def fell_short(self) -> bool:
        """Whether the generator fell short, and nothing else: a moment later it may not."""
        return self.code == _OPEN and self.verdict is not None and not self.verdict["valid"]

    @property
    def records(self) -> bool | None:
        """Whether what the server holds is what it acknowledged; None where that was not read."""
        found = (self.verdict or {}).get("reconciliation") or {}
        return found.get("passed") if found.get("done") else None


def demo(options: Namespace) -> int:
    """Predict, start the reference server, prove each endpoint's peak, step up until it fails, and report."""
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
    """Return 0, 1 or 3 as the module says, or the code of a replay that ended otherwise."""
    other = next((one.code for one in replays if one.code not in (_PASSED, _FAILED, _OPEN)), None)
    if other is not None:
        return other
    proofs = _proofs(replays)
    too_little = replays[0].code == _FAILED or any(proof.too_little for proof in proofs)
    if too_little or any(one.records is False for one in replays):
        return _FAILED
    return _PASSED if proofs and all(proof.enough for proof in proofs) else _OPEN


@contextmanager
def staging(environment: Mapping[str, str]) -> Iterator[str]:
    """Start the reference server on a free port, yield its address, and end it by its process id."""
    with tempfile.TemporaryFile("w+") as errors:
        child = start_child(
            "staging", ["--port", "0", *SERVER], environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
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
    """Replay all endpoints together, then alone each that is not proven by then, then the tightest until it breaks."""
    arrivals = pl.read_parquet(folder / "arrivals.parquet", columns=["due_us", "endpoint"])
    replays: list[DemoReplay] = []

    def replay(one: ReplayLoad | None) -> bool:
        """Replay a load, if there is one, once more if the generator fell short; return whether to go on faster."""
        if one is None:
            return False
        replays.append(_replay(folder, url, environment, one, quiet=quiet))
        if replays[-1].fell_short:
            again = replace(one, name=f"{one.name}-again")
            replays.append(_replay(folder, url, environment, again, quiet=quiet))
        return replays[-1].goes_on

    all(replay(mix) for mix in MIXES)  # up to the first after which a faster one makes no sense
    for proof in _proofs(replays):
        if not proof.enough:
            replay(own_load(arrivals, proof, ABOVE_PEAK))
    all(replay(step) for step in _steps(arrivals, _proofs(replays)))
    return replays


def _steps(arrivals: pl.DataFrame, proofs: Sequence[Proof]) -> list[ReplayLoad]:
    """Return ever faster loads of the tightest endpoint, above what is proven of it; none where it broke already."""
    if not proofs or not proofs[0].enough or proofs[0].broken_per_s is not None:
        return []
    loads = [own_load(arrivals, proofs[0], step) for step in STEPS]
    faster = {load.of_peak: load for load in loads if load is not None and load.of_peak > proofs[0].factor}
    return list(faster.values())


def _replay(folder: Path, url: str, environment: Mapping[str, str], load: ReplayLoad, *, quiet: bool) -> DemoReplay:
    out = folder / "loadtest" / load.name
    arguments = [str(folder), "--host", url, *load.options(), "--out", str(out)]
    if not quiet:
        print(f"\n{load.words()}", flush=True)
    with start_child("loadtest", [*arguments, *["--quiet"] * quiet], environment) as child:
        code = child.wait()
    path = out / "verdict.json"
    verdict = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    return DemoReplay(load, code, verdict)


def _headrooms(replays: Sequence[DemoReplay]) -> list[Mapping[str, Any]]:
    return [one.verdict["headroom"] for one in replays if one.verdict is not None]


def _proofs(replays: Sequence[DemoReplay]) -> list[Proof]:
    """Return what the replays proved of each endpoint with a predicted peak, the tightest first."""
    return [proof for proof in proofs_of(_headrooms(replays)) if proof.peak_per_s]


def _five_lines(run: Run, folder: Path, replays: Sequence[DemoReplay]) -> list[str]:
    """Return the prediction, the measurement, the headroom, and the path of the report."""
    metrics = run.metrics
    return [
        f"predicted: waiting tickets peak at {metrics['backlog_waiting_peak']}; "
        f"the backlog drains in {metrics['drain_days']}",
        f"predicted: public complaints {metrics['complaints_per_day']}; "
        f"had no ticket waited for an agent {metrics['complaints_without_waits_per_day']}",
        f"measured:  {_measured(replays)}",
        f"headroom:  {conclusion(_headrooms(replays)) or 'not known: no load test ended with a verdict'}",
        f"report:    {folder / 'report.html'}",
    ]


def _measured(replays: Sequence[DemoReplay]) -> str:
    """Return the rates that were held and broken, what is invalid, and whether the records matched."""
    rates = [_rate(proof) for proof in _proofs(replays)]
    invalid = [one.load.name for one in replays if not (one.verdict or {}).get("valid")]
    wrong = [one.load.name for one in replays if one.records is False]
    read = sum(one.records is not None for one in replays)
    return "; ".join(
        [
            f"held {', '.join(rates) or 'nothing'}",
            *([f"not valid: {', '.join(invalid)}"] if invalid else []),
            f"records wrong in {', '.join(wrong)}"
            if wrong
            else f"records right in {read} of {len(replays)} load tests",
        ]
    )


def _rate(proof: Proof) -> str:
    held = "none proven" if proof.proven_per_s is None else f"{shown(proof.proven_per_s)}/s"
    broken = "" if proof.broken_per_s is None else f" (broken at {shown(proof.broken_per_s)}/s)"
    return f"{PLURALS.get(proof.endpoint, proof.endpoint)} {held}{broken}"
