"""The changes that change nothing that could be noticed, each with the argument (``equivalent.toml``)."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from tests.tools.mutants.operators import Mutant

FILE = Path(__file__).with_name("equivalent.toml")


@cache
def known() -> dict[tuple[str, str, str, str], str]:
    """Return the argument by file, function, line as it is, and line as it becomes."""
    rows = tomllib.loads(FILE.read_text("utf-8"))["change"]
    return {(row["file"], row["where"], row["old"], row["new"]): row["why"] for row in rows}


def argument(mutant: Mutant) -> str:
    """Return why a change changes nothing; empty if it is not known to."""
    old, new = mutant.lines
    if new == old.replace("strict=True", "strict=False", 1):
        return "zip's strict is an assertion: it raises where two lists of one length are not"
    return known().get((mutant.file, mutant.where, old, new), "")
