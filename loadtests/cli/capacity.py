"""The command ``capacity``: how many requests a second a test system holds."""

from __future__ import annotations

import os
from argparse import Namespace
from typing import Any

from loadtests.capacity import command
from loadtests.capacity.told import plain_lines
from loadtests.cli.parsers import add_json, add_quiet, command_parser, show
from loadtests.core.exits import end_on_signals, tell


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = command_parser(
        commands,
        "capacity",
        start,
        about="measure how many requests a second a test system holds",
        example="--host http://127.0.0.1:8080 --endpoint withdrawal --p99 '800 ms'",
        more="Sends open load in steps, each at twice the rate of the last until the objective breaks, then at rates "
        "closer to the limit. capacity.json holds the capacity with its interval, the curve, and, if the steps fit, "
        "Gunther's universal scalability law; junit.xml has a test case for each endpoint. Exit code 1 when not even "
        "the lowest rate was held, 3 when the generator, not the target, set the limit. Ctrl-C ends the "
        "step, whose part that was sent is told but not judged, and a second one ends at once; the steps before are "
        "kept, and the exit code is 3.",
    )
    command.add_arguments(parser.add_argument)
    add_quiet(parser)
    add_json(parser, "the result")


def start(options: Namespace) -> int:
    """Search, print what was found, and return the exit code."""

    def tell_step(line: str) -> None:
        if not options.quiet:
            tell([line])

    order = command.make_order(options, os.environ)
    result = command.measure(order, tell_step, end_on_signals)
    return show(options, result, plain_lines(result, order.out_dir))
