"""The parsers of the load test's commands, and what each command does alike: refuse, crash, print."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

Start = Callable[[Namespace], int]


def program(command: str) -> str:
    """Return the command as its user typed it: ``withstand`` runs this module as a child process."""
    return os.environ.get("WITHSTAND_PROG", f"python -m loadtests {command}")


def command_parser(
    commands: Any, name: str, start: Start, *, about: str, example: str, more: str | None = None
) -> ArgumentParser:
    """Add a command and return its parser: what it does in a line, an example's arguments, more in a paragraph."""
    epilog = f"example: {program(name)} {example}"
    parser: ArgumentParser = commands.add_parser(name, prog=program(name), help=about, description=more, epilog=epilog)
    parser.set_defaults(start=start)
    return parser


def add_quiet(parser: ArgumentParser) -> None:
    """Add ``--quiet``."""
    parser.add_argument("--quiet", action="store_true", help="print only faults")


def add_json(parser: ArgumentParser, what: str) -> None:
    """Add ``--json``; ``what`` is printed."""
    parser.add_argument("--json", action="store_true", help=f"print {what} as JSON")
