"""How a command of the load test ends: exit codes, faults on standard error, secrets removed, signals handled."""

from __future__ import annotations

import logging
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import NoReturn

from loadtests.core.faults import GeneratorError, InputError
from loadtests.core.redact import REDACTOR, CleanStream
from sim.core.system import refusal

PASSED, FAILED, BAD_INPUT, INVALID, LAW_BROKEN = 0, 1, 2, 3, 4
INTERRUPTED = "interrupted"
"""Why a run ended that its user ended."""


def refuse(faults: Sequence[str]) -> NoReturn:
    """Print every fault, one a line, and exit with 2."""
    tell(faults)
    sys.exit(BAD_INPUT)


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of a run that raised, after printing the reason."""
    if isinstance(error, InputError):
        tell(error.faults)
        return BAD_INPUT
    if isinstance(error, GeneratorError):
        tell([f"no verdict: {error}"])
        return INVALID
    if refused := refusal(error):
        tell([refused])
        return BAD_INPUT
    tell(["".join(traceback.format_exception(error)).rstrip()])
    tell(["this is a defect of the load test itself; neither the target nor the input is judged"])
    return LAW_BROKEN


def end_by(error: BaseException) -> NoReturn:
    """Exit with the code of a run that raised, after printing the reason."""
    sys.exit(exit_code_of(error))


def tell(lines: Sequence[str]) -> None:
    """Print lines on standard error, with their secrets removed."""
    print(REDACTOR.clean("\n".join(lines)), file=sys.stderr)


def keep_secrets() -> None:
    """Remove secrets from all that is written to standard output and standard error, also by loggers."""
    if isinstance(sys.stderr, CleanStream):
        return
    sys.stdout, sys.stderr = CleanStream(sys.stdout), CleanStream(sys.stderr)
    for logger in (logging.getLogger(), *logging.getLogger().manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(CleanStream(handler.stream))


def end_on_signals(abort: Callable[[str], None]) -> None:
    """End a run early and cleanly when this process is interrupted or terminated."""
    import gevent

    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, abort, INTERRUPTED)


def interrupt_main_alone(ending: Callable[[], Callable[[str], None] | None]) -> None:
    """Have SIGINT raise KeyboardInterrupt in the main greenlet, or call what ``ending`` returns once there is that.

    Python itself raises it in whichever greenlet runs: a request's would end there, and its row be lost.
    """
    import gevent

    hub = gevent.get_hub()

    def take() -> None:
        end = ending()
        if end is None:
            hub.handle_system_error(KeyboardInterrupt, KeyboardInterrupt())
        else:
            end(INTERRUPTED)

    gevent.signal_handler(signal.SIGINT, take)
