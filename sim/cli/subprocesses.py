"""Commands run in another process: the load test patches sockets, which must not affect the model."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import Popen
from typing import Any

from sim.cli.options import CHILDREN
from sim.core.system import parented

_OF_SIGNALS = 128
"""What a shell adds to the number of the signal that ended a command, for its exit code."""


def child_command(name: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line of ``withstand staging`` or ``withstand loadtest`` as a child process."""
    return [sys.executable, "-m", "loadtests", CHILDREN[name], *arguments]


def start_child(name: str, arguments: Sequence[str], environment: Mapping[str, str], **more: Any) -> Popen[str]:
    """Start a command as a child process, which ends with this one, however this one ends."""
    ends_with_this = parented(environment)
    child = Popen(child_command(name, arguments), **ends_with_this, **more)
    for number in ends_with_this["pass_fds"]:
        os.close(number)
    return child


def hand_over(name: str, arguments: Sequence[str]) -> int:
    """Run a command as a child process, with its input and output, and return its exit code."""
    code = _ended(name, arguments)
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


def _ended(name: str, arguments: Sequence[str]) -> int:
    child = start_child(name, arguments, os.environ | {"WITHSTAND_PROG": f"withstand {name}"})
    ended = signal.signal(signal.SIGTERM, lambda *_: child.terminate())  # the signal is meant for the child
    try:
        while True:
            try:
                code = child.wait()
            except KeyboardInterrupt:
                continue  # the child received it too, and ends by itself
            return code if code >= 0 else _OF_SIGNALS - code
    finally:
        signal.signal(signal.SIGTERM, ended)
