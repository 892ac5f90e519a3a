"""``python -m loadtests run`` and ``staging``: the only file of the load test that prints or exits.

``run`` uses Locust as a library in this very process rather than its ``main``: the options are then checked by the same
code and in the same words as everything else, it starts in half a second, and the exit code is the verdict's own.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from loadtests.core.faults import GeneratorError, InputError
from loadtests.core.redact import REDACTOR, CleanStream

if TYPE_CHECKING:
    from loadtests.plan.plan import Plan

BAD_INPUT, GENERATOR_UNFIT, LAW_BROKEN = 2, 3, 4


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit: 0 passed, 1 failed, 2 bad input, 3 invalid run, 4 an internal law broke."""
    keep_secrets()
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_run(commands)
    _add_capacity(commands)
    _add_staging(commands)
    _add_reconcile(commands)
    _add_inject(commands)
    given = list(sys.argv[1:] if arguments is None else arguments)
    options, unknown = parser.parse_known_args(given, argparse.Namespace(arguments=given))
    if unknown:
        refuse(
            [f"command line: {one}: got an unknown argument; see {_prog(options.command)} --help" for one in unknown]
        )
    sys.exit(options.start(options))


def _prog(command: str) -> str:
    """Return the command as its user typed it: ``withstand`` runs this module as a child process."""
    return os.environ.get("WITHSTAND_PROG", f"python -m loadtests {command}")


