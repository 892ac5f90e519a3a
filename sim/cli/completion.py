"""``withstand completion SHELL``: a static script that completes commands, options and files in bash or zsh."""

from __future__ import annotations

import json
import subprocess
import sys
from argparse import ArgumentParser, Namespace, _SubParsersAction
from typing import Any

from sim.cli.options import CHILDREN, parser


def completion(options: Namespace) -> int:
    """Print the script; the options of the load test's commands are asked of ``python -m loadtests``."""
    import shtab

    top = parser()
    (commands,) = (action for action in top._actions if isinstance(action, _SubParsersAction))
    for name, known in _of_children().items():
        for flags in known:
            commands.choices[name].add_argument(*flags["flags"], help=flags["help"], metavar=flags["metavar"])
    for one in commands.choices.values():
        _complete_files(
            one, {"DIR": shtab.DIRECTORY, "RUN": shtab.DIRECTORY, "FILE": shtab.FILE, "SCENARIO": shtab.FILE}
        )
    print(shtab.complete(top, shell=options.shell))
    return 0


def _of_children() -> dict[str, list[dict[str, Any]]]:
    """Return by command of the load test its options: flags, help and metavar."""
    done = subprocess.run([sys.executable, "-m", "loadtests", "options"], capture_output=True, text=True, check=True)
    known = json.loads(done.stdout)
    return {name: known[command] for name, command in CHILDREN.items()}


def _complete_files(of: ArgumentParser, kinds: dict[str, Any]) -> None:
    for action in of._actions:
        if isinstance(action.metavar, str) and action.metavar in kinds:
            action.complete = kinds[action.metavar]  # type: ignore[attr-defined]
