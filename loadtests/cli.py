"""``python -m loadtests run`` and ``staging``: the only file of the load test that prints or exits.

``run`` uses Locust as a library in this very process rather than its ``main``: the options are then checked by the same
code and in the same words as everything else, it starts in half a second, and the exit code is the verdict's own.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from loadtests.faults import InputError

BAD_INPUT, LAW_BROKEN = 2, 4
_ANSWERED = ("acknowledged", "rejected", "rate_limited", "unknown")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit: 0 passed, 1 failed, 2 bad input, 3 invalid run, 4 an internal law broke."""
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_run(commands)
    _add_staging(commands)
    options, unknown = parser.parse_known_args(arguments)
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
    print("\n".join(faults), file=sys.stderr)
    sys.exit(BAD_INPUT)


def exit_code_of(error: BaseException) -> int:
    """Return the exit code of a run that raised, after telling why."""
    if isinstance(error, InputError):
        print("\n".join(error.faults), file=sys.stderr)
        return BAD_INPUT
    traceback.print_exception(error, file=sys.stderr)
    print("this is a fault of the load test itself; neither the target nor the input is judged", file=sys.stderr)
    return LAW_BROKEN


def _add_run(commands: Any) -> None:
    from loadtests.plan import add_arguments

    parser = commands.add_parser(
        "run",
        prog=_prog("run"),
        help="replay a run's arrivals against a test system",
        epilog=f"example: {_prog('run')} results/quiet_week/20260112T140500-1 --host http://127.0.0.1:8080",
    )
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("--host", required=True, metavar="URL", help="the test system, http://HOST[:PORT]")
    parser.add_argument("--quiet", action="store_true", help="print only faults")
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


def _staging(options: argparse.Namespace) -> int:
    from loadtests.staging.options import settings_from
    from loadtests.staging.server import SettingsError, serve

    try:
        serve(settings_from(options), on_ready=lambda address: print(f"staging: {address}", flush=True))
    except SettingsError as error:
        refuse(error.faults)
    return 0


def _run(options: argparse.Namespace) -> int:
    from loadtests import locustfile  # patches this process, so before anything opens a socket
    from loadtests.plan import check_target, make_plan

    try:
        plan = make_plan(run=options.run, url=options.host, options=options, environ=os.environ)
        check_target(plan)
        with _Bar(len(plan.schedule.due_us), quiet=options.quiet) as bar:
            verdict = locustfile.replay(plan, bar.show, _end_on_signals)
    except InputError as error:
        refuse(error.faults)
    except Exception as error:  # a crash must not look like a failed threshold (1)
        return exit_code_of(error)
    if not options.quiet:
        print("\n".join(summary(verdict, str(plan.out_dir))))
    return int(verdict["exit_code"])


def _end_on_signals(abort: Callable[[str], None]) -> None:
    import gevent

    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, abort, "interrupted")


class _Bar:
    """Sent of planned, on standard error."""

    def __init__(self, planned: int, *, quiet: bool) -> None:
        from tqdm import tqdm

        tqdm.monitor_interval = 0
        self._bar = tqdm(total=planned, unit=" requests", desc="sent", disable=quiet, leave=False)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, sent: int, planned: int) -> None:
        """Show how many of the planned requests were sent."""
        self._bar.update(sent - self._bar.n)


def summary(verdict: dict[str, Any], folder: str) -> list[str]:
    """Return the verdict in a few plain lines."""
    word = {0: "PASSED", 1: "FAILED", 3: "INVALID"}[verdict["exit_code"]]
    counts, window, generator = verdict["counts"], verdict["window"], verdict["generator"]
    sent = counts["planned"] - counts["shed"] - counts["not_sent"]
    lateness = generator["lateness_ms"]
    lines = [
        f"{word}  {verdict['scenario']}: {window['length_s']:g} s from {window['start_utc'][:19]}, "
        f"speed-up {verdict['speedup']:g}, against {verdict['host']}",
        f"sent {sent:,} of {counts['planned']:,} in {window['duration_s']:g} s: "
        + ", ".join(f"{name.replace('_', ' ')} {counts[name]:,}" for name in _ANSWERED),
        f"generator: lateness p50 {lateness['p50']} ms, p99 {lateness['p99']} ms, shed {counts['shed']:,}; "
        + ("valid" if verdict["valid"] else "invalid: " + "; ".join(verdict["reasons"])),
        *_latency_lines(verdict),
        *(
            f"broken: {line['name']} is {_number(line['measured'])}, limit {_number(line['limit'])}"
            for line in verdict["thresholds"]
            if line["kind"] == "target" and not line["passed"]
        ),
        _reconciliation_line(verdict["reconciliation"]),
        *_headroom_line(verdict["headroom"]),
        f"results: {folder}",
    ]
    return lines


def _latency_lines(verdict: dict[str, Any]) -> list[str]:
    parts = []
    for name, values in verdict["measured"]["endpoints"].items():
        p99, limit = values["latency_ms"]["p99"], (verdict["objectives"].get(name) or {}).get("p99_ms")
        objective = f" (objective {_number(limit)})" if limit is not None else ""
        parts.append(f"{name} {_number(p99['value'])}{objective}")
    return ["p99 latency in ms: " + ", ".join(parts)]


def _reconciliation_line(found: dict[str, Any]) -> str:
    if not found["done"]:
        return f"not reconciled: {found['reason']}"
    wrong = [f"{c['name']} {c['what']}: {c['n_wrong']} wrong" for c in found["checks"] if not c["passed"]]
    if wrong:
        return "reconciliation failed: " + "; ".join(wrong)
    counts = {check["name"]: check["count"] for check in found["checks"]}
    unknown = sum(sum(kind.values()) for kind in found["unknown"].values())
    return (
        f"reconciled: {counts['W1']:,} withdrawals and {counts['T1']:,} tickets acknowledged, each in the server once; "
        f"{unknown:,} writes of unknown fate"
    )


def _headroom_line(headroom: dict[str, Any]) -> list[str]:
    ratios = [row["ratio"] for row in headroom["rate_over_predicted_p95_peak"].values() if row["ratio"]]
    latency = [value for value in headroom["p99_objective_over_measured"].values() if value]
    parts = []
    if ratios:
        parts.append(f"sent at {min(ratios):.2f} to {max(ratios):.2f} times the predicted p95 peak")
    if latency:
        parts.append(f"tightest p99 objective is {min(latency):.1f} times what was measured")
    return ["headroom: " + "; ".join(parts)] if parts else []


def _number(value: float | None) -> str:
    if value is None:
        return "nothing"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
