"""The command ``inject``: requests of the kind that lose money, and whether the books stay correct."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import Any

from loadtests.cli.parsers import add_json, command_parser, show
from loadtests.core.exits import end_on_signals
from loadtests.injection import command as injection
from loadtests.reconciliation.command import lines


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = command_parser(
        commands,
        "inject",
        start,
        about="send repeated, competing and abandoned requests, and check that the accounts stay correct",
        example="results/quiet_week/20260112T140500-1 --host http://127.0.0.1:8080 --repeat rejected",
        more="Sends a few dozen requests of the kind that lose money: the same key in sequence, 16 times at once, with "
        "another amount, retried after a forced time-out, and an account spent to zero by requests that compete for "
        "it. It is a separate command because it measures no speed: run it before a load test, or on each "
        "pull request. No API documents whether a repeated key is rejected or replayed, so --repeat states what is "
        "expected. Exit code 1 when a case or a check fails; inject.json and junit.xml lie in the folder. Ctrl-C lets "
        "the case under way end and judges what there is, a second one waits for nothing more (3, or 1 if something "
        "failed); what was killed leaves TIME-inject.part, which reconcile reads.",
    )
    injection.add_arguments(parser.add_argument)
    add_json(parser, "the cases and the checks")


def start(options: Namespace) -> int:
    """Send the cases, print the results, and return the exit code."""
    plan = injection.make_injection(options, os.environ)
    result = injection.run(plan, end_on_signals)
    found = result["reconciliation"]
    return show(options, result, [*injection.lines(result), *lines(found), f"results: {plan.out_dir}"])
