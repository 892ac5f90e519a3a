"""``withstand``: the command line, the only place of the model that prints or exits.

Exit codes: 0 passed; 1 an expectation, a threshold or a check failed; 2 bad input, nothing written; 3 a load-test run
is invalid; 4 an internal law broke.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from sim.cli.options import CHILDREN, parser

PASSED, FAILED, BAD_INPUT, INVALID, LAW_BROKEN, STOPPED = 0, 1, 2, 3, 4, 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in CHILDREN:
        from sim.cli.children import hand_over

        sys.exit(hand_over(given[0], given[1:]))
    options = parser().parse_args(given)
    module, function = options.start.split(":")
    try:
        code = getattr(import_module(f"sim.cli.{module}"), function)(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("stopped; what was not finished was not written", file=sys.stderr)
        code = STOPPED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = PASSED
    except Exception as error:
        code = _told(error, given)
    sys.exit(code)


def _told(error: Exception, given: Sequence[str]) -> int:
    """Tell what went wrong and return the exit code: a mistake of the user's, or a fault of the program."""
    from sim.scenario.faults import ScenarioFaults

    if isinstance(error, ScenarioFaults):
        print("\n".join(error.faults), file=sys.stderr)
        return BAD_INPUT
    import traceback

    traceback.print_exception(error)
    print(f"an internal law broke; it happens again with: withstand {' '.join(given)}", file=sys.stderr)
    return LAW_BROKEN
