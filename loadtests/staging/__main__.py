"""``python -m loadtests.staging``: the staging server alone."""

from __future__ import annotations

import argparse
import sys

from loadtests.staging.http.server import serve
from loadtests.staging.options import add_arguments, settings_from
from loadtests.staging.settings import SettingsError


def main(arguments: list[str] | None = None) -> int:
    """Serve as the options say; return 0 after a signal, 2 for settings or secrets that are refused."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.staging",
        description="The reference exchange back end, to run load tests against.",
        epilog="example: python -m loadtests.staging --port 8080 --withdrawal-capacity-per-s 50",
    )
    add_arguments(parser)
    try:
        serve(settings_from(parser.parse_args(arguments)), on_ready=_announce)
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _announce(address: str) -> None:
    sys.stdout.write(f"staging: {address}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
