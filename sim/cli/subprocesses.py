"""Commands run in another process: the load test patches sockets, which must not affect the model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from sim.cli.options import CHILDREN


def child_command(name: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line of ``withstand staging`` or ``withstand loadtest`` as a child process."""
    return [sys.executable, "-m", "loadtests", CHILDREN[name], *arguments]


def hand_over(name: str, arguments: Sequence[str], extra: Mapping[str, str] | None = None) -> int:
    """Run a command as a child process, with its input and output, and return its exit code."""
    code = _ended(name, arguments, extra)
    if name == "loadtest":
        _show_in_report(arguments)
    return code


def _show_in_report(arguments: Sequence[str]) -> None:
    """Write the report of the run that was tested anew, with all its load tests in it."""
    tested = (Path(one) for one in arguments if (Path(one) / "report.html").is_file())
    folder = next((one for one in tested if any(one.glob("loadtest/*/verdict.json"))), None)
    if folder is None:
        return
    from sim.output.run_folder import add_verdicts
    from sim.scenario.faults import ScenarioFaults

    try:
        add_verdicts(folder)
    except (OSError, ScenarioFaults) as error:  # the verdict is told and written already
        print(f"{folder / 'report.html'}: the load test is not in it ({error})", file=sys.stderr)


def _ended(name: str, arguments: Sequence[str], extra: Mapping[str, str] | None) -> int:
    environment = os.environ | {"WITHSTAND_PROG": f"withstand {name}"} | dict(extra or {})
    child = subprocess.Popen(child_command(name, arguments), env=environment)
    ended = signal.signal(signal.SIGTERM, lambda *_: child.terminate())  # the signal is meant for the child
    try:
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                continue  # the child received it too, and ends by itself
    finally:
        signal.signal(signal.SIGTERM, ended)
