"""The command ``options``, for programs: the options of every command as JSON, from which shells complete them."""

from __future__ import annotations

import argparse
import json
from typing import Any


def add(commands: Any) -> None:
    """Add the command's parser, which no help shows."""
    parser = commands.add_parser("options", add_help=False)
    parser.set_defaults(start=lambda _: start(commands.choices))


def start(choices: dict[str, argparse.ArgumentParser]) -> int:
    """Print by command its options: flags, help and metavar; return the exit code."""
    shown = {
        name: [
            {"flags": action.option_strings, "help": action.help, "metavar": action.metavar}
            for action in parser._actions
            if action.option_strings and action.help is not argparse.SUPPRESS
        ]
        for name, parser in choices.items()
        if name != "options"
    }
    print(json.dumps(shown))
    return 0
