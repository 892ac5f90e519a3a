"""The parsers of the load test's commands, and what each command does alike: print its result."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loadtests.core.redact import REDACTOR

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


def show(options: Namespace, result: Mapping[str, Any], lines: Sequence[str]) -> int:
    """Print a result as the options ask, as JSON or in lines, and return its ``exit_code``."""
    if options.json:
        print(REDACTOR.clean(json.dumps(result, indent=2, default=str)))
    elif not options.quiet:
        print("\n".join(lines))
    return int(result["exit_code"])
