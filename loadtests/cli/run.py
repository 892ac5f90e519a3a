"""The command ``run``: replay a run's arrivals, or show the plan of it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from loadtests.cli.parsers import add_json, add_quiet, command_parser, show
from loadtests.cli.progress import SentBar
from loadtests.core.exits import end_on_signals
from loadtests.core.faults import InputError
from loadtests.plan import dry_run
from loadtests.plan.plan import Plan, add_arguments, check_target, make_plan
from loadtests.verdict.summary import plain_lines


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = command_parser(
        commands,
        "run",
        start,
        about="replay a run's arrivals against a test system",
        example="results/quiet_week/20260112T140500-1 --host http://127.0.0.1:8080",
    )
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("--host", required=True, metavar="URL", help="the test system, http://HOST[:PORT]")
    add_quiet(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="print the plan and send nothing, not even a DNS look-up"
    )
    add_json(parser, "the plan or the verdict")
    parser.add_argument(
        "--with-capacity",
        default="",
        metavar="RUN2",
        help="a run of the same scenario and seed with that capacity, to report what a shortage costs",
    )
    parser.add_argument(
        "--workers",
        default="0",
        metavar="N",
        help="send from N processes on this machine (default: from this one alone)",
    )
    parser.add_argument("--worker-of", default="", help=argparse.SUPPRESS)
    add_arguments(parser.add_argument)


def start(options: argparse.Namespace) -> int:
    """Replay the plan, or show it, and return the exit code."""
    workers = _workers(options.workers)
    plan = make_plan(run=options.run, url=options.host, options=options, environ=os.environ)
    if options.dry_run:
        return _show_plan(plan, options)
    plan = _with_costs(plan, options)
    from loadtests import locustfile  # patches this process, so before anything opens a socket

    check_target(plan)
    if options.worker_of:
        return locustfile.work(plan, options.worker_of)
    with SentBar(len(plan.schedule.due_us), quiet=options.quiet or options.json) as bar:
        if workers:
            command = [sys.executable, "-m", "loadtests", *options.arguments, "--worker-of"]
            verdict = locustfile.replay_by_workers(plan, [command] * workers, bar.show, end_on_signals)
        else:
            verdict = locustfile.replay(plan, bar.show, end_on_signals)
    return show(options, verdict, plain_lines(verdict, str(plan.out_dir)))


def _with_costs(plan: Plan, options: argparse.Namespace) -> Plan:
    """Return the plan with what a shortage of capacity costs: from the pair of runs given, or from one made now."""
    if not (options.with_capacity or options.capacity):
        return plan
    from loadtests.plan import costs  # and with it the whole model, which takes seconds

    if options.with_capacity:
        return replace(plan, costs=costs.of_pair(plan.run_dir, Path(options.with_capacity)))
    if options.capacity and costs.falls_short(plan):
        if not options.quiet:
            print("running the scenario with this capacity, to report what the shortage costs ...", file=sys.stderr)
        return replace(plan, costs=costs.of_capacity(plan.run_dir, Path(options.capacity)))
    return plan


def _show_plan(plan: Plan, options: argparse.Namespace) -> int:
    planned = dry_run.describe(plan, workers=max(_workers(options.workers), 1))
    print(json.dumps(planned, indent=2) if options.json else "\n".join(dry_run.plain_lines(planned)))
    return 0


def _workers(text: str) -> int:
    if not text.isdecimal():
        raise InputError([f"--workers: got {text}; must be a whole number of processes, 0 or more"])
    return int(text)
