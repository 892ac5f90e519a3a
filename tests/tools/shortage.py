"""What a small and a large server lack of a spike with three million customers: the two sentences of the README.

``python -m tests.tools.shortage [FOLDER]`` predicts the spike, starts each server, measures the capacity for the
spike's mix, replays its busiest minute, and prints what the load test says. It takes about twenty minutes, on a machine
that does nothing else. What ``FOLDER`` holds already is not made again.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.support.servers.staging_client import ENVIRON, ROOT, staging

SERVERS: Mapping[str, tuple[str, ...]] = {
    "small": ("--read-capacity-per-s", "40", "--withdrawal-capacity-per-s", "40", "--queue-limit", "20"),
    "large": (),
}
SEARCHES = {"small": ("--start-rate", "10"), "large": ("--start-rate", "90", "--max-rate", "500")}
"""Where each search begins, and where that of the large server ends: it need only be large enough."""
PREDICT = ("sim", "run", "volatility_spike", "--set", "population.registered=3000000", "--replications", "20")


def call(*arguments: str) -> None:
    """Run one of the project's commands. Raises CalledProcessError where it could not do its work."""
    command = [sys.executable, "-m", *arguments, "--quiet"]
    done = subprocess.run(command, cwd=ROOT, env={**ENVIRON, "PATH": ""}, check=False)
    if done.returncode not in (0, 1, 3):  # what a server fails, or few requests leave open, is what is asked
        done.check_returncode()


def told(folder: Path, server: str, run: Path) -> str:
    """Return the sentence on one of the servers."""
    measured, tested = folder / server, folder / f"{server}-test"
    with staging(*SERVERS[server]) as (client, _):
        url = str(client.http.base_url).rstrip("/")
        if not measured.exists():
            call("loadtests", "capacity", "--host", url, "--mix", str(run), "--out", str(measured), *SEARCHES[server])
        capacity = str(measured / "capacity.json")
        call("loadtests", "run", str(run), "--host", url, "--capacity", capacity, "--out", str(tested))
    sentence: str = json.loads((tested / "verdict.json").read_text(encoding="utf-8"))["manager"]["sentence"]
    return sentence


def main(arguments: list[str]) -> int:
    """Print the sentence on each server."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(arguments[0] if arguments else temporary).absolute()
        run = folder / "run"
        if not run.exists():
            call(*PREDICT, "--out", str(run))
        for server in SERVERS:
            sys.stdout.write(f"{server}: {told(folder, server, run)}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