def refuse(faults: Sequence[str]) -> NoReturn:
    """Print every fault, one a line, and exit with 2."""
    tell(faults)
    sys.exit(BAD_INPUT)


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of a run that raised, after telling why."""
    if isinstance(error, InputError):
        tell(error.faults)
        return BAD_INPUT
    if isinstance(error, GeneratorError):
        tell([f"no verdict: {error}"])
        return GENERATOR_UNFIT
    tell(["".join(traceback.format_exception(error)).rstrip()])
    tell(["this is a fault of the load test itself; neither the target nor the input is judged"])
    return LAW_BROKEN


def end_by(error: BaseException) -> NoReturn:
    """Exit with the code of a run that raised, after telling why."""
    sys.exit(exit_code_of(error))


def tell(lines: Sequence[str]) -> None:
    """Print lines on standard error, their secrets taken out."""
    print(REDACTOR.clean("\n".join(lines)), file=sys.stderr)


def keep_secrets() -> None:
    """Let no secret through standard output or standard error, whoever writes there, loggers included."""
    if isinstance(sys.stderr, CleanStream):
        return
    sys.stdout, sys.stderr = CleanStream(sys.stdout), CleanStream(sys.stderr)
    for logger in (logging.getLogger(), *logging.getLogger().manager.loggerDict.values()):
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.StreamHandler):
                handler.setStream(CleanStream(handler.stream))


def _add_run(commands: Any) -> None:
    from loadtests.plan.plan import add_arguments

    parser = commands.add_parser(
        "run",
        prog=_prog("run"),
        help="replay a run's arrivals against a test system",
        epilog=f"example: {_prog('run')} results/quiet_week/20260112T140500-1 --host http://127.0.0.1:8080",
    )
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("--host", required=True, metavar="URL", help="the test system, http://HOST[:PORT]")
    parser.add_argument("--quiet", action="store_true", help="print only faults")
    parser.add_argument("--dry-run", action="store_true", help="print the plan, and send nothing, not even a look-up")
    parser.add_argument("--json", action="store_true", help="print the plan or the verdict as JSON")
    parser.add_argument(
        "--with-capacity",
        default="",
        metavar="RUN2",
        help="the same scenario and seed run with that capacity, to tell what a shortage costs",
    )
    parser.add_argument(
        "--workers", default="0", metavar="N", help="send by N processes of this machine (default: by this one alone)"
    )
    parser.add_argument("--worker-of", default="", help=argparse.SUPPRESS)
    add_arguments(parser.add_argument)
    parser.set_defaults(start=_run)


def _add_staging(commands: Any) -> None:
    from loadtests.staging.options import add_arguments

    parser = commands.add_parser(
        "staging",
        prog=_prog("staging"),
        help="serve the reference exchange back end",
        epilog=f"example: {_prog('staging')} --port 8080",
    )
    add_arguments(parser)
    parser.set_defaults(start=_staging)


def _add_reconcile(commands: Any) -> None:
    from loadtests.reconciliation.command import add_arguments

    about = (
        "Compare once more what a load test was told with what the server holds: when its payments have had their "
        "time, or after it crashed. Exit code 1 when a check fails; reconcile.json is written into the folder."
    )
    parser = commands.add_parser(
        "reconcile",
        prog=_prog("reconcile"),
        help="compare an earlier load test's journal with what the server holds",
        description=about,
        epilog=f"example: {_prog('reconcile')} results/quiet_week/20260112T140500-1/loadtest/* "
        "--host http://127.0.0.1:8080",
    )
    add_arguments(parser.add_argument)
    parser.set_defaults(start=_reconcile)


def _add_inject(commands: Any) -> None:
    from loadtests.injection.command import add_arguments

    about = (
        "A few dozen requests of the kind that lose money: the same key in sequence, 16 times at once, with another "
        "amount, retried after a forced time-out, and an account spent to zero by requests that compete for it. It is "
        "a command of its own because it measures no speed: it goes before a load test, and also suits a pull request. "
        "Whether a repeated key is rejected or replayed is documented by no API, so --repeat says what is wanted. Exit "
        "code 1 when a case or a check fails."
    )
    parser = commands.add_parser(
        "inject",
        prog=_prog("inject"),
        help="send repeated, competing and given-up requests, and see whether the books stay right",
        description=about,
        epilog=f"example: {_prog('inject')} results/quiet_week/20260112T140500-1 --host http://127.0.0.1:8080 "
        "--repeat rejected",
    )
    add_arguments(parser.add_argument)
    parser.set_defaults(start=_inject)


def _add_capacity(commands: Any) -> None:
    from loadtests.capacity.command import add_arguments

    about = (
        "Open load in steps, each twice the rate of the last until the objective breaks, then closer and closer to the "
        "edge. capacity.json holds the capacity with its interval, the curve, and, where the steps bear it, Gunther's "
        "universal scalability law. Exit code 1 when not even the lowest rate was held, 3 when the generator, not the "
        "target, set the limit."
    )
    parser = commands.add_parser(
        "capacity",
        prog=_prog("capacity"),
        help="measure how many requests a second a test system holds",
        description=about,
        epilog=f"example: {_prog('capacity')} --host http://127.0.0.1:8080 --endpoint withdrawal --p99 '800 ms'",
    )
    add_arguments(parser.add_argument)
    parser.add_argument("--quiet", action="store_true", help="print only faults")
    parser.set_defaults(start=_capacity)


def _capacity(options: argparse.Namespace) -> int:
    from loadtests.capacity import command

    def tell_step(line: str) -> None:
        if not options.quiet:
            tell([line])

    try:
        order = command.make_order(options, os.environ)
        result = command.measure(order, tell_step, end_on_signals)
    except InputError as error:
        refuse(error.faults)
    except Exception as error:  # a crash must not look like a rate that was not held (1)
        return exit_code_of(error)
    if not options.quiet:
        print("\n".join(command.plain_lines(result, order.out_dir)))
    return command.exit_code(result)


def _reconcile(options: argparse.Namespace) -> int:
    from loadtests.reconciliation.command import lines, reconcile_later

    try:
        found = reconcile_later(options, os.environ)
    except InputError as error:
        refuse(error.faults)
    except Exception as error:  # a crash must not look like a failed check (1)
        return exit_code_of(error)
    if not options.quiet:
        print("\n".join([*lines(found), f"results: {options.folder}"]))
    return int(found["exit_code"])


def _inject(options: argparse.Namespace) -> int:
    from loadtests.injection import command as injection
    from loadtests.reconciliation import command as later

    try:
        plan = injection.make_injection(options, os.environ)
        result = injection.run(plan)
    except InputError as error:
        refuse(error.faults)
    except Exception as error:  # as above
        return exit_code_of(error)
    if not options.quiet:
        found = later.lines(result["reconciliation"])
        print("\n".join([*injection.lines(result), *found, f"results: {plan.out_dir}"]))
    return int(result["exit_code"])


def _staging(options: argparse.Namespace) -> int:
    from loadtests.staging.http.server import SettingsError, serve
    from loadtests.staging.options import settings_from

    try:
        serve(settings_from(options), on_ready=lambda address: print(f"staging: {address}", flush=True))
    except SettingsError as error:
        refuse(error.faults)
    return 0


def _run(options: argparse.Namespace) -> int:
    from loadtests.plan.plan import check_target, make_plan

    try:
        workers = _workers(options.workers)
        plan = make_plan(run=options.run, url=options.host, options=options, environ=os.environ)
        if options.dry_run:
            return _show_plan(plan, options)
        plan = _with_costs(plan, options)
        from loadtests import locustfile  # patches this process, so before anything opens a socket

        check_target(plan)
        if options.worker_of:
            return locustfile.work(plan, options.worker_of)
        with _Bar(len(plan.schedule.due_us), quiet=options.quiet or options.json) as bar:
            if workers:
                command = [sys.executable, "-m", "loadtests", *options.arguments, "--worker-of"]
                verdict = locustfile.replay_by_workers(plan, [command] * workers, bar.show, end_on_signals)
            else:
                verdict = locustfile.replay(plan, bar.show, end_on_signals)
    except InputError as error:
        refuse(error.faults)
    except Exception as error:  # a crash must not look like a failed threshold (1)
        return exit_code_of(error)
    _show_verdict(verdict, str(plan.out_dir), options)
    return int(verdict["exit_code"])


def _with_costs(plan: Plan, options: argparse.Namespace) -> Plan:
    """Return the plan with what a shortage of capacity costs: from the pair of runs given, or from one made now."""
    if not (options.with_capacity or options.capacity):
        return plan
    from loadtests.plan import costs  # and with it the whole model, which takes seconds

    if options.with_capacity:
        return replace(plan, costs=costs.of_pair(plan.run_dir, Path(options.with_capacity)))
    if options.capacity and costs.falls_short(plan):
        if not options.quiet:
            print("running the scenario with this capacity, to know what the shortage costs ...", file=sys.stderr)
        return replace(plan, costs=costs.of_capacity(plan.run_dir, Path(options.capacity)))
    return plan


def _show_plan(plan: Plan, options: argparse.Namespace) -> int:
    from loadtests.plan import dry_run

    planned = dry_run.describe(plan, workers=max(_workers(options.workers), 1))
    print(json.dumps(planned, indent=2) if options.json else "\n".join(dry_run.plain_lines(planned)))
    return 0


def _show_verdict(verdict: dict[str, Any], folder: str, options: argparse.Namespace) -> None:
    from loadtests.verdict.summary import plain_lines

    if options.json:
        print(json.dumps(verdict, indent=2))
    elif not options.quiet:
        print("\n".join(plain_lines(verdict, folder)))


def _workers(text: str) -> int:
    if not text.isdecimal():
        raise InputError([f"--workers: got {text}; must be a whole number of processes, 0 or more"])
    return int(text)


def end_on_signals(abort: Callable[[str], None]) -> None:
    """End a run early, in good order, when this process is interrupted or terminated."""
    import gevent

    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, abort, "interrupted")


class _Bar:
    """Sent of planned, on standard error."""

    def __init__(self, planned: int, *, quiet: bool) -> None:
        from tqdm import tqdm

        tqdm.monitor_interval = 0
        self._bar = tqdm(total=planned, unit=" requests", desc="sent", disable=quiet or None, leave=False)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, sent: int, planned: int) -> None:
        """Show how many of the planned requests were sent."""
        self._bar.update(sent - self._bar.n)
