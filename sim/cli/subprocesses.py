"""Commands run in another process: the load test patches sockets, which must not affect the model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence

from sim.cli.options import CHILDREN


def child_command(name: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line of ``withstand staging`` or ``withstand loadtest`` as a child process."""
    return [sys.executable, "-m", "loadtests", CHILDREN[name], *arguments]


def hand_over(name: str, arguments: Sequence[str], extra: Mapping[str, str] | None = None) -> int:
    """Run a command as a child process, with its input and output, and return its exit code."""
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
