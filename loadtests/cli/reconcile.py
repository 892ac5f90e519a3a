"""The command ``reconcile``: compare an earlier load test once more with what the server holds."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from loadtests.cli.parsers import add_json, command_parser, show
from loadtests.core.exits import end_on_signals
from loadtests.reconciliation.command import add_arguments, lines, reconcile_again
from loadtests.verdict.files import finish


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = command_parser(
        commands,
        "reconcile",
        start,
        about="compare an earlier load test's journal with what the server holds",
        example="results/quiet_week/20260112T140500-1/loadtest/* --host http://127.0.0.1:8080",
        more="Compares the answers that a load test got with what the server holds, once more: after its payments have "
        "completed, or after it crashed. Exit code 1 when a check fails; reconcile.json and junit-reconcile.xml are "
        "written into the folder. A TIME.part that lacked only disk room for its reports is finished. Ctrl-C ends it "
        "at once (3), and leaves the folder as it was.",
    )
    add_arguments(parser.add_argument)
    add_json(parser, "the result")


def start(options: Namespace) -> int:
    """Reconcile, print what was found, and return the exit code."""
    found = reconcile_again(options, os.environ, end_on_signals)
    whole = finish(Path(options.folder))
    return show(options, found, [*lines(found), f"results: {whole or options.folder}"])
