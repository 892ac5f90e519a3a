"""Where the real data lie: the one place that knows, for tests that skip where there are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
ABSENT = "set WITHSTAND_DATA to the folder that holds"
FOLDER = PROJECT / os.environ.get("WITHSTAND_DATA", "../shared/data")


def real_file(name: str) -> Path:
    """Return the path of a file of real data; the test is skipped, with the reason, where it is absent."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"no {path}: {ABSENT} {name}")
    return path
