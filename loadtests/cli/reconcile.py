"""The command ``reconcile``: compare an earlier load test once more with what the server holds."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from typing import Any

from loadtests.cli.parsers import add_json, command_parser
from loadtests.core.exits import exit_code_of, refuse
from loadtests.core.faults import InputError
from loadtests.core.redact import REDACTOR
from loadtests.reconciliation.command import add_arguments, lines, reconcile_again


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = command_parser(
        commands,
        "reconcile",
        start,
        about="compare an earlier load test's journal with what the server holds",
        example="results/quiet_week/20260112T140500-1/loadtest/* --host http://127.0.0.1:8080",
        more="Compares the answers that a load test got with what the server holds, once more: after its payments have "
        "completed, or after it crashed. Exit code 1 when a check fails; reconcile.json is written into the folder.",
    )
    add_arguments(parser.add_argument)
    add_json(parser, "the result")


def start(options: Namespace) -> int:
    """Reconcile, print what was found, and return the exit code."""
    try:
        found = reconcile_again(options, os.environ)
    except InputError as error:
        refuse(error.faults)
    except Exception as error:  # a crash must not look like a failed check (1)
        return exit_code_of(error)
    if options.json:
        print(REDACTOR.clean(json.dumps(found, indent=2, default=str)))
    elif not options.quiet:
        print("\n".join([*lines(found), f"results: {options.folder}"]))
    return int(found["exit_code"])
