"""The load test's command line, ``python -m loadtests COMMAND``: a file for each command.

``run`` uses Locust as a library in this very process rather than its ``main``: the options are then checked by the same
code and in the same words as everything else, it starts in half a second, and the exit code is the verdict's own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from loadtests.cli import capacity, inject, known_options, reconcile, run, staging
from loadtests.cli.parsers import program
from loadtests.core.exits import exit_code_of, keep_secrets, refuse
from sim.core.system import displayed, end_with_parent

COMMANDS = (run, capacity, staging, reconcile, inject, known_options)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit: 0 passed, 1 failed, 2 bad input, 3 invalid, 4 a law broke, 130 interrupted, or 143."""
    end_with_parent()
    given = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(displayed(lambda: _started(given), exit_code_of))


def _started(given: list[str]) -> int:
    """Run the command and return its code."""
    keep_secrets()
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.add(commands)
    options, unknown = parser.parse_known_args(given, argparse.Namespace(arguments=given))
    if unknown:
        see = f"see {program(options.command)} --help"
        refuse([f"command line: {one}: got an unknown argument; {see}" for one in unknown])
    code: int = options.start(options)
    return code
