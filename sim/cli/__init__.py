"""``withstand``: the command line; only it and the studies print, and only it exits.

Exit codes: 0 passed; 1 an expectation, a threshold or a check failed; 2 bad input, nothing written; 3 a load-test run
is invalid; 4 an internal law broke; 130 and 143 interrupted and terminated.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

PASSED, FAILED, BAD_INPUT, INVALID, LAW_BROKEN = 0, 1, 2, 3, 4


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    from sim.core.system import displayed

    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(displayed(lambda: _started(words), lambda error: _report(error, words)))


def _started(words: Sequence[str]) -> int:
    """Run one command and return its code."""
    from sim.cli.options import CHILDREN, parser

    if words and words[0] in CHILDREN:
        from sim.cli.subprocesses import hand_over

        return hand_over(words[0], words[1:])
    options = parser().parse_args(words)
    from sim.core.memory import share_memory

    share_memory()  # before the libraries that start threads
    module, function = options.start.split(":")
    code: int = getattr(import_module(f"sim.cli.{module}"), function)(options)
    return code


def _report(error: Exception, words: Sequence[str]) -> int:
    """Print the error and return the exit code: a user's mistake, or a fault of the program."""
    from sim.scenario.faults import ScenarioFaults

    if isinstance(error, ScenarioFaults):
        print("\n".join(error.faults), file=sys.stderr)
        return BAD_INPUT
    import traceback

    traceback.print_exception(error)
    print(f"an internal law broke; to reproduce it: withstand {' '.join(words)}", file=sys.stderr)
    return LAW_BROKEN
