"""The reference server with a defect planted, as a real server process, and the checks that catch each.

``python -m tests.tools.defects serve NAME [options of the staging server]`` serves one; without arguments the table of
the eighteen defects and the checks is printed, with ``--all`` that of the further ones too.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loadtests.staging import __main__ as server
from tests.support.defects import FURTHER, PLANTED
from tests.support.servers.staging_client import staging
from tests.support.trace_factory import make_run, steady

RATES = {"withdrawal": 40.0, "ticket": 20.0, "withdrawal_status": 30.0, "ticket_view": 20.0, "login": 10.0}
FEW = {"withdrawal": 8.0, "withdrawal_status": 80.0}
"""Rates at which each withdrawal is asked for many times."""
RATES_OF = {"status flipping": FEW}
SECONDS = 5.0
PROMISE_MS = 2_000
SERVER = ("--payment-s", "0.2", "--review-share", "0")
OPTIONS = {"balance below zero": ("--opening-balance-usd", "1000")}

CAUGHT_BY = {
    "lost after acknowledging": ("W1", "R1"),
    "paid twice": ("W1", "W2"),
    "status going back": ("W8", "W10", "R3"),
    "balance below zero": ("W7",),
    "wrong amount": ("W1", "R2"),
    "ticket dropped": ("T1", "T2"),
    "other account": ("W1", "R2"),
    "other chain": ("W1", "R2"),
    "double fee": ("W1", "R2"),
    "ticket of another customer": ("T1", "R2"),
    "other text": ("T1", "R2"),
    "429 that took effect": ("W11",),
    "never paid": ("W10",),
    "status empty": ("R1",),
    "status of another": ("R2",),
    "status flipping": ("R3",),
    "view of another": ("R2",),
    "token of another": ("R4",),
    "memo added": ("W1", "R2"),
    "debited too much": ("W6",),
    "one transaction for many": ("W9",),
    "withdrawal nobody asked for": ("W5",),
    "refused and kept": ("W3",),
    "error and kept twice": ("W2", "W4"),
    "status of another amount": ("R2",),
    "view that finds nothing": ("R1",),
    "view of another subject": ("R2",),
    "ticket twice": ("T1", "T2", "T3"),
    "ticket of lower priority": ("T1", "R2"),
    "closed ticket opened": ("T4",),
}
"""The checks that fail for each defect."""
MAY_CATCH = {"ticket dropped": ("R1", "R2")}
"""Checks that may fail besides, for they need a read at the right moment: the database gives a lost id away again."""


def reconciled(defect: str | None, folder: Path) -> tuple[int, dict[str, Any]]:
    """Return exit code and reconciliation of a load test against a server with a defect, or without."""
    from tests.support.servers.loadtest_run import LONGEST_S, start

    rates = RATES_OF.get(defect or "", RATES)
    run = make_run(folder / "run", steady(rates, SECONDS), window_ms=round(SECONDS * 1000), promise_ms=PROMISE_MS)
    program = ("-m", "loadtests.staging") if defect is None else ("-m", __spec__.name, "serve", defect)
    with staging(*SERVER, *OPTIONS.get(defect or "", ()), program=program) as (client, _):
        url = str(client.http.base_url).rstrip("/")
        with start(run, url, "--window", f"{SECONDS:g} s", "--abort-failure-share", "1") as process:
            _, err = process.communicate(timeout=LONGEST_S)
        assert "Traceback" not in err, err
    (out,) = (run / "loadtest").iterdir()
    found: dict[str, Any] = json.loads((out / "reconcile.json").read_text(encoding="utf-8"))
    return process.returncode, found


def caught(found: dict[str, Any]) -> list[str]:
    """Return the names of the checks that failed."""
    return [check["name"] for check in found["checks"] if check["passed"] is False]


def table(rows: Iterable[tuple[str, int, dict[str, Any]]]) -> str:
    """Return defects against checks: X where a check failed, dot where it passed, blank where it was not checked."""
    lines: list[str] = []
    for name, code, found in rows:
        if not lines:
            lines = [f"{'defect':28}" + "".join(f"{check['name']:>4}" for check in found["checks"]) + "  exit code"]
        marks = {False: "X", True: ".", None: " "}
        lines.append(f"{name:28}" + "".join(f"{marks[c['passed']]:>4}" for c in found["checks"]) + f"  {code}")
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Serve a defect, or print the table."""
    if arguments[:1] == ["serve"]:
        {**PLANTED, **FURTHER}[arguments[1]]()
        return server.main(arguments[2:])
    rows = []
    for name in (None, *PLANTED, *(FURTHER if "--all" in arguments else ())):
        with tempfile.TemporaryDirectory() as folder:
            rows.append((name or "none", *reconciled(name, Path(folder))))
    sys.stdout.write(table(rows) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
