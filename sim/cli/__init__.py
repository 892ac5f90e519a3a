"""``withstand``: the command line; only it and the studies print, and only it exits.

Exit codes: 0 passed; 1 an expectation, a threshold or a check failed; 2 bad input, nothing written; 3 a load-test run
is invalid; 4 an internal law broke; 130 and 143 interrupted and terminated.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import NoReturn

from sim.cli.options import CHILDREN, parser

PASSED, FAILED, BAD_INPUT, INVALID, LAW_BROKEN, STOPPED, TERMINATED = 0, 1, 2, 3, 4, 130, 143


class Terminated(KeyboardInterrupt):
    """A request to terminate this process; it ends as if interrupted."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in CHILDREN:
        from sim.cli.subprocesses import hand_over

        sys.exit(hand_over(words[0], words[1:]))
    options = parser().parse_args(words)
    from sim.core.memory import share_memory

    share_memory()  # before the libraries that start threads
    module, function = options.start.split(":")
    try:
        with _ended_like_interrupted():
            code = getattr(import_module(f"sim.cli.{module}"), function)(options)
            sys.stdout.flush()
    except KeyboardInterrupt as stop:
        print(str(stop) or "stopped; unfinished work was not written", file=sys.stderr)
        code = TERMINATED if isinstance(stop, Terminated) else STOPPED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = PASSED
    except Exception as error:
        code = _report(error, words)
    sys.exit(code)


@contextmanager
def _ended_like_interrupted() -> Iterator[None]:
    """Have a signal to terminate raise an exception, so that running work ends in good order."""

    def end(*_: object) -> NoReturn:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
