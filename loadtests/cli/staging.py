"""The command ``staging``: serve the reference exchange."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from loadtests.cli.parsers import command_parser
from loadtests.core.exits import refuse
from loadtests.staging.options import add_arguments, settings_from


def add(commands: Any) -> None:
    """Add the command's parser."""
    about, example = "serve the reference exchange back end", "--port 8080"
    add_arguments(command_parser(commands, "staging", start, about=about, example=example))


def start(options: Namespace) -> int:
    """Serve until this process is ended, and return the exit code."""
    from loadtests.staging.http.server import SettingsError, serve

    try:
        serve(settings_from(options), on_ready=lambda address: print(f"staging: {address}", flush=True))
    except SettingsError as error:
        refuse(error.faults)
    return 0
